/*
 * Visiting every node of a tree, and checking its invariants.
 *
 * The path from the root to the node visited is read-locked, so what is seen is one state of it.
 * Depth is bounded since the level falls by one per step (the cache checks it). Unlike searches, a
 * walk waits for the device under read locks.
 */
#include "tree/tree_priv.h"

/* The range of keys that the parents allow. */
struct key_range {
	struct key low;
	bool exact_low; /* the first key is low itself */
	bool has_high;
	struct key high; /* keys are below it */
};

struct walk {
	struct tree *tree;
	int (*visit)(void *ctx, const struct node *node, uint8_t level);
	void *ctx;
	bool check;
};

static int broken(const struct node *node, unsigned slot, const char *what)
{
	return THROW(ERR_CORRUPT, "tree block %llu level %u slot %u: %s",
		     (unsigned long long)node->addr, node_level(node->data), slot, what);
}

static int check_keys(const struct node *node, const struct key_range *range)
{
	unsigned nr = node_nritems(node->data);
	struct key last = range->low;

	for (unsigned slot = 0; slot < nr; slot++) {
		struct key key = node_slot_key(node->data, slot);
		int order = key_compare(&key, &last);

		if (slot == 0 && range->exact_low && order != 0)
			return broken(node, slot, "the parent names another first key");
		if (slot > 0 && order <= 0)
			return broken(node, slot, "keys do not ascend");
		if (range->has_high && key_compare(&key, &range->high) >= 0)
			return broken(node, slot, "a key belongs to the next node");
		last = key;
	}
	return 0;
}

static int check_node(const struct walk *walk, const struct node *node,
		      const struct key_range *range)
{
	const struct geometry *geometry = tree_geometry(walk->tree);
	unsigned nr = node_nritems(node->data);
	bool is_root = !range->exact_low;

	if (nr == 0 && (!is_root || node_level(node->data) > 0))
		return broken(node, 0, "empty");
	if (node_level(node->data) > 0 && nr > geometry_node_ptrs(geometry))
		return broken(node, nr, "too many pointers");
	if (node_level(node->data) == 0 &&
	    leaf_used_bytes(geometry, node->data) > geometry_leaf_bytes(geometry))
		return broken(node, nr, "items and data overlap");
	if (node_addr(node->data) != node->addr)
		return broken(node, 0, "wrong address in the header");
	return check_keys(node, range);
}

static int walk_node(const struct walk *walk, const struct node *node,
		     const struct key_range *range);

static int walk_child(const struct walk *walk, const struct node *node, unsigned slot,
		      const struct key_range *range)
{
	struct key_range inner = *range;
	struct node_expect expect;
	struct node *child;
	int ret;

	expect = tree_child_expect(walk->tree, node, slot, &inner.low);
	inner.exact_low = true;
	if (slot + 1 < node_nritems(node->data)) {
		inner.has_high = true;
		inner.high = node_key(node->data, slot + 1);
	}
	TRY(node_get(walk->tree->cache, node_child_addr(node->data, slot), &expect, &child));
	rwlock_read(&child->lock);
	ret = walk_node(walk, child, &inner);
	rwlock_unread(&child->lock);
	node_put(child);
	return ret;
}

static int walk_node(const struct walk *walk, const struct node *node,
		     const struct key_range *range)
{
	uint8_t level = node_level(node->data);

	if (walk->check)
		TRY(check_node(walk, node, range));
	if (walk->visit)
		TRY(walk->visit(walk->ctx, node, level));
	for (unsigned slot = 0; level > 0 && slot < node_nritems(node->data); slot++)
		TRY(walk_child(walk, node, slot, range));
	return 0;
}

static int walk_tree(const struct walk *walk)
{
	struct tree *tree = walk->tree;
	struct key_range range = { .low = KEY_MIN };
	struct node_expect expect;
	struct node *root;
	int ret;

	rwlock_read(&tree->root_lock);
	ASSERT(tree->root_addr);
	expect = tree_root_expect(tree);
	ret = node_get(tree->cache, tree->root_addr, &expect, &root);
	if (ret >= 0)
		rwlock_read(&root->lock);
	rwlock_unread(&tree->root_lock);
	if (ret < 0)
		return ret;
	ret = walk_node(walk, root, &range);
	rwlock_unread(&root->lock);
	node_put(root);
	return ret;
}

int tree_walk(struct tree *tree, int (*visit)(void *ctx, const struct node *node, uint8_t level),
	      void *ctx)
{
	struct walk walk = { .tree = tree, .visit = visit, .ctx = ctx };

	return walk_tree(&walk);
}

int tree_invariant(struct tree *tree)
{
	struct walk walk = { .tree = tree, .check = true };

	return walk_tree(&walk);
}
