/*
 * Inodes that outlive their names: holds, files without a name, deleting.
 *
 * An inode whose last name goes is deleted at once when nobody holds it and its contents are few.
 * Otherwise it gets an ORPHAN_ITEM in the same transaction, written with its inode item: one that goes
 * before that needs none. What is big is deleted in steps, each of
 * which passes the door and leaves the lock to others; the step that takes the last item takes the
 * orphan too. Whoever deletes an inode holds it and has marked it dying, so that nobody else gets
 * hold of it. What a death of the process leaves is found by its orphans (orphans_clean.c).
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "file/range.h"
#include "ops/op_names.h"

void inode_add_orphan(struct inode *inode)
{
	if (inode->has_orphan)
		return;
	inode->has_orphan = true;
	inode_mark_dirty(inode);
	inode_note_scattered(inode);
}

int inode_drop_orphan(struct ubtrfs *fs, struct inode *inode)
{
	int err = 0;

	if (inode->orphan_in_tree)
		err = orphan_remove(fs->core.txn, &inode->root->tree, inode->ino);
	if (err < 0)
		return txn_abort(fs->core.txn, err, "removing an orphan");
	inode->has_orphan = inode->orphan_in_tree = false;
	return 0;
}

/* Takes away as much as goes in one step; *ret_done: there is nothing left, and the items go too. */
static int delete_step(struct ubtrfs *fs, struct inode *inode, bool *ret_done)
{
	struct writeback *writeback = &fs->core.writeback;
	uint64_t pos = UINT64_MAX;

	if (S_ISREG(inode_mode(inode)) || S_ISLNK(inode_mode(inode)))
		TRY(file_drop_some(writeback, inode, 0, UINT64_MAX, ORPHAN_STEP_EXTENTS, &pos));
	/* No hole is to be filled up to its end any more. */
	if (S_ISREG(inode_mode(inode)))
		inode_set_size(inode, 0);
	*ret_done = pos == UINT64_MAX;
	if (!*ret_done)
		return 0;
	TRY(inode_remove_items(fs->core.txn, inode));
	return inode_drop_orphan(fs, inode);
}

int inode_lose_name(struct ubtrfs *fs, struct inode *inode, struct name_left *left)
{
	uint32_t nlink = inode_item_nlink(inode->item);
	bool done = true;
	int err = 0;

	ASSERT(nlink);
	inode_item_set_nlink(inode->item, S_ISDIR(inode_mode(inode)) ? 0 : nlink - 1);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
	if (inode_item_nlink(inode->item))
		return 0;
	if (!inode->nr_held)
		err = delete_step(fs, inode, &done);
	/* Neither a name nor an orphan leads to it: law L6. */
	if (err < 0)
		return txn_abort(fs->core.txn, err, "deleting an inode");
	if (!inode->nr_held && done)
		return 0;
	inode_add_orphan(inode);
	if (done)
		return 0;
	inode_hold(inode);
	inode->dying = true;
	*left = (struct name_left){ { inode->root->objectid, inode->ino }, true };
	return 0;
}

struct inode *node_find(struct ubtrfs *fs, struct ubtrfs_node node)
{
	struct root *root = root_peek(fs->core.roots, node.subvolid);

	return root ? inode_find(&fs->core.inodes, root, node.ino) : NULL;
}

static int left_step(struct ubtrfs *fs, struct ubtrfs_node node, bool *ret_done)
{
	SCOPED(inode) struct inode *inode = node_find(fs, node);
	bool kept;

	ASSERT(inode && inode->dying);
	TRY(door_enter_remove(&fs->core, 4));
	TRY(delete_step(fs, inode, ret_done));
	if (*ret_done)
		inode_unhold(inode, 1, false, &kept);
	return 0;
}

/* The last hold goes although the inode could not be deleted. */
static int left_give_up(struct ubtrfs *fs, struct ubtrfs_node node)
{
	SCOPED(inode) struct inode *inode = node_find(fs, node);
	bool kept;

	inode_unhold(inode, 1, false, &kept);
	return 0;
}

int left_finish(struct ubtrfs *fs, const struct name_left *left)
{
	bool done = !left->any;
	int err = 0;

	/* Each step takes extents away, of which there are not more: it ends. */
	while (!done && err == 0)
		err = FS_CHANGE(fs, left_step(fs, left->node, &done));
	if (err < 0)
		(void)FS_CHANGE(fs, left_give_up(fs, left->node));
	if (err != -ENOSPC)
		return err;
	/* The name is gone, which is what was asked for. */
	log_warn("inode %llu of subvolume %llu is deleted at the next opening: %s",
		 (unsigned long long)left->node.ino, (unsigned long long)left->node.subvolid,
		 ubtrfs_error_text());
	return 0;
}

static int hold(struct ubtrfs *fs, struct ubtrfs_node node)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	if (inode->dying || (!inode_item_nlink(inode->item) && !inode->nr_held))
		return THROW(ERR_NOT_FOUND, "inode %llu of subvolume %llu was deleted",
			     (unsigned long long)node.ino, (unsigned long long)node.subvolid);
	inode_hold(inode);
	return 0;
}

UBTRFS_API int ubtrfs_hold(struct ubtrfs *fs, struct ubtrfs_node node)
{
	return FS_READ(fs, hold(fs, node));
}

/* The last hold of a nameless inode is for who is alone: he deletes it. */
static int release(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t nr, struct name_left *left)
{
	SCOPED(inode) struct inode *inode = node_find(fs, node);
	bool kept;

	if (!inode || inode->dying)
		return 0;
	if (!fs->alone && !inode_item_nlink(inode->item))
		return -ERR_WANTS_ALONE;
	inode_unhold(inode, nr, fs->core.writable && txn_check(fs->core.txn) == 0, &kept);
	if (kept)
		inode->dying = true;
	*left = (struct name_left){ node, kept };
	return 0;
}

UBTRFS_API void ubtrfs_release(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t nr)
{
	struct name_left left = { .any = false };

	if (!nr || FS_READ(fs, release(fs, node, nr, &left)) < 0)
		return;
	if (left_finish(fs, &left) < 0)
		log_error("inode %llu of subvolume %llu could not be deleted: %s",
			  (unsigned long long)node.ino, (unsigned long long)node.subvolid,
			  ubtrfs_error_text());
}

/* Nobody else is in the library any more. */
void fs_release_all(struct ubtrfs *fs, bool deleting)
{
	struct inode *inode;

	while ((inode = inode_any_held(&fs->core.inodes))) {
		struct ubtrfs_node node = { inode->root->objectid, inode->ino };
		bool kept;

		if (deleting && !inode->dying) {
			ubtrfs_release(fs, node, UINT64_MAX);
		} else {
			inode_ref(inode);
			inode_unhold(inode, UINT64_MAX, false, &kept);
			inode_put(inode);
		}
	}
}
