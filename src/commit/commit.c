/*
 * The commit: one function that lists the steps in order (law L8).
 */
#include "base/assert.h"
#include "base/log.h"
#include "commit/commit.h"

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

static int supers_write(struct core *core)
{
	uint8_t super[SUPER_SIZE];
	struct volume_device *device;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++) {
		if (!device->device || device->is_seed)
			continue;
		memcpy(super, core->super, SUPER_SIZE);
		TRY(store_fill_super(&core->store, device->devid, super));
		TRY(super_write(device->device, super, device->total_bytes));
	}
	return volume_flush(core->volume);
}

/* What stored data needs to be read (Linux sets it when it is asked to compress). */
static void supers_note_compression(struct core *core)
{
	unsigned used = core->writeback.compress_used;
	uint64_t incompat = super_incompat_flags(core->super);

	if (used & 1u << COMPRESS_LZO)
		incompat |= BTRFS_FEATURE_INCOMPAT_COMPRESS_LZO;
	if (used & 1u << COMPRESS_ZSTD)
		incompat |= BTRFS_FEATURE_INCOMPAT_COMPRESS_ZSTD;
	super_set_incompat_flags(core->super, incompat);
}

static int commit_supers(struct core *core)
{
	supers_note_compression(core);
	super_set_generation(core->super, core->txn->generation);
	super_set_uuid_tree_generation(core->super, core->txn->generation);
	root_table_fill_super(core->roots, core->super);
	return supers_write(core);
}

int core_rewrite_supers(struct core *core)
{
	ASSERT(!core->changed);
	TRY(txn_check(core->txn));
	return supers_write(core);
}

static int commit_steps(struct core *core)
{
	TRY(core_flush_all(core));
	TRY(csum_batch_flush(&core->writeback));
	TRY(txn_block(core->txn));
	txn_start_commit(core->txn);
	TRY(cache_v1_drop(core));
	TRY(commit_begin(core));
	TRY(commit_settle(core));
	TRY(cache_write_dirty(core->cache, core->workq));
	TRY(volume_flush(core->volume));
	TRY(commit_supers(core));
	TRY(space_unpin(core->space, core->txn->generation, txn_epoch_oldest(core->txn)));
	txn_next(core->txn);
	space_set_generation(core->space, core->txn->generation);
	return 0;
}

int core_commit(struct core *core)
{
	int err;

	if (!core->changed && !core->super_dirty)
		return 0;
	TRY(txn_check(core->txn));
	err = commit_steps(core);
	if (err < 0) {
		err = txn_abort(core->txn, err, "commit");
		ref_queue_stop(space_ref_queue(core->space));
		return err;
	}
#ifdef UBTRFS_DEBUG
	TRY(space_audit(core->space));
#endif
	core->changed = false;
	core->super_dirty = false;
	cache_shrink(core->cache);
	return 0;
}
