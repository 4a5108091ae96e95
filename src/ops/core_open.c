/*
 * Opening: devices, superblock, models, trees, in the order of the layers; closing in the reverse
 * order.
 *
 * core_open fills a zeroed core from the bottom up; when a step fails core_close takes down what is
 * there (each part may be NULL).
 */
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/ref_tracker.h"
#include "format/superblock.h"
#include "format/validate_super.h"
#include "ops/ops.h"

#define CACHE_DEFAULT_BYTES ((size_t)(48 * MIB))
#define THREADS_MAX 1024u

#define INCOMPAT_READ                                                                    \
	(BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF | BTRFS_FEATURE_INCOMPAT_DEFAULT_SUBVOL |  \
	 BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS | BTRFS_FEATURE_INCOMPAT_COMPRESS_LZO |     \
	 BTRFS_FEATURE_INCOMPAT_COMPRESS_ZSTD | BTRFS_FEATURE_INCOMPAT_BIG_METADATA |    \
	 BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF | BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA | \
	 BTRFS_FEATURE_INCOMPAT_NO_HOLES | BTRFS_FEATURE_INCOMPAT_RAID1C34)
#define COMPAT_RO_WRITE                                                                            \
	(BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE | BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID | \
	 BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE)

static int features_check(const struct core *core)
{
	uint64_t unknown = super_incompat_flags(core->super) & ~(uint64_t)INCOMPAT_READ;

	if (unknown)
		return THROW(ERR_UNSUPPORTED, "%s uses incompat features not built yet: 0x%llx",
			     core->name, (unsigned long long)unknown);
	unknown = super_compat_ro_flags(core->super) & ~(uint64_t)COMPAT_RO_WRITE;
	if (unknown && core->writable)
		return THROW(ERR_UNSUPPORTED, "%s uses features that allow reading only: 0x%llx",
			     core->name, (unsigned long long)unknown);
	if (core->writable &&
	    !(super_compat_ro_flags(core->super) & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE) &&
	    super_cache_generation(core->super) == super_generation(core->super))
		return THROW(ERR_UNSUPPORTED,
			     "%s keeps a version 1 space cache: writing is not built yet",
			     core->name);
	if (super_log_root(core->super) && core->writable)
		return THROW(ERR_UNSUPPORTED,
			     "%s has a log that was not replayed: writing is not built yet",
			     core->name);
	return 0;
}

/* Every device passes the fault points, so that whole commands can be tested with them. */
static int device_file(const char *path, bool writable, struct device **ret_device)
{
	struct device *file;
	int err;

	TRY(device_file_open(path, writable ? DEVICE_WRITE : 0, &file));
	err = device_fault_new(file, ret_device);
	if (err < 0)
		device_free(file);
	return err;
}

static int device_open(struct core *core, const struct core_open *how, unsigned index)
{
	uint8_t super[SUPER_SIZE];
	const uint8_t *item = super + SUPER_DEV_ITEM_AT;
	struct device *device;
	int err;

	if (how->opened)
		device = how->opened[index];
	else
		TRY(device_file(how->devices[index], how->writable, &device));
	err = super_read_magic(device, 0, how->unfinished ? BTRFS_MAGIC_TEMPORARY : BTRFS_MAGIC,
			       super);
	if (err == 0 && !how->unfinished)
		err = validate_super(super);
	if (err == 0 && index && memcmp(super_fsid(super), super_fsid(core->super), 16) != 0)
		err = THROW(ERR_INVALID, "%s belongs to another filesystem than %s",
			    how->devices[index], core->name);
	if (err == 0)
		err = volume_add_device(core->volume, dev_item_devid(item), dev_item_uuid(item),
					device, dev_item_total_bytes(item));
	if (err < 0) {
		device_free(device);
		return err;
	}
	if (index == 0 || super_generation(super) > super_generation(core->super))
		memcpy(core->super, super, SUPER_SIZE);
	return 0;
}

static int devices_open(struct core *core, const struct core_open *how)
{
	TRY(volume_new(&core->volume));
	for (unsigned i = 0; i < how->nr_devices; i++)
		TRY(device_open(core, how, i));
	if (super_num_devices(core->super) != how->nr_devices)
		return THROW(ERR_INVALID, "%s has %llu devices, %u were given", core->name,
			     (unsigned long long)super_num_devices(core->super), how->nr_devices);
	return 0;
}

static void geometry_from_super(struct core *core)
{
	core->geometry = (struct geometry){ .nodesize = super_nodesize(core->super),
					    .sectorsize = super_sectorsize(core->super),
					    .csum_type = super_csum_type(core->super) };
	core->geometry.csum_size = (uint32_t)csum_size(core->geometry.csum_type);
}

static int cache_open(struct core *core, const struct core_open *how)
{
	struct node_cache_config config = { .volume = core->volume,
					    .geometry = core->geometry,
					    .limit_bytes = how->cache_bytes ? how->cache_bytes :
									      CACHE_DEFAULT_BYTES };
	bool own_uuid = super_incompat_flags(core->super) & BTRFS_FEATURE_INCOMPAT_METADATA_UUID;

	memcpy(config.fsid, own_uuid ? super_metadata_uuid(core->super) : super_fsid(core->super),
	       16);
	return node_cache_new(&config, &core->cache);
}

static int models_open(struct core *core)
{
	struct space_config space = { .volume = core->volume,
				      .sectorsize = core->geometry.sectorsize,
				      .nodesize = core->geometry.nodesize,
				      .mixed = super_incompat_flags(core->super) &
					       BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS };
	struct root_table_config roots = { .cache = core->cache,
					   .shared_policy = &extent_shared_policy,
					   .private_policy = &extent_private_policy,
					   .policy_ctx = &core->extents };

	TRY(space_new(&space, &core->space));
	TRY(txn_new(super_generation(core->super), &core->txn));
	space_set_generation(core->space, core->txn->generation);
	TRY(root_table_new(&roots, &core->roots));
	core->store = (struct store){ .volume = core->volume,
				      .space = core->space,
				      .roots = core->roots,
				      .geometry = core->geometry,
				      .compat_ro = super_compat_ro_flags(core->super),
				      .incompat = super_incompat_flags(core->super) };
	memcpy(core->store.fsid, super_fsid(core->super), 16);
	extents_init(&core->extents, &core->store,
		     core->store.incompat & BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA);
	return 0;
}

static int trees_load(struct core *core)
{
	struct root *chunk;

	TRY(store_load_sys_chunks(core->volume, core->super));
	TRY(root_table_load(core->roots, core->super));
	TRY(root_get(core->roots, BTRFS_CHUNK_TREE_OBJECTID, &chunk));
	TRY(store_load_chunks(&core->store));
	return store_load_groups(&core->store);
}

static int contents_open(struct core *core, const struct core_open *how)
{
	struct writeback_config config = { .inodes = &core->inodes,
					   .extents = &core->extents,
					   .txn = core->txn,
					   .workq = core->workq,
					   .compress = how->compress,
					   .compress_level = how->compress_level,
					   .max_inline = how->max_inline };

	TRY(inode_table_init(&core->inodes, core->roots, &core->geometry, core->store.incompat));
	if (how->now) {
		core->inodes.fixed_now = true;
		core->inodes.now = (struct inode_time){ how->now->sec, how->now->nsec };
	}
	return writeback_init(&core->writeback, &config);
}

static unsigned threads_wanted(unsigned threads)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (!threads)
		threads = online > 0 ? (unsigned)online : 1;
	return MIN(threads, THREADS_MAX);
}

static int core_open_steps(struct core *core, const struct core_open *how)
{
	core->writable = how->writable;
	core->explicit_commit = how->explicit_commit;
	core->dirty_max_bytes = DIRTY_MAX_BYTES;
	if (how->threads > THREADS_MAX)
		return THROW(ERR_INVALID, "%u threads: at most %u", how->threads, THREADS_MAX);
	TRY(ref_tracker_select_from_env());
	core->name = mem_strdup(how->devices[0]);
	if (!core->name)
		return MEM_FAIL("a name");
	TRY(devices_open(core, how));
	TRY(features_check(core));
	geometry_from_super(core);
	TRY(workq_new("ubtrfs", how->writable ? threads_wanted(how->threads) : 0, &core->workq));
	TRY(cache_open(core, how));
	TRY(models_open(core));
	TRY(trees_load(core));
	return contents_open(core, how);
}

int core_open(struct core *core, const struct core_open *how)
{
	int err;

	ASSERT(how->nr_devices > 0);
	memset(core, 0, sizeof(*core));
	err = core_open_steps(core, how);
	if (err < 0) {
		struct err_report report;

		err_capture(err, &report);
		core_close(core);
		return err_rethrow(&report);
	}
	return 0;
}

void core_close(struct core *core)
{
	if (core->writeback.scratches)
		writeback_fini(&core->writeback);
	if (core->inodes.scratch)
		inode_table_fini(&core->inodes);
	workq_free(core->workq);
	if (core->roots)
		root_table_free(core->roots);
	if (core->extents.store)
		extents_fini(&core->extents);
	if (core->txn)
		txn_free(core->txn);
	if (core->space)
		space_free_all(core->space);
	if (core->cache)
		node_cache_free(core->cache);
	if (core->volume)
		volume_free(core->volume);
	mem_free(core->name);
	memset(core, 0, sizeof(*core));
}
