/*
 * To how little a device could be resized, by the rules of btrfs-progs.
 *
 * First all its extents, packed behind the first MiB. Then, from the last extent down: one that
 * reaches beyond that size has to move into a hole before it; when none is large enough the device
 * ends with it. A hole with a copy of the superblock in it may hold less than it seems: the size
 * grows by the extent. Moving needs room for the largest that moves, and for a chunk of the system.
 * Nothing is changed, nothing is kept. Takes the lock of the filesystem.
 */
#include <stdlib.h>

#include <ubtrfs/admin.h>

#include "format/superblock.h"
#include "ops/ops.h"

#define SYSTEM_CHUNK_BYTES (32 * MIB)

/* [start, end) on the device. */
struct range {
	uint64_t start, end;
};

struct range_list {
	struct range *ranges; /* owned */
	size_t nr, capacity;
};

static int range_add(struct range_list *list, uint64_t start, uint64_t end)
{
	if (list->nr == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		void *grown = mem_resize(list->ranges, capacity * sizeof(*list->ranges));

		if (!grown)
			return MEM_FAIL("the extents of a device");
		list->ranges = grown;
		list->capacity = capacity;
	}
	list->ranges[list->nr++] = (struct range){ start, end };
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

static int find_extents(struct core *core, uint64_t devid, struct range_list *extents)
{
	const struct chunk *chunk = chunk_map_next(core->volume, 0);

	for (; chunk; chunk = chunk_map_next(core->volume, chunk->logical + chunk->len_bytes))
		for (unsigned i = 0; i < chunk->nr_stripes; i++)
			if (chunk->stripes[i].devid == devid)
				TRY(range_add(extents, chunk->stripes[i].at.at,
					      chunk->stripes[i].at.at + chunk_stripe_bytes(chunk)));
	if (extents->nr)
		qsort(extents->ranges, extents->nr, sizeof(*extents->ranges), compare_ranges);
	return 0;
}

/* Between extents; what is before the first is none of them. */
static int find_holes(const struct range_list *extents, struct range_list *holes)
{
	for (size_t i = 1; i < extents->nr; i++)
		if (extents->ranges[i].start > extents->ranges[i - 1].end)
			TRY(range_add(holes, extents->ranges[i - 1].end, extents->ranges[i].start));
	return 0;
}

static bool has_super(uint64_t start, uint64_t end)
{
	for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++)
		if (super_mirror_offset(copy) >= start && super_mirror_offset(copy) < end)
			return true;
	return false;
}

static struct range *hole_for(const struct range_list *holes, uint64_t len)
{
	for (size_t i = 0; i < holes->nr; i++)
		if (holes->ranges[i].end - holes->ranges[i].start >= len)
			return &holes->ranges[i];
	return NULL;
}

static uint64_t min_size(const struct range_list *extents, const struct range_list *holes)
{
	uint64_t size = MIB, largest = 0;

	for (size_t i = 0; i < extents->nr; i++)
		size += extents->ranges[i].end - extents->ranges[i].start;
	for (size_t i = extents->nr; i-- > 0;) {
		const struct range *extent = &extents->ranges[i];
		uint64_t len = extent->end - extent->start;
		struct range *hole;

		if (extent->end - 1 <= size)
			break;
		hole = hole_for(holes, len);
		if (!hole) {
			size = extent->end;
			break;
		}
		if (has_super(hole->start, hole->start + len))
			size += len;
		hole->start += len;
		largest = MAX(largest, len);
	}
	return largest ? size + largest + SYSTEM_CHUNK_BYTES : size;
}

static int min_device_size(struct core *core, uint64_t devid, uint64_t *ret_bytes)
{
	struct range_list extents = { 0 }, holes = { 0 };
	int err;

	if (!volume_device_find(core->volume, devid))
		return THROW(ERR_NOT_FOUND, "%s has no device %llu", core->name,
			     (unsigned long long)devid);
	err = find_extents(core, devid, &extents);
	if (err == 0)
		err = find_holes(&extents, &holes);
	if (err == 0)
		*ret_bytes = min_size(&extents, &holes);
	mem_free(extents.ranges);
	mem_free(holes.ranges);
	return err;
}

UBTRFS_API int ubtrfs_min_device_size(struct ubtrfs *fs, uint64_t devid, uint64_t *ret_bytes)
{
	return FS_READ(fs, min_device_size(&fs->core, devid, ret_bytes));
}
