/*
 * Removing items: one, or a range, a leaf at a time.
 *
 * Removing from behind the first item of a changeable leaf needs the leaf alone. A new first key,
 * and a leaf that becomes empty, need the path: emptied nodes are given up with every ancestor that
 * had no other child; only the root stays, as an empty leaf. What became sparse is joined with its
 * neighbours by rebalance.c afterwards, in a pass of its own.
 */
#include "tree/tree_priv.h"

struct removal {
	const struct key *first, *last;
	uint64_t nr_removed;
	struct key next; /* where the next round begins */
	bool more;	 /* there may be items left in the range */
	bool sparse;	 /* something on the way to first should be joined */
};

/* Items of the leaf from the cursor's slot that are in the range. */
static unsigned count_in_range(const struct cursor *cursor, const struct key *last)
{
	const uint8_t *leaf = cursor->leaf->data;
	unsigned nr = node_nritems(leaf), low = cursor->slot, high = nr;

	/* The first slot with a key beyond last. */
	while (low < high) {
		unsigned middle = (low + high) / 2;
		struct key key = leaf_key(leaf, middle);

		if (key_compare(&key, last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - cursor->slot;
}

/* Every node of the path has one child: the whole tree becomes the leaf, without items. */
static int become_empty(struct cursor *cursor)
{
	struct tree *tree = cursor->tree;
	struct node *leaf = cursor->leaf;

	ASSERT(cursor->root_locked);
	leaf_remove_raw(tree_geometry(tree), leaf->data, 0, node_nritems(leaf->data));
	tree_root_change(tree, leaf, cursor->txn->generation);
	for (unsigned level = 1; level <= cursor->root_level; level++) {
		struct node *node = cursor->path[level];

		cursor->path[level] = NULL;
		TRY(node_give_up(cursor->txn, tree, node, false));
	}
	cursor->root_level = 0;
	return 0;
}

/*
 * Gives up the leaf, all of whose items go, and the ancestors that would be left without a
 * child.
 */
static int drop_leaf(struct cursor *cursor, bool *ret_sparse)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	unsigned level = 1;
	struct node *parent;

	while (level <= cursor->root_level && node_nritems(cursor->path[level]->data) == 1)
		level++;
	if (level > cursor->root_level)
		return become_empty(cursor);
	parent = cursor->path[level];
	node_remove_ptrs_raw(parent->data, cursor->path_slot[level], 1);
	if (cursor->path_slot[level] == 0)
		path_fix_key(cursor, (uint8_t)level);
	*ret_sparse = level == cursor->root_level ? node_nritems(parent->data) == 1 :
						    node_is_sparse(geometry, parent);
	cursor->leaf = NULL;
	while (level-- > 0) {
		struct node *node = cursor->path[level];

		cursor->path[level] = NULL;
		TRY(node_give_up(cursor->txn, cursor->tree, node, false));
	}
	return 0;
}

/* Removes nr items at the cursor's slot; the path is held if that needs it. */
static int remove_items(struct cursor *cursor, unsigned nr, struct removal *removal)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	uint8_t *leaf = cursor->leaf->data;

	if (nr == node_nritems(leaf) && !cursor_leaf_is_root(cursor))
		return drop_leaf(cursor, &removal->sparse);
	leaf_remove_raw(geometry, leaf, cursor->slot, nr);
	if (cursor->slot == 0 && node_nritems(leaf) > 0)
		path_fix_key(cursor, 0);
	removal->sparse = !cursor_leaf_is_root(cursor) && node_is_sparse(geometry, cursor->leaf);
	return 0;
}

/* What comes after the items found in this leaf. */
static void plan_next(const struct cursor *cursor, unsigned nr, struct removal *removal)
{
	removal->more = cursor->slot + nr == node_nritems(cursor->leaf->data) &&
			cursor->has_bound && key_compare(&cursor->bound, removal->last) <= 0;
	removal->next = cursor->bound;
}

static int remove_round(struct cursor *cursor, const struct key *from, struct removal *removal)
{
	unsigned nr;
	bool exact;
	int ret;

	removal->sparse = false;
	TRY(search_leaf(cursor, from, true, &exact));
	nr = count_in_range(cursor, removal->last);
	if (nr > 0 && !(node_is_changeable(cursor->leaf, cursor->txn->generation) &&
			(cursor->slot > 0 || cursor_leaf_is_root(cursor)))) {
		cursor_release(cursor);
		TRY(search_path(cursor, from, INTENT_REMOVE, 0, 0, &exact));
		nr = count_in_range(cursor, removal->last);
	}
	plan_next(cursor, nr, removal);
	if (nr == 0)
		return 0;
	ret = remove_items(cursor, nr, removal);
	removal->nr_removed += nr;
	return ret;
}

static int remove_range(struct txn *txn, struct tree *tree, struct removal *removal)
{
	SCOPED(cursor) struct cursor cursor;
	struct key from = *removal->first;

	cursor_begin(&cursor, txn, tree);
	TRY(txn_check(txn));
	do {
		/* Each round begins at a greater key than the one before. */
		TRY(remove_round(&cursor, &from, removal));
		cursor_release(&cursor);
		if (removal->sparse)
			TRY(tree_rebalance(txn, tree, &from));
		ASSERT(!removal->more || key_compare(&from, &removal->next) < 0);
		from = removal->next;
	} while (removal->more);
	return 0;
}

int tree_remove_range(struct txn *txn, struct tree *tree, const struct key *first,
		      const struct key *last, uint64_t *ret_nr)
{
	struct removal removal = { .first = first, .last = last };

	ASSERT(key_compare(first, last) <= 0);
	TRY(remove_range(txn, tree, &removal));
	*ret_nr = removal.nr_removed;
	return 0;
}

int tree_remove(struct txn *txn, struct tree *tree, const struct key *key)
{
	struct removal removal = { .first = key, .last = key };

	TRY(remove_range(txn, tree, &removal));
	return removal.nr_removed ? 0 : -ERR_KEY_NOT_FOUND;
}
