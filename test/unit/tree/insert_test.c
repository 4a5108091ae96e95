/*
 * Inserting and replacing: refusals that change nothing, full leaves at the edge, big items, and
 * space that runs out.
 */
#include "tree/tree_fixture.h"

#include <stdio.h>

#include "base/fault.h"
#include "base/log.h"

static void test_insert__existing_key_changes_nothing(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct key key = fixture_key(3);
	char where[80];

	(void)state;
	fixture_insert(fixture, 0, 9, 50);
	assert_int_equal(tree_insert(fixture->txn, &fixture->tree, &key, NULL, 10),
			 -ERR_KEY_EXISTS);
	assert_true(fixture_has(fixture, 3));
	/* On a damaged image a commit ends so: it is the only word about where. */
	snprintf(where, sizeof(where), "the key (%llu %u %llu) already, in block ",
		 (unsigned long long)key.objectid, key.type, (unsigned long long)key.offset);
	assert_non_null(strstr(err_last_text(), where));
	fixture_check(fixture);
	fixture_free(fixture);
}

static void test_insert__many_stops_at_the_first_error(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct tree_item items[20];
	struct key key;
	uint32_t len;
	size_t done;

	(void)state;
	fixture_insert(fixture, 12, 12, 10);
	for (unsigned i = 0; i < 20; i++)
		items[i] = (struct tree_item){ .key = fixture_key(i), .len_bytes = 30 };
	assert_int_equal(tree_insert_many(fixture->txn, &fixture->tree, items, 20, &done),
			 -ERR_KEY_EXISTS);
	assert_int_equal(done, 12);
	items[12].key = fixture_key(100);
	items[12].len_bytes = 5000;
	assert_int_equal(tree_insert_many(fixture->txn, &fixture->tree, &items[12], 1, &done),
			 -ERR_ITEM_TOO_BIG);
	assert_int_equal(done, 0);
	/* No data means zeroes. */
	key = fixture_key(5);
	assert_ok(tree_lookup(&fixture->tree, &key, NULL, 0, &len));
	assert_int_equal(len, 30);
	fixture_check(fixture);
	fixture_free(fixture);
}

/* 31 items of 100 bytes fill a leaf. */
static void test_insert__appending_fills_leaves(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct tree_item items[512];
	size_t done;

	(void)state;
	for (unsigned i = 0; i < 390; i++)
		items[i] = (struct tree_item){ .key = fixture_key(i), .len_bytes = 100 };
	assert_ok(tree_insert_many(fixture->txn, &fixture->tree, items, 390, &done));
	assert_int_equal(done, 390);
	fixture_check(fixture);
	assert_int_equal(fixture_nr_nodes(fixture), div_up(390, 31) + 1);
	/* One by one as well. */
	fixture_insert(fixture, 390, 3000, 100);
	fixture_check(fixture);
	assert_true(fixture_nr_nodes(fixture) <= 3001 / 31 + 4);
	fixture_free(fixture);
}

static void test_insert__biggest_items_anywhere(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	uint32_t max = geometry_max_item(&fixture->config.geometry);
	struct key key;

	(void)state;
	fixture_insert(fixture, 10, 10, 1);
	fixture_insert(fixture, 20, 20, 1);
	fixture_insert(fixture, 40, 40, max);
	/* Between two small ones, before all, behind all, beside big ones. */
	fixture_insert(fixture, 15, 15, max);
	fixture_insert(fixture, 5, 5, max);
	fixture_insert(fixture, 4, 4, max);
	fixture_insert(fixture, 50, 50, max);
	fixture_insert(fixture, 16, 16, max);
	fixture_check(fixture);
	key = fixture_key(20);
	assert_ok(tree_replace(fixture->txn, &fixture->tree, &key, NULL, max));
	key = fixture_key(40);
	assert_ok(tree_replace(fixture->txn, &fixture->tree, &key, NULL, 0));
	assert_int_equal(tree_replace(fixture->txn, &fixture->tree, &key, NULL, max + 1),
			 -ERR_ITEM_TOO_BIG);
	fixture_check(fixture);
	assert_true(fixture_has(fixture, 4) && fixture_has(fixture, 5) &&
		    fixture_has(fixture, 15) && fixture_has(fixture, 16) &&
		    fixture_has(fixture, 50));
	fixture_free(fixture);
}

static void test_insert__descending_keys(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);

	(void)state;
	for (unsigned nr = 2000; nr-- > 0;)
		fixture_insert(fixture, nr, nr, 60);
	fixture_check(fixture);
	for (unsigned nr = 0; nr < 2000; nr++)
		assert_true(fixture_has(fixture, nr));
	fixture_free(fixture);
}

/*
 * Inserts between what is there until something fails; the tree is in order then, nothing leaks,
 * nothing is lost.
 */
static void insert_until_failure(unsigned nth, bool memory)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	unsigned nr = 0;
	int ret = 0;

	fixture_insert(fixture, 0, 999, 100);
	fixture_commit(fixture);
	if (memory)
		fault_arm(FAULT_ALLOC, nth);
	else
		fixture->fail_after = nth;
	for (; nr < 1000 && ret == 0; nr++) {
		struct key key = fixture_key(nr);

		key.offset++;
		ret = tree_insert(fixture->txn, &fixture->tree, &key, NULL, 200);
	}
	fault_arm(FAULT_ALLOC, 0);
	fixture->fail_after = 0;
	assert_int_equal(ret, memory ? -ERR_NO_MEMORY : -ERR_NO_SPACE);
	fixture_check(fixture);
	for (nr = 0; nr < 1000; nr++)
		assert_true(fixture_has(fixture, nr));
	fixture_free(fixture);
}

static void test_insert__no_space_leaves_a_valid_tree(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth < 12; nth++)
		insert_until_failure(nth, false);
}

static void test_insert__no_memory_leaves_a_valid_tree(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth < 24; nth++)
		insert_until_failure(nth, true);
}

static void test_insert__aborted_transaction(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct key key = fixture_key(1);

	(void)state;
	fixture_insert(fixture, 0, 0, 10);
	log_set_level(LOG_LEVEL_NONE);
	txn_abort(fixture->txn, THROW(ERR_INVALID, "a test"), "a test");
	assert_int_equal(tree_insert(fixture->txn, &fixture->tree, &key, NULL, 1),
			 -ERR_TXN_ABORTED);
	assert_int_equal(tree_remove(fixture->txn, &fixture->tree, &key), -ERR_TXN_ABORTED);
	assert_int_equal(tree_replace(fixture->txn, &fixture->tree, &key, NULL, 1),
			 -ERR_TXN_ABORTED);
	log_set_level(LOG_LEVEL_WARN);
	fixture_check(fixture);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_insert__existing_key_changes_nothing),
		cmocka_unit_test(test_insert__many_stops_at_the_first_error),
		cmocka_unit_test(test_insert__appending_fills_leaves),
		cmocka_unit_test(test_insert__biggest_items_anywhere),
		cmocka_unit_test(test_insert__descending_keys),
		cmocka_unit_test(test_insert__no_space_leaves_a_valid_tree),
		cmocka_unit_test(test_insert__no_memory_leaves_a_valid_tree),
		cmocka_unit_test(test_insert__aborted_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
