/*
 * Shrinking: the smallest filesystem that holds what is there.
 *
 * While a filesystem is built to be shrunk, data grows from the low end of the devices and metadata
 * lies at the high end. The steps here, each a commit:
 *   1 trim      data groups lose their free tails, empty ones go
 *   2 rehearse  all tree blocks move, in the order of trees, into one new group at the high end:
 *               how many there are of them in that order is known afterwards
 *   3 move      right behind the data a system group and a metadata group of exactly that size are
 *               made; all tree blocks move there
 *   4 lift      the metadata group is closed: what every commit rewrites goes to a temporary group
 *               at the high end, leaving as many holes; the old groups go
 *   5 land      what was lifted comes back into the holes; the temporary group goes; the devices
 *               end behind the metadata
 * So the last commit, too, leaves no hole. When the move needs more blocks than the rehearsal told,
 * 2 to 4 run again with more room. Nothing is given out again from the group that goes in 5, so its
 * pinned blocks need not wait for the next commit (law L8 holds: nobody overwrites them).
 */
#include "base/assert.h"
#include "commit/commit.h"

/*
 * Free tree blocks that stay. Linux 6.18 mounts a filesystem without any, but its first commit
 * needs some before it can give anything back: with 3 free blocks of 16 KiB that commit aborted
 * ("Transaction aborted, error -28"), with 4 and more operations failed cleanly with ENOSPC. The
 * double is for taller trees.
 */
#define KEEP_NODES 8u
/* Tree blocks for the commits that shrink mixed groups, besides one for 256 that are there. */
#define MIXED_COMMIT_NODES 64u
/* Tries to hit the exact size. */
#define MOVES_MAX 4u
/* Beyond the tree blocks that are there: room for the rehearsal itself. */
#define REHEARSAL_EXTRA_NODES 256u
#define TEMPORARY_NODES 512u

/* Bytes of logical space that one row of stripes of this chunk holds. */
static uint64_t row_bytes(const struct chunk *chunk)
{
	return (uint64_t)VOLUME_STRIPE_LEN * chunk->nr_stripes / profile_of(chunk->flags)->copies;
}

static uint64_t group_rows_up(struct core *core, const struct block_group *group, uint64_t len)
{
	uint64_t row = row_bytes(chunk_map_find(core->volume, group->start));

	return div_up(len, row) * row;
}

static int commit_forced(struct core *core)
{
	core->changed = true;
	return core_commit(core);
}

/* ---- step 1 ---- */

static int trim_group(struct core *core, struct block_group *group, uint64_t extra_bytes)
{
	uint64_t start = group->start;
	uint64_t busy = space_group_busy_len(core->space, group) + extra_bytes;

	if (!group->used_bytes)
		return space_mark_removed(core->space, group);
	TRY(store_trim_group(core->txn, &core->store, group,
			     MIN(group->len_bytes, group_rows_up(core, group, busy))));
	return store_pack_stripes(core->txn, &core->store, start);
}

static int trim_data(struct core *core, uint64_t extra_bytes)
{
	struct block_group *group, *next;

	for (group = space_group_next(core->space, 0); group; group = next) {
		next = space_group_next(core->space, group->start + group->len_bytes);
		if (group->flags & BTRFS_BLOCK_GROUP_DATA)
			TRY(trim_group(core, group, extra_bytes));
	}
	return commit_forced(core);
}

/* ---- steps 2 to 4 ---- */

static bool in_closed_group(void *ctx, uint64_t addr)
{
	struct core *core = ctx;
	const struct block_group *group = space_group_of(core->space, addr);

	return group && group->read_only;
}

static int move_tree(struct core *core, uint64_t objectid)
{
	struct root *root;
	uint64_t nr;

	TRY(root_get(core->roots, objectid, &root));
	return tree_move_nodes(core->txn, &root->tree, in_closed_group, core, &nr);
}

static int move_subvolume(void *ctx, uint64_t objectid)
{
	return move_tree(ctx, objectid);
}

/* Everything that lies in closed groups moves to open ones. */
static int move_all(struct core *core)
{
	static const uint64_t trees[] = {
		BTRFS_CSUM_TREE_OBJECTID,	BTRFS_UUID_TREE_OBJECTID,
		BTRFS_DATA_RELOC_TREE_OBJECTID, BTRFS_DEV_TREE_OBJECTID,
		BTRFS_FREE_SPACE_TREE_OBJECTID, BTRFS_BLOCK_GROUP_TREE_OBJECTID,
		BTRFS_EXTENT_TREE_OBJECTID,	BTRFS_CHUNK_TREE_OBJECTID,
		BTRFS_ROOT_TREE_OBJECTID
	};

	TRY(root_each_subvolume(core->roots, move_subvolume, core));
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		if (trees[i] == BTRFS_FREE_SPACE_TREE_OBJECTID &&
		    !(core->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE))
			continue;
		if (trees[i] == BTRFS_BLOCK_GROUP_TREE_OBJECTID &&
		    !(core->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE))
			continue;
		TRY(move_tree(core, trees[i]));
	}
	return 0;
}

static void close_groups(struct core *core, uint64_t types)
{
	struct block_group *group;

	for (group = space_group_next(core->space, 0); group;
	     group = space_group_next(core->space, group->start + group->len_bytes))
		if (group->flags & types)
			space_set_read_only(core->space, group, true);
}

/* What is closed and empty by now goes with the next commit. */
static int remove_closed(struct core *core)
{
	struct block_group *group, *next;

	for (group = space_group_next(core->space, 0); group; group = next) {
		next = space_group_next(core->space, group->start + group->len_bytes);
		if (group->read_only && !group->removed && !group->used_bytes &&
		    !group->reserved_bytes && !group->pinned_bytes)
			TRY(space_mark_removed(core->space, group));
	}
	return 0;
}

static int make_group(struct core *core, enum space_kind kind, uint64_t nodes, uint64_t *ret_start)
{
	uint64_t bytes = round_up(nodes * core->geometry.nodesize, VOLUME_STRIPE_LEN);
	struct block_group *group;

	TRY(space_grow(core->space, kind, bytes, bytes, &group));
	*ret_start = group->start;
	return 0;
}

static uint64_t used_nodes(struct core *core, enum space_kind kind)
{
	struct space_totals totals;

	space_totals_get(core->space, kind, &totals);
	return totals.used_bytes / core->geometry.nodesize;
}

/*
 * A commit in the space that was counted out for it. The worst case that it would make a chunk for is
 * far more than what it needs, and the chunk would stay.
 */
static int commit_tight(struct core *core)
{
	int err;

	core->tight = true;
	err = commit_forced(core);
	core->tight = false;
	return err;
}

static void place_metadata(struct core *core, bool from_end)
{
	struct chunk_policy policy;

	space_get_policy(core->space, &policy);
	policy.from_end[SPACE_METADATA] = from_end;
	policy.from_end[SPACE_SYSTEM] = from_end;
	space_set_policy(core->space, &policy);
}

/* Step 2. */
static int rehearse(struct core *core)
{
	uint64_t nodes = used_nodes(core, SPACE_METADATA);
	uint64_t start;

	TRY(remove_closed(core));
	place_metadata(core, true);
	close_groups(core, BTRFS_BLOCK_GROUP_METADATA);
	TRY(make_group(core, SPACE_METADATA, nodes + nodes / 8 + REHEARSAL_EXTRA_NODES, &start));
	TRY(move_all(core));
	return commit_forced(core);
}

/*
 * Step 3. What does not fit into the main group overflows into the temporary one, which has
 * higher addresses.
 */
static int move_down(struct core *core, uint64_t extra_nodes, struct block_group **ret_main,
		     struct block_group **ret_temporary)
{
	uint64_t nodes = used_nodes(core, SPACE_METADATA) + extra_nodes;
	uint64_t start;

	TRY(remove_closed(core));
	close_groups(core, BTRFS_BLOCK_GROUP_METADATA | BTRFS_BLOCK_GROUP_SYSTEM);
	place_metadata(core, false);
	TRY(make_group(core, SPACE_SYSTEM, 2 * used_nodes(core, SPACE_SYSTEM) + 2, &start));
	TRY(make_group(core, SPACE_METADATA, nodes, &start));
	*ret_main = space_group_of(core->space, start);
	place_metadata(core, true);
	TRY(make_group(core, SPACE_METADATA, TEMPORARY_NODES, &start));
	*ret_temporary = space_group_of(core->space, start);
	TRY(move_all(core));
	return commit_tight(core);
}

/* Step 4. */
static int lift(struct core *core, struct block_group *main)
{
	TRY(remove_closed(core));
	space_set_read_only(core->space, main, true);
	return commit_tight(core);
}

/* Step 5. */
static int land(struct core *core, struct block_group *main, struct block_group *temporary)
{
	int err;

	space_set_read_only(core->space, main, false);
	space_set_read_only(core->space, temporary, true);
	TRY(move_all(core));
	core->leaving_start = temporary->start;
	err = commit_tight(core);
	ASSERT(err < 0 || !core->leaving_start);
	return err;
}

/* ---- the whole ---- */

/*
 * Data and metadata share groups: what is behind the last used byte, and room for two commits,
 * goes.
 */
static int shrink_mixed(struct core *core)
{
	uint64_t nodes = MIXED_COMMIT_NODES + used_nodes(core, SPACE_METADATA) / 256;
	int err;

	core->tight = true;
	err = trim_data(core, nodes * core->geometry.nodesize);
	if (err == 0)
		err = devices_cut(core);
	if (err == 0)
		err = commit_forced(core);
	core->tight = false;
	return err;
}

static int shrink_metadata(struct core *core)
{
	uint64_t extra_nodes = KEEP_NODES + 1;

	for (unsigned i = 0; i < MOVES_MAX; i++) {
		struct block_group *main, *temporary;
		uint64_t room, back;

		TRY(rehearse(core));
		TRY(move_down(core, extra_nodes, &main, &temporary));
		TRY(lift(core, main));
		room = main->free.free_bytes / core->geometry.nodesize;
		back = temporary->used_bytes / core->geometry.nodesize;
		if (room >= back + KEEP_NODES)
			return land(core, main, temporary);
		extra_nodes += back + KEEP_NODES - room;
	}
	return THROW(ERR_LIMIT, "%s: the number of tree blocks does not settle", core->name);
}

int core_shrink(struct core *core, uint64_t limit_bytes)
{
	struct volume_device *device;

	if (core->store.incompat & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS) {
		TRY(shrink_mixed(core));
	} else {
		TRY(trim_data(core, 0));
		TRY(shrink_metadata(core));
	}
	for (unsigned i = 0; limit_bytes && (device = volume_device_at(core->volume, i)); i++)
		if (device->total_bytes > limit_bytes)
			return THROW(ERR_TOO_SMALL, "%s: %llu bytes are too few, %llu would do",
				     core->name, (unsigned long long)limit_bytes,
				     (unsigned long long)device->total_bytes);
	return 0;
}

int core_cut_files(struct core *core)
{
	struct volume_device *device;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		if (device->device && device->device->resizable)
			TRY(device_resize(device->device, device->total_bytes));
	return 0;
}
