/*
 * Any bytes as the array of system chunks (pairs of key and chunk) of an otherwise good superblock,
 * over six devices of which the fourth is missing. Chunks that are accepted are asked for their mirrors,
 * their places and their bytes, at their edges and in their middle.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/format.h"
#include "mutate/mutate.h"
#include "store/store.h"

#define NR_DEVICES 6u
#define MISSING 4u
#define CHUNKS_MAX 32u
#define ARRAY_MAX 2048u

static struct volume *volume_make(void)
{
	static const uint8_t uuid[16];
	struct volume *volume;

	if (volume_new(&volume) < 0)
		abort();
	for (uint64_t devid = 1; devid <= NR_DEVICES; devid++) {
		struct device *device = NULL;

		if (devid != MISSING && device_mem_new("fuzz", 8 * GIB, &device) < 0)
			abort();
		if (volume_add_device(volume, devid, uuid, device, 8 * GIB) < 0)
			abort();
	}
	return volume;
}

static int range_visit(void *ctx, uint64_t logical, uint64_t len_bytes)
{
	unsigned *left = ctx;

	(void)logical;
	(void)len_bytes;
	return --*left == 0;
}

static void chunk_use(struct volume *volume, const struct chunk *chunk)
{
	const uint64_t at[] = { 0, 65536 - 2048, chunk->len_bytes / 2, chunk->len_bytes - 4096 };
	static uint8_t data[70000];
	unsigned nr, ranges_left = 100;
	uint64_t devid;
	struct phys place;

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		uint64_t logical = chunk->logical + at[i] % chunk->len_bytes;

		nr = volume_nr_mirrors(volume, logical);
		for (unsigned mirror = 0; mirror <= nr + 1 && mirror < 40; mirror++) {
			(void)!volume_read(volume, logical, data, i ? 4096 : sizeof(data), mirror);
			if (mirror)
				(void)!volume_map(volume, logical, mirror, &devid, &place);
		}
	}
	/* Of a chunk as large as a whole disk there are too many. */
	if (chunk->len_bytes <= 16 * GIB)
		(void)!volume_super_ranges(volume, chunk, range_visit, &ranges_left);
}

FUZZ_TARGET(chunk)
{
	uint8_t super[SUPER_SIZE];
	const struct chunk *chunk;
	struct volume *volume;
	unsigned nr = 0;
	uint64_t leaf;

	log_set_level(LOG_LEVEL_NONE);
	memcpy(super, fuzz_image(&leaf)->super, sizeof(super));
	len = MIN(len, ARRAY_MAX);
	memset(super_sys_chunk_array_mut(super), 0, ARRAY_MAX);
	memcpy(super_sys_chunk_array_mut(super), in, len);
	super_set_sys_chunk_array_size(super, (uint32_t)len);
	super_set_num_devices(super, NR_DEVICES);
	super_csum_update(super);
	if (validate_super(super) < 0)
		return 0;
	volume = volume_make();
	(void)!store_load_sys_chunks(volume, super);
	for (chunk = chunk_map_next(volume, 0); chunk && nr++ < CHUNKS_MAX;
	     chunk = chunk_map_next(volume, chunk->logical + 1))
		chunk_use(volume, chunk);
	volume_free(volume);
	return 0;
}
