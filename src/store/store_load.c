/*
 * store_load: opening. Fills the models of volume/ and space/ from the items of a filesystem.
 *
 * Order: chunks of the superblock's array, then the chunk tree (which lies in them), then block
 * groups. A block group is looked up for each chunk by its exact key: a chunk without group is
 * damage, a group without chunk cannot be reached. Without a valid free-space tree the gaps between
 * extent items are the free space. Locks: none of its own.
 */
#include "store/store_priv.h"

int store_tree(struct store *store, uint64_t objectid, struct tree **ret_tree)
{
	struct root *root;

	TRY(root_get(store->roots, objectid, &root));
	*ret_tree = &root->tree;
	return 0;
}

int store_group_tree(struct store *store, struct tree **ret_tree)
{
	bool own_tree = store->compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE;

	return store_tree(store,
			  own_tree ? BTRFS_BLOCK_GROUP_TREE_OBJECTID : BTRFS_EXTENT_TREE_OBJECTID,
			  ret_tree);
}

int store_load_sys_chunks(struct volume *volume, const uint8_t *super)
{
	const uint8_t *array = super_sys_chunk_array(super);
	uint32_t size = super_sys_chunk_array_size(super), at = 0;

	CORRUPT_IF(size > BTRFS_SYSTEM_CHUNK_ARRAY_SIZE,
		   "the superblock's array of system chunks has %u bytes", size);
	while (at < size) {
		struct key key;
		uint32_t len;

		CORRUPT_IF(size - at < KEY_DISK_SIZE + CHUNK_SIZE,
			   "the array of system chunks ends inside a chunk");
		key = key_load(array + at);
		at += KEY_DISK_SIZE;
		len = chunk_size_bytes(chunk_num_stripes(array + at));
		CORRUPT_IF(key.type != BTRFS_CHUNK_ITEM_KEY || len > size - at,
			   "the array of system chunks is damaged at byte %u", at);
		TRY(chunk_store_load(volume, key.offset, array + at, len));
		at += len;
	}
	return 0;
}

/* One item of the chunk tree, copied, so that no leaf is locked while the models change. */
struct chunk_item {
	struct key key;
	uint32_t len;
	uint8_t *data; /* geometry_max_item bytes */
};

/* The first item >= *from; ERR_KEY_NOT_FOUND at the end. */
static int chunk_item_next(struct tree *tree, const struct key *from, struct chunk_item *ret_item)
{
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek(&cursor, from, &exact);
	if (err < 0)
		return err;
	ret_item->key = cursor_key(&cursor);
	ret_item->len = cursor_len(&cursor);
	memcpy(ret_item->data, cursor_data(&cursor), ret_item->len);
	return 0;
}

int store_each_device(struct store *store,
		      int (*visit)(void *ctx, uint64_t devid, const uint8_t *dev_item), void *ctx)
{
	SCOPED_MEM uint8_t *data = mem_alloc(geometry_max_item(&store->geometry));
	struct key from = KEY(BTRFS_DEV_ITEMS_OBJECTID, BTRFS_DEV_ITEM_KEY, 0);
	struct chunk_item item = { .data = data };
	struct tree *tree;
	int err;

	if (!data)
		return MEM_FAIL("a device item");
	TRY(store_tree(store, BTRFS_CHUNK_TREE_OBJECTID, &tree));
	while ((err = chunk_item_next(tree, &from, &item)) == 0) {
		if (item.key.objectid != BTRFS_DEV_ITEMS_OBJECTID ||
		    item.key.type != BTRFS_DEV_ITEM_KEY)
			return 0;
		CORRUPT_IF(item.len != DEV_ITEM_SIZE || dev_item_devid(data) != item.key.offset,
			   "the item of device %" PRIu64 " is damaged", item.key.offset);
		TRY(visit(ctx, item.key.offset, data));
		from = key_next(item.key);
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

int store_load_chunks(struct store *store)
{
	SCOPED(cursor) struct cursor cursor;
	struct key first = KEY_MIN;
	struct tree *tree;
	bool exact;
	int err;

	cursor_init(&cursor, NULL);
	TRY(store_tree(store, BTRFS_CHUNK_TREE_OBJECTID, &tree));
	cursor_init(&cursor, tree);
	/* The models change under the leaf's lock, which ranks above theirs: chunks are many. */
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);
		const uint8_t *item = cursor_data(&cursor);

		/* Devices come before chunks: their object id is lower. */
		if (key.type == BTRFS_DEV_ITEM_KEY)
			TRY(device_store_load(store, key.offset, item, cursor_len(&cursor)));
		else if (key.type == BTRFS_CHUNK_ITEM_KEY)
			TRY(chunk_store_load(store->volume, key.offset, item, cursor_len(&cursor)));
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

/* Adds the gap before an extent; *pos is where the last one ended. */
static int load_gap(struct store *store, struct block_group *group, uint64_t *pos, uint64_t addr,
		    uint64_t len)
{
	CORRUPT_IF(addr < *pos || len > block_group_end(group) - addr,
		   "extent %" PRIu64 " overlaps another, or the end of its block group", addr);
	if (addr > *pos)
		TRY(space_load_free(store->space, group, *pos, addr - *pos));
	*pos = addr + len;
	return 0;
}

static int load_free_from_extents(struct store *store, struct block_group *group)
{
	struct key first = KEY(group->start, BTRFS_EXTENT_ITEM_KEY, 0);
	SCOPED(cursor) struct cursor cursor;
	uint64_t pos = group->start;
	struct tree *tree;
	bool exact;
	int err;

	cursor_init(&cursor, NULL);
	TRY(store_tree(store, BTRFS_EXTENT_TREE_OBJECTID, &tree));
	cursor_init(&cursor, tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (key.objectid >= block_group_end(group))
			break;
		if (key.type == BTRFS_EXTENT_ITEM_KEY)
			TRY(load_gap(store, group, &pos, key.objectid, key.offset));
		else if (key.type == BTRFS_METADATA_ITEM_KEY)
			TRY(load_gap(store, group, &pos, key.objectid, store->geometry.nodesize));
	}
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	return load_gap(store, group, &pos, block_group_end(group), 0);
}

static int load_group(struct store *store, struct tree *tree, const struct chunk *chunk,
		      struct block_group **ret_group)
{
	struct key key = KEY(chunk->logical, BTRFS_BLOCK_GROUP_ITEM_KEY, chunk->len_bytes);
	uint8_t item[BLOCK_GROUP_ITEM_SIZE];
	uint32_t len = 0;
	int err = tree_lookup(tree, &key, item, sizeof(item), &len);

	CORRUPT_IF(err == -ERR_KEY_NOT_FOUND, "chunk %" PRIu64 " has no block group",
		   chunk->logical);
	TRY(err);
	CORRUPT_IF(len != sizeof(item), "block group %" PRIu64 " has an item of %u bytes",
		   chunk->logical, len);
	CORRUPT_IF(block_group_item_used(item) > chunk->len_bytes,
		   "block group %" PRIu64 " of %" PRIu64 " bytes uses %" PRIu64, chunk->logical,
		   chunk->len_bytes, block_group_item_used(item));
	return space_add_group(store->space, chunk->logical, chunk->len_bytes,
			       block_group_item_flags(item), block_group_item_used(item),
			       ret_group);
}

static int load_free(struct store *store, struct block_group *group)
{
	if (store_has_free_tree(store))
		return free_tree_load_group(store, group);
	return load_free_from_extents(store, group);
}

static int load_groups(struct store *store, bool with_free)
{
	const struct chunk *chunk = chunk_map_next(store->volume, 0);
	struct block_group *group;
	struct tree *tree;

	TRY(store_group_tree(store, &tree));
	for (; chunk; chunk = chunk_map_next(store->volume, chunk->logical + chunk->len_bytes)) {
		/* There already: an attempt before this one failed behind it. */
		if (space_group_of(store->space, chunk->logical))
			continue;
		TRY(load_group(store, tree, chunk, &group));
		if (with_free)
			TRY(load_free(store, group));
	}
	return 0;
}

int store_load_groups(struct store *store)
{
	struct tree *tree;

	/* Policies need the extent tree without loading it (they run under node locks). */
	TRY(store_tree(store, BTRFS_EXTENT_TREE_OBJECTID, &tree));
	TRY(load_groups(store, true));
	/* What the items say must add up, or every commit would write more nonsense. */
	return space_audit(store->space);
}

int store_load_used(struct store *store)
{
	return load_groups(store, false);
}
