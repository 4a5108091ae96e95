/* reserve: law L9, space is promised before it is needed, and a refused promise changes nothing. */
#include "space/space_fixture.h"

static void test_reserve__never_more_than_is_free(void **state)
{
	struct fixture fixture;
	struct space_totals before, after;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, 1), -ERR_NO_SPACE);
	fixture_group(&fixture, 32 * MIB, MIB, BTRFS_BLOCK_GROUP_METADATA);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, MIB - 4096), 0);
	space_totals_get(fixture.space, SPACE_METADATA, &before);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, 4097), -ERR_NO_SPACE);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, UINT64_MAX), -ERR_NO_SPACE);
	space_totals_get(fixture.space, SPACE_METADATA, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, 4096), 0);
	/* Kinds do not share. */
	assert_int_equal(space_promise(fixture.space, SPACE_DATA, 1), -ERR_NO_SPACE);
	assert_int_equal(space_promise(fixture.space, SPACE_SYSTEM, 1), -ERR_NO_SPACE);
	space_unpromise(fixture.space, SPACE_METADATA, MIB);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, MIB), 0);
	fixture_fini(&fixture);
}

static void test_reserve__who_was_promised_finds_space(void **state)
{
	struct fixture fixture;
	unsigned granted = 0;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, MIB, BTRFS_BLOCK_GROUP_METADATA);
	while (space_promise(fixture.space, SPACE_METADATA, FIXTURE_NODE) == 0)
		granted++;
	assert_int_equal(granted, MIB / FIXTURE_NODE);
	for (unsigned i = 0; i < granted; i++) {
		uint64_t addr;

		assert_int_equal(space_alloc_node(fixture.space, SPACE_METADATA, 0, &addr), 0);
		/*
		 * Others wait until promises that were used are taken back: no promise is ever
		 * broken.
		 */
		assert_int_equal(space_promise(fixture.space, SPACE_METADATA, 1), -ERR_NO_SPACE);
	}
	space_unpromise(fixture.space, SPACE_METADATA, (uint64_t)granted * FIXTURE_NODE);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, 1), -ERR_NO_SPACE);
	fixture_fini(&fixture);
}

static void test_reserve__pinned_space_is_not_promised(void **state)
{
	struct fixture fixture;
	uint64_t addr;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, MIB, BTRFS_BLOCK_GROUP_DATA);
	addr = fixture_alloc_used(&fixture, MIB);
	assert_int_equal(space_account_freed(fixture.space, addr, MIB), 0);
	assert_int_equal(space_promise(fixture.space, SPACE_DATA, 4096), -ERR_NO_SPACE);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
	assert_int_equal(space_promise(fixture.space, SPACE_DATA, MIB), 0);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserve__never_more_than_is_free),
		cmocka_unit_test(test_reserve__who_was_promised_finds_space),
		cmocka_unit_test(test_reserve__pinned_space_is_not_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
