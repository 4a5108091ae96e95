/*
 * Profiles: the table of what each replication profile means, with Linux's numbers, and the search
 * in it.
 *
 * Owns constants only. One row per profile, single (no flag) first.
 */
#include <strings.h>

#include "base/bytes.h"
#include "format/disk_ids.h"
#include "volume/volume_priv.h"

static const struct profile profiles[] = {
	{ .flag = 0,
	  .name = "single",
	  .min_devices = 1,
	  .max_devices = 1,
	  .increment = 1,
	  .copies = 1,
	  .per_device = 1,
	  .sub_stripes = 1 },
	{ .flag = BTRFS_BLOCK_GROUP_DUP,
	  .name = "DUP",
	  .min_devices = 1,
	  .max_devices = 1,
	  .increment = 1,
	  .copies = 2,
	  .per_device = 2,
	  .sub_stripes = 1 },
	{ .flag = BTRFS_BLOCK_GROUP_RAID0,
	  .name = "RAID0",
	  .min_devices = 1,
	  .increment = 1,
	  .copies = 1,
	  .per_device = 1,
	  .sub_stripes = 1,
	  .striped = true },
	{ .flag = BTRFS_BLOCK_GROUP_RAID1,
	  .name = "RAID1",
	  .min_devices = 2,
	  .max_devices = 2,
	  .increment = 2,
	  .copies = 2,
	  .per_device = 1,
	  .sub_stripes = 1,
	  .tolerated = 1 },
	{ .flag = BTRFS_BLOCK_GROUP_RAID1C3,
	  .name = "RAID1C3",
	  .min_devices = 3,
	  .max_devices = 3,
	  .increment = 3,
	  .copies = 3,
	  .per_device = 1,
	  .sub_stripes = 1,
	  .tolerated = 2 },
	{ .flag = BTRFS_BLOCK_GROUP_RAID1C4,
	  .name = "RAID1C4",
	  .min_devices = 4,
	  .max_devices = 4,
	  .increment = 4,
	  .copies = 4,
	  .per_device = 1,
	  .sub_stripes = 1,
	  .tolerated = 3 },
	{ .flag = BTRFS_BLOCK_GROUP_RAID10,
	  .name = "RAID10",
	  .min_devices = 2,
	  .increment = 2,
	  .copies = 2,
	  .per_device = 1,
	  .sub_stripes = 2,
	  .tolerated = 1,
	  .striped = true },
	{ .flag = BTRFS_BLOCK_GROUP_RAID5,
	  .name = "RAID5",
	  .min_devices = 2,
	  .increment = 1,
	  .copies = 1,
	  .per_device = 1,
	  .sub_stripes = 1,
	  .tolerated = 1,
	  .parity = 1,
	  .striped = true },
	{ .flag = BTRFS_BLOCK_GROUP_RAID6,
	  .name = "RAID6",
	  .min_devices = 3,
	  .increment = 1,
	  .copies = 1,
	  .per_device = 1,
	  .sub_stripes = 1,
	  .tolerated = 2,
	  .parity = 2,
	  .striped = true },
};

const struct profile *profile_of(uint64_t flags)
{
	uint64_t flag = flags & BTRFS_BLOCK_GROUP_PROFILE_MASK;

	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		if (profiles[i].flag == flag)
			return &profiles[i];
	}
	return NULL;
}

const struct profile *profile_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
		if (!strcasecmp(profiles[i].name, name))
			return &profiles[i];
	}
	return NULL;
}
