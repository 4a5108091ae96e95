/*
 * validate_leaf and the item validators: a valid item of every kind passes; every damage to a
 * single field that must be refused is refused, with the reason; items in conflict with the one
 * before are refused.
 */
#include "base/cmocka_all.h"

#include "base/rng.h"
#include "format/item_ops.h"
#include "format/item_samples.h"
#include "format/validate_node.h"

static uint8_t node[SAMPLE_NODESIZE];

enum where { KEY_OBJECTID, KEY_OFFSET, LENGTH, AT_U8, AT_U16, AT_U32, AT_U64 };

/*
 * In sample nr, `at` (an offset into the item, for AT_) becomes value; the sentence must contain
 * the reason.
 */
static const struct damage {
	unsigned nr;
	enum where where;
	uint32_t at;
	uint64_t value;
	const char *reason;
} damages[] = {
	{ S_INODE, LENGTH, 0, 159, "item size" },
	{ S_INODE, KEY_OBJECTID, 0, 255, "no inode number" },
	{ S_INODE, KEY_OBJECTID, 0, -3ULL, "no inode number" },
	{ S_INODE, KEY_OFFSET, 0, 1, "offset is not 0" },
	{ S_INODE, AT_U32, 52, 0644, "mode" },
	{ S_INODE, AT_U32, 52, S_IFREG | 0200000, "mode" },
	{ S_INODE, AT_U32, 52, 0170644, "mode" },
	{ S_INODE, AT_U64, 64, 1ULL << 12, "inode flags" },
	{ S_INODE, AT_U64, 64, 1ULL << 33, "inode flags" },
	{ S_DIR_INODE, AT_U32, 40, 2, "2 links" },
	{ S_INODE_REF, LENGTH, 0, 10, "too small" },
	{ S_INODE_REF, LENGTH, 0, 23, "crosses" },
	{ S_INODE_REF, LENGTH, 0, 20, "crosses" },
	{ S_INODE_REF, AT_U16, 8, 0, "a name of 0 bytes" },
	{ S_INODE_REF, AT_U16, 8, 256, "a name of 256 bytes" },
	{ S_INODE_REF, AT_U16, 21, 2, "crosses" },
	{ S_EXTREF, LENGTH, 0, 18, "too small" },
	{ S_EXTREF, LENGTH, 0, 20, "crosses" },
	{ S_EXTREF, AT_U16, 16, 0, "a name of 0 bytes" },
	{ S_EXTREF, AT_U16, 16, 400, "a name of 400 bytes" },
	{ S_EXTREF, AT_U64, 0, 257, "hash" },
	{ S_EXTREF, AT_U8, 18, 'x', "hash" },
	{ S_ORPHAN, LENGTH, 0, 1, "item size" },
	{ S_ORPHAN, KEY_OBJECTID, 0, 5, "ORPHAN" },
	{ S_DIR_LOG, LENGTH, 0, 9, "item size" },
	{ S_VERITY, LENGTH, 0, 24, "item size" },
	{ S_XATTR, AT_U8, 0, 1, "has a location" },
	{ S_XATTR, AT_U8, 29, BTRFS_FT_REG_FILE, "file type" },
	{ S_XATTR, AT_U16, 25, 3, "crosses" },
	{ S_XATTR, AT_U16, 25, 16228, "name and data" },
	{ S_XATTR, KEY_OFFSET, 0, 1, "hash" },
	{ S_DIR_ITEM, LENGTH, 0, 0, "empty" },
	{ S_DIR_ITEM, LENGTH, 0, 29, "crosses" },
	{ S_DIR_ITEM, LENGTH, 0, 32, "crosses" },
	{ S_DIR_ITEM, LENGTH, 0, 40, "crosses" },
	{ S_DIR_ITEM, KEY_OFFSET, 0, 1, "hash" },
	{ S_DIR_ITEM, AT_U64, 0, 255, "no inode number" },
	{ S_DIR_ITEM, AT_U8, 8, BTRFS_EXTENT_DATA_KEY, "key type" },
	{ S_DIR_ITEM, AT_U64, 9, 1, "offset" },
	{ S_DIR_ITEM, AT_U16, 25, 1, "bytes of data" },
	{ S_DIR_ITEM, AT_U16, 27, 0, "a name of 0 bytes" },
	{ S_DIR_ITEM, AT_U16, 27, 256, "a name of 256 bytes" },
	{ S_DIR_ITEM, AT_U8, 29, BTRFS_FT_MAX, "file type" },
	{ S_DIR_ITEM, AT_U8, 29, BTRFS_FT_XATTR, "file type" },
	{ S_DIR_ITEM, AT_U8, 30, 'x', "hash" },
	{ S_DIR_INDEX, AT_U64, 0, 7, "not one of files" },
	{ S_DIR_INDEX, AT_U64, 0, 1ULL << 48, "not one of files" },
	{ S_INLINE, LENGTH, 0, 20, "at least 21" },
	{ S_INLINE, LENGTH, 0, 30, "ram_bytes" },
	{ S_INLINE, KEY_OFFSET, 0, 4096, "beginning" },
	{ S_INLINE, KEY_OFFSET, 0, 100, "not aligned" },
	{ S_INLINE, AT_U64, 8, 11, "ram_bytes" },
	{ S_INLINE, AT_U8, 16, BTRFS_NR_COMPRESS_TYPES, "compression" },
	{ S_INLINE, AT_U8, 17, 1, "encryption" },
	{ S_INLINE, AT_U8, 20, BTRFS_NR_FILE_EXTENT_TYPES, "extent type" },
	{ S_INLINE, AT_U8, 20, BTRFS_FILE_EXTENT_REG, "item size" },
	{ S_REGULAR, LENGTH, 0, 52, "item size" },
	{ S_REGULAR, LENGTH, 0, 54, "item size" },
	{ S_REGULAR, KEY_OFFSET, 0, 8193, "not aligned" },
	{ S_REGULAR, KEY_OFFSET, 0, -4096ULL, "beyond 2^64" },
	{ S_REGULAR, AT_U64, 8, 8191, "ram_bytes" },
	{ S_REGULAR, AT_U64, 21, 512, "disk_bytenr" },
	{ S_REGULAR, AT_U64, 29, 512, "disk_num_bytes" },
	{ S_REGULAR, AT_U64, 37, 512, "offset" },
	{ S_REGULAR, AT_U64, 45, 512, "num_bytes" },
	{ S_CSUM, LENGTH, 0, 11, "multiple" },
	{ S_CSUM, LENGTH, 0, 0, "multiple" },
	{ S_CSUM, KEY_OBJECTID, 0, 5, "EXTENT_CSUM" },
	{ S_CSUM, KEY_OFFSET, 0, 100, "not aligned" },
	{ S_ROOT, LENGTH, 0, 438, "item size" },
	{ S_ROOT, KEY_OBJECTID, 0, 0, "tree 0" },
	{ S_ROOT, KEY_OBJECTID, 0, BTRFS_TREE_RELOC_OBJECTID, "of tree 0" },
	{ S_ROOT, AT_U64, 176, 100, "not aligned" },
	{ S_ROOT, AT_U8, 237, 8, "drop_level" },
	{ S_ROOT, AT_U8, 238, 8, "level" },
	{ S_ROOT, AT_U64, 208, 2, "flags" },
	{ S_ROOT_REF, LENGTH, 0, 18, "too small" },
	{ S_ROOT_REF, LENGTH, 0, 22, "a name of 3" },
	{ S_ROOT_REF, AT_U16, 16, 4, "a name of 4" },
	{ S_ROOT_REF, AT_U16, 16, 256, "too long" },
	{ S_DATA_EXTENT, KEY_OBJECTID, 0, 100, "not aligned" },
	{ S_DATA_EXTENT, KEY_OBJECTID, 0, -4096ULL, "beyond 2^64" },
	{ S_DATA_EXTENT, KEY_OFFSET, 0, 0, "length" },
	{ S_DATA_EXTENT, KEY_OFFSET, 0, 100, "length" },
	{ S_DATA_EXTENT, LENGTH, 0, 23, "at least" },
	{ S_DATA_EXTENT, LENGTH, 0, 74, "crosses" },
	{ S_DATA_EXTENT, LENGTH, 0, 76, "inline reference of type 0" },
	{ S_DATA_EXTENT, AT_U64, 0, 2, "refs 2" },
	{ S_DATA_EXTENT, AT_U64, 16, 0, "neither" },
	{ S_DATA_EXTENT, AT_U64, 16, 3, "or both" },
	{ S_DATA_EXTENT, AT_U64, 16, 1 | 256, "FULL_BACKREF" },
	{ S_DATA_EXTENT, AT_U64, 16, 2, "tree block of 8192" },
	{ S_DATA_EXTENT, AT_U8, 24, 99, "inline reference of type 99" },
	{ S_DATA_EXTENT, AT_U8, 24, BTRFS_TREE_BLOCK_REF_KEY, "to data" },
	{ S_DATA_EXTENT, AT_U64, 34, 7, "from tree 7" },
	{ S_DATA_EXTENT, AT_U64, 42, 3, "from inode 3" },
	{ S_DATA_EXTENT, AT_U64, 50, 100, "file offset 100" },
	{ S_DATA_EXTENT, AT_U32, 58, 0, "counted 0" },
	{ S_DATA_EXTENT, AT_U64, 63, 100, "parent 100" },
	{ S_DATA_EXTENT, AT_U32, 71, 0, "counted 0" },
	{ S_METADATA, KEY_OFFSET, 0, 8, "level 8" },
	{ S_METADATA, AT_U64, 16, 1, "key of a tree block" },
	{ S_METADATA, AT_U64, 34, 100, "parent 100" },
	{ S_METADATA, AT_U8, 24, BTRFS_SHARED_DATA_REF_KEY, "parent 5" },
	{ S_METADATA, AT_U8, 33, BTRFS_TREE_BLOCK_REF_KEY, "falling order" },
	{ S_METADATA, AT_U8, 33, BTRFS_EXTENT_OWNER_REF_KEY, "after one of type 176" },
	{ S_TREE_BLOCK, KEY_OFFSET, 0, 4096, "tree block of 4096" },
	{ S_TREE_BLOCK, LENGTH, 0, 41, "too small" },
	{ S_TREE_BLOCK, AT_U8, 41, 8, "level 8" },
	{ S_TREE_REF, LENGTH, 0, 1, "item size" },
	{ S_TREE_REF, KEY_OBJECTID, 0, 100, "not aligned" },
	{ S_TREE_REF, KEY_OFFSET, 0, 100, "parent" },
	{ S_DATA_REF, LENGTH, 0, 27, "multiple" },
	{ S_DATA_REF, LENGTH, 0, 0, "multiple" },
	{ S_DATA_REF, KEY_OBJECTID, 0, 100, "not aligned" },
	{ S_DATA_REF, AT_U64, 16, 100, "file offset 100" },
	{ S_DATA_REF, AT_U32, 24, 0, "counted 0" },
	{ S_SHARED_REF, LENGTH, 0, 5, "item size" },
	{ S_SHARED_REF, AT_U32, 0, 0, "counted 0" },
	{ S_SHARED_REF, KEY_OFFSET, 0, 1, "parent" },
	{ S_BLOCK_GROUP, LENGTH, 0, 25, "item size" },
	{ S_BLOCK_GROUP, KEY_OBJECTID, 0, -4096ULL, "beyond 2^64" },
	{ S_BLOCK_GROUP, KEY_OFFSET, 0, 0, "length 0" },
	{ S_BLOCK_GROUP, AT_U64, 0, (8 << 20) + 1, "used" },
	{ S_BLOCK_GROUP, AT_U64, 8, 257, "chunk_objectid" },
	{ S_BLOCK_GROUP, AT_U64, 16, BTRFS_BLOCK_GROUP_DUP, "no type" },
	{ S_BLOCK_GROUP, AT_U64, 16, 3, "no type" },
	{ S_BLOCK_GROUP, AT_U64, 16, 4 | 8 | 16, "more than one profile" },
	{ S_FREE_INFO, LENGTH, 0, 7, "item size" },
	{ S_FREE_INFO, AT_U32, 0, 2049, "free extents" },
	{ S_FREE_INFO, AT_U32, 4, 2, "flags" },
	{ S_FREE_INFO, KEY_OBJECTID, 0, 100, "start" },
	{ S_FREE_EXTENT, LENGTH, 0, 1, "item size" },
	{ S_FREE_EXTENT, KEY_OFFSET, 0, 0, "length" },
	{ S_FREE_EXTENT, KEY_OBJECTID, 0, -4096ULL, "beyond 2^64" },
	{ S_FREE_BITMAP, LENGTH, 0, 255, "item size" },
	{ S_FREE_BITMAP, KEY_OFFSET, 0, 16 << 20, "bits" },
	{ S_DEV_EXTENT, LENGTH, 0, 47, "item size" },
	{ S_DEV_EXTENT, AT_U64, 0, 4, "chunk_tree" },
	{ S_DEV_EXTENT, AT_U64, 8, 255, "chunk_objectid" },
	{ S_DEV_EXTENT, AT_U64, 16, 1, "chunk_offset" },
	{ S_DEV_EXTENT, AT_U64, 24, 0, "length" },
	{ S_DEV_EXTENT, AT_U64, 24, 100, "length" },
	{ S_DEV_EXTENT, KEY_OFFSET, 0, -4096ULL, "beyond 2^64" },
	{ S_DEV_EXTENT, KEY_OFFSET, 0, 100, "physical" },
	{ S_DEVICE, LENGTH, 0, 97, "item size" },
	{ S_DEVICE, KEY_OBJECTID, 0, 2, "DEV_ITEMS" },
	{ S_DEVICE, KEY_OFFSET, 0, 2, "devid" },
	{ S_DEVICE, AT_U64, 0, 2, "devid" },
	{ S_DEVICE, AT_U64, 16, 2ULL << 30, "bytes used" },
	{ S_CHUNK, LENGTH, 0, 79, "too small" },
	{ S_CHUNK, LENGTH, 0, 113, "2 stripes" },
	{ S_CHUNK, KEY_OBJECTID, 0, 255, "FIRST_CHUNK_TREE" },
	{ S_CHUNK, KEY_OFFSET, 0, 100, "not aligned" },
	{ S_CHUNK, KEY_OFFSET, 0, -4096ULL, "beyond 2^64" },
	{ S_CHUNK, AT_U64, 0, 0, "length 0" },
	{ S_CHUNK, AT_U64, 0, 100, "length 100" },
	{ S_CHUNK, AT_U64, 0, 1ULL << 48, "too large" },
	{ S_CHUNK, AT_U64, 16, 4096, "stripe length" },
	{ S_CHUNK, AT_U64, 24, BTRFS_BLOCK_GROUP_DUP, "neither" },
	{ S_CHUNK, AT_U64, 24, 2 | 4 | 32, "mixes system" },
	{ S_CHUNK, AT_U64, 24, 4 | 32 | 16, "more than one profile" },
	{ S_CHUNK, AT_U64, 24, 4 | 1 << 20, "unknown type" },
	{ S_CHUNK, AT_U64, 24, 4, "2 stripes do not fit" },
	{ S_CHUNK, AT_U64, 24, 4 | BTRFS_BLOCK_GROUP_RAID1C3, "2 stripes do not fit" },
	{ S_CHUNK, AT_U64, 24, 4 | BTRFS_BLOCK_GROUP_RAID1C4, "2 stripes do not fit" },
	{ S_CHUNK, AT_U64, 24, 4 | BTRFS_BLOCK_GROUP_RAID6, "2 stripes do not fit" },
	{ S_CHUNK, AT_U64, 24, 4 | BTRFS_BLOCK_GROUP_RAID10, "sub-stripes" },
	{ S_CHUNK, AT_U32, 40, 512, "sector size" },
	{ S_CHUNK, AT_U16, 44, 0, "no stripes" },
	{ S_CHUNK, AT_U16, 44, 3, "3 stripes" },
	{ S_RAID10, AT_U16, 46, 1, "sub-stripes" },
	{ S_RAID_STRIPE, LENGTH, 0, 31, "multiple" },
	{ S_RAID_STRIPE, KEY_OBJECTID, 0, 100, "not aligned" },
	{ S_RAID_STRIPE, KEY_OFFSET, 0, 0, "length" },
	{ S_QGROUP_STATUS, LENGTH, 0, 31, "at least 32" },
	{ S_QGROUP_INFO, LENGTH, 0, 39, "item size" },
	{ S_QGROUP_RELATION, LENGTH, 0, 1, "item size" },
	{ S_BALANCE, LENGTH, 0, 447, "item size" },
	{ S_DEV_STATS, LENGTH, 0, 39, "multiple" },
	{ S_DEV_REPLACE, LENGTH, 0, 71, "at least 72" },
	{ S_UUID, LENGTH, 0, 15, "multiple" },
	{ S_UUID, LENGTH, 0, 0, "multiple" },
	{ S_FREE_HEADER, LENGTH, 0, 40, "item size" },
	{ S_REMAP, LENGTH, 0, 7, "item size" },
	{ S_REMAP, KEY_OBJECTID, 0, 100, "not aligned" },
	{ S_REMAP, KEY_OBJECTID, 0, -4096ULL, "beyond 2^64" },
	{ S_REMAP, KEY_OFFSET, 0, 0, "length" },
	{ S_REMAP, KEY_OFFSET, 0, 100, "length" },
	{ S_REMAP, AT_U64, 0, 100, "address 100" },
	{ S_IDENTITY_REMAP, LENGTH, 0, 8, "item size" },
	{ S_BLOCK_GROUP_REMAP, LENGTH, 0, 35, "item size" },
	{ S_SQUOTA_STATUS, LENGTH, 0, 39, "at least 40" },
	{ S_DROPPED_ROOT, AT_U8, 237, 0, "drop_level 0" },
	{ S_DATA_EXTENT, LENGTH, 0, 4, "version 0" },
};

static void expect_bad(const char *reason)
{
	int err = validate_node(&sample_geometry, node, SAMPLE_ADDR);

	if (err != -ERR_NODE_BAD || !strstr(err_text(err), reason))
		fail_msg("expected \"%s\", got %d %s", reason, err, err ? err_text(err) : "");
	assert_non_null(strstr(err_text(err), "tree block 30408704"));
}

static void expect_good(void)
{
	int err = validate_node(&sample_geometry, node, SAMPLE_ADDR);

	if (err)
		fail_msg("%s", err_text(err));
}

static void add(unsigned nr)
{
	struct item_sample sample = item_sample(nr);

	sample_leaf_add(node, &sample);
}

static void add_with_key(unsigned nr, uint64_t objectid, uint64_t offset)
{
	struct item_sample sample = item_sample(nr);

	sample.key.objectid = objectid;
	sample.key.offset = offset;
	sample_leaf_add(node, &sample);
}

static void test_validate_leaf__a_valid_item_of_each_kind_passes(void **state)
{
	(void)state;
	for (unsigned nr = 0; nr < NR_SAMPLES; nr++) {
		sample_leaf_init(node, item_sample(nr).owner);
		add(nr);
		expect_good();
	}
}

static void test_validate_leaf__every_damage_to_one_field_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		const struct damage *d = &damages[i];
		struct item_sample sample = item_sample(d->nr);
		uint8_t *p;

		if (d->where == KEY_OBJECTID)
			sample.key.objectid = d->value;
		if (d->where == KEY_OFFSET)
			sample.key.offset = d->value;
		if (d->where == LENGTH)
			sample.len = (uint32_t)d->value;
		sample_leaf_init(node, sample.owner);
		sample_leaf_add(node, &sample);
		p = leaf_item_data_mut(node, 0) + d->at;
		if (d->where == AT_U8)
			store8(p, (uint8_t)d->value);
		if (d->where == AT_U16)
			store16(p, (uint16_t)d->value);
		if (d->where == AT_U32)
			store32(p, (uint32_t)d->value);
		if (d->where == AT_U64)
			store64(p, d->value);
		expect_bad(d->reason);
	}
}

static void test_validate_leaf__the_sentence_names_block_slot_key_and_reason(void **state)
{
	(void)state;
	sample_leaf_init(node, 5);
	add(S_DIR_INODE);
	add_with_key(S_INODE, 257, 9);
	expect_bad("tree block 30408704 slot 1 key (257 INODE_ITEM 9): the key's offset is not 0");
}

/* They were gone before the oldest kernel that we know of; a leaf that has one is refused by name. */
static void test_validate_leaf__references_of_version_0_are_refused(void **state)
{
	struct item_sample sample = {
		2, { 1 << 20, BTRFS_EXTENT_REF_V0_KEY, 8192 }, 20, fill_nothing
	};

	(void)state;
	sample_leaf_init(node, sample.owner);
	sample_leaf_add(node, &sample);
	expect_bad("key (1048576 EXTENT_REF_V0 8192): a reference of version 0");
}

/* Every type that we have no row for may come with any contents. */
static void test_validate_leaf__unknown_types_pass(void **state)
{
	unsigned nr_unknown = 0;

	(void)state;
	for (unsigned type = 1; type <= UINT8_MAX; type++) {
		struct item_sample sample = { 5, { 257, (uint8_t)type, 3 }, 5, fill_nothing };

		if (item_ops_of((uint8_t)type)->name)
			continue;
		nr_unknown++;
		sample_leaf_init(node, sample.owner);
		sample_leaf_add(node, &sample);
		expect_good();
	}
	assert_true(nr_unknown > 200);
}

static void test_validate_leaf__keys_rise(void **state)
{
	(void)state;
	sample_leaf_init(node, 5);
	add(S_INODE);
	add(S_DIR_INODE);
	expect_bad("not after the key before, (257 1 0)");
	sample_leaf_init(node, 5);
	add(S_INODE);
	add(S_INODE);
	expect_bad("not after the key before");
}

static void test_validate_leaf__data_are_dense_and_inside(void **state)
{
	const uint32_t leaf_bytes = geometry_leaf_bytes(&sample_geometry);

	(void)state;
	sample_leaf_init(node, 5);
	add(S_INODE);
	add(S_UNKNOWN);
	expect_good();
	item_set_offset(leaf_item_mut(node, 1), leaf_item_offset(node, 1) - 1);
	expect_bad("do not end at");
	item_set_offset(leaf_item_mut(node, 1), UINT32_MAX);
	expect_bad("do not end at");
	item_set_offset(leaf_item_mut(node, 0), leaf_bytes - 100);
	expect_bad("slot 0");
	/* Data over the headers: one item as large as the leaf. */
	sample_leaf_init(node, 5);
	add(S_UNKNOWN);
	item_set_offset(leaf_item_mut(node, 0), 3);
	item_set_size(leaf_item_mut(node, 0), leaf_bytes - 3);
	expect_bad("over the 1 item headers");
	node_set_nritems(node, UINT32_MAX);
	expect_bad("4294967295 items");
	node_set_nritems(node, leaf_bytes / ITEM_SIZE + 1);
	expect_bad("items in a leaf");
}

static void test_validate_leaf__items_of_one_inode_stand_together(void **state)
{
	static const unsigned follow[] = { S_INODE_REF, S_EXTREF, S_XATTR, S_INLINE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(follow); i++) {
		sample_leaf_init(node, 5);
		add(S_DIR_INODE);
		add(follow[i]);
		expect_bad("the item before is of inode 256");
		/* Log trees hold parts of inodes. */
		node_set_owner(node, BTRFS_TREE_LOG_OBJECTID);
		expect_good();
	}
}

static void test_validate_leaf__file_extents_do_not_overlap(void **state)
{
	(void)state;
	sample_leaf_init(node, 5);
	add(S_INODE);
	add_with_key(S_REGULAR, 257, 0);
	add_with_key(S_REGULAR, 257, 4096);
	expect_good();
	file_extent_set_num_bytes(leaf_item_data_mut(node, 1), 8192);
	expect_bad("the extent before ends at 8192");
	sample_leaf_init(node, 5);
	add(S_INODE);
	add(S_INLINE_ZSTD);
	add_with_key(S_REGULAR, 257, 4096);
	expect_good();
	file_extent_set_ram_bytes(leaf_item_data_mut(node, 1), 4097);
	expect_bad("the extent before ends at 8192");
}

static void test_validate_leaf__ranges_of_space_do_not_overlap(void **state)
{
	(void)state;
	sample_leaf_init(node, 7);
	add(S_CSUM);
	add_with_key(S_CSUM, BTRFS_EXTENT_CSUM_OBJECTID, (1 << 20) + 12288);
	expect_good();
	leaf_set_key(node, 1,
		     &KEY(BTRFS_EXTENT_CSUM_OBJECTID, BTRFS_EXTENT_CSUM_KEY, (1 << 20) + 8192));
	expect_bad("the checksums before end at");
	sample_leaf_init(node, 2);
	add(S_DATA_EXTENT);
	add_with_key(S_METADATA, (1 << 20) + 8192, 0);
	add_with_key(S_METADATA, (1 << 20) + 8192 + SAMPLE_NODESIZE, 0);
	expect_good();
	leaf_set_key(node, 2, &KEY((1 << 20) + 12288, BTRFS_METADATA_ITEM_KEY, 0));
	expect_bad("the extent before ends at");
	leaf_set_key(node, 1, &KEY((1 << 20) + 4096, BTRFS_METADATA_ITEM_KEY, 0));
	expect_bad("slot 1");
	sample_leaf_init(node, 4);
	add(S_DEV_EXTENT);
	add_with_key(S_DEV_EXTENT, 1, 2 << 20);
	expect_good();
	leaf_set_key(node, 1, &KEY(1, BTRFS_DEV_EXTENT_KEY, (2 << 20) - 4096));
	expect_bad("the extent before ends at");
}

static void test_validate_leaf__references_fit_the_kind_of_extent(void **state)
{
	uint8_t *p;

	(void)state;
	sample_leaf_init(node, 2);
	add(S_METADATA);
	p = leaf_item_data_mut(node, 0) + EXTENT_ITEM_SIZE;
	inline_ref_set_type(p, BTRFS_SHARED_DATA_REF_KEY);
	inline_ref_set_offset(p, 8192);
	expect_bad("to a tree block");
}

static void test_validate_leaf__only_some_trees_may_be_empty(void **state)
{
	static const uint64_t never[] = { 0, 1, 3, 4, 5, BTRFS_DATA_RELOC_TREE_OBJECTID };
	static const uint64_t may[] = { 7, 8, 9, 10, 11, 256, BTRFS_TREE_LOG_OBJECTID };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		sample_leaf_init(node, never[i]);
		expect_bad("an empty leaf");
		node_add_flag(node, BTRFS_HEADER_FLAG_RELOC);
		expect_good();
	}
	for (size_t i = 0; i < ARRAY_LEN(may); i++) {
		sample_leaf_init(node, may[i]);
		expect_good();
	}
}

/* Any bytes: a verdict, no crash. Under asan this is the test of every bound. */
static void test_validate_leaf__mutations_never_crash(void **state)
{
	static uint8_t whole[SAMPLE_NODESIZE];
	struct rng rng;
	unsigned refused = 0;

	(void)state;
	rng_init(&rng, 5);
	for (unsigned round = 0; round < 6000; round++) {
		unsigned nr = (unsigned)rng_below(&rng, NR_SAMPLES);
		struct item_sample sample = item_sample(nr);

		/* The item's end is the node's end: the first byte outside is the redzone's. */
		sample_leaf_init(whole, sample.owner);
		if (rng_one_in(&rng, 4))
			sample.len = (uint32_t)rng_below(&rng, 200);
		sample_leaf_add(whole, &sample);
		for (unsigned i = 0; i < 1 + rng_below(&rng, 4); i++) {
			uint32_t at =
				rng_one_in(&rng, 5) || !sample.len ?
					(uint32_t)rng_below(&rng, HEADER_SIZE + 2 * ITEM_SIZE) :
					SAMPLE_NODESIZE - 1 - (uint32_t)rng_below(&rng, sample.len);

			whole[at] = rng_one_in(&rng, 2) ? 0xff : (uint8_t)rng_next(&rng);
		}
		refused += validate_node(&sample_geometry, whole, SAMPLE_ADDR) != 0;
	}
	assert_true(refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate_leaf__a_valid_item_of_each_kind_passes),
		cmocka_unit_test(test_validate_leaf__every_damage_to_one_field_is_refused),
		cmocka_unit_test(test_validate_leaf__the_sentence_names_block_slot_key_and_reason),
		cmocka_unit_test(test_validate_leaf__references_of_version_0_are_refused),
		cmocka_unit_test(test_validate_leaf__unknown_types_pass),
		cmocka_unit_test(test_validate_leaf__keys_rise),
		cmocka_unit_test(test_validate_leaf__data_are_dense_and_inside),
		cmocka_unit_test(test_validate_leaf__items_of_one_inode_stand_together),
		cmocka_unit_test(test_validate_leaf__file_extents_do_not_overlap),
		cmocka_unit_test(test_validate_leaf__ranges_of_space_do_not_overlap),
		cmocka_unit_test(test_validate_leaf__references_fit_the_kind_of_extent),
		cmocka_unit_test(test_validate_leaf__only_some_trees_may_be_empty),
		cmocka_unit_test(test_validate_leaf__mutations_never_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
