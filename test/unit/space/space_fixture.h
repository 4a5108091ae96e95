/*
 * For the tests of 06 space: a space over memory devices 1..n.
 */
#ifndef UBTRFS_TEST_SPACE_FIXTURE_H
#define UBTRFS_TEST_SPACE_FIXTURE_H

#include "base/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "space/space.h"

#define FIXTURE_SECTOR 4096u
#define FIXTURE_NODE 16384u

struct fixture {
	struct volume *volume;
	struct space *space;
};

static inline void fixture_add_device(struct fixture *fixture, uint64_t devid, uint64_t bytes)
{
	uint8_t uuid[16] = { (uint8_t)devid };
	struct device *device;

	assert_int_equal(device_mem_new("ram", bytes, &device), 0);
	assert_int_equal(volume_add_device(fixture->volume, devid, uuid, device, bytes), 0);
}

static inline void fixture_init_mixed(struct fixture *fixture, unsigned nr_devices, uint64_t bytes,
				      bool mixed)
{
	struct space_config config = { .sectorsize = FIXTURE_SECTOR,
				       .nodesize = mixed ? FIXTURE_SECTOR : FIXTURE_NODE,
				       .mixed = mixed };

	assert_int_equal(volume_new(&fixture->volume), 0);
	for (unsigned devid = 1; devid <= nr_devices; devid++)
		fixture_add_device(fixture, devid, bytes);
	config.volume = fixture->volume;
	assert_int_equal(space_new(&config, &fixture->space), 0);
	space_set_generation(fixture->space, 1);
}

static inline void fixture_init(struct fixture *fixture, unsigned nr_devices, uint64_t bytes)
{
	fixture_init_mixed(fixture, nr_devices, bytes, false);
}

static inline void fixture_fini(struct fixture *fixture)
{
	space_free_all(fixture->space);
	volume_free(fixture->volume);
}

/* A single chunk on device 1; no group over it yet. */
static inline void fixture_chunk(struct fixture *fixture, uint64_t logical, uint64_t len,
				 uint64_t type, uint64_t physical)
{
	struct stripe stripe = { .devid = 1, .at = PHYS(physical), .dev_uuid = { 1 } };
	struct chunk_spec spec = { .logical = logical,
				   .len_bytes = len,
				   .flags = type,
				   .nr_stripes = 1,
				   .sub_stripes = 1,
				   .stripes = &stripe };

	assert_int_equal(chunk_map_add(fixture->volume, &spec), 0);
}

/* A new group over a new chunk, at the same physical as logical address. */
static inline struct block_group *fixture_group(struct fixture *fixture, uint64_t logical,
						uint64_t len, uint64_t type)
{
	struct block_group *group;

	fixture_chunk(fixture, logical, len, type, logical);
	assert_int_equal(space_create_group(fixture->space,
					    chunk_map_find(fixture->volume, logical), &group),
			 0);
	return group;
}

static inline uint64_t fixture_alloc(struct fixture *fixture, uint64_t len)
{
	uint64_t addr, got;

	assert_int_equal(space_alloc_data(fixture->space, len, len, &addr, &got), 0);
	assert_int_equal(got, len);
	return addr;
}

/* A data extent whose item was inserted. */
static inline uint64_t fixture_alloc_used(struct fixture *fixture, uint64_t len)
{
	uint64_t addr = fixture_alloc(fixture, len);

	assert_int_equal(space_account_used(fixture->space, addr, len), 0);
	return addr;
}

#endif
