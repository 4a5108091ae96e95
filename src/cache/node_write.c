/*
 * Writing the dirty nodes: sorted by address, neighbours joined into runs, each run validated,
 * checksummed and written by one job.
 *
 * Law L2: all nodes are marked as written before the first byte of any is read for the checksum;
 * from then on the tree copies them. Law L7: no node is written that the validator would refuse to
 * read. A node whose write failed stays dirty (its bytes are nowhere else); the caller aborts the
 * transaction. While a write runs, its nodes may be read, and given up: they hold a reference of the
 * write, and stay on the dirty list until its end. Locks: dirty_lock, not held during I/O; a node's
 * own lock while it gets its checksum.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "cache/cache_priv.h"
#include "format/node_layout.h"
#include "format/validate_node.h"

#define RUN_MAX_NODES 256u /* nodes of the smallest size in CACHE_WRITE_RUN */

struct write_run {
	struct job job;
	struct node_cache *cache;
	struct node **nodes;
	unsigned nr_nodes;
};

struct cache_write {
	struct node_cache *cache;
	struct node **nodes; /* by address */
	size_t nr_nodes;
	struct write_run *runs;
	size_t nr_runs, nr_ended;
};

static int compare_addr(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Makes the bytes final; others may be reading the node. */
static int node_seal(const struct geometry *geometry, struct node *node)
{
	uint64_t addr = node->addr;
	int ret = validate_node(geometry, node->data, addr);

	if (ret < 0)
		return err_prefix(ret, "refused to write tree block %llu",
				  (unsigned long long)addr);
	rwlock_write(&node->lock);
	node_clear_unused(geometry, node->data);
	node_csum_update(geometry, node->data);
	rwlock_unwrite(&node->lock);
	return 0;
}

static int run_write(struct job *job, unsigned worker)
{
	struct write_run *run = container_of(job, struct write_run, job);
	const struct geometry *geometry = &run->cache->geometry;
	struct iovec parts[RUN_MAX_NODES];

	(void)worker;
	ASSERT(run->nr_nodes > 0 && run->nr_nodes <= RUN_MAX_NODES);
	for (unsigned i = 0; i < run->nr_nodes; i++) {
		TRY(node_seal(geometry, run->nodes[i]));
		parts[i].iov_base = run->nodes[i]->data;
		parts[i].iov_len = geometry->nodesize;
	}
	return volume_writev(run->cache->volume, run->nodes[0]->addr, parts, (int)run->nr_nodes);
}

/* All dirty nodes, each with a reference and marked as written. Nothing is marked on failure. */
static int dirty_collect(struct cache_write *write)
{
	struct node_cache *cache = write->cache;
	size_t nr = 0, nr_room;

	mutex_lock(&cache->dirty_lock);
	ASSERT(atomic_load(&cache->nr_writing) == 0);
	nr_room = atomic_load(&cache->nr_dirty);
	write->nodes = mem_array(MAX(nr_room, (size_t)1), sizeof(struct node *));
	/* Room for the runs too: what is marked as written must not fail before its write. */
	write->runs = mem_array(MAX(nr_room, (size_t)1), sizeof(*write->runs));
	if (!write->nodes || !write->runs) {
		mutex_unlock(&cache->dirty_lock);
		return MEM_FAIL("the list of dirty tree blocks");
	}
	list_for_each(&cache->dirty, pos, tmp) {
		struct node *node = list_entry(pos, struct node, dirty_link);
		struct cache_shard *shard = shard_of(cache, node->addr);

		ASSERT(nr < nr_room);
		mutex_lock(&shard->lock);
		node_ref_locked(node);
		mutex_unlock(&shard->lock);
		node_state_set(node, NODE_WRITTEN | NODE_IO);
		write->nodes[nr++] = node;
	}
	atomic_store(&cache->nr_writing, nr);
	mutex_unlock(&cache->dirty_lock);
	write->nr_nodes = nr;
	return 0;
}

/* Gives the nodes back; those whose bytes reached the device are clean. */
static void run_finish(struct write_run *run, bool written)
{
	struct node_cache *cache = run->cache;

	mutex_lock(&cache->dirty_lock);
	for (unsigned i = 0; i < run->nr_nodes; i++) {
		struct node *node = run->nodes[i];

		if (written || node_state(node) & NODE_LEAVING) {
			link_remove(&node->dirty_link);
			node_state_clear(node, NODE_DIRTY);
			atomic_fetch_sub(&cache->nr_dirty, 1);
		}
		node_state_clear(node, NODE_IO);
	}
	atomic_fetch_sub(&cache->nr_writing, run->nr_nodes);
	mutex_unlock(&cache->dirty_lock);
	for (unsigned i = 0; i < run->nr_nodes; i++)
		node_put(run->nodes[i]);
}

/* Splits the sorted nodes into runs of neighbours. */
static void runs_plan(struct cache_write *write)
{
	uint32_t nodesize = write->cache->geometry.nodesize;
	unsigned limit = MIN(CACHE_WRITE_RUN / nodesize, RUN_MAX_NODES);
	struct write_run *run = NULL;

	ASSERT(limit > 0);
	for (size_t i = 0; i < write->nr_nodes; i++) {
		if (!run || run->nr_nodes == limit ||
		    write->nodes[i - 1]->addr + nodesize != write->nodes[i]->addr) {
			run = &write->runs[write->nr_runs++];
			job_init(&run->job, run_write);
			run->cache = write->cache;
			run->nodes = &write->nodes[i];
		}
		run->nr_nodes++;
	}
}

int cache_write_begin(struct node_cache *cache, struct cache_write **ret_write)
{
	struct cache_write *write = mem_zalloc(sizeof(*write));
	int err;

	if (!write)
		return MEM_FAIL("the writes of tree blocks");
	write->cache = cache;
	err = dirty_collect(write);
	if (err < 0) {
		cache_write_end(write);
		return err;
	}
	qsort(write->nodes, write->nr_nodes, sizeof(struct node *), compare_addr);
	runs_plan(write);
	*ret_write = write;
	return 0;
}

/* The first error wins; every run is waited for. */
int cache_write_run(struct cache_write *write, struct workq *workq)
{
	struct err_report first = { 0 };

	for (size_t i = 0; workq && i < write->nr_runs; i++)
		workq_submit(workq, &write->runs[i].job);
	for (; write->nr_ended < write->nr_runs; write->nr_ended++) {
		struct write_run *run = &write->runs[write->nr_ended];
		int ret = workq ? job_wait(&run->job) : run_write(&run->job, 0);

		run_finish(run, ret >= 0);
		if (ret < 0 && first.err == 0)
			err_capture(ret, &first);
	}
	return err_rethrow(&first);
}

void cache_write_end(struct cache_write *write)
{
	if (!write)
		return;
	for (; write->nr_ended < write->nr_runs; write->nr_ended++)
		run_finish(&write->runs[write->nr_ended], false);
	mem_free(write->nodes);
	mem_free(write->runs);
	mem_free(write);
}

int cache_write_dirty(struct node_cache *cache, struct workq *workq)
{
	struct cache_write *write;
	int err;

	TRY(cache_write_begin(cache, &write));
	err = cache_write_run(write, workq);
	cache_write_end(write);
	return err;
}
