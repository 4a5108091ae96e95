/*
 * Writing the dirty nodes: order, joining, validation, and what stays after a failure.
 */
#include "cache/cache_fixture.h"

#include "cache/cache_priv.h"

static void make_leaves(struct fixture *fixture, const unsigned *numbers, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		node_put(fixture_leaf(fixture, numbers[i], 7));
}

static void test_node_write__sorted_and_joined(void **state)
{
	static const unsigned numbers[] = { 9, 2, 0, 1, 10, 5 };
	struct fixture *fixture = fixture_new(MIB);
	const struct device_record_entry *entry;

	(void)state;
	make_leaves(fixture, numbers, ARRAY_LEN(numbers));
	assert_int_equal(cache_dirty_bytes(fixture->cache), 6 * CACHE_NODE);
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	/* Three runs to two copies each. */
	assert_int_equal(device_record_nr(fixture->recorder), 6);
	entry = device_record_at(fixture->recorder, 0);
	assert_int_equal(entry->len, 3 * CACHE_NODE);
	assert_int_equal(device_record_at(fixture->recorder, 4)->len, 2 * CACHE_NODE);
	fixture_reload(fixture);
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		struct node *node;

		assert_ok(fixture_get(fixture, numbers[i], 7, &node));
		node_put(node);
	}
	fixture_free(fixture);
}

/* Beside a write that gives nodes back: the count of those being written goes down last. */
static void test_node_write__never_less_than_none(void **state)
{
	struct fixture *fixture = fixture_new(MIB);

	(void)state;
	node_put(fixture_leaf(fixture, 1, 7));
	atomic_store(&fixture->cache->nr_writing, 3);
	assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	atomic_store(&fixture->cache->nr_writing, 0);
	assert_int_equal(cache_dirty_bytes(fixture->cache), CACHE_NODE);
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	fixture_free(fixture);
}

static void test_node_write__workers_write_the_same(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct workq *workq;

	(void)state;
	assert_ok(workq_new("test", 2, &workq));
	for (unsigned nr = 0; nr < 100; nr += 1 + nr % 3)
		node_put(fixture_leaf(fixture, nr, 7));
	assert_ok(cache_write_dirty(fixture->cache, workq));
	assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	workq_free(workq);
	fixture_reload(fixture);
	for (unsigned nr = 0; nr < 100; nr += 1 + nr % 3) {
		struct node *node;

		assert_ok(fixture_get(fixture, nr, 7, &node));
		node_put(node);
	}
	fixture_free(fixture);
}

/* Law L7: what reading would refuse is not written. */
static void test_node_write__bad_node_is_refused(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *node = fixture_leaf(fixture, 0, 7);

	(void)state;
	item_set_size(leaf_item_mut(node->data, 0), 99);
	assert_int_equal(cache_write_dirty(fixture->cache, NULL), -ERR_NODE_BAD);
	assert_int_equal(device_record_nr(fixture->recorder), 0);
	assert_true(node_is_dirty(node));
	node_put(node);
	fixture_free(fixture);
}

static void test_node_write__failure_keeps_it_dirty(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct node *node = fixture_leaf(fixture, 0, 7);

	(void)state;
	fault_arm(FAULT_DEVICE_WRITE, 1);
	assert_true(cache_write_dirty(fixture->cache, NULL) < 0);
	fault_arm(FAULT_DEVICE_WRITE, 0);
	assert_true(node_is_dirty(node));
	/* Part of it may be on the device: it is not changed any more. */
	assert_false(node_is_changeable(node, 7));
	node_put(node);
	cache_shrink(fixture->cache);
	assert_ok(node_get_cached(fixture->cache, fixture_addr(0), NULL, &node));
	assert_non_null(node);
	node_put(node);
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_write__sorted_and_joined),
		cmocka_unit_test(test_node_write__never_less_than_none),
		cmocka_unit_test(test_node_write__workers_write_the_same),
		cmocka_unit_test(test_node_write__bad_node_is_refused),
		cmocka_unit_test(test_node_write__failure_keeps_it_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
