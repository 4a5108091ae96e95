/*
 * Checksums against an array: after any insertions and removals a lookup gives what the array says,
 * items never overlap and never exceed what one may hold.
 */
#include "tree/tree_fixture.h"

#include "csum/csum.h"

#define MODEL_SECTORS 20000u
#define MODEL_BASE (64 * MIB)

static uint32_t model[MODEL_SECTORS]; /* 0: none */

static uint64_t model_addr(uint64_t sector)
{
	return MODEL_BASE + sector * 4096;
}

static void check_items(struct fixture *fixture)
{
	struct key first = KEY_MIN;
	struct cursor cursor;
	uint64_t end = 0;
	bool exact;
	int err;

	cursor_init(&cursor, &fixture->tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		assert_true(key.offset >= end);
		assert_true(cursor_len(&cursor) > 0);
		assert_true(cursor_len(&cursor) / 4 <=
			    geometry_max_csums(&fixture->config.geometry));
		end = key.offset + cursor_len(&cursor) / 4 * 4096;
	}
	cursor_release(&cursor);
	assert_int_equal(err, -ERR_KEY_NOT_FOUND);
}

static void check_lookup(struct fixture *fixture, uint64_t first, uint64_t nr)
{
	SCOPED_MEM uint32_t *csums = mem_zalloc((nr + 1) * 4);
	SCOPED_MEM uint8_t *present = mem_zalloc(nr / 8 + 1);
	bool all = true;

	assert_ok(csum_lookup(&fixture->tree, model_addr(first), nr, (uint8_t *)csums, present));
	for (uint64_t i = 0; i < nr; i++) {
		bool is = present[i / 8] >> (i % 8) & 1;

		assert_int_equal(is, model[first + i] != 0);
		if (is)
			assert_int_equal(csums[i], model[first + i]);
		all &= is;
	}
	assert_int_equal(csum_lookup(&fixture->tree, model_addr(first), nr, (uint8_t *)csums, NULL),
			 all ? 0 : -ERR_DATA_CSUM);
}

static void model_step(struct fixture *fixture, struct rng *rng)
{
	uint64_t first = rng_below(rng, MODEL_SECTORS),
		 nr = 1 + rng_below(rng, 1 + rng_below(rng, 3000));
	uint32_t csums[3000];
	bool free = true;
	int ret;

	nr = MIN(nr, MODEL_SECTORS - first);
	if (rng_one_in(rng, 3)) {
		assert_ok(csum_remove(fixture->txn, &fixture->tree, model_addr(first), nr * 4096));
		memset(model + first, 0, nr * 4);
		return;
	}
	for (uint64_t i = 0; i < nr; i++) {
		csums[i] = (uint32_t)rng_next(rng) | 1;
		free &= model[first + i] == 0;
	}
	ret = csum_insert(fixture->txn, &fixture->tree, model_addr(first), (uint8_t *)csums, nr);
	assert_int_equal(ret, free ? 0 : -ERR_KEY_EXISTS);
	if (free)
		memcpy(model + first, csums, nr * 4);
}

static void run_model(uint32_t nodesize, uint64_t seed)
{
	struct fixture *fixture = fixture_new(nodesize, 4 * MIB);
	struct rng rng;

	memset(model, 0, sizeof(model));
	rng_init(&rng, seed);
	for (unsigned step = 0; step < 600; step++) {
		uint64_t first = rng_below(&rng, MODEL_SECTORS);

		model_step(fixture, &rng);
		check_lookup(fixture, first,
			     rng_below(&rng, MIN(4000u, MODEL_SECTORS - first + 1)));
		if (step % 50 == 0) {
			check_items(fixture);
			check_lookup(fixture, 0, MODEL_SECTORS);
			fixture_check(fixture);
			fixture_commit(fixture);
		}
	}
	assert_ok(
		csum_remove(fixture->txn, &fixture->tree, model_addr(0), MODEL_SECTORS * 4096ull));
	memset(model, 0, sizeof(model));
	check_lookup(fixture, 0, MODEL_SECTORS);
	fixture_free(fixture);
}

static void test_csum_model__random(void **state)
{
	(void)state;
	run_model(4096, 1);
	run_model(16384, 2);
}

/* Written in order, sector by sector: items grow until they are full, they do not multiply. */
static void test_csum_model__appending_fills_items(void **state)
{
	struct fixture *fixture = fixture_new(4096, 4 * MIB);
	uint32_t max = geometry_max_csums(&fixture->config.geometry), csum = 7;
	struct key first = KEY_MIN;
	struct cursor cursor;
	unsigned nr = 0;
	bool exact;
	int err;

	(void)state;
	for (uint64_t i = 0; i < 3 * max; i++)
		assert_ok(csum_insert(fixture->txn, &fixture->tree, model_addr(i), (uint8_t *)&csum,
				      1));
	cursor_init(&cursor, &fixture->tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor))
		nr++;
	cursor_release(&cursor);
	assert_int_equal(nr, 3);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csum_model__random),
		cmocka_unit_test(test_csum_model__appending_fills_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
