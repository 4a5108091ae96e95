/*
 * Making room: splitting leaves and internal nodes, growing the root, and the pointers that follow.
 *
 * Order of steps: parents get room before their children are split, so that each step leaves a
 * valid tree even when the next one finds no space. At the right edge of the tree nothing is moved
 * out of a full node: sequential imports fill nodes to the last byte. Everything changed here is
 * held by the cursor's path, and changeable.
 */
#include "tree/tree_priv.h"

/* A neighbour takes items only if that leaves both with some air. */
#define PUSH_MIN_FREE(geometry) (geometry_leaf_bytes(geometry) / 4)

void path_fix_key(struct cursor *cursor, uint8_t level)
{
	while (level < cursor->root_level) {
		struct key first = node_slot_key(cursor->path[level]->data, 0);
		struct node *parent = cursor->path[level + 1];

		ASSERT(parent);
		node_set_key(parent->data, cursor->path_slot[level + 1], &first);
		if (cursor->path_slot[level + 1] > 0)
			return;
		level++;
	}
}

void path_link(struct cursor *cursor, uint8_t level, const struct node *node, bool after)
{
	struct node *parent = cursor->path[level + 1];
	unsigned slot = cursor->path_slot[level + 1] + (after ? 1 : 0);
	struct key first = node_slot_key(node->data, 0);

	ASSERT(parent && node_is_changeable(parent, cursor->txn->generation));
	node_insert_ptrs_raw(tree_geometry(cursor->tree), parent->data, slot, 1);
	node_set_ptr(parent->data, slot, &first, node->addr, cursor->txn->generation);
	if (slot == 0)
		path_fix_key(cursor, (uint8_t)(level + 1));
}

/* A root above the root. */
static int root_grow(struct cursor *cursor)
{
	struct tree *tree = cursor->tree;
	uint8_t level = cursor->root_level;
	struct node *old = cursor->path[level];
	struct key first = node_slot_key(old->data, 0);
	struct node *root;

	ASSERT(cursor->root_locked);
	if (level + 1u >= TREE_MAX_LEVEL)
		return THROW(ERR_LIMIT, "tree %llu would have more than %u levels",
			     (unsigned long long)tree->objectid, TREE_MAX_LEVEL);
	TRY(node_new(cursor->txn, tree, (uint8_t)(level + 1), old->addr, &root));
	node_insert_ptrs_raw(tree_geometry(tree), root->data, 0, 1);
	node_set_ptr(root->data, 0, &first, old->addr, cursor->txn->generation);
	tree_root_change(tree, root, cursor->txn->generation);
	cursor->root_level++;
	cursor->path[level + 1] = root;
	cursor->path_slot[level + 1] = 0;
	return 0;
}

/* Splits the internal node held at level; the path continues in the half that has the child. */
static int internal_split(struct cursor *cursor, uint8_t level)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	struct node *left = cursor->path[level], *right;
	unsigned nr = node_nritems(left->data);
	unsigned at = cursor->has_bound ? nr / 2 : nr - 1;

	TRY(node_new(cursor->txn, cursor->tree, level, left->addr, &right));
	node_move_ptrs_raw(geometry, left->data, at, nr - at, right->data, 0);
	node_remove_ptrs_raw(left->data, at, nr - at);
	path_link(cursor, level, right, true);
	if (cursor->path_slot[level] < at) {
		node_unlock_put(right);
		return 0;
	}
	cursor->path[level] = right;
	cursor->path_slot[level] -= at;
	cursor->path_slot[level + 1]++;
	node_unlock_put(left);
	return 0;
}

/* Recursion: at most TREE_MAX_LEVEL deep. */
int path_make_room(struct cursor *cursor, uint8_t level)
{
	unsigned max = geometry_node_ptrs(tree_geometry(cursor->tree));

	if (level > cursor->root_level)
		return root_grow(cursor);
	ASSERT(level > 0 && cursor->path[level]);
	if (node_nritems(cursor->path[level]->data) < max)
		return 0;
	TRY(path_make_room(cursor, (uint8_t)(level + 1)));
	return internal_split(cursor, level);
}

/* Moves the items from slot on into a new leaf to the right. */
static int leaf_split(struct cursor *cursor, unsigned slot)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	struct node *left = cursor->leaf, *right;
	unsigned nr = node_nritems(left->data);

	ASSERT(slot > 0 && slot < nr);
	TRY(path_make_room(cursor, 1));
	TRY(node_new(cursor->txn, cursor->tree, 0, left->addr, &right));
	leaf_move_raw(geometry, left->data, slot, nr - slot, right->data, 0);
	leaf_remove_raw(geometry, left->data, slot, nr - slot);
	path_link(cursor, 0, right, true);
	node_unlock_put(right);
	return 0;
}

/*
 * Where to split so that both halves hold what they must and are as even as can be; 0 when no place
 * will do. A new item at the cursor's slot goes left when the split is there, a growing one is part
 * of the right half.
 */
static unsigned choose_split(const struct cursor *cursor, uint32_t need, bool growing)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	const uint8_t *data = cursor->leaf->data;
	uint32_t room = geometry_leaf_bytes(geometry);
	uint32_t total = leaf_used_bytes(geometry, data) + need;
	uint32_t left = 0, best_worse = room + 1;
	unsigned best = 0;

	for (unsigned at = 1; at < node_nritems(data); at++) {
		bool need_left = growing ? cursor->slot < at : cursor->slot <= at;
		uint32_t used, worse;

		left += ITEM_SIZE + leaf_item_len(data, at - 1);
		used = left + (need_left ? need : 0);
		worse = MAX(used, total - used);
		if (worse < best_worse) {
			best_worse = worse;
			best = at;
		}
	}
	return best;
}

/*
 * How many items, from the end (from_end) or the beginning of the leaf, even out two leaves that
 * differ by diff bytes.
 */
static unsigned count_to_move(const uint8_t *data, bool from_end, uint32_t diff)
{
	unsigned nr = node_nritems(data), count = 0;
	uint32_t moved = 0;

	while (count + 1 < nr) {
		moved += ITEM_SIZE + leaf_item_len(data, from_end ? nr - 1 - count : count);
		if (moved > diff / 2)
			break;
		count++;
	}
	return count;
}

/* A neighbour that is in RAM, changeable and has air, write-locked; NULL when there is none. */
static int push_target(struct cursor *cursor, unsigned slot, struct node **ret_node)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	const struct node *parent = cursor->path[1];
	struct node_expect expect;
	struct node *node;
	struct key first;

	*ret_node = NULL;
	if (slot >= node_nritems(parent->data))
		return 0;
	expect = tree_child_expect(cursor->tree, parent, slot, &first);
	TRY(node_get_cached(cursor->tree->cache, node_child_addr(parent->data, slot), &expect,
			    &node));
	if (!node)
		return 0;
	lock_neighbour(cursor->leaf, node, slot > cursor->path_slot[1]);
	if (node_is_changeable(node, cursor->txn->generation) &&
	    leaf_free_bytes(geometry, node->data) >= PUSH_MIN_FREE(geometry)) {
		*ret_node = node;
		return 0;
	}
	node_unlock_put(node);
	return 0;
}

/* Moves items of the full leaf into the neighbour on one side; *ret_moved how many. */
static int push_aside(struct cursor *cursor, bool to_right, unsigned *ret_moved)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	uint8_t *data = cursor->leaf->data;
	unsigned slot = cursor->path_slot[1] + (to_right ? 1 : -1u);
	unsigned nr = node_nritems(data), count;
	uint32_t free_here, free_there;
	struct node *other;
	struct key first;

	*ret_moved = 0;
	TRY(push_target(cursor, slot, &other));
	if (!other)
		return 0;
	free_here = leaf_free_bytes(geometry, data);
	free_there = leaf_free_bytes(geometry, other->data);
	/* A leaf may have air, only not enough of it for a big item. */
	count = free_there > free_here ? count_to_move(data, to_right, free_there - free_here) : 0;
	if (count > 0 && to_right) {
		leaf_move_raw(geometry, data, nr - count, count, other->data, 0);
		leaf_remove_raw(geometry, data, nr - count, count);
		first = leaf_key(other->data, 0);
		node_set_key(cursor->path[1]->data, slot, &first);
	} else if (count > 0) {
		leaf_move_raw(geometry, data, 0, count, other->data, node_nritems(other->data));
		leaf_remove_raw(geometry, data, 0, count);
		/* There is a leaf to the left, so this pointer is not the parent's first. */
		first = leaf_key(data, 0);
		node_set_key(cursor->path[1]->data, slot + 1, &first);
	}
	node_unlock_put(other);
	*ret_moved = count;
	return 0;
}

/* Neighbours that have air take items before a leaf is split: trees stay denser. */
static int push_to_neighbour(struct cursor *cursor, bool *ret_moved)
{
	unsigned moved = 0;

	if (cursor->root_level > 0) {
		TRY(push_aside(cursor, true, &moved));
		if (moved == 0 && cursor->path_slot[1] > 0)
			TRY(push_aside(cursor, false, &moved));
	}
	*ret_moved = moved > 0;
	return 0;
}

int leaf_make_room(struct cursor *cursor, uint32_t need, bool growing)
{
	unsigned nr = node_nritems(cursor->leaf->data);
	unsigned at;
	bool moved;

	TRY(push_to_neighbour(cursor, &moved));
	if (moved)
		return 0;
	at = choose_split(cursor, need, growing);
	if (at > 0)
		return leaf_split(cursor, at);
	/* Too big for either half: it gets a leaf of its own, in a second step. */
	ASSERT(nr > 1);
	return leaf_split(cursor, MAX(cursor->slot, 1u));
}
