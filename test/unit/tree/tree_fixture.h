/*
 * For the tests of 08 tree: a tree over a cache over one memory device, and a policy that keeps
 * account of every address.
 *
 * The policy gives out addresses from a bump pointer and a list of freed ones. It checks that each
 * address is freed once, with the level and generation it was born with, pins what was written
 * until the next generation, and knows how many are live: a tree that neither leaks nor frees twice
 * has exactly as many nodes as there are live addresses.
 */
#ifndef UBTRFS_TEST_TREE_FIXTURE_H
#define UBTRFS_TEST_TREE_FIXTURE_H

#include "base/cmocka_all.h"

#include "base/rng.h"
#include "format/disk_ids.h"
#include "tree/tree.h"

#define FIXTURE_BASE (1 * MIB)
#define FIXTURE_BYTES (256 * MIB)
#define FIXTURE_MAX_NODES 65536u
#define FIXTURE_TREE 1000u /* objectid */

/* With the sentence of the error. */
#define assert_ok(call)                                              \
	do {                                                         \
		int ok_ret = (call);                                 \
		if (ok_ret < 0)                                      \
			fail_msg("%s: %s", #call, err_text(ok_ret)); \
	} while (0)

enum address_state { ADDRESS_FREE, ADDRESS_LIVE, ADDRESS_PINNED };

struct address {
	enum address_state state;
	uint8_t level;
	uint64_t generation;
};

struct fixture {
	struct volume *volume;
	struct node_cache_config config;
	struct node_cache *cache;
	struct txn *txn;
	struct tree tree;
	/* the policy's, under lock */
	pthread_mutex_t lock;
	struct address addresses[FIXTURE_MAX_NODES];
	unsigned nr_used; /* of addresses */
	unsigned free[FIXTURE_MAX_NODES];
	unsigned nr_free;
	unsigned nr_live;
	unsigned nr_alloc, nr_cow_refs;
	bool shared;	     /* what cow_refs answers */
	unsigned fail_after; /* allocations until the space is gone; 0: never */
};

static inline struct address *fixture_address(struct fixture *fixture, uint64_t addr)
{
	uint64_t nr = (addr - FIXTURE_BASE) / fixture->config.geometry.nodesize;

	ASSERT(addr >= FIXTURE_BASE && nr < fixture->nr_used);
	return &fixture->addresses[nr];
}

static inline int fixture_alloc(void *ctx, struct txn *txn, struct tree *tree, uint8_t level,
				uint64_t hint, uint64_t *ret_addr)
{
	struct fixture *fixture = ctx;
	unsigned nr;

	(void)tree;
	(void)hint;
	pthread_mutex_lock(&fixture->lock);
	if (fixture->fail_after && --fixture->fail_after == 0) {
		fixture->fail_after = 1;
		pthread_mutex_unlock(&fixture->lock);
		return THROW(ERR_NO_SPACE, "the test's space is gone");
	}
	nr = fixture->nr_free ? fixture->free[--fixture->nr_free] : fixture->nr_used++;
	ASSERT(nr < FIXTURE_MAX_NODES && fixture->addresses[nr].state == ADDRESS_FREE);
	fixture->addresses[nr] = (struct address){ ADDRESS_LIVE, level, txn->generation };
	fixture->nr_live++;
	fixture->nr_alloc++;
	*ret_addr = FIXTURE_BASE + (uint64_t)nr * fixture->config.geometry.nodesize;
	pthread_mutex_unlock(&fixture->lock);
	return 0;
}

static inline int fixture_free_node(void *ctx, struct txn *txn, struct tree *tree, uint64_t addr,
				    uint8_t level, uint64_t owner, uint64_t generation,
				    bool written)
{
	struct fixture *fixture = ctx;
	struct address *address;

	pthread_mutex_lock(&fixture->lock);
	address = fixture_address(fixture, addr);
	ASSERT(address->state == ADDRESS_LIVE);
	ASSERT(address->level == level && address->generation == generation);
	ASSERT(owner == tree->objectid);
	ASSERT(written || generation == txn->generation);
	fixture->nr_live--;
	if (written) {
		address->state = ADDRESS_PINNED;
	} else {
		address->state = ADDRESS_FREE;
		fixture->free[fixture->nr_free++] = (unsigned)(address - fixture->addresses);
	}
	pthread_mutex_unlock(&fixture->lock);
	return 0;
}

static inline int fixture_cow_refs(void *ctx, struct txn *txn, struct tree *tree, struct node *old,
				   struct node *copy, bool *ret_shared)
{
	struct fixture *fixture = ctx;

	(void)txn;
	(void)tree;
	ASSERT(old != copy && node_is_written(old) && !node_is_written(copy));
	pthread_mutex_lock(&fixture->lock);
	fixture->nr_cow_refs++;
	*ret_shared = fixture->shared;
	pthread_mutex_unlock(&fixture->lock);
	return 0;
}

static const struct tree_policy fixture_policy = {
	.alloc_node = fixture_alloc,
	.free_node = fixture_free_node,
	.cow_refs = fixture_cow_refs,
};

static inline void fixture_volume_init(struct fixture *fixture)
{
	struct stripe stripe = { .devid = 1, .at = PHYS(1 * MIB) };
	struct chunk_spec spec = {
		.logical = FIXTURE_BASE,
		.len_bytes = FIXTURE_BYTES,
		.flags = BTRFS_BLOCK_GROUP_METADATA,
		.nr_stripes = 1,
		.sub_stripes = 1,
		.stripes = &stripe,
	};
	struct device *device;

	assert_ok(volume_new(&fixture->volume));
	assert_ok(device_mem_new("ram", 1 * GIB, &device));
	assert_ok(volume_add_device(fixture->volume, 1, stripe.dev_uuid, device, 1 * GIB));
	assert_ok(chunk_map_add(fixture->volume, &spec));
}

/* A cache and an empty tree; the tree's root is a leaf of the first generation. */
static inline struct fixture *fixture_new(uint32_t nodesize, size_t limit_bytes)
{
	struct fixture *fixture = mem_zalloc(sizeof(*fixture));

	assert_non_null(fixture);
	pthread_mutex_init(&fixture->lock, NULL);
	fixture_volume_init(fixture);
	fixture->config = (struct node_cache_config){
		.volume = fixture->volume,
		.geometry = { .nodesize = nodesize,
			      .sectorsize = 4096,
			      .csum_type = CSUM_CRC32C,
			      .csum_size = 4 },
		.fsid = "fsid of a test",
		.limit_bytes = limit_bytes,
	};
	assert_ok(node_cache_new(&fixture->config, &fixture->cache));
	assert_ok(txn_new(1, &fixture->txn));
	tree_init(&fixture->tree, FIXTURE_TREE, TREE_PRIVATE, fixture->cache, &fixture_policy,
		  fixture);
	assert_ok(tree_create_root(fixture->txn, &fixture->tree));
	return fixture;
}

/* Writes everything, begins the next generation; what was pinned may be used again. */
static inline void fixture_commit(struct fixture *fixture)
{
	assert_ok(txn_block(fixture->txn));
	txn_start_commit(fixture->txn);
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	for (unsigned nr = 0; nr < fixture->nr_used; nr++) {
		if (fixture->addresses[nr].state != ADDRESS_PINNED)
			continue;
		fixture->addresses[nr].state = ADDRESS_FREE;
		fixture->free[fixture->nr_free++] = nr;
	}
	txn_next(fixture->txn);
}

/* A new cache, so that everything is read from the device again; after a commit. */
static inline void fixture_reload(struct fixture *fixture)
{
	struct tree old = fixture->tree;

	tree_fini(&fixture->tree);
	node_cache_free(fixture->cache);
	assert_ok(node_cache_new(&fixture->config, &fixture->cache));
	tree_init(&fixture->tree, FIXTURE_TREE, TREE_PRIVATE, fixture->cache, &fixture_policy,
		  fixture);
	tree_set_root(&fixture->tree, old.root_addr, old.root_generation, old.root_level);
}

static inline int fixture_count_node(void *ctx, const struct node *node, uint8_t level)
{
	unsigned *nr = ctx;

	(void)node;
	(void)level;
	(*nr)++;
	return 0;
}

static inline unsigned fixture_nr_nodes(struct fixture *fixture)
{
	unsigned nr = 0;

	assert_ok(tree_walk(&fixture->tree, fixture_count_node, &nr));
	return nr;
}

/* The tree is in order, and its nodes are the live addresses. */
static inline void fixture_check(struct fixture *fixture)
{
	int ret = tree_invariant(&fixture->tree);

	if (ret < 0)
		fail_msg("%s", err_text(ret));
	assert_int_equal(fixture_nr_nodes(fixture), fixture->nr_live);
}

static inline void fixture_free(struct fixture *fixture)
{
	tree_fini(&fixture->tree);
	txn_free(fixture->txn);
	node_cache_free(fixture->cache);
	volume_free(fixture->volume);
	pthread_mutex_destroy(&fixture->lock);
	mem_free(fixture);
}

/* Keys in order of nr, with gaps; of a type whose contents no validator judges. */
static inline struct key fixture_key(uint64_t nr)
{
	return KEY(300 + nr / 50, BTRFS_STRING_ITEM_KEY, (nr % 50) * 3);
}

/* Contents that differ from key to key and from version to version. */
static inline void fixture_data(uint8_t *data, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(seed + i * 7);
}

/* Inserts items first..last of the given length. */
static inline void fixture_insert(struct fixture *fixture, uint64_t first, uint64_t last,
				  uint32_t len)
{
	uint8_t data[4096];

	ASSERT(len <= sizeof(data));
	for (uint64_t nr = first; nr <= last; nr++) {
		struct key key = fixture_key(nr);

		fixture_data(data, len, (uint32_t)nr);
		assert_ok(tree_insert(fixture->txn, &fixture->tree, &key, data, len));
	}
}

static inline bool fixture_has(struct fixture *fixture, uint64_t nr)
{
	struct key key = fixture_key(nr);
	uint8_t is[4096], data[4096];
	uint32_t len;

	if (tree_lookup(&fixture->tree, &key, is, sizeof(is), &len) < 0)
		return false;
	fixture_data(data, len, (uint32_t)nr);
	assert_memory_equal(is, data, len);
	return true;
}

#endif
