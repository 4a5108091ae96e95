/*
 * The questions about a mutant: space, devices, chunks, subvolumes, who uses what, how trees lie. Each
 * must end; what it says is not looked at.
 */
#include "mutate.h"

#include <errno.h>

#include <ubtrfs/admin.h>
#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#define VISITS_MAX 300u
#define ADDRESSES 6u
#define INODES 4u

struct visits {
	unsigned left;
};

static int enough(void *ctx)
{
	struct visits *visits = ctx;

	return visits->left ? (visits->left--, 0) : 1;
}

static int visit_space(void *ctx, const struct ubtrfs_space *space)
{
	(void)ubtrfs_space_type(space->flags);
	(void)ubtrfs_space_profile(space->flags);
	return enough(ctx);
}

static int visit_device(void *ctx, const struct ubtrfs_device *device)
{
	(void)device;
	return enough(ctx);
}

static int visit_chunk(void *ctx, const struct ubtrfs_chunk *chunk)
{
	(void)chunk;
	return enough(ctx);
}

static int visit_piece(void *ctx, const struct ubtrfs_piece *piece)
{
	(void)piece;
	return enough(ctx);
}

static int visit_path(void *ctx, const char *path)
{
	(void)path;
	return enough(ctx);
}

static int visit_referrer(void *ctx, const struct ubtrfs_referrer *referrer)
{
	(void)referrer;
	return enough(ctx);
}

static int visit_tree(void *ctx, uint64_t tree_id)
{
	(void)tree_id;
	return enough(ctx);
}

static int visit_subvolume(void *ctx, const struct ubtrfs_subvolume *subvolume)
{
	(void)subvolume;
	return enough(ctx);
}

static void noted(struct use *use, int err, const char *call)
{
	if (err < 0)
		use->failed(use->ctx, err, call, ubtrfs_error_text());
}

#define NOTED(use, call) noted(use, call, #call)

static void ask_space(struct use *use, struct ubtrfs *fs)
{
	struct visits visits = { VISITS_MAX };
	uint64_t bytes;

	NOTED(use, ubtrfs_space_each(fs, visit_space, &visits));
	NOTED(use, ubtrfs_device_each(fs, visit_device, &visits));
	NOTED(use, ubtrfs_chunk_each(fs, visit_chunk, &visits));
	NOTED(use, ubtrfs_available(fs, &bytes));
	NOTED(use, ubtrfs_used(fs, &bytes));
	NOTED(use, ubtrfs_min_device_size(fs, 1, &bytes));
}

static void ask_subvolumes(struct use *use, struct ubtrfs *fs)
{
	struct visits visits = { VISITS_MAX };
	struct ubtrfs_subvolume subvolume;
	struct ubtrfs_quota quota;
	char path[4096];
	uint64_t subvolid;
	size_t len;

	NOTED(use, ubtrfs_subvolume_each(fs, visit_subvolume, &visits));
	NOTED(use, ubtrfs_subvolume_get_default(fs, &subvolid));
	for (size_t i = 0; i < use->image->nr_subvolumes; i++) {
		subvolid = use->image->subvolumes[i];
		NOTED(use, ubtrfs_subvolume_info(fs, subvolid, &subvolume));
		NOTED(use, ubtrfs_subvolume_path(fs, subvolid, 0, path, sizeof(path), &len));
		if (ubtrfs_subvolume_quota(fs, subvolid, &quota) < 0)
			continue; /* most have none */
	}
}

static void ask_tree_stats(struct use *use, struct ubtrfs *fs)
{
	static const uint64_t trees[] = { 1, 2, 3, 5, 7 };
	struct ubtrfs_tree_stats stats;
	int err = ubtrfs_tree_stats(fs, trees[rng_below(use->rng, 5)], &stats);

	if (err < 0)
		noted(use, err, "ubtrfs_tree_stats");
	else
		ubtrfs_tree_stats_free(&stats);
}

static void ask_addresses(struct use *use, struct ubtrfs *fs)
{
	struct image *image = use->image;
	struct ubtrfs_extent extent;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct image_block *block =
			&image->blocks[rng_below(use->rng, image->nr_blocks)];
		struct visits visits = { VISITS_MAX };
		uint64_t addr = block->addr + (rng_one_in(use->rng, 3) ? 8 * MIB : 0);

		NOTED(use, ubtrfs_block_trees(fs, block->addr, visit_tree, &visits));
		if (ubtrfs_extent_at(fs, addr, &extent) >= 0 && !extent.metadata)
			NOTED(use, ubtrfs_logical_referrers(fs, addr, rng_one_in(use->rng, 2),
							    visit_referrer, &visits));
	}
}

static void ask_inodes(struct use *use, struct ubtrfs *fs)
{
	struct visits visits = { VISITS_MAX };
	struct ubtrfs_pieces *pieces;
	int err = ubtrfs_pieces_new(fs, &pieces);

	if (err < 0) {
		noted(use, err, "ubtrfs_pieces_new");
		return;
	}
	for (unsigned i = 0; i < INODES; i++) {
		struct ubtrfs_node node = {
			use->image->subvolumes[rng_below(use->rng, use->image->nr_subvolumes)],
			256 + rng_below(use->rng, 60)
		};

		int paths_err = ubtrfs_inode_paths(fs, node, visit_path, &visits);

		/* Not every number is one of an inode. */
		if (paths_err != -ENOENT)
			noted(use, paths_err, "ubtrfs_inode_paths");
		NOTED(use, ubtrfs_pieces_each(pieces, node, visit_piece, &visits));
	}
	ubtrfs_pieces_free(pieces);
}

void image_ask(struct use *use, struct ubtrfs *fs)
{
	ask_space(use, fs);
	ask_subvolumes(use, fs);
	ask_tree_stats(use, fs);
	ask_addresses(use, fs);
	ask_inodes(use, fs);
}
