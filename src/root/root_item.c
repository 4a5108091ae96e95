/*
 * root_item: ROOT_ITEMs of the root tree, to and from struct root.
 *
 * Facts: an old item ends before generation_v2; a newer one whose generation_v2 differs from its
 * generation was last written by an old kernel, and then nothing behind generation_v2 counts. Both
 * are brought to the full size with zeroes, and written in full. Of several items of one id
 * (snapshots keep the generation in the key) the last one counts.
 * Locks: none; the caller holds RANK_ROOT_TABLE where the struct root is shared.
 */
#include <inttypes.h>

#include "root/root_priv.h"

static struct key root_item_key(const struct root *root)
{
	return KEY(root->objectid, BTRFS_ROOT_ITEM_KEY, root->item_offset);
}

/*
 * Copies what a cursor stands on; the part that old kernels did not know becomes zero where it
 * does not count.
 */
static int root_item_copy(const struct cursor *cursor, uint8_t item[ROOT_ITEM_SIZE])
{
	struct key key = cursor_key(cursor);
	uint32_t len = cursor_len(cursor);

	CORRUPT_IF(len != ROOT_ITEM_SIZE && len != ROOT_ITEM_LEGACY_SIZE,
		   "root item of tree %" PRIu64 " has %u bytes", key.objectid, len);
	memset(item, 0, ROOT_ITEM_SIZE);
	memcpy(item, cursor_data(cursor), len);
	if (root_item_generation_v2(item) != root_item_generation(item)) {
		memset(item + ROOT_ITEM_LEGACY_SIZE, 0, ROOT_ITEM_SIZE - ROOT_ITEM_LEGACY_SIZE);
		root_item_set_generation_v2(item, root_item_generation(item));
	}
	CORRUPT_IF(root_item_level(item) >= TREE_MAX_LEVEL,
		   "root item of tree %" PRIu64 " has level %u", key.objectid,
		   root_item_level(item));
	return 0;
}

int root_item_read(struct tree *root_tree, uint64_t objectid, uint8_t item[ROOT_ITEM_SIZE],
		   uint64_t *ret_offset)
{
	struct key last = KEY(objectid, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);
	SCOPED(cursor) struct cursor cursor;
	uint8_t copy[ROOT_ITEM_SIZE];
	struct key key;
	int err;

	cursor_init(&cursor, root_tree);
	err = cursor_seek_le(&cursor, &last);
	if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_NOT_FOUND, "there is no tree %" PRIu64, objectid);
	TRY(err);
	key = cursor_key(&cursor);
	if (key.objectid != objectid || key.type != BTRFS_ROOT_ITEM_KEY)
		return THROW(ERR_NOT_FOUND, "there is no tree %" PRIu64, objectid);
	TRY(root_item_copy(&cursor, copy));
	memcpy(item, copy, ROOT_ITEM_SIZE);
	*ret_offset = key.offset;
	return 0;
}

bool root_item_follow_tree(struct root *root)
{
	uint8_t *item = root->item;
	uint8_t before[ROOT_ITEM_SIZE];

	memcpy(before, item, sizeof(before));
	rwlock_read(&root->tree.root_lock);
	root_item_set_bytenr(item, root->tree.root_addr);
	root_item_set_level(item, root->tree.root_level);
	root_item_set_generation(item, root->tree.root_generation);
	root_item_set_generation_v2(item, root->tree.root_generation);
	rwlock_unread(&root->tree.root_lock);
	root_item_set_bytes_used(item, atomic_load(&root->used_bytes));
	return memcmp(before, item, sizeof(before)) != 0;
}

int root_item_write(struct txn *txn, struct tree *root_tree, struct root *root)
{
	struct key key = root_item_key(root);
	int err;

	ASSERT(root->has_item);
	err = tree_replace(txn, root_tree, &key, root->item, ROOT_ITEM_SIZE);
	if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_CORRUPT, "the root item of tree %" PRIu64 " is gone",
			     root->objectid);
	return err;
}
