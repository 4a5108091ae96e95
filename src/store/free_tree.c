/*
 * free_tree: the free-space tree, the complement of the extent tree in each block group.
 *
 * A group has a FREE_SPACE_INFO (start, length) with the number of its free extents, and either one
 * FREE_SPACE_EXTENT per free extent or bitmaps (free_tree_bitmap.c). Ranges under superblock copies
 * count as free here; the model of space/ leaves them out. Invariants: extents of a group neither
 * overlap nor touch; group->fst_extent_count is exact at once, the INFO item follows when the group
 * is saved (the group is dirty until then). Locks: none of its own; one thread at a time.
 */
#include "store/store_priv.h"

static struct key info_key(const struct block_group *group)
{
	return KEY(group->start, BTRFS_FREE_SPACE_INFO_KEY, group->len_bytes);
}

static struct key free_key(uint64_t addr, uint64_t len)
{
	return KEY(addr, BTRFS_FREE_SPACE_EXTENT_KEY, len);
}

static bool key_is_free_extent(const struct key *key, const struct block_group *group)
{
	return key->type == BTRFS_FREE_SPACE_EXTENT_KEY && key->objectid >= group->start &&
	       key->objectid < block_group_end(group);
}

static int free_tree_disagrees(const struct block_group *group, uint64_t addr, uint64_t len,
			       const char *what)
{
	return THROW(ERR_CORRUPT,
		     "free-space tree, block group %" PRIu64 ": %" PRIu64 "+%" PRIu64 " %s",
		     group->start, addr, len, what);
}

static void free_tree_count(struct block_group *group, int delta)
{
	ASSERT(delta >= 0 || group->fst_extent_count >= (uint32_t)-delta);
	group->fst_extent_count += (uint32_t)delta;
	group->dirty = true;
}

/* Gives a new key to a free extent, in place. */
static int free_extent_rekey(struct txn *txn, struct tree *tree, const struct key *from,
			     const struct key *to)
{
	SCOPED(cursor) struct cursor cursor;

	cursor_init(&cursor, tree);
	TRY(cursor_seek_write(txn, &cursor, from));
	return cursor_rekey(&cursor, to);
}

/* The free extent that holds the range. */
static int free_extent_around(struct tree *tree, const struct block_group *group, uint64_t addr,
			      uint64_t len, struct key *ret_key)
{
	struct key last = free_key(addr, UINT64_MAX);
	SCOPED(cursor) struct cursor cursor;
	struct key key = KEY_MIN;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek_le(&cursor, &last);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0)
		key = cursor_key(&cursor);
	if (err < 0 || !key_is_free_extent(&key, group) || key.offset < addr - key.objectid + len)
		return free_tree_disagrees(group, addr, len, "is not free");
	*ret_key = key;
	return 0;
}

static int free_extent_take(struct txn *txn, struct tree *tree, struct block_group *group,
			    uint64_t addr, uint64_t len)
{
	uint64_t left_len, right_len;
	struct key old, left, right;

	TRY(free_extent_around(tree, group, addr, len, &old));
	left_len = addr - old.objectid;
	right_len = old.offset - left_len - len;
	left = free_key(old.objectid, left_len);
	right = free_key(addr + len, right_len);
	if (!left_len && !right_len) {
		TRY(tree_remove(txn, tree, &old));
		free_tree_count(group, -1);
		return 0;
	}
	TRY(free_extent_rekey(txn, tree, &old, left_len ? &left : &right));
	if (left_len && right_len) {
		TRY(tree_insert(txn, tree, &right, NULL, 0));
		free_tree_count(group, 1);
	}
	return 0;
}

/* The free extents that touch the range on either side; their lengths are 0 when there is none. */
struct free_neighbours {
	struct key left, right;
};

static int free_neighbours_find(struct tree *tree, const struct block_group *group, uint64_t addr,
				uint64_t len, struct free_neighbours *ret_found)
{
	struct free_neighbours found = { free_key(addr, 0), free_key(addr + len, 0) };
	struct key last = free_key(addr, UINT64_MAX), key;
	SCOPED(cursor) struct cursor cursor;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek_le(&cursor, &last);
	if (err == -ERR_KEY_NOT_FOUND)
		return free_tree_disagrees(group, addr, len, "is in a group without info");
	TRY(err);
	key = cursor_key(&cursor);
	if (key_is_free_extent(&key, group)) {
		if (key.objectid + key.offset > addr)
			return free_tree_disagrees(group, addr, len, "is free already");
		if (key.objectid + key.offset == addr)
			found.left = key;
	}
	err = cursor_next(&cursor);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0) {
		key = cursor_key(&cursor);
		if (key_is_free_extent(&key, group) && key.objectid < addr + len)
			return free_tree_disagrees(group, addr, len, "is free already");
		if (key_is_free_extent(&key, group) && key.objectid == addr + len)
			found.right = key;
	}
	*ret_found = found;
	return 0;
}

static int free_extent_give(struct txn *txn, struct tree *tree, struct block_group *group,
			    uint64_t addr, uint64_t len)
{
	struct free_neighbours near;
	struct key joined;

	TRY(free_neighbours_find(tree, group, addr, len, &near));
	joined = free_key(addr - near.left.offset, near.left.offset + len + near.right.offset);
	if (!near.left.offset && !near.right.offset) {
		TRY(tree_insert(txn, tree, &joined, NULL, 0));
		free_tree_count(group, 1);
		return 0;
	}
	if (!near.left.offset)
		return free_extent_rekey(txn, tree, &near.right, &joined);
	if (near.right.offset) {
		TRY(tree_remove(txn, tree, &near.right));
		free_tree_count(group, -1);
	}
	return free_extent_rekey(txn, tree, &near.left, &joined);
}

static int free_tree_change(struct txn *txn, struct store *store, struct block_group *group,
			    uint64_t addr, uint64_t len, bool is_free)
{
	struct tree *tree;

	ASSERT(addr >= group->start && len > 0 && len <= block_group_end(group) - addr);
	if (!store_has_free_tree(store))
		return 0;
	TRY(group_store_insert(txn, store, group));
	TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
	if (group->fst_bitmaps)
		return free_bitmap_change(txn, store, tree, group, addr, len, is_free);
	if (is_free)
		return free_extent_give(txn, tree, group, addr, len);
	return free_extent_take(txn, tree, group, addr, len);
}

int free_tree_take(struct txn *txn, struct store *store, struct block_group *group, uint64_t addr,
		   uint64_t len)
{
	return free_tree_change(txn, store, group, addr, len, false);
}

int free_tree_give(struct txn *txn, struct store *store, struct block_group *group, uint64_t addr,
		   uint64_t len)
{
	return free_tree_change(txn, store, group, addr, len, true);
}

/* ---- whole groups ---- */

static void info_to_bytes(const struct block_group *group, uint8_t *item)
{
	free_space_info_set_extent_count(item, group->fst_extent_count);
	free_space_info_set_flags(item, group->fst_bitmaps ? BTRFS_FREE_SPACE_USING_BITMAPS : 0);
}

int free_tree_insert_group(struct txn *txn, struct store *store, struct block_group *group)
{
	struct key info = info_key(group), all = free_key(group->start, group->len_bytes);
	uint8_t item[FREE_SPACE_INFO_SIZE];
	struct tree *tree;

	if (!store_has_free_tree(store))
		return 0;
	group->fst_bitmaps = false;
	group->fst_extent_count = 1;
	info_to_bytes(group, item);
	TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
	TRY(tree_insert(txn, tree, &info, item, sizeof(item)));
	return tree_insert(txn, tree, &all, NULL, 0);
}

int free_tree_remove_group(struct txn *txn, struct store *store, struct block_group *group)
{
	struct key first = KEY(group->start, 0, 0);
	struct key last = KEY(block_group_end(group) - 1, UINT8_MAX, UINT64_MAX);
	struct tree *tree;
	uint64_t nr;

	if (!store_has_free_tree(store))
		return 0;
	TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
	return tree_remove_range(txn, tree, &first, &last, &nr);
}

int free_tree_save_info(struct txn *txn, struct store *store, struct block_group *group)
{
	uint8_t item[FREE_SPACE_INFO_SIZE];
	struct key key = info_key(group);
	struct tree *tree;

	if (!store_has_free_tree(store))
		return 0;
	info_to_bytes(group, item);
	TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
	return tree_replace(txn, tree, &key, item, sizeof(item));
}

static int load_extents(struct store *store, struct tree *tree, struct block_group *group,
			uint32_t *ret_nr)
{
	struct key first = free_key(group->start, 0);
	SCOPED(cursor) struct cursor cursor;
	uint32_t nr = 0;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (!key_is_free_extent(&key, group))
			break;
		if (!key.offset || key.offset > block_group_end(group) - key.objectid)
			return free_tree_disagrees(group, key.objectid, key.offset,
						   "crosses the group's end");
		TRY(space_load_free(store->space, group, key.objectid, key.offset));
		nr++;
	}
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_nr = nr;
	return 0;
}

int free_tree_load_group(struct store *store, struct block_group *group)
{
	uint8_t item[FREE_SPACE_INFO_SIZE];
	struct key key = info_key(group);
	struct tree *tree;
	uint32_t len = 0, nr = 0;
	int err;

	TRY(store_tree(store, BTRFS_FREE_SPACE_TREE_OBJECTID, &tree));
	err = tree_lookup(tree, &key, item, sizeof(item), &len);
	CORRUPT_IF(err == -ERR_KEY_NOT_FOUND || (err == 0 && len != sizeof(item)),
		   "block group %" PRIu64 " has no info in the free-space tree", group->start);
	TRY(err);
	group->fst_extent_count = free_space_info_extent_count(item);
	group->fst_bitmaps = free_space_info_flags(item) & BTRFS_FREE_SPACE_USING_BITMAPS;
	if (group->fst_bitmaps)
		return free_bitmap_load(store, tree, group);
	TRY(load_extents(store, tree, group, &nr));
	CORRUPT_IF(nr != group->fst_extent_count,
		   "block group %" PRIu64
		   ": %u free extents in the free-space tree, its info says %u",
		   group->start, nr, group->fst_extent_count);
	return 0;
}
