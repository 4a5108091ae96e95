/*
 * Intrusive red-black tree ordered by a comparison function. Owns nothing, locks nothing.
 *
 * Invariants: no red node has a red child; every path from the root to a leaf holds as many black
 * nodes.
 */
#ifndef UBTRFS_BASE_RBTREE_H
#define UBTRFS_BASE_RBTREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

/* < 0, 0, > 0 like strcmp; a strict weak order over the objects that embed the nodes. */
typedef int (*rb_compare_fn)(const struct rb_node *a, const struct rb_node *b);
/* Orders a search key against a node. */
typedef int (*rb_key_compare_fn)(const void *key, const struct rb_node *node);

struct rbtree {
	struct rb_node *root;
	rb_compare_fn compare;
	size_t nr;
};

#define rb_entry(node, type, member) container_of(node, type, member)

void rbtree_init(struct rbtree *tree, rb_compare_fn compare);

/* Inserts; returns NULL, or the equal node that is there already (then nothing changes). */
struct rb_node *rbtree_insert(struct rbtree *tree, struct rb_node *node);
void rbtree_remove(struct rbtree *tree, struct rb_node *node);

struct rb_node *rbtree_find(const struct rbtree *tree, const void *key, rb_key_compare_fn compare);
/* The first node >= key, or NULL. */
struct rb_node *rbtree_find_ge(const struct rbtree *tree, const void *key,
			       rb_key_compare_fn compare);
/* The last node <= key, or NULL. */
struct rb_node *rbtree_find_le(const struct rbtree *tree, const void *key,
			       rb_key_compare_fn compare);

struct rb_node *rbtree_first(const struct rbtree *tree);
struct rb_node *rbtree_last(const struct rbtree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* Checks the invariants and the order; for tests and debug builds. */
bool rbtree_invariant(const struct rbtree *tree);

#endif
