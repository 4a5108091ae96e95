/*
 * store_trim: moves the end of a block group down, on disk and in the models.
 *
 * Order: the model of space first (it refuses when something behind the new end is in use, and from
 * then on nothing is allocated there), then the items, then the chunk map. A failure after the
 * first step aborts the transaction.
 * Locks: none of its own; one thread at a time.
 */
#include "store/store_priv.h"

/* The group item has its length in the key: out with the old, in with the new. */
static int trim_group_item(struct txn *txn, struct store *store, uint64_t start, uint64_t old_len,
			   uint64_t new_len)
{
	struct key old = KEY(start, BTRFS_BLOCK_GROUP_ITEM_KEY, old_len);
	struct key new = KEY(start, BTRFS_BLOCK_GROUP_ITEM_KEY, new_len);
	uint8_t item[BLOCK_GROUP_ITEM_SIZE];
	struct tree *tree;
	uint32_t len;

	TRY(store_group_tree(store, &tree));
	TRY(tree_lookup(tree, &old, item, sizeof(item), &len));
	TRY(tree_remove(txn, tree, &old));
	return tree_insert(txn, tree, &new, item, sizeof(item));
}

/*
 * Takes the tail out of the free space of a group that has its old length, then renames the
 * info.
 */
static int trim_free_tree(struct txn *txn, struct store *store, struct block_group *group,
			  uint64_t old_len, uint64_t new_len)
{
	struct key old = KEY(group->start, BTRFS_FREE_SPACE_INFO_KEY, old_len);
	struct key new = KEY(group->start, BTRFS_FREE_SPACE_INFO_KEY, new_len);
	uint8_t item[FREE_SPACE_INFO_SIZE];
	struct tree *tree;
	uint32_t len;

	if (!store_has_free_tree(store))
		return 0;
	TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
	TRY(free_tree_take(txn, store, group, group->start + new_len, old_len - new_len));
	TRY(tree_lookup(tree, &old, item, sizeof(item), &len));
	TRY(tree_remove(txn, tree, &old));
	return tree_insert(txn, tree, &new, item, sizeof(item));
}

static int trim_items(struct txn *txn, struct store *store, struct block_group *group,
		      uint64_t old_len, uint64_t new_len)
{
	struct block_group before = *group;

	TRY(trim_group_item(txn, store, group->start, old_len, new_len));
	/* The free-space tree checks ranges against the group: it gets one with the old length. */
	before.len_bytes = old_len;
	TRY(trim_free_tree(txn, store, &before, old_len, new_len));
	group->fst_extent_count = before.fst_extent_count;
	return 0;
}

int store_trim_group(struct txn *txn, struct store *store, struct block_group *group,
		     uint64_t new_len)
{
	uint64_t start = group->start, old_len = group->len_bytes;
	struct tree *tree;

	ASSERT(!group->removed);
	if (new_len == old_len)
		return 0;
	if (new_len == 0 || new_len > old_len || !is_aligned(new_len, VOLUME_STRIPE_LEN))
		return THROW(ERR_INVALID,
			     "block group %" PRIu64 " of %" PRIu64 " bytes cannot get %" PRIu64,
			     start, old_len, new_len);
	if (group->fst_bitmaps && store_has_free_tree(store)) {
		TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
		TRY(free_bitmap_to_extents(txn, store, tree, group));
	}
	TRY(space_trim_group(store->space, group, new_len));
	if (!group->is_new)
		TRY(trim_items(txn, store, group, old_len, new_len));
	TRY(chunk_map_trim(store->volume, start, new_len));
	store->devices_dirty = true;
	group->dirty = true;
	if (group->is_new)
		return 0;
	return chunk_store_update(txn, store, chunk_map_find(store->volume, start));
}
