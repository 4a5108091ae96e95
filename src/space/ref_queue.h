/*
 * ref_queue: changes of reference counts that wait to be run. Law L3.
 *
 * One record per extent, one net count per key in it: adds and drops of a key cancel in whatever
 * order they come. A key with net zero vanishes, a record without keys and flags too. Records are
 * taken in order of address, their changes in the order of the keys, adds before drops. Lock:
 * RANK_REF_QUEUE.
 */
#ifndef UBTRFS_SPACE_REF_QUEUE_H
#define UBTRFS_SPACE_REF_QUEUE_H

#include "base/list.h"
#include "base/rbtree.h"
#include "format/disk_ids.h"

enum ref_type {
	REF_TREE = BTRFS_TREE_BLOCK_REF_KEY,
	REF_TREE_SHARED = BTRFS_SHARED_BLOCK_REF_KEY,
	REF_DATA = BTRFS_EXTENT_DATA_REF_KEY,
	REF_DATA_SHARED = BTRFS_SHARED_DATA_REF_KEY,
};

struct ref_key {
	enum ref_type type;
	uint64_t root;	 /* owner tree, or parent block for shared types */
	uint64_t inode;	 /* data refs only, else 0 */
	uint64_t offset; /* data refs only, else 0 */
};
/* < 0, 0, > 0; a strict order over all four fields. */
int ref_key_compare(const struct ref_key *a, const struct ref_key *b);

/* One key and what it changes by, or what it counts. */
struct ref_delta {
	struct ref_key key;
	int64_t delta;
};

/* Net change of one key. */
struct ref_change {
	struct link link;    /* in a taken record */
	struct rb_node node; /* by key, in a queued record */
	struct ref_key key;
	int64_t delta; /* never 0 in a queued record */
};

struct ref_record {
	struct rb_node node; /* by addr */
	uint64_t addr;
	uint64_t len_bytes;
	bool metadata;
	uint8_t level;	     /* travels with the request, law L2 */
	bool born;	     /* allocated in this transaction and no extent item exists yet */
	bool written;	     /* born, and its bytes reached a device: freeing pins */
	uint64_t generation; /* of the item to insert when born */
	uint64_t set_flags;  /* BTRFS_EXTENT_FLAG_* to add to the item (FULL_BACKREF) */
	struct list
		changes; /* ref_change, filled when taken: adds before drops, each in order of keys */
	struct rbtree by_key; /* ref_change, while queued */
	int64_t net;	      /* over all keys */
	struct ref_change
		first; /* most records have one change: it lives here; free while its delta is 0 */
};

struct space;
struct ref_queue;

struct ref_queue *space_ref_queue(struct space *space);

struct ref_request {
	uint64_t addr, len_bytes;
	bool metadata;
	uint8_t level;	     /* metadata only, else 0 */
	bool born;	     /* this add is the first life of the address */
	bool written;	     /* its bytes reached a device */
	uint64_t generation; /* of the item, when born */
	uint64_t set_flags;
	struct ref_key key;
	int64_t delta; /* 0 only together with set_flags */
};
/*
 * Queues one change. A born record that comes to nothing disappears and its space is given back
 * (written: pinned). Born while a record for the address waits, or another length, kind or level
 * than the record has: ERR_CORRUPT. After ref_queue_stop: ERR_TXN_ABORTED. On failure nothing has
 * changed.
 */
int ref_queue_push(struct ref_queue *queue, const struct ref_request *request) must_check;
/* Net count pending for an address over all keys; 0 when nothing is queued. */
int64_t ref_queue_pending(struct ref_queue *queue, uint64_t addr);
/* Copies what is pending for an address, in the order of the keys: up to capacity of the changes;
 * *ret_nr is how many there are. */
void ref_queue_copy(struct ref_queue *queue, uint64_t addr, struct ref_delta *deltas,
		    size_t capacity, size_t *ret_nr);
/* Whether a drop waits for an address that is of another key than mine. */
bool ref_queue_others_drop(struct ref_queue *queue, uint64_t addr, const struct ref_key *mine);
/* Takes the record with the lowest address >= from out of the queue (wraps once); NULL when
 * empty. The caller runs it completely, then frees it. */
struct ref_record *ref_queue_take(struct ref_queue *queue, uint64_t from);
void ref_record_free(struct ref_record *record);
/* Records that wait. */
size_t ref_queue_nr(struct ref_queue *queue);
/* After an abort: drops everything and refuses what comes. */
void ref_queue_stop(struct ref_queue *queue);

#endif
