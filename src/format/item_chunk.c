/*
 * Validators of where space lies: CHUNK_ITEM (and the chunks of the superblock), BLOCK_GROUP_ITEM,
 * DEV_ITEM, DEV_EXTENT, RAID_STRIPE, and the remap tree. Owns the table of what each profile asks of its number of
 * stripes.
 */
#include <stdio.h>

#include "format/item_validate.h"

static const struct profile_rule {
	uint64_t profile;
	uint16_t min_stripes, max_stripes; /* max 0: no limit */
	uint16_t sub_stripes;		   /* 0: any */
} profile_rules[] = {
	{ 0, 1, 1, 0 },
	{ BTRFS_BLOCK_GROUP_DUP, 2, 2, 0 },
	{ BTRFS_BLOCK_GROUP_RAID0, 1, 0, 0 },
	{ BTRFS_BLOCK_GROUP_RAID1, 2, 2, 0 },
	{ BTRFS_BLOCK_GROUP_RAID1C3, 3, 3, 0 },
	{ BTRFS_BLOCK_GROUP_RAID1C4, 4, 4, 0 },
	{ BTRFS_BLOCK_GROUP_RAID10, 2, 0, 2 },
	{ BTRFS_BLOCK_GROUP_RAID5, 2, 0, 0 },
	{ BTRFS_BLOCK_GROUP_RAID6, 3, 0, 0 },
};

/* Longer chunks would have more stripes than 32 bits can number. */
#define CHUNK_LENGTH_LIMIT (BTRFS_STRIPE_LEN << 32)

#define CHUNK_REFUSE_IF(cond, ...)                                       \
	do {                                                             \
		if (__builtin_expect(!!(cond), 0)) {                     \
			snprintf(reason, CHUNK_REASON_MAX, __VA_ARGS__); \
			return -1;                                       \
		}                                                        \
	} while (0)

static int check_chunk_type(const uint8_t *chunk, char *reason)
{
	uint64_t type = chunk_type(chunk);
	uint64_t kind = type & BTRFS_BLOCK_GROUP_TYPE_MASK;
	uint64_t profile = type & BTRFS_BLOCK_GROUP_PROFILE_MASK;
	unsigned nr_stripes = chunk_num_stripes(chunk);

	CHUNK_REFUSE_IF(type & ~(BTRFS_BLOCK_GROUP_TYPE_MASK | BTRFS_BLOCK_GROUP_PROFILE_MASK),
			"unknown type 0x%" PRIx64, type);
	CHUNK_REFUSE_IF(!has_one_bit_at_most(profile),
			"type 0x%" PRIx64 " names more than one profile", type);
	CHUNK_REFUSE_IF(!kind, "type 0x%" PRIx64 " is neither data, metadata nor system", type);
	CHUNK_REFUSE_IF((kind & BTRFS_BLOCK_GROUP_SYSTEM) && kind != BTRFS_BLOCK_GROUP_SYSTEM,
			"type 0x%" PRIx64 " mixes system with others", type);
	for (size_t i = 0; i < ARRAY_LEN(profile_rules); i++) {
		const struct profile_rule *rule = &profile_rules[i];

		if (rule->profile != profile)
			continue;
		CHUNK_REFUSE_IF(nr_stripes < rule->min_stripes ||
					(rule->max_stripes && nr_stripes > rule->max_stripes),
				"%u stripes do not fit type 0x%" PRIx64, nr_stripes, type);
		CHUNK_REFUSE_IF(rule->sub_stripes && chunk_sub_stripes(chunk) != rule->sub_stripes,
				"%u sub-stripes do not fit type 0x%" PRIx64,
				chunk_sub_stripes(chunk), type);
	}
	return 0;
}

int chunk_check(const uint8_t *chunk, uint32_t len, uint64_t logical, uint32_t sectorsize,
		char ret_reason[CHUNK_REASON_MAX])
{
	char *reason = ret_reason;
	uint64_t length, end;

	CHUNK_REFUSE_IF(len < chunk_size_bytes(1), "chunk of %u bytes, too small", len);
	CHUNK_REFUSE_IF(chunk_num_stripes(chunk) == 0, "no stripes");
	CHUNK_REFUSE_IF(len != chunk_size_bytes(chunk_num_stripes(chunk)),
			"chunk of %u bytes with %u stripes", len, chunk_num_stripes(chunk));
	CHUNK_REFUSE_IF(!is_aligned(logical, sectorsize), "address %" PRIu64 " is not aligned",
			logical);
	CHUNK_REFUSE_IF(chunk_sector_size(chunk) != sectorsize,
			"sector size %u, the filesystem has %u", chunk_sector_size(chunk),
			sectorsize);
	length = chunk_length(chunk);
	CHUNK_REFUSE_IF(length == 0 || !is_aligned(length, sectorsize),
			"length %" PRIu64 " is 0 or not aligned", length);
	CHUNK_REFUSE_IF(!add_fits(logical, length, &end),
			"%" PRIu64 " bytes at %" PRIu64 " end beyond 2^64", length, logical);
	CHUNK_REFUSE_IF(length >= CHUNK_LENGTH_LIMIT, "length %" PRIu64 " is too large", length);
	CHUNK_REFUSE_IF(chunk_stripe_len(chunk) != BTRFS_STRIPE_LEN, "stripe length %" PRIu64,
			chunk_stripe_len(chunk));
	return check_chunk_type(chunk, reason);
}

int item_validate_chunk(const struct item_view *item)
{
	char reason[CHUNK_REASON_MAX];

	REFUSE_IF(item, item->key.objectid != BTRFS_FIRST_CHUNK_TREE_OBJECTID,
		  "the objectid is not FIRST_CHUNK_TREE");
	REFUSE_IF(item,
		  chunk_check(item->data, item->len, item->key.offset, item->geometry->sectorsize,
			      reason),
		  "%s", reason);
	return 0;
}

int item_validate_block_group(const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint64_t flags, kind, end;

	REFUSE_IF(item, item->key.offset == 0, "a block group of length 0");
	/* Longer with remap-tree. */
	if (item->len != BLOCK_GROUP_ITEM_SIZE + BLOCK_GROUP_REMAP_SIZE)
		REFUSE_SIZE(item, BLOCK_GROUP_ITEM_SIZE);
	REFUSE_IF(item, !add_fits(item->key.objectid, item->key.offset, &end),
		  "it ends beyond 2^64");
	REFUSE_IF(item, block_group_item_chunk_objectid(p) != BTRFS_FIRST_CHUNK_TREE_OBJECTID,
		  "chunk_objectid %" PRIu64, block_group_item_chunk_objectid(p));
	REFUSE_IF(item, block_group_item_used(p) > item->key.offset, "used %" PRIu64 " of %" PRIu64,
		  block_group_item_used(p), item->key.offset);
	flags = block_group_item_flags(p);
	kind = flags & BTRFS_BLOCK_GROUP_TYPE_MASK;
	REFUSE_IF(item, !has_one_bit_at_most(flags & BTRFS_BLOCK_GROUP_PROFILE_MASK),
		  "flags 0x%" PRIx64 " name more than one profile", flags);
	REFUSE_IF(item,
		  !is_pow2(kind) && kind != (BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_METADATA),
		  "flags 0x%" PRIx64 " name no type of block group", flags);
	return 0;
}

int item_validate_device(const struct item_view *item)
{
	const uint8_t *p = item->data;

	REFUSE_IF(item, item->key.objectid != BTRFS_DEV_ITEMS_OBJECTID,
		  "the objectid is not DEV_ITEMS");
	REFUSE_SIZE(item, DEV_ITEM_SIZE);
	REFUSE_IF(item, dev_item_devid(p) != item->key.offset, "devid %" PRIu64 " is not the key's",
		  dev_item_devid(p));
	REFUSE_IF(item, dev_item_bytes_used(p) > dev_item_total_bytes(p),
		  "%" PRIu64 " bytes used of %" PRIu64, dev_item_bytes_used(p),
		  dev_item_total_bytes(p));
	return 0;
}

int item_validate_dev_extent(const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint32_t align = item->geometry->sectorsize;
	uint64_t end;

	REFUSE_SIZE(item, DEV_EXTENT_SIZE);
	REFUSE_IF(item, dev_extent_chunk_tree(p) != BTRFS_CHUNK_TREE_OBJECTID,
		  "chunk_tree %" PRIu64, dev_extent_chunk_tree(p));
	REFUSE_IF(item, dev_extent_chunk_objectid(p) != BTRFS_FIRST_CHUNK_TREE_OBJECTID,
		  "chunk_objectid %" PRIu64, dev_extent_chunk_objectid(p));
	REFUSE_IF(item, !is_aligned(item->key.offset, align),
		  "the physical address is not aligned");
	REFUSE_IF(item, !is_aligned(dev_extent_chunk_offset(p), align),
		  "chunk_offset %" PRIu64 " is not aligned", dev_extent_chunk_offset(p));
	REFUSE_IF(item, dev_extent_length(p) == 0 || !is_aligned(dev_extent_length(p), align),
		  "length %" PRIu64 " is 0 or not aligned", dev_extent_length(p));
	REFUSE_IF(item, !add_fits(item->key.offset, dev_extent_length(p), &end),
		  "it ends beyond 2^64");
	if (item->slot && item->prev.objectid == item->key.objectid &&
	    item->prev.type == BTRFS_DEV_EXTENT_KEY) {
		end = item->prev.offset +
		      dev_extent_length(leaf_item_data(item->node, item->slot - 1));
		REFUSE_IF(item, end > item->key.offset, "the extent before ends at %" PRIu64, end);
	}
	return 0;
}

int item_validate_raid_stripe(const struct item_view *item)
{
	REFUSE_IF(item, !is_aligned(item->key.objectid, item->geometry->sectorsize),
		  "the address is not aligned");
	REFUSE_IF(item,
		  item->key.offset == 0 ||
			  !is_aligned(item->key.offset, item->geometry->sectorsize),
		  "the length is 0 or not aligned");
	REFUSE_IF(item, item->len == 0 || item->len % RAID_STRIDE_SIZE,
		  "item size %u is no multiple of %u", item->len, RAID_STRIDE_SIZE);
	return 0;
}

/* IDENTITY_REMAP, REMAP, REMAP_BACKREF: keys are ranges (address, type, length). */
int item_validate_remap(const struct item_view *item)
{
	uint32_t align = item->geometry->sectorsize;
	uint64_t end;

	REFUSE_SIZE(item, item->key.type == BTRFS_IDENTITY_REMAP_KEY ? 0 : REMAP_ITEM_SIZE);
	REFUSE_IF(item, !is_aligned(item->key.objectid, align), "the address is not aligned");
	REFUSE_IF(item, item->key.offset == 0 || !is_aligned(item->key.offset, align),
		  "the length is 0 or not aligned");
	REFUSE_IF(item, !add_fits(item->key.objectid, item->key.offset, &end),
		  "the range ends beyond 2^64");
	REFUSE_IF(item, item->len && !is_aligned(remap_item_address(item->data), align),
		  "address %" PRIu64 " is not aligned", remap_item_address(item->data));
	return 0;
}
