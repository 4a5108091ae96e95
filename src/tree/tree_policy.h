/*
 * tree_policy: what copy-on-write needs from above, as a vtable owned by tree/ and implemented in
 * extent/cow_policy.c (and by tests). One of the four upward pointers of the architecture.
 */
#ifndef UBTRFS_TREE_TREE_POLICY_H
#define UBTRFS_TREE_TREE_POLICY_H

#include <stdint.h>

#include "base/err.h"

struct tree;
struct node;
struct txn;

struct tree_policy {
	/* Gives out an address for a node of this tree and queues the reference that the tree
	 * will hold on it. hint is the address of a neighbour or 0. */
	int (*alloc_node)(void *ctx, struct txn *txn, struct tree *tree, uint8_t level,
			  uint64_t hint, uint64_t *ret_addr);
	/* The tree gives up its reference on a node it will not reach any more: queues the drop.
	 * For a node never written, `written` is false and the address may be used again at
	 * once; else it is pinned. */
	int (*free_node)(void *ctx, struct txn *txn, struct tree *tree, uint64_t addr,
			 uint8_t level, uint64_t owner, uint64_t generation, bool written);
	/* Before a node that was handed to a device (committed, or written early in this
	 * transaction) is replaced by its copy: moves references of children where the node is
	 * shared with another tree. *ret_shared true means others still hold the old node
	 * (free_node then only drops our reference). NULL: this tree is never shared, and nobody
	 * asks. Called with old and copy write-locked. */
	int (*cow_refs)(void *ctx, struct txn *txn, struct tree *tree, struct node *old,
			struct node *copy, bool *ret_shared);
};

#endif
