/*
 * What every operation begins with: from a node to its inode, from a name to a node.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/op_names.h"

int subvolume_id_check(uint64_t subvolid)
{
	if (subvolid != BTRFS_FS_TREE_OBJECTID &&
	    (subvolid < BTRFS_FIRST_FREE_OBJECTID || subvolid > BTRFS_LAST_FREE_OBJECTID))
		return THROW(ERR_NOT_FOUND, "tree %llu is no subvolume",
			     (unsigned long long)subvolid);
	return 0;
}

int node_inode(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;
	struct root *root;

	TRY(subvolume_id_check(node.subvolid));
	TRY(root_get(fs->core.roots, node.subvolid, &root));
	/* Half of it may be gone: deleting goes on at the next mount. */
	if (node.subvolid != BTRFS_FS_TREE_OBJECTID && !root_item_refs(root->item))
		return THROW(ERR_NOT_FOUND, "subvolume %llu was deleted",
			     (unsigned long long)node.subvolid);
	TRY(inode_get(&fs->core.inodes, root, node.ino, &inode));
	if (inode->dying)
		return THROW(ERR_NOT_FOUND, "inode %llu of subvolume %llu was deleted",
			     (unsigned long long)node.ino, (unsigned long long)node.subvolid);
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

int node_dir(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	if (!S_ISDIR(inode_mode(inode)))
		return THROW(ERR_NOT_DIR, "inode %llu of subvolume %llu is not a directory",
			     (unsigned long long)node.ino, (unsigned long long)node.subvolid);
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

static int inode_check_writable(const struct inode *inode)
{
	if (root_item_flags(inode->root->item) & BTRFS_ROOT_SUBVOL_RDONLY)
		return THROW(ERR_READ_ONLY, "subvolume %llu is read-only",
			     (unsigned long long)inode->root->objectid);
	if (inode->ino == BTRFS_EMPTY_SUBVOL_DIR_OBJECTID)
		return THROW(ERR_READ_ONLY,
			     "in place of a subvolume that is not part of snapshot %llu there is "
			     "an empty directory, which cannot be changed",
			     (unsigned long long)inode->root->objectid);
	return 0;
}

static int inode_check_changeable(const struct inode *inode)
{
	if (inode_item_flags(inode->item) & BTRFS_INODE_IMMUTABLE)
		return THROW_SYS(EPERM, "inode %llu is immutable", (unsigned long long)inode->ino);
	return 0;
}

int inode_check_not_append(const struct inode *inode)
{
	if (inode_item_flags(inode->item) & BTRFS_INODE_APPEND)
		return THROW_SYS(EPERM, "inode %llu may only be appended to",
				 (unsigned long long)inode->ino);
	return 0;
}

int inode_check_names(const struct inode *inode)
{
	TRY(inode_check_changeable(inode));
	return inode_check_not_append(inode);
}

int name_check_remove(const struct inode *dir, const struct inode *inode)
{
	TRY(inode_check_not_append(dir));
	return inode_check_names(inode);
}

int node_inode_flags(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	TRY(inode_check_writable(inode));
	TRY(fs_check_orphans(fs, inode->root));
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

int node_inode_write(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode_flags(fs, node, &inode));
	TRY(inode_check_changeable(inode));
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

int inode_check_unsealed(const struct inode *inode)
{
	if (inode_item_flags(inode->item) & BTRFS_INODE_RO_VERITY)
		return THROW_SYS(EPERM,
				 "inode %llu is sealed by fs-verity: its contents cannot change",
				 (unsigned long long)inode->ino);
	return 0;
}

int inode_check_named(const struct inode *dir)
{
	if (!inode_item_nlink(dir->item) && dir->has_orphan)
		return THROW(ERR_NOT_FOUND, "directory %llu of subvolume %llu was removed",
			     (unsigned long long)dir->ino, (unsigned long long)dir->root->objectid);
	return 0;
}

int node_dir_write(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *dir = NULL;

	TRY(node_dir(fs, node, &dir));
	TRY(inode_check_writable(dir));
	TRY(fs_check_orphans(fs, dir->root));
	TRY(inode_check_named(dir));
	TRY(inode_check_changeable(dir));
	*ret_inode = dir;
	dir = NULL;
	return 0;
}

void inode_begin_change(struct ubtrfs *fs, struct inode *inode)
{
	uint64_t sync_flags = BTRFS_INODE_SYNC;

	if (S_ISDIR(inode_mode(inode)))
		sync_flags |= BTRFS_INODE_DIRSYNC;
	if (inode_item_flags(inode->item) & sync_flags)
		fs->sync_wanted = true;
	inode_item_set_transid(inode->item, fs->core.txn->generation);
	/* The door was passed, but it may have been before a commit, in which this is not. */
	fs->core.changed = true;
}

int entry_node(struct ubtrfs *fs, const struct inode *dir, const struct dir_entry *entry,
	       struct ubtrfs_node *ret_node)
{
	bool leads;

	switch (entry->location.type) {
	case BTRFS_INODE_ITEM_KEY:
		*ret_node = (struct ubtrfs_node){ dir->root->objectid, entry->location.objectid };
		return 0;
	case BTRFS_ROOT_ITEM_KEY:
		TRY(root_ref_leads(fs->core.roots, dir->root->objectid, entry->location.objectid,
				   dir->ino, entry->name, entry->name_len, &leads));
		*ret_node = (struct ubtrfs_node){ dir->root->objectid,
						  BTRFS_EMPTY_SUBVOL_DIR_OBJECTID };
		if (leads)
			*ret_node =
				(struct ubtrfs_node){ entry->location.objectid, UBTRFS_ROOT_INO };
		return 0;
	default:
		return THROW(ERR_CORRUPT,
			     "directory %llu: the entry \"%s\" points to a key of type %u",
			     (unsigned long long)dir->ino, entry->name, entry->location.type);
	}
}

int dir_find_named(struct inode *dir, const char *name, size_t name_len,
		   struct dir_entry *ret_entry)
{
	int err = dir_find(dir, name, name_len, ret_entry);

	if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_NOT_FOUND, "no \"%.*s\" in directory %llu", (int)name_len, name,
			     (unsigned long long)dir->ino);
	return err;
}

UBTRFS_API struct ubtrfs_node ubtrfs_top(struct ubtrfs *fs)
{
	(void)fs;
	return (struct ubtrfs_node){ BTRFS_FS_TREE_OBJECTID, UBTRFS_ROOT_INO };
}

UBTRFS_API struct ubtrfs_node ubtrfs_default_top(struct ubtrfs *fs)
{
	uint64_t subvolid = BTRFS_FS_TREE_OBJECTID;

	/* A filesystem without a default has the top one. */
	if (FS_READ(fs, subvolume_get_default(&fs->core.inodes, &subvolid)) < 0)
		subvolid = BTRFS_FS_TREE_OBJECTID;
	return (struct ubtrfs_node){ subvolid, UBTRFS_ROOT_INO };
}

int node_lookup(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name, size_t name_len,
		struct ubtrfs_node *ret_node)
{
	SCOPED(inode) struct inode *dir = NULL;
	struct dir_entry entry;

	TRY(node_dir(fs, dir_node, &dir));
	TRY(dir_find_named(dir, name, name_len, &entry));
	return entry_node(fs, dir, &entry, ret_node);
}

UBTRFS_API int ubtrfs_lookup(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			     size_t name_len, struct ubtrfs_node *ret_node)
{
	return FS_READ(fs, node_lookup(fs, dir, name, name_len, ret_node));
}
