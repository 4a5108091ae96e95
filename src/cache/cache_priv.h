/*
 * What the files of cache/ share: the cache, its shards, and the bits of a node's state.
 *
 * Invariants: a node is in exactly one list of its shard: `lru` while it is in the index, `dead`
 * afterwards (NODE_DEAD). A node in the dirty list has NODE_DIRTY, and only those. NODE_IO and
 * NODE_READING imply that the I/O holds a reference.
 * Locks: dirty_lock (RANK_CACHE_DIRTY), then shard->lock (RANK_CACHE_SHARD).
 */
#ifndef UBTRFS_CACHE_CACHE_PRIV_H
#define UBTRFS_CACHE_CACHE_PRIV_H

#include "cache/cache.h"

#define CACHE_SHARDS 64u
#define CACHE_FIRST_BUCKETS 64u
#define CACHE_EVICT_SCAN 16u	   /* nodes looked at when an insertion finds the cache full */
#define CACHE_READ_ATTEMPTS 8u	   /* of a node that other threads fail to read */
#define CACHE_WRITE_RUN (1u << 20) /* bytes of one device write */

enum node_state {
	NODE_VALID = 1u << 0,	  /* the bytes may be used; never cleared */
	NODE_READING = 1u << 1,	  /* its one read is under way */
	NODE_FAILED = 1u << 2,	  /* its one read failed */
	NODE_DIRTY = 1u << 3,	  /* not on the device yet */
	NODE_WRITTEN = 1u << 4,	  /* handed to a device, or read from one: never changes again */
	NODE_IO = 1u << 5,	  /* being written */
	NODE_CANCELLED = 1u << 6, /* freed before it was written */
	NODE_DEAD = 1u << 7,	  /* not in the index any more */
	NODE_ACCESSED = 1u << 8,  /* used since the eviction looked at it */
	NODE_LEAVING = 1u << 9,	  /* given up: whoever ends its write takes it off the dirty list */
};

struct cache_shard {
	struct mutex lock;
	struct cond read_done;
	struct node **buckets;
	size_t nr_buckets; /* a power of two */
	size_t nr_nodes;   /* in the index */
	struct list lru;   /* front: last inserted or spared */
	struct list dead;
} __attribute__((aligned(64)));

struct node_cache {
	struct volume *volume;
	struct geometry geometry;
	uint8_t fsid[16];
	uint8_t chunk_tree_uuid[16];
	size_t limit_bytes;
	_Atomic size_t bytes; /* of all nodes, dead ones too */
	_Atomic size_t nr_dirty;
	_Atomic size_t nr_writing; /* of those: taken by a write */
	struct mutex dirty_lock;
	struct list dirty;
	struct cache_shard shards[CACHE_SHARDS];
};

static inline uint32_t node_state(const struct node *node)
{
	return atomic_load_explicit(&node->state, memory_order_acquire);
}

static inline void node_state_set(struct node *node, uint32_t bits)
{
	atomic_fetch_or_explicit(&node->state, bits, memory_order_acq_rel);
}

static inline void node_state_clear(struct node *node, uint32_t bits)
{
	atomic_fetch_and_explicit(&node->state, ~bits, memory_order_acq_rel);
}

static inline size_t node_size_bytes(const struct node_cache *cache)
{
	return sizeof(struct node) + cache->geometry.nodesize;
}

/* Index (node_cache.c); all under the shard's lock. */
struct cache_shard *shard_of(struct node_cache *cache, uint64_t addr);
struct node *shard_find(struct cache_shard *shard, uint64_t addr);
void shard_insert(struct cache_shard *shard, struct node *node);
/* Out of the index; freed by the shard once nobody holds it. */
void shard_detach(struct cache_shard *shard, struct node *node);
/*
 * Frees dead nodes that nobody holds and, when the cache is over its limit, looks at a few of
 * the oldest.
 */
void shard_tidy(struct node_cache *cache, struct cache_shard *shard);

/*
 * Life of a node (node.c). Taking a reference from any count: under the shard's lock, or the
 * dirty list's for its nodes.
 */
void node_free(struct node *node);
void node_ref_locked(struct node *node);

/* Reads and verifies into a node that is not valid yet; tries every mirror (node_read.c). */
int node_read(struct node *node, const struct node_expect *expect) must_check;
/* 0, or ERR_NODE_UNEXPECTED naming what differs. */
int node_check_expect(const struct node *node, const struct node_expect *expect) must_check;

#endif
