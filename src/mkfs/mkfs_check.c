/*
 * Is the plan legal? One rule per line, one sentence per rule, naming the option or feature as the
 * user gives it.
 *
 * Owns the rules that hold whatever the devices contain; whether the chunks fit is
 * mkfs_layout.c's. Changes nothing.
 */
#include "base/assert.h"
#include "mkfs/mkfs_priv.h"

struct feature {
	uint64_t bit;
	const char *name;
};

static const struct feature incompat_built[] = {
	{ BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF, "mixed-backref" },
	{ BTRFS_FEATURE_INCOMPAT_DEFAULT_SUBVOL, "default-subvol" },
	{ BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS, "mixed-bg" },
	{ BTRFS_FEATURE_INCOMPAT_COMPRESS_LZO, "compress-lzo" },
	{ BTRFS_FEATURE_INCOMPAT_COMPRESS_ZSTD, "compress-zstd" },
	{ BTRFS_FEATURE_INCOMPAT_BIG_METADATA, "big-metadata" },
	{ BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF, "extref" },
	{ BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA, "skinny-metadata" },
	{ BTRFS_FEATURE_INCOMPAT_NO_HOLES, "no-holes" },
	{ BTRFS_FEATURE_INCOMPAT_RAID1C34, "raid1c34" },
};

static const struct feature incompat_refused[] = {
	{ BTRFS_FEATURE_INCOMPAT_RAID56, "raid56" },
	{ BTRFS_FEATURE_INCOMPAT_METADATA_UUID, "metadata-uuid" },
	{ BTRFS_FEATURE_INCOMPAT_ZONED, "zoned" },
	{ BTRFS_FEATURE_INCOMPAT_EXTENT_TREE_V2, "extent-tree-v2" },
	{ BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE, "raid-stripe-tree" },
	{ BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA, "squota" },
	{ BTRFS_FEATURE_INCOMPAT_REMAP_TREE, "remap-tree" },
};

static const struct feature compat_ro_built[] = {
	{ BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE, "free-space-tree" },
	{ BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID, "free-space-tree (valid)" },
	{ BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE, "block-group-tree" },
};

static const struct feature compat_ro_refused[] = {
	{ BTRFS_FEATURE_COMPAT_RO_VERITY, "verity" },
};

/* ---- features ---- */

static int check_known(const char *kind, uint64_t bits, const struct feature *built,
		       size_t nr_built, const struct feature *refused, size_t nr_refused)
{
	for (size_t i = 0; i < nr_refused; i++)
		if (bits & refused[i].bit)
			return THROW(ERR_UNSUPPORTED, "feature %s is not built yet",
				     refused[i].name);
	for (size_t i = 0; i < nr_built; i++)
		bits &= ~built[i].bit;
	if (bits)
		return THROW(ERR_UNSUPPORTED, "unknown %s feature bits 0x%llx", kind,
			     (unsigned long long)bits);
	return 0;
}

static int check_features(const struct mkfs_plan *plan)
{
	bool free_space_tree = plan->compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE;
	bool free_space_valid = plan->compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID;
	bool block_group_tree = plan->compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE;

	TRY(check_known("incompat", plan->incompat, incompat_built, ARRAY_LEN(incompat_built),
			incompat_refused, ARRAY_LEN(incompat_refused)));
	TRY(check_known("compat_ro", plan->compat_ro, compat_ro_built, ARRAY_LEN(compat_ro_built),
			compat_ro_refused, ARRAY_LEN(compat_ro_refused)));
	if (!(plan->incompat & BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF))
		return THROW(ERR_INVALID, "feature mixed-backref cannot be switched off");
	if (free_space_tree != free_space_valid)
		return THROW(ERR_INVALID,
			     "feature free-space-tree needs both of its bits, present and valid");
	if (block_group_tree && !free_space_tree)
		return THROW(ERR_INVALID, "feature block-group-tree needs free-space-tree");
	if (block_group_tree && !(plan->incompat & BTRFS_FEATURE_INCOMPAT_NO_HOLES))
		return THROW(ERR_INVALID, "feature block-group-tree needs no-holes");
	return 0;
}

/* ---- sizes ---- */

static int check_block_size(const char *option, uint32_t size_bytes, uint32_t min_bytes)
{
	if (is_pow2(size_bytes) && size_bytes >= min_bytes &&
	    size_bytes <= BTRFS_MAX_METADATA_BLOCKSIZE)
		return 0;
	return THROW(ERR_INVALID, "%s %u is not a power of two from %u to 65536", option,
		     size_bytes, min_bytes);
}

static int check_geometry(const struct mkfs_plan *plan)
{
	const struct geometry *g = &plan->geometry;
	bool big = plan->incompat & BTRFS_FEATURE_INCOMPAT_BIG_METADATA;

	TRY(check_block_size("nodesize", g->nodesize, BTRFS_MIN_NODESIZE));
	TRY(check_block_size("sectorsize", g->sectorsize, BTRFS_MIN_BLOCKSIZE));
	if (g->nodesize < g->sectorsize)
		return THROW(ERR_INVALID, "nodesize %u is smaller than sectorsize %u", g->nodesize,
			     g->sectorsize);
	if (g->nodesize > BTRFS_MIN_NODESIZE && !big)
		return THROW(ERR_INVALID, "nodesize %u needs feature big-metadata", g->nodesize);
	if (!csum_type_known(g->csum_type))
		return THROW(ERR_INVALID, "checksum type %u is not known", (unsigned)g->csum_type);
	if (g->csum_size != csum_size(g->csum_type))
		return THROW(ERR_INVALID, "checksum size %u does not belong to checksum type %u",
			     g->csum_size, (unsigned)g->csum_type);
	return 0;
}

static int check_mixed(const struct mkfs_plan *plan)
{
	bool feature = plan->incompat & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS;

	if (plan->mixed != feature)
		return THROW(ERR_INVALID, "mixed block groups and feature mixed-bg go together");
	if (!plan->mixed)
		return 0;
	if (plan->geometry.nodesize != plan->geometry.sectorsize)
		return THROW(ERR_INVALID,
			     "mixed-bg needs nodesize equal to sectorsize, not %u and %u",
			     plan->geometry.nodesize, plan->geometry.sectorsize);
	if (plan->data_profile != plan->metadata_profile)
		return THROW(ERR_INVALID, "mixed-bg needs the same profile for data and metadata");
	if (plan->data_bytes)
		return THROW(ERR_INVALID, "mixed-bg has no data chunk whose size could be set");
	return 0;
}

/* ---- profiles and devices ---- */

static int check_profile(const struct mkfs_plan *plan, const char *option, uint64_t flags)
{
	const uint64_t c34 = BTRFS_BLOCK_GROUP_RAID1C3 | BTRFS_BLOCK_GROUP_RAID1C4;
	const struct profile *profile;

	if (flags & BTRFS_BLOCK_GROUP_RAID56_MASK)
		return THROW(ERR_UNSUPPORTED, "%s profile %s is not built yet", option,
			     flags & BTRFS_BLOCK_GROUP_RAID5 ? "raid5" : "raid6");
	if ((flags & ~BTRFS_BLOCK_GROUP_PROFILE_MASK) || (flags && !is_pow2(flags)))
		return THROW(ERR_INVALID, "%s profile 0x%llx is none", option,
			     (unsigned long long)flags);
	profile = profile_of(flags);
	ASSERT(profile);
	if (plan->nr_devices < profile->min_devices)
		return THROW(ERR_INVALID, "%s profile %s needs %u devices, there %s %u", option,
			     profile->name, profile->min_devices,
			     plan->nr_devices == 1 ? "is" : "are", plan->nr_devices);
	if ((flags & c34) && !(plan->incompat & BTRFS_FEATURE_INCOMPAT_RAID1C34))
		return THROW(ERR_INVALID, "%s profile %s needs feature raid1c34", option,
			     profile->name);
	return 0;
}

static int check_device(const struct mkfs_plan *plan, unsigned index)
{
	static const uint8_t no_uuid[BTRFS_UUID_SIZE];
	const struct mkfs_device *device = &plan->devices[index];

	if (!device->device)
		return THROW(ERR_INVALID, "device %u of the plan is not open", index + 1);
	if (!is_aligned(device->total_bytes, plan->geometry.sectorsize))
		return THROW(ERR_INVALID, "%s: byte count %llu is not a multiple of sectorsize %u",
			     device->device->name, (unsigned long long)device->total_bytes,
			     plan->geometry.sectorsize);
	if (device->total_bytes > device->device->size_bytes)
		return THROW(ERR_INVALID, "%s: byte count %llu is more than the %llu bytes it has",
			     device->device->name, (unsigned long long)device->total_bytes,
			     (unsigned long long)device->device->size_bytes);
	if (!memcmp(device->uuid, no_uuid, BTRFS_UUID_SIZE))
		return THROW(ERR_INVALID, "%s: the device has no UUID", device->device->name);
	for (unsigned i = 0; i < index; i++)
		if (plan->devices[i].device == device->device ||
		    !memcmp(plan->devices[i].uuid, device->uuid, BTRFS_UUID_SIZE))
			return THROW(ERR_INVALID,
				     "%s: the same device or device UUID is given twice",
				     device->device->name);
	return 0;
}

static int check_devices(const struct mkfs_plan *plan)
{
	if (!plan->devices)
		return THROW(ERR_INVALID, "no device is given");
	for (unsigned i = 0; i < plan->nr_devices; i++)
		TRY(check_device(plan, i));
	return 0;
}

static int check_nr_devices(const struct mkfs_plan *plan)
{
	if (plan->nr_devices < 1)
		return THROW(ERR_INVALID, "no device is given");
	if (plan->nr_devices > VOLUME_MAX_DEVICES)
		return THROW(ERR_LIMIT, "%u devices are given, at most %u can be used",
			     plan->nr_devices, VOLUME_MAX_DEVICES);
	return 0;
}

/* ---- the rest ---- */

static int check_chunk_size(const struct mkfs_plan *plan, const char *kind, uint64_t size_bytes)
{
	uint64_t total_bytes = 0;

	for (unsigned i = 0; i < plan->nr_devices; i++)
		total_bytes += plan->devices[i].total_bytes;
	if (size_bytes <= total_bytes)
		return 0;
	return THROW(ERR_TOO_SMALL,
		     "a first %s chunk of %llu bytes is larger than all devices together", kind,
		     (unsigned long long)size_bytes);
}

static int check_identity(const struct mkfs_plan *plan)
{
	static const uint8_t zero[BTRFS_UUID_SIZE];

	if (strnlen(plan->label, sizeof(plan->label)) == sizeof(plan->label))
		return THROW(ERR_INVALID, "the label is longer than 255 bytes");
	if (strchr(plan->label, '\n'))
		return THROW(ERR_INVALID, "the label contains a newline");
	if (!memcmp(plan->fsid, zero, sizeof(zero)))
		return THROW(ERR_INVALID, "the filesystem has no UUID");
	if (!memcmp(plan->chunk_tree_uuid, zero, sizeof(zero)))
		return THROW(ERR_INVALID, "the chunk tree has no UUID");
	if (!memcmp(plan->fs_tree_uuid, zero, sizeof(zero)))
		return THROW(ERR_INVALID, "the top subvolume has no UUID");
	if (plan->time_nsec >= 1000000000u)
		return THROW(ERR_INVALID, "the time has %u nanoseconds, a second has fewer",
			     plan->time_nsec);
	if (!plan->magic)
		return THROW(ERR_INVALID, "the superblock has no magic number");
	return 0;
}

int mkfs_shape_check(const struct mkfs_plan *plan)
{
	const uint64_t largest =
		MAX(MAX(plan->system_bytes, plan->metadata_bytes), plan->data_bytes);

	TRY(check_features(plan));
	TRY(check_geometry(plan));
	TRY(check_nr_devices(plan));
	TRY(check_profile(plan, "metadata", plan->metadata_profile));
	TRY(check_profile(plan, "data", plan->data_profile));
	if (largest > MKFS_MAX_CHUNK_BYTES)
		return THROW(ERR_TOO_SMALL, "no device can hold a first chunk of %llu bytes",
			     (unsigned long long)largest);
	return check_mixed(plan);
}

int mkfs_plan_check(const struct mkfs_plan *plan)
{
	TRY(mkfs_shape_check(plan));
	TRY(check_devices(plan));
	TRY(check_chunk_size(plan, "system", plan->system_bytes));
	TRY(check_chunk_size(plan, "metadata", plan->metadata_bytes));
	TRY(check_chunk_size(plan, "data", plan->data_bytes));
	return check_identity(plan);
}
