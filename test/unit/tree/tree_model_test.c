/*
 * Model test: a tree against a plain sorted array, under a million random operations for two node
 * sizes.
 *
 * The array has a place for each possible key; the tree must hold the same keys, lengths and
 * contents after every operation that is compared. Generations advance, nodes are written, evicted
 * and read again all the time; the policy of the fixture counts addresses. UBTRFS_MODEL_OPS sets
 * the number of operations, UBTRFS_MODEL_SEED the seed.
 */
#include <stdlib.h>

#include "tree/tree_fixture.h"

#define NR_KEYS 6000u
#define BATCH_MAX 60u
#define DEFAULT_OPS 500000u

struct slot {
	bool present;
	uint32_t len;
	uint32_t seed;
};

struct model {
	struct fixture *fixture;
	struct rng rng;
	struct slot slots[NR_KEYS];
	unsigned nr_present;
	uint32_t max_item;
	bool draining; /* more is removed than inserted */
	uint8_t data[70000], is[70000];
};

static uint32_t pick_len(struct model *model)
{
	uint64_t kind = rng_below(&model->rng, 400);

	if (kind == 0)
		return model->max_item - (uint32_t)rng_below(&model->rng, 40);
	if (kind < 4)
		return (uint32_t)rng_below(&model->rng, model->max_item / 2);
	if (kind < 40)
		return (uint32_t)rng_below(&model->rng, 400);
	return (uint32_t)rng_below(&model->rng, 60);
}

/* The first present at or after nr; NR_KEYS when there is none. */
static unsigned next_present(const struct model *model, unsigned nr)
{
	while (nr < NR_KEYS && !model->slots[nr].present)
		nr++;
	return nr;
}

static void set_slot(struct model *model, unsigned nr, uint32_t len, uint32_t seed)
{
	model->nr_present += !model->slots[nr].present;
	model->slots[nr] = (struct slot){ true, len, seed };
}

static void check_item(struct model *model, const struct cursor *cursor, unsigned nr)
{
	struct key want = fixture_key(nr), is = cursor_key(cursor);

	assert_true(key_equal(&want, &is));
	assert_int_equal(cursor_len(cursor), model->slots[nr].len);
	fixture_data(model->data, model->slots[nr].len, model->slots[nr].seed);
	assert_memory_equal(cursor_data(cursor), model->data, model->slots[nr].len);
}

static void do_insert(struct model *model)
{
	struct fixture *fixture = model->fixture;
	unsigned nr = (unsigned)rng_below(&model->rng, NR_KEYS);
	uint32_t len = pick_len(model), seed = (uint32_t)rng_next(&model->rng);
	struct key key = fixture_key(nr);
	int ret;

	fixture_data(model->data, len, seed);
	ret = tree_insert(fixture->txn, &fixture->tree, &key, model->data, len);
	assert_int_equal(ret, model->slots[nr].present ? -ERR_KEY_EXISTS : 0);
	if (ret == 0)
		set_slot(model, nr, len, seed);
}

/* A run of keys, sometimes with one that is there already. */
static void do_insert_many(struct model *model)
{
	struct fixture *fixture = model->fixture;
	struct tree_item items[BATCH_MAX];
	unsigned numbers[BATCH_MAX], nr = 0, max = 1 + (unsigned)rng_below(&model->rng, BATCH_MAX);
	unsigned at = (unsigned)rng_below(&model->rng, NR_KEYS);
	uint32_t seed = (uint32_t)rng_next(&model->rng);
	size_t done, want = 0;
	int ret;

	for (; at < NR_KEYS && nr < max; at += 1 + (unsigned)rng_below(&model->rng, 2)) {
		if (model->slots[at].present && !rng_one_in(&model->rng, 200))
			continue;
		numbers[nr] = at;
		items[nr].key = fixture_key(at);
		items[nr].len_bytes = (uint32_t)rng_below(&model->rng, 80);
		items[nr].data = model->data;
		nr++;
	}
	fixture_data(model->data, 80, seed);
	ret = tree_insert_many(fixture->txn, &fixture->tree, items, nr, &done);
	while (want < nr && !model->slots[numbers[want]].present) {
		set_slot(model, numbers[want], items[want].len_bytes, seed);
		want++;
	}
	assert_int_equal(ret, want < nr ? -ERR_KEY_EXISTS : 0);
	assert_int_equal(done, want);
}

static void do_remove(struct model *model)
{
	struct fixture *fixture = model->fixture;
	unsigned nr = (unsigned)rng_below(&model->rng, NR_KEYS);
	struct key key = fixture_key(nr);
	int ret = tree_remove(fixture->txn, &fixture->tree, &key);

	assert_int_equal(ret, model->slots[nr].present ? 0 : -ERR_KEY_NOT_FOUND);
	model->nr_present -= model->slots[nr].present;
	model->slots[nr].present = false;
}

static void do_remove_range(struct model *model)
{
	struct fixture *fixture = model->fixture;
	unsigned first = (unsigned)rng_below(&model->rng, NR_KEYS);
	unsigned most = rng_one_in(&model->rng, 20) ? NR_KEYS : 60;
	unsigned end = first + (unsigned)rng_below(&model->rng, most);
	unsigned last = MIN(end, NR_KEYS - 1);
	struct key low = fixture_key(first), high = fixture_key(last);
	uint64_t nr_removed, want = 0;

	assert_ok(tree_remove_range(fixture->txn, &fixture->tree, &low, &high, &nr_removed));
	for (unsigned nr = first; nr <= last; nr++) {
		want += model->slots[nr].present;
		model->slots[nr].present = false;
	}
	model->nr_present -= (unsigned)want;
	assert_int_equal(nr_removed, want);
}

static void do_replace(struct model *model)
{
	struct fixture *fixture = model->fixture;
	unsigned nr = (unsigned)rng_below(&model->rng, NR_KEYS);
	uint32_t len = pick_len(model), seed = (uint32_t)rng_next(&model->rng);
	struct key key = fixture_key(nr);
	int ret;

	fixture_data(model->data, len, seed);
	ret = tree_replace(fixture->txn, &fixture->tree, &key, model->data, len);
	assert_int_equal(ret, model->slots[nr].present ? 0 : -ERR_KEY_NOT_FOUND);
	if (ret == 0)
		set_slot(model, nr, len, seed);
}

/* Grows or shrinks the last item at or before a key, in place. */
static void do_resize(struct model *model)
{
	SCOPED(cursor) struct cursor cursor;
	struct fixture *fixture = model->fixture;
	unsigned nr = (unsigned)rng_below(&model->rng, NR_KEYS), at = nr;
	uint32_t extra = (uint32_t)rng_below(&model->rng, 200), len;
	struct key key = fixture_key(nr);
	int ret;

	cursor_init(&cursor, &fixture->tree);
	while (at > 0 && !model->slots[at].present)
		at--;
	if (model->slots[at].present)
		extra = MIN(extra, model->max_item - model->slots[at].len);
	ret = cursor_seek_le_write(fixture->txn, &cursor, &key, extra);
	assert_int_equal(ret, model->slots[at].present ? 0 : -ERR_KEY_NOT_FOUND);
	if (ret < 0)
		return;
	check_item(model, &cursor, at);
	len = rng_one_in(&model->rng, 2) ? cursor_len(&cursor) + extra : cursor_len(&cursor) / 2;
	assert_ok(cursor_resize(&cursor, len));
	for (uint32_t i = model->slots[at].len; i < len; i++)
		assert_ok(cursor_data(&cursor)[i]);
	model->slots[at].len = len;
	fixture_data(cursor_data_mut(&cursor), len, model->slots[at].seed);
}

/* Moves an item to a neighbouring key that is free, as cursor_rekey allows within its leaf. */
static void do_rekey(struct model *model)
{
	SCOPED(cursor) struct cursor cursor;
	struct fixture *fixture = model->fixture;
	unsigned from = next_present(model, (unsigned)rng_below(&model->rng, NR_KEYS)), to;
	struct key key;

	cursor_init(&cursor, &fixture->tree);
	to = rng_one_in(&model->rng, 2) ? from + 1 : from - 1;
	if (from >= NR_KEYS || to >= NR_KEYS || model->slots[to].present)
		return;
	key = fixture_key(from);
	assert_ok(cursor_seek_write(fixture->txn, &cursor, &key));
	key = fixture_key(to);
	assert_ok(cursor_rekey(&cursor, &key));
	model->slots[to] = model->slots[from];
	model->slots[from].present = false;
}

static void do_seek(struct model *model)
{
	SCOPED(cursor) struct cursor cursor;
	unsigned nr = (unsigned)rng_below(&model->rng, NR_KEYS), at = next_present(model, nr);
	unsigned steps = (unsigned)rng_below(&model->rng, 8);
	struct key key = fixture_key(nr);
	bool exact = false;
	int ret;

	cursor_init(&cursor, &model->fixture->tree);
	ret = cursor_seek(&cursor, &key, &exact);
	while (at < NR_KEYS) {
		assert_int_equal(ret, 0);
		assert_int_equal(exact, at == nr);
		check_item(model, &cursor, at);
		if (steps-- == 0)
			return;
		at = next_present(model, at + 1);
		exact = false;
		ret = cursor_next(&cursor);
	}
	assert_int_equal(ret, -ERR_KEY_NOT_FOUND);
}

static void do_seek_le(struct model *model)
{
	SCOPED(cursor) struct cursor cursor;
	unsigned nr = (unsigned)rng_below(&model->rng, NR_KEYS), at = nr;
	struct key key = fixture_key(nr);
	int ret;

	cursor_init(&cursor, &model->fixture->tree);
	ret = cursor_seek_le(&cursor, &key);
	while (at > 0 && !model->slots[at].present)
		at--;
	assert_int_equal(ret, model->slots[at].present ? 0 : -ERR_KEY_NOT_FOUND);
	if (ret == 0)
		check_item(model, &cursor, at);
}

static void do_operation(struct model *model)
{
	uint64_t kind = rng_below(&model->rng, 1000);

	if (kind < 280)
		do_insert(model);
	else if (kind < 300)
		do_insert_many(model);
	else if (kind < 500)
		do_remove(model);
	else if (kind < (model->draining ? 520 : 502))
		do_remove_range(model);
	else if (kind < 620)
		do_replace(model);
	else if (kind < 720)
		do_resize(model);
	else if (kind < 750)
		do_rekey(model);
	else if (kind < 880)
		do_seek(model);
	else
		do_seek_le(model);
}

/* Every item, from the first to the last. */
static void check_all(struct model *model)
{
	SCOPED(cursor) struct cursor cursor;
	struct key key = KEY_MIN;
	unsigned nr = 0, at;
	bool exact;
	int ret;

	cursor_init(&cursor, &model->fixture->tree);
	ret = cursor_seek(&cursor, &key, &exact);
	for (at = next_present(model, 0); at < NR_KEYS; at = next_present(model, at + 1)) {
		assert_int_equal(ret, 0);
		check_item(model, &cursor, at);
		ret = cursor_next(&cursor);
		nr++;
	}
	assert_int_equal(ret, -ERR_KEY_NOT_FOUND);
	assert_int_equal(nr, model->nr_present);
	fixture_check(model->fixture);
}

static uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void run_model(uint32_t nodesize)
{
	struct model *model = mem_zalloc(sizeof(*model));
	uint64_t nr_ops = from_env("UBTRFS_MODEL_OPS", DEFAULT_OPS);
	uint64_t seed = from_env("UBTRFS_MODEL_SEED", nodesize);

	assert_non_null(model);
	rng_init(&model->rng, seed);
	model->fixture = fixture_new(nodesize, 64 * (size_t)nodesize);
	model->max_item = geometry_max_item(&model->fixture->config.geometry);
	for (uint64_t op = 0; op < nr_ops; op++) {
		do_operation(model);
		if (rng_one_in(&model->rng, 20000))
			check_all(model);
		if (rng_one_in(&model->rng, 2000)) {
			fixture_commit(model->fixture);
			model->draining = rng_one_in(&model->rng, 3);
		} else if (rng_one_in(&model->rng, 4000)) {
			/* Written early: the next change copies nodes of this very generation. */
			assert_ok(cache_write_dirty(model->fixture->cache, NULL));
		}
		if (rng_one_in(&model->rng, 20000)) {
			fixture_commit(model->fixture);
			fixture_reload(model->fixture);
		}
	}
	check_all(model);
	fixture_free(model->fixture);
	mem_free(model);
}

static void test_tree_model__4k(void **state)
{
	(void)state;
	run_model(4096);
}

static void test_tree_model__16k(void **state)
{
	(void)state;
	run_model(16384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_model__4k),
		cmocka_unit_test(test_tree_model__16k),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
