/*
 * The layout against Linux's headers: every size, every offset, every number that
 * <linux/btrfs_tree.h> has.
 *
 * Macros of one name in both headers must be the same token for token, or this file does not
 * compile; what Linux has as an enum is compared below, its value caught before our macro takes the
 * name.
 */
#include "base/cmocka_all.h"

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>

enum {
	LINUX_CSUM_CRC32 = BTRFS_CSUM_TYPE_CRC32,
	LINUX_CSUM_XXHASH = BTRFS_CSUM_TYPE_XXHASH,
	LINUX_CSUM_SHA256 = BTRFS_CSUM_TYPE_SHA256,
	LINUX_CSUM_BLAKE2 = BTRFS_CSUM_TYPE_BLAKE2,
	LINUX_EXTENT_INLINE = BTRFS_FILE_EXTENT_INLINE,
	LINUX_EXTENT_REG = BTRFS_FILE_EXTENT_REG,
	LINUX_EXTENT_PREALLOC = BTRFS_FILE_EXTENT_PREALLOC,
	LINUX_EXTENT_TYPES = BTRFS_NR_FILE_EXTENT_TYPES,
	LINUX_DEV_STATS = BTRFS_DEV_STAT_VALUES_MAX,
};

#include "format/disk_structs.h"
#include "format/key.h"

/* The tables' offsets again as a structure, for offsetof. */
#define MEMBER_U8(prefix, field, at) uint8_t field;
#define MEMBER_U16(prefix, field, at) uint16_t field;
#define MEMBER_U32(prefix, field, at) uint32_t field;
#define MEMBER_U64(prefix, field, at) uint64_t field;
#define MEMBER_BYTES(prefix, field, at, len) uint8_t field[len];
#define MEMBER_NEST(prefix, field, at, len) uint8_t field[len];
#define MEMBER(kind, ...) MEMBER_##kind(__VA_ARGS__)
#define PACKED_STRUCT(prefix, PREFIX)   \
	struct ours_##prefix {          \
		PREFIX##_FIELDS(MEMBER) \
	} __attribute__((packed));
DISK_STRUCTS(PACKED_STRUCT)

#define SAME(ours, theirs, field)                                          \
	do {                                                               \
		assert_int_equal(offsetof(struct ours_##ours, field),      \
				 offsetof(struct theirs, field));          \
		assert_int_equal(sizeof(((struct ours_##ours *)0)->field), \
				 sizeof(((struct theirs *)0)->field));     \
	} while (0)
#define SAME_SIZE(ours, theirs) assert_int_equal(sizeof(struct ours_##ours), sizeof(struct theirs))

static void test_linux_layout__numbers_are_linux_s(void **state)
{
	(void)state;
	assert_int_equal(LINUX_CSUM_CRC32, BTRFS_CSUM_TYPE_CRC32);
	assert_int_equal(LINUX_CSUM_XXHASH, BTRFS_CSUM_TYPE_XXHASH);
	assert_int_equal(LINUX_CSUM_SHA256, BTRFS_CSUM_TYPE_SHA256);
	assert_int_equal(LINUX_CSUM_BLAKE2, BTRFS_CSUM_TYPE_BLAKE2);
	assert_int_equal(LINUX_EXTENT_INLINE, BTRFS_FILE_EXTENT_INLINE);
	assert_int_equal(LINUX_EXTENT_REG, BTRFS_FILE_EXTENT_REG);
	assert_int_equal(LINUX_EXTENT_PREALLOC, BTRFS_FILE_EXTENT_PREALLOC);
	assert_int_equal(LINUX_EXTENT_TYPES, BTRFS_NR_FILE_EXTENT_TYPES);
	assert_int_equal(LINUX_DEV_STATS, BTRFS_DEV_STAT_NR_VALUES);
}

static void test_linux_layout__keys_devices_and_chunks(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct btrfs_disk_key), KEY_DISK_SIZE);
	assert_int_equal(offsetof(struct btrfs_disk_key, type), KEY_TYPE_AT);
	assert_int_equal(offsetof(struct btrfs_disk_key, offset), KEY_OFFSET_AT);
	SAME_SIZE(dev_item, btrfs_dev_item);
	SAME(dev_item, btrfs_dev_item, bytes_used);
	SAME(dev_item, btrfs_dev_item, sector_size);
	SAME(dev_item, btrfs_dev_item, start_offset);
	SAME(dev_item, btrfs_dev_item, seek_speed);
	SAME(dev_item, btrfs_dev_item, uuid);
	SAME(dev_item, btrfs_dev_item, fsid);
	SAME_SIZE(stripe, btrfs_stripe);
	SAME(stripe, btrfs_stripe, dev_uuid);
	assert_int_equal(offsetof(struct btrfs_chunk, stripe), CHUNK_SIZE);
	assert_int_equal(sizeof(struct btrfs_chunk), chunk_size_bytes(1));
	SAME(chunk, btrfs_chunk, owner);
	SAME(chunk, btrfs_chunk, type);
	SAME(chunk, btrfs_chunk, sector_size);
	SAME(chunk, btrfs_chunk, num_stripes);
	SAME(chunk, btrfs_chunk, sub_stripes);
	SAME_SIZE(dev_extent, btrfs_dev_extent);
	SAME(dev_extent, btrfs_dev_extent, chunk_offset);
	SAME(dev_extent, btrfs_dev_extent, chunk_tree_uuid);
	SAME_SIZE(block_group_item, btrfs_block_group_item);
	SAME(block_group_item, btrfs_block_group_item, flags);
}

static void test_linux_layout__inodes_names_and_roots(void **state)
{
	(void)state;
	SAME_SIZE(timespec, btrfs_timespec);
	SAME_SIZE(inode_item, btrfs_inode_item);
	SAME(inode_item, btrfs_inode_item, nbytes);
	SAME(inode_item, btrfs_inode_item, nlink);
	SAME(inode_item, btrfs_inode_item, mode);
	SAME(inode_item, btrfs_inode_item, rdev);
	SAME(inode_item, btrfs_inode_item, sequence);
	SAME(inode_item, btrfs_inode_item, atime);
	SAME(inode_item, btrfs_inode_item, otime);
	SAME_SIZE(inode_ref, btrfs_inode_ref);
	SAME_SIZE(inode_extref, btrfs_inode_extref);
	SAME(inode_extref, btrfs_inode_extref, name_len);
	SAME_SIZE(dir_item, btrfs_dir_item);
	SAME(dir_item, btrfs_dir_item, data_len);
	SAME(dir_item, btrfs_dir_item, type);
	SAME_SIZE(dir_log_item, btrfs_dir_log_item);
	SAME_SIZE(root_item, btrfs_root_item);
	SAME(root_item, btrfs_root_item, bytenr);
	SAME(root_item, btrfs_root_item, refs);
	SAME(root_item, btrfs_root_item, drop_level);
	SAME(root_item, btrfs_root_item, generation_v2);
	SAME(root_item, btrfs_root_item, received_uuid);
	SAME(root_item, btrfs_root_item, rtransid);
	SAME(root_item, btrfs_root_item, rtime);
	assert_int_equal(btrfs_legacy_root_item_size(), ROOT_ITEM_LEGACY_SIZE);
	SAME_SIZE(root_ref, btrfs_root_ref);
	SAME(root_ref, btrfs_root_ref, name_len);
}

static void test_linux_layout__extents_and_free_space(void **state)
{
	(void)state;
	SAME_SIZE(file_extent, btrfs_file_extent_item);
	SAME(file_extent, btrfs_file_extent_item, compression);
	SAME(file_extent, btrfs_file_extent_item, type);
	SAME(file_extent, btrfs_file_extent_item, disk_bytenr);
	SAME(file_extent, btrfs_file_extent_item, num_bytes);
	assert_int_equal(offsetof(struct btrfs_file_extent_item, disk_bytenr),
			 FILE_EXTENT_INLINE_AT);
	SAME_SIZE(extent_item, btrfs_extent_item);
	SAME_SIZE(tree_block_info, btrfs_tree_block_info);
	SAME_SIZE(inline_ref, btrfs_extent_inline_ref);
	SAME_SIZE(extent_data_ref, btrfs_extent_data_ref);
	SAME(extent_data_ref, btrfs_extent_data_ref, count);
	SAME_SIZE(shared_data_ref, btrfs_shared_data_ref);
	SAME_SIZE(free_space_info, btrfs_free_space_info);
	SAME_SIZE(free_space_header, btrfs_free_space_header);
	SAME(free_space_header, btrfs_free_space_header, num_bitmaps);
	SAME_SIZE(free_space_entry, btrfs_free_space_entry);
}

static void test_linux_layout__the_small_kinds(void **state)
{
	(void)state;
	SAME_SIZE(dev_stats, btrfs_dev_stats_item);
	SAME_SIZE(dev_replace, btrfs_dev_replace_item);
	SAME(dev_replace, btrfs_dev_replace_item, num_uncorrectable_read_errors);
	SAME_SIZE(balance_args, btrfs_disk_balance_args);
	SAME(balance_args, btrfs_disk_balance_args, limit);
	SAME(balance_args, btrfs_disk_balance_args, stripes_max);
	SAME_SIZE(balance_item, btrfs_balance_item);
	SAME(balance_item, btrfs_balance_item, sys);
	SAME_SIZE(qgroup_status, btrfs_qgroup_status_item);
	SAME_SIZE(qgroup_info, btrfs_qgroup_info_item);
	SAME(qgroup_info, btrfs_qgroup_info_item, excl_cmpr);
	SAME_SIZE(qgroup_limit, btrfs_qgroup_limit_item);
	SAME(qgroup_limit, btrfs_qgroup_limit_item, rsv_excl);
	SAME_SIZE(verity_descriptor, btrfs_verity_descriptor_item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_layout__numbers_are_linux_s),
		cmocka_unit_test(test_linux_layout__keys_devices_and_chunks),
		cmocka_unit_test(test_linux_layout__inodes_names_and_roots),
		cmocka_unit_test(test_linux_layout__extents_and_free_space),
		cmocka_unit_test(test_linux_layout__the_small_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
