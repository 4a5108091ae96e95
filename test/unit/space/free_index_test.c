/*
 * free_index: random ranges in and out against a map of bits; every search against a search by
 * hand.
 */
#include "space/space_fixture.h"

#include "base/fault.h"
#include "base/rng.h"

#define BITS 700u

struct bit_map {
	bool is_free[BITS + 1]; /* the last stays false: an end for loops */
};

static bool map_all(const struct bit_map *map, uint64_t addr, uint64_t len, bool value)
{
	for (uint64_t i = addr; i < addr + len; i++) {
		if (map->is_free[i] != value)
			return false;
	}
	return true;
}

static void map_set(struct bit_map *map, uint64_t addr, uint64_t len, bool value)
{
	for (uint64_t i = addr; i < addr + len; i++)
		map->is_free[i] = value;
}

static uint64_t map_find(const struct bit_map *map, uint64_t from, uint64_t len, uint64_t align)
{
	for (uint64_t at = round_up(from, align); at + len <= BITS; at += align) {
		if (map_all(map, at, len, true))
			return at;
	}
	return UINT64_MAX;
}

static uint64_t map_find_last(const struct bit_map *map, uint64_t len, uint64_t align)
{
	uint64_t found = UINT64_MAX;

	for (uint64_t at = 0; at + len <= BITS; at += align) {
		if (map_all(map, at, len, true))
			found = at;
	}
	return found;
}

static void map_longest(const struct bit_map *map, uint64_t *ret_addr, uint64_t *ret_len)
{
	*ret_len = 0;
	for (uint64_t at = 0; at < BITS; at++) {
		uint64_t len = 0;

		while (map->is_free[at + len])
			len++;
		if (len > *ret_len) {
			*ret_addr = at;
			*ret_len = len;
		}
	}
}

static void check_searches(const struct free_index *index, const struct bit_map *map,
			   struct rng *rng)
{
	uint64_t from = rng_below(rng, BITS), len = 1 + rng_below(rng, 40);
	uint64_t align = 1ull << rng_below(rng, 5);
	uint64_t addr = UINT64_MAX, longest = 0, want_addr = 0, want_len;

	if (!free_index_find(index, from, len, align, &addr))
		assert_int_equal(addr, UINT64_MAX);
	assert_int_equal(addr, map_find(map, from, len, align));
	addr = UINT64_MAX;
	if (!free_index_find_last(index, len, align, &addr))
		assert_int_equal(addr, UINT64_MAX);
	assert_int_equal(addr, map_find_last(map, len, align));

	map_longest(map, &want_addr, &want_len);
	assert_int_equal(free_index_longest(index, &addr, &longest), want_len > 0);
	if (want_len > 0) {
		assert_int_equal(addr, want_addr);
		assert_int_equal(longest, want_len);
	}
	len = MIN(len, BITS - from);
	assert_int_equal(free_index_overlaps(index, from, len), !map_all(map, from, len, false));
}

static void step(struct free_index *index, struct bit_map *map, struct rng *rng)
{
	uint64_t addr = rng_below(rng, BITS);
	uint64_t len = 1 + rng_below(rng, 24);
	int ret;

	len = MIN(len, BITS - addr);
	switch (rng_below(rng, 3)) {
	case 0:
		ret = free_index_add(index, addr, len);
		assert_int_equal(ret, map_all(map, addr, len, false) ? 0 : -ERR_CORRUPT);
		if (ret == 0)
			map_set(map, addr, len, true);
		break;
	case 1:
		ret = free_index_take(index, addr, len);
		assert_int_equal(ret, map_all(map, addr, len, true) ? 0 : -ERR_CORRUPT);
		if (ret == 0)
			map_set(map, addr, len, false);
		break;
	default:
		len = MIN(len, 4);
		assert_int_equal(free_index_cut(index, addr, len), 0);
		map_set(map, addr, len, false);
	}
}

static int visit_compare(void *ctx, uint64_t addr, uint64_t len)
{
	struct bit_map *map = ctx;

	assert_true(map_all(map, addr, len, true));
	assert_false(map->is_free[addr + len]);
	map_set(map, addr, len, false);
	return 0;
}

static void test_free_index__random_ranges_against_a_bitmap(void **state)
{
	struct free_index index;
	struct bit_map map = { 0 };
	struct rng rng;

	(void)state;
	rng_init(&rng, 20);
	free_index_init(&index);
	for (int i = 0; i < 20000; i++) {
		step(&index, &map, &rng);
		if (i % 4 == 0) {
			assert_true(free_index_invariant(&index));
			check_searches(&index, &map, &rng);
		}
	}
	assert_int_equal(free_index_each(&index, visit_compare, &map), 0);
	assert_true(map_all(&map, 0, BITS, false));
	free_index_fini(&index);
}

static void test_free_index__neighbours_join(void **state)
{
	struct free_index index;
	uint64_t addr, len;

	(void)state;
	free_index_init(&index);
	assert_int_equal(free_index_add(&index, 10, 10), 0);
	assert_int_equal(free_index_add(&index, 30, 10), 0);
	assert_int_equal(index.nr_extents, 2);
	assert_int_equal(free_index_add(&index, 20, 10), 0);
	assert_int_equal(index.nr_extents, 1);
	assert_true(free_index_next(&index, 39, &addr, &len));
	assert_int_equal(addr, 10);
	assert_int_equal(len, 30);
	assert_false(free_index_next(&index, 40, &addr, &len));
	assert_true(free_index_prev(&index, UINT64_MAX, &addr, &len));
	assert_false(free_index_prev(&index, 10, &addr, &len));
	free_index_fini(&index);
}

static void test_free_index__ends_of_the_address_space(void **state)
{
	struct free_index index;
	uint64_t addr;

	(void)state;
	free_index_init(&index);
	assert_int_equal(free_index_add(&index, UINT64_MAX - 8, 16), -ERR_CORRUPT);
	assert_int_equal(free_index_add(&index, 5, 0), -ERR_CORRUPT);
	assert_int_equal(free_index_add(&index, UINT64_MAX - 8, 8), 0);
	assert_int_equal(free_index_take(&index, UINT64_MAX - 4, 16), -ERR_CORRUPT);
	/* Rounding up wraps around: nothing is found, nothing loops. */
	assert_false(free_index_find(&index, 0, 1, 1u << 20, &addr));
	free_index_fini(&index);
}

static void test_free_index__a_failed_allocation_changes_nothing(void **state)
{
	struct free_index index;

	(void)state;
	free_index_init(&index);
	assert_int_equal(free_index_add(&index, 0, 30), 0);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(free_index_take(&index, 10, 10), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(free_index_add(&index, 50, 10), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
	assert_true(free_index_invariant(&index));
	assert_int_equal(index.free_bytes, 30);
	assert_int_equal(index.nr_extents, 1);
	free_index_fini(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_index__random_ranges_against_a_bitmap),
		cmocka_unit_test(test_free_index__neighbours_join),
		cmocka_unit_test(test_free_index__ends_of_the_address_space),
		cmocka_unit_test(test_free_index__a_failed_allocation_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
