/*
 * Where the fields of the structures on disk lie, from the tables of disk_structs.h: for changing
 * whole fields instead of any bytes.
 */
#include "mutate.h"

/* clang-format off */
#define WIDTH_U8 1
#define WIDTH_U16 2
#define WIDTH_U32 4
#define WIDTH_U64 8
#define WIDTH_BYTES 1
#define WIDTH_NEST 1
#define FIELD_ROW(kind, prefix, field, offset, ...) { offset, WIDTH_##kind, #prefix "." #field },
#define FIELD_END { 0, 0, NULL }
#define FIELDS_OF(name, ROWS) static const struct field name##_rows[] = { ROWS(FIELD_ROW) FIELD_END };

const struct field super_fields[] = { SUPER_FIELDS(FIELD_ROW)
	{ 201, 8, "dev_item.devid" }, { 209, 8, "dev_item.total_bytes" }, { 217, 8, "dev_item.bytes_used" },
	{ 811, 8, "sys_chunk key.objectid" }, { 819, 1, "sys_chunk key.type" }, { 820, 8, "sys_chunk key.offset" },
	{ 828, 8, "sys_chunk length" }, { 836, 8, "sys_chunk owner" }, { 844, 8, "sys_chunk stripe_len" },
	{ 852, 8, "sys_chunk type" }, { 860, 4, "sys_chunk io_align" }, { 868, 4, "sys_chunk sector_size" },
	{ 872, 2, "sys_chunk num_stripes" }, { 874, 2, "sys_chunk sub_stripes" },
	{ 876, 8, "sys_chunk stripe devid" }, { 884, 8, "sys_chunk stripe offset" },
	FIELD_END };
const struct field header_fields[] = { HEADER_FIELDS(FIELD_ROW) FIELD_END };
const struct field item_fields[] = { { 0, 8, "key.objectid" }, { 8, 1, "key.type" }, { 9, 8, "key.offset" },
	{ 17, 4, "item.offset" }, { 21, 4, "item.size" }, FIELD_END };
const struct field key_ptr_fields[] = { { 0, 8, "key.objectid" }, { 8, 1, "key.type" }, { 9, 8, "key.offset" },
	{ 17, 8, "key_ptr.blockptr" }, { 25, 8, "key_ptr.generation" }, FIELD_END };

FIELDS_OF(inode_item, INODE_ITEM_FIELDS)
FIELDS_OF(inode_ref, INODE_REF_FIELDS)
FIELDS_OF(inode_extref, INODE_EXTREF_FIELDS)
static const struct field dir_item_rows[] = { DIR_ITEM_FIELDS(FIELD_ROW) { 0, 8, "location.objectid" },
	{ 8, 1, "location.type" }, { 9, 8, "location.offset" }, FIELD_END };
FIELDS_OF(file_extent, FILE_EXTENT_FIELDS)
FIELDS_OF(root_item, ROOT_ITEM_FIELDS)
FIELDS_OF(root_ref, ROOT_REF_FIELDS)
static const struct field extent_item_rows[] = { EXTENT_ITEM_FIELDS(FIELD_ROW) { 24, 1, "inline_ref.type" },
	{ 25, 8, "inline_ref.offset" }, { 33, 8, "data_ref.objectid" }, { 41, 8, "data_ref.offset" }, { 49, 4, "data_ref.count" },
	FIELD_END };
FIELDS_OF(extent_data_ref, EXTENT_DATA_REF_FIELDS)
FIELDS_OF(shared_data_ref, SHARED_DATA_REF_FIELDS)
FIELDS_OF(block_group_item, BLOCK_GROUP_ITEM_FIELDS)
FIELDS_OF(free_space_info, FREE_SPACE_INFO_FIELDS)
FIELDS_OF(dev_extent, DEV_EXTENT_FIELDS)
FIELDS_OF(dev_item, DEV_ITEM_FIELDS)
static const struct field chunk_rows[] = { CHUNK_FIELDS(FIELD_ROW) { 48, 8, "stripe.devid" }, { 56, 8, "stripe.offset" },
	{ 80, 8, "stripe1.devid" }, { 88, 8, "stripe1.offset" }, FIELD_END };
FIELDS_OF(dev_stats, DEV_STATS_FIELDS)
FIELDS_OF(qgroup_status, QGROUP_STATUS_FIELDS)
FIELDS_OF(qgroup_info, QGROUP_INFO_FIELDS)
FIELDS_OF(qgroup_limit, QGROUP_LIMIT_FIELDS)
FIELDS_OF(balance, BALANCE_ITEM_FIELDS)
FIELDS_OF(dev_replace, DEV_REPLACE_FIELDS)
/* clang-format on */

static const struct {
	uint8_t type;
	const struct field *fields;
} by_type[] = {
	{ BTRFS_INODE_ITEM_KEY, inode_item_rows },
	{ BTRFS_INODE_REF_KEY, inode_ref_rows },
	{ BTRFS_INODE_EXTREF_KEY, inode_extref_rows },
	{ BTRFS_XATTR_ITEM_KEY, dir_item_rows },
	{ BTRFS_DIR_ITEM_KEY, dir_item_rows },
	{ BTRFS_DIR_INDEX_KEY, dir_item_rows },
	{ BTRFS_EXTENT_DATA_KEY, file_extent_rows },
	{ BTRFS_ROOT_ITEM_KEY, root_item_rows },
	{ BTRFS_ROOT_REF_KEY, root_ref_rows },
	{ BTRFS_ROOT_BACKREF_KEY, root_ref_rows },
	{ BTRFS_EXTENT_ITEM_KEY, extent_item_rows },
	{ BTRFS_METADATA_ITEM_KEY, extent_item_rows },
	{ BTRFS_EXTENT_DATA_REF_KEY, extent_data_ref_rows },
	{ BTRFS_SHARED_DATA_REF_KEY, shared_data_ref_rows },
	{ BTRFS_BLOCK_GROUP_ITEM_KEY, block_group_item_rows },
	{ BTRFS_FREE_SPACE_INFO_KEY, free_space_info_rows },
	{ BTRFS_DEV_EXTENT_KEY, dev_extent_rows },
	{ BTRFS_DEV_ITEM_KEY, dev_item_rows },
	{ BTRFS_CHUNK_ITEM_KEY, chunk_rows },
	{ BTRFS_DEV_STATS_KEY, dev_stats_rows },
	{ BTRFS_QGROUP_STATUS_KEY, qgroup_status_rows },
	{ BTRFS_QGROUP_INFO_KEY, qgroup_info_rows },
	{ BTRFS_QGROUP_LIMIT_KEY, qgroup_limit_rows },
	{ BTRFS_BALANCE_ITEM_KEY, balance_rows },
	{ BTRFS_DEV_REPLACE_KEY, dev_replace_rows },
};

const struct field *fields_of_item(uint8_t type)
{
	for (size_t i = 0; i < sizeof(by_type) / sizeof(by_type[0]); i++)
		if (by_type[i].type == type)
			return by_type[i].fields;
	return NULL;
}
