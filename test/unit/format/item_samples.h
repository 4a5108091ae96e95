/*
 * For the tests of validators and printers: one valid item of each kind, and leaves made of them
 * (nodesize 16 KiB, sectors of 4 KiB, crc32c).
 */
#ifndef UBTRFS_TEST_ITEM_SAMPLES_H
#define UBTRFS_TEST_ITEM_SAMPLES_H

#include "base/cmocka_all.h"

#include <string.h>
#include <sys/stat.h>

#include "codec/name_hash.h"
#include "format/node_layout.h"

#define SAMPLE_NODESIZE 16384
#define SAMPLE_ADDR 30408704
#define SAMPLE_LEN_MAX 512

static const struct geometry sample_geometry = { .nodesize = SAMPLE_NODESIZE,
						 .sectorsize = 4096,
						 .csum_type = CSUM_CRC32C,
						 .csum_size = 4 };

struct item_sample {
	uint64_t owner;
	struct key key;
	uint32_t len;
	void (*fill)(uint8_t *p); /* of len zero bytes */
};

static inline void fill_nothing(uint8_t *p)
{
	(void)p;
}

static inline void fill_inode(uint8_t *p)
{
	inode_item_set_generation(p, 7);
	inode_item_set_nlink(p, 1);
	inode_item_set_mode(p, S_IFREG | 0644);
	inode_item_set_flags(p, BTRFS_INODE_NODATASUM | BTRFS_INODE_RO_VERITY);
}

static inline void fill_dir_inode(uint8_t *p)
{
	fill_inode(p);
	inode_item_set_mode(p, S_IFDIR | 0755);
}

static inline void fill_inode_ref(uint8_t *p)
{
	inode_ref_set_index(p, 2);
	inode_ref_set_name_len(p, 3);
	memcpy(p + INODE_REF_SIZE, "abc", 3);
	inode_ref_set_name_len(p + 13, 1);
	p[23] = 'd';
}

static inline void fill_extref(uint8_t *p)
{
	inode_extref_set_parent_objectid(p, 256);
	inode_extref_set_name_len(p, 3);
	memcpy(p + INODE_EXTREF_SIZE, "abc", 3);
}

static inline void fill_dir_item(uint8_t *p)
{
	struct key location = KEY(258, BTRFS_INODE_ITEM_KEY, 0);

	key_store(dir_item_location_mut(p), &location);
	dir_item_set_transid(p, 7);
	dir_item_set_name_len(p, 3);
	dir_item_set_type(p, BTRFS_FT_REG_FILE);
	memcpy(p + DIR_ITEM_SIZE, "abc", 3);
}

static inline void fill_dir_root(uint8_t *p)
{
	struct key location = KEY(300, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);

	fill_dir_item(p);
	key_store(dir_item_location_mut(p), &location);
	dir_item_set_type(p, BTRFS_FT_DIR);
}

static inline void fill_xattr(uint8_t *p)
{
	dir_item_set_name_len(p, 6);
	dir_item_set_data_len(p, 2);
	dir_item_set_type(p, BTRFS_FT_XATTR);
	memcpy(p + DIR_ITEM_SIZE, "user.aVV", 8);
}

static inline void fill_inline(uint8_t *p)
{
	file_extent_set_generation(p, 7);
	file_extent_set_ram_bytes(p, 10);
}

static inline void fill_inline_zstd(uint8_t *p)
{
	fill_inline(p);
	file_extent_set_ram_bytes(p, 1000);
	file_extent_set_compression(p, BTRFS_COMPRESS_ZSTD);
}

static inline void fill_regular(uint8_t *p)
{
	file_extent_set_generation(p, 7);
	file_extent_set_type(p, BTRFS_FILE_EXTENT_REG);
	file_extent_set_disk_bytenr(p, 1 << 20);
	file_extent_set_disk_num_bytes(p, 8192);
	file_extent_set_num_bytes(p, 4096);
	file_extent_set_offset(p, 4096);
	file_extent_set_ram_bytes(p, 8192);
}

static inline void fill_root(uint8_t *p)
{
	root_item_set_generation(p, 7);
	root_item_set_generation_v2(p, 7);
	root_item_set_bytenr(p, 1 << 20);
	root_item_set_refs(p, 1);
	root_item_set_level(p, 1);
	root_item_set_flags(p, BTRFS_ROOT_SUBVOL_RDONLY);
}

static inline void fill_legacy_root(uint8_t *p)
{
	root_item_set_bytenr(p, 1 << 20);
}

static inline void fill_root_ref(uint8_t *p)
{
	root_ref_set_dirid(p, 256);
	root_ref_set_name_len(p, 3);
	memcpy(p + ROOT_REF_SIZE, "sub", 3);
}

/* Owner (no count), one reference by key, one shared twice: 3 of 3. */
static inline void fill_data_extent(uint8_t *p)
{
	extent_item_set_refs(p, 3);
	extent_item_set_generation(p, 7);
	extent_item_set_flags(p, BTRFS_EXTENT_FLAG_DATA);
	p += EXTENT_ITEM_SIZE;
	inline_ref_set_type(p, BTRFS_EXTENT_OWNER_REF_KEY);
	inline_ref_set_offset(p, 5);
	p += INLINE_REF_SIZE;
	inline_ref_set_type(p, BTRFS_EXTENT_DATA_REF_KEY);
	extent_data_ref_set_root(p + 1, 5);
	extent_data_ref_set_objectid(p + 1, 257);
	extent_data_ref_set_count(p + 1, 1);
	p += 1 + EXTENT_DATA_REF_SIZE;
	inline_ref_set_type(p, BTRFS_SHARED_DATA_REF_KEY);
	inline_ref_set_offset(p, 8192);
	shared_data_ref_set_count(p + INLINE_REF_SIZE, 2);
}

static inline void fill_metadata(uint8_t *p)
{
	extent_item_set_refs(p, 2);
	extent_item_set_flags(p, BTRFS_EXTENT_FLAG_TREE_BLOCK | BTRFS_BLOCK_FLAG_FULL_BACKREF);
	p += EXTENT_ITEM_SIZE;
	inline_ref_set_type(p, BTRFS_TREE_BLOCK_REF_KEY);
	inline_ref_set_offset(p, 5);
	inline_ref_set_type(p + 9, BTRFS_SHARED_BLOCK_REF_KEY);
	inline_ref_set_offset(p + 9, 8192);
}

static inline void fill_tree_block(uint8_t *p)
{
	extent_item_set_refs(p, 1);
	extent_item_set_flags(p, BTRFS_EXTENT_FLAG_TREE_BLOCK);
	tree_block_info_set_level(p + EXTENT_ITEM_SIZE, 1);
	inline_ref_set_type(p + 42, BTRFS_TREE_BLOCK_REF_KEY);
	inline_ref_set_offset(p + 42, 5);
}

static inline void fill_data_ref(uint8_t *p)
{
	extent_data_ref_set_root(p, 5);
	extent_data_ref_set_objectid(p, 257);
	extent_data_ref_set_offset(p, 4096);
	extent_data_ref_set_count(p, 1);
}

static inline void fill_shared_ref(uint8_t *p)
{
	shared_data_ref_set_count(p, 1);
}

static inline void fill_chunk(uint8_t *p)
{
	chunk_set_length(p, 8 << 20);
	chunk_set_owner(p, 2);
	chunk_set_stripe_len(p, BTRFS_STRIPE_LEN);
	chunk_set_type(p, BTRFS_BLOCK_GROUP_METADATA | BTRFS_BLOCK_GROUP_DUP);
	chunk_set_sector_size(p, 4096);
	chunk_set_num_stripes(p, 2);
	chunk_set_sub_stripes(p, 1);
}

static inline void fill_raid10(uint8_t *p)
{
	fill_chunk(p);
	chunk_set_type(p, BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_RAID10);
	chunk_set_num_stripes(p, 4);
	chunk_set_sub_stripes(p, 2);
}

static inline void fill_device(uint8_t *p)
{
	dev_item_set_devid(p, 1);
	dev_item_set_total_bytes(p, 1 << 30);
	dev_item_set_bytes_used(p, 1 << 20);
}

static inline void fill_dev_extent(uint8_t *p)
{
	dev_extent_set_chunk_tree(p, BTRFS_CHUNK_TREE_OBJECTID);
	dev_extent_set_chunk_objectid(p, BTRFS_FIRST_CHUNK_TREE_OBJECTID);
	dev_extent_set_chunk_offset(p, 1 << 20);
	dev_extent_set_length(p, 1 << 20);
}

static inline void fill_block_group(uint8_t *p)
{
	block_group_item_set_used(p, 4096);
	block_group_item_set_chunk_objectid(p, BTRFS_FIRST_CHUNK_TREE_OBJECTID);
	block_group_item_set_flags(p, BTRFS_BLOCK_GROUP_METADATA | BTRFS_BLOCK_GROUP_DUP);
}

static inline void fill_free_info(uint8_t *p)
{
	free_space_info_set_extent_count(p, 3);
	free_space_info_set_flags(p, 1);
}

static inline void fill_remap(uint8_t *p)
{
	remap_item_set_address(p, 4096);
}

static inline void fill_block_group_remap(uint8_t *p)
{
	fill_block_group(p);
	block_group_remap_set_remap_bytes(p + BLOCK_GROUP_ITEM_SIZE, 4096);
	block_group_remap_set_identity_remap_count(p + BLOCK_GROUP_ITEM_SIZE, 2);
}

static inline void fill_squota_status(uint8_t *p)
{
	qgroup_status_set_version(p, BTRFS_QGROUP_STATUS_VERSION);
	qgroup_status_set_flags(p,
				BTRFS_QGROUP_STATUS_FLAG_ON | BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE);
	qgroup_status_squota_set_enable_gen(p + QGROUP_STATUS_SIZE, 9);
}

static inline void fill_dropped_root(uint8_t *p)
{
	struct key key = KEY(256, BTRFS_DIR_ITEM_KEY, 7);

	fill_root(p);
	root_item_set_refs(p, 0);
	root_item_set_flags(p, BTRFS_ROOT_SUBVOL_DEAD);
	key_store(root_item_drop_progress_mut(p), &key);
	root_item_set_drop_level(p, 1);
}

/* From the inode that kept free inode numbers, until Linux 5.10. */
static inline void fill_free_ino_ref(uint8_t *p)
{
	fill_data_ref(p);
	extent_data_ref_set_objectid(p, BTRFS_FREE_INO_OBJECTID);
}

enum {
	S_INODE,
	S_DIR_INODE,
	S_INODE_REF,
	S_EXTREF,
	S_XATTR,
	S_ORPHAN,
	S_DIR_LOG,
	S_DIR_ITEM,
	S_DIR_INDEX,
	S_INLINE,
	S_INLINE_ZSTD,
	S_REGULAR,
	S_CSUM,
	S_ROOT,
	S_LEGACY_ROOT,
	S_ROOT_REF,
	S_DATA_EXTENT,
	S_METADATA,
	S_TREE_BLOCK,
	S_TREE_REF,
	S_DATA_REF,
	S_SHARED_REF,
	S_BLOCK_GROUP,
	S_FREE_INFO,
	S_FREE_EXTENT,
	S_FREE_BITMAP,
	S_DEV_EXTENT,
	S_DEVICE,
	S_CHUNK,
	S_RAID10,
	S_RAID_STRIPE,
	S_QGROUP_STATUS,
	S_QGROUP_INFO,
	S_QGROUP_RELATION,
	S_BALANCE,
	S_DEV_STATS,
	S_DEV_REPLACE,
	S_UUID,
	S_FREE_HEADER,
	S_VERITY,
	S_REMAP,
	S_IDENTITY_REMAP,
	S_BLOCK_GROUP_REMAP,
	S_SQUOTA_STATUS,
	S_DROPPED_ROOT,
	S_FREE_INO_REF,
	S_UNKNOWN,
	NR_SAMPLES
};

static const struct item_sample item_samples[NR_SAMPLES] = {
	[S_INODE] = { 5, { 257, BTRFS_INODE_ITEM_KEY, 0 }, INODE_ITEM_SIZE, fill_inode },
	[S_DIR_INODE] = { 5, { 256, BTRFS_INODE_ITEM_KEY, 0 }, INODE_ITEM_SIZE, fill_dir_inode },
	[S_INODE_REF] = { 5, { 257, BTRFS_INODE_REF_KEY, 256 }, 24, fill_inode_ref },
	[S_EXTREF] = { 5, { 257, BTRFS_INODE_EXTREF_KEY, 0 }, 21, fill_extref },
	[S_XATTR] = { 5, { 257, BTRFS_XATTR_ITEM_KEY, 0 }, 38, fill_xattr },
	[S_ORPHAN] = { 5, { BTRFS_ORPHAN_OBJECTID, BTRFS_ORPHAN_ITEM_KEY, 257 }, 0, fill_nothing },
	[S_DIR_LOG] = { BTRFS_TREE_LOG_OBJECTID,
			{ 256, BTRFS_DIR_LOG_INDEX_KEY, 2 },
			8,
			fill_nothing },
	[S_DIR_ITEM] = { 5, { 256, BTRFS_DIR_ITEM_KEY, 0 }, 33, fill_dir_item },
	[S_DIR_INDEX] = { 5, { 256, BTRFS_DIR_INDEX_KEY, 2 }, 33, fill_dir_root },
	[S_INLINE] = { 5, { 257, BTRFS_EXTENT_DATA_KEY, 0 }, 31, fill_inline },
	[S_INLINE_ZSTD] = { 5, { 257, BTRFS_EXTENT_DATA_KEY, 0 }, 31, fill_inline_zstd },
	[S_REGULAR] = { 5, { 257, BTRFS_EXTENT_DATA_KEY, 8192 }, FILE_EXTENT_SIZE, fill_regular },
	[S_CSUM] = { 7,
		     { BTRFS_EXTENT_CSUM_OBJECTID, BTRFS_EXTENT_CSUM_KEY, 1 << 20 },
		     12,
		     fill_nothing },
	[S_ROOT] = { 1, { 257, BTRFS_ROOT_ITEM_KEY, 0 }, ROOT_ITEM_SIZE, fill_root },
	[S_LEGACY_ROOT] = { 1,
			    { 5, BTRFS_ROOT_ITEM_KEY, 0 },
			    ROOT_ITEM_LEGACY_SIZE,
			    fill_legacy_root },
	[S_ROOT_REF] = { 1, { 5, BTRFS_ROOT_REF_KEY, 257 }, 21, fill_root_ref },
	[S_DATA_EXTENT] = { 2, { 1 << 20, BTRFS_EXTENT_ITEM_KEY, 8192 }, 75, fill_data_extent },
	[S_METADATA] = { 2, { 1 << 20, BTRFS_METADATA_ITEM_KEY, 1 }, 42, fill_metadata },
	[S_TREE_BLOCK] = { 2,
			   { 1 << 20, BTRFS_EXTENT_ITEM_KEY, SAMPLE_NODESIZE },
			   51,
			   fill_tree_block },
	[S_TREE_REF] = { 2, { 1 << 20, BTRFS_SHARED_BLOCK_REF_KEY, 8192 }, 0, fill_nothing },
	[S_DATA_REF] = { 2, { 1 << 20, BTRFS_EXTENT_DATA_REF_KEY, 1234 }, 28, fill_data_ref },
	[S_SHARED_REF] = { 2, { 1 << 20, BTRFS_SHARED_DATA_REF_KEY, 8192 }, 4, fill_shared_ref },
	[S_BLOCK_GROUP] = { 11,
			    { 1 << 20, BTRFS_BLOCK_GROUP_ITEM_KEY, 8 << 20 },
			    24,
			    fill_block_group },
	[S_FREE_INFO] = { 10, { 1 << 20, BTRFS_FREE_SPACE_INFO_KEY, 8 << 20 }, 8, fill_free_info },
	[S_FREE_EXTENT] = { 10, { 1 << 20, BTRFS_FREE_SPACE_EXTENT_KEY, 1 << 20 }, 0, fill_nothing },
	[S_FREE_BITMAP] = { 10,
			    { 1 << 20, BTRFS_FREE_SPACE_BITMAP_KEY, 8 << 20 },
			    256,
			    fill_nothing },
	[S_DEV_EXTENT] = { 4,
			   { 1, BTRFS_DEV_EXTENT_KEY, 1 << 20 },
			   DEV_EXTENT_SIZE,
			   fill_dev_extent },
	[S_DEVICE] = { 3, { 1, BTRFS_DEV_ITEM_KEY, 1 }, DEV_ITEM_SIZE, fill_device },
	[S_CHUNK] = { 3, { 256, BTRFS_CHUNK_ITEM_KEY, 1 << 20 }, 112, fill_chunk },
	[S_RAID10] = { 3, { 256, BTRFS_CHUNK_ITEM_KEY, 1 << 20 }, 176, fill_raid10 },
	[S_RAID_STRIPE] = { 12, { 1 << 20, BTRFS_RAID_STRIPE_KEY, 8192 }, 32, fill_nothing },
	[S_QGROUP_STATUS] = { 8, { 0, BTRFS_QGROUP_STATUS_KEY, 0 }, 40, fill_nothing },
	[S_QGROUP_INFO] = { 8, { 0, BTRFS_QGROUP_INFO_KEY, 5 }, 40, fill_nothing },
	[S_QGROUP_RELATION] = { 8, { 5, BTRFS_QGROUP_RELATION_KEY, 1ULL << 48 }, 0, fill_nothing },
	[S_BALANCE] = { 1,
			{ BTRFS_BALANCE_OBJECTID, BTRFS_TEMPORARY_ITEM_KEY, 0 },
			448,
			fill_nothing },
	[S_DEV_STATS] = { 4, { 0, BTRFS_PERSISTENT_ITEM_KEY, 1 }, 40, fill_nothing },
	[S_DEV_REPLACE] = { 4, { 0, BTRFS_DEV_REPLACE_KEY, 0 }, 72, fill_nothing },
	[S_UUID] = { 9, { 1, BTRFS_UUID_KEY_SUBVOL, 2 }, 16, fill_nothing },
	[S_FREE_HEADER] = { 1, { BTRFS_FREE_SPACE_OBJECTID, 0, 1 << 20 }, 41, fill_nothing },
	[S_VERITY] = { 5, { 257, BTRFS_VERITY_DESC_ITEM_KEY, 0 }, 25, fill_nothing },
	[S_REMAP] = { 13, { 1 << 20, BTRFS_REMAP_KEY, 8192 }, 8, fill_remap },
	[S_IDENTITY_REMAP] = { 13, { 1 << 20, BTRFS_IDENTITY_REMAP_KEY, 8192 }, 0, fill_nothing },
	[S_BLOCK_GROUP_REMAP] = { 11,
				  { 1 << 20, BTRFS_BLOCK_GROUP_ITEM_KEY, 8 << 20 },
				  36,
				  fill_block_group_remap },
	[S_SQUOTA_STATUS] = { 8, { 0, BTRFS_QGROUP_STATUS_KEY, 0 }, 40, fill_squota_status },
	[S_DROPPED_ROOT] = { 1, { 257, BTRFS_ROOT_ITEM_KEY, 0 }, ROOT_ITEM_SIZE, fill_dropped_root },
	[S_FREE_INO_REF] = { 2,
			     { 1 << 20, BTRFS_EXTENT_DATA_REF_KEY, 1234 },
			     28,
			     fill_free_ino_ref },
	[S_UNKNOWN] = { 5, { 257, 77, 3 }, 5, fill_nothing },
};

/* Keys that are hashes cannot stand in a table. */
static inline struct item_sample item_sample(unsigned nr)
{
	struct item_sample sample = item_samples[nr];

	if (nr == S_DIR_ITEM)
		sample.key.offset = name_hash("abc", 3);
	if (nr == S_XATTR)
		sample.key.offset = name_hash("user.a", 6);
	if (nr == S_EXTREF)
		sample.key.offset = extref_hash(256, "abc", 3);
	return sample;
}

static inline void sample_leaf_init(uint8_t *node, uint64_t owner)
{
	node_init(&sample_geometry, node, SAMPLE_ADDR, 0, owner, 7);
	node_add_flag(node, BTRFS_HEADER_FLAG_WRITTEN);
}

/* Adds an item at the end of a leaf; bytes beyond the sample's are zero. */
static inline void sample_leaf_add(uint8_t *node, const struct item_sample *sample)
{
	uint8_t bytes[SAMPLE_LEN_MAX] = { 0 };
	uint8_t *p = leaf_insert_raw(&sample_geometry, node, node_nritems(node), &sample->key,
				     sample->len);

	sample->fill(bytes);
	memcpy(p, bytes, sample->len);
}

#endif
