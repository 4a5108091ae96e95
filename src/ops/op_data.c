/*
 * Contents: reading and writing files, listing directories.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/ops.h"

static int node_file(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	if (S_ISDIR(inode_mode(inode)))
		return THROW(ERR_IS_DIR, "inode %llu is a directory", (unsigned long long)node.ino);
	if (!S_ISREG(inode_mode(inode)))
		return THROW(ERR_INVALID, "inode %llu is not a regular file",
			     (unsigned long long)node.ino);
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

/* Times of the file after its contents changed; only when they are not set already to now (many writes in a row). */
static void file_changed(struct ubtrfs *fs, struct inode *inode)
{
	inode_begin_change(fs, inode);
	inode_touch(inode);
}

/* Worst case of the items for this many bytes: an extent and its reference for each run, and the checksums. */
static uint64_t write_item_bytes(const struct ubtrfs *fs, uint64_t len)
{
	uint64_t runs = len / RUN_MAX_BYTES + 2;

	/* Long sources are let in piece by piece: what is in flight is bounded by the window. */
	runs = MIN(runs, (uint64_t)WINDOW_MAX_RUNS);
	return runs * (2 * FILE_EXTENT_SIZE + 64) +
	       runs * (RUN_MAX_BYTES / fs->core.geometry.sectorsize) * fs->core.geometry.csum_size /
		       2;
}

static int write_bytes(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		       const void *data, size_t len)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(door_enter(&fs->core, write_item_bytes(fs, len), 1));
	TRY(node_file(fs, node, &inode));
	if (!len)
		return 0;
	TRY(file_write(&fs->core.writeback, inode, offset, data, len));
	file_changed(fs, inode);
	return 0;
}

UBTRFS_API int ubtrfs_write(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
			    const void *data, size_t len)
{
	fs_lock(fs);
	return fs_unlock(fs, write_bytes(fs, node, offset, data, len));
}

static int write_from(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, uint64_t len,
		      const struct ubtrfs_source *source)
{
	struct file_source from = { .read = source->read,
				    .release = source->release,
				    .ctx = source->ctx,
				    .name = source->name };
	SCOPED(inode) struct inode *inode = NULL;
	struct inode_time ctime, mtime;

	TRY(door_enter(&fs->core, write_item_bytes(fs, len), 1));
	TRY(node_file(fs, node, &inode));
	inode_begin_change(fs, inode);
	/* Times are the caller's to set: a source is content that comes with times of its own. */
	ctime = inode_get_time(inode, INODE_ITEM_CTIME_AT);
	mtime = inode_get_time(inode, INODE_ITEM_MTIME_AT);
	TRY(file_write_from(&fs->core.writeback, inode, offset, len, &from));
	inode_set_time(inode, INODE_ITEM_CTIME_AT, ctime);
	inode_set_time(inode, INODE_ITEM_MTIME_AT, mtime);
	return 0;
}

UBTRFS_API int ubtrfs_write_from(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				 uint64_t len, const struct ubtrfs_source *source)
{
	fs_lock(fs);
	return fs_unlock(fs, write_from(fs, node, offset, len, source));
}

static int read_bytes(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
		      size_t len, size_t *ret_len)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_file(fs, node, &inode));
	return file_read(&fs->core.writeback, inode, offset, data, len, ret_len);
}

UBTRFS_API int ubtrfs_read(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
			   size_t len, size_t *ret_len)
{
	fs_lock(fs);
	return fs_unlock(fs, read_bytes(fs, node, offset, data, len, ret_len));
}

static int seek_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_start, uint64_t *ret_end)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	TRY(node_file(fs, node, &inode));
	err = file_seek_data(&fs->core.writeback, inode, offset, ret_start, ret_end);
	if (err == -ERR_KEY_NOT_FOUND)
		return THROW_SYS(ENXIO, "inode %llu: no data behind byte %llu",
				 (unsigned long long)node.ino, (unsigned long long)offset);
	return err;
}

UBTRFS_API int ubtrfs_seek_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				uint64_t *ret_start, uint64_t *ret_end)
{
	fs_lock(fs);
	return fs_unlock(fs, seek_data(fs, node, offset, ret_start, ret_end));
}

/* A listing under way: entries are shown to the caller with the lock released, so that he may call us. */
struct listing {
	struct ubtrfs *fs;
	struct inode *dir;
	int (*visit)(void *ctx, const struct ubtrfs_dirent *entry);
	void *ctx;
};

static int listing_visit(void *ctx, const struct dir_entry *entry)
{
	struct listing *listing = ctx;
	struct ubtrfs_dirent out = { .cookie = entry->index,
				     .type = entry->type,
				     .name = entry->name,
				     .name_len = entry->name_len };
	int stop;

	TRY(entry_node(listing->dir, entry, &out.node));
	out.is_subvolume = entry->location.type == BTRFS_ROOT_ITEM_KEY;
	mutex_unlock(&listing->fs->lock);
	stop = listing->visit(listing->ctx, &out);
	mutex_lock(&listing->fs->lock);
	return stop;
}

static int readdir_node(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t cookie,
			int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx)
{
	SCOPED(inode) struct inode *dir = NULL;
	struct listing listing = { fs, NULL, visit, ctx };

	TRY(node_dir(fs, node, &dir));
	TRY(file_sync_inode(&fs->core.writeback, dir));
	listing.dir = dir;
	return dir_each(dir, cookie, listing_visit, &listing);
}

UBTRFS_API int ubtrfs_readdir(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie,
			      int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx)
{
	fs_lock(fs);
	return fs_unlock(fs, readdir_node(fs, dir, cookie, visit, ctx));
}
