/*
 * Cursors: positions in leaves, for reading and for editing one item in place.
 *
 * A positioned cursor holds its leaf locked. At the end of a leaf the next one is found by seeking
 * the bound, the first key to the right that the parents named: no lock is taken sideways, and a
 * tree that changes in between does no harm. The bound grows with every step, so every walk ends.
 * A write cursor whose item is the first of its leaf also holds the path up to where that key is
 * repeated, so that cursor_rekey can follow.
 */
#include "tree/tree_priv.h"

void cursor_init(struct cursor *cursor, struct tree *tree)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->tree = tree;
}

void cursor_begin(struct cursor *cursor, struct txn *txn, struct tree *tree)
{
	cursor_init(cursor, tree);
	cursor->txn = txn;
}

void path_hold(struct cursor *cursor, uint8_t level, struct node *node)
{
	ASSERT(!cursor->path[level]);
	rwlock_write(&node->lock);
	cursor->path[level] = node;
	cursor->writing = true;
}

void path_release_above(struct cursor *cursor, uint8_t level)
{
	for (unsigned i = level + 1u; i < TREE_MAX_LEVEL && cursor->path[i]; i++) {
		node_unlock_put(cursor->path[i]);
		cursor->path[i] = NULL;
	}
	if (cursor->root_locked) {
		rwlock_unwrite(&cursor->tree->root_lock);
		cursor->root_locked = false;
	}
}

void cursor_release(struct cursor *cursor)
{
	struct node *leaf = cursor->leaf;

	/* Levels of a path that ended early need not reach the leaf. */
	for (unsigned i = 0; i < TREE_MAX_LEVEL; i++) {
		if (!cursor->path[i])
			continue;
		if (cursor->path[i] == leaf)
			leaf = NULL;
		node_unlock_put(cursor->path[i]);
		cursor->path[i] = NULL;
	}
	if (leaf) {
		/* Either mode: the lock knows. */
		rwlock_unread(&leaf->lock);
		node_put(leaf);
	}
	if (cursor->root_locked) {
		rwlock_unwrite(&cursor->tree->root_lock);
		cursor->root_locked = false;
	}
	cursor->leaf = NULL;
	cursor->writing = false;
}

/* Makes the cursor's slot an item: crosses to the right while it is behind the last of its leaf. */
static int settle_right(struct cursor *cursor)
{
	while (cursor->slot >= node_nritems(cursor->leaf->data)) {
		struct key bound = cursor->bound;
		bool more = cursor->has_bound;
		bool writing = cursor->writing;
		bool exact;

		cursor_release(cursor);
		if (!more)
			return -ERR_KEY_NOT_FOUND;
		if (writing)
			TRY(search_path(cursor, &bound, INTENT_EDIT, 0, 0, &exact));
		else
			TRY(search_leaf(cursor, &bound, false, &exact));
	}
	return 0;
}

/* Does the leaf that the cursor holds cover the key? Nobody can change that while it is held. */
static bool leaf_covers(const struct cursor *cursor, const struct key *key)
{
	struct key first;

	if (!cursor->leaf || cursor->writing || node_nritems(cursor->leaf->data) == 0)
		return false;
	if (cursor->has_bound && key_compare(key, &cursor->bound) >= 0)
		return false;
	first = leaf_key(cursor->leaf->data, 0);
	return key_compare(key, &first) >= 0;
}

/* A reading cursor goes on from where it is: a key in its leaf costs no descent. */
static int seek_leaf(struct cursor *cursor, const struct key *key, bool *ret_exact)
{
	if (leaf_covers(cursor, key)) {
		*ret_exact = node_search(cursor->leaf->data, key, &cursor->slot);
		return 0;
	}
	cursor_release(cursor);
	return search_leaf(cursor, key, false, ret_exact);
}

int cursor_seek(struct cursor *cursor, const struct key *key, bool *ret_exact)
{
	bool exact;

	TRY(seek_leaf(cursor, key, &exact));
	if (!exact) {
		int ret = settle_right(cursor);

		if (ret < 0)
			return ret;
	}
	*ret_exact = exact;
	return 0;
}

/* Parents repeat first keys, so the last item <= key is in the key's own leaf, or nowhere. */
static int settle_le(struct cursor *cursor, bool exact)
{
	if (exact)
		return 0;
	if (cursor->slot == 0) {
		cursor_release(cursor);
		return -ERR_KEY_NOT_FOUND;
	}
	cursor->slot--;
	return 0;
}

int cursor_seek_le(struct cursor *cursor, const struct key *key)
{
	bool exact;

	TRY(seek_leaf(cursor, key, &exact));
	return settle_le(cursor, exact);
}

int cursor_next(struct cursor *cursor)
{
	ASSERT(cursor->leaf && cursor->slot < node_nritems(cursor->leaf->data));
	cursor->slot++;
	return settle_right(cursor);
}

struct key cursor_key(const struct cursor *cursor)
{
	ASSERT(cursor->leaf && cursor->slot < node_nritems(cursor->leaf->data));
	return leaf_key(cursor->leaf->data, cursor->slot);
}

const uint8_t *cursor_data(const struct cursor *cursor)
{
	ASSERT(cursor->leaf && cursor->slot < node_nritems(cursor->leaf->data));
	return leaf_item_data(cursor->leaf->data, cursor->slot);
}

uint32_t cursor_len(const struct cursor *cursor)
{
	ASSERT(cursor->leaf && cursor->slot < node_nritems(cursor->leaf->data));
	return leaf_item_len(cursor->leaf->data, cursor->slot);
}

int tree_lookup(struct tree *tree, const struct key *key, void *data, size_t capacity,
		uint32_t *ret_len)
{
	SCOPED(cursor) struct cursor cursor;
	uint32_t len;
	bool exact;

	cursor_init(&cursor, tree);
	TRY(search_leaf(&cursor, key, false, &exact));
	if (!exact)
		return -ERR_KEY_NOT_FOUND;
	len = cursor_len(&cursor);
	if (capacity)
		memcpy(data, cursor_data(&cursor), MIN(capacity, (size_t)len));
	*ret_len = len;
	return 0;
}

/* One try to position for editing; *ret_ready false: the leaf was split, search again. */
static int seek_edit_once(struct cursor *cursor, const struct key *key, uint32_t extra,
			  bool *ret_ready)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	bool exact;
	int ret;

	*ret_ready = true;
	TRY(search_leaf(cursor, key, true, &exact));
	ret = settle_le(cursor, exact);
	if (ret < 0)
		return ret;
	if (node_is_changeable(cursor->leaf, cursor->txn->generation) &&
	    leaf_free_bytes(geometry, cursor->leaf->data) >= extra &&
	    (cursor->slot > 0 || cursor_leaf_is_root(cursor)))
		return 0;
	cursor_release(cursor);
	TRY(search_path(cursor, key, INTENT_EDIT, extra, 0, &exact));
	ret = settle_le(cursor, exact);
	if (ret < 0 || leaf_free_bytes(geometry, cursor->leaf->data) >= extra)
		return ret;
	if (extra > geometry_max_item(geometry) - cursor_len(cursor))
		return THROW(ERR_ITEM_TOO_BIG, "an item of %u bytes cannot grow by %u",
			     cursor_len(cursor), extra);
	*ret_ready = false;
	ret = leaf_make_room(cursor, extra, true);
	cursor_release(cursor);
	return ret;
}

int cursor_seek_le_write(struct txn *txn, struct cursor *cursor, const struct key *key,
			 uint32_t extra_bytes)
{
	bool ready;

	TRY(txn_check(txn));
	cursor_release(cursor);
	cursor->txn = txn;
	for (unsigned round = 0; round < TREE_ROUNDS_MAX; round++) {
		int ret = seek_edit_once(cursor, key, extra_bytes, &ready);

		if (ret < 0) {
			cursor_release(cursor);
			return ret;
		}
		if (ready)
			return 0;
	}
	return THROW(ERR_LIMIT, "the tree changes too fast for a cursor");
}

int cursor_seek_write(struct txn *txn, struct cursor *cursor, const struct key *key)
{
	struct key is;
	int ret = cursor_seek_le_write(txn, cursor, key, 0);

	if (ret < 0)
		return ret;
	is = cursor_key(cursor);
	if (key_equal(&is, key))
		return 0;
	cursor_release(cursor);
	return -ERR_KEY_NOT_FOUND;
}

uint8_t *cursor_data_mut(struct cursor *cursor)
{
	ASSERT(cursor->leaf && cursor->writing);
	ASSERT_SLOW(node_is_changeable(cursor->leaf, cursor->txn->generation));
	return leaf_item_data_mut(cursor->leaf->data, cursor->slot);
}

int cursor_resize(struct cursor *cursor, uint32_t new_len)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	uint32_t old_len = cursor_len(cursor);

	ASSERT(cursor->writing);
	if (new_len > old_len && new_len - old_len > leaf_free_bytes(geometry, cursor->leaf->data))
		return THROW(ERR_ITEM_TOO_BIG, "no room for %u bytes more at the cursor",
			     new_len - old_len);
	leaf_resize_raw(geometry, cursor->leaf->data, cursor->slot, new_len, false);
	if (new_len > old_len)
		memset(cursor_data_mut(cursor) + old_len, 0, new_len - old_len);
	return 0;
}

/* Strictly between the items beside it, and left of the next leaf. */
static bool key_fits(const struct cursor *cursor, const struct key *key)
{
	const uint8_t *data = cursor->leaf->data;
	struct key beside;

	if (cursor->slot > 0) {
		beside = leaf_key(data, cursor->slot - 1);
		if (key_compare(&beside, key) >= 0)
			return false;
	}
	if (cursor->slot + 1 < node_nritems(data)) {
		beside = leaf_key(data, cursor->slot + 1);
		return key_compare(key, &beside) < 0;
	}
	return !cursor->has_bound || key_compare(key, &cursor->bound) < 0;
}

int cursor_rekey(struct cursor *cursor, const struct key *key)
{
	struct key old = cursor_key(cursor);

	ASSERT(cursor->writing);
	if (!key_fits(cursor, key))
		return THROW(ERR_INVALID,
			     "key (%llu %u %llu) does not fit in the place of (%llu %u %llu)",
			     (unsigned long long)key->objectid, key->type,
			     (unsigned long long)key->offset, (unsigned long long)old.objectid,
			     old.type, (unsigned long long)old.offset);
	leaf_set_key(cursor->leaf->data, cursor->slot, key);
	if (cursor->slot == 0)
		path_fix_key(cursor, 0);
	return 0;
}
