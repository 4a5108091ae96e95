/*
 * uuid_tree: from a uuid to the subvolumes that have it.
 *
 * The key holds the uuid (its halves as objectid and offset), the item one or more subvolume ids of
 * 8 bytes each (several subvolumes may have been received from one). Locks: none of its own.
 */
#include <inttypes.h>

#include "root/root_priv.h"

#define UUID_MAX_IDS 128u

static int uuid_tree_get(struct txn *txn, struct root_table *table, struct tree **ret_tree)
{
	struct root *root;
	int err = root_get(table, BTRFS_UUID_TREE_OBJECTID, &root);

	if (err == -ERR_NOT_FOUND)
		err = root_create(txn, table, BTRFS_UUID_TREE_OBJECTID, NULL, &root);
	TRY(err);
	*ret_tree = &root->tree;
	return 0;
}

int uuid_tree_add(struct txn *txn, struct root_table *table, const uint8_t uuid[16], uint8_t type,
		  uint64_t subvolid)
{
	struct key key = KEY(load64(uuid), type, load64(uuid + 8));
	uint8_t ids[(UUID_MAX_IDS + 1) * sizeof(uint64_t)];
	struct tree *tree;
	uint32_t len = 0;
	int err;

	ASSERT(type == BTRFS_UUID_KEY_SUBVOL || type == BTRFS_UUID_KEY_RECEIVED_SUBVOL);
	TRY(uuid_tree_get(txn, table, &tree));
	err = tree_lookup(tree, &key, ids, sizeof(ids), &len);
	if (err == -ERR_KEY_NOT_FOUND) {
		store64(ids, subvolid);
		return tree_insert(txn, tree, &key, ids, sizeof(uint64_t));
	}
	TRY(err);
	CORRUPT_IF(len % sizeof(uint64_t), "an item of the uuid tree has %u bytes", len);
	if (len > UUID_MAX_IDS * sizeof(uint64_t))
		return THROW(ERR_LIMIT, "more than %u subvolumes have one uuid", UUID_MAX_IDS);
	for (uint32_t at = 0; at < len; at += sizeof(uint64_t))
		if (load64(ids + at) == subvolid)
			return 0;
	store64(ids + len, subvolid);
	return tree_replace(txn, tree, &key, ids, len + sizeof(uint64_t));
}
