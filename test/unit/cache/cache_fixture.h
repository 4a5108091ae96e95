/*
 * For the tests of 05 cache: a cache over one memory device with a DUP chunk, wrapped by a recorder
 * and by fault points.
 */
#ifndef UBTRFS_TEST_CACHE_FIXTURE_H
#define UBTRFS_TEST_CACHE_FIXTURE_H

#include "base/cmocka_all.h"

#include "base/fault.h"
#include "cache/cache.h"
#include "format/disk_ids.h"
#include "format/node_layout.h"

#define CACHE_NODE 4096u
#define CACHE_BASE (64 * KIB)
#define CACHE_OWNER 1000u
#define CACHE_COPY_AT(mirror) ((mirror)*MIB) /* of the chunk on the device */

#define assert_ok(call)                                              \
	do {                                                         \
		int ok_ret = (call);                                 \
		if (ok_ret < 0)                                      \
			fail_msg("%s: %s", #call, err_text(ok_ret)); \
	} while (0)

struct fixture {
	struct device *recorder;
	struct volume *volume;
	struct node_cache_config config;
	struct node_cache *cache;
};

static inline struct fixture *fixture_new(size_t limit_bytes)
{
	struct fixture *fixture = mem_zalloc(sizeof(*fixture));
	struct stripe stripes[2] = { { .devid = 1, .at = PHYS(CACHE_COPY_AT(1)) },
				     { .devid = 1, .at = PHYS(CACHE_COPY_AT(2)) } };
	struct chunk_spec spec = {
		.logical = CACHE_BASE,
		.len_bytes = 512 * KIB,
		.flags = BTRFS_BLOCK_GROUP_METADATA | BTRFS_BLOCK_GROUP_DUP,
		.nr_stripes = 2,
		.sub_stripes = 1,
		.stripes = stripes,
	};
	struct device *ram, *faulty;

	assert_non_null(fixture);
	assert_ok(device_mem_new("ram", 4 * MIB, &ram));
	assert_ok(device_record_new(ram, &fixture->recorder));
	assert_ok(device_fault_new(fixture->recorder, &faulty));
	assert_ok(volume_new(&fixture->volume));
	assert_ok(volume_add_device(fixture->volume, 1, stripes[0].dev_uuid, faulty, 4 * MIB));
	assert_ok(chunk_map_add(fixture->volume, &spec));
	fixture->config = (struct node_cache_config){
		.volume = fixture->volume,
		.geometry = { .nodesize = CACHE_NODE,
			      .sectorsize = 4096,
			      .csum_type = CSUM_CRC32C,
			      .csum_size = 4 },
		.fsid = "fsid of a test",
		.limit_bytes = limit_bytes,
	};
	assert_ok(node_cache_new(&fixture->config, &fixture->cache));
	return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
	node_cache_free(fixture->cache);
	volume_free(fixture->volume);
	mem_free(fixture);
}

/* Forgets everything that is in RAM. */
static inline void fixture_reload(struct fixture *fixture)
{
	node_cache_free(fixture->cache);
	assert_ok(node_cache_new(&fixture->config, &fixture->cache));
}

static inline uint64_t fixture_addr(unsigned nr)
{
	return CACHE_BASE + (uint64_t)nr * CACHE_NODE;
}

/* A leaf with one item named by nr, unlocked and held. */
static inline struct node *fixture_leaf(struct fixture *fixture, unsigned nr, uint64_t generation)
{
	struct key key = KEY(300 + nr, BTRFS_STRING_ITEM_KEY, generation);
	struct node *node;

	assert_ok(node_create(fixture->cache, fixture_addr(nr), 0, CACHE_OWNER, generation,
			      NODE_LOCK_ORDER(0, 0), &node));
	memset(leaf_insert_raw(&fixture->config.geometry, node->data, 0, &key, 100), (int)nr, 100);
	rwlock_unwrite(&node->lock);
	return node;
}

/* Leaves 0..nr-1, written, nobody holds them. */
static inline void fixture_leaves(struct fixture *fixture, unsigned nr, uint64_t generation)
{
	for (unsigned i = 0; i < nr; i++)
		node_put(fixture_leaf(fixture, i, generation));
	assert_ok(cache_write_dirty(fixture->cache, NULL));
}

static inline int fixture_get(struct fixture *fixture, unsigned nr, uint64_t generation,
			      struct node **ret_node)
{
	struct key key = KEY(300 + nr, BTRFS_STRING_ITEM_KEY, generation);
	struct node_expect expect = { .generation = generation,
				      .owner = CACHE_OWNER,
				      .first_key = &key };

	return node_get(fixture->cache, fixture_addr(nr), &expect, ret_node);
}

/* Changes a byte of one copy behind everybody's back. */
static inline void fixture_damage(struct fixture *fixture, unsigned nr, unsigned mirror)
{
	struct phys at = PHYS(CACHE_COPY_AT(mirror) + nr * CACHE_NODE + 1000);
	uint8_t byte;

	assert_ok(device_read(fixture->recorder, at, &byte, 1));
	byte ^= 1;
	assert_ok(device_write(fixture->recorder, at, &byte, 1));
}

#endif
