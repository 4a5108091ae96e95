/*
 * What `filesystem usage` prints is made of: spaces, devices, and how much of each space lies on
 * each device.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/filesystem.h"

#include <linux/btrfs_tree.h>

/* Data, metadata, both mixed, then system; profiles by their bit. */
static unsigned type_rank(uint64_t flags)
{
	return flags & BTRFS_BLOCK_GROUP_SYSTEM ? UINT32_MAX :
						  (unsigned)(flags & BTRFS_BLOCK_GROUP_TYPE_MASK);
}

static int compare_spaces(const void *a, const void *b)
{
	uint64_t left = ((const struct ubtrfs_space *)a)->flags;
	uint64_t right = ((const struct ubtrfs_space *)b)->flags;

	if (type_rank(left) != type_rank(right))
		return type_rank(left) < type_rank(right) ? -1 : 1;
	return left < right ? -1 : left > right;
}

static int add_space(void *ctx, const struct ubtrfs_space *space)
{
	struct usage_facts *facts = ctx;

	if (space->flags & UBTRFS_SPACE_GLOBAL_RESERVE)
		facts->reserve_bytes = space->total_bytes;
	else if (facts->nr_spaces < USAGE_SPACES_MAX)
		facts->spaces[facts->nr_spaces++] = *space;
	return 0;
}

static int add_device(void *ctx, const struct ubtrfs_device *device)
{
	struct usage_facts *facts = ctx;
	struct usage_device *grown =
		mem_resize(facts->devices, (facts->nr_devices + 1) * sizeof(*facts->devices));
	struct usage_device *at;

	if (!grown)
		return MEM_FAIL("the devices");
	facts->devices = grown;
	if (device->seed)
		return 0;
	at = &facts->devices[facts->nr_devices++];
	*at = (struct usage_device){ .devid = device->devid,
				     .total_bytes = device->total_bytes,
				     .used_bytes = device->used_bytes,
				     .size_bytes = device->size_bytes };
	if (!device->path)
		return 0;
	at->path = mem_strdup(device->path);
	return at->path ? 0 : MEM_FAIL("a path");
}

static struct usage_device *device_of(struct usage_facts *facts, uint64_t devid)
{
	for (unsigned i = 0; i < facts->nr_devices; i++)
		if (facts->devices[i].devid == devid)
			return &facts->devices[i];
	return NULL;
}

static int add_chunk(void *ctx, const struct ubtrfs_chunk *chunk)
{
	struct usage_facts *facts = ctx;
	unsigned space = 0;

	while (space < facts->nr_spaces && facts->spaces[space].flags != chunk->flags)
		space++;
	if (space == facts->nr_spaces)
		return 0;
	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		struct usage_device *device = device_of(facts, chunk->stripes[i].devid);

		if (device)
			device->allocated[space] += chunk->stripe_bytes;
		facts->raw_bytes[space] += chunk->stripe_bytes;
	}
	return 0;
}

int usage_facts_read(struct fs_source *source, struct usage_facts *facts)
{
	int err;

	*facts = (struct usage_facts){ 0 };
	err = fs_source_space_each(source, add_space, facts);
	if (err == 0)
		err = fs_source_device_each(source, add_device, facts);
	if (err == 0) {
		qsort(facts->spaces, facts->nr_spaces, sizeof(facts->spaces[0]), compare_spaces);
		facts->allocated = mem_array((size_t)facts->nr_devices * USAGE_SPACES_MAX + 1,
					     sizeof(*facts->allocated));
		if (!facts->allocated)
			err = MEM_FAIL("the devices");
	}
	for (unsigned i = 0; err == 0 && i < facts->nr_devices; i++)
		facts->devices[i].allocated = facts->allocated + (size_t)i * USAGE_SPACES_MAX;
	if (err == 0)
		err = fs_source_chunk_each(source, add_chunk, facts);
	if (err == 0)
		err = fs_source_available(source, &facts->available_bytes);
	return err < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

void usage_facts_release(struct usage_facts *facts)
{
	for (unsigned i = 0; i < facts->nr_devices; i++)
		mem_free(facts->devices[i].path);
	mem_free(facts->devices);
	mem_free(facts->allocated);
}
