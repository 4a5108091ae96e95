/*
 * chunk_store: CHUNK_ITEMs, their DEV_EXTENTs, and the superblock's array of system chunks.
 *
 * A chunk has one item in the chunk tree and one device extent per stripe in the device tree; all
 * lengths follow from the chunk in RAM. Facts: chunks name the extent tree as owner; the array must
 * hold every SYSTEM chunk in 2048 bytes.
 * Locks: none of its own.
 */
#include "store/store_priv.h"

static struct key chunk_key(const struct chunk *chunk)
{
	return KEY(BTRFS_FIRST_CHUNK_TREE_OBJECTID, BTRFS_CHUNK_ITEM_KEY, chunk->logical);
}

static struct key dev_extent_key(const struct stripe *stripe)
{
	return KEY(stripe->devid, BTRFS_DEV_EXTENT_KEY, stripe->at.at);
}

static void chunk_to_bytes(const struct store *store, const struct chunk *chunk, uint8_t *item)
{
	memset(item, 0, chunk_size_bytes(chunk->nr_stripes));
	chunk_set_length(item, chunk->len_bytes);
	chunk_set_owner(item, BTRFS_EXTENT_TREE_OBJECTID);
	chunk_set_stripe_len(item, VOLUME_STRIPE_LEN);
	chunk_set_type(item, chunk->flags);
	chunk_set_io_align(item, VOLUME_STRIPE_LEN);
	chunk_set_io_width(item, VOLUME_STRIPE_LEN);
	chunk_set_sector_size(item, store->geometry.sectorsize);
	chunk_set_num_stripes(item, chunk->nr_stripes);
	chunk_set_sub_stripes(item, chunk->sub_stripes);
	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		uint8_t *stripe = chunk_stripe_mut(item, i);

		stripe_set_devid(stripe, chunk->stripes[i].devid);
		stripe_set_offset(stripe, chunk->stripes[i].at.at);
		memcpy(stripe_dev_uuid_mut(stripe), chunk->stripes[i].dev_uuid, BTRFS_UUID_SIZE);
	}
}

static void dev_extent_to_bytes(const struct store *store, const struct chunk *chunk, uint8_t *item)
{
	dev_extent_set_chunk_tree(item, BTRFS_CHUNK_TREE_OBJECTID);
	dev_extent_set_chunk_objectid(item, BTRFS_FIRST_CHUNK_TREE_OBJECTID);
	dev_extent_set_chunk_offset(item, chunk->logical);
	dev_extent_set_length(item, chunk_stripe_bytes(chunk));
	memcpy(dev_extent_chunk_tree_uuid_mut(item), store->chunk_tree_uuid, BTRFS_UUID_SIZE);
}

typedef int (*tree_write_fn)(struct txn *txn, struct tree *tree, const struct key *key,
			     const void *data, uint32_t len);

/* Inserts or replaces all items of a chunk: write is tree_insert or tree_replace. */
static int chunk_store_write(struct txn *txn, struct store *store, const struct chunk *chunk,
			     tree_write_fn write)
{
	uint32_t len = chunk_size_bytes(chunk->nr_stripes);
	SCOPED_MEM uint8_t *item = mem_alloc(len);
	struct tree *chunk_tree, *dev_tree;
	uint8_t extent[DEV_EXTENT_SIZE];
	struct key key = chunk_key(chunk);

	if (!item)
		return MEM_FAIL("a chunk item");
	TRY(store_tree(store, BTRFS_CHUNK_TREE_OBJECTID, &chunk_tree));
	TRY(store_tree(store, BTRFS_DEV_TREE_OBJECTID, &dev_tree));
	chunk_to_bytes(store, chunk, item);
	TRY(write(txn, chunk_tree, &key, item, len));
	dev_extent_to_bytes(store, chunk, extent);
	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		key = dev_extent_key(&chunk->stripes[i]);
		TRY(write(txn, dev_tree, &key, extent, sizeof(extent)));
	}
	store->devices_dirty = true;
	return 0;
}

int chunk_store_insert(struct txn *txn, struct store *store, const struct chunk *chunk)
{
	return chunk_store_write(txn, store, chunk, tree_insert);
}

int chunk_store_update(struct txn *txn, struct store *store, const struct chunk *chunk)
{
	return chunk_store_write(txn, store, chunk, tree_replace);
}

int chunk_store_remove(struct txn *txn, struct store *store, const struct chunk *chunk)
{
	struct tree *chunk_tree, *dev_tree;
	struct key key = chunk_key(chunk);

	TRY(store_tree(store, BTRFS_CHUNK_TREE_OBJECTID, &chunk_tree));
	TRY(store_tree(store, BTRFS_DEV_TREE_OBJECTID, &dev_tree));
	TRY(tree_remove(txn, chunk_tree, &key));
	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		key = dev_extent_key(&chunk->stripes[i]);
		TRY(tree_remove(txn, dev_tree, &key));
	}
	store->devices_dirty = true;
	return 0;
}

/* ---- loading ---- */

static bool chunk_is_same(const struct chunk *chunk, const struct chunk_spec *spec)
{
	if (chunk->logical != spec->logical || chunk->len_bytes != spec->len_bytes ||
	    chunk->flags != spec->flags || chunk->nr_stripes != spec->nr_stripes)
		return false;
	for (unsigned i = 0; i < spec->nr_stripes; i++)
		if (chunk->stripes[i].devid != spec->stripes[i].devid ||
		    chunk->stripes[i].at.at != spec->stripes[i].at.at)
			return false;
	return true;
}

int chunk_store_load(struct volume *volume, uint64_t logical, const uint8_t *item, uint32_t len)
{
	SCOPED_MEM struct stripe *stripes = NULL;
	const struct chunk *known = chunk_map_find(volume, logical);
	struct chunk_spec spec = { .logical = logical };

	CORRUPT_IF(len < CHUNK_SIZE || len != chunk_size_bytes(chunk_num_stripes(item)) ||
			   !chunk_num_stripes(item),
		   "the item of chunk %" PRIu64 " has %u bytes", logical, len);
	CORRUPT_IF(chunk_stripe_len(item) != VOLUME_STRIPE_LEN,
		   "chunk %" PRIu64 " has stripes of %" PRIu64 " bytes", logical,
		   chunk_stripe_len(item));
	spec.len_bytes = chunk_length(item);
	spec.flags = chunk_type(item);
	spec.nr_stripes = chunk_num_stripes(item);
	spec.sub_stripes = chunk_sub_stripes(item);
	stripes = mem_array(spec.nr_stripes, sizeof(*stripes));
	if (!stripes)
		return MEM_FAIL("the stripes of a chunk");
	for (unsigned i = 0; i < spec.nr_stripes; i++) {
		const uint8_t *stripe = chunk_stripe(item, i);

		stripes[i].devid = stripe_devid(stripe);
		stripes[i].at = PHYS(stripe_offset(stripe));
		memcpy(stripes[i].dev_uuid, stripe_dev_uuid(stripe), BTRFS_UUID_SIZE);
	}
	spec.stripes = stripes;
	/* System chunks come twice: from the array and from the tree. */
	if (known && chunk_is_same(known, &spec))
		return 0;
	return chunk_map_add(volume, &spec);
}

/* ---- superblock ---- */

int chunk_store_fill_array(struct store *store, uint8_t *super)
{
	uint8_t *array = super_sys_chunk_array_mut(super);
	const struct chunk *chunk = chunk_map_next(store->volume, 0);
	uint32_t at = 0;

	memset(array, 0, BTRFS_SYSTEM_CHUNK_ARRAY_SIZE);
	for (; chunk; chunk = chunk_map_next(store->volume, chunk->logical + chunk->len_bytes)) {
		uint32_t len = chunk_size_bytes(chunk->nr_stripes);
		struct key key = chunk_key(chunk);

		if (!(chunk->flags & BTRFS_BLOCK_GROUP_SYSTEM))
			continue;
		if (KEY_DISK_SIZE + len > BTRFS_SYSTEM_CHUNK_ARRAY_SIZE - at)
			return THROW(ERR_LIMIT,
				     "the superblock has no room for system chunk %" PRIu64
				     " of %u stripes",
				     chunk->logical, chunk->nr_stripes);
		key_store(array + at, &key);
		chunk_to_bytes(store, chunk, array + at + KEY_DISK_SIZE);
		at += KEY_DISK_SIZE + len;
	}
	super_set_sys_chunk_array_size(super, at);
	return 0;
}
