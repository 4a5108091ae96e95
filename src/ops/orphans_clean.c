/*
 * What a death of the process left without a name, in one subvolume: deleted, step by step.
 *
 * Every orphan of a subvolume that nobody holds is from before the opening: an inode without links,
 * which goes; one with links, whose truncation an old kernel did not finish, which loses what lies
 * behind its end; or nothing at all, and the item goes alone.
 * The subvolumes that are opened first are cleaned at opening, the others before the first change in
 * them: to look into each costs reading.
 * Bounds: the numbers only rise, but for a file that loses extents with each step.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "file/range.h"
#include "ops/op_names.h"

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

static int orphan_take(struct ubtrfs *fs, struct root *root, uint64_t *ino, struct name_left *left)
{
	SCOPED(inode) struct inode *inode = NULL;
	bool done = true;
	int err;

	if (*ino <= BTRFS_FIRST_FREE_OBJECTID) {
		log_warn("subvolume %llu: an orphan with the number %llu is left alone",
			 (unsigned long long)root->objectid, (unsigned long long)*ino);
		(*ino)++;
		return 0;
	}
	err = inode_get(&fs->core.inodes, root, *ino, &inode);
	if (err == -ERR_NOT_FOUND) {
		err = orphan_remove(fs->core.txn, &root->tree, *ino);
		if (err < 0)
			return txn_abort(fs->core.txn, err, "removing an orphan");
	} else if (err < 0) {
		return err;
	} else if (!inode->nr_held) {
		inode->has_orphan = inode->orphan_in_tree = true;
		if (inode_item_nlink(inode->item)) {
			TRY(truncate_step(fs, inode, &done));
		} else {
			inode_hold(inode);
			inode->dying = true;
			*left = (struct name_left){ { root->objectid, *ino }, true };
		}
	}
	if (done)
		(*ino)++;
	return 0;
}

/* The next orphan from *ino on; behind it *ino. */
static int orphan_step(struct ubtrfs *fs, uint64_t subvolid, uint64_t *ino, bool *ret_found,
		       struct name_left *left)
{
	struct root *root;

	*ret_found = false;
	TRY(root_get(fs->core.roots, subvolid, &root));
	root->orphans_seen = true;
	TRY(inode_numbers_load(&fs->core.inodes, root));
	TRY(orphan_next(&root->tree, ino, ret_found));
	if (!*ret_found)
		return 0;
	TRY(door_enter_remove(&fs->core, 4));
	return orphan_take(fs, root, ino, left);
}

int fs_clean_orphans(struct ubtrfs *fs, uint64_t subvolid)
{
	uint64_t ino = 0;
	bool found;

	do {
		struct name_left left = { .any = false };

		TRY(FS_CHANGE(fs, orphan_step(fs, subvolid, &ino, &found, &left)));
		TRY(left_finish(fs, &left));
	} while (found && ino);
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
