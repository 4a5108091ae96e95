/*
 * A whole empty filesystem in memory: chunks, then trees and the addresses of their blocks.
 *
 * The extent tree lists the blocks of all trees, its own too, and free space depends on them, so
 * trees and addresses are made in rounds: fill the items from the nodes of the round before, pack,
 * give out addresses anew. Addresses depend on the number of nodes only; once the numbers are
 * equal in three rounds, items, keys and addresses of the last one belong together. Tree blocks
 * stay off the superblock copies on every device.
 */
#include "base/assert.h"
#include "mkfs/mkfs_priv.h"

/* Two extra rounds after the numbers settle; they settle in three or four. */
#define MAX_ROUNDS 16u
#define SETTLED_ROUNDS 2u

/* ---- addresses ---- */

static int ranges_add(struct mkfs_range **ranges, size_t *nr, size_t *max, uint64_t at,
		      uint64_t len_bytes)
{
	if (*nr && (*ranges)[*nr - 1].at + (*ranges)[*nr - 1].len_bytes == at) {
		(*ranges)[*nr - 1].len_bytes += len_bytes;
		return 0;
	}
	ASSERT(!*nr || at > (*ranges)[*nr - 1].at);
	if (*nr == *max) {
		size_t wanted = *max ? *max * 2 : 8;
		void *grown = mem_resize(*ranges, wanted * sizeof(**ranges));

		if (!grown)
			return MEM_FAIL("ranges of a chunk");
		*ranges = grown;
		*max = wanted;
	}
	(*ranges)[(*nr)++] = (struct mkfs_range){ at, len_bytes };
	return 0;
}

static int space_reserve(void *ctx, uint64_t logical, uint64_t len_bytes)
{
	struct mkfs_space *space = ctx;

	/* Two devices may have a superblock copy in one row. */
	if (space->nr_reserved && space->reserved[space->nr_reserved - 1].at == logical)
		return 0;
	return ranges_add(&space->reserved, &space->nr_reserved, &space->max_reserved, logical,
			  len_bytes);
}

static int space_init(struct mkfs_space *space, struct volume *volume,
		      const struct mkfs_chunk *chunk)
{
	const struct chunk *mapped = chunk_map_find(volume, chunk->logical);

	ASSERT(mapped && mapped->logical == chunk->logical);
	space->chunk = chunk;
	return volume_super_ranges(volume, mapped, space_reserve, space);
}

static void space_fini(struct mkfs_space *space)
{
	mem_free(space->reserved);
	mem_free(space->used);
}

static void space_clear(struct mkfs_space *space)
{
	space->next = space->chunk->logical;
	space->nr_used = 0;
	space->used_bytes = 0;
}

/*
 * The next free address; blocks are aligned to their size, as chunks and reserved ranges are to 64
 * KiB.
 */
static int space_take(struct mkfs_space *space, uint32_t nodesize, uint64_t *ret_addr)
{
	uint64_t end = space->chunk->logical + space->chunk->len_bytes;
	uint64_t at = space->next;

	for (size_t i = 0; i < space->nr_reserved; i++) {
		const struct mkfs_range *range = &space->reserved[i];

		if (at < range->at + range->len_bytes && range->at < at + nodesize)
			at = round_up(range->at + range->len_bytes, nodesize);
	}
	if (at > end || end - at < nodesize)
		return THROW(ERR_TOO_SMALL,
			     "a %s chunk of %llu bytes does not hold the first tree blocks",
			     space->chunk->flags & BTRFS_BLOCK_GROUP_SYSTEM ? "system" : "metadata",
			     (unsigned long long)space->chunk->len_bytes);
	TRY(ranges_add(&space->used, &space->nr_used, &space->max_used, at, nodesize));
	space->used_bytes += nodesize;
	space->next = at + nodesize;
	*ret_addr = at;
	return 0;
}

static int build_give_addresses(struct mkfs_build *build)
{
	for (unsigned i = 0; i < build->layout.nr_chunks; i++)
		space_clear(&build->spaces[i]);
	for (unsigned i = 0; i < MKFS_NR_TREES; i++) {
		struct mkfs_tree *tree = &build->trees[i];
		enum mkfs_chunk_nr from = i == MKFS_TREE_CHUNK ? MKFS_CHUNK_SYSTEM :
								 MKFS_CHUNK_METADATA;

		for (size_t n = 0; n < tree->nr_nodes; n++)
			TRY(space_take(&build->spaces[from], build->plan->geometry.nodesize,
				       &tree->nodes[n].addr));
	}
	return 0;
}

/* ---- rounds ---- */

static void build_name_trees(struct mkfs_build *build)
{
	static const uint64_t owners[MKFS_NR_TREES] = {
		[MKFS_TREE_CHUNK] = BTRFS_CHUNK_TREE_OBJECTID,
		[MKFS_TREE_ROOT] = BTRFS_ROOT_TREE_OBJECTID,
		[MKFS_TREE_EXTENT] = BTRFS_EXTENT_TREE_OBJECTID,
		[MKFS_TREE_DEV] = BTRFS_DEV_TREE_OBJECTID,
		[MKFS_TREE_FS] = BTRFS_FS_TREE_OBJECTID,
		[MKFS_TREE_CSUM] = BTRFS_CSUM_TREE_OBJECTID,
		[MKFS_TREE_UUID] = BTRFS_UUID_TREE_OBJECTID,
		[MKFS_TREE_FREE_SPACE] = BTRFS_FREE_SPACE_TREE_OBJECTID,
		[MKFS_TREE_BLOCK_GROUP] = BTRFS_BLOCK_GROUP_TREE_OBJECTID,
		[MKFS_TREE_DATA_RELOC] = BTRFS_DATA_RELOC_TREE_OBJECTID,
	};

	for (unsigned i = 0; i < MKFS_NR_TREES; i++) {
		build->trees[i].owner = owners[i];
		build->trees[i].present = true;
	}
	if (!(build->plan->compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE))
		build->trees[MKFS_TREE_FREE_SPACE].present = false;
	if (!(build->plan->compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE))
		build->trees[MKFS_TREE_BLOCK_GROUP].present = false;
}

/* One round; *ret_changed when a tree got another number of nodes. */
static int build_round(struct mkfs_build *build, bool *ret_changed)
{
	bool changed = false;

	TRY(mkfs_trees_fill(build));
	for (unsigned i = 0; i < MKFS_NR_TREES; i++) {
		struct mkfs_tree *tree = &build->trees[i];
		size_t nr_before = tree->nr_nodes;

		if (!tree->present)
			continue;
		TRY(mkfs_tree_pack(tree, &build->plan->geometry));
		changed |= tree->nr_nodes != nr_before;
	}
	TRY(build_give_addresses(build));
	*ret_changed = changed;
	return 0;
}

static int build_map(struct mkfs_build *build)
{
	const struct mkfs_plan *plan = build->plan;

	TRY(volume_new(&build->volume));
	for (unsigned i = 0; i < plan->nr_devices; i++)
		TRY(volume_add_device(build->volume, i + 1, plan->devices[i].uuid, NULL,
				      plan->devices[i].total_bytes));
	for (unsigned i = 0; i < build->layout.nr_chunks; i++) {
		const struct mkfs_chunk *chunk = &build->layout.chunks[i];
		struct chunk_spec spec = {
			.logical = chunk->logical,
			.len_bytes = chunk->len_bytes,
			.flags = chunk->flags,
			.nr_stripes = chunk->nr_stripes,
			.sub_stripes = chunk->sub_stripes,
			.stripes = chunk->stripes,
		};

		TRY(chunk_map_add(build->volume, &spec));
		TRY(space_init(&build->spaces[i], build->volume, chunk));
		space_clear(&build->spaces[i]);
	}
	return 0;
}

int mkfs_build_init(struct mkfs_build *build, const struct mkfs_plan *plan)
{
	unsigned settled = 0;

	*build = (struct mkfs_build){ .plan = plan };
	TRY(mkfs_layout_init(&build->layout, plan));
	TRY(build_map(build));
	build_name_trees(build);
	for (unsigned round = 0; settled < SETTLED_ROUNDS; round++) {
		bool changed = false;

		/* More nodes need more extent items, never fewer: this cannot swing for ever. */
		ASSERT(round < MAX_ROUNDS);
		TRY(build_round(build, &changed));
		settled = changed ? 0 : settled + 1;
	}
	return 0;
}

void mkfs_build_fini(struct mkfs_build *build)
{
	for (unsigned i = 0; i < MKFS_NR_TREES; i++)
		mkfs_tree_fini(&build->trees[i]);
	for (unsigned i = 0; i < MKFS_MAX_CHUNKS; i++)
		space_fini(&build->spaces[i]);
	if (build->volume)
		volume_free(build->volume);
	mkfs_layout_fini(&build->layout);
}

uint64_t mkfs_build_used_bytes(const struct mkfs_build *build)
{
	uint64_t used = 0;

	for (unsigned i = 0; i < build->layout.nr_chunks; i++)
		used += build->spaces[i].used_bytes;
	return used;
}
