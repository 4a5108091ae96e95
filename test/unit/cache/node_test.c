/*
 * Laws L1 and L2 for one node: references, states, addresses that come again, and who may change
 * what.
 */
#include "cache/cache_fixture.h"

#include "base/log.h"

static void test_node__is_found_again_without_a_read(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *made = fixture_leaf(fixture, 0, 7), *found, *absent;

	(void)state;
	assert_ok(fixture_get(fixture, 0, 7, &found));
	assert_ptr_equal(made, found);
	assert_ok(node_get_cached(fixture->cache, fixture_addr(1), NULL, &absent));
	assert_null(absent);
	node_put(found);
	node_put(made);
	fixture_free(fixture);
}

static void test_node__changeable_until_written(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *node = fixture_leaf(fixture, 0, 7);

	(void)state;
	assert_true(node_is_changeable(node, 7));
	assert_false(node_is_changeable(node, 8));
	assert_false(node_is_written(node));
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	assert_false(node_is_changeable(node, 7));
	assert_true(node_is_written(node));
	assert_false(node_is_dirty(node));
	node_put(node);
	fixture_free(fixture);
}

static void test_node__cancelled_keeps_its_bytes(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *old = fixture_leaf(fixture, 0, 7), *young;
	uint8_t before[CACHE_NODE];

	(void)state;
	memcpy(before, old->data, CACHE_NODE);
	rwlock_write(&old->lock);
	node_cancel(old);
	rwlock_unwrite(&old->lock);
	assert_false(node_is_dirty(old));
	assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	/* The address lives again while the old node is held; nothing of it reaches the device. */
	young = fixture_leaf(fixture, 0, 8);
	assert_ptr_not_equal(young, old);
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	assert_memory_equal(before, old->data, CACHE_NODE);
	node_put(old);
	node_put(young);
	fixture_reload(fixture);
	assert_ok(fixture_get(fixture, 0, 8, &young));
	node_put(young);
	fixture_free(fixture);
}

static void test_node__address_comes_again_after_forget(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *old, *young, *found;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	assert_ok(fixture_get(fixture, 0, 7, &old));
	rwlock_write(&old->lock);
	node_forget(old);
	rwlock_unwrite(&old->lock);
	assert_ok(node_get_cached(fixture->cache, fixture_addr(0), NULL, &found));
	assert_null(found);
	young = fixture_leaf(fixture, 0, 8);
	assert_ok(fixture_get(fixture, 0, 8, &found));
	assert_ptr_equal(found, young);
	assert_int_equal(node_generation(old->data), 7);
	node_put(found);
	node_put(young);
	node_put(old);
	fixture_free(fixture);
}

static void test_node__stale_clean_node_gives_way(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *stale, *young, *found;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	/* A reader without locks fetched the block again after it was freed. */
	assert_ok(fixture_get(fixture, 0, 7, &stale));
	young = fixture_leaf(fixture, 0, 8);
	assert_ok(fixture_get(fixture, 0, 8, &found));
	assert_ptr_equal(found, young);
	node_put(stale);
	node_put(found);
	node_put(young);
	fixture_free(fixture);
}

static void test_node__dirty_address_is_refused(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *node = fixture_leaf(fixture, 0, 7), *twice;

	(void)state;
	assert_int_equal(node_create(fixture->cache, fixture_addr(0), 0, CACHE_OWNER, 7, 1, &twice),
			 -ERR_EXISTS);
	assert_int_equal(cache_dirty_bytes(fixture->cache), CACHE_NODE);
	node_put(node);
	fixture_free(fixture);
}

static void test_node__every_use_is_checked(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct key key = KEY(300, BTRFS_STRING_ITEM_KEY, 7),
		   other = KEY(301, BTRFS_STRING_ITEM_KEY, 7);
	const struct node_expect bad[] = {
		{ .generation = 8, .first_key = &key },
		{ .generation = 7, .level = 1 },
		{ .generation = 7, .owner = 5 },
		{ .generation = 7, .first_key = &other },
	};

	(void)state;
	log_set_level(LOG_LEVEL_NONE);
	fixture_leaves(fixture, 1, 7);
	for (unsigned reload = 0; reload < 2; reload++) {
		for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
			struct node *node = NULL;

			assert_int_equal(node_get(fixture->cache, fixture_addr(0), &bad[i], &node),
					 -ERR_NODE_UNEXPECTED);
			assert_null(node);
		}
		fixture_reload(fixture);
	}
	log_set_level(LOG_LEVEL_WARN);
	fixture_free(fixture);
}

static void test_node__no_memory_leaves_nothing(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	size_t before = cache_bytes(fixture->cache);

	(void)state;
	for (unsigned nth = 1; nth <= 2; nth++) {
		struct node *node;

		fault_arm(FAULT_ALLOC, nth);
		assert_int_equal(node_create(fixture->cache, fixture_addr(0), 0, CACHE_OWNER, 7, 1,
					     &node),
				 -ERR_NO_MEMORY);
		fault_arm(FAULT_ALLOC, 0);
		assert_int_equal(cache_bytes(fixture->cache), before);
		assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
	}
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node__is_found_again_without_a_read),
		cmocka_unit_test(test_node__changeable_until_written),
		cmocka_unit_test(test_node__cancelled_keeps_its_bytes),
		cmocka_unit_test(test_node__address_comes_again_after_forget),
		cmocka_unit_test(test_node__stale_clean_node_gives_way),
		cmocka_unit_test(test_node__dirty_address_is_refused),
		cmocka_unit_test(test_node__every_use_is_checked),
		cmocka_unit_test(test_node__no_memory_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
