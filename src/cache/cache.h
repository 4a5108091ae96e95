/*
 * 05 cache: tree nodes in RAM, verified, counted, lockable; dirty nodes written with checksum.
 *
 * Law L1. The index is sharded by address. A lookup takes the shard lock and raises the count
 * there. A node is evicted only under its shard lock, with count 0, clean and not under I/O; I/O
 * holds a count of its own; being in the index is no reference. Law L2. A node that was handed to a
 * device write (node_is_written) is never changed again: the tree copies it. A node freed before it
 * was written is cancelled (node_cancel): it leaves the index and the dirty set, its bytes stay as
 * they are while anybody holds it.
 *
 * A node that left the index waits in its shard until nobody holds it; no lookup can revive it, and
 * the shard frees it.
 *
 * States: new -> DIRTY (node_create) -> WRITING (cache_write_begin) -> WRITTEN|clean (cache_write_run) -> evicted
 *         (count 0); WRITING -> DEAD (node_forget: the copy lives on), freed when it is written and nobody holds it;
 *         read -> VALID clean (node_get) -> evicted; DIRTY -> CANCELLED (node_cancel) -> freed when nobody holds it;
 *         clean -> DEAD (node_forget: block freed) -> freed when nobody holds it.
 * Locks: node->lock (RANK_NODE) is the tree's: held for reading or changing the bytes. Shard and
 * dirty-set locks are inner.
 */
#ifndef UBTRFS_CACHE_CACHE_H
#define UBTRFS_CACHE_CACHE_H

#include <stdatomic.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/ref.h"
#include "base/workq.h"
#include "codec/csum_algo.h"
#include "format/geometry.h"
#include "format/key.h"
#include "volume/volume.h"

#define NODE_HANDLES_MAX 64 /* tracked holders of one node, debug builds */

/* Order among node locks: by class of tree, then from the root down; order 0 would forbid
 * nesting. The first of each class is for the lock of the tree's root pointer. */
#define NODE_LOCK_ORDER_ROOT(class_nr) (1u + 16u * (uint32_t)(class_nr))
#define NODE_LOCK_ORDER(class_nr, level) (NODE_LOCK_ORDER_ROOT(class_nr) + 8u - (uint32_t)(level))

/* Blocks that snapshots share carry the owner of any of them, but never that of another kind of
 * tree. */
#define NODE_OWNER_SUBVOLUME UINT64_MAX

struct node_cache;

struct node {
	/* fixed while the node lives */
	uint64_t addr;
	uint8_t *data; /* nodesize bytes; guarded by lock */
	struct node_cache *cache;
	struct rwlock lock;
	/* private to cache/ */
	struct ref ref;
	_Atomic uint32_t state; /* NODE_* bits */
	struct node *hash_next;
	struct link lru_link; /* under the shard's lock: in lru while in the index, else in dead */
	struct link dirty_link; /* under dirty_lock */
#ifdef UBTRFS_DEBUG
	struct ref_handle handles[NODE_HANDLES_MAX]; /* of the references, under the shard's lock */
	unsigned nr_handles;
#endif
};

/*
 * What the caller knows about a node before it reads it; checked at each use (lore: identity is
 * address and generation).
 */
struct node_expect {
	uint64_t generation;
	bool any_generation; /* of a node found by its address alone (walking back) */
	uint8_t level;
	uint64_t owner; /* 0 = do not check; NODE_OWNER_SUBVOLUME = any tree that holds files */
	const struct key
		*first_key;  /* NULL = do not check; else the caller holds the parent's lock */
	uint32_t lock_order; /* NODE_LOCK_ORDER of its tree; 0 = as class 0 */
};

struct node_cache_config {
	struct volume *volume;
	struct geometry geometry;
	uint8_t fsid[16]; /* what headers must carry (metadata uuid) */
	uint8_t chunk_tree_uuid[16];
	size_t limit_bytes; /* clean nodes are evicted above this */
};

int node_cache_new(const struct node_cache_config *config,
		   struct node_cache **ret_cache) must_check;
/*
 * What headers of new nodes carry from now on: known when the chunk tree has been read, before
 * anything is written.
 */
void node_cache_set_chunk_tree_uuid(struct node_cache *cache, const uint8_t uuid[16]);
/* All nodes must have been put; dirty ones are dropped. Reports leaks in debug builds. */
void node_cache_free(struct node_cache *cache);
const struct geometry *node_cache_geometry(const struct node_cache *cache);

/* The node at addr, read and verified if needed (checksum, fsid, address, generation, level,
 * owner, first key, and the format validator; the next mirror is tried on failure). The caller
 * puts it. */
int node_get(struct node_cache *cache, uint64_t addr, const struct node_expect *expect,
	     struct node **ret_node) must_check;
/*
 * The same without waiting for a device or for a reader: *ret_node is NULL when the node is not
 * in RAM.
 */
int node_get_cached(struct node_cache *cache, uint64_t addr, const struct node_expect *expect,
		    struct node **ret_node) must_check;
/* A new, empty, dirty node with a complete header; returned write-locked with the given lock
 * order. A clean node of an older life of the address (an unlocked reader may have fetched it
 * again) leaves the index; a dirty one: ERR_EXISTS. */
int node_create(struct node_cache *cache, uint64_t addr, uint8_t level, uint64_t owner,
		uint64_t generation, uint32_t lock_order, struct node **ret_node) must_check;
void node_put(struct node *node);
DEFINE_SCOPED_PTR(node, node, node_put)

/*
 * True when the node may be changed in place in this generation: born in it and never handed to
 * a device.
 */
bool node_is_changeable(const struct node *node, uint64_t generation);
bool node_is_dirty(const struct node *node);
/* True when its bytes were handed to a device, now or in an earlier life of the cache. */
bool node_is_written(const struct node *node);
/*
 * Freed without ever having been written: leaves the dirty set and the index (write lock held by
 * the caller).
 */
void node_cancel(struct node *node);
/*
 * The block of a clean, written node was freed: leaves the index, so that the address may come
 * again later.
 */
void node_forget(struct node *node);

/* Writes all dirty nodes in order of address, neighbours in one write, each validated and
 * checksummed first. workq may be NULL. Nobody may be changing nodes meanwhile. */
int cache_write_dirty(struct node_cache *cache, struct workq *workq) must_check;
/*
 * The same in three parts, so that others may go on in between. Begin takes all that is dirty now and
 * marks it as written (law L2); nobody may be changing nodes meanwhile. Run writes it: beside it nodes
 * may be read, copied, given up and made. End gives the nodes back; one whose write failed, or that
 * was not run, stays dirty. One write at a time.
 */
struct cache_write;
int cache_write_begin(struct node_cache *cache, struct cache_write **ret_write) must_check;
int cache_write_run(struct cache_write *write, struct workq *workq) must_check;
/* NULL is allowed. */
void cache_write_end(struct cache_write *write);
/* Of nodes that may still be changed or copied before they are written; without those of a write. */
size_t cache_dirty_bytes(const struct node_cache *cache);
size_t cache_bytes(const struct node_cache *cache);
/* Evicts clean, unreferenced nodes down to the limit; called at safe points. */
void cache_shrink(struct node_cache *cache);

#endif
