/*
 * Contents: reading, writing, making durable.
 *
 * There are no handles: opening is answered ENOSYS, whereupon the kernel opens and closes files by
 * itself, keeps their pages, and asks no more. A node lives as long as the kernel knows it.
 * Where the kernel gathers writes (writeback_cache) it is another matter: what it has taken from a
 * program must not be refused when it comes. So it is told to ask when a file is opened, as it does
 * for filesystems of its own, and what it writes is written. But the kernel does not know of an
 * append-only file: who opens such a one goes through without a cache and without maps, and each
 * write is looked at.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ubtrfs/attr.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "fuse/fuse_priv.h"

#define COPY_BYTES_MAX ((size_t)1 << 30)
/* Of a file that was append-only when it was opened for writing. */
#define APPEND_HANDLE 1u

int open_check(const struct front *front, struct ubtrfs_node node, struct fuse_file_info *file)
{
	uint32_t fsflags;

	if ((file->flags & O_ACCMODE) == O_RDONLY)
		return 0;
	TRY(ubtrfs_fsflags_get(front->fs, node, &fsflags));
	if (fsflags & FS_IMMUTABLE_FL || (fsflags & FS_APPEND_FL && !(file->flags & O_APPEND)))
		return -EPERM;
	if (fsflags & FS_APPEND_FL) {
		file->fh = APPEND_HANDLE;
		file->direct_io = 1;
	}
	return 0;
}

void front_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	struct front *front = front_of(req);
	struct ubtrfs_node node;
	int err;

	if (!front->opens) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if (!request_node(req, id, &node))
		return;
	err = open_check(front, node, file);
	file->keep_cache = 1;
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_open(req, file);
}

void front_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
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
	struct ubtrfs *fs = front_of(req)->fs;
	struct ubtrfs_node node;
	size_t len = 0;
	void *data;
	int err;

	if (!request_node(req, id, &node))
		return;
	data = mem_alloc(size);
	if (!data)
		err = MEM_FAIL("what is read");
	else if (file->flags & O_NOATIME)
		err = ubtrfs_read_quietly(fs, node, (uint64_t)offset, data, size, &len);
	else
		err = ubtrfs_read(fs, node, (uint64_t)offset, data, size, &len);
	if (err < 0)
		reply_read_error(req, err);
	else
		fuse_reply_buf(req, data, len);
	mem_free(data);
}

void front_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
		 struct fuse_file_info *file)
{
	struct front *front = front_of(req);
	struct ubtrfs_node node;
	bool appends;
	int err;

	if (!request_node(req, id, &node))
		return;
	/* What the kernel gathered comes with the handle of any that has the file open. */
	appends = file->fh == APPEND_HANDLE && !file->writepage;
	err = front->opens && !appends ?
		      ubtrfs_write_opened(front->fs, node, (uint64_t)offset, data, size) :
		      ubtrfs_write(front->fs, node, (uint64_t)offset, data, size);
	if (err == 0 && request_kills_setid(req, file))
		err = request_kill_setid(req, id, node);
	/*
	 * What it takes now is for us to tell: the kernel keeps what it knew before it gathered
	 * this.
	 */
	if (err == 0 && front->opens)
		(void)fuse_lowlevel_notify_inval_inode(front->session, id, -1, 0);
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_write(req, size);
}

void front_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file)
{
	struct ubtrfs_node node;

	(void)file;
	if (request_node(req, id, &node))
		reply_result(req, ubtrfs_fsync(front_of(req)->fs, node, data_only));
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
	/* From the start, as under Linux's btrfs. */
	offset = MAX(offset, 0);
	if (whence == SEEK_DATA) {
		err = ubtrfs_seek_data(fs, node, (uint64_t)offset, &start, &end);
		start = err == 0 ? MAX(start, (uint64_t)offset) : 0;
	} else if (whence == SEEK_HOLE) {
		err = ubtrfs_seek_hole(fs, node, (uint64_t)offset, &start);
	}
	if (err < 0)
		reply_read_error(req, err);
	else
		fuse_reply_lseek(req, (off_t)start);
}

void front_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t len,
		     struct fuse_file_info *file)
{
	struct ubtrfs_node node;
	int err;

	(void)file;
	if (!request_node(req, id, &node))
		return;
	err = request_changes(req, id, node);
	/* The values of fallocate(2) are the library's. */
	if (err == 0)
		err = ubtrfs_fallocate(front_of(req)->fs, node, (unsigned)mode, (uint64_t)offset,
				       (uint64_t)len);
	reply_result(req, err);
}

void front_copy_file_range(fuse_req_t req, fuse_ino_t src, off_t src_offset,
			   struct fuse_file_info *src_file, fuse_ino_t dst, off_t dst_offset,
			   struct fuse_file_info *dst_file, size_t len, int flags)
{
	struct ubtrfs_node from, to;
	uint64_t copied = 0;
	int err;

	(void)src_file;
	(void)dst_file;
	(void)flags;
	if (!request_node(req, src, &from) || !request_node(req, dst, &to))
		return;
	/* The answer counts bytes in 32 bits. */
	len = MIN(len, COPY_BYTES_MAX);
	err = request_changes(req, dst, to);
	if (err == 0)
		err = ubtrfs_copy_range(front_of(req)->fs, from, (uint64_t)src_offset, to,
					(uint64_t)dst_offset, len, &copied);
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_write(req, copied);
}
