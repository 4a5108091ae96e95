/*
 * stripe_tree: where the stripes of data lie, as the raid-stripe tree tells.
 *
 * Implements map_ops of volume/ for filesystems with that tree. An item (logical, RAID_STRIPE,
 * length) holds the devices and addresses of one stretch. Its nodes lie in chunks that never need
 * it, because volume/ asks for data only. Reading only; nothing is kept between two questions.
 * Locks: a read cursor's.
 */
#include "store/store_priv.h"

static int no_entry(uint64_t logical, uint64_t end)
{
	return THROW(ERR_NO_MAPPING,
		     "the stripe tree maps nothing from %" PRIu64 " to %" PRIu64
		     ", and data is said to be there",
		     logical, end);
}

/* The address where the next entry begins, for the message. */
static uint64_t next_start(struct tree *tree, uint64_t logical)
{
	struct key key = KEY(logical, BTRFS_RAID_STRIPE_KEY, UINT64_MAX);
	SCOPED(cursor) struct cursor cursor;
	bool exact;

	cursor_init(&cursor, tree);
	return cursor_seek(&cursor, &key, &exact) == 0 ? cursor_key(&cursor).objectid : UINT64_MAX;
}

static int extent_parse(const struct cursor *cursor, struct map_extent *ret_extent)
{
	const uint8_t *stride = cursor_data(cursor);
	struct key key = cursor_key(cursor);
	unsigned nr = cursor_len(cursor) / RAID_STRIDE_SIZE;
	uint64_t end;

	CORRUPT_IF(!nr || nr > VOLUME_MAX_STRIDES || !add_fits(key.objectid, key.offset, &end),
		   "the entry of the stripe tree at %" PRIu64 ", %" PRIu64 " bytes, has %u stripes",
		   key.objectid, key.offset, nr);
	ret_extent->logical = key.objectid;
	ret_extent->len_bytes = key.offset;
	ret_extent->nr_strides = nr;
	for (unsigned i = 0; i < nr; i++, stride += RAID_STRIDE_SIZE) {
		ret_extent->strides[i].devid = raid_stride_devid(stride);
		ret_extent->strides[i].at = PHYS(raid_stride_physical(stride));
	}
	return 0;
}

/* The last entry that begins at or before the address; ERR_KEY_NOT_FOUND. */
static int entry_before(struct tree *tree, uint64_t logical, struct map_extent *ret_extent)
{
	struct key key = KEY(logical, BTRFS_RAID_STRIPE_KEY, UINT64_MAX);
	SCOPED(cursor) struct cursor cursor;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek_le(&cursor, &key);
	if (err < 0)
		return err;
	if (cursor_key(&cursor).type != BTRFS_RAID_STRIPE_KEY)
		return -ERR_KEY_NOT_FOUND;
	return extent_parse(&cursor, ret_extent);
}

static int stripe_tree_find(void *ctx, uint64_t logical, struct map_extent *ret_extent)
{
	struct map_extent extent;
	struct tree *tree = ctx;
	int err = entry_before(tree, logical, &extent);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err < 0 || logical - extent.logical >= extent.len_bytes)
		return no_entry(logical, next_start(tree, logical));
	*ret_extent = extent;
	return 0;
}

static const struct map_ops stripe_tree_ops = { .find = stripe_tree_find };

int store_load_stripe_tree(struct store *store)
{
	struct tree *tree;

	if (!(store->incompat & BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE))
		return 0;
	TRY(store_tree(store, BTRFS_RAID_STRIPE_TREE_OBJECTID, &tree));
	volume_set_map_ops(store->volume, &stripe_tree_ops, tree);
	return 0;
}
