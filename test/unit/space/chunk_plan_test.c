/*
 * chunk_plan: every profile, sizes by the rule, places on the devices, growing files; and the
 * same plan every time.
 */
#include "space/space_fixture.h"

#include "base/fault.h"

#define ROW 65536u

static const uint64_t profiles[] = {
	0,
	BTRFS_BLOCK_GROUP_DUP,
	BTRFS_BLOCK_GROUP_RAID0,
	BTRFS_BLOCK_GROUP_RAID1,
	BTRFS_BLOCK_GROUP_RAID1C3,
	BTRFS_BLOCK_GROUP_RAID1C4,
	BTRFS_BLOCK_GROUP_RAID10,
};

static void set_policy(struct fixture *fixture, uint64_t profile, bool from_end, bool may_grow)
{
	struct chunk_policy policy = { .may_grow = may_grow };

	for (unsigned kind = 0; kind < SPACE_KINDS; kind++) {
		policy.profile[kind] = profile;
		policy.from_end[kind] = from_end;
	}
	space_set_policy(fixture->space, &policy);
}

static struct block_group *grow(struct fixture *fixture, enum space_kind kind, uint64_t min,
				uint64_t exact)
{
	struct block_group *group;

	assert_int_equal(space_grow(fixture->space, kind, min, exact, &group), 0);
	return group;
}

static const struct chunk *chunk_of(struct fixture *fixture, const struct block_group *group)
{
	const struct chunk *chunk = chunk_map_find(fixture->volume, group->start);

	assert_non_null(chunk);
	assert_int_equal(chunk->logical, group->start);
	assert_int_equal(chunk->len_bytes, group->len_bytes);
	assert_int_equal(chunk->flags, group->flags);
	return chunk;
}

/*
 * No stripe below 1 MiB, beyond its device, or over another one; mirrors on different devices
 * except for dup.
 */
static void check_layout(struct fixture *fixture)
{
	struct free_index taken[8];
	const struct chunk *chunk = chunk_map_next(fixture->volume, 0);

	for (unsigned i = 0; i < ARRAY_LEN(taken); i++)
		free_index_init(&taken[i]);
	for (; chunk; chunk = chunk_map_next(fixture->volume, chunk->logical + 1)) {
		uint64_t len = chunk_stripe_bytes(chunk);

		assert_int_equal(len % ROW, 0);
		for (unsigned i = 0; i < chunk->nr_stripes; i++) {
			const struct stripe *stripe = &chunk->stripes[i];
			struct volume_device *device =
				volume_device_find(fixture->volume, stripe->devid);

			assert_true(stripe->at.at >= MIB);
			assert_true(stripe->at.at + len <= device->total_bytes);
			assert_memory_equal(stripe->dev_uuid, device->uuid, 16);
			assert_int_equal(free_index_add(&taken[stripe->devid], stripe->at.at, len),
					 0);
			for (unsigned j = 0; j < i; j++)
				assert_int_equal(stripe->devid == chunk->stripes[j].devid,
						 (chunk->flags & BTRFS_BLOCK_GROUP_DUP) != 0);
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(taken); i++)
		free_index_fini(&taken[i]);
}

static void test_chunk_plan__all_profiles_fill_the_devices(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(profiles) * 2; i++) {
		const struct profile *profile = profile_of(profiles[i / 2]);
		struct fixture fixture;
		struct block_group *group;
		uint64_t expected_logical = MIB;
		int ret;

		fixture_init(&fixture, 5, 600 * MIB + 12345);
		set_policy(&fixture, profiles[i / 2], i % 2, false);
		while ((ret = space_grow(fixture.space, SPACE_DATA, MIB, 0, &group)) == 0) {
			const struct chunk *chunk = chunk_of(&fixture, group);

			assert_int_equal(group->start, expected_logical);
			expected_logical += group->len_bytes;
			assert_int_equal(chunk->sub_stripes, profile->sub_stripes);
			assert_int_equal(chunk->nr_stripes * chunk_stripe_bytes(chunk),
					 chunk->len_bytes * profile->copies);
			assert_true(group->is_new && group->dirty);
		}
		assert_int_equal(ret, -ERR_NO_SPACE);
		assert_true(expected_logical * profile->copies > 4 * 590 * MIB);
		check_layout(&fixture);
		assert_int_equal(space_audit(fixture.space), 0);
		fixture_fini(&fixture);
	}
}

static void test_chunk_plan__too_few_devices_and_unknown_profiles(void **state)
{
	struct fixture fixture;
	struct block_group *group = NULL;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	for (unsigned i = 0; i < ARRAY_LEN(profiles); i++) {
		int want = profile_of(profiles[i])->min_devices > 1 ? -ERR_NO_SPACE : 0;

		set_policy(&fixture, profiles[i], false, false);
		assert_int_equal(space_grow(fixture.space, SPACE_DATA, MIB, MIB, &group), want);
	}
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID5, false, false);
	assert_int_equal(space_grow(fixture.space, SPACE_DATA, MIB, 0, &group), -ERR_UNSUPPORTED);
	set_policy(&fixture, 0, false, false);
	assert_int_equal(space_grow(fixture.space, SPACE_DATA, UINT64_MAX, 0, &group),
			 -ERR_NO_SPACE);
	assert_int_equal(space_grow(fixture.space, SPACE_DATA, 0, UINT64_MAX / 9, &group),
			 -ERR_NO_SPACE);
	fixture_fini(&fixture);
}

static uint64_t first_len(uint64_t device_bytes, enum space_kind kind, uint64_t profile)
{
	struct fixture fixture;
	uint64_t len;

	fixture_init(&fixture, profile == BTRFS_BLOCK_GROUP_RAID0 ? 4 : 1, device_bytes);
	set_policy(&fixture, profile, false, false);
	len = grow(&fixture, kind, 4096, 0)->len_bytes;
	fixture_fini(&fixture);
	return len;
}

static void test_chunk_plan__lengths_like_linux(void **state)
{
	(void)state;
	/* 10 % of 2 GiB, up to whole 16 MiB. */
	assert_int_equal(first_len(2 * GIB, SPACE_DATA, 0), 208 * MIB);
	assert_int_equal(first_len(2 * GIB, SPACE_METADATA, 0), 208 * MIB);
	assert_int_equal(first_len(2 * GIB, SPACE_SYSTEM, 0), 32 * MIB);
	assert_int_equal(first_len(40 * GIB, SPACE_DATA, 0), GIB);
	assert_int_equal(first_len(40 * GIB, SPACE_METADATA, 0), 256 * MIB);
	assert_int_equal(first_len(60 * GIB, SPACE_METADATA, 0), GIB);
	assert_int_equal(first_len(60 * GIB, SPACE_METADATA, BTRFS_BLOCK_GROUP_DUP), GIB);
	/* Four columns of at most 1 GiB. */
	assert_int_equal(first_len(60 * GIB, SPACE_DATA, BTRFS_BLOCK_GROUP_RAID0), 4 * GIB);
}

static void test_chunk_plan__bounds_of_the_caller(void **state)
{
	struct chunk_policy policy = { .max_chunk = { [SPACE_DATA] = 5 * MIB + 1 } };
	struct fixture fixture;
	struct block_group *group = NULL;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	space_set_policy(fixture.space, &policy);
	assert_int_equal(grow(&fixture, SPACE_DATA, 4096, 0)->len_bytes, 5 * MIB);
	assert_int_equal(grow(&fixture, SPACE_DATA, 7 * MIB, 0)->len_bytes, 7 * MIB);
	assert_int_equal(grow(&fixture, SPACE_DATA, 7 * MIB + 1, 0)->len_bytes, 7 * MIB + ROW);
	/*
	 * Above 10 % when the caller needs it; exactly, rounded up to a row; never what does not
	 * fit.
	 */
	assert_int_equal(grow(&fixture, SPACE_METADATA, 300 * MIB, 0)->len_bytes, 300 * MIB);
	assert_int_equal(grow(&fixture, SPACE_METADATA, 0, MIB + 1)->len_bytes, MIB + ROW);
	assert_int_equal(space_grow(fixture.space, SPACE_METADATA, 0, GIB, &group), -ERR_NO_SPACE);
	assert_int_equal(space_grow(fixture.space, SPACE_DATA, GIB, 0, &group), -ERR_NO_SPACE);
	assert_null(group);
	check_layout(&fixture);
	fixture_fini(&fixture);
}

static void test_chunk_plan__most_room_first_then_devid(void **state)
{
	struct fixture fixture;
	const struct chunk *chunk;

	(void)state;
	fixture_init(&fixture, 2, 100 * MIB);
	fixture_add_device(&fixture, 3, 300 * MIB);
	fixture_add_device(&fixture, 4, 200 * MIB);
	set_policy(&fixture, 0, false, false);
	chunk = chunk_of(&fixture, grow(&fixture, SPACE_DATA, 0, 150 * MIB));
	assert_int_equal(chunk->stripes[0].devid, 3);
	assert_int_equal(chunk->stripes[0].at.at, MIB);
	chunk = chunk_of(&fixture, grow(&fixture, SPACE_DATA, 0, 120 * MIB));
	assert_int_equal(chunk->stripes[0].devid, 4);
	/* 149, 99, 99, 79 MiB are left. */
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID1C3, false, false);
	chunk = chunk_of(&fixture, grow(&fixture, SPACE_DATA, 0, 64 * MIB));
	assert_int_equal(chunk->stripes[0].devid, 3);
	assert_int_equal(chunk->stripes[1].devid, 1);
	assert_int_equal(chunk->stripes[2].devid, 2);
	check_layout(&fixture);
	fixture_fini(&fixture);
}

static void test_chunk_plan__striped_over_those_that_have_room(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, 3, GIB);
	fixture_add_device(&fixture, 4, 3 * MIB);
	fixture_add_device(&fixture, 5, MIB / 2);
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID0, false, false);
	/* Little is enough: all that have room at all. Much: only those that hold their part. */
	assert_int_equal(chunk_of(&fixture, grow(&fixture, SPACE_DATA, ROW, 0))->nr_stripes, 4);
	assert_int_equal(chunk_of(&fixture, grow(&fixture, SPACE_DATA, 90 * MIB, 0))->nr_stripes,
			 3);
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID10, false, false);
	assert_int_equal(chunk_of(&fixture, grow(&fixture, SPACE_DATA, MIB, 0))->nr_stripes, 2);
	check_layout(&fixture);
	fixture_fini(&fixture);
}

static void test_chunk_plan__from_the_low_and_the_high_end(void **state)
{
	struct chunk_policy policy = { .from_end = { [SPACE_METADATA] = true } };
	struct fixture fixture;
	struct block_group *group;

	(void)state;
	fixture_init(&fixture, 1, GIB + 4096);
	space_set_policy(fixture.space, &policy);
	group = grow(&fixture, SPACE_METADATA, 0, 8 * MIB);
	assert_int_equal(chunk_of(&fixture, group)->stripes[0].at.at, GIB - 8 * MIB);
	group = grow(&fixture, SPACE_DATA, 0, 8 * MIB);
	assert_int_equal(chunk_of(&fixture, group)->stripes[0].at.at, MIB);
	group = grow(&fixture, SPACE_METADATA, 0, 4 * MIB);
	assert_int_equal(chunk_of(&fixture, group)->stripes[0].at.at, GIB - 12 * MIB);
	/* The hole of a removed chunk is used again, by the end it suits. */
	assert_int_equal(space_remove_group(fixture.space, MIB), 0);
	assert_int_equal(chunk_map_remove(fixture.volume, MIB), 0);
	group = grow(&fixture, SPACE_METADATA, 0, 8 * MIB);
	assert_int_equal(chunk_of(&fixture, group)->stripes[0].at.at, GIB - 8 * MIB);
	check_layout(&fixture);
	fixture_fini(&fixture);
}

/* No mirror of a free byte lies on the second superblock copy; counts the rows that would. */
static unsigned check_supers(struct fixture *fixture, const struct block_group *group)
{
	unsigned nr = 0;

	for (uint64_t at = 0; at < group->len_bytes; at += ROW) {
		uint64_t logical = group->start + at;

		for (unsigned mirror = volume_nr_mirrors(fixture->volume, logical); mirror > 0;
		     mirror--) {
			uint64_t devid;
			struct phys phys;

			assert_int_equal(
				volume_map(fixture->volume, logical, mirror, &devid, &phys), 0);
			if (phys.at != 64 * MIB)
				continue;
			assert_false(free_index_overlaps(&group->free, logical, ROW));
			nr++;
		}
	}
	return nr;
}

static void test_chunk_plan__superblock_copies_are_no_free_space(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(profiles); i++) {
		unsigned nr_devices = profile_of(profiles[i])->min_devices;
		struct fixture fixture;
		struct block_group *group;

		fixture_init(&fixture, nr_devices, GIB);
		set_policy(&fixture, profiles[i], false, false);
		group = grow(&fixture, SPACE_DATA, 0, 80 * MIB);
		assert_int_equal(check_supers(&fixture, group), nr_devices);
		assert_true(group->super_bytes >= ROW);
		assert_int_equal(space_audit(fixture.space), 0);
		fixture_fini(&fixture);
	}
}

static void test_chunk_plan__files_grow_when_no_hole_is_left(void **state)
{
	struct fixture fixture;
	struct block_group *group;
	struct volume_device *device;

	(void)state;
	fixture_init(&fixture, 1, 40 * MIB);
	device = volume_device_at(fixture.volume, 0);
	set_policy(&fixture, 0, false, true);
	/* 39 MiB are there, and 10 % counts as 32 MiB. */
	group = grow(&fixture, SPACE_DATA, 4096, 0);
	assert_int_equal(group->len_bytes, 32 * MIB);
	assert_int_equal(device->total_bytes, 40 * MIB);
	/* 7 MiB are left: the hole is continued behind the end. */
	group = grow(&fixture, SPACE_DATA, 4096, 0);
	assert_int_equal(chunk_of(&fixture, group)->stripes[0].at.at, 33 * MIB);
	assert_int_equal(device->total_bytes, 65 * MIB);
	assert_int_equal(device->device->size_bytes, 65 * MIB);
	group = grow(&fixture, SPACE_DATA, 100 * MIB, 0);
	assert_int_equal(group->len_bytes, 100 * MIB);
	assert_int_equal(device->total_bytes, 165 * MIB);
	group = grow(&fixture, SPACE_METADATA, 0, MIB);
	assert_int_equal(device->total_bytes, 166 * MIB);
	check_layout(&fixture);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
}

static void test_chunk_plan__several_files_grow_each(void **state)
{
	struct fixture fixture;
	struct block_group *group;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(profiles); i++) {
		fixture_init(&fixture, 4, 3 * MIB + 4096);
		set_policy(&fixture, profiles[i], false, true);
		for (unsigned round = 0; round < 4; round++)
			group = grow(&fixture, round % 2 ? SPACE_METADATA : SPACE_DATA, 20 * MIB,
				     0);
		assert_true(group->len_bytes >= 32 * MIB);
		check_layout(&fixture);
		assert_int_equal(space_audit(fixture.space), 0);
		fixture_fini(&fixture);
	}
}

static void test_chunk_plan__a_device_that_cannot_grow(void **state)
{
	struct fixture fixture;
	struct block_group *group;

	(void)state;
	fixture_init(&fixture, 2, 40 * MIB);
	volume_device_at(fixture.volume, 0)->device->resizable = false;
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID1, false, true);
	assert_int_equal(space_grow(fixture.space, SPACE_DATA, 60 * MIB, 0, &group), -ERR_NO_SPACE);
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID0, false, true);
	group = grow(&fixture, SPACE_DATA, 100 * MIB, 0);
	assert_int_equal(chunk_of(&fixture, group)->nr_stripes, 1);
	assert_int_equal(chunk_of(&fixture, group)->stripes[0].devid, 2);
	/* Read-only and missing ones are not there for a plan at all. */
	volume_device_at(fixture.volume, 1)->device->read_only = true;
	assert_int_equal(space_grow(fixture.space, SPACE_DATA, 60 * MIB, 0, &group), -ERR_NO_SPACE);
	fixture_fini(&fixture);
}

static void test_chunk_plan__the_lowest_hole_that_is_long_enough(void **state)
{
	static const uint64_t lens[] = { 4 * MIB, MIB, 8 * MIB, MIB, 16 * MIB, MIB };
	struct fixture fixture;
	uint64_t starts[ARRAY_LEN(lens)];

	(void)state;
	fixture_init(&fixture, 1, GIB);
	set_policy(&fixture, 0, false, false);
	for (unsigned i = 0; i < ARRAY_LEN(lens); i++)
		starts[i] = grow(&fixture, SPACE_DATA, 0, lens[i])->start;
	for (unsigned i = 0; i < ARRAY_LEN(lens); i += 2) {
		assert_int_equal(space_remove_group(fixture.space, starts[i]), 0);
		assert_int_equal(chunk_map_remove(fixture.volume, starts[i]), 0);
	}
	/* Holes at 1, 6 and 15 MiB, of 4, 8 and 16 MiB, and the rest of the device. */
	assert_int_equal(
		chunk_of(&fixture, grow(&fixture, SPACE_DATA, 0, 6 * MIB))->stripes[0].at.at,
		6 * MIB);
	assert_int_equal(
		chunk_of(&fixture, grow(&fixture, SPACE_DATA, 0, 3 * MIB))->stripes[0].at.at, MIB);
	assert_int_equal(
		chunk_of(&fixture, grow(&fixture, SPACE_DATA, 0, 2 * MIB))->stripes[0].at.at,
		12 * MIB);
	check_layout(&fixture);
	fixture_fini(&fixture);
}

static void test_chunk_plan__a_failed_allocation_of_memory_leaves_nothing(void **state)
{
	struct fixture fixture;
	struct block_group *group;
	uint64_t nth = 0;
	int ret;

	(void)state;
	fixture_init(&fixture, 3, 8 * MIB);
	set_policy(&fixture, BTRFS_BLOCK_GROUP_RAID0, false, true);
	grow(&fixture, SPACE_DATA, 0, MIB);
	do {
		fault_arm(FAULT_ALLOC, ++nth);
		ret = space_grow(fixture.space, SPACE_METADATA, 32 * MIB, 0, &group);
		fault_arm(FAULT_ALLOC, 0);
		assert_true(ret == 0 || ret == -ERR_NO_MEMORY);
		if (ret < 0)
			assert_null(space_group_next(fixture.space, MIB + 1));
		if (ret < 0)
			assert_null(chunk_map_next(fixture.volume, MIB + 1));
		assert_int_equal(space_audit(fixture.space), 0);
	} while (ret < 0);
	assert_true(nth > 8);
	check_layout(&fixture);
	fixture_fini(&fixture);
}

static void test_chunk_plan__the_group_is_used_at_once(void **state)
{
	struct fixture fixture;
	uint64_t addr;

	(void)state;
	fixture_init_mixed(&fixture, 1, GIB, true);
	set_policy(&fixture, 0, false, false);
	assert_int_equal(space_alloc_node(fixture.space, SPACE_METADATA, 0, &addr), -ERR_NO_SPACE);
	assert_int_equal(grow(&fixture, SPACE_METADATA, 4096, 0)->flags,
			 BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_METADATA);
	assert_int_equal(space_alloc_node(fixture.space, SPACE_METADATA, 0, &addr), 0);
	assert_int_equal(addr, MIB);
	assert_int_equal(fixture_alloc(&fixture, 4096), MIB + 4096);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunk_plan__all_profiles_fill_the_devices),
		cmocka_unit_test(test_chunk_plan__too_few_devices_and_unknown_profiles),
		cmocka_unit_test(test_chunk_plan__lengths_like_linux),
		cmocka_unit_test(test_chunk_plan__bounds_of_the_caller),
		cmocka_unit_test(test_chunk_plan__most_room_first_then_devid),
		cmocka_unit_test(test_chunk_plan__striped_over_those_that_have_room),
		cmocka_unit_test(test_chunk_plan__from_the_low_and_the_high_end),
		cmocka_unit_test(test_chunk_plan__superblock_copies_are_no_free_space),
		cmocka_unit_test(test_chunk_plan__files_grow_when_no_hole_is_left),
		cmocka_unit_test(test_chunk_plan__several_files_grow_each),
		cmocka_unit_test(test_chunk_plan__a_device_that_cannot_grow),
		cmocka_unit_test(test_chunk_plan__the_lowest_hole_that_is_long_enough),
		cmocka_unit_test(test_chunk_plan__a_failed_allocation_of_memory_leaves_nothing),
		cmocka_unit_test(test_chunk_plan__the_group_is_used_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
