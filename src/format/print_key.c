/*
 * Names of trees, object ids and keys: see print_key.h. Owns the table of names of object ids.
 */
#include "format/print_key.h"

#include <inttypes.h>

#include "format/item_ops.h"

static const struct {
	uint64_t objectid;
	const char *name;
} objectid_names[] = {
	{ BTRFS_ROOT_TREE_OBJECTID, "ROOT_TREE" },
	{ BTRFS_EXTENT_TREE_OBJECTID, "EXTENT_TREE" },
	{ BTRFS_CHUNK_TREE_OBJECTID, "CHUNK_TREE" },
	{ BTRFS_DEV_TREE_OBJECTID, "DEV_TREE" },
	{ BTRFS_FS_TREE_OBJECTID, "FS_TREE" },
	{ BTRFS_ROOT_TREE_DIR_OBJECTID, "ROOT_TREE_DIR" },
	{ BTRFS_CSUM_TREE_OBJECTID, "CSUM_TREE" },
	{ BTRFS_QUOTA_TREE_OBJECTID, "QUOTA_TREE" },
	{ BTRFS_UUID_TREE_OBJECTID, "UUID_TREE" },
	{ BTRFS_FREE_SPACE_TREE_OBJECTID, "FREE_SPACE_TREE" },
	{ BTRFS_BLOCK_GROUP_TREE_OBJECTID, "BLOCK_GROUP_TREE" },
	{ BTRFS_RAID_STRIPE_TREE_OBJECTID, "RAID_STRIPE_TREE" },
	{ BTRFS_BALANCE_OBJECTID, "BALANCE" },
	{ BTRFS_ORPHAN_OBJECTID, "ORPHAN" },
	{ BTRFS_TREE_LOG_OBJECTID, "TREE_LOG" },
	{ BTRFS_TREE_LOG_FIXUP_OBJECTID, "LOG_FIXUP" },
	{ BTRFS_TREE_RELOC_OBJECTID, "TREE_RELOC" },
	{ BTRFS_DATA_RELOC_TREE_OBJECTID, "DATA_RELOC_TREE" },
	{ BTRFS_EXTENT_CSUM_OBJECTID, "EXTENT_CSUM" },
	{ BTRFS_FREE_SPACE_OBJECTID, "FREE_SPACE" },
	{ BTRFS_FREE_INO_OBJECTID, "FREE_INO" },
	{ BTRFS_CSUM_CHANGE_OBJECTID, "CSUM_CHANGE" },
	{ BTRFS_MULTIPLE_OBJECTIDS, "MULTIPLE" },
	{ UINT64_MAX, "-1" },
};

static void print_qgroup_id(struct strbuf *out, uint64_t id)
{
	strbuf_addf(out, "%u/%" PRIu64, (unsigned)(id >> BTRFS_QGROUP_LEVEL_SHIFT),
		    id & (((uint64_t)1 << BTRFS_QGROUP_LEVEL_SHIFT) - 1));
}

static bool type_is_uuid(uint8_t type)
{
	return type == BTRFS_UUID_KEY_SUBVOL || type == BTRFS_UUID_KEY_RECEIVED_SUBVOL;
}

void print_tree_name(struct strbuf *out, uint64_t objectid)
{
	print_objectid(out, objectid, 0);
}

void print_objectid(struct strbuf *out, uint64_t objectid, uint8_t type)
{
	switch (type) {
	case BTRFS_PERSISTENT_ITEM_KEY:
		if (objectid == BTRFS_DEV_STATS_OBJECTID)
			strbuf_add(out, "DEV_STATS");
		else
			strbuf_addf(out, "%" PRIu64, objectid);
		return;
	case BTRFS_DEV_EXTENT_KEY: /* a device id */
		strbuf_addf(out, "%" PRIu64, objectid);
		return;
	case BTRFS_QGROUP_RELATION_KEY:
		print_qgroup_id(out, objectid);
		return;
	case BTRFS_UUID_KEY_SUBVOL:
	case BTRFS_UUID_KEY_RECEIVED_SUBVOL:
		strbuf_addf(out, "0x%016" PRIx64, objectid);
		return;
	case BTRFS_DEV_ITEM_KEY:
		if (objectid == BTRFS_DEV_ITEMS_OBJECTID) {
			strbuf_add(out, "DEV_ITEMS");
			return;
		}
		break;
	case BTRFS_CHUNK_ITEM_KEY:
		if (objectid == BTRFS_FIRST_CHUNK_TREE_OBJECTID) {
			strbuf_add(out, "FIRST_CHUNK_TREE");
			return;
		}
		break;
	}
	for (size_t i = 0; i < ARRAY_LEN(objectid_names); i++) {
		if (objectid_names[i].objectid == objectid) {
			strbuf_add(out, objectid_names[i].name);
			return;
		}
	}
	strbuf_addf(out, "%" PRIu64, objectid);
}

/* "INODE_ITEM", "UNKNOWN.77". */
static void print_key_type(struct strbuf *out, uint64_t objectid, uint8_t type)
{
	const char *name = item_type_name(type);

	if (type == BTRFS_UNTYPED_KEY && objectid == BTRFS_FREE_SPACE_OBJECTID)
		strbuf_add(out, "UNTYPED");
	else if (name)
		strbuf_add(out, name);
	else
		strbuf_addf(out, "UNKNOWN.%u", type);
}

static void print_key_offset(struct strbuf *out, const struct key *key)
{
	switch (key->type) {
	case BTRFS_QGROUP_RELATION_KEY:
	case BTRFS_QGROUP_INFO_KEY:
	case BTRFS_QGROUP_LIMIT_KEY:
		print_qgroup_id(out, key->offset);
		return;
	case BTRFS_ROOT_ITEM_KEY:
		/* The relocation tree of a tree; else a generation, or all ones in a directory. */
		if (key->objectid == BTRFS_TREE_RELOC_OBJECTID)
			print_tree_name(out, key->offset);
		else
			strbuf_addf(out, "%" PRIu64, key->offset);
		return;
	default:
		if (type_is_uuid(key->type))
			strbuf_addf(out, "0x%016" PRIx64, key->offset);
		else if (key->offset == UINT64_MAX)
			strbuf_add(out, "-1");
		else
			strbuf_addf(out, "%" PRIu64, key->offset);
	}
}

void print_key(struct strbuf *out, const struct key *key)
{
	strbuf_add(out, "key (");
	print_objectid(out, key->objectid, key->type);
	strbuf_add(out, " ");
	print_key_type(out, key->objectid, key->type);
	strbuf_add(out, " ");
	print_key_offset(out, key);
	strbuf_add(out, ")");
}
