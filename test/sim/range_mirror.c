/* The same calls by system calls; see range_mirror.h. */
#include "sim/range_mirror.h"

#include "base/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int answer(int64_t ret)
{
	return ret < 0 ? -errno : 0;
}

void mirror_open(struct range_mirror *mirror, const char *dir, unsigned nr_files,
		 const bool *nodatacow)
{
	char path[4096];

	mirror->dir = dir;
	for (unsigned i = 0; i < MIRROR_FILES; i++)
		mirror->fds[i] = -1;
	assert_true(nr_files <= MIRROR_FILES);
	for (unsigned i = 0; dir && i < nr_files; i++) {
		int flags = FS_NOCOW_FL;

		snprintf(path, sizeof(path), "%s/file%u", dir, i);
		assert_true(unlink(path) == 0 || errno == ENOENT);
		mirror->fds[i] = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		assert_true(mirror->fds[i] >= 0);
		if (nodatacow[i])
			assert_int_equal(ioctl(mirror->fds[i], FS_IOC_SETFLAGS, &flags), 0);
	}
}

void mirror_close(struct range_mirror *mirror)
{
	for (unsigned i = 0; i < MIRROR_FILES; i++)
		if (mirror->fds[i] >= 0)
			assert_int_equal(close(mirror->fds[i]), 0);
}

int mirror_write(struct range_mirror *mirror, unsigned file, uint64_t offset, const void *data,
		 size_t len)
{
	ssize_t got = pwrite(mirror->fds[file], data, len, (off_t)offset);

	assert_true(got < 0 || (size_t)got == len);
	return answer(got);
}

int mirror_truncate(struct range_mirror *mirror, unsigned file, uint64_t size)
{
	return answer(ftruncate(mirror->fds[file], (off_t)size));
}

int mirror_fallocate(struct range_mirror *mirror, unsigned file, unsigned mode, uint64_t offset,
		     uint64_t len)
{
	return answer(fallocate(mirror->fds[file], (int)mode, (off_t)offset, (off_t)len));
}

int mirror_clone(struct range_mirror *mirror, unsigned src, uint64_t src_offset, unsigned dst,
		 uint64_t dst_offset, uint64_t len)
{
	struct file_clone_range range = { .src_fd = mirror->fds[src],
					  .src_offset = src_offset,
					  .src_length = len,
					  .dest_offset = dst_offset };

	return answer(ioctl(mirror->fds[dst], FICLONERANGE, &range));
}

int mirror_dedupe(struct range_mirror *mirror, unsigned src, uint64_t src_offset, unsigned dst,
		  uint64_t dst_offset, uint64_t len, bool *ret_same)
{
	union {
		struct file_dedupe_range range;
		char bytes[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
	} all = { .range = { .src_offset = src_offset, .src_length = len, .dest_count = 1 } };
	struct file_dedupe_range_info *info = all.range.info;

	info->dest_fd = mirror->fds[dst];
	info->dest_offset = dst_offset;
	if (ioctl(mirror->fds[src], FIDEDUPERANGE, &all.range) < 0)
		return -errno;
	*ret_same = info->status == FILE_DEDUPE_RANGE_SAME;
	return info->status < 0 ? info->status : 0;
}

bool mirror_holds(struct range_mirror *mirror, unsigned file, const void *data, size_t len)
{
	uint8_t *theirs = malloc(len + 1);
	bool same;

	assert_non_null(theirs);
	assert_int_equal(pread(mirror->fds[file], theirs, len + 1, 0), len);
	same = !len || memcmp(theirs, data, len) == 0;
	free(theirs);
	return same;
}

void mirror_stat(struct range_mirror *mirror, unsigned file, struct stat *ret_stat)
{
	assert_int_equal(fsync(mirror->fds[file]), 0);
	assert_int_equal(fstat(mirror->fds[file], ret_stat), 0);
}

int mirror_seek(struct range_mirror *mirror, unsigned file, uint64_t offset, int whence,
		uint64_t *ret_offset)
{
	off_t at = lseek(mirror->fds[file], (off_t)offset, whence);

	if (at >= 0)
		*ret_offset = (uint64_t)at;
	return answer(at);
}
