/*
 * Writing the dirty nodes: sorted by address, neighbours joined into runs, each run validated,
 * checksummed and written by one job.
 *
 * Law L2: all nodes are marked as written before the first byte of any is read for the checksum;
 * from then on the tree copies them. Law L7: no node is written that the validator would refuse to
 * read. A node whose write failed stays dirty (its bytes are nowhere else); the caller aborts the
 * transaction. Locks: dirty_lock, not held during I/O.
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

static int compare_addr(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Makes the bytes final. */
static int node_seal(const struct geometry *geometry, struct node *node)
{
	uint64_t addr = node->addr;
	int ret = validate_node(geometry, node->data, addr);

	if (ret < 0)
		return err_prefix(ret, "refused to write tree block %llu",
				  (unsigned long long)addr);
	node_clear_unused(geometry, node->data);
	node_csum_update(geometry, node->data);
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

/* All dirty nodes, each with a reference and marked as written. */
static int dirty_collect(struct node_cache *cache, struct node ***ret_nodes, size_t *ret_nr)
{
	struct node **nodes;
	size_t nr = 0, nr_room;

	mutex_lock(&cache->dirty_lock);
	nr_room = atomic_load(&cache->nr_dirty);
	nodes = mem_array(MAX(nr_room, (size_t)1), sizeof(struct node *));
	if (!nodes) {
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
		nodes[nr++] = node;
	}
	mutex_unlock(&cache->dirty_lock);
	*ret_nodes = nodes;
	*ret_nr = nr;
	return 0;
}

/* Gives the nodes back; those whose bytes reached the device are clean. */
static void run_finish(struct write_run *run, bool written)
{
	struct node_cache *cache = run->cache;

	mutex_lock(&cache->dirty_lock);
	for (unsigned i = 0; i < run->nr_nodes; i++) {
		struct node *node = run->nodes[i];

		if (written) {
			link_remove(&node->dirty_link);
			node_state_clear(node, NODE_DIRTY);
			atomic_fetch_sub(&cache->nr_dirty, 1);
		}
		node_state_clear(node, NODE_IO);
	}
	mutex_unlock(&cache->dirty_lock);
	for (unsigned i = 0; i < run->nr_nodes; i++)
		node_put(run->nodes[i]);
}

/* Splits the sorted nodes into runs of neighbours; returns how many. */
static size_t runs_plan(struct node_cache *cache, struct node **nodes, size_t nr_nodes,
			struct write_run *runs)
{
	uint32_t nodesize = cache->geometry.nodesize;
	unsigned limit = MIN(CACHE_WRITE_RUN / nodesize, RUN_MAX_NODES);
	struct write_run *run = NULL;
	size_t nr_runs = 0;

	ASSERT(limit > 0);
	for (size_t i = 0; i < nr_nodes; i++) {
		if (!run || run->nr_nodes == limit ||
		    nodes[i - 1]->addr + nodesize != nodes[i]->addr) {
			run = &runs[nr_runs++];
			job_init(&run->job, run_write);
			run->cache = cache;
			run->nodes = &nodes[i];
		}
		run->nr_nodes++;
	}
	return nr_runs;
}

/* The first error wins; every run is waited for. */
static int runs_write(struct write_run *runs, size_t nr_runs, struct workq *workq)
{
	struct err_report first = { 0 };

	for (size_t i = 0; workq && i < nr_runs; i++)
		workq_submit(workq, &runs[i].job);
	for (size_t i = 0; i < nr_runs; i++) {
		int ret = workq ? job_wait(&runs[i].job) : run_write(&runs[i].job, 0);

		run_finish(&runs[i], ret >= 0);
		if (ret < 0 && first.err == 0)
			err_capture(ret, &first);
	}
	return err_rethrow(&first);
}

int cache_write_dirty(struct node_cache *cache, struct workq *workq)
{
	SCOPED_MEM struct write_run *runs = NULL;
	SCOPED_MEM struct node **nodes = NULL;
	size_t nr_nodes;

	/*
	 * Room for the runs first: once nodes are marked as written nothing else may fail before
	 * their write.
	 */
	runs = mem_array(MAX(atomic_load(&cache->nr_dirty), (size_t)1), sizeof(*runs));
	if (!runs)
		return MEM_FAIL("the writes of tree blocks");
	TRY(dirty_collect(cache, &nodes, &nr_nodes));
	qsort(nodes, nr_nodes, sizeof(*nodes), compare_addr);
	return runs_write(runs, runs_plan(cache, nodes, nr_nodes, runs), workq);
}
