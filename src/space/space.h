/*
 * 06 space: what is free and used, in RAM. Reserve, allocate, pin; queue changes of references.
 *
 * Owns the block groups with an index of their free extents (block_group.h, free_index.h), the
 * promises, the pinned ranges and the reference queue (ref_queue.h). It reads and writes no disk:
 * store/ fills it from items and writes items from it. Reserved is what was given out by alloc and
 * is not yet accounted by a reference run (extent item not yet inserted). Determinism: the same
 * calls in the same order give the same addresses: lowest address first.
 * Locks: RANK_REF_QUEUE (the queue), RANK_SPACE (all the rest); space_grow takes those of the
 * volume inside.
 */
#ifndef UBTRFS_SPACE_SPACE_H
#define UBTRFS_SPACE_SPACE_H

#include "base/list.h"
#include "base/lock.h"
#include "base/rbtree.h"
#include "format/disk_ids.h"
#include "space/block_group.h"
#include "space/free_index.h"
#include "space/ref_queue.h"
#include "volume/volume.h"

/*
 * With mixed block groups DATA and METADATA mean the same groups, totals, promises and policy
 * (that of DATA).
 */
enum space_kind { SPACE_DATA, SPACE_METADATA, SPACE_SYSTEM, SPACE_KINDS };

struct space_config {
	struct volume *volume; /* borrowed; outlives the space */
	uint32_t sectorsize;
	uint32_t nodesize;
	bool mixed; /* data and metadata share block groups */
};
int space_new(const struct space_config *config, struct space **ret_space) must_check;
/* Groups, pinned ranges and queued references go with it. NULL is allowed. */
void space_free_all(struct space *space);

struct space_totals {
	uint64_t total_bytes, used_bytes, reserved_bytes, pinned_bytes;
	uint64_t free_bytes; /* what can be given out: read-only and removed groups do not count */
	uint64_t super_bytes, promised_bytes;
};
void space_totals_get(struct space *space, enum space_kind kind, struct space_totals *ret_totals);
/* The sum over groups of used bytes: the superblock's bytes_used. */
uint64_t space_used_total(struct space *space);
/* For each group free + used + pinned + reserved + super = length, and index, pinned ranges and
 * totals agree; ERR_CORRUPT naming the group. */
int space_audit(struct space *space) must_check;

/* ---- promises (reserve.c), law L9 ---- */
/*
 * Promises bytes of a kind: succeeds only while promised <= free. ERR_NO_SPACE changes nothing
 * (no THROW text).
 */
int space_promise(struct space *space, enum space_kind kind, uint64_t bytes) must_check;
void space_unpromise(struct space *space, enum space_kind kind, uint64_t bytes);

/* ---- allocation (alloc.c) ---- */
/* A tree block. kind METADATA or SYSTEM. Aligned to nodesize, inside one stripe. The lowest
 * address in the group of hint (when hint is in one of this kind), else the lowest of all.
 * ERR_NO_SPACE. */
int space_alloc_node(struct space *space, enum space_kind kind, uint64_t hint,
		     uint64_t *ret_addr) must_check;
/* Up to len bytes of data, at least min_len, contiguous: the lowest extent that holds len, else
 * the longest. Both are multiples of the sector size, min_len not 0. ERR_NO_SPACE when none has
 * min_len. */
int space_alloc_data(struct space *space, uint64_t len, uint64_t min_len, uint64_t *ret_addr,
		     uint64_t *ret_len) must_check;
/* The following take ranges inside one group, and fail with ERR_CORRUPT, changing nothing, when
 * the range is free or pinned already or the group has less of the state that it comes from. */
/* Given out, never used by anybody: back to free at once. */
int space_give_back(struct space *space, uint64_t addr, uint64_t len) must_check;
/* The reference run inserted the extent item: reserved becomes used. */
int space_account_used(struct space *space, uint64_t addr, uint64_t len) must_check;
/* The reference run removed the extent item: used becomes pinned. */
int space_account_freed(struct space *space, uint64_t addr, uint64_t len) must_check;
/* A node written but freed before its item was inserted: reserved becomes pinned. */
int space_pin_reserved(struct space *space, uint64_t addr, uint64_t len) must_check;

/* ---- pinned ranges (pinned.c), laws L3, L4, L8 ---- */
/*
 * After the superblock is durable: ranges pinned by generations <= generation and < oldest_epoch
 * become free.
 */
int space_unpin(struct space *space, uint64_t generation, uint64_t oldest_epoch) must_check;
/*
 * What is pinned in one group becomes free at once: only for a group that goes as a whole, where
 * nothing is given out again.
 */
int space_unpin_group(struct space *space, struct block_group *group) must_check;
/*
 * One of those who refer to a data extent that lives on has let go of it: until the superblock of
 * this generation is durable, the one before it has him still, and he reads its bytes.
 */
int space_note_left(struct space *space, uint64_t addr, uint64_t len) must_check;
/*
 * Whether that happened to some of a range and is not durable; also when there was too much to
 * note.
 */
bool space_was_left(struct space *space, uint64_t addr, uint64_t len);
/* The generation with which ranges are pinned from now on; never less than before. */
void space_set_generation(struct space *space, uint64_t generation);

/* ---- chunk planning (chunk_plan.c, device_holes.c) ---- */
struct chunk_policy {
	uint64_t profile[SPACE_KINDS]; /* BTRFS_BLOCK_GROUP_* profile bits, 0 single */
	/* Where a kind is put on devices: from the low end up, or from the high end down (so
	 * that a later trim leaves no hole). */
	bool from_end[SPACE_KINDS];
	/* Upper bound of one chunk (logical bytes), 0: like Linux (chunk_plan.c). */
	uint64_t max_chunk[SPACE_KINDS];
	/* Resizable devices are enlarged when no hole is left. */
	bool may_grow;
};
void space_set_policy(struct space *space, const struct chunk_policy *policy);
void space_get_policy(struct space *space, struct chunk_policy *ret_policy);
/*
 * Plans a chunk of a kind with at least min_bytes (also above max_chunk), adds it to the volume's
 * map and as a new group. Next logical address = behind the last, at least 1 MiB. exact_bytes != 0:
 * exactly that long (rounded up to a row). ERR_NO_SPACE when the devices have no room,
 * ERR_UNSUPPORTED for a profile that cannot be written.
 */
int space_grow(struct space *space, enum space_kind kind, uint64_t min_bytes, uint64_t exact_bytes,
	       struct block_group **ret_group) must_check;

#endif
