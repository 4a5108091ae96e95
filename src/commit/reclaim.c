/*
 * Commit step: block groups in which nothing is left are given back, so that their part of the devices
 * can become chunks of another kind.
 *
 * A group goes when nothing in it is used, reserved or pinned: then neither the last durable commit nor
 * a reader of it needs anything there (L4, L8), and its place may be written to at once. One of each
 * kind stays, and as much free space as would otherwise have to be made again soon; when space is short
 * (core->needs_chunks) only what is promised. What goes first lies highest. System groups stay.
 * Locks: those of the commit's preparation.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "commit/commit_priv.h"

/* Free data that stays, beside what is promised: so much, or half of a small group. */
#define KEEP_DATA_BYTES (64 * MIB)

static bool group_is_empty(const struct block_group *group)
{
	return !group->used_bytes && !group->reserved_bytes && !group->pinned_bytes &&
	       !group->read_only && !group->removed && !(group->flags & BTRFS_BLOCK_GROUP_SYSTEM);
}

static enum space_kind kind_of(const struct block_group *group)
{
	return group->flags & BTRFS_BLOCK_GROUP_DATA ? SPACE_DATA : SPACE_METADATA;
}

static bool group_may_go(struct core *core, const struct block_group *group,
			 const unsigned nr_left[SPACE_KINDS])
{
	enum space_kind kind = kind_of(group);
	uint64_t keep = kind == SPACE_DATA && !core->needs_chunks ?
				MIN(KEEP_DATA_BYTES, group->len_bytes / 2) :
				0;

	return group_is_empty(group) && nr_left[kind] > 1 &&
	       door_fits(core, kind, group->free.free_bytes + keep);
}

static void count_groups(struct core *core, unsigned ret_nr[SPACE_KINDS], size_t *ret_nr_empty)
{
	struct block_group *group;

	memset(ret_nr, 0, SPACE_KINDS * sizeof(ret_nr[0]));
	*ret_nr_empty = 0;
	for (group = space_group_next(core->space, 0); group;
	     group = space_group_next(core->space, group->start + group->len_bytes)) {
		if (!group->read_only && !group->removed)
			ret_nr[kind_of(group)]++;
		*ret_nr_empty += group_is_empty(group);
	}
}

bool reclaim_wanted(struct core *core)
{
	unsigned nr_left[SPACE_KINDS];
	struct block_group *group;
	size_t nr_empty;

	if (!core->reclaims)
		return false;
	count_groups(core, nr_left, &nr_empty);
	for (group = space_group_next(core->space, 0); nr_empty && group;
	     group = space_group_next(core->space, group->start + group->len_bytes))
		if (group_may_go(core, group, nr_left))
			return true;
	return false;
}

int reclaim_empty(struct core *core)
{
	SCOPED_MEM struct block_group **empty = NULL;
	unsigned nr_left[SPACE_KINDS];
	struct block_group *group;
	size_t nr_empty, nr = 0;

	if (!core->reclaims)
		return 0;
	count_groups(core, nr_left, &nr_empty);
	if (!nr_empty) {
		core->needs_chunks = false;
		return 0;
	}
	empty = mem_array(nr_empty, sizeof(struct block_group *));
	if (!empty)
		return MEM_FAIL("the empty block groups");
	for (group = space_group_next(core->space, 0); group;
	     group = space_group_next(core->space, group->start + group->len_bytes))
		if (group_is_empty(group))
			empty[nr++] = group;
	ASSERT(nr == nr_empty);
	while (nr-- > 0) {
		if (!group_may_go(core, empty[nr], nr_left))
			continue;
		TRY(space_mark_removed(core->space, empty[nr]));
		nr_left[kind_of(empty[nr])]--;
		core->metadata_full = false;
	}
	core->needs_chunks = false;
	return 0;
}
