/*
 * How the blocks of a tree lie on the disk.
 *
 * Along the pointers of each node a block that does not follow the one before is a seek; blocks
 * that do are a cluster. (btrfs-progs counts a cluster when a seek ends it and it has several
 * blocks.) Takes the lock of the filesystem; read locks on the path of the walk.
 */
#include <stdlib.h>

#include <ubtrfs/inspect.h>

#include "base/clock.h"
#include "format/node_layout.h"
#include "ops/op_paths.h"

struct stats_walk {
	struct ubtrfs_tree_stats *stats;
	uint32_t nodesize;
	uint64_t lowest, highest;
	uint64_t *distances; /* of every seek; owned */
	size_t nr_distances, capacity;
};

static int add_distance(struct stats_walk *walk, uint64_t distance)
{
	if (walk->nr_distances == walk->capacity) {
		size_t capacity = walk->capacity ? 2 * walk->capacity : 1024;
		uint64_t *grown = mem_resize(walk->distances, capacity * sizeof(*grown));

		if (!grown)
			return MEM_FAIL("the seeks of a tree");
		walk->distances = grown;
		walk->capacity = capacity;
	}
	walk->distances[walk->nr_distances++] = distance;
	walk->stats->seek_bytes += distance;
	return 0;
}

static void end_cluster(struct stats_walk *walk, uint64_t bytes)
{
	struct ubtrfs_tree_stats *stats = walk->stats;

	if (bytes == walk->nodesize)
		return;
	stats->cluster_bytes += bytes;
	stats->min_cluster_bytes = stats->nr_clusters ? MIN(stats->min_cluster_bytes, bytes) :
							bytes;
	stats->max_cluster_bytes = MAX(stats->max_cluster_bytes, bytes);
	stats->nr_clusters++;
}

static int count_pointers(struct stats_walk *walk, const struct node *node)
{
	uint64_t last = node->addr, cluster_bytes = walk->nodesize;

	for (unsigned slot = 0; slot < node_nritems(node->data); slot++) {
		uint64_t addr = node_child_addr(node->data, slot), expected = last + walk->nodesize;

		if (addr != expected) {
			TRY(add_distance(walk,
					 addr > expected ? addr - expected : expected - addr));
			if (addr > last)
				walk->stats->nr_forward_seeks++;
			else
				walk->stats->nr_backward_seeks++;
			end_cluster(walk, cluster_bytes);
			cluster_bytes = 0;
		}
		cluster_bytes += walk->nodesize;
		last = addr;
		walk->lowest = MIN(walk->lowest, addr);
		walk->highest = MAX(walk->highest, addr);
	}
	return 0;
}

static void count_inline(struct ubtrfs_tree_stats *stats, const uint8_t *leaf)
{
	for (unsigned slot = 0; slot < node_nritems(leaf); slot++) {
		uint32_t len = leaf_item_len(leaf, slot);

		if (leaf_key(leaf, slot).type == BTRFS_EXTENT_DATA_KEY &&
		    len >= FILE_EXTENT_INLINE_AT &&
		    file_extent_type(leaf_item_data(leaf, slot)) == BTRFS_FILE_EXTENT_INLINE)
			stats->inline_bytes += len - FILE_EXTENT_INLINE_AT;
	}
}

static int visit_node(void *ctx, const struct node *node, uint8_t level)
{
	struct stats_walk *walk = ctx;
	struct ubtrfs_tree_stats *stats = walk->stats;

	if (!stats->nr_nodes) {
		walk->lowest = walk->highest = node->addr;
		stats->nr_levels = level + 1u;
	}
	stats->nr_nodes++;
	stats->nr_at_level[level]++;
	if (level)
		return count_pointers(walk, node);
	count_inline(stats, node->data);
	return 0;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static int make_histogram(struct stats_walk *walk)
{
	struct ubtrfs_tree_stats *stats = walk->stats;

	if (!walk->nr_distances)
		return 0;
	qsort(walk->distances, walk->nr_distances, sizeof(*walk->distances), compare_u64);
	stats->seeks = mem_array(walk->nr_distances, sizeof(*stats->seeks));
	if (!stats->seeks)
		return MEM_FAIL("the seeks of a tree");
	for (size_t i = 0; i < walk->nr_distances; i++) {
		if (!i || walk->distances[i] != walk->distances[i - 1])
			stats->seeks[stats->nr_seeks++].distance_bytes = walk->distances[i];
		stats->seeks[stats->nr_seeks - 1].nr++;
	}
	return 0;
}

static int stats_fill(struct ubtrfs *fs, uint64_t tree_id, struct ubtrfs_tree_stats *stats)
{
	struct stats_walk walk = { .stats = stats, .nodesize = fs->core.geometry.nodesize };
	uint64_t start_ns = clock_monotonic_ns();
	struct root *root;
	int err;

	TRY(fs_settle(fs));
	TRY(root_get(fs->core.roots, tree_id, &root));
	stats->max_cluster_bytes = walk.nodesize;
	err = tree_walk(&root->tree, visit_node, &walk);
	if (err == 0)
		err = make_histogram(&walk);
	mem_free(walk.distances);
	TRY(err);
	stats->total_bytes = stats->nr_nodes * walk.nodesize;
	stats->spread_bytes = walk.highest - walk.lowest;
	stats->elapsed_ns = clock_monotonic_ns() - start_ns;
	return 0;
}

UBTRFS_API int ubtrfs_tree_stats(struct ubtrfs *fs, uint64_t tree_id,
				 struct ubtrfs_tree_stats *ret_stats)
{
	struct ubtrfs_tree_stats stats = { 0 };
	int err = FS_READ(fs, stats_fill(fs, tree_id, &stats));

	if (err < 0)
		mem_free(stats.seeks);
	else
		*ret_stats = stats;
	return err;
}

UBTRFS_API void ubtrfs_tree_stats_free(struct ubtrfs_tree_stats *stats)
{
	mem_free(stats->seeks);
	stats->seeks = NULL;
	stats->nr_seeks = 0;
}
