/*
 * Validators of trees and their names: ROOT_ITEM, ROOT_REF, ROOT_BACKREF.
 */
#include "format/item_validate.h"

int item_validate_root(const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint64_t flags;

	REFUSE_IF(item, item->len != ROOT_ITEM_SIZE && item->len != ROOT_ITEM_LEGACY_SIZE,
		  "item size is %u, expected %u or %u", item->len, ROOT_ITEM_SIZE,
		  ROOT_ITEM_LEGACY_SIZE);
	REFUSE_IF(item, item->key.objectid == 0, "tree 0 does not exist");
	REFUSE_IF(item, item->key.objectid == BTRFS_TREE_RELOC_OBJECTID && item->key.offset == 0,
		  "a relocation tree of tree 0");
	REFUSE_IF(item, !is_aligned(root_item_bytenr(p), item->geometry->sectorsize),
		  "the root's address %" PRIu64 " is not aligned", root_item_bytenr(p));
	REFUSE_IF(item, root_item_level(p) >= BTRFS_MAX_LEVEL, "level %u", root_item_level(p));
	REFUSE_IF(item, root_item_drop_level(p) >= BTRFS_MAX_LEVEL, "drop_level %u",
		  root_item_drop_level(p));
	/* The key where a deletion goes on is one of an internal node. */
	REFUSE_IF(item,
		  key_load(root_item_drop_progress(p)).objectid && root_item_drop_level(p) == 0,
		  "drop_progress at drop_level 0");
	flags = root_item_flags(p);
	REFUSE_IF(item, flags & ~(BTRFS_ROOT_SUBVOL_RDONLY | BTRFS_ROOT_SUBVOL_DEAD),
		  "unknown flags 0x%" PRIx64, flags);
	return 0;
}

int item_validate_root_ref(const struct item_view *item)
{
	uint32_t name_len;

	REFUSE_IF(item, item->len <= ROOT_REF_SIZE, "item size is %u, too small for a reference",
		  item->len);
	name_len = root_ref_name_len(item->data);
	REFUSE_IF(item, name_len > BTRFS_NAME_LEN, "a name of %u bytes, too long", name_len);
	REFUSE_IF(item, name_len != item->len - ROOT_REF_SIZE,
		  "a name of %u bytes in an item of %u", name_len, item->len);
	return 0;
}
