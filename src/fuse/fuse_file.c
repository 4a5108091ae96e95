/*
 * Contents: reading, writing, making durable.
 *
 * There are no handles: opening is answered ENOSYS, whereupon the kernel opens and closes files by
 * itself, keeps their pages, and asks no more. A node lives as long as the kernel knows it.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "fuse/fuse_priv.h"

void front_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	(void)id;
	(void)file;
	fuse_reply_err(req, ENOSYS);
}

void front_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	(void)id;
	(void)file;
	fuse_reply_err(req, 0);
}

void front_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	(void)id;
	(void)file;
	fuse_reply_err(req, ENOSYS);
}

void front_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		struct fuse_file_info *file)
{
	struct ubtrfs_node node;
	size_t len = 0;
	void *data;
	int err;

	(void)file;
	if (!request_node(req, id, &node))
		return;
	data = mem_alloc(size);
	err = data ? ubtrfs_read(front_of(req)->fs, node, (uint64_t)offset, data, size, &len) :
		     MEM_FAIL("what is read");
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_buf(req, data, len);
	mem_free(data);
}

void front_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
		 struct fuse_file_info *file)
{
	struct ubtrfs_node node;
	int err;

	(void)file;
	if (!request_node(req, id, &node))
		return;
	err = ubtrfs_write(front_of(req)->fs, node, (uint64_t)offset, data, size);
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_write(req, size);
}

void front_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file)
{
	(void)id;
	(void)data_only;
	(void)file;
	reply_result(req, ubtrfs_commit(front_of(req)->fs));
}

/* The first hole at or after the offset: the end of the file is one. */
static int seek_hole(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_offset)
{
	struct ubtrfs_attr attr;
	uint64_t start, end;
	int err;

	TRY(ubtrfs_getattr(fs, node, &attr));
	if (offset >= attr.size)
		return -ENXIO;
	err = ubtrfs_seek_data(fs, node, offset, &start, &end);
	if (err < 0 && err != -ENXIO)
		return err;
	*ret_offset = err == 0 && start <= offset ? MIN(end, attr.size) : offset;
	return 0;
}

void front_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence,
		 struct fuse_file_info *file)
{
	struct ubtrfs *fs = front_of(req)->fs;
	struct ubtrfs_node node;
	uint64_t start, end;
	int err = -EINVAL;

	(void)file;
	if (!request_node(req, id, &node))
		return;
	if (whence == SEEK_DATA) {
		err = ubtrfs_seek_data(fs, node, (uint64_t)offset, &start, &end);
		start = err == 0 ? MAX(start, (uint64_t)offset) : 0;
	} else if (whence == SEEK_HOLE) {
		err = seek_hole(fs, node, (uint64_t)offset, &start);
	}
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_lseek(req, (off_t)start);
}
