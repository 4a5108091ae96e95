/*
 * For the tests of 04 volume: a volume over memory devices 1..n, and one chunk of any profile with
 * stripes at odd places.
 */
#ifndef UBTRFS_TEST_VOLUME_FIXTURE_H
#define UBTRFS_TEST_VOLUME_FIXTURE_H

#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "format/disk_ids.h"
#include "volume/volume.h"

#define FIXTURE_DEVICE_BYTES (1 * TIB)
#define FIXTURE_MAX_STRIPES 8

static const uint8_t fixture_uuid[16] = "device of a test";

static inline struct volume *fixture_volume(unsigned nr_devices)
{
	struct volume *volume;

	assert_int_equal(volume_new(&volume), 0);
	for (unsigned devid = 1; devid <= nr_devices; devid++) {
		char name[] = "ram0";
		struct device *device;

		name[3] = (char)('0' + devid);
		assert_int_equal(device_mem_new(name, FIXTURE_DEVICE_BYTES, &device), 0);
		assert_int_equal(volume_add_device(volume, devid, fixture_uuid, device,
						   FIXTURE_DEVICE_BYTES),
				 0);
	}
	return volume;
}

/* Stripe i on device i + 1 (dup: both on device 1), each at another place. */
static inline void fixture_stripes(uint64_t flags, unsigned nr_stripes, uint64_t at,
				   struct stripe *ret_stripes)
{
	for (unsigned i = 0; i < nr_stripes; i++) {
		memset(&ret_stripes[i], 0, sizeof(ret_stripes[i]));
		ret_stripes[i].devid = flags & BTRFS_BLOCK_GROUP_DUP ? 1 : i + 1;
		ret_stripes[i].at = PHYS(at + i * 16 * MIB);
		memcpy(ret_stripes[i].dev_uuid, fixture_uuid, 16);
	}
}

static inline int fixture_chunk(struct volume *volume, uint64_t logical, uint64_t len_bytes,
				uint64_t profile, unsigned nr_stripes, uint64_t at)
{
	struct stripe stripes[FIXTURE_MAX_STRIPES];
	struct chunk_spec spec = {
		.logical = logical,
		.len_bytes = len_bytes,
		.flags = BTRFS_BLOCK_GROUP_DATA | profile,
		.nr_stripes = (uint16_t)nr_stripes,
		.sub_stripes = profile & BTRFS_BLOCK_GROUP_RAID10 ? 2 : 1,
		.stripes = stripes,
	};

	assert_true(nr_stripes <= FIXTURE_MAX_STRIPES);
	fixture_stripes(profile, nr_stripes, at, stripes);
	return chunk_map_add(volume, &spec);
}

/* The shapes that every test of mapping goes through. */
struct fixture_shape {
	uint64_t profile;
	unsigned nr_stripes;
};

static const struct fixture_shape fixture_shapes[] = {
	{ 0, 1 },
	{ BTRFS_BLOCK_GROUP_DUP, 2 },
	{ BTRFS_BLOCK_GROUP_RAID0, 1 },
	{ BTRFS_BLOCK_GROUP_RAID0, 2 },
	{ BTRFS_BLOCK_GROUP_RAID0, 3 },
	{ BTRFS_BLOCK_GROUP_RAID1, 2 },
	{ BTRFS_BLOCK_GROUP_RAID1C3, 3 },
	{ BTRFS_BLOCK_GROUP_RAID1C4, 4 },
	{ BTRFS_BLOCK_GROUP_RAID10, 2 },
	{ BTRFS_BLOCK_GROUP_RAID10, 4 },
	{ BTRFS_BLOCK_GROUP_RAID10, 6 },
};

/* A length that fits every shape: a multiple of 1, 2 and 3 columns. */
#define FIXTURE_CHUNK_BYTES (12 * 65536u)

/* Data that differs at every place. */
static inline void fixture_fill(uint8_t *data, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		data[i] = (uint8_t)(seed >> 56);
	}
}

#endif
