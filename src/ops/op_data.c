/*
 * Contents: reading and writing files.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "file/range.h"
#include "ops/op_attr.h"

static int file_check_kind(const struct inode *inode, bool write)
{
	if (S_ISDIR(inode_mode(inode)))
		return THROW(ERR_IS_DIR, "inode %llu is a directory",
			     (unsigned long long)inode->ino);
	if (!S_ISREG(inode_mode(inode)))
		return THROW(ERR_INVALID, "inode %llu is not a regular file",
			     (unsigned long long)inode->ino);
	return write ? inode_check_unsealed(inode) : 0;
}

int node_file(struct ubtrfs *fs, struct ubtrfs_node node, bool write, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(write ? node_inode_write(fs, node, &inode) : node_inode(fs, node, &inode));
	TRY(file_check_kind(inode, write));
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

/*
 * Times of the file after its contents changed; only when they are not set already to now (many
 * writes in a row).
 */
static void file_changed(struct ubtrfs *fs, struct inode *inode)
{
	inode_begin_change(fs, inode);
	inode_touch(inode);
}

/* So much of a long write is let in at a time. */
#define PART_BYTES (8 * MIB)

/*
 * Worst case of the items for this many bytes: an extent and its reference for each run, and the
 * checksums.
 */
static uint64_t write_item_bytes(const struct ubtrfs *fs, uint64_t len)
{
	uint64_t runs = len / RUN_MAX_BYTES + 2;

	return runs * (2 * FILE_EXTENT_SIZE + 64) +
	       runs * (RUN_MAX_BYTES / fs->core.geometry.sectorsize) * fs->core.geometry.csum_size /
		       2;
}

/* What is written in place needs no space: also on a full filesystem. */
static int write_enter_in_place(struct ubtrfs *fs, struct inode *inode, uint64_t offset,
				uint64_t part)
{
	uint32_t sectorsize = fs->core.geometry.sectorsize;
	uint64_t start = round_down(offset, sectorsize);
	struct err_report report;
	bool covers;

	err_capture(-ERR_NO_SPACE, &report);
	TRY(nocow_covers(&fs->core.writeback, inode, start,
			 round_up(offset + part, sectorsize) - start, &covers));
	if (!covers)
		return err_rethrow(&report);
	/* Preallocated space becomes extents with checksums; else there is only the inode, as large as before. */
	if (!(inode_item_flags(inode->item) & BTRFS_INODE_NODATACOW))
		return door_enter(&fs->core, write_item_bytes(fs, part), 1);
	return door_enter_remove(&fs->core, 1);
}

/*
 * The door for the next part of a write: its end is a multiple of PART_BYTES, or that of the
 * write.
 */
static int write_enter(struct ubtrfs *fs, struct inode *inode, uint64_t offset, uint64_t len,
		       uint64_t *ret_part)
{
	uint64_t part = MIN(len, PART_BYTES - offset % PART_BYTES);
	/* A sector before and one behind, and what is inline now. */
	uint64_t data_bytes = part + 3 * (uint64_t)fs->core.geometry.sectorsize;
	int err = door_enter_data(&fs->core, data_bytes, write_item_bytes(fs, part), 1);

	if (err == -ERR_NO_SPACE && nocow_possible(inode))
		err = write_enter_in_place(fs, inode, offset, part);
	TRY(err);
	*ret_part = part;
	return 0;
}

/* What of a write is still to be done. */
struct write_rest {
	uint64_t offset, len;
	const uint8_t *bytes;	      /* or */
	struct shared_source *source; /* not owned */
	bool opened; /* flags of the inode were asked for when the file was opened */
};

static void write_advance(struct write_rest *rest, uint64_t part)
{
	rest->offset += part;
	rest->len -= part;
	if (rest->bytes)
		rest->bytes += part;
}

static int write_parts(struct ubtrfs *fs, struct inode *inode, struct write_rest *rest)
{
	if (rest->offset < inode_size(inode) && !rest->opened)
		TRY(inode_check_not_append(inode));
	TRY(file_check_range(inode, rest->offset, rest->len));
	while (rest->len) {
		uint64_t part;

		TRY(write_enter(fs, inode, rest->offset, rest->len, &part));
		TRY(file_write(&fs->core.writeback, inode, rest->offset, rest->bytes, part));
		file_changed(fs, inode);
		write_advance(rest, part);
	}
	return 0;
}

int inode_write(struct ubtrfs *fs, struct inode *inode, uint64_t offset, const void *data,
		size_t len)
{
	struct write_rest rest = { .offset = offset, .len = len, .bytes = data };

	return write_parts(fs, inode, &rest);
}

static int write_bytes(struct ubtrfs *fs, struct ubtrfs_node node, struct write_rest *rest)
{
	SCOPED(inode) struct inode *inode = NULL;

	if (!fs->core.writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", fs->core.name);
	if (rest->opened) {
		TRY(node_inode_flags(fs, node, &inode));
		TRY(file_check_kind(inode, true));
	} else {
		TRY(node_file(fs, node, true, &inode));
	}
	return write_parts(fs, inode, rest);
}

UBTRFS_API int ubtrfs_write(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
			    const void *data, size_t len)
{
	struct write_rest rest = { .offset = offset, .len = len, .bytes = data };

	return FS_CHANGE(fs, write_bytes(fs, node, &rest));
}

UBTRFS_API int ubtrfs_write_opened(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				   const void *data, size_t len)
{
	struct write_rest rest = { .offset = offset, .len = len, .bytes = data, .opened = true };

	return FS_CHANGE(fs, write_bytes(fs, node, &rest));
}

/* Times are the caller's to set: a source is content that comes with times of its own. */
static int write_from(struct ubtrfs *fs, struct ubtrfs_node node, struct write_rest *rest)
{
	SCOPED(inode) struct inode *inode = NULL;

	if (!fs->core.writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", fs->core.name);
	TRY(node_file(fs, node, true, &inode));
	if (rest->offset < inode_size(inode))
		TRY(inode_check_not_append(inode));
	TRY(file_check_range(inode, rest->offset, rest->len));
	while (rest->len) {
		uint64_t part;

		TRY(write_enter(fs, inode, rest->offset, rest->len, &part));
		inode_begin_change(fs, inode);
		TRY(file_write_from(&fs->core.writeback, inode, rest->offset, part, rest->source));
		write_advance(rest, part);
	}
	return 0;
}

UBTRFS_API int ubtrfs_write_from(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				 uint64_t len, const struct ubtrfs_source *source)
{
	struct file_source from = { .read = source->read,
				    .reflink_fd = source->reflink_fd,
				    .release = source->release,
				    .ctx = source->ctx,
				    .name = source->name };
	struct write_rest rest = { .offset = offset, .len = len };
	int err;

	err = shared_source_new(&from, &rest.source);
	if (err < 0) {
		if (from.release)
			from.release(from.ctx);
		return fs_errno(err);
	}
	err = FS_CHANGE(fs, write_from(fs, node, &rest));
	shared_source_put(rest.source);
	return err;
}

static int read_bytes(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
		      size_t len, size_t *ret_len)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_file(fs, node, false, &inode));
	TRY(fs_ready_to_read(fs, inode));
	return file_read(&fs->core.writeback, inode, offset, data, len, ret_len);
}

UBTRFS_API int ubtrfs_read_quietly(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				   void *data, size_t len, size_t *ret_len)
{
	return FS_READ(fs, read_bytes(fs, node, offset, data, len, ret_len));
}

UBTRFS_API int ubtrfs_read(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
			   size_t len, size_t *ret_len)
{
	TRY(ubtrfs_read_quietly(fs, node, offset, data, len, ret_len));
	atime_note_read(fs, node);
	return 0;
}

static int no_data(struct ubtrfs_node node, uint64_t offset)
{
	return THROW_SYS(ENXIO, "inode %llu: no data behind byte %llu",
			 (unsigned long long)node.ino, (unsigned long long)offset);
}

static int seek_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_start, uint64_t *ret_end)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	TRY(node_file(fs, node, false, &inode));
	TRY(fs_ready_to_read(fs, inode));
	err = file_seek_data(&fs->core.writeback, inode, offset, ret_start, ret_end);
	return err == -ERR_KEY_NOT_FOUND ? no_data(node, offset) : err;
}

UBTRFS_API int ubtrfs_seek_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				uint64_t *ret_start, uint64_t *ret_end)
{
	return FS_READ(fs, seek_data(fs, node, offset, ret_start, ret_end));
}

static int read_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
		     size_t capacity, uint64_t *ret_start, size_t *ret_len)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	TRY(node_file(fs, node, false, &inode));
	TRY(fs_ready_to_read(fs, inode));
	err = capacity ? file_read_data(&fs->core.writeback, inode, offset, data, capacity,
					ret_start, ret_len) :
			 THROW(ERR_INVALID, "a buffer of no bytes");
	return err == -ERR_KEY_NOT_FOUND ? no_data(node, offset) : err;
}

UBTRFS_API int ubtrfs_read_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				void *data, size_t capacity, uint64_t *ret_start, size_t *ret_len)
{
	TRY(FS_READ(fs, read_data(fs, node, offset, data, capacity, ret_start, ret_len)));
	atime_note_read(fs, node);
	return 0;
}
