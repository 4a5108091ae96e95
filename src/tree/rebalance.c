/*
 * Rebalancing: one pass from the root to a key that joins sparse nodes with a neighbour, or evens
 * the two out, and takes away a root with a single child.
 *
 * Sparse is below a quarter; two nodes are joined when the result is at most seven eighths full, so
 * that the next insertion does not split it again, and evened out otherwise, so that neither is
 * sparse. Joining never touches the first pointer's key of a parent: of two neighbours only the
 * right one changes its first key or goes away. So a parent, its child and one neighbour are all
 * that is locked.
 */
#include "tree/tree_priv.h"

/* How full a node is, in bytes of a leaf or in pointers. */
static uint32_t node_fill(const struct geometry *geometry, const struct node *node)
{
	return node_level(node->data) ? node_nritems(node->data) :
					leaf_used_bytes(geometry, node->data);
}

static uint32_t node_room(const struct geometry *geometry, const struct node *node)
{
	return node_level(node->data) ? geometry_node_ptrs(geometry) :
					geometry_leaf_bytes(geometry);
}

bool node_is_sparse(const struct geometry *geometry, const struct node *node)
{
	return node_fill(geometry, node) < node_room(geometry, node) / 4;
}

/*
 * Moves nr items or pointers between two neighbours: the first of right to the end of left, or
 * the other way round.
 */
static void move_between(const struct geometry *geometry, uint8_t *left, uint8_t *right,
			 unsigned nr, bool to_left)
{
	unsigned nr_left = node_nritems(left);

	if (node_level(left) == 0) {
		if (to_left) {
			leaf_move_raw(geometry, right, 0, nr, left, nr_left);
			leaf_remove_raw(geometry, right, 0, nr);
		} else {
			leaf_move_raw(geometry, left, nr_left - nr, nr, right, 0);
			leaf_remove_raw(geometry, left, nr_left - nr, nr);
		}
	} else if (to_left) {
		node_move_ptrs_raw(geometry, right, 0, nr, left, nr_left);
		node_remove_ptrs_raw(right, 0, nr);
	} else {
		node_move_ptrs_raw(geometry, left, nr_left - nr, nr, right, 0);
		node_remove_ptrs_raw(left, nr_left - nr, nr);
	}
}

/*
 * How many entries of the fuller node to move so that both are about even; the last one always
 * stays.
 */
static unsigned count_even(const struct geometry *geometry, const struct node *from,
			   const struct node *to, bool from_end)
{
	uint32_t half = (node_fill(geometry, from) - node_fill(geometry, to)) / 2;
	unsigned nr = node_nritems(from->data), count = 0;
	uint32_t moved = 0;

	if (node_level(from->data))
		return half;
	while (count + 1 < nr) {
		moved += ITEM_SIZE + leaf_item_len(from->data, from_end ? nr - 1 - count : count);
		if (moved > half)
			break;
		count++;
	}
	return count;
}

static void even_out(struct cursor *cursor, struct node *parent, unsigned right_slot,
		     struct node *left, struct node *right)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	bool to_left = node_fill(geometry, right) > node_fill(geometry, left);
	unsigned nr = to_left ? count_even(geometry, right, left, false) :
				count_even(geometry, left, right, true);
	struct key first;

	move_between(geometry, left->data, right->data, nr, to_left);
	first = node_slot_key(right->data, 0);
	node_set_key(parent->data, right_slot, &first);
}

/*
 * Joins or evens out the child held at level with the neighbour; leaves the path on the node
 * that has key.
 */
static int join(struct cursor *cursor, uint8_t level, struct node *neighbour, bool is_right,
		const struct key *key)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	struct node *parent = cursor->path[level + 1];
	struct node *left = is_right ? cursor->path[level] : neighbour;
	struct node *right = is_right ? neighbour : cursor->path[level];
	unsigned right_slot = cursor->path_slot[level + 1] + (is_right ? 1 : 0);
	struct key first;

	if (node_fill(geometry, left) + node_fill(geometry, right) <=
	    node_room(geometry, left) / 8 * 7) {
		move_between(geometry, left->data, right->data, node_nritems(right->data), true);
		node_remove_ptrs_raw(parent->data, right_slot, 1);
		cursor->path[level] = left;
		cursor->path_slot[level + 1] = right_slot - 1;
		return node_give_up(cursor->txn, cursor->tree, right, false);
	}
	even_out(cursor, parent, right_slot, left, right);
	first = node_slot_key(right->data, 0);
	if (key_compare(key, &first) < 0) {
		cursor->path[level] = left;
		cursor->path_slot[level + 1] = right_slot - 1;
		node_unlock_put(right);
	} else {
		cursor->path[level] = right;
		cursor->path_slot[level + 1] = right_slot;
		node_unlock_put(left);
	}
	return 0;
}

/* The neighbour on one side of the child held at level, locked. */
static int neighbour_fetch(struct cursor *cursor, uint8_t level, bool is_right,
			   struct tree_miss *miss, struct node **ret_neighbour)
{
	struct node *parent = cursor->path[level + 1];
	unsigned slot = cursor->path_slot[level + 1] + (is_right ? 1 : -1u);
	struct node_expect expect;
	struct key first;
	int ret;

	expect = tree_child_expect(cursor->tree, parent, slot, &first);
	ret = tree_fetch(cursor->tree, node_child_addr(parent->data, slot), &expect, miss,
			 ret_neighbour);
	if (ret)
		return ret;
	lock_neighbour(cursor->path[level], *ret_neighbour, is_right);
	return 0;
}

/* A leaf with one great item: neither can it take another nor give a part. */
static bool is_stubborn(const struct geometry *geometry, const struct node *node,
			const struct node *neighbour)
{
	return node_level(node->data) == 0 && node_nritems(neighbour->data) == 1 &&
	       node_fill(geometry, node) + node_fill(geometry, neighbour) >
		       node_room(geometry, node) / 8 * 7;
}

/* The child held at level is sparse: finds a neighbour under the same parent. */
static int join_child(struct cursor *cursor, uint8_t level, const struct key *key,
		      struct tree_miss *miss)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	struct node *parent = cursor->path[level + 1];
	unsigned slot = cursor->path_slot[level + 1];
	bool is_right = slot + 1 < node_nritems(parent->data);
	struct node *neighbour;
	int ret;

	if (node_nritems(parent->data) == 1)
		return 0;
	ret = neighbour_fetch(cursor, level, is_right, miss, &neighbour);
	if (ret == 0 && is_right && slot > 0 &&
	    is_stubborn(geometry, cursor->path[level], neighbour)) {
		node_unlock_put(neighbour);
		is_right = false;
		ret = neighbour_fetch(cursor, level, is_right, miss, &neighbour);
	}
	if (ret)
		return ret;
	slot += is_right ? 1 : -1u;
	/*
	 * Copied even if it goes away at once: its references are then this tree's own, as those
	 * of its new place are.
	 */
	ret = node_make_changeable(cursor->txn, cursor->tree, parent, slot, &neighbour);
	if (ret < 0) {
		node_unlock_put(neighbour);
		return ret;
	}
	return join(cursor, level, neighbour, is_right, key);
}

/* The only child of the root, held below it, becomes the root. */
static int root_shrink(struct cursor *cursor)
{
	uint8_t level = cursor->root_level;
	struct node *root = cursor->path[level];

	ASSERT(cursor->root_locked && node_nritems(root->data) == 1);
	tree_root_change(cursor->tree, cursor->path[level - 1], cursor->txn->generation);
	cursor->root_level--;
	cursor->path[level] = NULL;
	return node_give_up(cursor->txn, cursor->tree, root, false);
}

/* Locks the child of the node held at level, joins it if it is sparse. */
static int step_down(struct cursor *cursor, uint8_t level, const struct key *key,
		     struct tree_miss *miss)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	struct node *parent = cursor->path[level], *child;
	struct node_expect expect;
	struct key first;
	int ret;

	cursor->path_slot[level] = node_child_slot(parent->data, key);
	expect = tree_child_expect(cursor->tree, parent, cursor->path_slot[level], &first);
	ret = tree_fetch(cursor->tree, node_child_addr(parent->data, cursor->path_slot[level]),
			 &expect, miss, &child);
	if (ret)
		return ret;
	path_hold(cursor, (uint8_t)(level - 1), child);
	TRY(path_make_changeable(cursor, (uint8_t)(level - 1)));
	if (node_is_sparse(geometry, cursor->path[level - 1])) {
		ret = join_child(cursor, (uint8_t)(level - 1), key, miss);
		if (ret)
			return ret;
	}
	if (level == cursor->root_level && node_nritems(parent->data) == 1)
		return root_shrink(cursor);
	path_release_above(cursor, (uint8_t)(level - 1));
	return 0;
}

static int rebalance_once(struct cursor *cursor, const struct key *key, struct tree_miss *miss)
{
	struct tree *tree = cursor->tree;
	struct node_expect expect;
	struct node *node;
	int ret;

	rwlock_write(&tree->root_lock);
	cursor->root_locked = true;
	expect = tree_root_expect(tree);
	ret = tree_fetch(tree, tree->root_addr, &expect, miss, &node);
	if (ret)
		return ret;
	cursor->root_level = tree->root_level;
	path_hold(cursor, cursor->root_level, node);
	TRY(path_make_changeable(cursor, cursor->root_level));
	for (uint8_t level = cursor->root_level; level > 0; level--) {
		ret = step_down(cursor, level, key, miss);
		if (ret)
			return ret;
	}
	return 0;
}

int tree_rebalance(struct txn *txn, struct tree *tree, const struct key *key)
{
	SCOPED(cursor) struct cursor cursor;
	struct tree_miss miss = { 0 };
	int ret;

	cursor_begin(&cursor, txn, tree);
	for (;;) {
		ret = rebalance_once(&cursor, key, &miss);
		cursor_release(&cursor);
		if (ret != TREE_MISS)
			break;
		tree_miss_read(tree, &miss);
	}
	tree_miss_end(&miss);
	return ret;
}
