/*
 * Cursors: seeking and walking, growing and renaming items in place.
 */
#include "tree/tree_fixture.h"

static void test_cursor__walks_both_modes(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	SCOPED(cursor) struct cursor cursor;
	struct key key = fixture_key(0);
	bool exact;

	(void)state;
	cursor_init(&cursor, &fixture->tree);
	fixture_insert(fixture, 0, 999, 100);
	fixture_commit(fixture);
	for (unsigned writing = 0; writing < 2; writing++) {
		unsigned nr = 0;
		int ret;

		if (writing)
			ret = cursor_seek_write(fixture->txn, &cursor, &key);
		else
			ret = cursor_seek(&cursor, &key, &exact);
		for (; ret == 0; ret = cursor_next(&cursor), nr++) {
			struct key is = cursor_key(&cursor), want = fixture_key(nr);

			assert_true(key_equal(&is, &want));
			if (writing)
				cursor_data_mut(&cursor)[0] = 77;
		}
		assert_int_equal(ret, -ERR_KEY_NOT_FOUND);
		assert_int_equal(nr, 1000);
		assert_null(cursor.leaf);
	}
	assert_ok(cursor_seek(&cursor, &key, &exact));
	assert_int_equal(cursor_data(&cursor)[0], 77);
	cursor_release(&cursor);
	fixture_check(fixture);
	fixture_free(fixture);
}

static void test_cursor__empty_tree(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	SCOPED(cursor) struct cursor cursor;
	struct key key = fixture_key(0);
	uint32_t len;
	bool exact;

	(void)state;
	cursor_init(&cursor, &fixture->tree);
	assert_int_equal(cursor_seek(&cursor, &key, &exact), -ERR_KEY_NOT_FOUND);
	assert_int_equal(cursor_seek_le(&cursor, &key), -ERR_KEY_NOT_FOUND);
	assert_int_equal(cursor_seek_write(fixture->txn, &cursor, &key), -ERR_KEY_NOT_FOUND);
	assert_int_equal(tree_lookup(&fixture->tree, &key, NULL, 0, &len), -ERR_KEY_NOT_FOUND);
	fixture_free(fixture);
}

/* The first item of a leaf is named in its parents: they follow. */
static void test_cursor__rekey_of_a_first_item(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	unsigned nr_first = 0;

	(void)state;
	fixture_insert(fixture, 0, 9999, 100);
	fixture_commit(fixture);
	for (unsigned nr = 0; nr < 10000; nr++) {
		SCOPED(cursor) struct cursor cursor;
		struct key key = fixture_key(nr);

		cursor_init(&cursor, &fixture->tree);
		assert_ok(cursor_seek_write(fixture->txn, &cursor, &key));
		nr_first += cursor.slot == 0;
		key.offset++;
		assert_ok(cursor_rekey(&cursor, &key));
	}
	assert_true(nr_first > 300);
	fixture_check(fixture);
	fixture_free(fixture);
}

static void test_cursor__rekey_keeps_the_order(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	SCOPED(cursor) struct cursor cursor;
	struct key key = fixture_key(5),
		   bad[] = { fixture_key(4), fixture_key(6), KEY_MIN, KEY_MAX };

	(void)state;
	cursor_init(&cursor, &fixture->tree);
	fixture_insert(fixture, 0, 10, 100);
	assert_ok(cursor_seek_write(fixture->txn, &cursor, &key));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(cursor_rekey(&cursor, &bad[i]), -ERR_INVALID);
	cursor_release(&cursor);
	fixture_check(fixture);
	fixture_free(fixture);
}

/* An item that grows to the limit among neighbours pushes them away. */
static void test_cursor__grows_to_the_limit(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	SCOPED(cursor) struct cursor cursor;
	uint32_t max = geometry_max_item(&fixture->config.geometry);
	struct key key = fixture_key(50);

	(void)state;
	cursor_init(&cursor, &fixture->tree);
	fixture_insert(fixture, 0, 99, 100);
	for (uint32_t len = 100; len < max; len = MIN(len + 331, max)) {
		uint32_t to = MIN(len + 331, max);

		assert_ok(cursor_seek_le_write(fixture->txn, &cursor, &key, to - len));
		assert_int_equal(cursor_len(&cursor), len);
		assert_ok(cursor_resize(&cursor, to));
		assert_int_equal(cursor_data(&cursor)[to - 1], 0);
		cursor_release(&cursor);
	}
	assert_int_equal(cursor_seek_le_write(fixture->txn, &cursor, &key, 1), -ERR_ITEM_TOO_BIG);
	fixture_check(fixture);
	assert_true(fixture_has(fixture, 49) && fixture_has(fixture, 51));
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor__walks_both_modes),
		cmocka_unit_test(test_cursor__empty_tree),
		cmocka_unit_test(test_cursor__rekey_of_a_first_item),
		cmocka_unit_test(test_cursor__rekey_keeps_the_order),
		cmocka_unit_test(test_cursor__grows_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
