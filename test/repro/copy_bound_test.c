/*
 * A call that copies bytes ends after some, whatever it is asked for. When the door asked for room on the way,
 * the operation began again with all that one call may copy: from a file that is one large hole it went
 * on to the end. And a piece for which the door was asked twice began again with the first half for ever.
 */
#include "ops/fs_fixture.h"

#define CALL_MAX_BYTES (32 * MIB)

static void test_copy_bound__holds_when_room_is_made(void **state)
{
	struct ubtrfs_node src, dst;
	struct fs_fixture fx;
	uint64_t len = 0;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = GIB;
	fx.how.background = true;
	fx.how.dirty_bytes = MIB;
	fixture_make_open(&fx);
	src = fixture_file(&fx, "hole");
	dst = fixture_file(&fx, "copy");
	fixture_truncate(&fx, src, 200 * MIB);
	OK(ubtrfs_copy_range(fx.fs, src, 1, dst, 0, 200 * MIB, &len));
	assert_int_equal(len, CALL_MAX_BYTES);
	OK(ubtrfs_copy_range(fx.fs, src, 1, dst, len, 5 * MIB, &len));
	assert_int_equal(len, 5 * MIB);
	assert_int_equal(fixture_attr(&fx, dst).size, CALL_MAX_BYTES + 5 * MIB);
	fixture_done(&fx);
}

static void test_copy_bound__pieces_go_on(void **state)
{
	struct ubtrfs_node src, dst;
	struct fs_fixture fx;
	uint64_t len = 0;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = GIB;
	fx.how.background = true;
	fx.how.dirty_bytes = MIB;
	fixture_make_open(&fx);
	src = fixture_file(&fx, "hole");
	dst = fixture_file(&fx, "copy");
	fixture_truncate(&fx, src, 20 * MIB);
	OK(ubtrfs_copy_range(fx.fs, src, 1, dst, 7407819, 4 * MIB, &len));
	assert_int_equal(len, 4 * MIB);
	fixture_done(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_bound__holds_when_room_is_made),
		cmocka_unit_test(test_copy_bound__pieces_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
