/*
 * Removing: emptied nodes go, sparse ones are joined, the root shrinks, and an empty tree is a
 * leaf.
 */
#include "tree/tree_fixture.h"

static void remove_nr(struct fixture *fixture, uint64_t nr)
{
	struct key key = fixture_key(nr);

	assert_ok(tree_remove(fixture->txn, &fixture->tree, &key));
}

static void test_remove__all_in_any_direction(void **state)
{
	(void)state;
	for (unsigned direction = 0; direction < 3; direction++) {
		struct fixture *fixture = fixture_new(4096, MIB);

		fixture_insert(fixture, 0, 9999, 100);
		assert_int_equal(fixture->tree.root_level, 2);
		fixture_commit(fixture);
		for (unsigned i = 0; i < 10000; i++) {
			static const unsigned step = 7919;

			remove_nr(fixture, direction == 0 ? i :
					   direction == 1 ? 9999 - i :
							    i * step % 10000);
			if (i % 2000 == 0)
				fixture_check(fixture);
		}
		assert_int_equal(fixture->tree.root_level, 0);
		assert_int_equal(fixture_nr_nodes(fixture), 1);
		fixture_check(fixture);
		fixture_insert(fixture, 0, 100, 100);
		fixture_check(fixture);
		fixture_free(fixture);
	}
}

static void test_remove__absent_key(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct key key = fixture_key(1), last = fixture_key(8);
	uint64_t nr;

	(void)state;
	assert_int_equal(tree_remove(fixture->txn, &fixture->tree, &key), -ERR_KEY_NOT_FOUND);
	fixture_insert(fixture, 0, 0, 1);
	fixture_insert(fixture, 9, 9, 1);
	assert_int_equal(tree_remove(fixture->txn, &fixture->tree, &key), -ERR_KEY_NOT_FOUND);
	assert_ok(tree_remove_range(fixture->txn, &fixture->tree, &key, &last, &nr));
	assert_int_equal(nr, 0);
	fixture_free(fixture);
}

static void test_remove__range_over_many_leaves(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct key first = fixture_key(123), last = fixture_key(9876), all = KEY_MAX,
		   none = KEY_MIN;
	uint64_t nr;

	(void)state;
	fixture_insert(fixture, 0, 9999, 100);
	fixture_commit(fixture);
	assert_ok(tree_remove_range(fixture->txn, &fixture->tree, &first, &last, &nr));
	assert_int_equal(nr, 9876 - 123 + 1);
	fixture_check(fixture);
	assert_true(fixture_has(fixture, 122) && fixture_has(fixture, 9877));
	assert_false(fixture_has(fixture, 123) || fixture_has(fixture, 9876));
	/* 246 items of 125 bytes: about eight leaves. */
	assert_true(fixture_nr_nodes(fixture) <= 16);
	assert_ok(tree_remove_range(fixture->txn, &fixture->tree, &none, &all, &nr));
	assert_int_equal(nr, 246);
	assert_int_equal(fixture_nr_nodes(fixture), 1);
	fixture_check(fixture);
	fixture_free(fixture);
}

/* Every second to tenth item goes; what stays does not keep ten times the leaves it needs. */
static void test_remove__leaves_stay_filled(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);

	(void)state;
	fixture_insert(fixture, 0, 9999, 100);
	for (unsigned nr = 0; nr < 10000; nr++) {
		if (nr % 10)
			remove_nr(fixture, nr);
	}
	fixture_check(fixture);
	/* 1000 items, 31 to a leaf, and no leaf under a quarter. */
	assert_true(fixture_nr_nodes(fixture) < 4 * 1000 / 31);
	fixture_free(fixture);
}

/* Joining reads neighbours that are not in RAM. */
static void test_remove__joins_with_cold_neighbours(void **state)
{
	struct fixture *fixture = fixture_new(4096, 0);
	unsigned before;

	(void)state;
	fixture_insert(fixture, 0, 999, 100);
	before = fixture_nr_nodes(fixture);
	for (unsigned nr = 0; nr < 1000; nr++) {
		if (nr % 10 == 0)
			continue;
		remove_nr(fixture, nr);
		if (nr % 50 == 1) {
			fixture_commit(fixture);
			fixture_reload(fixture);
		}
	}
	fixture_check(fixture);
	assert_true(fixture_nr_nodes(fixture) < before / 2);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remove__all_in_any_direction),
		cmocka_unit_test(test_remove__absent_key),
		cmocka_unit_test(test_remove__range_over_many_leaves),
		cmocka_unit_test(test_remove__leaves_stay_filled),
		cmocka_unit_test(test_remove__joins_with_cold_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
