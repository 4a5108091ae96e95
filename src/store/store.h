/*
 * 10 store: space on disk. Chunk, device, block group and free-space items to and from the models
 * of volume/ and space/.
 *
 * Loading (store_load_*) fills the models when a filesystem is opened; saving (store_save) is a
 * step of the commit: it writes the items of new, changed and removed block groups, chunks and
 * devices. The free-space tree mirrors the extent tree: it is changed by free_tree_take/give when
 * extent/ inserts or removes extent items, never otherwise.
 */
#ifndef UBTRFS_STORE_STORE_H
#define UBTRFS_STORE_STORE_H

#include "root/root.h"
#include "space/space.h"

struct store {
	struct volume *volume;
	struct space *space;
	struct root_table *roots;
	struct geometry geometry;
	uint64_t compat_ro; /* feature bits of the superblock: block-group-tree, free-space-tree */
	uint64_t incompat;
	uint8_t fsid[16];	     /* for DEV_ITEM */
	uint8_t chunk_tree_uuid[16]; /* for DEV_EXTENT */
	bool devices_dirty; /* DEV_ITEMs must be written (bytes_used or total_bytes changed) */
};

/* Chunks of the superblock's array, so that the chunk tree can be read. */
int store_load_sys_chunks(struct volume *volume, const uint8_t *super) must_check;
/* Calls visit for the DEV_ITEM of each device, in order of devid; nothing is locked meanwhile. */
int store_each_device(struct store *store,
		      int (*visit)(void *ctx, uint64_t devid, const uint8_t *dev_item),
		      void *ctx) must_check;
/*
 * All chunks of the chunk tree; devices named there must be in the volume (DEV_ITEMs are checked
 * against them).
 */
int store_load_chunks(struct store *store) must_check;
/*
 * With the feature raid-stripe-tree: from now on the volume asks that tree where data lies. After
 * the chunks. ERR_NOT_FOUND when the tree is not there.
 */
int store_load_stripe_tree(struct store *store) must_check;
/*
 * Block groups with their used bytes, and their free space from the free-space tree, or, without
 * one, from the extent tree.
 */
int store_load_groups(struct store *store) must_check;
/* Block groups with their used bytes only: for questions about a filesystem that is only read. */
int store_load_used(struct store *store) must_check;

/* Commit step: new chunks and groups get their items (CHUNK_ITEM, DEV_EXTENTs, BLOCK_GROUP_ITEM,
 * FREE_SPACE_INFO + extents), dirty groups their used bytes, removed groups lose theirs, devices
 * theirs. *ret_changed tells whether anything was written. */
int store_save(struct txn *txn, struct store *store, bool *ret_changed) must_check;
/*
 * Fills sys_chunk_array and its size, total_bytes, bytes_used, num_devices and dev_item of the
 * given device into a superblock.
 */
int store_fill_super(struct store *store, uint64_t devid, uint8_t *super) must_check;
/* Rewrites CHUNK_ITEM, DEV_EXTENTs, block group item key and free space of a group whose chunk
 * was trimmed (space_trim_group and chunk_map_trim come after, inside). */
int store_trim_group(struct txn *txn, struct store *store, struct block_group *group,
		     uint64_t new_len) must_check;
/* A trimmed DUP chunk has a gap between its two stripes: the upper one is copied down to the end
 * of the lower. Only for filesystems that are not complete yet: for the time until the commit
 * one copy is all there is. */
int store_pack_stripes(struct txn *txn, struct store *store, uint64_t logical) must_check;
/* Where the last device extent on a device ends. */
uint64_t store_device_end(struct store *store, uint64_t devid);
/* Sets the size of a device in RAM and marks its item. */
int store_resize_device(struct store *store, uint64_t devid, uint64_t total_bytes) must_check;

/*
 * Free-space tree (free_tree.c): a no-op when the filesystem has none. The range lies within one
 * group.
 */
int free_tree_take(struct txn *txn, struct store *store, struct block_group *group, uint64_t addr,
		   uint64_t len) must_check;
int free_tree_give(struct txn *txn, struct store *store, struct block_group *group, uint64_t addr,
		   uint64_t len) must_check;

#endif
