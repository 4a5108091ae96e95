/*
 * The contents of items as JSON: see json_item.h. Fixed parts come from the tables of fields; what
 * follows them (names, references, stripes) is here. Reads nothing outside the item.
 */
#include "format/json_item.h"

#include "format/json_fields.h"

typedef void (*fields_writer)(struct json *json, const uint8_t *p);
typedef void (*item_writer)(struct json *json, const struct item_view *item);

/*
 * A row: the least size of an item of the type, its fixed part, and what comes behind (each may be
 * missing).
 */
struct json_row {
	uint32_t min_len;
	fields_writer fields;
	item_writer rest;
};

static void json_name(struct json *json, const struct item_view *item, const char *name,
		      const uint8_t *bytes, uint32_t len)
{
	if (item->choices & PRINT_HIDE_NAMES)
		json_text(json, name, "HIDDEN");
	else
		json_bytes(json, name, bytes, len);
}

static void json_all_bytes(struct json *json, const struct item_view *item)
{
	json_hex(json, "bytes", item->data, item->len);
}

/*
 * ---- names
 * ---------------------------------------------------------------------------------------------------
 */

static void inode_refs(struct json *json, const struct item_view *item)
{
	const uint8_t *p = item->data, *end = p + item->len;

	json_array_begin(json, "refs");
	while (end - p >= INODE_REF_SIZE) {
		uint32_t rest = (uint32_t)(end - p) - INODE_REF_SIZE;
		uint32_t len = MIN(inode_ref_name_len(p), rest);

		json_object_begin(json, NULL);
		json_inode_ref_fields(json, p);
		json_name(json, item, "name", p + INODE_REF_SIZE, len);
		json_end(json);
		p += INODE_REF_SIZE + len;
	}
	json_end(json);
}

static void inode_extrefs(struct json *json, const struct item_view *item)
{
	const uint8_t *p = item->data, *end = p + item->len;

	json_array_begin(json, "refs");
	while (end - p >= INODE_EXTREF_SIZE) {
		uint32_t rest = (uint32_t)(end - p) - INODE_EXTREF_SIZE;
		uint32_t len = MIN(inode_extref_name_len(p), rest);

		json_object_begin(json, NULL);
		json_inode_extref_fields(json, p);
		json_name(json, item, "name", p + INODE_EXTREF_SIZE, len);
		json_end(json);
		p += INODE_EXTREF_SIZE + len;
	}
	json_end(json);
}

static void dir_entries(struct json *json, const struct item_view *item)
{
	const uint8_t *p = item->data, *end = p + item->len;

	json_array_begin(json, "entries");
	while (end - p >= DIR_ITEM_SIZE) {
		const uint8_t *name = p + DIR_ITEM_SIZE;
		uint32_t rest = (uint32_t)(end - name);
		uint32_t name_len = MIN(dir_item_name_len(p), rest);
		uint32_t data_len = MIN(dir_item_data_len(p), rest - name_len);

		json_object_begin(json, NULL);
		json_dir_item_fields(json, p);
		json_name(json, item, "name", name, name_len);
		if (data_len)
			json_name(json, item, "data", name + name_len, data_len);
		json_end(json);
		p = name + name_len + data_len;
	}
	json_end(json);
}

static void root_ref_name(struct json *json, const struct item_view *item)
{
	uint32_t rest = item->len - ROOT_REF_SIZE;

	json_name(json, item, "name", item->data + ROOT_REF_SIZE,
		  MIN(root_ref_name_len(item->data), rest));
}

static void string_text(struct json *json, const struct item_view *item)
{
	json_bytes(json, "text", item->data, item->len);
}

/*
 * ---- contents and roots
 * --------------------------------------------------------------------------------------
 */

static void file_extent(struct json *json, const struct item_view *item)
{
	uint8_t p[FILE_EXTENT_SIZE] = { 0 };

	memcpy(p, item->data, MIN(item->len, FILE_EXTENT_SIZE));
	if (file_extent_type(p) == BTRFS_FILE_EXTENT_INLINE) {
		json_number(json, "generation", file_extent_generation(p));
		json_number(json, "ram_bytes", file_extent_ram_bytes(p));
		json_number(json, "compression", file_extent_compression(p));
		json_number(json, "encryption", file_extent_encryption(p));
		json_number(json, "other_encoding", file_extent_other_encoding(p));
		json_number(json, "type", file_extent_type(p));
		json_number(json, "inline_len", item->len - FILE_EXTENT_INLINE_AT);
	} else if (item->len < FILE_EXTENT_SIZE) {
		json_text(json, "error", "the item is too small");
		json_all_bytes(json, item);
	} else {
		json_file_extent_fields(json, p);
	}
}

static void csums(struct json *json, const struct item_view *item)
{
	const struct geometry *g = item->geometry;
	uint32_t nr = item->len / g->csum_size;

	json_number(json, "start", item->key.offset);
	json_number(json, "length", (uint64_t)nr * g->sectorsize);
	if (!(item->choices & PRINT_CSUM_ITEMS))
		return;
	json_array_begin(json, "csums");
	for (uint32_t i = 0; i < nr; i++)
		json_hex(json, NULL, item->data + (size_t)i * g->csum_size, g->csum_size);
	json_end(json);
}

/* Old items are shorter: what is not there counts as zero. */
static void root_item(struct json *json, const struct item_view *item)
{
	uint8_t p[ROOT_ITEM_SIZE] = { 0 };

	memcpy(p, item->data, MIN(item->len, ROOT_ITEM_SIZE));
	json_root_item_fields(json, p);
}

/*
 * ---- references
 * ----------------------------------------------------------------------------------------------
 */

static void inline_ref(struct json *json, const uint8_t *p)
{
	json_object_begin(json, NULL);
	json_number(json, "type", inline_ref_type(p));
	json_text(json, "type_name", item_type_name(inline_ref_type(p)));
	switch (inline_ref_type(p)) {
	case BTRFS_TREE_BLOCK_REF_KEY:
	case BTRFS_EXTENT_OWNER_REF_KEY:
		json_number(json, "root", inline_ref_offset(p));
		break;
	case BTRFS_SHARED_BLOCK_REF_KEY:
		json_number(json, "parent", inline_ref_offset(p));
		break;
	case BTRFS_SHARED_DATA_REF_KEY:
		json_number(json, "parent", inline_ref_offset(p));
		json_shared_data_ref_fields(json, p + INLINE_REF_SIZE);
		break;
	case BTRFS_EXTENT_DATA_REF_KEY:
		json_extent_data_ref_fields(json, p + 1);
		break;
	}
	json_end(json);
}

static void extent_refs(struct json *json, const struct item_view *item)
{
	const uint8_t *p = item->data;
	bool is_block = extent_item_flags(p) & BTRFS_EXTENT_FLAG_TREE_BLOCK;
	uint32_t at = EXTENT_ITEM_SIZE;

	if (item->key.type == BTRFS_METADATA_ITEM_KEY) {
		json_number(json, "level", item->key.offset);
	} else if (is_block && item->len - at >= TREE_BLOCK_INFO_SIZE) {
		json_tree_block_info_fields(json, p + at);
		at += TREE_BLOCK_INFO_SIZE;
	}
	json_array_begin(json, "inline_refs");
	while (at < item->len) {
		uint32_t ref_len = inline_ref_size_bytes(p[at]);

		if (!ref_len || ref_len > item->len - at)
			break;
		inline_ref(json, p + at);
		at += ref_len;
	}
	json_end(json);
	if (at < item->len)
		json_hex(json, "bytes", p + at, item->len - at);
}

/*
 * ---- space
 * ---------------------------------------------------------------------------------------------------
 */

void json_chunk_members(struct json *json, const uint8_t *chunk, uint32_t len_bytes)
{
	json_chunk_fields(json, chunk);
	json_array_begin(json, "stripes");
	for (unsigned i = 0; i < chunk_num_stripes(chunk); i++) {
		if (chunk_size_bytes(i + 1) > len_bytes)
			break;
		json_object_begin(json, NULL);
		json_stripe_fields(json, chunk_stripe(chunk, i));
		json_end(json);
	}
	json_end(json);
}

static void chunk_item(struct json *json, const struct item_view *item)
{
	json_chunk_members(json, item->data, item->len);
}

static void block_group_rest(struct json *json, const struct item_view *item)
{
	if (item->len >= BLOCK_GROUP_ITEM_SIZE + BLOCK_GROUP_REMAP_SIZE)
		json_block_group_remap_fields(json, item->data + BLOCK_GROUP_ITEM_SIZE);
}

static void raid_strides(struct json *json, const struct item_view *item)
{
	json_array_begin(json, "strides");
	for (uint32_t i = 0; i < item->len / RAID_STRIDE_SIZE; i++) {
		json_object_begin(json, NULL);
		json_raid_stride_fields(json, item->data + (size_t)i * RAID_STRIDE_SIZE);
		json_end(json);
	}
	json_end(json);
}

static void qgroup_status_rest(struct json *json, const struct item_view *item)
{
	if (item->len >= QGROUP_STATUS_SIZE + QGROUP_STATUS_SQUOTA_SIZE)
		json_qgroup_status_squota_fields(json, item->data + QGROUP_STATUS_SIZE);
}

static void temporary_item(struct json *json, const struct item_view *item)
{
	if (item->key.objectid == BTRFS_BALANCE_OBJECTID && item->len >= BALANCE_ITEM_SIZE)
		json_balance_item_fields(json, item->data);
	else
		json_all_bytes(json, item);
}

static void persistent_item(struct json *json, const struct item_view *item)
{
	if (item->key.objectid == BTRFS_DEV_STATS_OBJECTID && item->len >= DEV_STATS_SIZE)
		json_dev_stats_fields(json, item->data);
	else
		json_all_bytes(json, item);
}

static void uuid_item(struct json *json, const struct item_view *item)
{
	json_array_begin(json, "subvol_ids");
	for (uint32_t at = 0; at + 8 <= item->len; at += 8)
		json_number(json, NULL, load64(item->data + at));
	json_end(json);
}

static void untyped_item(struct json *json, const struct item_view *item)
{
	if (item->key.objectid == BTRFS_FREE_SPACE_OBJECTID && item->len >= FREE_SPACE_HEADER_SIZE)
		json_free_space_header_fields(json, item->data);
	else
		json_all_bytes(json, item);
}

static void verity_descriptor(struct json *json, const struct item_view *item)
{
	if (item->key.offset == 0 && item->len >= VERITY_DESCRIPTOR_SIZE)
		json_verity_descriptor_fields(json, item->data);
	else
		json_all_bytes(json, item);
}

/*
 * ---- the table
 * -----------------------------------------------------------------------------------------------
 */

static const struct json_row json_rows[UINT8_MAX + 1] = {
	[BTRFS_UNTYPED_KEY] = { 0, NULL, untyped_item },
	[BTRFS_INODE_ITEM_KEY] = { INODE_ITEM_SIZE, json_inode_item_fields, NULL },
	[BTRFS_INODE_REF_KEY] = { 0, NULL, inode_refs },
	[BTRFS_INODE_EXTREF_KEY] = { 0, NULL, inode_extrefs },
	[BTRFS_XATTR_ITEM_KEY] = { 0, NULL, dir_entries },
	[BTRFS_VERITY_DESC_ITEM_KEY] = { 0, NULL, verity_descriptor },
	[BTRFS_DIR_LOG_ITEM_KEY] = { DIR_LOG_ITEM_SIZE, json_dir_log_item_fields, NULL },
	[BTRFS_DIR_LOG_INDEX_KEY] = { DIR_LOG_ITEM_SIZE, json_dir_log_item_fields, NULL },
	[BTRFS_DIR_ITEM_KEY] = { 0, NULL, dir_entries },
	[BTRFS_DIR_INDEX_KEY] = { 0, NULL, dir_entries },
	[BTRFS_EXTENT_DATA_KEY] = { FILE_EXTENT_INLINE_AT, NULL, file_extent },
	[BTRFS_EXTENT_CSUM_KEY] = { 0, NULL, csums },
	[BTRFS_ROOT_ITEM_KEY] = { ROOT_ITEM_LEGACY_SIZE, NULL, root_item },
	[BTRFS_ROOT_BACKREF_KEY] = { ROOT_REF_SIZE, json_root_ref_fields, root_ref_name },
	[BTRFS_ROOT_REF_KEY] = { ROOT_REF_SIZE, json_root_ref_fields, root_ref_name },
	[BTRFS_EXTENT_ITEM_KEY] = { EXTENT_ITEM_SIZE, json_extent_item_fields, extent_refs },
	[BTRFS_METADATA_ITEM_KEY] = { EXTENT_ITEM_SIZE, json_extent_item_fields, extent_refs },
	[BTRFS_EXTENT_OWNER_REF_KEY] = { EXTENT_OWNER_REF_SIZE, json_extent_owner_ref_fields,
					 NULL },
	[BTRFS_EXTENT_DATA_REF_KEY] = { EXTENT_DATA_REF_SIZE, json_extent_data_ref_fields, NULL },
	[BTRFS_SHARED_DATA_REF_KEY] = { SHARED_DATA_REF_SIZE, json_shared_data_ref_fields, NULL },
	[BTRFS_BLOCK_GROUP_ITEM_KEY] = { BLOCK_GROUP_ITEM_SIZE, json_block_group_item_fields,
					 block_group_rest },
	[BTRFS_FREE_SPACE_INFO_KEY] = { FREE_SPACE_INFO_SIZE, json_free_space_info_fields, NULL },
	[BTRFS_DEV_EXTENT_KEY] = { DEV_EXTENT_SIZE, json_dev_extent_fields, NULL },
	[BTRFS_DEV_ITEM_KEY] = { DEV_ITEM_SIZE, json_dev_item_fields, NULL },
	[BTRFS_CHUNK_ITEM_KEY] = { CHUNK_SIZE, NULL, chunk_item },
	[BTRFS_RAID_STRIPE_KEY] = { 0, NULL, raid_strides },
	[BTRFS_REMAP_KEY] = { REMAP_ITEM_SIZE, json_remap_item_fields, NULL },
	[BTRFS_REMAP_BACKREF_KEY] = { REMAP_ITEM_SIZE, json_remap_item_fields, NULL },
	[BTRFS_QGROUP_STATUS_KEY] = { QGROUP_STATUS_SIZE, json_qgroup_status_fields,
				      qgroup_status_rest },
	[BTRFS_QGROUP_INFO_KEY] = { QGROUP_INFO_SIZE, json_qgroup_info_fields, NULL },
	[BTRFS_QGROUP_LIMIT_KEY] = { QGROUP_LIMIT_SIZE, json_qgroup_limit_fields, NULL },
	[BTRFS_TEMPORARY_ITEM_KEY] = { 0, NULL, temporary_item },
	[BTRFS_PERSISTENT_ITEM_KEY] = { 0, NULL, persistent_item },
	[BTRFS_DEV_REPLACE_KEY] = { DEV_REPLACE_SIZE, json_dev_replace_fields, NULL },
	[BTRFS_UUID_KEY_SUBVOL] = { 0, NULL, uuid_item },
	[BTRFS_UUID_KEY_RECEIVED_SUBVOL] = { 0, NULL, uuid_item },
	[BTRFS_STRING_ITEM_KEY] = { 0, NULL, string_text },
};

void json_item(struct json *json, const struct item_view *item)
{
	const struct json_row *row = &json_rows[item->key.type];

	if (item->len < row->min_len) {
		json_text(json, "error", "the item is too small");
		json_all_bytes(json, item);
		return;
	}
	if (row->fields)
		row->fields(json, item->data);
	if (row->rest)
		row->rest(json, item);
	if (!row->fields && !row->rest && item->len)
		json_all_bytes(json, item);
}
