/*
 * Private to store/: steps shared by its files. Everything here runs inside a transaction by one
 * thread at a time (the commit or the reference run), except the loaders. Locks: none of its own.
 */
#ifndef UBTRFS_STORE_STORE_PRIV_H
#define UBTRFS_STORE_STORE_PRIV_H

#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"
#include "store/store.h"

/* A free-space tree that is there and valid; an invalid one is left alone (Linux rebuilds it). */
static inline bool store_has_free_tree(const struct store *store)
{
	uint64_t bits = BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE |
			BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID;

	return (store->compat_ro & bits) == bits;
}

static inline uint64_t block_group_end(const struct block_group *group)
{
	return group->start + group->len_bytes;
}

/* store_load.c */
int store_tree(struct store *store, uint64_t objectid, struct tree **ret_tree) must_check;
/* The tree that holds the block group items. */
int store_group_tree(struct store *store, struct tree **ret_tree) must_check;

/* chunk_store.c; stripe_bytes is the length of one device extent. */
int chunk_store_insert(struct txn *txn, struct store *store, const struct chunk *chunk) must_check;
int chunk_store_remove(struct txn *txn, struct store *store, const struct chunk *chunk) must_check;
/* Writes the chunk's item and the lengths of its device extents again. */
int chunk_store_update(struct txn *txn, struct store *store, const struct chunk *chunk) must_check;
/*
 * Checks the bytes of one chunk and adds it to the map; one that is there already in the same
 * shape is fine.
 */
int chunk_store_load(struct volume *volume, uint64_t logical, const uint8_t *item,
		     uint32_t len) must_check;
int chunk_store_fill_array(struct store *store, uint8_t *super) must_check;

/* device_store.c */
int device_store_load(struct store *store, uint64_t devid, const uint8_t *item,
		      uint32_t len) must_check;
int device_store_save(struct txn *txn, struct store *store) must_check;

/* block_group_store.c: all items of a group that is_new, once; a no-op for others. */
int group_store_insert(struct txn *txn, struct store *store, struct block_group *group) must_check;

/* free_tree.c */
int free_tree_load_group(struct store *store, struct block_group *group) must_check;
int free_tree_insert_group(struct txn *txn, struct store *store,
			   struct block_group *group) must_check;
int free_tree_remove_group(struct txn *txn, struct store *store,
			   struct block_group *group) must_check;
/* Writes the count of extents. */
int free_tree_save_info(struct txn *txn, struct store *store, struct block_group *group) must_check;

/* free_tree_bitmap.c: groups whose fst_bitmaps is set. */
int free_bitmap_load(struct store *store, struct tree *tree, struct block_group *group) must_check;
/* Marks a range as free or taken; all of it must be the opposite before. */
int free_bitmap_change(struct txn *txn, struct store *store, struct tree *tree,
		       struct block_group *group, uint64_t addr, uint64_t len,
		       bool is_free) must_check;
/* Writes the same free space as extents. */
int free_bitmap_to_extents(struct txn *txn, struct store *store, struct tree *tree,
			   struct block_group *group) must_check;

#endif
