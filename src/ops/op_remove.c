/*
 * Removing names, and inodes with their last name.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/ops.h"

/* No name is left: contents and items go. */
static int inode_delete(struct ubtrfs *fs, struct inode *inode)
{
	struct writeback *writeback = &fs->core.writeback;

	if (S_ISREG(inode_mode(inode)) || S_ISLNK(inode_mode(inode)))
		TRY(file_drop_range(writeback, inode, 0, UINT64_MAX));
	return inode_remove_items(fs->core.txn, inode);
}

/* Takes the name out of its directory and the reference out of the inode. */
static int name_remove(struct ubtrfs *fs, struct inode *dir, struct inode *inode,
		       struct dir_entry *entry)
{
	int err;

	inode_begin_change(fs, dir);
	inode_begin_change(fs, inode);
	TRY(inode_ref_remove(inode, dir->ino, entry->name, entry->name_len, &entry->index));
	err = dir_remove(dir, entry);
	/* A name whose inode does not know it: law L6. */
	return err < 0 ? txn_abort(fs->core.txn, err, "removing a name") : 0;
}

static int entry_inode(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
		       struct dir_entry *ret_entry, struct inode **ret_inode)
{
	struct ubtrfs_node node;

	TRY(dir_find_named(dir, name, name_len, ret_entry));
	TRY(entry_node(fs, dir, ret_entry, &node));
	if (ret_entry->location.type == BTRFS_ROOT_ITEM_KEY)
		return THROW(ERR_UNSUPPORTED,
			     "\"%.*s\" is a subvolume: removing one is not built yet",
			     (int)name_len, name);
	return node_inode(fs, node, ret_inode);
}

static int unlink_name(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name,
		       size_t name_len)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(inode) struct inode *inode = NULL;
	struct dir_entry entry;

	TRY(door_enter_remove(&fs->core, 4));
	TRY(node_dir_write(fs, dir_node, &dir));
	TRY(entry_inode(fs, dir, name, name_len, &entry, &inode));
	if (S_ISDIR(inode_mode(inode)))
		return THROW(ERR_IS_DIR, "\"%.*s\" is a directory", (int)name_len, name);
	CORRUPT_IF(!inode_item_nlink(inode->item), "inode %llu has a name and no links",
		   (unsigned long long)inode->ino);
	TRY(name_remove(fs, dir, inode, &entry));
	inode_item_set_nlink(inode->item, inode_item_nlink(inode->item) - 1);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
	return inode_item_nlink(inode->item) ? 0 : inode_delete(fs, inode);
}

UBTRFS_API int ubtrfs_unlink(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			     size_t name_len)
{
	return FS_CHANGE(fs, unlink_name(fs, dir, name, name_len));
}

static int rmdir_name(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name,
		      size_t name_len)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(inode) struct inode *inode = NULL;
	struct dir_entry entry;
	bool empty;

	TRY(door_enter_remove(&fs->core, 4));
	TRY(node_dir_write(fs, dir_node, &dir));
	TRY(entry_inode(fs, dir, name, name_len, &entry, &inode));
	if (!S_ISDIR(inode_mode(inode)))
		return THROW(ERR_NOT_DIR, "\"%.*s\" is not a directory", (int)name_len, name);
	TRY(file_sync_inode(&fs->core.writeback, inode));
	TRY(dir_is_empty(inode, &empty));
	if (!empty)
		return THROW(ERR_DIR_NOT_EMPTY, "\"%.*s\" is not empty", (int)name_len, name);
	TRY(name_remove(fs, dir, inode, &entry));
	return inode_delete(fs, inode);
}

UBTRFS_API int ubtrfs_rmdir(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			    size_t name_len)
{
	return FS_CHANGE(fs, rmdir_name(fs, dir, name, name_len));
}
