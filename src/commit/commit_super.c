/*
 * The superblocks of a commit: filled while it is prepared, written as its last step.
 *
 * Owns the images between the two. core->super is the one of the running generation: what changes in
 * it meanwhile (label, flags) belongs to the next commit. Locks: filling is done under that of ops/,
 * writing under none.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "commit/commit_priv.h"

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

static int image_fill(struct core *core, const struct volume_device *device,
		      struct super_image *image)
{
	image->device = device->device;
	image->total_bytes = device->total_bytes;
	memcpy(image->super, core->super, SUPER_SIZE);
	return store_fill_super(&core->store, device->devid, image->super);
}

/* One image for each device that can be written. */
static int images_fill(struct core *core, struct commit_work *work)
{
	struct volume_device *device;

	work->supers = mem_array(volume_nr_devices(core->volume), sizeof(*work->supers));
	if (!work->supers)
		return MEM_FAIL("the superblocks of a commit");
	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		if (device->device && !device->is_seed)
			TRY(image_fill(core, device, &work->supers[work->nr_supers++]));
	return 0;
}

int commit_supers_set(struct core *core, struct commit_work *work)
{
	supers_note_compression(core);
	super_set_generation(core->super, core->txn->generation);
	super_set_uuid_tree_generation(core->super, core->txn->generation);
	root_table_fill_super(core->roots, core->super);
	return images_fill(core, work);
}

int commit_supers_write(struct core *core, const struct commit_work *work)
{
	for (unsigned i = 0; i < work->nr_supers; i++)
		TRY(super_write(work->supers[i].device, work->supers[i].super,
				work->supers[i].total_bytes));
	return volume_flush(core->volume);
}

int core_rewrite_supers(struct core *core)
{
	struct commit_work work = { 0 };
	int err;

	ASSERT(!core->changed);
	TRY(txn_check(core->txn));
	err = images_fill(core, &work);
	if (err == 0)
		err = commit_supers_write(core, &work);
	mem_free(work.supers);
	return err;
}
