/*
 * Private to root/: the table, and the steps shared by its files.
 *
 * table->lock (RANK_ROOT_TABLE) guards the index and everything of a root that its tree does not
 * guard itself (item, item_offset, item_dirty). Trees are searched and changed under it: their
 * locks rank below.
 */
#ifndef UBTRFS_ROOT_ROOT_PRIV_H
#define UBTRFS_ROOT_ROOT_PRIV_H

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "root/root.h"

/* Ids below this are core trees: found without a lock. */
#define ROOT_CORE_IDS 16u

struct root_table {
	struct root_table_config config; /* fixed */
	struct mutex lock;
	struct rbtree roots;			    /* by objectid; under lock */
	_Atomic(struct root *) core[ROOT_CORE_IDS]; /* the same roots again */
	bool uuid_tree_current; /* the superblock said that the uuid tree is up to date */
};

/* True for trees that hold files and may be snapshotted. */
static inline bool root_id_is_subvolume(uint64_t objectid)
{
	return objectid == BTRFS_FS_TREE_OBJECTID ||
	       (objectid >= BTRFS_FIRST_FREE_OBJECTID && objectid <= BTRFS_LAST_FREE_OBJECTID);
}

/* root_table.c */
struct root *root_peek_locked(struct root_table *table, uint64_t objectid);
/* A root with no nodes, in the index. */
int root_add_locked(struct root_table *table, uint64_t objectid, struct root **ret_root) must_check;
/* From now on it is found without the lock, if it is a core tree: all of it must be there. */
void root_publish_locked(struct root_table *table, struct root *root);
void root_forget_locked(struct root_table *table, struct root *root);
struct tree *root_tree_of(struct root_table *table);

/* root_item.c */
/*
 * Reads the newest ROOT_ITEM of an id, brought to its full size, and the offset of its key.
 * ERR_NOT_FOUND.
 */
int root_item_read(struct tree *root_tree, uint64_t objectid, uint8_t item[ROOT_ITEM_SIZE],
		   uint64_t *ret_offset) must_check;
/*
 * Brings address, generation, level and size of the tree into the item; true when one of them
 * changed.
 */
bool root_item_follow_tree(struct root *root);
int root_item_write(struct txn *txn, struct tree *root_tree, struct root *root) must_check;

#endif
