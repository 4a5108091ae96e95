/*
 * Validators of what an inode is: INODE_ITEM, INODE_REF, INODE_EXTREF, ORPHAN_ITEM,
 * VERITY_DESC_ITEM.
 */
#include <sys/stat.h>

#include "codec/name_hash.h"
#include "format/item_validate.h"

/* S_IFMT has exactly these values; everything else in it is damage. */
static bool mode_is_valid(uint32_t mode)
{
	if (mode & ~(uint32_t)(S_IFMT | 07777))
		return false;
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return true;
	default:
		return false;
	}
}

int item_validate_inode(const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint64_t id = item->key.objectid;
	uint64_t flags;
	uint32_t mode;

	REFUSE_SIZE(item, INODE_ITEM_SIZE);
	REFUSE_IF(item,
		  !inode_id_is_file(id) && id != BTRFS_ROOT_TREE_DIR_OBJECTID &&
			  id != BTRFS_FREE_INO_OBJECTID,
		  "the objectid is no inode number");
	REFUSE_IF(item, item->key.offset != 0, "the key's offset is not 0");
	mode = inode_item_mode(p);
	REFUSE_IF(item, !mode_is_valid(mode), "mode 0%o is not that of a file", mode);
	REFUSE_IF(item, S_ISDIR(mode) && inode_item_nlink(p) > 1, "a directory has %u links",
		  inode_item_nlink(p));
	flags = inode_item_flags(p);
	flags &= ~(uint64_t)(BTRFS_INODE_FLAG_MASK | BTRFS_INODE_RO_FLAG_MASK);
	REFUSE_IF(item, flags, "unknown inode flags 0x%" PRIx64, flags);
	return 0;
}

/* The common walk over records of a fixed part and a name. */
static int validate_refs(const struct item_view *item, uint32_t fixed_len, uint32_t name_len_at)
{
	uint32_t at = 0;

	REFUSE_IF(item, !item_has_inode_before(item), "the item before is of inode %" PRIu64,
		  item->prev.objectid);
	REFUSE_IF(item, item->len <= fixed_len, "item size is %u, too small for a reference",
		  item->len);
	while (at < item->len) {
		uint32_t rest = item->len - at;
		uint32_t name_len;

		REFUSE_IF(item, rest < fixed_len, "a reference at byte %u crosses the item's end",
			  at);
		name_len = load16(item->data + at + name_len_at);
		REFUSE_IF(item, name_len == 0 || name_len > BTRFS_NAME_LEN,
			  "a name of %u bytes at byte %u", name_len, at);
		REFUSE_IF(item, rest - fixed_len < name_len,
			  "the name at byte %u crosses the item's end", at);
		at += fixed_len + name_len;
	}
	return 0;
}

int item_validate_inode_ref(const struct item_view *item)
{
	return validate_refs(item, INODE_REF_SIZE, INODE_REF_SIZE - 2);
}

int item_validate_inode_extref(const struct item_view *item)
{
	TRY(validate_refs(item, INODE_EXTREF_SIZE, INODE_EXTREF_SIZE - 2));
	for (uint32_t at = 0; at < item->len;) {
		const uint8_t *p = item->data + at;
		uint32_t name_len = inode_extref_name_len(p);
		uint64_t hash = extref_hash(inode_extref_parent_objectid(p), p + INODE_EXTREF_SIZE,
					    name_len);

		REFUSE_IF(item, hash != item->key.offset,
			  "the name at byte %u has hash %" PRIu64 ", not the key's", at, hash);
		at += INODE_EXTREF_SIZE + name_len;
	}
	return 0;
}

int item_validate_orphan(const struct item_view *item)
{
	REFUSE_SIZE(item, 0);
	REFUSE_IF(item, item->key.objectid != BTRFS_ORPHAN_OBJECTID, "the objectid is not ORPHAN");
	return 0;
}

/* At offset 0 the size of the descriptor; from offset 1 on fs-verity's own bytes. */
int item_validate_verity_desc(const struct item_view *item)
{
	if (item->key.offset == 0)
		REFUSE_SIZE(item, VERITY_DESCRIPTOR_SIZE);
	return 0;
}
