/*
 * Validators of names: DIR_ITEM, DIR_INDEX, XATTR_ITEM (one structure), and the ranges of a log's
 * directories.
 */
#include "codec/name_hash.h"
#include "format/item_validate.h"

/* Where a name leads: to a tree of files, to an inode, or (attributes) nowhere. */
static int validate_location(const struct item_view *item, const uint8_t *entry)
{
	struct key to = key_load(dir_item_location(entry));

	if (item->key.type == BTRFS_XATTR_ITEM_KEY) {
		REFUSE_IF(item, to.objectid || to.type || to.offset, "an attribute has a location");
		return 0;
	}
	if (to.type == BTRFS_ROOT_ITEM_KEY) {
		REFUSE_IF(item, !tree_is_fs(to.objectid),
			  "the location is tree %" PRIu64 ", not one of files", to.objectid);
		return 0;
	}
	REFUSE_IF(item, to.type != BTRFS_INODE_ITEM_KEY && to.type != 0,
		  "the location has key type %u", to.type);
	REFUSE_IF(item,
		  !inode_id_is_file(to.objectid) && to.objectid != BTRFS_ROOT_TREE_DIR_OBJECTID &&
			  to.objectid != BTRFS_FREE_INO_OBJECTID,
		  "the location %" PRIu64 " is no inode number", to.objectid);
	REFUSE_IF(item, to.offset != 0, "the location has offset %" PRIu64, to.offset);
	return 0;
}

static int validate_entry_type(const struct item_view *item, const uint8_t *entry)
{
	bool is_xattr = item->key.type == BTRFS_XATTR_ITEM_KEY;
	uint8_t type = dir_item_type(entry) & (uint8_t)~BTRFS_FT_ENCRYPTED;

	REFUSE_IF(item, type >= BTRFS_FT_MAX, "unknown file type %u", type);
	REFUSE_IF(item, is_xattr != (type == BTRFS_FT_XATTR), "file type %u under this key", type);
	REFUSE_IF(item, !is_xattr && dir_item_data_len(entry), "a name with %u bytes of data",
		  dir_item_data_len(entry));
	return 0;
}

int item_validate_dir(const struct item_view *item)
{
	bool is_hashed = item->key.type != BTRFS_DIR_INDEX_KEY;
	uint32_t at = 0;

	REFUSE_IF(item, !item_has_inode_before(item), "the item before is of inode %" PRIu64,
		  item->prev.objectid);
	REFUSE_IF(item, item->len == 0, "an empty directory item");
	while (at < item->len) {
		const uint8_t *entry = item->data + at;
		uint32_t rest = item->len - at;
		uint32_t name_len, data_len, hash;

		REFUSE_IF(item, rest < DIR_ITEM_SIZE, "an entry at byte %u crosses the item's end",
			  at);
		TRY(validate_location(item, entry));
		TRY(validate_entry_type(item, entry));
		name_len = dir_item_name_len(entry);
		data_len = dir_item_data_len(entry);
		REFUSE_IF(item, name_len == 0 || name_len > BTRFS_NAME_LEN,
			  "a name of %u bytes at byte %u", name_len, at);
		REFUSE_IF(item, name_len + data_len > geometry_max_xattr(item->geometry),
			  "name and data of %u bytes at byte %u", name_len + data_len, at);
		REFUSE_IF(item, rest - DIR_ITEM_SIZE < name_len + data_len,
			  "the name at byte %u crosses the item's end", at);
		if (is_hashed) {
			hash = name_hash(entry + DIR_ITEM_SIZE, name_len);
			REFUSE_IF(item, hash != item->key.offset,
				  "the name at byte %u has hash %u, not the key's", at, hash);
		}
		at += DIR_ITEM_SIZE + name_len + data_len;
	}
	return 0;
}

int item_validate_dir_log(const struct item_view *item)
{
	REFUSE_SIZE(item, DIR_LOG_ITEM_SIZE);
	return 0;
}
