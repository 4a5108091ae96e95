/*
 * block_group: what a group may hold, superblock copies, loading, trimming, removing; and the
 * audit that watches them.
 */
#include "space/space_fixture.h"

#define DATA BTRFS_BLOCK_GROUP_DATA
#define METADATA BTRFS_BLOCK_GROUP_METADATA

static void test_block_group__superblock_copies_are_left_out(void **state)
{
	struct fixture fixture;
	struct block_group *group;
	struct space_totals totals;
	uint64_t addr, len;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	/* The second copy, at 64 MiB of the device, is 32 MiB into the group. */
	group = fixture_group(&fixture, 32 * MIB, 64 * MIB, DATA);
	assert_int_equal(group->super_bytes, 65536);
	assert_int_equal(group->free.free_bytes, 64 * MIB - 65536);
	assert_true(group->is_new && group->dirty);
	assert_false(free_index_overlaps(&group->free, 64 * MIB, 65536));
	assert_int_equal(space_alloc_data(fixture.space, 64 * MIB, FIXTURE_SECTOR, &addr, &len), 0);
	assert_int_equal(addr, 32 * MIB);
	assert_int_equal(len, 32 * MIB);
	space_totals_get(fixture.space, SPACE_DATA, &totals);
	assert_int_equal(totals.super_bytes, 65536);
	assert_int_equal(totals.reserved_bytes, 32 * MIB);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_block_group__loading(void **state)
{
	struct fixture fixture;
	struct block_group *group;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_chunk(&fixture, 32 * MIB, 64 * MIB, DATA, 32 * MIB);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, 64 * MIB, DATA, 16 * MIB, &group),
			 0);
	assert_false(group->is_new || group->dirty);
	/* Not loaded completely: the numbers do not add up yet. */
	assert_int_equal(space_audit(fixture.space), -ERR_CORRUPT);
	/* The range given by the free-space tree runs over the superblock copy. */
	assert_int_equal(space_load_free(fixture.space, group, 48 * MIB, 48 * MIB), 0);
	assert_int_equal(group->free.free_bytes, 48 * MIB - 65536);
	assert_int_equal(space_audit(fixture.space), 0);
	assert_int_equal(space_used_total(fixture.space), 16 * MIB);
	/* Twice, outside, no sectors. */
	assert_int_equal(space_load_free(fixture.space, group, 48 * MIB, 4096), -ERR_CORRUPT);
	assert_int_equal(space_load_free(fixture.space, group, 95 * MIB, 2 * MIB), -ERR_CORRUPT);
	assert_int_equal(space_load_free(fixture.space, group, 32 * MIB + 1, 4096), -ERR_CORRUPT);
	assert_int_equal(space_load_free(fixture.space, group, MIB, 4096), -ERR_CORRUPT);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_block_group__bad_items_are_refused(void **state)
{
	struct fixture fixture;
	struct block_group *group = NULL;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_chunk(&fixture, 32 * MIB, 16 * MIB, DATA, 32 * MIB);
	fixture_chunk(&fixture, 128 * MIB, 16 * MIB, DATA | METADATA, 128 * MIB);
	/*
	 * No chunk; other length; other flags; more used than there is; mixed flags without the
	 * feature.
	 */
	assert_int_equal(space_add_group(fixture.space, 64 * MIB, MIB, DATA, 0, &group),
			 -ERR_CORRUPT);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, MIB, DATA, 0, &group),
			 -ERR_CORRUPT);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, 16 * MIB, METADATA, 0, &group),
			 -ERR_CORRUPT);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, 16 * MIB, DATA, GIB, &group),
			 -ERR_CORRUPT);
	assert_int_equal(space_add_group(fixture.space, 128 * MIB, 16 * MIB, DATA | METADATA, 0,
					 &group),
			 -ERR_CORRUPT);
	assert_null(group);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, 16 * MIB, DATA, 0, &group), 0);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, 16 * MIB, DATA, 0, &group),
			 -ERR_EXISTS);
	fixture_fini(&fixture);
}

static void test_block_group__lookup(void **state)
{
	struct fixture fixture;
	struct block_group *low, *high;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	low = fixture_group(&fixture, 32 * MIB, 16 * MIB, DATA);
	high = fixture_group(&fixture, 128 * MIB, 16 * MIB, METADATA);
	assert_ptr_equal(space_group_of(fixture.space, 32 * MIB), low);
	assert_ptr_equal(space_group_of(fixture.space, 48 * MIB - 1), low);
	assert_null(space_group_of(fixture.space, 48 * MIB));
	assert_null(space_group_of(fixture.space, 0));
	assert_ptr_equal(space_group_next(fixture.space, 0), low);
	assert_ptr_equal(space_group_next(fixture.space, 33 * MIB), high);
	assert_null(space_group_next(fixture.space, 129 * MIB));
	fixture_fini(&fixture);
}

static void test_block_group__trim_cuts_the_free_tail_only(void **state)
{
	struct fixture fixture;
	struct block_group *group;
	uint64_t addr;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	group = fixture_group(&fixture, 32 * MIB, 64 * MIB, DATA);
	assert_int_equal(space_group_busy_len(fixture.space, group), 0);
	addr = fixture_alloc_used(&fixture, MIB);
	assert_int_equal(addr, 32 * MIB);
	assert_int_equal(space_group_busy_len(fixture.space, group), MIB);
	assert_int_equal(space_trim_group(fixture.space, group, MIB - 4096), -ERR_INVALID);
	/* What is pinned is still in use. */
	assert_int_equal(space_account_freed(fixture.space, addr + 65536, MIB - 65536), 0);
	assert_int_equal(space_group_busy_len(fixture.space, group), MIB);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
	assert_int_equal(space_group_busy_len(fixture.space, group), 65536);
	group->dirty = false;
	/* First a tail that holds the superblock copy, then one that does not. */
	assert_int_equal(space_trim_group(fixture.space, group, 2 * MIB), 0);
	assert_int_equal(group->super_bytes, 0);
	assert_true(group->dirty);
	assert_int_equal(space_audit(fixture.space), 0);
	assert_int_equal(space_trim_group(fixture.space, group, 65536), 0);
	assert_int_equal(group->free.free_bytes, 0);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_block_group__busy_up_to_behind_a_superblock_copy(void **state)
{
	struct fixture fixture;
	struct block_group *group;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	group = fixture_group(&fixture, 32 * MIB, 33 * MIB, DATA);
	fixture_alloc_used(&fixture, 32 * MIB);
	assert_int_equal(space_group_busy_len(fixture.space, group), 32 * MIB);
	fixture_alloc_used(&fixture, 4096);
	assert_int_equal(space_group_busy_len(fixture.space, group), 32 * MIB + 65536 + 4096);
	fixture_fini(&fixture);
}

static void test_block_group__only_empty_groups_are_removed(void **state)
{
	struct fixture fixture;
	struct block_group *group;
	struct space_totals totals;
	uint64_t addr, len;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	group = fixture_group(&fixture, 32 * MIB, 64 * MIB, DATA);
	addr = fixture_alloc(&fixture, 4096);
	assert_int_equal(space_remove_group(fixture.space, 32 * MIB), -ERR_INVALID);
	assert_int_equal(space_mark_removed(fixture.space, group), -ERR_INVALID);
	assert_int_equal(space_give_back(fixture.space, addr, 4096), 0);
	assert_int_equal(space_mark_removed(fixture.space, group), 0);
	assert_int_equal(space_alloc_data(fixture.space, 4096, 4096, &addr, &len), -ERR_NO_SPACE);
	assert_int_equal(space_audit(fixture.space), 0);
	assert_int_equal(space_remove_group(fixture.space, 32 * MIB), 0);
	assert_int_equal(space_remove_group(fixture.space, 32 * MIB), -ERR_NOT_FOUND);
	space_totals_get(fixture.space, SPACE_DATA, &totals);
	assert_int_equal(totals.total_bytes + totals.free_bytes + totals.super_bytes, 0);
	fixture_fini(&fixture);
}

static void test_block_group__read_only_gives_nothing(void **state)
{
	struct fixture fixture;
	struct block_group *low, *high;
	uint64_t addr;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	low = fixture_group(&fixture, 32 * MIB, 16 * MIB, DATA);
	high = fixture_group(&fixture, 128 * MIB, 16 * MIB, DATA);
	addr = fixture_alloc(&fixture, 4096);
	space_set_read_only(fixture.space, low, true);
	assert_int_equal(fixture_alloc(&fixture, 4096), high->start);
	assert_int_equal(space_promise(fixture.space, SPACE_DATA, 16 * MIB), -ERR_NO_SPACE);
	/* What comes back to it is not given out either. */
	assert_int_equal(space_give_back(fixture.space, addr, 4096), 0);
	assert_int_equal(fixture_alloc(&fixture, 4096), high->start + 4096);
	assert_int_equal(space_audit(fixture.space), 0);
	space_set_read_only(fixture.space, low, false);
	assert_int_equal(fixture_alloc(&fixture, 4096), low->start);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_group__superblock_copies_are_left_out),
		cmocka_unit_test(test_block_group__loading),
		cmocka_unit_test(test_block_group__bad_items_are_refused),
		cmocka_unit_test(test_block_group__lookup),
		cmocka_unit_test(test_block_group__trim_cuts_the_free_tail_only),
		cmocka_unit_test(test_block_group__busy_up_to_behind_a_superblock_copy),
		cmocka_unit_test(test_block_group__only_empty_groups_are_removed),
		cmocka_unit_test(test_block_group__read_only_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
