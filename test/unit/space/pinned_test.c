/*
 * pinned: freed space comes back only after its generation is durable (L8) and no reader needs
 * it (L4).
 */
#include "space/space_fixture.h"

struct pin_fixture {
	struct fixture base;
	struct block_group *group;
	uint64_t addr[4]; /* freed in generation 1, 2, 3, 4 */
};

static void pin_init(struct pin_fixture *pin)
{
	fixture_init(&pin->base, 1, GIB);
	pin->group = fixture_group(&pin->base, 32 * MIB, 65536, BTRFS_BLOCK_GROUP_DATA);
	for (unsigned i = 0; i < 4; i++)
		pin->addr[i] = fixture_alloc_used(&pin->base, 16384);
	for (unsigned i = 0; i < 4; i++) {
		space_set_generation(pin->base.space, i + 1);
		assert_int_equal(space_account_freed(pin->base.space, pin->addr[i], 16384), 0);
	}
	assert_int_equal(pin->group->pinned_bytes, 65536);
}

/* How many of the four ranges, from the lowest on, are free. */
static unsigned pin_nr_free(struct pin_fixture *pin)
{
	assert_int_equal(space_audit(pin->base.space), 0);
	assert_int_equal(pin->group->free.free_bytes + pin->group->pinned_bytes, 65536);
	for (unsigned i = 0; i < 4; i++) {
		if (!free_index_overlaps(&pin->group->free, pin->addr[i], 16384))
			return i;
	}
	return 4;
}

static void test_pinned__stays_until_its_generation_is_durable(void **state)
{
	struct pin_fixture pin;
	uint64_t addr, len;

	(void)state;
	pin_init(&pin);
	assert_int_equal(pin_nr_free(&pin), 0);
	assert_int_equal(space_alloc_data(pin.base.space, 4096, 4096, &addr, &len), -ERR_NO_SPACE);
	assert_int_equal(space_unpin(pin.base.space, 0, UINT64_MAX), 0);
	assert_int_equal(pin_nr_free(&pin), 0);
	assert_int_equal(space_unpin(pin.base.space, 2, UINT64_MAX), 0);
	assert_int_equal(pin_nr_free(&pin), 2);
	assert_int_equal(fixture_alloc(&pin.base, 32768), pin.addr[0]);
	assert_int_equal(space_give_back(pin.base.space, pin.addr[0], 32768), 0);
	assert_int_equal(space_unpin(pin.base.space, 4, UINT64_MAX), 0);
	assert_int_equal(pin_nr_free(&pin), 4);
	fixture_fini(&pin.base);
}

static void test_pinned__stays_while_an_epoch_needs_it(void **state)
{
	struct pin_fixture pin;

	(void)state;
	pin_init(&pin);
	/* A reader that entered at generation 2: what was freed at or after it stays. */
	assert_int_equal(space_unpin(pin.base.space, 4, 2), 0);
	assert_int_equal(pin_nr_free(&pin), 1);
	assert_int_equal(space_unpin(pin.base.space, 4, 3), 0);
	assert_int_equal(pin_nr_free(&pin), 2);
	assert_int_equal(space_unpin(pin.base.space, 4, UINT64_MAX), 0);
	assert_int_equal(pin_nr_free(&pin), 4);
	fixture_fini(&pin.base);
}

static void test_pinned__ranges_join_over_groups_and_part_again(void **state)
{
	struct fixture fixture;
	struct block_group *low, *high;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	low = fixture_group(&fixture, 32 * MIB, 65536, BTRFS_BLOCK_GROUP_DATA);
	high = fixture_group(&fixture, 32 * MIB + 65536, 65536, BTRFS_BLOCK_GROUP_DATA);
	fixture_alloc_used(&fixture, 65536);
	fixture_alloc_used(&fixture, 65536);
	assert_int_equal(space_account_freed(fixture.space, high->start, 65536), 0);
	assert_int_equal(space_account_freed(fixture.space, low->start, 65536), 0);
	/* A range across two groups is nobody's extent. */
	assert_int_equal(space_account_freed(fixture.space, low->start, 131072), -ERR_CORRUPT);
	assert_int_equal(space_audit(fixture.space), 0);
	assert_int_equal(space_remove_group(fixture.space, low->start), -ERR_INVALID);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
	assert_int_equal(low->free.free_bytes, 65536);
	assert_int_equal(high->free.free_bytes, 65536);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_pinned__written_but_never_in_the_extent_tree(void **state)
{
	struct fixture fixture;
	uint64_t addr;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, 65536, BTRFS_BLOCK_GROUP_DATA);
	addr = fixture_alloc(&fixture, 4096);
	assert_int_equal(space_pin_reserved(fixture.space, addr, 4096), 0);
	assert_int_equal(space_pin_reserved(fixture.space, addr, 4096), -ERR_CORRUPT);
	assert_int_equal(space_give_back(fixture.space, addr, 4096), -ERR_CORRUPT);
	assert_int_not_equal(fixture_alloc(&fixture, 4096), addr);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
	assert_int_equal(fixture_alloc(&fixture, 4096), addr);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned__stays_until_its_generation_is_durable),
		cmocka_unit_test(test_pinned__stays_while_an_epoch_needs_it),
		cmocka_unit_test(test_pinned__ranges_join_over_groups_and_part_again),
		cmocka_unit_test(test_pinned__written_but_never_in_the_extent_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
