/*
 * Inserting and replacing items.
 *
 * A round: search the leaf, put in as many items as belong there (keys below the bound) and fit;
 * when none did, make room in one step and search again. Consecutive items of one gap go in with
 * one move. A new first key of a leaf and a full leaf need the path; everything else needs the leaf
 * alone.
 */
#include "tree/tree_priv.h"

/* Also for those who expected it not to be: the sentence says where. */
static int key_exists(const struct cursor *cursor, const struct key *key)
{
	return THROW(ERR_KEY_EXISTS, "tree %llu has the key (%llu %u %llu) already, in block %llu",
		     (unsigned long long)cursor->tree->objectid, (unsigned long long)key->objectid,
		     key->type, (unsigned long long)key->offset,
		     (unsigned long long)cursor->leaf->addr);
}

/* How many of the items fit into free_bytes and lie before limit (NULL: no limit). */
static unsigned count_fitting(const struct tree_item *items, size_t nr, uint32_t free_bytes,
			      const struct key *limit)
{
	unsigned count = 0;

	while (count < nr && count < TREE_BATCH) {
		const struct tree_item *item = &items[count];

		if (limit && key_compare(&item->key, limit) >= 0)
			break;
		if (free_bytes < ITEM_SIZE || item->len_bytes > free_bytes - ITEM_SIZE)
			break;
		free_bytes -= ITEM_SIZE + item->len_bytes;
		count++;
	}
	return count;
}

static void write_data(uint8_t *to, const struct tree_item *item)
{
	if (item->data)
		memcpy(to, item->data, item->len_bytes);
	else
		memset(to, 0, item->len_bytes);
}

static void put_items(const struct geometry *geometry, uint8_t *leaf, unsigned slot,
		      const struct tree_item *items, unsigned nr)
{
	struct key keys[TREE_BATCH];
	uint32_t lens[TREE_BATCH];

	ASSERT(nr > 0 && nr <= TREE_BATCH);
	if (nr == 1) {
		write_data(leaf_insert_raw(geometry, leaf, slot, &items->key, items->len_bytes),
			   items);
		return;
	}
	for (unsigned i = 0; i < nr; i++) {
		keys[i] = items[i].key;
		lens[i] = items[i].len_bytes;
	}
	leaf_insert_many_raw(geometry, leaf, slot, keys, lens, nr);
	for (unsigned i = 0; i < nr; i++)
		write_data(leaf_item_data_mut(leaf, slot + i), &items[i]);
}

/* The first key that the next item must stay below: of the item at slot, or of the next leaf. */
static const struct key *gap_limit(const struct cursor *cursor, unsigned slot, struct key *storage)
{
	if (slot < node_nritems(cursor->leaf->data)) {
		*storage = leaf_key(cursor->leaf->data, slot);
		return storage;
	}
	return cursor->has_bound ? &cursor->bound : NULL;
}

/*
 * Fills the positioned, changeable leaf: starts at the cursor's slot, whose key is not the first
 * item's, and goes on as far as keys and room allow. *ret_nr counts also when it fails.
 */
static int leaf_fill(struct cursor *cursor, const struct tree_item *items, size_t nr,
		     size_t *ret_nr)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	uint8_t *leaf = cursor->leaf->data;
	bool has_path = cursor_leaf_is_root(cursor) || cursor->path[1];
	unsigned slot = cursor->slot;
	size_t done = 0;

	*ret_nr = 0;
	while (done < nr) {
		struct key storage;
		unsigned run;

		if (slot == 0 && node_nritems(leaf) > 0 && !has_path)
			break;
		run = count_fitting(items + done, nr - done, leaf_free_bytes(geometry, leaf),
				    gap_limit(cursor, slot, &storage));
		if (run == 0)
			break;
		put_items(geometry, leaf, slot, items + done, run);
		if (slot == 0)
			path_fix_key(cursor, 0);
		done += run;
		*ret_nr = done;
		if (done == nr ||
		    (cursor->has_bound && key_compare(&items[done].key, &cursor->bound) >= 0))
			break;
		if (node_search(leaf, &items[done].key, &slot))
			return key_exists(cursor, &items[done].key);
	}
	return 0;
}

/*
 * Full leaf, new item behind its end or before its beginning: a new leaf with as many of the
 * items as belong there.
 */
static int leaf_start(struct cursor *cursor, const struct tree_item *items, size_t nr, bool after,
		      size_t *ret_nr)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	struct key storage;
	const struct key *limit = gap_limit(cursor, after ? cursor->slot : 0, &storage);
	struct node *leaf;
	unsigned count = 0, run;

	TRY(path_make_room(cursor, 1));
	TRY(node_new(cursor->txn, cursor->tree, 0, cursor->leaf->addr, &leaf));
	do {
		run = count_fitting(items + count, nr - count,
				    leaf_free_bytes(geometry, leaf->data), limit);
		if (run == 0)
			break;
		put_items(geometry, leaf->data, count, items + count, run);
		count += run;
	} while (run == TREE_BATCH);
	ASSERT(count > 0);
	path_link(cursor, 0, leaf, after);
	node_unlock_put(leaf);
	*ret_nr = count;
	return 0;
}

/* The leaf is full for the first item; the path is held. */
static int make_room(struct cursor *cursor, const struct tree_item *items, size_t nr,
		     size_t *ret_nr)
{
	unsigned nr_items = node_nritems(cursor->leaf->data);

	ASSERT(nr_items > 0);
	if (cursor->slot == nr_items)
		return leaf_start(cursor, items, nr, true, ret_nr);
	if (cursor->slot == 0 && nr_items == 1)
		return leaf_start(cursor, items, nr, false, ret_nr);
	return leaf_make_room(cursor, ITEM_SIZE + items->len_bytes, false);
}

static int insert_round(struct cursor *cursor, const struct tree_item *items, size_t nr,
			size_t *ret_nr)
{
	bool exact;
	int ret = 0;

	TRY(search_leaf(cursor, &items->key, true, &exact));
	if (exact)
		return key_exists(cursor, &items->key);
	if (node_is_changeable(cursor->leaf, cursor->txn->generation)) {
		ret = leaf_fill(cursor, items, nr, ret_nr);
		if (ret < 0 || *ret_nr > 0)
			return ret;
	}
	cursor_release(cursor);
	TRY(search_path(cursor, &items->key, INTENT_INSERT, ITEM_SIZE + items->len_bytes, 0,
			&exact));
	if (exact)
		return key_exists(cursor, &items->key);
	ret = leaf_fill(cursor, items, nr, ret_nr);
	if (ret < 0 || *ret_nr > 0)
		return ret;
	return make_room(cursor, items, nr, ret_nr);
}

static int too_big(const struct key *key, uint32_t len)
{
	return THROW(ERR_ITEM_TOO_BIG, "item (%llu %u %llu) of %u bytes",
		     (unsigned long long)key->objectid, key->type, (unsigned long long)key->offset,
		     len);
}

int tree_insert_many(struct txn *txn, struct tree *tree, const struct tree_item *items, size_t nr,
		     size_t *ret_done)
{
	SCOPED(cursor) struct cursor cursor;
	uint32_t max = geometry_max_item(tree_geometry(tree));
	size_t done = 0, nr_in;
	unsigned idle = 0;

	cursor_begin(&cursor, txn, tree);
	*ret_done = 0;
	TRY(txn_check(txn));
	while (done < nr) {
		int ret;

		ASSERT_SLOW(done == 0 || key_compare(&items[done - 1].key, &items[done].key) < 0);
		if (items[done].len_bytes > max)
			return too_big(&items[done].key, items[done].len_bytes);
		nr_in = 0;
		ret = insert_round(&cursor, items + done, nr - done, &nr_in);
		cursor_release(&cursor);
		done += nr_in;
		*ret_done = done;
		if (ret < 0)
			return ret;
		idle = nr_in ? 0 : idle + 1;
		if (idle > TREE_ROUNDS_MAX)
			return THROW(ERR_LIMIT, "no room made in tree %llu in %u rounds",
				     (unsigned long long)tree->objectid, TREE_ROUNDS_MAX);
	}
	return 0;
}

int tree_insert(struct txn *txn, struct tree *tree, const struct key *key, const void *data,
		uint32_t len)
{
	struct tree_item item = { .key = *key, .data = data, .len_bytes = len };
	size_t done;

	return tree_insert_many(txn, tree, &item, 1, &done);
}

/* Puts the new contents in if the leaf has room. */
static bool replace_here(struct cursor *cursor, const struct tree_item *item)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	uint8_t *leaf = cursor->leaf->data;
	uint32_t old_len = cursor_len(cursor);

	if (item->len_bytes > old_len &&
	    item->len_bytes - old_len > leaf_free_bytes(geometry, leaf))
		return false;
	if (item->len_bytes != old_len)
		leaf_resize_raw(geometry, leaf, cursor->slot, item->len_bytes, false);
	write_data(leaf_item_data_mut(leaf, cursor->slot), item);
	return true;
}

static int replace_round(struct cursor *cursor, const struct tree_item *item, bool *ret_done)
{
	uint32_t growth;
	bool exact;

	*ret_done = true;
	TRY(search_leaf(cursor, &item->key, true, &exact));
	if (!exact)
		return -ERR_KEY_NOT_FOUND;
	if (node_is_changeable(cursor->leaf, cursor->txn->generation) && replace_here(cursor, item))
		return 0;
	growth = item->len_bytes > cursor_len(cursor) ? item->len_bytes - cursor_len(cursor) : 0;
	cursor_release(cursor);
	TRY(search_path(cursor, &item->key, INTENT_INSERT, growth, 0, &exact));
	if (!exact)
		return -ERR_KEY_NOT_FOUND;
	if (replace_here(cursor, item))
		return 0;
	*ret_done = false;
	growth = item->len_bytes - cursor_len(cursor);
	return leaf_make_room(cursor, growth, true);
}

int tree_replace(struct txn *txn, struct tree *tree, const struct key *key, const void *data,
		 uint32_t len)
{
	SCOPED(cursor) struct cursor cursor;
	struct tree_item item = { .key = *key, .data = data, .len_bytes = len };
	bool done = false;

	cursor_begin(&cursor, txn, tree);
	TRY(txn_check(txn));
	if (len > geometry_max_item(tree_geometry(tree)))
		return too_big(key, len);
	for (unsigned round = 0; round < TREE_ROUNDS_MAX; round++) {
		int ret = replace_round(&cursor, &item, &done);

		cursor_release(&cursor);
		if (ret < 0)
			return ret;
		if (done)
			return 0;
	}
	return THROW(ERR_LIMIT, "no room made in tree %llu in %u rounds",
		     (unsigned long long)tree->objectid, TREE_ROUNDS_MAX);
}
