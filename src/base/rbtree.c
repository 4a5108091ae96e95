/*
 * Intrusive red-black tree. Owns nothing, locks nothing, allocates nothing.
 *
 * Invariants: the root is black; no red node has a red child; every path from the root down holds
 * as many black nodes. A missing child is NULL and counts as black. Nothing recurses: the height is
 * at most 2 log2(nr + 1).
 */
#include "base/assert.h"
#include "base/rbtree.h"

void rbtree_init(struct rbtree *tree, rb_compare_fn compare)
{
	ASSERT(compare);
	tree->root = NULL;
	tree->compare = compare;
	tree->nr = 0;
}

static bool is_red(const struct rb_node *node)
{
	return node && node->red;
}

/* Puts with in the place of node below parent; with may be NULL. */
static void replace_child(struct rbtree *tree, struct rb_node *parent, struct rb_node *node,
			  struct rb_node *with)
{
	if (!parent)
		tree->root = with;
	else if (parent->left == node)
		parent->left = with;
	else
		parent->right = with;
	if (with)
		with->parent = parent;
}

static void rotate_left(struct rbtree *tree, struct rb_node *top)
{
	struct rb_node *pivot = top->right;

	replace_child(tree, top->parent, top, pivot);
	top->right = pivot->left;
	if (top->right)
		top->right->parent = top;
	pivot->left = top;
	top->parent = pivot;
}

static void rotate_right(struct rbtree *tree, struct rb_node *top)
{
	struct rb_node *pivot = top->left;

	replace_child(tree, top->parent, top, pivot);
	top->left = pivot->right;
	if (top->left)
		top->left->parent = top;
	pivot->right = top;
	top->parent = pivot;
}

/* node is red and its parent may be, too: moves the conflict up until it is gone. */
static void insert_fix(struct rbtree *tree, struct rb_node *node)
{
	while (is_red(node->parent)) {
		struct rb_node *parent = node->parent;
		struct rb_node *grand = parent->parent;
		bool left = grand->left == parent;
		struct rb_node *uncle = left ? grand->right : grand->left;

		if (is_red(uncle)) {
			parent->red = false;
			uncle->red = false;
			grand->red = true;
			node = grand;
			continue;
		}
		/* An inner grandchild becomes an outer one first. */
		if (left && node == parent->right) {
			rotate_left(tree, parent);
			parent = node;
		} else if (!left && node == parent->left) {
			rotate_right(tree, parent);
			parent = node;
		}
		parent->red = false;
		grand->red = true;
		if (left)
			rotate_right(tree, grand);
		else
			rotate_left(tree, grand);
		break;
	}
	tree->root->red = false;
}

struct rb_node *rbtree_insert(struct rbtree *tree, struct rb_node *node)
{
	struct rb_node **slot = &tree->root;
	struct rb_node *parent = NULL;

	while (*slot) {
		int order = tree->compare(node, *slot);

		if (order == 0)
			return *slot;
		parent = *slot;
		slot = order < 0 ? &parent->left : &parent->right;
	}
	node->parent = parent;
	node->left = NULL;
	node->right = NULL;
	node->red = true;
	*slot = node;
	tree->nr++;
	insert_fix(tree, node);
	return NULL;
}

/*
 * One step of remove_fix: the paths through node (the left or right child of parent, maybe NULL)
 * lack one black node. Returns true when the lack moved up to parent, false when it is gone.
 */
static bool remove_fix_step(struct rbtree *tree, struct rb_node *parent, bool left)
{
	struct rb_node *sibling = left ? parent->right : parent->left;
	struct rb_node *inner, *outer;

	/* The lacking side is shorter by a black node, so the other cannot be empty. */
	ASSERT(sibling);
	if (sibling->red) {
		sibling->red = false;
		parent->red = true;
		if (left)
			rotate_left(tree, parent);
		else
			rotate_right(tree, parent);
		sibling = left ? parent->right : parent->left;
	}
	inner = left ? sibling->left : sibling->right;
	outer = left ? sibling->right : sibling->left;
	if (!is_red(inner) && !is_red(outer)) {
		sibling->red = true;
		return true;
	}
	if (!is_red(outer)) {
		inner->red = false;
		sibling->red = true;
		if (left)
			rotate_right(tree, sibling);
		else
			rotate_left(tree, sibling);
		outer = sibling;
		sibling = inner;
	}
	sibling->red = parent->red;
	parent->red = false;
	outer->red = false;
	if (left)
		rotate_left(tree, parent);
	else
		rotate_right(tree, parent);
	return false;
}

/* The paths through node, a child of parent, lack one black node. */
static void remove_fix(struct rbtree *tree, struct rb_node *node, struct rb_node *parent)
{
	while (parent && !is_red(node)) {
		if (!remove_fix_step(tree, parent, parent->left == node))
			return;
		node = parent;
		parent = node->parent;
	}
	if (node)
		node->red = false;
}

void rbtree_remove(struct rbtree *tree, struct rb_node *node)
{
	struct rb_node *child, *parent, *heir;
	bool lost_red;

	ASSERT(tree->nr > 0);
	if (!node->left || !node->right) {
		child = node->left ? node->left : node->right;
		parent = node->parent;
		lost_red = node->red;
		replace_child(tree, parent, node, child);
	} else {
		/*
		 * The next node in order has no left child: it leaves its place and takes
		 * node's, colour included.
		 */
		heir = rb_next(node);
		child = heir->right;
		parent = heir->parent == node ? heir : heir->parent;
		lost_red = heir->red;
		if (heir->parent != node) {
			replace_child(tree, heir->parent, heir, child);
			heir->right = node->right;
			heir->right->parent = heir;
		}
		replace_child(tree, node->parent, node, heir);
		heir->left = node->left;
		heir->left->parent = heir;
		heir->red = node->red;
	}
	tree->nr--;
	node->parent = NULL;
	node->left = NULL;
	node->right = NULL;
	if (!lost_red)
		remove_fix(tree, child, parent);
}

struct rb_node *rbtree_find(const struct rbtree *tree, const void *key, rb_key_compare_fn compare)
{
	struct rb_node *node = tree->root;

	while (node) {
		int order = compare(key, node);

		if (order == 0)
			return node;
		node = order < 0 ? node->left : node->right;
	}
	return NULL;
}

struct rb_node *rbtree_find_ge(const struct rbtree *tree, const void *key,
			       rb_key_compare_fn compare)
{
	struct rb_node *node = tree->root;
	struct rb_node *found = NULL;

	while (node) {
		if (compare(key, node) <= 0) {
			found = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

struct rb_node *rbtree_find_le(const struct rbtree *tree, const void *key,
			       rb_key_compare_fn compare)
{
	struct rb_node *node = tree->root;
	struct rb_node *found = NULL;

	while (node) {
		if (compare(key, node) >= 0) {
			found = node;
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return found;
}

static struct rb_node *leftmost(struct rb_node *node)
{
	while (node && node->left)
		node = node->left;
	return node;
}

static struct rb_node *rightmost(struct rb_node *node)
{
	while (node && node->right)
		node = node->right;
	return node;
}

struct rb_node *rbtree_first(const struct rbtree *tree)
{
	return leftmost(tree->root);
}

struct rb_node *rbtree_last(const struct rbtree *tree)
{
	return rightmost(tree->root);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	if (node->right)
		return leftmost(node->right);
	while (node->parent && node->parent->right == node)
		node = node->parent;
	return node->parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	if (node->left)
		return rightmost(node->left);
	while (node->parent && node->parent->left == node)
		node = node->parent;
	return node->parent;
}

/* Black nodes from node up to the root, node included. */
static unsigned black_height(const struct rb_node *node)
{
	unsigned nr_black = 0;

	for (; node; node = node->parent)
		nr_black += !node->red;
	return nr_black;
}

bool rbtree_invariant(const struct rbtree *tree)
{
	const struct rb_node *prev = NULL;
	unsigned height = 0;
	size_t nr = 0;

	if (is_red(tree->root) || (tree->root && tree->root->parent))
		return false;
	for (const struct rb_node *node = rbtree_first(tree); node; node = rb_next(node)) {
		if (node->red && (is_red(node->left) || is_red(node->right)))
			return false;
		if ((node->left && node->left->parent != node) ||
		    (node->right && node->right->parent != node))
			return false;
		if (prev && tree->compare(prev, node) >= 0)
			return false;
		/* A path ends where a child is missing. */
		if (!node->left || !node->right) {
			if (height && black_height(node) != height)
				return false;
			height = black_height(node);
		}
		prev = node;
		nr++;
	}
	return nr == tree->nr;
}
