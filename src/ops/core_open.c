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
#include "ops/open_devices.h"

#define CACHE_DEFAULT_BYTES ((size_t)(48 * MIB))
#define THREADS_MAX 1024u

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

	memcpy(config.fsid, super_node_fsid(core->super), BTRFS_FSID_SIZE);
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
	core->durable_generation = super_generation(core->super);
	TRY(root_table_new(&roots, &core->roots));
	core->store = (struct store){ .volume = core->volume,
				      .space = core->space,
				      .roots = core->roots,
				      .geometry = core->geometry,
				      .compat_ro = super_compat_ro_flags(core->super),
				      .incompat = super_incompat_flags(core->super) };
	/* Devices carry what tree blocks carry. */
	memcpy(core->store.fsid, super_node_fsid(core->super), BTRFS_FSID_SIZE);
	extents_init(&core->extents, &core->store,
		     core->store.incompat & BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA);
	return 0;
}

/* A chunk on a device that nobody knows could be read by no luck at all. */
static int chunks_check_devices(struct core *core)
{
	const struct chunk *chunk = chunk_map_next(core->volume, 0);

	for (; chunk; chunk = chunk_map_next(core->volume, chunk->logical + chunk->len_bytes))
		for (unsigned i = 0; i < chunk->nr_stripes; i++)
			CORRUPT_IF(!volume_device_find(core->volume, chunk->stripes[i].devid),
				   "%s: chunk %llu lies on device %llu, which is none of the "
				   "filesystem",
				   core->name, (unsigned long long)chunk->logical,
				   (unsigned long long)chunk->stripes[i].devid);
	return 0;
}

/* Every tree block and device extent says which chunk tree it belongs to. */
static int chunk_uuid_load(struct core *core)
{
	const uint8_t *super = core->super;
	const struct node_expect expect = { .generation = super_chunk_root_generation(super),
					    .level = super_chunk_root_level(super),
					    .owner = BTRFS_CHUNK_TREE_OBJECTID,
					    .lock_order = NODE_LOCK_ORDER(
						    TREE_MAP, super_chunk_root_level(super)) };
	SCOPED(node) struct node *node = NULL;

	TRY(node_get(core->cache, super_chunk_root(super), &expect, &node));
	memcpy(core->store.chunk_tree_uuid, header_chunk_tree_uuid(node->data), BTRFS_UUID_SIZE);
	node_cache_set_chunk_tree_uuid(core->cache, core->store.chunk_tree_uuid);
	return 0;
}

static int trees_load(struct core *core, const struct core_open *how, struct members *members)
{
	struct root *chunk;

	TRY(members_join_array(core, how, members));
	TRY(store_load_sys_chunks(core->volume, core->super));
	TRY(root_table_load(core->roots, core->super));
	TRY(root_get(core->roots, BTRFS_CHUNK_TREE_OBJECTID, &chunk));
	TRY(chunk_uuid_load(core));
	TRY(members_join_tree(core, how, members));
	TRY(store_load_chunks(&core->store));
	TRY(chunks_check_devices(core));
	TRY(devices_check_ends(core, how));
	TRY(open_backup_root(core, how));
	TRY(store_load_stripe_tree(&core->store));
	TRY(open_state_check(core, how));
	if (!core->writable)
		return 0;
	core->groups_loaded = true;
	return open_space(core);
}

int core_load_groups(struct core *core)
{
	int err = 0;

	mutex_lock(&core->groups_lock);
	if (!core->groups_loaded)
		err = store_load_used(&core->store);
	if (err == 0)
		core->groups_loaded = true;
	mutex_unlock(&core->groups_lock);
	return err;
}

static int contents_open(struct core *core, const struct core_open *how)
{
	struct writeback_config config = { .inodes = &core->inodes,
					   .extents = &core->extents,
					   .txn = core->txn,
					   .workq = core->workq,
					   .compress = how->compress,
					   .compress_level = how->compress_level,
					   .compress_force = how->compress_force && how->compress,
					   .max_inline = how->max_inline,
					   .background = how->background,
					   .no_verify = open_ignores_csums(core, how) };

	TRY(inode_table_init(&core->inodes, core->roots, &core->geometry, core->store.incompat));
	if (how->now) {
		core->inodes.fixed_now = true;
		core->inodes.now = (struct inode_time){ how->now->sec, how->now->nsec };
	}
	core->extents.pins_data = how->background;
	return writeback_init(&core->writeback, &config);
}

static unsigned threads_wanted(unsigned threads)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (!threads)
		threads = online > 0 ? (unsigned)online : 1;
	return MIN(threads, THREADS_MAX);
}

static int core_open_steps(struct core *core, const struct core_open *how, struct members *members)
{
	core->writable = how->writable;
	core->explicit_commit = how->explicit_commit;
	core->background = how->background;
	core->reclaims = !how->unfinished;
	core->commit_interval_s = how->commit_interval_s ? how->commit_interval_s :
							   COMMIT_INTERVAL_S;
	core->dirty_bytes = how->dirty_bytes ? how->dirty_bytes : DIRTY_DEFAULT_BYTES;
	core->dirty_max_bytes = DIRTY_MAX_BYTES;
	if (how->threads > THREADS_MAX)
		return THROW(ERR_INVALID, "%u threads: at most %u", how->threads, THREADS_MAX);
	TRY(ref_tracker_select_from_env());
	core->name = mem_strdup(how->devices[0]);
	if (!core->name)
		return MEM_FAIL("a name");
	TRY(volume_new(&core->volume));
	TRY(members_open(core, how, members));
	TRY(open_features_check(core, how));
	geometry_from_super(core);
	TRY(workq_new("ubtrfs", how->writable ? threads_wanted(how->threads) : 0, &core->workq));
	TRY(cache_open(core, how));
	TRY(models_open(core));
	TRY(trees_load(core, how, members));
	return contents_open(core, how);
}

int core_open(struct core *core, const struct core_open *how)
{
	struct members members = { 0 };
	int err;

	ASSERT(how->nr_devices > 0);
	memset(core, 0, sizeof(*core));
	mutex_init(&core->groups_lock, RANK_LOAD, "block groups");
	err = core_open_steps(core, how, &members);
	if (err < 0) {
		struct err_report report;

		err_capture(err, &report);
		members_fini(&members);
		core_close(core);
		return err_rethrow(&report);
	}
	members_fini(&members);
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
	mutex_fini(&core->groups_lock);
	memset(core, 0, sizeof(*core));
}
