/*
 * hash: random operations against an array; equal keys; works without memory. list: the order it
 * keeps.
 */
#include "base/cmocka_all.h"

#include <stdbool.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"

#define THINGS 3000

struct hashed_thing {
	struct hash_node node;
	bool in_table;
	bool seen;
};

static struct hashed_thing things[THINGS];

/*
 * A thing's key: neighbours in pairs share one, and all are multiples of a page, as addresses
 * are.
 */
static uint64_t key_of(size_t i)
{
	return (uint64_t)(i / 2) << 14;
}

static void check_key(const struct hash_table *table, size_t i)
{
	size_t pair = i & ~(size_t)1;
	unsigned expected = things[pair].in_table + things[pair + 1].in_table;
	unsigned found = 0;

	for (const struct hash_node *node = hash_find(table, key_of(i)); node;
	     node = hash_find_next(node)) {
		assert_true(node == &things[pair].node || node == &things[pair + 1].node);
		found++;
	}
	assert_int_equal(found, expected);
}

static void check_walk(const struct hash_table *table)
{
	size_t nr = 0;

	for (size_t i = 0; i < THINGS; i++)
		things[i].seen = false;
	for (struct hash_node *node = hash_first(table); node; node = hash_next(table, node)) {
		struct hashed_thing *thing = hash_entry(node, struct hashed_thing, node);

		assert_true(thing->in_table && !thing->seen);
		thing->seen = true;
		nr++;
	}
	assert_int_equal(nr, table->nr);
}

static void run_random(uint64_t seed)
{
	struct hash_table table;
	struct rng rng;

	rng_init(&rng, seed);
	hash_init(&table);
	for (unsigned step = 0; step < 20000; step++) {
		size_t i = rng_below(&rng, THINGS);

		if (things[i].in_table)
			hash_remove(&table, &things[i].node);
		else
			hash_insert(&table, &things[i].node, key_of(i));
		things[i].in_table = !things[i].in_table;
		check_key(&table, rng_below(&rng, THINGS));
		if (step % 1000 == 0)
			check_walk(&table);
	}
	check_walk(&table);
	for (size_t i = 0; i < THINGS; i++) {
		if (things[i].in_table)
			hash_remove(&table, &things[i].node);
		things[i].in_table = false;
	}
	hash_fini(&table);
}

static void test_hash__random_operations_against_a_model(void **state)
{
	(void)state;
	run_random(4);
}

static void test_hash__correct_without_memory_to_grow(void **state)
{
	(void)state;
	fault_arm_from(FAULT_ALLOC, 3);
	run_random(5);
	assert_true(fault_fired(FAULT_ALLOC));
	fault_arm(FAULT_ALLOC, 0);
}

static void test_hash__chains_stay_short_for_aligned_keys(void **state)
{
	struct hash_table table;
	size_t longest = 0;

	(void)state;
	hash_init(&table);
	for (size_t i = 0; i < THINGS; i++)
		hash_insert(&table, &things[i].node, (uint64_t)i << 20);
	for (size_t i = 0; i < (size_t)1 << table.nr_buckets_log2; i++) {
		size_t len = 0;

		for (const struct hash_node *node = table.buckets[i]; node; node = node->next)
			len++;
		longest = MAX(longest, len);
	}
	assert_in_range(longest, 1, 10);
	hash_clear(&table);
	assert_null(hash_first(&table));
	hash_fini(&table);
}

struct listed {
	int nr;
	struct link link;
};

static int nr_of(struct link *link)
{
	return link ? list_entry(link, struct listed, link)->nr : -1;
}

static void test_list__keeps_order_through_all_operations(void **state)
{
	struct listed items[6];
	struct list a, b;
	int expected = 0;

	(void)state;
	list_init(&a);
	list_init(&b);
	assert_true(list_is_empty(&a));
	assert_null(list_pop_front(&a));
	for (int i = 0; i < 6; i++)
		items[i].nr = i;
	list_push_back(&a, &items[1].link);
	list_push_front(&a, &items[0].link);
	link_insert_after(&items[1].link, &items[2].link);
	for (int i = 3; i < 6; i++)
		list_push_back(&b, &items[i].link);
	list_splice_back(&a, &b);
	list_splice_back(&a, &b);
	assert_true(list_is_empty(&b));
	assert_int_equal(nr_of(list_last(&a)), 5);
	assert_int_equal(nr_of(list_next(&a, &items[2].link)), 3);
	assert_null(list_next(&a, &items[5].link));
	list_for_each(&a, pos, tmp) {
		assert_int_equal(nr_of(pos), expected++);
		link_remove(pos);
		assert_false(link_is_linked(pos));
	}
	assert_int_equal(expected, 6);
	assert_true(list_is_empty(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash__random_operations_against_a_model),
		cmocka_unit_test(test_hash__correct_without_memory_to_grow),
		cmocka_unit_test(test_hash__chains_stay_short_for_aligned_keys),
		cmocka_unit_test(test_list__keeps_order_through_all_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
