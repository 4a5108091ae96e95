/*
 * Spilling: a transaction that is committed only when told gives its memory back without a
 * superblock.
 *
 * Everything that is delayed becomes tree blocks, queued references become items, and all dirty
 * blocks are written to space that the last durable commit does not use (laws L2, L3, L8): what
 * happens to the process from here on, that commit is still there. A block that changes again is
 * copied again, and its address stays pinned until the commit; so a spilling transaction takes
 * more space than one that commits on the way.
 * Locks: serialised by ops/ (RANK_OPS).
 */
#include "commit/commit.h"

static int spill_steps(struct core *core)
{
	uint64_t nr_refs;

	TRY(core_flush_all(core));
	TRY(csum_batch_flush(&core->writeback));
	TRY(door_ensure_metadata(core));
	TRY(extent_run_refs(core->txn, &core->extents, &nr_refs));
	return cache_write_dirty(core->cache, core->workq);
}

int core_spill(struct core *core)
{
	int err;

	TRY(txn_check(core->txn));
	err = spill_steps(core);
	if (err < 0) {
		err = txn_abort(core->txn, err, "writing tree blocks early");
		ref_queue_stop(space_ref_queue(core->space));
		return err;
	}
	cache_shrink(core->cache);
	return 0;
}
