/*
 * Opening for writing: block groups with their free space, which of them take nothing new, and the
 * profiles of new chunks. Owns nothing; one thread at a time.
 *
 * A group that lies on a seed takes nothing new. A new chunk gets the profile that the filesystem
 * has for its kind; of several (a balance that was stopped) the one that Linux would take.
 */
#include "ops/open_devices.h"

static bool group_is_on_seed(struct core *core, const struct block_group *group)
{
	const struct chunk *chunk = chunk_map_find(core->volume, group->start);

	for (unsigned i = 0; chunk && i < chunk->nr_stripes; i++) {
		const struct volume_device *device =
			volume_device_find(core->volume, chunk->stripes[i].devid);

		if (device && device->is_seed)
			return true;
	}
	return false;
}

/* What all groups of one kind have, without those that take nothing. */
static uint64_t profiles_of(struct core *core, uint64_t type)
{
	struct block_group *group = space_group_next(core->space, 0);
	uint64_t profiles = 0;

	for (; group; group = space_group_next(core->space, group->start + group->len_bytes))
		if ((group->flags & type) && !group->read_only)
			profiles |= group->flags & BTRFS_BLOCK_GROUP_PROFILE_MASK;
	return profiles;
}

static uint64_t best_profile(uint64_t profiles)
{
	static const uint64_t order[] = { BTRFS_BLOCK_GROUP_RAID1C4, BTRFS_BLOCK_GROUP_RAID1C3,
					  BTRFS_BLOCK_GROUP_RAID10,  BTRFS_BLOCK_GROUP_RAID1,
					  BTRFS_BLOCK_GROUP_DUP,     BTRFS_BLOCK_GROUP_RAID0 };

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (profiles & order[i])
			return order[i];
	return 0;
}

static void policy_set(struct core *core)
{
	struct chunk_policy policy = { 0 };

	policy.profile[SPACE_DATA] = best_profile(profiles_of(core, BTRFS_BLOCK_GROUP_DATA));
	policy.profile[SPACE_METADATA] =
		best_profile(profiles_of(core, BTRFS_BLOCK_GROUP_METADATA));
	policy.profile[SPACE_SYSTEM] = best_profile(profiles_of(core, BTRFS_BLOCK_GROUP_SYSTEM));
	space_set_policy(core->space, &policy);
}

int open_space(struct core *core)
{
	struct block_group *group;

	TRY(store_load_groups(&core->store));
	for (group = space_group_next(core->space, 0); group;
	     group = space_group_next(core->space, group->start + group->len_bytes))
		if (group_is_on_seed(core, group))
			space_set_read_only(core->space, group, true);
	policy_set(core);
	return 0;
}
