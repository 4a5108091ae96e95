/*
 * One node: its references, its states, and the questions about them.
 *
 * A node object is read at most once: who inserts it into the index owns the read (NODE_READING),
 * the others wait for NODE_VALID or NODE_FAILED. Valid is set in the same step that ends the
 * reading, and never cleared, so no read is ever issued into bytes that somebody uses. A failed
 * node leaves the index, and the next caller reads anew. Transitions: node_get (reading ->
 * valid|failed), node_create (dirty), cache_write_dirty (io, written), node_cancel (cancelled),
 * node_forget (dead). Locks: the shard's; dirty_lock for the dirty list.
 */
#include "base/assert.h"
#include "cache/cache_priv.h"
#include "format/disk_ids.h"
#include "format/node_layout.h"

#ifdef UBTRFS_DEBUG
/*
 * node_put names no handle: the references of one node are interchangeable, the last handle goes
 * first.
 */
static void node_handle_push(struct node *node)
{
	ASSERT(node->nr_handles < NODE_HANDLES_MAX);
	ref_get_first(&node->ref, &node->handles[node->nr_handles++]);
}

static void node_handle_pop(struct node *node)
{
	struct cache_shard *shard = shard_of(node->cache, node->addr);

	mutex_lock(&shard->lock);
	ASSERT(node->nr_handles > 0);
	(void)ref_put(&node->ref, &node->handles[--node->nr_handles]);
	mutex_unlock(&shard->lock);
}
#else
static void node_handle_push(struct node *node)
{
	struct ref_handle handle;

	ref_get_first(&node->ref, &handle);
}

static void node_handle_pop(struct node *node)
{
	struct ref_handle handle;

	(void)ref_put(&node->ref, &handle);
}
#endif

/* With one reference, in no index. */
static int node_alloc(struct node_cache *cache, uint64_t addr, uint32_t state,
		      struct node **ret_node)
{
	struct node *node = mem_zalloc(sizeof(*node));

	if (node)
		node->data = mem_alloc(cache->geometry.nodesize);
	if (!node || !node->data) {
		mem_free(node);
		return MEM_FAIL("a tree block");
	}
	node->addr = addr;
	node->cache = cache;
	rwlock_init(&node->lock, RANK_NODE, "tree node");
	ref_init(&node->ref, "node", cache);
	atomic_init(&node->state, state);
	node_handle_push(node);
	atomic_fetch_add(&cache->bytes, node_size_bytes(cache));
	*ret_node = node;
	return 0;
}

void node_free(struct node *node)
{
	ASSERT(ref_count(&node->ref) == 0);
	atomic_fetch_sub(&node->cache->bytes, node_size_bytes(node->cache));
	rwlock_fini(&node->lock);
	mem_free(node->data);
	mem_free(node);
}

void node_ref_locked(struct node *node)
{
	node_handle_push(node);
}

void node_put(struct node *node)
{
	node_handle_pop(node);
}

/* The node with a reference more, NULL when it is not in the index. */
static struct node *shard_get(struct cache_shard *shard, uint64_t addr)
{
	struct node *node = shard_find(shard, addr);

	if (!node)
		return NULL;
	node_handle_push(node);
	if (!(atomic_load_explicit(&node->state, memory_order_relaxed) & NODE_ACCESSED))
		node_state_set(node, NODE_ACCESSED);
	return node;
}

/* Hands over a valid node if it is the one expected; else puts it. */
static int node_hand_over(struct node *node, const struct node_expect *expect,
			  struct node **ret_node)
{
	int ret = expect ? node_check_expect(node, expect) : 0;

	if (ret < 0) {
		node_put(node);
		return ret;
	}
	*ret_node = node;
	return 0;
}

int node_get_cached(struct node_cache *cache, uint64_t addr, const struct node_expect *expect,
		    struct node **ret_node)
{
	struct cache_shard *shard = shard_of(cache, addr);
	struct node *node;

	mutex_lock(&shard->lock);
	node = shard_get(shard, addr);
	mutex_unlock(&shard->lock);
	if (node && !(node_state(node) & NODE_VALID)) {
		node_put(node);
		node = NULL;
	}
	if (!node) {
		*ret_node = NULL;
		return 0;
	}
	return node_hand_over(node, expect, ret_node);
}

/* The read this thread owns, by having put the node into the index. */
static int node_read_owned(struct cache_shard *shard, struct node *node,
			   const struct node_expect *expect)
{
	int ret = node_read(node, expect);

	if (ret >= 0)
		rwlock_set_order(&node->lock, expect && expect->lock_order ?
						      expect->lock_order :
						      NODE_LOCK_ORDER(0, node_level(node->data)));
	mutex_lock(&shard->lock);
	node_state_set(node, ret < 0 ? NODE_FAILED : NODE_VALID | NODE_WRITTEN);
	node_state_clear(node, NODE_READING);
	/* node_create may have taken the address in the meantime. */
	if (ret < 0 && !(node_state(node) & NODE_DEAD))
		shard_detach(shard, node);
	cond_broadcast(&shard->read_done);
	mutex_unlock(&shard->lock);
	return ret;
}

/* One try: finds, waits or reads. *ret_node stays NULL when another thread's read failed. */
static int node_get_once(struct node_cache *cache, uint64_t addr, const struct node_expect *expect,
			 struct node **ret_node)
{
	struct cache_shard *shard = shard_of(cache, addr);
	struct node *node, *made = NULL;

	mutex_lock(&shard->lock);
	node = shard_get(shard, addr);
	if (!node) {
		int ret = node_alloc(cache, addr, NODE_READING, &made);

		if (ret < 0) {
			mutex_unlock(&shard->lock);
			return ret;
		}
		shard_tidy(cache, shard);
		shard_insert(shard, made);
		node = made;
	} else {
		while (!(node_state(node) & (NODE_VALID | NODE_FAILED)))
			cond_wait(&shard->read_done, &shard->lock);
	}
	mutex_unlock(&shard->lock);
	if (made) {
		int ret = node_read_owned(shard, node, expect);

		if (ret < 0)
			node_put(node);
		else
			*ret_node = node;
		return ret;
	}
	if (node_state(node) & NODE_FAILED) {
		node_put(node);
		return 0;
	}
	return node_hand_over(node, expect, ret_node);
}

int node_get(struct node_cache *cache, uint64_t addr, const struct node_expect *expect,
	     struct node **ret_node)
{
	struct node *node = NULL;

	for (unsigned attempt = 0; attempt < CACHE_READ_ATTEMPTS; attempt++) {
		TRY(node_get_once(cache, addr, expect, &node));
		if (node) {
			*ret_node = node;
			return 0;
		}
	}
	return THROW(ERR_LIMIT, "tree block %llu: other threads failed to read it %u times",
		     (unsigned long long)addr, CACHE_READ_ATTEMPTS);
}

static void node_init_header(struct node *node, uint8_t level, uint64_t owner, uint64_t generation)
{
	struct node_cache *cache = node->cache;

	node_init(&cache->geometry, node->data, node->addr, level, owner, generation);
	memcpy(header_fsid_mut(node->data), cache->fsid, sizeof(cache->fsid));
	memcpy(header_chunk_tree_uuid_mut(node->data), cache->chunk_tree_uuid,
	       sizeof(cache->chunk_tree_uuid));
	/* It means "complete on disk", which is where these bytes will be looked at. */
	node_add_flag(node->data, BTRFS_HEADER_FLAG_WRITTEN);
}

/* Puts a new node into the index, in place of a clean one of an older life of its address. */
static int node_publish(struct node_cache *cache, struct node *node)
{
	struct cache_shard *shard = shard_of(cache, node->addr);
	struct node *old;

	mutex_lock(&shard->lock);
	shard_tidy(cache, shard);
	old = shard_find(shard, node->addr);
	if (old && (node_state(old) & NODE_DIRTY)) {
		mutex_unlock(&shard->lock);
		return THROW(ERR_EXISTS, "the address %llu is in use by a new tree block",
			     (unsigned long long)node->addr);
	}
	if (old)
		shard_detach(shard, old);
	shard_insert(shard, node);
	mutex_unlock(&shard->lock);
	return 0;
}

int node_create(struct node_cache *cache, uint64_t addr, uint8_t level, uint64_t owner,
		uint64_t generation, uint32_t lock_order, struct node **ret_node)
{
	struct node *node;
	int ret;

	TRY(node_alloc(cache, addr, NODE_VALID | NODE_DIRTY, &node));
	node_init_header(node, level, owner, generation);
	rwlock_set_order(&node->lock, lock_order);
	/* Nobody knows it yet, so this cannot wait, whatever other nodes the caller holds. */
	if (!rwlock_try_write(&node->lock))
		ASSERT(!"a new node is free");
	ret = node_publish(cache, node);
	if (ret < 0) {
		rwlock_unwrite(&node->lock);
		node_put(node);
		node_free(node);
		return ret;
	}
	mutex_lock(&cache->dirty_lock);
	list_push_back(&cache->dirty, &node->dirty_link);
	atomic_fetch_add(&cache->nr_dirty, 1);
	mutex_unlock(&cache->dirty_lock);
	*ret_node = node;
	return 0;
}

bool node_is_changeable(const struct node *node, uint64_t generation)
{
	return (node_state(node) & (NODE_DIRTY | NODE_WRITTEN)) == NODE_DIRTY &&
	       node_generation(node->data) == generation;
}

bool node_is_dirty(const struct node *node)
{
	return node_state(node) & NODE_DIRTY;
}

bool node_is_written(const struct node *node)
{
	return node_state(node) & NODE_WRITTEN;
}

static void node_leave(struct node *node)
{
	struct node_cache *cache = node->cache;
	struct cache_shard *shard = shard_of(cache, node->addr);

	mutex_lock(&cache->dirty_lock);
	node_state_set(node, NODE_LEAVING);
	/* Its write goes on, for the commit that has taken it. */
	if ((node_state(node) & (NODE_DIRTY | NODE_IO)) == NODE_DIRTY) {
		link_remove(&node->dirty_link);
		node_state_clear(node, NODE_DIRTY);
		atomic_fetch_sub(&cache->nr_dirty, 1);
	}
	mutex_unlock(&cache->dirty_lock);
	mutex_lock(&shard->lock);
	if (!(node_state(node) & NODE_DEAD))
		shard_detach(shard, node);
	mutex_unlock(&shard->lock);
}

void node_cancel(struct node *node)
{
	ASSERT((node_state(node) & (NODE_DIRTY | NODE_WRITTEN)) == NODE_DIRTY);
	node_state_set(node, NODE_CANCELLED);
	node_leave(node);
}

void node_forget(struct node *node)
{
	ASSERT(node_state(node) & NODE_WRITTEN);
	node_leave(node);
}
