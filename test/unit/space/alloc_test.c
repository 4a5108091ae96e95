/*
 * alloc: the lowest address first, the same calls give the same addresses, and each state has
 * one way in and out.
 */
#include "space/space_fixture.h"

#include "base/fault.h"

#define DATA BTRFS_BLOCK_GROUP_DATA
#define METADATA BTRFS_BLOCK_GROUP_METADATA

static uint64_t alloc_node(struct fixture *fixture, uint64_t hint)
{
	uint64_t addr;

	assert_int_equal(space_alloc_node(fixture->space, SPACE_METADATA, hint, &addr), 0);
	return addr;
}

static void test_alloc__nodes_lowest_first_or_near_the_hint(void **state)
{
	struct fixture fixture;
	uint64_t addr;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, 2 * FIXTURE_NODE, METADATA);
	fixture_group(&fixture, 128 * MIB, 3 * FIXTURE_NODE, METADATA);
	fixture_group(&fixture, 256 * MIB, MIB, DATA);
	assert_int_equal(alloc_node(&fixture, 0), 32 * MIB);
	assert_int_equal(alloc_node(&fixture, 128 * MIB + 1), 128 * MIB);
	assert_int_equal(alloc_node(&fixture, 0), 32 * MIB + FIXTURE_NODE);
	/* A full group, a group of another kind, and no group at all as a hint. */
	assert_int_equal(alloc_node(&fixture, 32 * MIB), 128 * MIB + FIXTURE_NODE);
	assert_int_equal(alloc_node(&fixture, 256 * MIB), 128 * MIB + 2 * FIXTURE_NODE);
	assert_int_equal(space_alloc_node(fixture.space, SPACE_METADATA, GIB, &addr),
			 -ERR_NO_SPACE);
	/* What becomes free lower down is found again. */
	assert_int_equal(space_give_back(fixture.space, 128 * MIB, FIXTURE_NODE), 0);
	assert_int_equal(space_give_back(fixture.space, 32 * MIB, FIXTURE_NODE), 0);
	assert_int_equal(alloc_node(&fixture, 0), 32 * MIB);
	assert_int_equal(alloc_node(&fixture, 0), 128 * MIB);
	assert_int_equal(space_alloc_node(fixture.space, SPACE_SYSTEM, 0, &addr), -ERR_NO_SPACE);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_alloc__nodes_stay_inside_a_stripe(void **state)
{
	struct fixture fixture;
	struct block_group *group;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	/*
	 * Free space that begins in the middle of a node, as another implementation may leave
	 * it.
	 */
	fixture_chunk(&fixture, 32 * MIB, MIB, METADATA, 32 * MIB);
	assert_int_equal(space_add_group(fixture.space, 32 * MIB, MIB, METADATA, 4096, &group), 0);
	assert_int_equal(space_load_free(fixture.space, group, 32 * MIB + 4096, MIB - 4096), 0);
	for (unsigned i = 1; i < MIB / FIXTURE_NODE; i++) {
		uint64_t addr = alloc_node(&fixture, 0);

		assert_int_equal(addr, 32 * MIB + i * FIXTURE_NODE);
		assert_int_equal(addr / 65536, (addr + FIXTURE_NODE - 1) / 65536);
	}
	assert_int_equal(group->free.free_bytes, FIXTURE_NODE - 4096);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_alloc__data_lowest_that_fits_else_longest(void **state)
{
	struct fixture fixture;
	uint64_t addr, len;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, 65536, DATA);
	fixture_group(&fixture, 128 * MIB, MIB, DATA);
	assert_int_equal(fixture_alloc(&fixture, 16384), 32 * MIB);
	assert_int_equal(fixture_alloc(&fixture, 65536), 128 * MIB);
	assert_int_equal(fixture_alloc(&fixture, 16384), 32 * MIB + 16384);
	/* More than any has: the longest. */
	assert_int_equal(space_alloc_data(fixture.space, 2 * MIB, 4096, &addr, &len), 0);
	assert_int_equal(addr, 128 * MIB + 65536);
	assert_int_equal(len, MIB - 65536);
	addr = 1;
	assert_int_equal(space_alloc_data(fixture.space, MIB, 65536, &addr, &len), -ERR_NO_SPACE);
	assert_int_equal(addr, 1);
	assert_int_equal(space_alloc_data(fixture.space, MIB, 4096, &addr, &len), 0);
	assert_int_equal(addr, 32 * MIB + 32768);
	assert_int_equal(len, 32768);
	assert_int_equal(space_alloc_data(fixture.space, MIB, 4096, &addr, &len), -ERR_NO_SPACE);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_alloc__mixed_groups_hold_both(void **state)
{
	struct fixture fixture;
	struct space_totals data, metadata;

	(void)state;
	fixture_init_mixed(&fixture, 1, GIB, true);
	fixture_group(&fixture, 32 * MIB, MIB, DATA | METADATA);
	assert_int_equal(fixture_alloc(&fixture, 4096), 32 * MIB);
	assert_int_equal(alloc_node(&fixture, 0), 32 * MIB + 4096);
	assert_int_equal(fixture_alloc(&fixture, 4096), 32 * MIB + 8192);
	space_totals_get(fixture.space, SPACE_DATA, &data);
	space_totals_get(fixture.space, SPACE_METADATA, &metadata);
	assert_memory_equal(&data, &metadata, sizeof(data));
	assert_int_equal(data.reserved_bytes, 3 * 4096);
	assert_int_equal(space_promise(fixture.space, SPACE_METADATA, MIB - 3 * 4096), 0);
	assert_int_equal(space_promise(fixture.space, SPACE_DATA, 4096), -ERR_NO_SPACE);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_alloc__states_follow_each_other(void **state)
{
	struct fixture fixture;
	struct block_group *group;
	uint64_t addr;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	group = fixture_group(&fixture, 32 * MIB, MIB, DATA);
	addr = fixture_alloc(&fixture, 65536);
	assert_int_equal(group->reserved_bytes, 65536);
	/* Not used yet, so it cannot be freed. */
	assert_int_equal(space_account_freed(fixture.space, addr, 65536), -ERR_CORRUPT);
	group->dirty = false;
	assert_int_equal(space_account_used(fixture.space, addr, 65536), 0);
	assert_true(group->dirty);
	assert_int_equal(group->used_bytes, 65536);
	assert_int_equal(space_give_back(fixture.space, addr, 65536), -ERR_CORRUPT);
	assert_int_equal(space_account_freed(fixture.space, addr, 4096), 0);
	assert_int_equal(group->pinned_bytes, 4096);
	/* Freed twice, partly freed already, free, outside of all groups, over the end of one. */
	assert_int_equal(space_account_freed(fixture.space, addr, 4096), -ERR_CORRUPT);
	assert_int_equal(space_account_freed(fixture.space, addr, 65536), -ERR_CORRUPT);
	assert_int_equal(space_account_freed(fixture.space, addr + 65536, 4096), -ERR_CORRUPT);
	assert_int_equal(space_account_freed(fixture.space, 16 * MIB, 4096), -ERR_CORRUPT);
	assert_int_equal(space_account_freed(fixture.space, 33 * MIB - 4096, 8192), -ERR_CORRUPT);
	assert_int_equal(space_audit(fixture.space), 0);
	assert_int_equal(space_used_total(fixture.space), 65536 - 4096);
	fixture_fini(&fixture);
}

/* A mix of everything; returns a fingerprint of the addresses. */
static uint64_t run_script(void)
{
	struct fixture fixture;
	uint64_t print = 0;

	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, MIB, DATA);
	fixture_group(&fixture, 128 * MIB, MIB, METADATA);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t addr = fixture_alloc_used(&fixture, (1 + i % 3) * 4096);
		uint64_t node = alloc_node(&fixture, i % 2 ? 128 * MIB : 0);

		if (i % 3 == 1)
			assert_int_equal(space_account_freed(fixture.space, addr, 8192), 0);
		if (i % 4 == 1)
			assert_int_equal(space_give_back(fixture.space, node, FIXTURE_NODE), 0);
		if (i % 10 == 9)
			assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
		print = print * 1000003 + addr + node;
	}
	fixture_fini(&fixture);
	return print;
}

static void test_alloc__equal_calls_give_equal_addresses(void **state)
{
	uint64_t print = run_script();
	/* Other pointers for everything that is allocated. */
	void *ballast = test_malloc(12345);

	(void)state;
	assert_int_equal(run_script(), print);
	test_free(ballast);
}

static void test_alloc__a_failed_allocation_of_memory_changes_nothing(void **state)
{
	struct fixture fixture;
	uint64_t first, second, addr, len;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, MIB, DATA);
	first = fixture_alloc(&fixture, 4096);
	second = fixture_alloc_used(&fixture, 4096);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(space_give_back(fixture.space, first, 4096), -ERR_NO_MEMORY);
	assert_int_equal(space_audit(fixture.space), 0);
	for (unsigned nth = 1; nth <= 2; nth++) {
		fault_arm(FAULT_ALLOC, nth);
		assert_int_equal(space_account_freed(fixture.space, second, 4096), -ERR_NO_MEMORY);
		assert_int_equal(space_audit(fixture.space), 0);
	}
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(space_account_freed(fixture.space, second, 4096), 0);
	/* The freed range has no free neighbour below it, nor above after this. */
	assert_int_equal(space_alloc_data(fixture.space, 4096, 4096, &addr, &len), 0);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(space_audit(fixture.space), 0);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc__nodes_lowest_first_or_near_the_hint),
		cmocka_unit_test(test_alloc__nodes_stay_inside_a_stripe),
		cmocka_unit_test(test_alloc__data_lowest_that_fits_else_longest),
		cmocka_unit_test(test_alloc__mixed_groups_hold_both),
		cmocka_unit_test(test_alloc__states_follow_each_other),
		cmocka_unit_test(test_alloc__equal_calls_give_equal_addresses),
		cmocka_unit_test(test_alloc__a_failed_allocation_of_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
