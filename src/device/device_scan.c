/*
 * What else could hold a part of the same: the files beside a file, or the host's block devices.
 *
 * Reads a few bytes of each candidate and hands them to the visitor, who knows what they mean.
 * Only regular files (block devices) that are long enough are opened; what cannot be opened or read
 * is passed over. At most SCAN_MAX_ENTRIES names are looked at. Owns nothing; takes no lock.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "device/device_priv.h"

#define SCAN_MAX_ENTRIES 100000u

struct scan {
	const char *folder;
	int folder_fd;
	bool blocks;
	uint64_t at;
	size_t len;
	uint8_t *bytes;
	device_visit_fn visit;
	void *ctx;
};

static bool is_wanted(const struct scan *scan, int fd)
{
	uint64_t size_bytes;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (!scan->blocks)
		return S_ISREG(st.st_mode) && (uint64_t)st.st_size >= scan->at + scan->len;
	return S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &size_bytes) == 0 &&
	       size_bytes >= scan->at + scan->len;
}

/* Looks before it opens: a fifo would wait, a tape would wind. */
static int open_candidate(const struct scan *scan, const char *name)
{
	struct stat st;

	if (fstatat(scan->folder_fd, name, &st, 0) < 0 ||
	    (scan->blocks ? !S_ISBLK(st.st_mode) :
			    !S_ISREG(st.st_mode) || (uint64_t)st.st_size < scan->at + scan->len))
		return -1;
	return openat(scan->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool candidate_read(const struct scan *scan, const char *name)
{
	int fd = open_candidate(scan, name);
	bool good;

	if (fd < 0)
		return false;
	good = is_wanted(scan, fd) &&
	       pread(fd, scan->bytes, scan->len, (off_t)scan->at) == (ssize_t)scan->len;
	close(fd);
	return good;
}

static int candidate_visit(const struct scan *scan, const char *name)
{
	char *path;
	int err;

	if (!candidate_read(scan, name))
		return 0;
	path = mem_printf("%s%s%s", scan->folder,
			  scan->folder[strlen(scan->folder) - 1] == '/' ? "" : "/", name);
	if (!path)
		return MEM_FAIL("a path");
	err = scan->visit(scan->ctx, path, scan->bytes);
	mem_free(path);
	return err;
}

/* The names in dir_path; those of block devices have '!' for '/'. */
static int scan_names(struct scan *scan, const char *dir_path)
{
	DIR *dir = opendir(dir_path);
	const struct dirent *entry;
	unsigned nr = 0;
	int err = 0;

	if (!dir)
		return 0;
	while (err == 0 && nr++ < SCAN_MAX_ENTRIES && (entry = readdir(dir))) {
		char name[NAME_MAX + 1];

		if (entry->d_name[0] == '.' && scan->blocks)
			continue;
		if (entry->d_type == DT_DIR)
			continue;
		snprintf(name, sizeof(name), "%s", entry->d_name);
		for (char *p = name; scan->blocks && *p; p++)
			*p = *p == '!' ? '/' : *p;
		err = candidate_visit(scan, name);
	}
	closedir(dir);
	return err;
}

static int folder_of(const char *path, char **ret_folder)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	*ret_folder = !slash ? mem_strdup(".") : mem_printf("%.*s", len ? (int)len : 1, path);
	return *ret_folder ? 0 : MEM_FAIL("a path");
}

int device_scan(const char *beside, uint64_t at, size_t len, device_visit_fn visit, void *ctx)
{
	struct scan scan = { .at = at, .len = len, .visit = visit, .ctx = ctx };
	char *folder = NULL;
	struct stat st;
	int err;

	if (stat(beside, &st) < 0)
		return 0;
	scan.blocks = S_ISBLK(st.st_mode);
	TRY(folder_of(scan.blocks ? "/dev/" : beside, &folder));
	scan.folder = folder;
	scan.folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	scan.bytes = mem_alloc(len);
	err = scan.bytes ? 0 : MEM_FAIL("scanning for devices");
	if (err == 0 && scan.folder_fd >= 0)
		err = scan_names(&scan, scan.blocks ? "/sys/class/block" : folder);
	if (scan.folder_fd >= 0)
		close(scan.folder_fd);
	mem_free(scan.bytes);
	mem_free(folder);
	return err;
}
