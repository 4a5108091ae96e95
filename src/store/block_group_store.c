/*
 * block_group_store: BLOCK_GROUP_ITEMs, and the commit's step that brings all items of space up to date.
 *
 *   in RAM         on disk                      by
 *   is_new         nothing -> all items         group_store_insert (the first use of its free space, or store_save)
 *   dirty          used, count of extents       store_save
 *   removed        all items -> nothing         store_save; chunk and group leave the models
 *
 * A group is marked as removed only when nothing in it is used, reserved or pinned, and nothing is given out from then on:
 * the last durable commit reads nothing there.
 * Locks: none of its own; one thread at a time.
 */
#include "store/store_priv.h"

static struct key group_key(const struct block_group *group)
{
	return KEY(group->start, BTRFS_BLOCK_GROUP_ITEM_KEY, group->len_bytes);
}

static void group_to_bytes(const struct block_group *group, uint8_t *item)
{
	block_group_item_set_used(item, group->used_bytes);
	block_group_item_set_chunk_objectid(item, BTRFS_FIRST_CHUNK_TREE_OBJECTID);
	block_group_item_set_flags(item, group->flags);
}

int group_store_insert(struct txn *txn, struct store *store, struct block_group *group)
{
	const struct chunk *chunk = chunk_map_find(store->volume, group->start);
	uint8_t item[BLOCK_GROUP_ITEM_SIZE];
	struct key key = group_key(group);
	struct tree *tree;

	if (!group->is_new)
		return 0;
	ASSERT(chunk && chunk->logical == group->start && chunk->len_bytes == group->len_bytes);
	/* First of all, so that what the insertions below allocate does not come here again. */
	group->is_new = false;
	group->dirty = true;
	TRY(chunk_store_insert(txn, store, chunk));
	TRY(store_group_tree(store, &tree));
	group_to_bytes(group, item);
	TRY(tree_insert(txn, tree, &key, item, sizeof(item)));
	return free_tree_insert_group(txn, store, group);
}

static int group_update(struct txn *txn, struct store *store, struct block_group *group)
{
	uint8_t item[BLOCK_GROUP_ITEM_SIZE];
	struct key key = group_key(group);
	struct tree *tree;

	group->dirty = false;
	TRY(store_group_tree(store, &tree));
	group_to_bytes(group, item);
	TRY(tree_replace(txn, tree, &key, item, sizeof(item)));
	return free_tree_save_info(txn, store, group);
}

static int group_remove(struct txn *txn, struct store *store, struct block_group *group)
{
	uint64_t start = group->start;
	const struct chunk *chunk = chunk_map_find(store->volume, start);
	struct key key = group_key(group);
	struct tree *tree;

	ASSERT(chunk && !group->used_bytes && !group->reserved_bytes && !group->pinned_bytes);
	if (!group->is_new) {
		TRY(store_group_tree(store, &tree));
		TRY(tree_remove(txn, tree, &key));
		TRY(free_tree_remove_group(txn, store, group));
		TRY(chunk_store_remove(txn, store, chunk));
	}
	TRY(space_remove_group(store->space, start));
	return chunk_map_remove(store->volume, start);
}

/* Brings one group up to date; tells whether it had to. */
static int group_save(struct txn *txn, struct store *store, struct block_group *group,
		      bool *changed)
{
	if (group->removed) {
		*changed = true;
		return group_remove(txn, store, group);
	}
	if (group->is_new)
		TRY(group_store_insert(txn, store, group));
	if (!group->dirty)
		return 0;
	*changed = true;
	return group_update(txn, store, group);
}

int store_save(struct txn *txn, struct store *store, bool *ret_changed)
{
	struct block_group *group, *next;
	bool changed = false;

	for (group = space_group_next(store->space, 0); group; group = next) {
		next = space_group_next(store->space, block_group_end(group));
		TRY(group_save(txn, store, group, &changed));
	}
	if (store->devices_dirty) {
		TRY(device_store_save(txn, store));
		changed = true;
	}
	*ret_changed = changed;
	return 0;
}
