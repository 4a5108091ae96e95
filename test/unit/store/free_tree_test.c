/*
 * The free-space tree and the other items of space, without references: the trees lie in addresses
 * of the tree fixture, so that only what the test takes and gives changes the free space. A byte
 * map is the judge.
 */
#include "tree/tree_fixture.h"

#include "store/store_priv.h"

#define GROUP_SECTORS 2048u

struct store_fixture {
	struct fixture *trees;
	struct space *space;
	struct root_table *roots;
	struct store store;
};

static void fixture_open(struct store_fixture *f)
{
	struct root_table_config config = {
		.cache = f->trees->cache,
		.shared_policy = &fixture_policy,
		.private_policy = &fixture_policy,
		.policy_ctx = f->trees,
	};
	struct space_config space_config = { .volume = f->trees->volume,
					     .sectorsize = 4096,
					     .nodesize = 4096 };

	assert_ok(space_new(&space_config, &f->space));
	assert_ok(root_table_new(&config, &f->roots));
	f->store = (struct store){
		.volume = f->trees->volume,
		.space = f->space,
		.roots = f->roots,
		.geometry = f->trees->config.geometry,
		.compat_ro = BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE |
			     BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID,
	};
}

/* Core trees, and groups over the fixture's own chunk and a new one of data. */
static void store_fixture_init(struct store_fixture *f, struct block_group **ret_group)
{
	static const uint64_t ids[] = { BTRFS_EXTENT_TREE_OBJECTID, BTRFS_DEV_TREE_OBJECTID,
					BTRFS_FREE_SPACE_TREE_OBJECTID };
	struct block_group *group;
	struct root *root;

	f->trees = fixture_new(4096, 16 * MIB);
	fixture_open(f);
	for (uint64_t id = BTRFS_ROOT_TREE_OBJECTID; id <= BTRFS_CHUNK_TREE_OBJECTID; id += 2)
		assert_ok(tree_create_root(f->trees->txn, &root_peek(f->roots, id)->tree));
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
		assert_ok(root_create(f->trees->txn, f->roots, ids[i], NULL, &root));
	assert_ok(space_create_group(f->space, chunk_map_next(f->trees->volume, 0), &group));
	assert_ok(space_grow(f->space, SPACE_DATA, GROUP_SECTORS * 4096, GROUP_SECTORS * 4096,
			     ret_group));
}

static void store_fixture_fini(struct store_fixture *f)
{
	root_table_free(f->roots);
	space_free_all(f->space);
	fixture_free(f->trees);
}

static void save(struct store_fixture *f)
{
	bool changed;

	assert_ok(store_save(f->trees->txn, &f->store, &changed));
	assert_true(changed);
	assert_ok(store_save(f->trees->txn, &f->store, &changed));
	assert_false(changed);
}

/* Extents of the tree against the map; ends of free runs must be ends of items. */
static void check_map(struct store_fixture *f, struct block_group *group, const uint8_t *taken)
{
	struct key first = KEY(group->start, BTRFS_FREE_SPACE_EXTENT_KEY, 0);
	struct root *root;
	struct cursor cursor;
	uint64_t sector = 0;
	uint32_t nr = 0;
	bool exact;
	int err;

	assert_ok(root_get(f->roots, BTRFS_FREE_SPACE_TREE_OBJECTID, &root));
	cursor_init(&cursor, &root->tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (key.type != BTRFS_FREE_SPACE_EXTENT_KEY)
			break;
		for (; sector < (key.objectid - group->start) / 4096; sector++)
			assert_int_equal(taken[sector], 1);
		/* Two that touch would be one. */
		assert_true(sector == 0 || taken[sector - 1]);
		for (uint64_t end = sector + key.offset / 4096; sector < end; sector++)
			assert_int_equal(taken[sector], 0);
		nr++;
	}
	cursor_release(&cursor);
	for (; sector < GROUP_SECTORS; sector++)
		assert_int_equal(taken[sector], 1);
	assert_int_equal(nr, group->fst_extent_count);
}

static void random_step(struct store_fixture *f, struct block_group *group, struct rng *rng,
			uint8_t *taken)
{
	uint64_t first = rng_below(rng, GROUP_SECTORS), nr = 1 + rng_below(rng, 40);
	uint64_t addr = group->start + first * 4096;
	uint8_t is = taken[first];
	uint64_t same = 0;

	nr = MIN(nr, GROUP_SECTORS - first);
	while (same < nr && taken[first + same] == is)
		same++;
	if (same < nr) {
		/* Partly free: neither may do. */
		assert_int_equal(free_tree_take(f->trees->txn, &f->store, group, addr, nr * 4096),
				 -ERR_CORRUPT);
		assert_int_equal(free_tree_give(f->trees->txn, &f->store, group, addr, nr * 4096),
				 -ERR_CORRUPT);
	}
	if (is)
		assert_ok(free_tree_give(f->trees->txn, &f->store, group, addr, same * 4096));
	else
		assert_ok(free_tree_take(f->trees->txn, &f->store, group, addr, same * 4096));
	memset(taken + first, !is, same);
}

static void test_free_tree__against_a_map(void **state)
{
	struct block_group *group;
	struct store_fixture f;
	uint8_t taken[GROUP_SECTORS] = { 0 };
	struct rng rng;

	(void)state;
	store_fixture_init(&f, &group);
	rng_init(&rng, 9);
	for (unsigned step = 0; step < 1200; step++) {
		random_step(&f, group, &rng, taken);
		if (step % 100 == 0) {
			check_map(&f, group, taken);
			save(&f);
			fixture_commit(f.trees);
		}
	}
	check_map(&f, group, taken);
	store_fixture_fini(&f);
}

/*
 * What was saved is loaded: chunks, groups, free space; and the superblock names the system
 * chunks.
 */
static void test_store_load__what_was_saved(void **state)
{
	uint8_t super[SUPER_SIZE] = { 0 };
	struct block_group *group;
	struct root_table *old_roots;
	struct store_fixture f;
	struct space_totals totals;
	uint64_t start, len;
	bool changed;

	(void)state;
	store_fixture_init(&f, &group);
	start = group->start;
	len = group->len_bytes;
	assert_ok(space_grow(f.space, SPACE_SYSTEM, MIB, MIB, &group));
	save(&f);
	assert_ok(root_table_save(f.trees->txn, f.roots, &changed));
	root_table_fill_super(f.roots, super);
	assert_ok(store_fill_super(&f.store, 1, super));
	assert_int_equal(super_sys_chunk_array_size(super), KEY_DISK_SIZE + chunk_size_bytes(1));
	assert_int_equal(super_num_devices(super), 1);
	assert_int_equal(super_total_bytes(super), 1 * GIB);
	fixture_commit(f.trees);
	old_roots = f.roots;
	space_free_all(f.space);
	root_table_free(old_roots);
	assert_ok(chunk_map_remove(f.trees->volume, start));
	assert_ok(chunk_map_remove(f.trees->volume, group ? start + len : 0));
	fixture_open(&f);
	assert_ok(store_load_sys_chunks(f.trees->volume, super));
	assert_ok(root_table_load(f.roots, super));
	assert_ok(store_load_chunks(&f.store));
	assert_ok(store_load_groups(&f.store));
	group = space_group_of(f.space, start);
	assert_non_null(group);
	assert_int_equal(group->len_bytes, len);
	space_totals_get(f.space, SPACE_DATA, &totals);
	assert_int_equal(totals.free_bytes, len - totals.super_bytes);
	assert_ok(store_save(f.trees->txn, &f.store, &changed));
	assert_false(changed);
	store_fixture_fini(&f);
}

static void test_chunk_store__array_is_limited(void **state)
{
	uint8_t super[SUPER_SIZE] = { 0 };
	struct block_group *group;
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, &group);
	for (unsigned i = 0;
	     i < BTRFS_SYSTEM_CHUNK_ARRAY_SIZE / (KEY_DISK_SIZE + chunk_size_bytes(1)); i++) {
		assert_ok(store_fill_super(&f.store, 1, super));
		assert_ok(space_grow(f.space, SPACE_SYSTEM, MIB, MIB, &group));
	}
	assert_ok(store_fill_super(&f.store, 1, super));
	assert_ok(space_grow(f.space, SPACE_SYSTEM, MIB, MIB, &group));
	assert_int_equal(store_fill_super(&f.store, 1, super), -ERR_LIMIT);
	assert_int_equal(store_fill_super(&f.store, 7, super), -ERR_NOT_FOUND);
	store_fixture_fini(&f);
}

/* Any bytes in the array give an error or chunks, nothing worse. */
static void test_store_load__damaged_array(void **state)
{
	uint8_t super[SUPER_SIZE] = { 0 }, bad[SUPER_SIZE];
	struct block_group *group;
	struct store_fixture f;
	struct rng rng;

	(void)state;
	store_fixture_init(&f, &group);
	assert_ok(space_grow(f.space, SPACE_SYSTEM, MIB, MIB, &group));
	assert_ok(store_fill_super(&f.store, 1, super));
	rng_init(&rng, 13);
	for (unsigned i = 0; i < 500; i++) {
		struct volume *volume;

		memcpy(bad, super, sizeof(bad));
		bad[SUPER_SYS_CHUNK_ARRAY_AT + rng_below(&rng, 97)] ^=
			(uint8_t)(1 + rng_below(&rng, 255));
		if (rng_one_in(&rng, 4))
			super_set_sys_chunk_array_size(bad, (uint32_t)rng_below(&rng, 5000));
		assert_ok(volume_new(&volume));
		(void)!store_load_sys_chunks(volume, bad);
		volume_free(volume);
	}
	store_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_tree__against_a_map),
		cmocka_unit_test(test_store_load__what_was_saved),
		cmocka_unit_test(test_chunk_store__array_is_limited),
		cmocka_unit_test(test_store_load__damaged_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
