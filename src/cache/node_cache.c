/*
 * The cache: owns the shards of the index, the limit, and the eviction.
 *
 * Law L1: everything that frees a node is here and runs under the lock of its shard: a node in the
 * index is evicted with count 0, clean and not under I/O; a node out of the index is freed with
 * count 0, and as no lookup finds it the count stays 0. A put does nothing but count down, so there
 * is no window between a count and a flag. Eviction is second chance: lookups mark a node as
 * accessed and move nothing. Reading and writing are not here.
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/ref_tracker.h"
#include "cache/cache_priv.h"

static uint64_t addr_hash(uint64_t addr)
{
	/*
	 * Addresses are multiples of the sector size: the product's high bits depend on all of
	 * theirs.
	 */
	return (addr >> 12) * 0x9e3779b97f4a7c15u;
}

struct cache_shard *shard_of(struct node_cache *cache, uint64_t addr)
{
	return &cache->shards[addr_hash(addr) >> 58];
}

_Static_assert(CACHE_SHARDS == 1u << (64 - 58), "the shard is the top bits of the hash");

static struct node **shard_bucket(struct cache_shard *shard, uint64_t addr)
{
	return &shard->buckets[(addr_hash(addr) >> 32) & (shard->nr_buckets - 1)];
}

struct node *shard_find(struct cache_shard *shard, uint64_t addr)
{
	struct node *node = *shard_bucket(shard, addr);

	while (node && node->addr != addr)
		node = node->hash_next;
	return node;
}

/* Doubles the table; without memory the chains just get longer. */
static void shard_grow(struct cache_shard *shard)
{
	struct node **old = shard->buckets;
	size_t nr_old = shard->nr_buckets;
	struct node **buckets = mem_array(nr_old * 2, sizeof(*buckets));

	if (!buckets)
		return;
	shard->buckets = buckets;
	shard->nr_buckets = nr_old * 2;
	for (size_t i = 0; i < nr_old; i++) {
		struct node *node = old[i];

		while (node) {
			struct node *next = node->hash_next;
			struct node **bucket = shard_bucket(shard, node->addr);

			node->hash_next = *bucket;
			*bucket = node;
			node = next;
		}
	}
	mem_free(old);
}

void shard_insert(struct cache_shard *shard, struct node *node)
{
	struct node **bucket;

	ASSERT(!(node_state(node) & NODE_DEAD));
	ASSERT_SLOW(!shard_find(shard, node->addr));
	if (shard->nr_nodes >= shard->nr_buckets)
		shard_grow(shard);
	bucket = shard_bucket(shard, node->addr);
	node->hash_next = *bucket;
	*bucket = node;
	list_push_front(&shard->lru, &node->lru_link);
	shard->nr_nodes++;
}

/* Takes the node out of its chain and its list. */
static void shard_unlink(struct cache_shard *shard, struct node *node)
{
	struct node **at = shard_bucket(shard, node->addr);

	while (*at && *at != node)
		at = &(*at)->hash_next;
	ASSERT(*at == node);
	*at = node->hash_next;
	node->hash_next = NULL;
	link_remove(&node->lru_link);
	shard->nr_nodes--;
}

void shard_detach(struct cache_shard *shard, struct node *node)
{
	ASSERT(!(node_state(node) & NODE_DEAD));
	shard_unlink(shard, node);
	node_state_set(node, NODE_DEAD);
	list_push_back(&shard->dead, &node->lru_link);
}

static void shard_sweep_dead(struct cache_shard *shard)
{
	list_for_each(&shard->dead, pos, tmp) {
		struct node *node = list_entry(pos, struct node, lru_link);

		if (ref_count(&node->ref) > 0)
			continue;
		link_remove(pos);
		node_free(node);
	}
}

static bool node_is_evictable(const struct node *node)
{
	return ref_count(&node->ref) == 0 &&
	       !(node_state(node) & (NODE_DIRTY | NODE_READING | NODE_IO));
}

/* Looks at up to nr_scan of the oldest nodes; a node used since the last look is spared once. */
static void shard_evict(struct node_cache *cache, struct cache_shard *shard, size_t nr_scan)
{
	while (nr_scan-- > 0 && atomic_load(&cache->bytes) > cache->limit_bytes) {
		struct link *link = list_last(&shard->lru);
		struct node *node;

		if (!link)
			return;
		node = list_entry(link, struct node, lru_link);
		if (node_is_evictable(node) && !(node_state(node) & NODE_ACCESSED)) {
			shard_unlink(shard, node);
			node_free(node);
			continue;
		}
		node_state_clear(node, NODE_ACCESSED);
		link_remove(link);
		list_push_front(&shard->lru, link);
	}
}

void shard_tidy(struct node_cache *cache, struct cache_shard *shard)
{
	shard_sweep_dead(shard);
	shard_evict(cache, shard, CACHE_EVICT_SCAN);
}

void cache_shrink(struct node_cache *cache)
{
	for (unsigned i = 0; i < CACHE_SHARDS; i++) {
		struct cache_shard *shard = &cache->shards[i];

		mutex_lock(&shard->lock);
		shard_sweep_dead(shard);
		/* Twice around: the first look only takes the mark of use away. */
		shard_evict(cache, shard, 2 * shard->nr_nodes);
		mutex_unlock(&shard->lock);
	}
}

static int shard_init(struct cache_shard *shard)
{
	shard->buckets = mem_array(CACHE_FIRST_BUCKETS, sizeof(*shard->buckets));
	if (!shard->buckets)
		return MEM_FAIL("the index of tree blocks");
	shard->nr_buckets = CACHE_FIRST_BUCKETS;
	mutex_init(&shard->lock, RANK_CACHE_SHARD, "cache shard");
	cond_init(&shard->read_done);
	list_init(&shard->lru);
	list_init(&shard->dead);
	return 0;
}

/* Frees what is left; returns how many nodes somebody still holds. */
static size_t shard_fini(struct cache_shard *shard)
{
	size_t nr_held = 0;

	list_splice_back(&shard->dead, &shard->lru);
	list_for_each(&shard->dead, pos, tmp) {
		struct node *node = list_entry(pos, struct node, lru_link);

		if (ref_count(&node->ref) > 0) {
			log_error("tree block %llu is still held %u times",
				  (unsigned long long)node->addr, ref_count(&node->ref));
			nr_held++;
			continue;
		}
		node_free(node);
	}
	cond_fini(&shard->read_done);
	mutex_fini(&shard->lock);
	mem_free(shard->buckets);
	return nr_held;
}

int node_cache_new(const struct node_cache_config *config, struct node_cache **ret_cache)
{
	struct node_cache *cache;
	unsigned nr_shards = 0;
	int ret;

	ASSERT(config->volume && config->geometry.nodesize >= config->geometry.sectorsize);
	cache = mem_aligned(_Alignof(struct cache_shard), sizeof(*cache));
	if (!cache)
		return MEM_FAIL("the cache of tree blocks");
	memset(cache, 0, sizeof(*cache));
	cache->volume = config->volume;
	cache->geometry = config->geometry;
	memcpy(cache->fsid, config->fsid, sizeof(cache->fsid));
	memcpy(cache->chunk_tree_uuid, config->chunk_tree_uuid, sizeof(cache->chunk_tree_uuid));
	cache->limit_bytes = config->limit_bytes;
	for (; nr_shards < CACHE_SHARDS; nr_shards++) {
		ret = shard_init(&cache->shards[nr_shards]);
		if (ret < 0)
			goto undo;
	}
	mutex_init(&cache->dirty_lock, RANK_CACHE_DIRTY, "dirty tree blocks");
	list_init(&cache->dirty);
	*ret_cache = cache;
	return 0;
undo:
	while (nr_shards-- > 0)
		(void)shard_fini(&cache->shards[nr_shards]);
	mem_free(cache);
	return ret;
}

void node_cache_free(struct node_cache *cache)
{
	size_t nr_held = 0;

	if (!cache)
		return;
	for (unsigned i = 0; i < CACHE_SHARDS; i++)
		nr_held += shard_fini(&cache->shards[i]);
	nr_held += ref_tracker_report(cache);
	ASSERT_SLOW(nr_held == 0);
	mutex_fini(&cache->dirty_lock);
	mem_free(cache);
}

void node_cache_set_chunk_tree_uuid(struct node_cache *cache, const uint8_t uuid[16])
{
	memcpy(cache->chunk_tree_uuid, uuid, sizeof(cache->chunk_tree_uuid));
}

const struct geometry *node_cache_geometry(const struct node_cache *cache)
{
	return &cache->geometry;
}

size_t cache_dirty_bytes(const struct node_cache *cache)
{
	size_t nr_dirty = atomic_load(&cache->nr_dirty);
	size_t nr_writing = atomic_load(&cache->nr_writing);

	/* A write that gives its nodes back counts them down one number after the other. */
	return (nr_dirty - MIN(nr_dirty, nr_writing)) * cache->geometry.nodesize;
}

size_t cache_bytes(const struct node_cache *cache)
{
	return atomic_load(&cache->bytes);
}
