/*
 * No room: which size would do. The sources are counted, the library knows what that takes.
 *
 * Nothing here fails: what cannot be told is left out, and the failure that brought us here stays.
 */
#include "cli/mkfs_needs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

/* What 0 and UINT32_MAX mean in the options. */
#define SECTORSIZE_DEFAULT 4096u
#define MAX_INLINE_DEFAULT 2048u

/* Of a block device; 0 when the system does not tell. */
static uint64_t block_device_bytes(const char *path)
{
	uint64_t bytes = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (ioctl(fd, BLKGETSIZE64, &bytes) != 0)
		bytes = 0;
	close(fd);
	return bytes;
}

/* The size that a target cannot grow beyond; 0 when it can, or when the library knows better. */
static uint64_t target_limit(const struct mkfs_request *request, const char *path)
{
	bool is_block;
	struct stat st;

	is_block = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
	/* A file that is shrunk is only measured in the end, and then to the byte. */
	if (request->fs.shrink && !is_block)
		return 0;
	if (request->fs.byte_count)
		return request->fs.byte_count;
	return is_block ? block_device_bytes(path) : 0;
}

/* The smallest of them; NULL when none is limited. */
static const char *tightest_target(const struct mkfs_request *request, uint64_t *ret_bytes)
{
	const char *tightest = NULL;

	for (unsigned i = 0; i < request->fs.nr_devices; i++) {
		uint64_t bytes = target_limit(request, request->fs.devices[i]);

		if (bytes && (!tightest || bytes < *ret_bytes)) {
			tightest = request->fs.devices[i];
			*ret_bytes = bytes;
		}
	}
	return tightest;
}

static int count_sources(const struct mkfs_request *request, const struct import_options *import,
			 struct ubtrfs_mkfs_contents *contents)
{
	uint32_t sectorsize = request->fs.sectorsize ? request->fs.sectorsize : SECTORSIZE_DEFAULT;
	uint32_t max_inline = request->open.max_inline;

	contents->inline_limit_bytes = max_inline == UINT32_MAX ? MAX_INLINE_DEFAULT : max_inline;
	if (request->rootdir)
		return import_estimate_directory(request->rootdir, import, sectorsize, contents);
	for (unsigned i = 0; i < request->nr_archives; i++)
		TRY(import_estimate_archive(request->archives[i], import, sectorsize, contents));
	return 0;
}

/* What was read is gone: standard input, a pipe under a name. */
static bool reads_stream(const struct mkfs_request *request)
{
	struct stat st;

	for (unsigned i = 0; i < request->nr_archives; i++) {
		if (strcmp(request->archives[i], "-") == 0)
			return true;
		if (stat(request->archives[i], &st) == 0 && !S_ISREG(st.st_mode) &&
		    !S_ISBLK(st.st_mode))
			return true;
	}
	return false;
}

int mkfs_needs_explain(const struct mkfs_request *request, const struct import_options *import,
		       int err)
{
	const char *each = request->fs.nr_devices > 1 ? " on each device" : "";
	struct ubtrfs_mkfs_contents contents = { 0 };
	struct err_report failure = { .err = err };
	uint64_t limit = 0, would = 0;
	const char *target = tightest_target(request, &limit);

	/* The library's sentence belongs to a code of its own, of which err is the errno. */
	snprintf(failure.text, sizeof(failure.text), "%s", ubtrfs_error_text());
	if (!target)
		return err_rethrow(&failure);
	if (reads_stream(request))
		return THROW(
			ERR_NO_SPACE,
			"%s: %llu bytes are too few for what is imported; its size cannot be known from a stream",
			target, (unsigned long long)limit);
	if (count_sources(request, import, &contents) < 0 ||
	    ubtrfs_mkfs_size_for(&request->fs, &request->open, &contents, &would) < 0 ||
	    would <= limit)
		return err_rethrow(&failure);
	return THROW(ERR_NO_SPACE,
		     "%s: %llu bytes are too few for what is imported, %llu%s would do", target,
		     (unsigned long long)limit, (unsigned long long)would, each);
}
