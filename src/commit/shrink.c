/*
 * Shrinking: the smallest filesystem that holds what is there.
 *
 * While a filesystem is built to be shrunk, data grows from the low end of the devices and metadata lies at the high end. The steps here, each a
 * commit:
 *   1 trim     data groups lose their free tails, empty ones go
 *   2 move     a system and a metadata group are made right behind the data; all tree blocks move there; the old groups go
 *   3 lift     the metadata group is closed: what every commit rewrites goes to a temporary group behind it, leaving as many holes
 *   4 land     the metadata group is cut to what is in it plus what was lifted; that comes back into the holes; the temporary group
 *              goes; the devices end behind the last chunk; the superblock gets its final magic
 * So the last commit, too, leaves no hole. How much it writes is known only by doing it: lift and land run again with what was measured.
 * Nothing is given out again from a group that goes, so its pinned blocks need not wait for the next commit (law L8 holds: nobody
 * overwrites them).
 */
#include "base/assert.h"
#include "commit/commit.h"

/* Free tree blocks that the first landing leaves for what could not be foreseen; the second leaves SLACK_BYTES at most. */
#define FIRST_MARGIN_NODES 24u
#define SLACK_BYTES 65536u
#define LANDINGS 3u
/* Beyond the tree blocks that are there: room for the move itself. */
#define MOVE_EXTRA_NODES 256u
#define TEMPORARY_NODES 512u

struct shrink {
	struct core *core;
	uint64_t final_magic;
	uint64_t main_start; /* of the metadata group that stays */
};

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

static int trim_group(struct core *core, struct block_group *group)
{
	uint64_t busy = space_group_busy_len(core->space, group);

	if (!group->used_bytes)
		return space_mark_removed(core->space, group);
	return store_trim_group(core->txn, &core->store, group, MIN(group->len_bytes, group_rows_up(core, group, busy)));
}

static int trim_data(struct core *core)
{
	struct block_group *group, *next;

	for (group = space_group_next(core->space, 0); group; group = next) {
		next = space_group_next(core->space, group->start + group->len_bytes);
		if (group->flags & BTRFS_BLOCK_GROUP_DATA)
			TRY(trim_group(core, group));
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
	static const uint64_t trees[] = { BTRFS_CSUM_TREE_OBJECTID, BTRFS_UUID_TREE_OBJECTID, BTRFS_DATA_RELOC_TREE_OBJECTID,
					  BTRFS_DEV_TREE_OBJECTID, BTRFS_FREE_SPACE_TREE_OBJECTID, BTRFS_BLOCK_GROUP_TREE_OBJECTID,
					  BTRFS_EXTENT_TREE_OBJECTID, BTRFS_CHUNK_TREE_OBJECTID, BTRFS_ROOT_TREE_OBJECTID };

	TRY(root_each_subvolume(core->roots, move_subvolume, core));
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		if (trees[i] == BTRFS_FREE_SPACE_TREE_OBJECTID && !(core->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE))
			continue;
		if (trees[i] == BTRFS_BLOCK_GROUP_TREE_OBJECTID && !(core->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE))
			continue;
		TRY(move_tree(core, trees[i]));
	}
	return 0;
}

static void close_groups(struct core *core, uint64_t types)
{
	struct block_group *group;

	for (group = space_group_next(core->space, 0); group; group = space_group_next(core->space, group->start + group->len_bytes))
		if (group->flags & types)
			space_set_read_only(core->space, group, true);
}

/* What is closed and empty by now goes with the next commit. */
static int remove_closed(struct core *core)
{
	struct block_group *group, *next;

	for (group = space_group_next(core->space, 0); group; group = next) {
		next = space_group_next(core->space, group->start + group->len_bytes);
		if (group->read_only && !group->removed && !group->used_bytes && !group->reserved_bytes && !group->pinned_bytes)
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

static int move_down(struct shrink *shrink)
{
	struct core *core = shrink->core;
	uint64_t nodes = used_nodes(core, SPACE_METADATA);
	uint64_t system_nodes = 2 * used_nodes(core, SPACE_SYSTEM) + 2;
	struct chunk_policy policy;
	uint64_t start;

	space_get_policy(core->space, &policy);
	policy.from_end[SPACE_METADATA] = false;
	policy.from_end[SPACE_SYSTEM] = false;
	space_set_policy(core->space, &policy);
	close_groups(core, BTRFS_BLOCK_GROUP_METADATA | BTRFS_BLOCK_GROUP_SYSTEM);
	TRY(make_group(core, SPACE_SYSTEM, system_nodes, &start));
	TRY(make_group(core, SPACE_METADATA, nodes + nodes / 8 + MOVE_EXTRA_NODES, &shrink->main_start));
	TRY(move_all(core));
	return commit_forced(core);
}

/* Length of the group below which so many whole tree blocks are free, or which holds all that is used. */
struct cut {
	uint64_t want_bytes, nodesize, end;
};

static int cut_visit(void *ctx, uint64_t addr, uint64_t len)
{
	struct cut *cut = ctx;
	uint64_t start = round_up(addr, cut->nodesize);
	uint64_t bytes = addr + len > start ? round_down(addr + len - start, cut->nodesize) : 0;
	uint64_t take = MIN(bytes, cut->want_bytes);

	cut->want_bytes -= take;
	if (take)
		cut->end = start + take;
	return cut->want_bytes == 0;
}

static int lift(struct shrink *shrink, struct block_group *main, uint64_t *ret_temporary)
{
	struct core *core = shrink->core;

	TRY(remove_closed(core));
	TRY(make_group(core, SPACE_METADATA, TEMPORARY_NODES, ret_temporary));
	space_set_read_only(core->space, main, true);
	return commit_forced(core);
}

static int land(struct shrink *shrink, struct block_group *main, uint64_t temporary_start, uint64_t margin)
{
	struct core *core = shrink->core;
	struct block_group *temporary = space_group_of(core->space, temporary_start);
	struct cut cut = { .want_bytes = temporary->used_bytes + margin * core->geometry.nodesize,
			   .nodesize = core->geometry.nodesize,
			   .end = main->start };
	uint64_t len;
	int err;

	if (free_index_each(&main->free, cut_visit, &cut) == 0)
		return THROW(ERR_NO_SPACE, "the metadata does not fit into its group");
	len = group_rows_up(core, main, MAX(cut.end - main->start, space_group_busy_len(core->space, main)));
	space_set_read_only(core->space, main, false);
	space_set_read_only(core->space, temporary, true);
	TRY(store_trim_group(core->txn, &core->store, main, MIN(len, main->len_bytes)));
	TRY(move_all(core));
	super_set_magic(core->super, shrink->final_magic);
	core->leaving_start = temporary_start;
	err = commit_forced(core);
	ASSERT(err < 0 || !core->leaving_start);
	return err;
}

static uint64_t free_nodes(const struct core *core, const struct block_group *main)
{
	return main->free.free_bytes / core->geometry.nodesize;
}

/* ---- the whole ---- */

/* Data and metadata share groups: what is behind the last used byte goes. */
static int shrink_mixed(struct shrink *shrink)
{
	struct core *core = shrink->core;

	super_set_magic(core->super, shrink->final_magic);
	TRY(trim_data(core));
	TRY(devices_cut(core));
	return commit_forced(core);
}

static int shrink_metadata(struct shrink *shrink)
{
	struct core *core = shrink->core;
	uint64_t margin = FIRST_MARGIN_NODES;
	uint64_t slack_nodes = MAX(1u, SLACK_BYTES / core->geometry.nodesize);
	struct block_group *main;
	uint64_t temporary_start;

	TRY(move_down(shrink));
	main = space_group_of(core->space, shrink->main_start);
	for (unsigned i = 0; i < LANDINGS; i++) {
		TRY(lift(shrink, main, &temporary_start));
		TRY(land(shrink, main, temporary_start, margin));
		if (free_nodes(core, main) <= slack_nodes)
			break;
		/* What the landing did not use of its margin is known now; one block stays for luck. */
		margin = margin > free_nodes(core, main) ? margin - free_nodes(core, main) + 1 : 1;
	}
	return 0;
}

static int files_cut(struct core *core)
{
	struct volume_device *device;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		if (device->device && device->device->resizable)
			TRY(device_resize(device->device, device->total_bytes));
	return 0;
}

int core_shrink(struct core *core, uint64_t limit_bytes, uint64_t final_magic)
{
	struct shrink shrink = { .core = core, .final_magic = final_magic };
	struct volume_device *device;

	if (core->store.incompat & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS) {
		TRY(shrink_mixed(&shrink));
	} else {
		TRY(trim_data(core));
		TRY(shrink_metadata(&shrink));
	}
	for (unsigned i = 0; limit_bytes && (device = volume_device_at(core->volume, i)); i++)
		if (device->total_bytes > limit_bytes)
			return THROW(ERR_TOO_SMALL, "%s: %llu bytes are too few, %llu would do", core->name,
				     (unsigned long long)limit_bytes, (unsigned long long)device->total_bytes);
	return files_cut(core);
}
