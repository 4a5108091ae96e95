/*
 * The table of operations by key type. A row is all that a new key type needs, besides its
 * functions.
 */
#include "format/item_ops.h"

#include "format/item_print.h"
#include "format/item_validate.h"

#define ROW(type, validator, printer) \
	[BTRFS_##type##_KEY] = { .name = #type, .validate = (validator), .print = (printer) }

static const struct item_ops item_rows[UINT8_MAX + 1] = {
	[BTRFS_UNTYPED_KEY] = { .validate = item_validate_untyped, .print = item_print_untyped },
	ROW(INODE_ITEM, item_validate_inode, item_print_inode),
	ROW(INODE_REF, item_validate_inode_ref, item_print_inode_ref),
	ROW(INODE_EXTREF, item_validate_inode_extref, item_print_inode_extref),
	ROW(XATTR_ITEM, item_validate_dir, item_print_dir),
	ROW(VERITY_DESC_ITEM, item_validate_verity_desc, NULL),
	ROW(VERITY_MERKLE_ITEM, NULL, NULL),
	ROW(ORPHAN_ITEM, item_validate_orphan, item_print_orphan),
	ROW(DIR_LOG_ITEM, item_validate_dir_log, item_print_dir_log),
	ROW(DIR_LOG_INDEX, item_validate_dir_log, item_print_dir_log),
	ROW(DIR_ITEM, item_validate_dir, item_print_dir),
	ROW(DIR_INDEX, item_validate_dir, item_print_dir),
	ROW(EXTENT_DATA, item_validate_file_extent, item_print_file_extent),
	ROW(CSUM_ITEM, NULL, item_print_csum_item),
	ROW(EXTENT_CSUM, item_validate_csum, item_print_csum),
	ROW(ROOT_ITEM, item_validate_root, item_print_root),
	ROW(ROOT_BACKREF, item_validate_root_ref, item_print_root_ref),
	ROW(ROOT_REF, item_validate_root_ref, item_print_root_ref),
	ROW(EXTENT_ITEM, item_validate_extent, item_print_extent),
	ROW(METADATA_ITEM, item_validate_extent, item_print_extent),
	ROW(EXTENT_OWNER_REF, item_validate_keyed_ref, item_print_keyed_ref),
	ROW(TREE_BLOCK_REF, item_validate_keyed_ref, item_print_keyed_ref),
	ROW(EXTENT_DATA_REF, item_validate_data_refs, item_print_keyed_ref),
	ROW(SHARED_BLOCK_REF, item_validate_keyed_ref, item_print_keyed_ref),
	ROW(SHARED_DATA_REF, item_validate_keyed_ref, item_print_keyed_ref),
	[BTRFS_EXTENT_REF_V0_KEY] = { .name = "EXTENT_REF_V0",
				      .validate = item_validate_ref_v0,
				      .print = item_print_keyed_ref },
	ROW(BLOCK_GROUP_ITEM, item_validate_block_group, item_print_block_group),
	ROW(FREE_SPACE_INFO, item_validate_free_space_info, item_print_free_space_info),
	ROW(FREE_SPACE_EXTENT, item_validate_free_space_extent, item_print_free_space_extent),
	ROW(FREE_SPACE_BITMAP, item_validate_free_space_bitmap, item_print_free_space_bitmap),
	ROW(DEV_EXTENT, item_validate_dev_extent, item_print_dev_extent),
	ROW(DEV_ITEM, item_validate_device, item_print_device),
	ROW(CHUNK_ITEM, item_validate_chunk, item_print_chunk),
	ROW(RAID_STRIPE, item_validate_raid_stripe, item_print_raid_stripe),
	ROW(IDENTITY_REMAP, item_validate_remap, NULL),
	ROW(REMAP, item_validate_remap, item_print_remap),
	ROW(REMAP_BACKREF, item_validate_remap, item_print_remap),
	ROW(QGROUP_STATUS, item_validate_qgroup_status, item_print_qgroup_status),
	ROW(QGROUP_INFO, item_validate_qgroup_numbers, item_print_qgroup_info),
	ROW(QGROUP_LIMIT, item_validate_qgroup_numbers, item_print_qgroup_limit),
	ROW(QGROUP_RELATION, item_validate_qgroup_relation, NULL),
	ROW(TEMPORARY_ITEM, item_validate_temporary, item_print_temporary),
	ROW(PERSISTENT_ITEM, item_validate_persistent, item_print_persistent),
	ROW(DEV_REPLACE, item_validate_dev_replace, item_print_dev_replace),
	[BTRFS_UUID_KEY_SUBVOL] = { .name = "UUID_KEY_SUBVOL",
				    .validate = item_validate_uuid,
				    .print = item_print_uuid },
	[BTRFS_UUID_KEY_RECEIVED_SUBVOL] = { .name = "UUID_KEY_RECEIVED_SUBVOL",
					     .validate = item_validate_uuid,
					     .print = item_print_uuid },
	ROW(STRING_ITEM, NULL, item_print_string),
};

const struct item_ops *item_ops_of(uint8_t type)
{
	return &item_rows[type];
}

const char *item_type_name(uint8_t type)
{
	return item_rows[type].name;
}
