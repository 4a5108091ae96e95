/*
 * Names that are there, and their coming and going in two places: the directory, and what is named
 * (the references of an inode, or of a subvolume in the root tree).
 *
 * A name is never in one of them alone: what cannot be finished nor taken back aborts the transaction
 * (law L6). Whoever moves names asks first (name_check_attach), so that nothing but want of memory
 * or an unreadable block is left to fail.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/op_names.h"

void name_ref_fini(struct name_ref *ref)
{
	if (ref->inode)
		inode_put(ref->inode);
	if (ref->dir)
		inode_put(ref->dir);
	ref->inode = ref->dir = NULL;
}

int name_find(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
	      struct name_ref *ret_ref)
{
	struct name_ref ref = { .kind = NAME_INODE };
	struct ubtrfs_node node;

	TRY(dir_find_named(dir, name, name_len, &ref.entry));
	TRY(entry_node(fs, dir, &ref.entry, &node));
	TRY(node_inode(fs, node, &ref.inode));
	if (node.ino == BTRFS_EMPTY_SUBVOL_DIR_OBJECTID)
		ref.kind = NAME_STALE;
	else if (ref.entry.location.type == BTRFS_ROOT_ITEM_KEY)
		ref.kind = NAME_SUBVOLUME;
	ref.dir = inode_ref(dir);
	*ret_ref = ref;
	return 0;
}

int name_check_attach(struct inode *dir, const char *name, size_t name_len, bool replacing,
		      const struct name_ref *what)
{
	bool stays = what->dir == dir;

	TRY(dir_check_add(dir, name, name_len, replacing));
	if (what->kind != NAME_INODE)
		return 0;
	return inode_ref_check_add(what->inode, dir->ino, name, name_len, what->entry.name,
				   stays ? what->entry.name_len : 0);
}

int name_check_detach(const struct name_ref *ref)
{
	struct inode *inode = ref->inode;
	bool empty;

	if (ref->kind == NAME_STALE)
		return 0;
	if (ref->kind == NAME_SUBVOLUME)
		return THROW(ERR_UNSUPPORTED,
			     "\"%s\" is a subvolume: removing one is not built yet",
			     ref->entry.name);
	CORRUPT_IF(!inode_item_nlink(inode->item), "inode %llu has a name and no links",
		   (unsigned long long)inode->ino);
	if (!S_ISDIR(inode_mode(inode)))
		return 0;
	TRY(dir_is_empty(inode, &empty));
	if (!empty)
		return THROW(ERR_DIR_NOT_EMPTY, "\"%s\" is not empty", ref->entry.name);
	return 0;
}

static int reference_remove(struct ubtrfs *fs, struct name_ref *ref)
{
	struct dir_entry *entry = &ref->entry;
	struct inode *dir = ref->dir;

	switch (ref->kind) {
	case NAME_INODE:
		return inode_ref_remove(ref->inode, dir->ino, entry->name, entry->name_len,
					&entry->index);
	case NAME_SUBVOLUME:
		return root_ref_remove(fs->core.txn, fs->core.roots, dir->root->objectid,
				       entry->location.objectid, dir->ino, entry->name,
				       entry->name_len, &entry->index);
	case NAME_STALE:
		return dir_find_index(dir, entry->name, entry->name_len, &entry->index);
	}
	return 0;
}

int name_detach(struct ubtrfs *fs, struct name_ref *ref)
{
	int err;

	inode_begin_change(fs, ref->dir);
	if (ref->kind == NAME_INODE)
		inode_begin_change(fs, ref->inode);
	err = reference_remove(fs, ref);
	/* Two items go of a subvolume: whether one has gone is not known. */
	if (err < 0)
		return ref->kind == NAME_SUBVOLUME ?
			       txn_abort(fs->core.txn, err, "removing the name of a subvolume") :
			       err;
	err = dir_remove(ref->dir, &ref->entry);
	/* A name whose inode does not know it. */
	return err < 0 ? txn_abort(fs->core.txn, err, "removing a name") : 0;
}

static int attach(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
		  const struct name_ref *what)
{
	uint64_t index;

	ASSERT(what->kind != NAME_STALE);
	inode_begin_change(fs, dir);
	TRY(dir_add(dir, name, name_len, &what->entry.location, what->entry.type, &index));
	if (what->kind == NAME_SUBVOLUME)
		return root_ref_add(fs->core.txn, fs->core.roots, dir->root->objectid,
				    what->entry.location.objectid, dir->ino, index, name,
				    (uint16_t)name_len);
	return inode_ref_add(what->inode, dir->ino, index, name, name_len);
}

int name_attach(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
		const struct name_ref *what)
{
	int err = attach(fs, dir, name, name_len, what);

	return err < 0 ? txn_abort(fs->core.txn, err, "moving a name") : 0;
}
