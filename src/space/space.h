/*
 * 06 space: what is free and used, in RAM. Reserve, allocate, pin; queue changes of references.
 *
 * Owns the block groups with an index of their free extents, the reservations, the pinned ranges and the reference queue. It reads
 * and writes no disk: store/ fills it from items and writes items from it. For each block group, always:
 *   free + used + pinned + reserved + super = length        (space_audit)
 * where reserved is what was given out by alloc and is not yet accounted by a reference run (extent item not yet inserted).
 * Determinism: given the same calls in the same order, the same addresses come out: lowest address first.
 * Locks: RANK_REF_QUEUE, RANK_SPACE, RANK_BLOCK_GROUP, RANK_PINNED.
 */
#ifndef UBTRFS_SPACE_SPACE_H
#define UBTRFS_SPACE_SPACE_H

#include "base/list.h"
#include "base/lock.h"
#include "base/rbtree.h"
#include "format/disk_ids.h"
#include "volume/volume.h"

/* ---- free_index: a set of free extents (free_index.c) ---- */
struct free_index {
	struct rbtree by_addr;
	struct rbtree by_len; /* (len, addr) */
	uint64_t free_bytes;
};
void free_index_init(struct free_index *index);
void free_index_fini(struct free_index *index);
/* Adds a free range; joins neighbours. Overlap with free space: ERR_CORRUPT. */
int free_index_add(struct free_index *index, uint64_t addr, uint64_t len) must_check;
/* Takes exactly this range out. Not wholly free: ERR_CORRUPT. */
int free_index_take(struct free_index *index, uint64_t addr, uint64_t len) must_check;
/* Lowest address with len free bytes at an address aligned to align; starting the search at from; false when none. */
bool free_index_find(const struct free_index *index, uint64_t from, uint64_t len, uint64_t align, uint64_t *ret_addr);
/* The longest free extent; false when empty. */
bool free_index_longest(const struct free_index *index, uint64_t *ret_addr, uint64_t *ret_len);
/* In order of address; visit returns nonzero to stop. */
int free_index_each(const struct free_index *index, int (*visit)(void *ctx, uint64_t addr, uint64_t len), void *ctx);

/* ---- block groups (block_group.c) ---- */
struct block_group {
	struct rb_node node; /* by start */
	uint64_t start;
	uint64_t len_bytes;
	uint64_t flags; /* BTRFS_BLOCK_GROUP_* */
	/* under space->lock */
	uint64_t used_bytes;	 /* has extent items (or will, at the run that is under way) */
	uint64_t reserved_bytes; /* given out, item not yet inserted */
	uint64_t pinned_bytes;	 /* freed in this transaction, or needed by an epoch */
	uint64_t super_bytes;	 /* under superblock copies */
	struct free_index free;
	bool read_only; /* nothing is allocated from it */
	bool dirty;	/* its item must be written (used_bytes changed or new) */
	bool is_new;	/* no item on disk yet: chunk, device extents, block group item and free space info to be inserted by store/ */
	bool removed;   /* to be removed by store/ (empty); no allocation any more */
	bool fst_bitmaps; /* free_tree: this group uses bitmaps */
	uint32_t fst_extent_count; /* free_tree: extents in its info item */
};

enum space_kind { SPACE_DATA, SPACE_METADATA, SPACE_SYSTEM, SPACE_KINDS };

struct space;

struct space_config {
	struct volume *volume;
	uint32_t sectorsize;
	uint32_t nodesize;
	bool mixed; /* data and metadata share block groups */
};
int space_new(const struct space_config *config, struct space **ret_space) must_check;
void space_free_all(struct space *space);

/* Adds a block group over an existing chunk: used as its item says, nothing free yet (the loader then adds free ranges by
 * space_load_free), superblock ranges excluded. */
int space_add_group(struct space *space, uint64_t start, uint64_t len, uint64_t flags, uint64_t used, struct block_group **ret_group) must_check;
int space_load_free(struct space *space, struct block_group *group, uint64_t addr, uint64_t len) must_check;
/* A brand-new group (is_new, dirty) over a chunk that was just planned and added: everything but superblock ranges is free. */
int space_create_group(struct space *space, const struct chunk *chunk, struct block_group **ret_group) must_check;
/* Forgets an empty group. */
int space_remove_group(struct space *space, uint64_t start) must_check;
struct block_group *space_group_of(struct space *space, uint64_t addr);
/* First group starting at or after start; NULL at the end. */
struct block_group *space_group_next(struct space *space, uint64_t start);
/* Cuts the free tail of a group: new_len >= end of what is in use; model only. */
int space_trim_group(struct space *space, struct block_group *group, uint64_t new_len) must_check;

struct space_totals {
	uint64_t total_bytes, used_bytes, reserved_bytes, pinned_bytes, free_bytes, super_bytes, promised_bytes;
};
void space_totals_get(struct space *space, enum space_kind kind, struct space_totals *ret_totals);
/* The sum over groups of used bytes: the superblock's bytes_used. */
uint64_t space_used_total(struct space *space);
/* For each group: free + used + pinned + reserved + super = length, and the index agrees; ERR_CORRUPT naming the group. */
int space_audit(struct space *space) must_check;

/* ---- promises (reserve.c), law L9 ---- */
/* Promises bytes of a kind: succeeds only while promised <= free. ERR_NO_SPACE changes nothing (no THROW text). */
int space_promise(struct space *space, enum space_kind kind, uint64_t bytes) must_check;
void space_unpromise(struct space *space, enum space_kind kind, uint64_t bytes);

/* ---- allocation (alloc.c) ---- */
/* A tree block. kind METADATA or SYSTEM. Aligned to nodesize inside one stripe. Lowest address first, beginning at hint's group. ERR_NO_SPACE. */
int space_alloc_node(struct space *space, enum space_kind kind, uint64_t hint, uint64_t *ret_addr) must_check;
/* Up to len bytes of data, at least min_len, contiguous: the lowest extent that holds len, else the longest. ERR_NO_SPACE when none has min_len. */
int space_alloc_data(struct space *space, uint64_t len, uint64_t min_len, uint64_t *ret_addr, uint64_t *ret_len) must_check;
/* Given out, never used by anybody: back to free at once. */
int space_give_back(struct space *space, uint64_t addr, uint64_t len) must_check;
/* The reference run inserted the extent item: reserved becomes used. */
int space_account_used(struct space *space, uint64_t addr, uint64_t len) must_check;
/* The reference run removed the extent item: used becomes pinned. */
int space_account_freed(struct space *space, uint64_t addr, uint64_t len) must_check;
/* A node written but freed before its item was inserted: reserved becomes pinned. */
int space_pin_reserved(struct space *space, uint64_t addr, uint64_t len) must_check;
/* After the superblock is durable: ranges pinned by generations <= generation and < oldest epoch become free. */
int space_unpin(struct space *space, uint64_t generation, uint64_t oldest_epoch) must_check;
/* The generation with which ranges are pinned from now on. */
void space_set_generation(struct space *space, uint64_t generation);

/* ---- chunk planning (chunk_plan.c) ---- */
struct chunk_policy {
	uint64_t profile[SPACE_KINDS]; /* BTRFS_BLOCK_GROUP_* profile bits, 0 single */
	/* Where a kind is put on devices: from the low end up, or from the high end down (so that a later trim leaves no hole). */
	bool from_end[SPACE_KINDS];
	/* Upper bound of one chunk (logical bytes), 0: like Linux (data 1 GiB or 10 % of the devices; metadata 256 MiB / 1 GiB; system 32 MiB). */
	uint64_t max_chunk[SPACE_KINDS];
	/* Regular files may grow: devices are enlarged when no hole is left. */
	bool may_grow;
};
void space_set_policy(struct space *space, const struct chunk_policy *policy);
/* Plans a chunk of a kind with at least min_bytes, adds it to the volume's map and as a new group. Next logical address = behind the last.
 * exact_bytes != 0: exactly that long (rounded up to a row). ERR_NO_SPACE when the devices have no room. */
int space_grow(struct space *space, enum space_kind kind, uint64_t min_bytes, uint64_t exact_bytes, struct block_group **ret_group) must_check;

/* ---- reference queue (ref_queue.c), law L3 ---- */
enum ref_type {
	REF_TREE = BTRFS_TREE_BLOCK_REF_KEY,
	REF_TREE_SHARED = BTRFS_SHARED_BLOCK_REF_KEY,
	REF_DATA = BTRFS_EXTENT_DATA_REF_KEY,
	REF_DATA_SHARED = BTRFS_SHARED_DATA_REF_KEY,
};
struct ref_key {
	enum ref_type type;
	uint64_t root;	 /* owner tree, or parent block for shared types */
	uint64_t inode;	 /* data refs only */
	uint64_t offset; /* data refs only */
};
/* Net change of one key. */
struct ref_change {
	struct link link;
	struct ref_key key;
	int64_t delta; /* never 0 in a queued record */
};
struct ref_record {
	struct rb_node node; /* by addr */
	uint64_t addr;
	uint64_t len_bytes;
	bool metadata;
	uint8_t level;	  /* travels with the request, law L2 */
	bool born;	  /* allocated in this transaction and no extent item exists yet */
	bool written;	  /* born, and its bytes reached a device: freeing pins */
	uint64_t generation; /* of the item to insert when born */
	uint64_t set_flags; /* BTRFS_EXTENT_FLAG_* to add to an existing item (FULL_BACKREF) */
	struct list changes; /* ref_change: adds before drops */
};
struct ref_queue;
struct ref_queue *space_ref_queue(struct space *space);
/* Queues one change. born: this add is the first life of the address. Law L3: equal keys add up; a born record that comes to nothing
 * disappears and its space is given back (written: pinned). After ref_queue_stop: ERR_TXN_ABORTED. */
struct ref_request {
	uint64_t addr, len_bytes;
	bool metadata;
	uint8_t level;
	bool born;
	bool written;
	uint64_t generation;
	uint64_t set_flags;
	struct ref_key key;
	int64_t delta;
};
int ref_queue_push(struct ref_queue *queue, const struct ref_request *request) must_check;
/* Net count pending for an address over all keys; 0 when nothing is queued. */
int64_t ref_queue_pending(struct ref_queue *queue, uint64_t addr);
/* Takes the record with the lowest address >= from out of the queue (wraps once); NULL when empty. The caller runs it completely, then frees it. */
struct ref_record *ref_queue_take(struct ref_queue *queue, uint64_t from);
void ref_record_free(struct ref_record *record);
size_t ref_queue_nr(struct ref_queue *queue);
/* After an abort: drops everything and refuses what comes. */
void ref_queue_stop(struct ref_queue *queue);

#endif
