/*
 * orphan: ORPHAN_ITEMs, one for each number that a tree holds without a name.
 *
 * In a subvolume's tree the numbers are inodes: those that lost their last name while somebody held
 * them or while their contents were too much for one transaction, and (of old kernels) those whose
 * truncation was not finished. The item comes in the transaction that takes the name, and goes in
 * the one that takes the last item of the inode; so whatever happens in between is found again.
 * Locks: none of its own.
 */
#include "root/root_priv.h"

static struct key orphan_key(uint64_t objectid)
{
	return KEY(BTRFS_ORPHAN_OBJECTID, BTRFS_ORPHAN_ITEM_KEY, objectid);
}

int orphan_add(struct txn *txn, struct tree *tree, uint64_t objectid)
{
	struct key key = orphan_key(objectid);

	return tree_insert(txn, tree, &key, NULL, 0);
}

int orphan_remove(struct txn *txn, struct tree *tree, uint64_t objectid)
{
	struct key key = orphan_key(objectid);

	return tree_remove(txn, tree, &key);
}

int orphan_next(struct tree *tree, uint64_t *objectid, bool *ret_found)
{
	struct key from = orphan_key(*objectid);
	SCOPED(cursor) struct cursor cursor;
	struct key found;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	*ret_found = false;
	err = cursor_seek(&cursor, &from, &exact);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	found = cursor_key(&cursor);
	if (found.objectid != from.objectid || found.type != from.type)
		return 0;
	*objectid = found.offset;
	*ret_found = true;
	return 0;
}
