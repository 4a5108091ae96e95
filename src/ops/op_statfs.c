/*
 * What df shows: how large the filesystem is and what is free in it, by the rules of Linux.
 *
 * Linux counts in bytes of data: what devices hold is divided by the copies that data has. What keeps
 * a full filesystem working (the global reserve) is not free. Available is what data can get: free
 * bytes of its chunks, and what can still become chunks of it.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "ops/op_space.h"

/* Metadata counts as used up when less than this is free beside the reserve, and no chunk can be made. */
#define METADATA_LEFT_BYTES (4 * MIB)

unsigned space_copies(uint64_t flags)
{
	const struct profile *profile = profile_of(flags);

	return profile ? profile->copies : 1;
}

static unsigned nr_present(struct core *core)
{
	struct volume_device *device;
	unsigned nr = 0;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		nr += device->device && !device->is_seed;
	return nr;
}

/* Of the profiles that data has, the one that Linux gives new data. */
static const struct profile *data_profile(struct core *core, const struct space_list *list)
{
	static const uint64_t best_first[] = { BTRFS_BLOCK_GROUP_RAID1C4, BTRFS_BLOCK_GROUP_RAID6,
					       BTRFS_BLOCK_GROUP_RAID1C3, BTRFS_BLOCK_GROUP_RAID5,
					       BTRFS_BLOCK_GROUP_RAID10,  BTRFS_BLOCK_GROUP_RAID1,
					       BTRFS_BLOCK_GROUP_DUP,	  BTRFS_BLOCK_GROUP_RAID0 };
	unsigned nr_devices = nr_present(core);
	uint64_t in_use = 0;

	for (unsigned i = 0; i < list->nr; i++)
		if (list->spaces[i].flags & BTRFS_BLOCK_GROUP_DATA)
			in_use |= list->spaces[i].flags;
	for (unsigned i = 0; i < ARRAY_LEN(best_first); i++)
		if (in_use & best_first[i] && profile_of(best_first[i])->min_devices <= nr_devices)
			return profile_of(best_first[i]);
	return profile_of(0);
}

static int compare_descending(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left > right ? -1 : left < right;
}

/* Bytes of the devices that new chunks of data can have: raw, with all copies. */
static uint64_t chunkable_bytes(struct core *core, const struct profile *profile)
{
	uint64_t room[VOLUME_MAX_DEVICES], sum = 0;
	uint64_t least = (uint64_t)profile->per_device * VOLUME_STRIPE_LEN;
	struct volume_device *device;
	unsigned nr = 0, stripes = 1;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++) {
		uint64_t free = device->total_bytes - MIN(device->used_bytes, device->total_bytes);

		free = round_down(free, VOLUME_STRIPE_LEN);
		if (device->device && !device->is_seed && free > MIB + least)
			room[nr++] = free - MIB;
	}
	if (profile->flag == BTRFS_BLOCK_GROUP_RAID0)
		stripes = nr_present(core);
	else if (profile->flag & BTRFS_BLOCK_GROUP_RAID1_MASK)
		stripes = profile->copies;
	else if (profile->flag == BTRFS_BLOCK_GROUP_RAID10)
		stripes = 4;
	qsort(room, nr, sizeof(room[0]), compare_descending);
	/* The smallest device first: it takes part until it is full, with the next larger ones. */
	for (unsigned i = nr; i >= MAX(profile->min_devices, 1u); i--) {
		uint64_t taken = room[i - 1];

		stripes = MIN(stripes, i);
		if (taken < least)
			continue;
		sum += taken * stripes;
		for (unsigned j = i - stripes; j < i; j++)
			room[j] -= taken;
	}
	return sum;
}

/* Linux gives nothing new to groups without copies while there are such with copies. */
static bool is_left_alone(const struct profile *now, uint64_t flags)
{
	uint64_t profile = flags & BTRFS_BLOCK_GROUP_PROFILE_MASK;

	return (profile == 0 || profile == BTRFS_BLOCK_GROUP_RAID0) &&
	       now->flag & (BTRFS_BLOCK_GROUP_RAID10 | BTRFS_BLOCK_GROUP_RAID1_MASK |
			    BTRFS_BLOCK_GROUP_RAID56_MASK | BTRFS_BLOCK_GROUP_DUP);
}

/* Copies of data: of the last of its profiles. */
static unsigned data_copies(const struct space_list *list)
{
	unsigned copies = 1;

	for (unsigned i = 0; i < list->nr; i++)
		if (list->spaces[i].flags & BTRFS_BLOCK_GROUP_DATA)
			copies = space_copies(list->spaces[i].flags);
	return copies;
}

/* Bytes of data that still find space. */
static uint64_t data_available(struct core *core, const struct space_list *list)
{
	const struct profile *profile = data_profile(core, list);
	unsigned factor = data_copies(list);
	uint64_t free = 0;

	for (unsigned i = 0; i < list->nr; i++) {
		const struct ubtrfs_space *space = &list->spaces[i];

		if (space->flags & BTRFS_BLOCK_GROUP_DATA && !is_left_alone(profile, space->flags))
			free += (space->total_bytes - space->used_bytes) *
				space_copies(space->flags);
	}
	return free / factor + chunkable_bytes(core, profile) / factor;
}

static int available(struct core *core, uint64_t *ret_bytes)
{
	struct space_list list;

	TRY(space_list_fill(core, &list));
	*ret_bytes = round_down(data_available(core, &list), core->geometry.sectorsize);
	return 0;
}

UBTRFS_API int ubtrfs_available(struct ubtrfs *fs, uint64_t *ret_bytes)
{
	return FS_READ(fs, available(&fs->core, ret_bytes));
}

/* Metadata has nothing left, so data cannot be had either. */
static bool metadata_is_full(const struct core *core, const struct space_list *list,
			     uint64_t reserve)
{
	uint64_t free = 0;

	if (!core->metadata_full)
		return false;
	for (unsigned i = 0; i < list->nr; i++) {
		const struct ubtrfs_space *space = &list->spaces[i];

		if (!(space->flags & BTRFS_BLOCK_GROUP_METADATA))
			continue;
		if (space->flags & BTRFS_BLOCK_GROUP_DATA)
			return false;
		free += (space->total_bytes - space->used_bytes) * space_copies(space->flags);
	}
	return free < METADATA_LEFT_BYTES || free - METADATA_LEFT_BYTES < reserve;
}

static uint64_t be32_at(const uint8_t *bytes)
{
	return (uint64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* The number by which Linux tells filesystems apart, of the top subvolume. */
static uint64_t statfs_fsid(const uint8_t *fsid)
{
	uint64_t low = be32_at(fsid) ^ be32_at(fsid + 8);
	uint64_t high = be32_at(fsid + 4) ^ be32_at(fsid + 12) ^ BTRFS_FS_TREE_OBJECTID;

	return high << 32 | low;
}

static uint64_t devices_bytes(struct core *core)
{
	struct volume_device *device;
	uint64_t bytes = 0;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		bytes += device->total_bytes;
	return bytes;
}

static int statfs(struct core *core, struct ubtrfs_statfs *ret_statfs)
{
	uint32_t sectorsize = core->geometry.sectorsize;
	uint64_t used = 0, taken, reserve;
	struct space_list list;
	unsigned factor;

	TRY(space_list_fill(core, &list));
	TRY(global_reserve(core, &reserve));
	factor = data_copies(&list);
	for (unsigned i = 0; i < list.nr; i++)
		used += list.spaces[i].used_bytes * space_copies(list.spaces[i].flags);
	*ret_statfs = (struct ubtrfs_statfs){
		.block_size = sectorsize,
		.blocks = devices_bytes(core) / factor / sectorsize,
		.blocks_available = data_available(core, &list) / sectorsize,
		.fsid = statfs_fsid(super_fsid(core->super)),
		.name_max = INODE_NAME_MAX,
	};
	taken = used / factor / sectorsize + reserve / sectorsize;
	ret_statfs->blocks_free = ret_statfs->blocks - MIN(taken, ret_statfs->blocks);
	if (metadata_is_full(core, &list, reserve))
		ret_statfs->blocks_available = 0;
	return 0;
}

UBTRFS_API int ubtrfs_statfs(struct ubtrfs *fs, struct ubtrfs_statfs *ret_statfs)
{
	return FS_READ(fs, statfs(&fs->core, ret_statfs));
}
