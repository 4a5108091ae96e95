/*
 * Private to format: the validators that item_ops.c puts into its table, and what they share.
 *
 * A validator checks sizes, alignments, ranges, lengths and the agreement of item and key; it
 * trusts nothing inside the item, never reads outside it, and allocates nothing. It must be fast:
 * it runs for each item of each node read or written.
 */
#ifndef UBTRFS_FORMAT_ITEM_VALIDATE_H
#define UBTRFS_FORMAT_ITEM_VALIDATE_H

#include <inttypes.h>

#include "format/item_ops.h"

#define CHUNK_REASON_MAX 160

/* Throws ERR_NODE_BAD naming block, slot, key and reason. */
int item_bad(const struct item_view *item, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

#define REFUSE_IF(item, cond, ...)                            \
	do {                                                  \
		if (__builtin_expect(!!(cond), 0))            \
			return item_bad((item), __VA_ARGS__); \
	} while (0)

#define REFUSE_SIZE(item, want)                                                             \
	REFUSE_IF(item, (item)->len != (want), "item size is %u, expected %u", (item)->len, \
		  (unsigned)(want))

/* Trees of files: the top level, subvolumes, snapshots. */
static inline bool tree_is_fs(uint64_t root_id)
{
	return root_id == BTRFS_FS_TREE_OBJECTID ||
	       (root_id >= BTRFS_FIRST_FREE_OBJECTID && root_id <= INT64_MAX &&
		!(root_id >> BTRFS_QGROUP_LEVEL_SHIFT));
}

static inline bool inode_id_is_file(uint64_t objectid)
{
	return objectid >= BTRFS_FIRST_FREE_OBJECTID && objectid <= BTRFS_LAST_FREE_OBJECTID;
}

static inline bool has_one_bit_at_most(uint64_t bits)
{
	return !(bits & (bits - 1));
}

/*
 * In a tree of files each item of an inode comes after another item of that inode (its INODE_ITEM
 * at the latest), except in slot 0. Log trees and the root tree hold partial inodes.
 */
static inline bool item_has_inode_before(const struct item_view *item)
{
	return item->slot == 0 || item->prev.objectid == item->key.objectid ||
	       !tree_is_fs(item->owner);
}

/*
 * The rules of a chunk of len bytes at logical; the same for chunk items and the superblock's
 * array. 0, or -1 and the reason in words.
 */
int chunk_check(const uint8_t *chunk, uint32_t len, uint64_t logical, uint32_t sectorsize,
		char ret_reason[CHUNK_REASON_MAX]);

int item_validate_inode(const struct item_view *item);
int item_validate_inode_ref(const struct item_view *item);
int item_validate_inode_extref(const struct item_view *item);
int item_validate_orphan(const struct item_view *item);
int item_validate_verity_desc(const struct item_view *item);
int item_validate_dir(const struct item_view *item);
int item_validate_dir_log(const struct item_view *item);
int item_validate_file_extent(const struct item_view *item);
int item_validate_csum(const struct item_view *item);
int item_validate_root(const struct item_view *item);
int item_validate_root_ref(const struct item_view *item);
int item_validate_extent(const struct item_view *item);
int item_validate_keyed_ref(const struct item_view *item);
int item_validate_ref_v0(const struct item_view *item);
int item_validate_data_refs(const struct item_view *item);
int item_validate_chunk(const struct item_view *item);
int item_validate_block_group(const struct item_view *item);
int item_validate_device(const struct item_view *item);
int item_validate_dev_extent(const struct item_view *item);
int item_validate_raid_stripe(const struct item_view *item);
int item_validate_remap(const struct item_view *item);
int item_validate_free_space_info(const struct item_view *item);
int item_validate_free_space_extent(const struct item_view *item);
int item_validate_free_space_bitmap(const struct item_view *item);
int item_validate_untyped(const struct item_view *item);
int item_validate_qgroup_status(const struct item_view *item);
int item_validate_qgroup_numbers(const struct item_view *item);
int item_validate_qgroup_relation(const struct item_view *item);
int item_validate_temporary(const struct item_view *item);
int item_validate_persistent(const struct item_view *item);
int item_validate_dev_replace(const struct item_view *item);
int item_validate_uuid(const struct item_view *item);

#endif
