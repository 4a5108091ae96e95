/*
 * The table of profiles: every flag, every name, Linux's numbers.
 */
#include "volume/volume_fixture.h"

static void test_profile__numbers_are_those_of_linux(void **state)
{
	/* flag, name, min, max, copies, per device, sub-stripes, tolerated */
	static const struct profile wanted[] = {
		{ 0, "single", 1, 1, 1, 1, 1, 1, 0, 0, false },
		{ BTRFS_BLOCK_GROUP_DUP, "DUP", 1, 1, 1, 2, 2, 1, 0, 0, false },
		{ BTRFS_BLOCK_GROUP_RAID0, "RAID0", 1, 0, 1, 1, 1, 1, 0, 0, true },
		{ BTRFS_BLOCK_GROUP_RAID1, "RAID1", 2, 2, 2, 2, 1, 1, 1, 0, false },
		{ BTRFS_BLOCK_GROUP_RAID1C3, "RAID1C3", 3, 3, 3, 3, 1, 1, 2, 0, false },
		{ BTRFS_BLOCK_GROUP_RAID1C4, "RAID1C4", 4, 4, 4, 4, 1, 1, 3, 0, false },
		{ BTRFS_BLOCK_GROUP_RAID10, "RAID10", 2, 0, 2, 2, 1, 2, 1, 0, true },
		{ BTRFS_BLOCK_GROUP_RAID5, "RAID5", 2, 0, 1, 1, 1, 1, 1, 1, true },
		{ BTRFS_BLOCK_GROUP_RAID6, "RAID6", 3, 0, 1, 1, 1, 1, 2, 2, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		const struct profile *seen = profile_of(wanted[i].flag | BTRFS_BLOCK_GROUP_DATA);

		assert_non_null(seen);
		assert_string_equal(seen->name, wanted[i].name);
		assert_int_equal(seen->flag, wanted[i].flag);
		assert_int_equal(seen->min_devices, wanted[i].min_devices);
		assert_int_equal(seen->max_devices, wanted[i].max_devices);
		assert_int_equal(seen->increment, wanted[i].increment);
		assert_int_equal(seen->copies, wanted[i].copies);
		assert_int_equal(seen->per_device, wanted[i].per_device);
		assert_int_equal(seen->sub_stripes, wanted[i].sub_stripes);
		assert_int_equal(seen->tolerated, wanted[i].tolerated);
		assert_int_equal(seen->parity, wanted[i].parity);
		assert_int_equal(seen->striped, wanted[i].striped);
	}
}

static void test_profile__two_flags_are_none(void **state)
{
	(void)state;
	assert_null(profile_of(BTRFS_BLOCK_GROUP_RAID0 | BTRFS_BLOCK_GROUP_RAID1));
}

static void test_profile__names_in_any_case(void **state)
{
	(void)state;
	assert_ptr_equal(profile_by_name("raid1c3"), profile_of(BTRFS_BLOCK_GROUP_RAID1C3));
	assert_ptr_equal(profile_by_name("Dup"), profile_of(BTRFS_BLOCK_GROUP_DUP));
	assert_ptr_equal(profile_by_name("SINGLE"), profile_of(0));
	assert_null(profile_by_name("raid"));
	assert_null(profile_by_name(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile__numbers_are_those_of_linux),
		cmocka_unit_test(test_profile__two_flags_are_none),
		cmocka_unit_test(test_profile__names_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
