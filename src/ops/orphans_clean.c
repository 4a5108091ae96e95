/*
 * What a death of the process left without a name, in one subvolume: deleted, step by step.
 *
 * Every orphan of a subvolume that nobody holds is from before the opening: an inode without links,
 * which goes; one with links, whose truncation an old kernel did not finish, which loses what lies
 * behind its end; or nothing at all, and the item goes alone.
 * The subvolumes that are opened first are cleaned at opening, the others before the first change in
 * them: to look into each costs reading.
 * One whose items cannot be read, make no sense, or are nothing we know, stays what it is for the
 * next opening: a block that is lost must not keep everybody from writing. What cannot be read of
 * the list of orphans itself, and what fails when half is done (law L6), is told to who opens.
 * Bounds: the numbers only rise, but for a file that loses extents with each step.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "file/range.h"
#include "ops/op_names.h"

/* A subvolume on its way. */
struct orphan_walk {
	uint64_t subvolid, ino;
	bool found;
	uint64_t nr_kept; /* that cannot be deleted */
};

/* *ret_done: nothing is left behind the end, and the orphan has gone. */
static int truncate_step(struct ubtrfs *fs, struct inode *inode, bool *ret_done)
{
	uint64_t end = round_up(inode_size(inode), fs->core.geometry.sectorsize);
	uint64_t pos = UINT64_MAX;

	if (S_ISREG(inode_mode(inode)))
		TRY(file_drop_some(&fs->core.writeback, inode, end, UINT64_MAX, ORPHAN_STEP_EXTENTS,
				   &pos));
	*ret_done = pos == UINT64_MAX;
	return *ret_done ? inode_drop_orphan(fs, inode) : 0;
}

/* Once for a subvolume, with the first cause: there may be many, and mostly for one reason. */
static int orphan_keep(struct ubtrfs *fs, struct orphan_walk *walk, uint64_t ino, int err)
{
	int sys = err_to_errno(err);
	bool is_damage = sys == EIO || sys == EUCLEAN || sys == EOPNOTSUPP;

	if (!is_damage || !fs->core.txn || txn_check(fs->core.txn) < 0)
		return err;
	if (!walk->nr_kept++)
		log_warn("subvolume %llu: inode %llu has lost its name and cannot be deleted (%s): "
			 "it stays for the next opening, as will others like it",
			 (unsigned long long)walk->subvolid, (unsigned long long)ino,
			 err_last_text());
	return 0;
}

/*
 * What is not contents can be read: it is removed at the end and all at once, and what is not found
 * out before that ends the transaction. No more steps than items.
 */
static int items_check(struct root *root, uint64_t ino)
{
	struct key first = KEY(ino, 0, 0);
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	cursor_init(&cursor, &root->tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (key.objectid != ino || key.type >= BTRFS_EXTENT_DATA_KEY)
			return 0;
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int inode_take(struct ubtrfs *fs, struct inode *inode, struct name_left *left,
		      bool *ret_done)
{
	*ret_done = true;
	if (inode->nr_held)
		return 0;
	inode->has_orphan = inode->orphan_in_tree = true;
	if (inode_item_nlink(inode->item))
		return truncate_step(fs, inode, ret_done);
	TRY(items_check(inode->root, inode->ino));
	inode_hold(inode);
	inode->dying = true;
	*left = (struct name_left){ { inode->root->objectid, inode->ino }, true };
	return 0;
}

static int orphan_take(struct ubtrfs *fs, struct root *root, uint64_t ino, struct name_left *left,
		       bool *ret_done)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	*ret_done = true;
	if (ino <= BTRFS_FIRST_FREE_OBJECTID) {
		log_warn("subvolume %llu: an orphan with the number %llu is left alone",
			 (unsigned long long)root->objectid, (unsigned long long)ino);
		return 0;
	}
	err = inode_get(&fs->core.inodes, root, ino, &inode);
	if (err == -ERR_NOT_FOUND) {
		err = orphan_remove(fs->core.txn, &root->tree, ino);
		return err < 0 ? txn_abort(fs->core.txn, err, "removing an orphan") : 0;
	}
	TRY(err);
	return inode_take(fs, inode, left, ret_done);
}

/* The next orphan from walk->ino on; behind it walk->ino. */
static int orphan_step(struct ubtrfs *fs, struct orphan_walk *walk, struct name_left *left)
{
	struct root *root;
	bool done;
	int err;

	walk->found = false;
	TRY(root_get(fs->core.roots, walk->subvolid, &root));
	root->orphans_seen = true;
	TRY(inode_numbers_load(&fs->core.inodes, root));
	TRY(orphan_next(&root->tree, &walk->ino, &walk->found));
	if (!walk->found)
		return 0;
	TRY(door_enter_remove(&fs->core, 4));
	err = orphan_take(fs, root, walk->ino, left, &done);
	if (err < 0) {
		TRY(orphan_keep(fs, walk, walk->ino, err));
		done = true;
	}
	walk->ino += done;
	return 0;
}

/* What had to be done step by step; without the lock. */
static int orphan_finish(struct ubtrfs *fs, struct orphan_walk *walk, const struct name_left *left)
{
	int err = left_finish(fs, left);

	return err < 0 ? orphan_keep(fs, walk, left->node.ino, err) : 0;
}

int fs_clean_orphans(struct ubtrfs *fs, uint64_t subvolid)
{
	struct orphan_walk walk = { .subvolid = subvolid };

	do {
		struct name_left left = { .any = false };

		TRY(FS_CHANGE(fs, orphan_step(fs, &walk, &left)));
		TRY(orphan_finish(fs, &walk, &left));
	} while (walk.found && walk.ino);
	return 0;
}

int fs_check_orphans(struct ubtrfs *fs, struct root *root)
{
	uint64_t ino = 0;
	bool found;

	if (root->orphans_seen)
		return 0;
	TRY(inode_numbers_load(&fs->core.inodes, root));
	TRY(orphan_next(&root->tree, &ino, &found));
	/* Once: what fails is for the next opening. */
	root->orphans_seen = true;
	if (!found)
		return 0;
	fs->unclean_subvolid = root->objectid;
	return -ERR_WANTS_ROOM;
}

bool fs_clean_wanted(struct ubtrfs *fs)
{
	uint64_t subvolid = fs->unclean_subvolid;

	if (!subvolid)
		return false;
	fs->unclean_subvolid = 0;
	(void)fs_unlock(fs, 0);
	if (fs_clean_orphans(fs, subvolid) < 0)
		log_warn("subvolume %llu: not all that has lost its name could be deleted: %s",
			 (unsigned long long)subvolid, ubtrfs_error_text());
	fs_lock(fs);
	return true;
}
