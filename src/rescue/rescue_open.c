/*
 * Opening a damaged filesystem: superblocks, devices, chunks, and the state that is read.
 *
 * Of each device the newest valid copy of the superblock counts (or the one that was asked for);
 * the newest of all is believed. A device without any is taken for missing as long as another one
 * has a superblock. The state is the one of that superblock; when its root of the tree of roots is
 * gone, what still stands below it, or the newest older root. Owns everything; no locks.
 */
#include "rescue/rescue_priv.h"

/* ---- superblocks ---- */

static int super_best(struct device *device, int wanted_copy, uint8_t *ret_super)
{
	uint8_t super[SUPER_SIZE];
	struct err_report first = { 0 };
	bool found = false;

	for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
		int err;

		if (wanted_copy >= 0 && copy != wanted_copy)
			continue;
		if (super_mirror_offset(copy) + SUPER_SIZE > device->size_bytes)
			break;
		err = super_read(device, (unsigned)copy, super);
		if (err == 0)
			err = validate_super(super);
		if (err < 0 && !first.err)
			err_capture(err, &first);
		if (err < 0 || (found && super_generation(super) <= super_generation(ret_super)))
			continue;
		memcpy(ret_super, super, SUPER_SIZE);
		found = true;
	}
	if (found)
		return 0;
	if (first.err)
		return err_rethrow(&first);
	return THROW(ERR_SUPER_BAD, "%s has no such copy of a superblock", device->name);
}

static int device_join(struct rescue *rescue, struct device **device, const uint8_t *super)
{
	const uint8_t *item = super_dev_item(super);
	bool is_seed = memcmp(super_fsid(super), super_fsid(rescue->super), 16) != 0;
	int err;

	if (is_seed && !(super_flags(super) & BTRFS_SUPER_FLAG_SEEDING))
		return THROW(ERR_INVALID, "%s belongs to another filesystem", (*device)->name);
	err = volume_add_device(rescue->volume, dev_item_devid(item), dev_item_uuid(item), *device,
				MAX(dev_item_total_bytes(item), (*device)->size_bytes));
	if (err == -ERR_EXISTS) {
		rescue_warn(rescue, "%s is passed over: device %llu is there already",
			    (*device)->name, (unsigned long long)dev_item_devid(item));
		return 0;
	}
	TRY(err);
	*device = NULL;
	if (is_seed)
		TRY(volume_set_seed(rescue->volume, dev_item_devid(item), super_fsid(super)));
	return 0;
}

/* The newest superblock of all devices is believed. */
static int super_choose(struct rescue *rescue, const struct rescue_config *config)
{
	uint8_t super[SUPER_SIZE];
	int copy = config->options->how.super_copy;

	for (unsigned i = 0; i < config->nr_devices; i++) {
		int err = super_best(config->devices[i], copy, super);

		if (err < 0) {
			rescue_warn(rescue, "%s", err_text(err));
			continue;
		}
		if (rescue->has_super && (super_flags(super) & BTRFS_SUPER_FLAG_SEEDING))
			continue;
		if (rescue->has_super && !(super_flags(rescue->super) & BTRFS_SUPER_FLAG_SEEDING) &&
		    super_generation(super) <= super_generation(rescue->super))
			continue;
		memcpy(rescue->super, super, SUPER_SIZE);
		rescue->has_super = true;
	}
	return 0;
}

static int devices_join(struct rescue *rescue, const struct rescue_config *config)
{
	uint8_t super[SUPER_SIZE];

	for (unsigned i = 0; i < config->nr_devices; i++) {
		TRY(candidates_from_supers(rescue, config->devices[i]));
		if (super_best(config->devices[i], config->options->how.super_copy, super) == 0)
			TRY(device_join(rescue, &config->devices[i], super));
	}
	return 0;
}

static void tell_features(struct rescue *rescue)
{
	uint64_t known =
		BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF | BTRFS_FEATURE_INCOMPAT_DEFAULT_SUBVOL |
		BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS | BTRFS_FEATURE_INCOMPAT_COMPRESS_LZO |
		BTRFS_FEATURE_INCOMPAT_COMPRESS_ZSTD | BTRFS_FEATURE_INCOMPAT_BIG_METADATA |
		BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF | BTRFS_FEATURE_INCOMPAT_RAID56 |
		BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA | BTRFS_FEATURE_INCOMPAT_NO_HOLES |
		BTRFS_FEATURE_INCOMPAT_METADATA_UUID | BTRFS_FEATURE_INCOMPAT_RAID1C34 |
		BTRFS_FEATURE_INCOMPAT_ZONED | BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA;
	uint64_t other = super_incompat_flags(rescue->super) & ~known;

	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = super_incompat_name(bit);

		if (other >> bit & 1)
			rescue_warn(rescue,
				    "the filesystem has the feature %s, which is not understood: "
				    "what depends on it is lost",
				    name ? name : "of an unknown bit");
	}
	if (super_log_root(rescue->super))
		rescue_warn(rescue, "a log of the last seconds was not replayed: the state before "
				    "it is read");
}

static int supers_open(struct rescue *rescue, const struct rescue_config *config)
{
	TRY(super_choose(rescue, config));
	if (!rescue->has_super)
		return super_guess(rescue, config->devices, config->nr_devices);
	rescue->geometry = super_geometry(rescue->super);
	memcpy(rescue->fsid, super_node_fsid(rescue->super), 16);
	tell_features(rescue);
	return devices_join(rescue, config);
}

/* ---- the state ---- */

static bool root_is_readable(struct rescue *rescue, const struct tree_step *root)
{
	struct block_expect expect = { .generation = root->generation, .level = root->level };
	const uint8_t *block;

	return root->addr && block_read(rescue, root->addr, &expect, &block) == 0;
}

static int root_by_user(struct rescue *rescue, struct tree_step *ret_root)
{
	struct block_expect anything = { .level = -1 };
	const uint8_t *block;

	TRY(block_read(rescue, rescue->options.tree_root, &anything, &block));
	if (node_owner(block) != BTRFS_ROOT_TREE_OBJECTID)
		return THROW(ERR_INVALID,
			     "tree block %llu is one of tree %llu, not of the tree of roots",
			     (unsigned long long)rescue->options.tree_root,
			     (unsigned long long)node_owner(block));
	*ret_root = (struct tree_step){ .addr = rescue->options.tree_root,
					.generation = node_generation(block),
					.level = node_level(block),
					.certain = true };
	return 0;
}

/* A leaf as the root of the tree of roots is gone: nothing is below it, so an older one. */
static int root_older(struct rescue *rescue, struct tree_step *root)
{
	const struct root_candidate *best;

	TRY(candidates_scan(rescue));
	best = candidate_best(rescue, root->generation);
	if (!best) {
		rescue_warn(rescue, "no root of the tree of roots is left: subvolumes are found by "
				    "their own blocks");
		root->addr = 0;
		root->certain = false;
		return 0;
	}
	rescue_warn(rescue,
		    "the tree of roots of generation %llu cannot be read: going on with the one of "
		    "generation %llu at %llu",
		    (unsigned long long)root->generation, (unsigned long long)best->generation,
		    (unsigned long long)best->addr);
	*root = (struct tree_step){ .addr = best->addr,
				    .generation = best->generation,
				    .level = best->level,
				    .certain = best->generation == root->generation };
	return 0;
}

static int current_open(struct rescue *rescue)
{
	struct tree_step root = { .addr = super_root(rescue->super),
				  .generation = super_generation(rescue->super),
				  .level = super_root_level(rescue->super),
				  .certain = true };
	uint64_t generation;

	if (rescue->options.tree_root)
		TRY(root_by_user(rescue, &root));
	generation = root.generation;
	if (!root_is_readable(rescue, &root)) {
		if (root.level == 0)
			TRY(root_older(rescue, &root));
		else
			rescue_warn(rescue,
				    "the root of the tree of roots at %llu is gone: going on with "
				    "the blocks below it",
				    (unsigned long long)root.addr);
	}
	TRY(view_new(rescue, &root, generation, &rescue->current));
	rescue->current->is_current = true;
	return 0;
}

static int rescue_steps(struct rescue *rescue, const struct rescue_config *config)
{
	rescue->options = *config->options;
	TRY(volume_new(&rescue->volume));
	TRY(supers_open(rescue, config));
	TRY(block_cache_init(rescue));
	TRY(chunks_find(rescue));
	return current_open(rescue);
}

int rescue_new(const struct rescue_config *config, struct rescue **ret_rescue)
{
	struct rescue *rescue = mem_zalloc(sizeof(*rescue));
	int err;

	if (!rescue)
		return MEM_FAIL("a damaged filesystem");
	err = rescue_steps(rescue, config);
	if (err < 0) {
		struct err_report report;

		err_capture(err, &report);
		rescue_free(rescue);
		return err_rethrow(&report);
	}
	*ret_rescue = rescue;
	return 0;
}

void rescue_free(struct rescue *rescue)
{
	rescue_view_free(rescue->current);
	block_index_fini(&rescue->index);
	block_cache_fini(rescue);
	mem_free(rescue->candidates);
	volume_free(rescue->volume);
	mem_free(rescue);
}

struct rescue_view *rescue_current(struct rescue *rescue)
{
	return rescue->current;
}

uint64_t rescue_blocks_lost(const struct rescue *rescue)
{
	return rescue->blocks_lost;
}
