/*
 * Private to space/: the space itself, and the steps that need its lock held.
 *
 * A slot is a kind after mixing: with mixed groups METADATA is in the slot of DATA. Functions with
 * _locked expect space->lock; nothing else of this folder may be called under it except free_index.
 */
#ifndef UBTRFS_SPACE_SPACE_PRIV_H
#define UBTRFS_SPACE_SPACE_PRIV_H

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "space/space.h"

struct space {
	struct space_config config; /* fixed */
	struct ref_queue *ref_queue;
	struct mutex lock;
	/* under lock */
	struct rbtree groups;			 /* block_group by start */
	struct space_totals totals[SPACE_KINDS]; /* per slot; kept in step with the groups */
	/*
	 * Per slot: no free extent of the slot's unit (sector or node) lies below. Only saves
	 * work.
	 */
	uint64_t first_free[SPACE_KINDS];
	struct list pinned;  /* pinned_set, oldest generation first, one per generation */
	uint64_t generation; /* of what is pinned from now on */
	struct chunk_policy policy;
};

enum space_kind space_slot(const struct space *space, enum space_kind kind);
/* block_group.c */
enum space_kind group_slot(const struct space *space, const struct block_group *group);
bool group_gives(const struct block_group *group);
struct block_group *group_of_locked(struct space *space, uint64_t addr);
struct block_group *group_next_locked(struct space *space, uint64_t start);
/* The group that holds the whole range, or ERR_CORRUPT. */
int group_of_range_locked(struct space *space, uint64_t addr, uint64_t len,
			  struct block_group **ret_group) must_check;
int group_create_locked(struct space *space, const struct chunk *chunk,
			struct block_group **ret_group) must_check;
/* Into and out of the free index, totals and first_free in step. */
int group_add_free_locked(struct space *space, struct block_group *group, uint64_t addr,
			  uint64_t len) must_check;
int group_take_free_locked(struct space *space, struct block_group *group, uint64_t addr,
			   uint64_t len) must_check;
void group_free_all(struct space *space);
/* pinned.c */
int pinned_add_locked(struct space *space, uint64_t addr, uint64_t len) must_check;
bool pinned_overlaps_locked(struct space *space, uint64_t addr, uint64_t len);
/* Bytes pinned inside a range. */
uint64_t pinned_bytes_locked(struct space *space, uint64_t addr, uint64_t len);
void pinned_free_all(struct space *space);
/* ref_queue.c */
int ref_queue_new(struct space *space, struct ref_queue **ret_queue) must_check;
void ref_queue_free(struct ref_queue *queue);

#endif
