/*
 * The commit, in three parts, each a list of its steps in order (law L8).
 *
 *   commit_prepare  alone: what is delayed goes into the trees, references and root items settle; the
 *                   dirty tree blocks and the superblocks of this generation are set aside, and the
 *                   next generation is open
 *   commit_write    beside others: contents and blocks, flush, superblocks, flush
 *   commit_finish   alone, short: what was pinned is free
 *
 * One commit at a time; core_commit is the three in a row. While one is written, operations belong to
 * the next generation: blocks that are being written are copied, not changed (L2), and what they give
 * up is pinned in the next generation's set, which this commit does not release (L3, L8). When a
 * device fails, the next generation, too, is aborted: it stands on one that will never be (L6).
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "commit/commit_priv.h"

int devices_cut(struct core *core)
{
	struct volume_device *device;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		TRY(store_resize_device(&core->store, device->devid,
					store_device_end(&core->store, device->devid)));
	return 0;
}

/*
 * Nobody gets a block of a group that goes, so those that the last commit still needs stay
 * untouched without being pinned.
 */
static int leaving_step(struct core *core, bool *ret_gone)
{
	struct block_group *group = space_group_of(core->space, core->leaving_start);

	*ret_gone = !group;
	if (!group)
		return devices_cut(core);
	if (group->used_bytes || group->reserved_bytes || group->removed)
		return 0;
	TRY(space_unpin_group(core->space, group));
	return space_mark_removed(core->space, group);
}

/*
 * References, items of space, root items: each step may make work for the others, until nothing
 * changes.
 */
static int commit_settle(struct core *core)
{
	for (unsigned round = 0; round < COMMIT_MAX_ROUNDS; round++) {
		bool store_changed, roots_changed;
		bool leaving = core->leaving_start;
		bool gone = false;
		uint64_t nr_refs;

		if (!core->tight)
			TRY(door_ensure_metadata(core));
		TRY(extent_run_refs(core->txn, &core->extents, &nr_refs));
		if (leaving)
			TRY(leaving_step(core, &gone));
		if (gone)
			core->leaving_start = 0;
		TRY(store_save(core->txn, &core->store, &store_changed));
		TRY(root_table_save(core->txn, core->roots, &roots_changed));
		if (!leaving && !nr_refs && !store_changed && !roots_changed &&
		    !ref_queue_nr(space_ref_queue(core->space)))
			return 0;
	}
	return THROW(ERR_LIMIT, "%s: the commit of generation %llu does not settle in %u rounds",
		     core->name, (unsigned long long)core->txn->generation, COMMIT_MAX_ROUNDS);
}

/* The superblock's generation is that of the root tree's root: it is written in every commit. */
static int commit_begin(struct core *core)
{
	struct root *extent;

	TRY(root_get(core->roots, BTRFS_EXTENT_TREE_OBJECTID, &extent));
	extent->item_dirty = true;
	return 0;
}

static int prepare_steps(struct core *core, struct commit_work *work)
{
	TRY(core_flush_all(core));
	TRY(csum_batch_flush(&core->writeback));
	work->data_barrier = batch_barrier(&core->writeback);
	TRY(txn_block(core->txn));
	txn_start_commit(core->txn);
	TRY(cache_v1_drop(core));
	TRY(commit_begin(core));
	TRY(reclaim_empty(core));
	TRY(commit_settle(core));
	TRY(commit_supers_set(core, work));
	TRY(cache_write_begin(core->cache, &work->nodes));
	work->generation = core->txn->generation;
	txn_next(core->txn);
	space_set_generation(core->space, core->txn->generation);
	return 0;
}

/* Law L6. */
static int commit_fail(struct core *core, struct commit_work *work, int err)
{
	char what[48];

	snprintf(what, sizeof(what), "commit of generation %llu",
		 (unsigned long long)work->generation);
	err = txn_abort(core->txn, err, what);
	ref_queue_stop(space_ref_queue(core->space));
	return err;
}

static void work_free(struct commit_work *work)
{
	cache_write_end(work->nodes);
	mem_free(work->supers);
	mem_free(work);
}

int commit_prepare(struct core *core, struct commit_work **ret_work)
{
	struct commit_work *work;
	int err;

	*ret_work = NULL;
	/* First: after a commit that failed nothing else is due either. */
	TRY(txn_check(core->txn));
	if (!core->changed && !core->super_dirty)
		return 0;
	work = mem_zalloc(sizeof(*work));
	if (!work)
		return MEM_FAIL("a commit");
	work->generation = core->txn->generation;
	err = prepare_steps(core, work);
	if (err < 0) {
		err = commit_fail(core, work, err);
		work_free(work);
		return err;
	}
	core->changed = false;
	core->super_dirty = false;
	core->kicked &= ~KICK_COMMIT;
	*ret_work = work;
	return 0;
}

int commit_write(struct core *core, struct commit_work *work)
{
	TRY(batch_barrier_wait(&core->writeback, work->data_barrier));
	TRY(cache_write_run(work->nodes, core->workq));
	TRY(volume_flush(core->volume));
	return commit_supers_write(core, work);
}

static int finish_steps(struct core *core, struct commit_work *work)
{
	TRY(txn_check(core->txn));
	TRY(space_unpin(core->space, work->generation, txn_epoch_oldest(core->txn)));
#ifdef UBTRFS_DEBUG
	TRY(space_audit(core->space));
#endif
	core->durable_generation = work->generation;
	/* What has become free may have left groups empty. */
	core->changed |= reclaim_wanted(core);
	cache_shrink(core->cache);
	return 0;
}

int commit_finish(struct core *core, struct commit_work *work, int err)
{
	if (err == 0)
		err = finish_steps(core, work);
	if (err < 0)
		err = commit_fail(core, work, err);
	work_free(work);
	return err;
}

int core_commit(struct core *core)
{
	struct commit_work *work;

	TRY(commit_prepare(core, &work));
	return work ? commit_finish(core, work, commit_write(core, work)) : 0;
}
