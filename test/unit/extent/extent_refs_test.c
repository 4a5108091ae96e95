/*
 * References as items: inline and keyed, their order, their counts; answers of disk plus queue;
 * drops of what never had an item.
 */
#include "extent/engine_fixture.h"
#include "extent/extent_priv.h"

#define CLONES 80u

struct ref_seen {
	unsigned nr;
	uint64_t count;
};

static int count_ref(void *ctx, const struct ref_key *key, uint32_t count)
{
	struct ref_seen *seen = ctx;

	assert_int_equal(key->type, REF_DATA);
	assert_int_equal(key->root, 5);
	seen->nr++;
	seen->count += count;
	return 0;
}

static unsigned nr_keyed(struct engine *engine, uint64_t addr)
{
	struct key from = KEY(addr, REF_TREE, 0);
	struct ref_key key;
	unsigned nr = 0;
	uint32_t count;

	while (keyed_ref_next(engine_tree(engine, BTRFS_EXTENT_TREE_OBJECTID), addr, &from, &key,
			      &count) == 0)
		nr++;
	return nr;
}

/* More references than an item may hold: the rest is keyed; then all go again, in another order. */
static void many_clones(bool commit_between)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });
	struct ref_seen seen = { 0 };
	uint64_t addr = engine_write(engine, 5, 0, 4096), flags;
	int64_t refs;

	for (unsigned i = 1; i < CLONES; i++) {
		engine_clone(engine, 5, 0, i * 4096ull);
		if (commit_between && i % 20 == 0)
			engine_commit(engine);
	}
	engine_save_file(engine, 5);
	engine_commit(engine);
	engine_check(engine);
	engine_dump(engine, commit_between ? "clones-slow" : "clones");
	assert_true(nr_keyed(engine, addr) > CLONES / 2);
	assert_ok(extent_each_ref(&engine->extents, addr, count_ref, &seen));
	assert_int_equal(seen.nr, CLONES);
	assert_int_equal(seen.count, CLONES);
	for (unsigned i = 0; i < CLONES; i++) {
		assert_true(engine_unwrite(engine, 5, (i * 37ull % CLONES) * 4096));
		if (i % 30 == 29) {
			assert_ok(extent_refs(&engine->extents, addr, false, 0, &refs, &flags));
			assert_int_equal(refs, CLONES - i - 1);
			engine_commit(engine);
			engine_check(engine);
		}
	}
	engine_commit(engine);
	engine_check(engine);
	assert_int_equal(extent_refs(&engine->extents, addr, false, 0, &refs, &flags),
			 -ERR_EXTENT_MISSING);
	engine_free(engine);
}

static void test_extent_refs__keyed_when_full(void **state)
{
	(void)state;
	many_clones(false);
	many_clones(true);
}

/* The same place twice counts twice in one reference. */
/*
 * Each reference is listed once, with the count of the model; files 300 and up hold it at offset
 * 0.
 */
#define MODEL_FILES 90u

struct ref_model {
	int64_t counts[MODEL_FILES];
	uint32_t seen[MODEL_FILES];
};

static int match_ref(void *ctx, const struct ref_key *key, uint32_t count)
{
	struct ref_model *model = ctx;

	if (key->inode == ENGINE_FILE)
		return 0;
	assert_in_range(key->inode, 300, 300 + MODEL_FILES - 1);
	assert_int_equal(model->seen[key->inode - 300], 0);
	model->seen[key->inode - 300] = count;
	return 0;
}

/* References come and go beyond what fits inline; none may stand inline and keyed at once. */
static void test_extent_refs__random_counts(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });
	uint64_t addr = engine_write(engine, 5, 0, 4096), nr;
	struct ref_model model = { .counts = { 0 } };
	struct rng rng;

	(void)state;
	rng_init(&rng, 21);
	for (unsigned step = 0; step < 2000; step++) {
		unsigned file = (unsigned)rng_below(&rng, MODEL_FILES);
		/* Fills up first, then shrinks, then fills up again. */
		bool drop = model.counts[file] && rng_below(&rng, 10) < (step / 500 % 2 ? 8 : 3);

		model.counts[file] += drop ? -1 : 1;
		assert_ok(extent_ref_data(engine->txn, &engine->extents, addr, 4096, 5, 300 + file,
					  0, drop ? -1 : 1));
		if (!rng_one_in(&rng, 10))
			continue;
		assert_ok(extent_run_refs(engine->txn, &engine->extents, &nr));
		memset(model.seen, 0, sizeof(model.seen));
		assert_ok(extent_each_ref(&engine->extents, addr, match_ref, &model));
		for (unsigned i = 0; i < MODEL_FILES; i++)
			assert_int_equal(model.seen[i], model.counts[i]);
	}
	engine_free(engine);
}

struct hashed {
	uint64_t hash;
	struct ref_key key;
};

static int compare_hashed(const void *a, const void *b)
{
	const struct hashed *left = a, *right = b;

	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

/* Finds references with one hash, by the birthday paradox. */
static void find_collision(struct ref_key ret_keys[2])
{
	size_t nr = 300000;
	SCOPED_MEM struct hashed *all = mem_array(nr, sizeof(*all));
	struct rng rng;

	assert_non_null(all);
	rng_init(&rng, 17);
	for (size_t i = 0; i < nr; i++) {
		all[i].key = (struct ref_key){ REF_DATA, 5, 256 + rng_below(&rng, MIB),
					       rng_below(&rng, MIB) * 4096 };
		all[i].hash = ref_key_sequence(&all[i].key);
	}
	qsort(all, nr, sizeof(*all), compare_hashed);
	for (size_t i = 1; i < nr; i++) {
		if (all[i].hash != all[i - 1].hash ||
		    ref_key_compare(&all[i].key, &all[i - 1].key) == 0)
			continue;
		ret_keys[0] = all[i - 1].key;
		ret_keys[1] = all[i].key;
		return;
	}
	fail_msg("no collision found");
}

static void test_keyed_ref__collision(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	struct tree *tree = engine_tree(engine, BTRFS_EXTENT_TREE_OBJECTID);
	struct ref_key keys[2], key;
	struct key from;
	uint32_t count;

	(void)state;
	find_collision(keys);
	for (unsigned round = 0; round < 2; round++) {
		assert_ok(keyed_ref_change(engine->txn, tree, 4096, &keys[0], 1));
		assert_ok(keyed_ref_change(engine->txn, tree, 4096, &keys[1], 2));
		assert_int_equal(nr_keyed(engine, 4096), 2);
		/* The first goes, the second is found behind the gap. */
		assert_ok(keyed_ref_change(engine->txn, tree, 4096, &keys[0], -1));
		assert_ok(keyed_ref_change(engine->txn, tree, 4096, &keys[1], 3));
		assert_int_equal(nr_keyed(engine, 4096), 1);
		from = KEY(4096, REF_DATA, 0);
		assert_ok(keyed_ref_next(tree, 4096, &from, &key, &count));
		assert_int_equal(ref_key_compare(&key, &keys[1]), 0);
		assert_int_equal(count, 5);
		assert_ok(keyed_ref_change(engine->txn, tree, 4096, &keys[1], -5));
		assert_int_equal(nr_keyed(engine, 4096), 0);
	}
	engine_free(engine);
}

static void test_extent_refs__equal_references_count(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	uint64_t addr = engine_write(engine, 5, 0, 4096), flags;
	struct ref_seen seen = { 0 };
	int64_t refs;

	(void)state;
	assert_ok(extent_ref_data(engine->txn, &engine->extents, addr, 4096, 5, ENGINE_FILE, 0, 2));
	assert_ok(extent_refs(&engine->extents, addr, false, 0, &refs, &flags));
	assert_int_equal(refs, 3);
	assert_int_equal(flags, BTRFS_EXTENT_FLAG_DATA);
	engine_commit(engine);
	assert_ok(extent_each_ref(&engine->extents, addr, count_ref, &seen));
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.count, 3);
	assert_ok(
		extent_ref_data(engine->txn, &engine->extents, addr, 4096, 5, ENGINE_FILE, 0, -2));
	assert_ok(extent_refs(&engine->extents, addr, false, 0, &refs, &flags));
	assert_int_equal(refs, 1);
	engine_commit(engine);
	engine_check(engine);
	engine_free(engine);
}

static void test_extent_refs__unknown_drop_is_refused(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	uint64_t addr = engine_write(engine, 5, 0, 4096), nr;

	(void)state;
	engine_commit(engine);
	/* No such reference: inode 999. */
	assert_ok(extent_ref_data(engine->txn, &engine->extents, addr, 4096, 5, 999, 0, -1));
	assert_int_equal(extent_run_refs(engine->txn, &engine->extents, &nr), -ERR_EXTENT_MISSING);
	/* One too many. */
	assert_ok(
		extent_ref_data(engine->txn, &engine->extents, addr, 4096, 5, ENGINE_FILE, 0, -2));
	assert_int_equal(extent_run_refs(engine->txn, &engine->extents, &nr), -ERR_REF_NEGATIVE);
	engine_free(engine);
}

/* Allocated and dropped in one transaction: no item, no checksum, and the space is free at once. */
static void test_extent_refs__born_and_dropped_leaves_nothing(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	uint64_t addr = engine_write(engine, 5, 0, 65536);
	uint8_t csums[16 * 4], present[2];

	(void)state;
	assert_true(engine_unwrite(engine, 5, 0));
	assert_ok(csum_lookup(engine_tree(engine, BTRFS_CSUM_TREE_OBJECTID), addr, 16, csums,
			      present));
	assert_int_equal(present[0] | present[1], 0);
	/* The same address comes again, and its checksums can be inserted. */
	assert_int_equal(engine_write(engine, 5, 0, 65536), addr);
	engine_commit(engine);
	engine_check(engine);
	/* With an item it is pinned until the commit. */
	assert_true(engine_unwrite(engine, 5, 0));
	assert_true(engine_write(engine, 5, 65536, 65536) != addr);
	engine_commit(engine);
	engine_check(engine);
	assert_int_equal(engine_write(engine, 5, 0, 65536), addr);
	engine_free(engine);
}

static void test_extent_refs__tree_blocks(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .fat = true });
	struct tree *tree = engine_tree(engine, 5);
	uint64_t flags;
	int64_t refs;

	(void)state;
	assert_ok(extent_refs(&engine->extents, tree->root_addr, true, tree->root_level, &refs,
			      &flags));
	assert_int_equal(refs, 1);
	assert_int_equal(flags, BTRFS_EXTENT_FLAG_TREE_BLOCK);
	engine_free(engine);
}

/* Types rise, within a type the sequence falls, whatever the order of insertion. */
static void test_inline_ref__order(void **state)
{
	uint8_t data[4096] = { 0 };
	struct extent_image image = { .key = KEY(4096, BTRFS_EXTENT_ITEM_KEY, 4096), .data = data };
	struct ref_key key, last = { 0 };
	struct rng rng;
	uint32_t at, count;
	uint64_t sum;

	(void)state;
	rng_init(&rng, 11);
	image.len = EXTENT_ITEM_SIZE;
	for (unsigned i = 0; i < 60; i++) {
		key = (struct ref_key){ .type = REF_DATA_SHARED,
					.root = 4096 * (1 + rng_below(&rng, 1000)) };
		if (i % 2)
			key = (struct ref_key){ REF_DATA, 5, 256 + rng_below(&rng, 1000),
						i * 4096 };
		if (!inline_ref_find(&image, &key, &at))
			inline_ref_insert(&image, at, &key, 1 + i);
		assert_true(inline_ref_find(&image, &key, &at));
	}
	assert_ok(inline_ref_sum(&image, &sum));
	for (at = inline_ref_first(&image); at < image.len; at += inline_ref_size_bytes(data[at])) {
		inline_ref_load(data + at, &key, &count);
		assert_true(last.type <= key.type);
		assert_true(last.type != key.type ||
			    ref_key_sequence(&last) >= ref_key_sequence(&key));
		last = key;
	}
	/* An item cut in a reference is damage, not more. */
	image.len--;
	assert_int_equal(inline_ref_sum(&image, &sum), -ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extent_refs__keyed_when_full),
		cmocka_unit_test(test_extent_refs__random_counts),
		cmocka_unit_test(test_keyed_ref__collision),
		cmocka_unit_test(test_extent_refs__equal_references_count),
		cmocka_unit_test(test_extent_refs__unknown_drop_is_refused),
		cmocka_unit_test(test_extent_refs__born_and_dropped_leaves_nothing),
		cmocka_unit_test(test_extent_refs__tree_blocks),
		cmocka_unit_test(test_inline_ref__order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
