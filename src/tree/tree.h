/*
 * 08 tree: a copy-on-write B-tree of keys and items over cached nodes.
 *
 * A tree knows its root node's address, generation and level, and its policy. Every change happens
 * inside a transaction: a node not changeable in its generation is copied first (cow.c), the
 * parent's pointer follows. Nothing here knows what an item means.
 * Invariants: keys ascend strictly in a node and across nodes; the key of a pointer equals the
 * first key of its child; the level falls by one per step; only the root may be empty.
 * tree_invariant() checks them all.
 * Locks: RANK_NODE. root_lock (which node is the root) comes first in the order of its tree's
 * class, then the nodes from the root down, left to right; it ranks with the nodes so that a
 * private tree may be searched under nodes of a shared one. Lock coupling: two threads work in one
 * tree at the same time. Readers, and writers whose leaf may be changed and has room, hold the leaf
 * only; others hold the part of the path that may change. No lock is held between calls except by a
 * positioned cursor.
 */
#ifndef UBTRFS_TREE_TREE_H
#define UBTRFS_TREE_TREE_H

#include "cache/cache.h"
#include "transaction/transaction.h"
#include "tree/tree_policy.h"

#define TREE_MAX_LEVEL 8u

/*
 * Order of node locks between trees of different class: shared first, then private, then the map
 * trees.
 */
enum tree_class { TREE_SHARED, TREE_PRIVATE, TREE_MAP };

struct tree {
	uint64_t objectid; /* the owner written into headers of new nodes */
	enum tree_class class;
	struct node_cache *cache;
	const struct tree_policy *policy;
	void *policy_ctx;
	struct rwlock root_lock;
	/* under root_lock */
	uint64_t root_addr;
	uint64_t root_generation;
	uint8_t root_level;
	_Atomic bool
		dirty; /* the root moved or changed in this transaction: the root item must follow (root/) */
};

void tree_init(struct tree *tree, uint64_t objectid, enum tree_class class,
	       struct node_cache *cache, const struct tree_policy *policy, void *policy_ctx);
void tree_fini(struct tree *tree);
/* The committed root, as a root item or the superblock tells it. */
void tree_set_root(struct tree *tree, uint64_t addr, uint64_t generation, uint8_t level);
/* Makes an empty leaf as the new root. */
int tree_create_root(struct txn *txn, struct tree *tree) must_check;

/*
 * A position in a leaf. Holds a reference and a lock (read or write) on that leaf while
 * positioned.
 */
struct cursor {
	struct tree *tree;
	struct node *leaf; /* NULL when not positioned */
	unsigned slot;	   /* slot == nritems: behind the last item of the leaf */
	bool writing;
	bool has_bound; /* bound: the first key right of this leaf */
	struct key bound;
	/* private: what a writer keeps of the path, write-locked; path[0] is the leaf */
	struct node *path[TREE_MAX_LEVEL];
	unsigned path_slot
		[TREE_MAX_LEVEL]; /* of the child followed; for the leaf: slot at the time of the search */
	bool root_locked;
	uint8_t root_level; /* when the search passed the root */
	struct txn *txn;
};

void cursor_init(struct cursor *cursor, struct tree *tree);
/* Unlocks and puts. The cursor may be used again. */
void cursor_release(struct cursor *cursor);
DEFINE_SCOPED(cursor, cursor_release)

/* Reading. Positions on the first item >= key; returns 0 and *ret_exact, or ERR_KEY_NOT_FOUND
 * when there is none to the right (no THROW text: the hot path). */
int cursor_seek(struct cursor *cursor, const struct key *key, bool *ret_exact) must_check;
/* The last item <= key, or ERR_KEY_NOT_FOUND. */
int cursor_seek_le(struct cursor *cursor, const struct key *key) must_check;
/*
 * The next item; ERR_KEY_NOT_FOUND at the end. For read cursors leaves are crossed by seeking
 * the bound.
 */
int cursor_next(struct cursor *cursor) must_check;
struct key cursor_key(const struct cursor *cursor);
const uint8_t *cursor_data(const struct cursor *cursor);
uint32_t cursor_len(const struct cursor *cursor);

/*
 * Copies the item with exactly this key into data: up to capacity bytes, *ret_len its true
 * length. ERR_KEY_NOT_FOUND.
 */
int tree_lookup(struct tree *tree, const struct key *key, void *data, size_t capacity,
		uint32_t *ret_len) must_check;

/* The nodes on the way to a key, by level. */
struct tree_trail {
	uint8_t root_level;
	uint64_t addrs[TREE_MAX_LEVEL]; /* from the level asked for up to the root's; else 0 */
};
/* Where the nodes lie that lead to a key, down to a level (the node of that level is not read). A
 * root below that level yields itself only. No lock is held afterwards. */
int tree_locate(struct tree *tree, const struct key *key, uint8_t level,
		struct tree_trail *ret_trail) must_check;

/* Writing. All copy the path as needed. */
struct tree_item {
	struct key key;
	const void *data; /* NULL: zeroes */
	uint32_t len_bytes;
};
/* ERR_KEY_EXISTS changes nothing. ERR_ITEM_TOO_BIG. */
int tree_insert(struct txn *txn, struct tree *tree, const struct key *key, const void *data,
		uint32_t len) must_check;
/* Sorted, distinct keys; as few descents as possible: neighbours go into one leaf together; an
 * append at the right edge of the tree leaves full leaves behind. Stops at the first error;
 * *ret_done tells how many went in. */
int tree_insert_many(struct txn *txn, struct tree *tree, const struct tree_item *items, size_t nr,
		     size_t *ret_done) must_check;
/* Replaces the whole item, whatever its old length. ERR_KEY_NOT_FOUND. */
int tree_replace(struct txn *txn, struct tree *tree, const struct key *key, const void *data,
		 uint32_t len) must_check;
int tree_remove(struct txn *txn, struct tree *tree, const struct key *key) must_check;
/* Removes all items from first to last inclusive; *ret_nr how many. */
int tree_remove_range(struct txn *txn, struct tree *tree, const struct key *first,
		      const struct key *last, uint64_t *ret_nr) must_check;

/*
 * Joins or evens out sparse nodes on the way to key: what removing does by itself, for those who
 * shrink items at a cursor.
 */
int tree_rebalance(struct txn *txn, struct tree *tree, const struct key *key) must_check;

/*
 * A write cursor on an exact key: the item may be edited in place through cursor_data_mut.
 * ERR_KEY_NOT_FOUND.
 */
int cursor_seek_write(struct txn *txn, struct cursor *cursor, const struct key *key) must_check;
/*
 * A write cursor on the last item <= key, whose leaf has room for extra_bytes more in that item;
 * ERR_KEY_NOT_FOUND.
 */
int cursor_seek_le_write(struct txn *txn, struct cursor *cursor, const struct key *key,
			 uint32_t extra_bytes) must_check;
uint8_t *cursor_data_mut(struct cursor *cursor);
/*
 * Grows (at the end, by at most the extra_bytes asked for; new bytes are zero) or shrinks the
 * item at a write cursor.
 */
int cursor_resize(struct cursor *cursor, uint32_t new_len) must_check;
/*
 * Changes the key of the item at a write cursor; it must stay between its neighbours in the
 * leaf.
 */
int cursor_rekey(struct cursor *cursor, const struct key *key) must_check;

/*
 * Visits every node of the tree from the root down (parents first), read-locked: for compaction,
 * checks and dumps.
 */
int tree_walk(struct tree *tree, int (*visit)(void *ctx, const struct node *node, uint8_t level),
	      void *ctx) must_check;
/* Copies every node for which wants() says true (and its ancestors, as any change does) to a new
 * address: moves metadata.
 * *ret_nr how many of the wanted moved. */
int tree_move_nodes(struct txn *txn, struct tree *tree, bool (*wants)(void *ctx, uint64_t addr),
		    void *ctx, uint64_t *ret_nr) must_check;
/*
 * Gives up every node of the tree, which nobody else may use any more; it has no root
 * afterwards.
 */
int tree_destroy(struct txn *txn, struct tree *tree) must_check;
/* Checks the invariants of the whole tree. */
int tree_invariant(struct tree *tree) must_check;

#endif
