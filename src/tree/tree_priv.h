/*
 * What the files of tree/ share: searches that hold a path, copying, and the steps that change the
 * shape of a tree.
 *
 * Words: a cursor's path is "held" at a level when path[level] is set: that node is referenced and
 * write-locked. The levels held are always contiguous, from the leaf up; root_locked when they
 * reach beyond the root. A node is "safe" for an intent when nothing done below it can change its
 * parent; everything above the lowest safe node is released. A function here that fails leaves a
 * valid tree behind; the caller releases the cursor.
 */
#ifndef UBTRFS_TREE_TREE_PRIV_H
#define UBTRFS_TREE_TREE_PRIV_H

#include "base/assert.h"
#include "format/node_layout.h"
#include "tree/tree.h"

#define TREE_ROUNDS_MAX 1000u /* of one operation: each starts anew after the shape changed */
#define TREE_MISSES_MAX \
	16u	       /* reads outside of all locks; more: the tree changes faster than we read */
#define TREE_BATCH 64u /* items put into a leaf with one move */

/* Not an error: the node is not in RAM, and was noted in the miss. */
#define TREE_MISS 1

enum tree_intent {
	INTENT_COPY,   /* nothing but making the path changeable */
	INTENT_EDIT,   /* an existing item may grow by need bytes or change its key */
	INTENT_INSERT, /* need bytes in the leaf, its header included */
	INTENT_REMOVE, /* items from the slot on */
};

/*
 * A node that a search did not find in RAM: it is read with no lock held, and pinned until the
 * search found it.
 */
struct tree_miss {
	uint64_t addr;
	struct node_expect expect;
	struct node *pinned;
	unsigned nr;
};

/* ---- search.c ---- */

/* The node behind an address; TREE_MISS after noting it in miss. */
int tree_fetch(struct tree *tree, uint64_t addr, const struct node_expect *expect,
	       struct tree_miss *miss, struct node **ret_node) must_check;
/*
 * Reads what was missed, no lock held. Failing is left to the next fetch, which then reads under
 * the parent's lock.
 */
void tree_miss_read(struct tree *tree, struct tree_miss *miss);
void tree_miss_end(struct tree_miss *miss);
/* What a tree knows of its root, and a node of its child. key is storage for the expectation. */
struct node_expect tree_root_expect(const struct tree *tree);
struct node_expect tree_child_expect(const struct tree *tree, const struct node *node,
				     unsigned slot, struct key *key);

/* Positions on the first slot >= key of the key's leaf (slot may be nritems), reading the nodes
 * above; the leaf is read- or write-locked, nothing else is held. */
int search_leaf(struct cursor *cursor, const struct key *key, bool writing,
		bool *ret_exact) must_check;
/*
 * The same with every node of the path made changeable, holding all that may change; ends at
 * stop_level.
 */
int search_path(struct cursor *cursor, const struct key *key, enum tree_intent intent,
		uint32_t need, uint8_t stop_level, bool *ret_exact) must_check;

/* ---- cursor.c ---- */

void cursor_begin(struct cursor *cursor, struct txn *txn, struct tree *tree);
void path_hold(struct cursor *cursor, uint8_t level, struct node *node);
void path_release_above(struct cursor *cursor, uint8_t level);

/* The leaf has no parent: it may become empty, and no pointer repeats its first key. */
static inline bool cursor_leaf_is_root(const struct cursor *cursor)
{
	return cursor->root_level == 0;
}

static inline void node_unlock_put(struct node *node)
{
	rwlock_unwrite(&node->lock);
	node_put(node);
}

/* Locks a neighbour of a write-locked node, whose parent is write-locked, from left to right:
 * the node is let go for a left neighbour. Nobody gets at it meanwhile, since that takes the
 * parent. */
static inline void lock_neighbour(struct node *node, struct node *neighbour, bool is_right)
{
	if (!is_right)
		rwlock_unwrite(&node->lock);
	rwlock_write(&neighbour->lock);
	if (!is_right)
		rwlock_write(&node->lock);
}

static inline const struct geometry *tree_geometry(const struct tree *tree)
{
	return node_cache_geometry(tree->cache);
}

/* ---- cow.c ---- */

/* A new node of the tree, write-locked. */
int node_new(struct txn *txn, struct tree *tree, uint8_t level, uint64_t hint,
	     struct node **ret_node) must_check;
/*
 * Ends the tree's use of a write-locked node: unlocks and puts it. shared: other trees still
 * hold it.
 */
int node_give_up(struct txn *txn, struct tree *tree, struct node *node, bool shared) must_check;
/* Replaces *node, the child at slot of parent (NULL: the root; root_lock is held), by a copy. */
int node_copy(struct txn *txn, struct tree *tree, struct node *parent, unsigned slot,
	      struct node **node) must_check;
/* The same if it may not be changed in place. */
int node_make_changeable(struct txn *txn, struct tree *tree, struct node *parent, unsigned slot,
			 struct node **node) must_check;
/* For the node held at a level of a path. */
int path_make_changeable(struct cursor *cursor, uint8_t level) must_check;
void tree_root_change(struct tree *tree, const struct node *node, uint64_t generation);

/* ---- split.c ---- */

/* After the first key of the node held at level changed: the pointers above follow. */
void path_fix_key(struct cursor *cursor, uint8_t level);
/* Room for one more pointer in the node held at level; splits it, and those above before it. */
int path_make_room(struct cursor *cursor, uint8_t level) must_check;
/* Makes room in a full leaf for need bytes: in a new item at the cursor's slot, or (growing) in
 * the item there. One step: the caller searches again. */
int leaf_make_room(struct cursor *cursor, uint32_t need, bool growing) must_check;
/*
 * Points to a new node to the right (after) or left of the node held at level; its parent has
 * room.
 */
void path_link(struct cursor *cursor, uint8_t level, const struct node *node, bool after);

/* ---- insert.c ---- */

/* ---- rebalance.c ---- */

/* True when the node is so empty that it should be joined with a neighbour. */
bool node_is_sparse(const struct geometry *geometry, const struct node *node);

#endif
