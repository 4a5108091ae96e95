/*
 * root_create: new trees, dropped trees, and the list of subvolumes.
 *
 * A tree is created in one step: leaf, struct root, root item. Lock: RANK_ROOT_TABLE.
 */
#include <inttypes.h>

#include "root/root_priv.h"

static int root_must_be_new(struct root_table *table, uint64_t objectid)
{
	uint8_t item[ROOT_ITEM_SIZE];
	uint64_t offset;
	int err = -ERR_NOT_FOUND;

	if (!root_peek_locked(table, objectid) && root_tree_of(table)->root_addr)
		err = root_item_read(root_tree_of(table), objectid, item, &offset);
	else if (root_peek_locked(table, objectid))
		err = 0;
	if (err == 0)
		return THROW(ERR_EXISTS, "tree %" PRIu64 " exists", objectid);
	return err == -ERR_NOT_FOUND ? 0 : err;
}

static int root_insert_item(struct txn *txn, struct root_table *table, struct root *root)
{
	struct key key = KEY(root->objectid, BTRFS_ROOT_ITEM_KEY, root->item_offset);

	TRY(tree_create_root(txn, &root->tree));
	(void)root_item_follow_tree(root);
	return tree_insert(txn, root_tree_of(table), &key, root->item, ROOT_ITEM_SIZE);
}

static int root_create_locked(struct txn *txn, struct root_table *table, uint64_t objectid,
			      const uint8_t *item, struct root **ret_root)
{
	struct root *root;
	int err;

	TRY(root_must_be_new(table, objectid));
	TRY(root_add_locked(table, objectid, &root));
	if (item)
		memcpy(root->item, item, ROOT_ITEM_SIZE);
	else
		root_item_set_refs(root->item, 1);
	/* Who makes a tree is alone; its policies find it on the way. */
	root_publish_locked(table, root);
	err = root_insert_item(txn, table, root);
	if (err < 0) {
		/*
		 * A leaf may have been made: the transaction cannot go on (the caller aborts
		 * it).
		 */
		root_forget_locked(table, root);
		return err;
	}
	*ret_root = root;
	return 0;
}

int root_create(struct txn *txn, struct root_table *table, uint64_t objectid, const uint8_t *item,
		struct root **ret_root)
{
	int err;

	ASSERT(objectid != BTRFS_ROOT_TREE_OBJECTID && objectid != BTRFS_CHUNK_TREE_OBJECTID);
	mutex_lock(&table->lock);
	err = root_create_locked(txn, table, objectid, item, ret_root);
	mutex_unlock(&table->lock);
	return err;
}

int root_drop(struct txn *txn, struct root_table *table, struct root *root)
{
	struct key key = KEY(root->objectid, BTRFS_ROOT_ITEM_KEY, root->item_offset);
	int err;

	ASSERT(root->has_item);
	mutex_lock(&table->lock);
	err = tree_remove(txn, root_tree_of(table), &key);
	if (err == 0)
		root_forget_locked(table, root);
	mutex_unlock(&table->lock);
	return err;
}

int root_next_id(struct root_table *table, uint64_t *ret_objectid)
{
	struct key last = KEY(BTRFS_LAST_FREE_OBJECTID, UINT8_MAX, UINT64_MAX);
	SCOPED(cursor) struct cursor cursor;
	uint64_t objectid = 0;
	int err;

	cursor_init(&cursor, root_tree_of(table));
	err = cursor_seek_le(&cursor, &last);
	if (err == 0)
		objectid = cursor_key(&cursor).objectid;
	else if (err != -ERR_KEY_NOT_FOUND)
		return err;
	if (objectid >= BTRFS_LAST_FREE_OBJECTID)
		return THROW(ERR_LIMIT, "all subvolume ids are used up");
	*ret_objectid = MAX(objectid + 1, BTRFS_FIRST_FREE_OBJECTID);
	return 0;
}

/* The first subvolume with an id >= *objectid; false when there is none. */
static int root_next_subvolume(struct root_table *table, uint64_t *objectid, bool *ret_found)
{
	struct key from = KEY(*objectid, BTRFS_ROOT_ITEM_KEY, 0);
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	cursor_init(&cursor, root_tree_of(table));
	err = cursor_seek(&cursor, &from, &exact);
	while (err == 0) {
		struct key key = cursor_key(&cursor);

		if (key.objectid > BTRFS_LAST_FREE_OBJECTID)
			break;
		if (key.type == BTRFS_ROOT_ITEM_KEY && root_id_is_subvolume(key.objectid)) {
			*objectid = key.objectid;
			*ret_found = true;
			return 0;
		}
		err = cursor_next(&cursor);
	}
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_found = false;
	return 0;
}

int root_each_subvolume(struct root_table *table, int (*visit)(void *ctx, uint64_t objectid),
			void *ctx)
{
	uint64_t objectid = BTRFS_FS_TREE_OBJECTID;

	/* No lock is held while visiting; the ids only rise, so that it ends. */
	for (;;) {
		bool found;
		int ret;

		TRY(root_next_subvolume(table, &objectid, &found));
		if (!found)
			return 0;
		ret = visit(ctx, objectid);
		if (ret)
			return ret;
		objectid++;
	}
}
