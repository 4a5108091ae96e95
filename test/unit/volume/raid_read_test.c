/*
 * Reading: a mirror by number is that mirror; any mirror is one that answers.
 */
#include "volume/volume_fixture.h"

#include "base/fault.h"

/* Damages one copy of a byte past the volume. */
static void damage(struct volume *volume, uint64_t logical, unsigned mirror, uint8_t byte)
{
	uint64_t devid;
	struct phys at;

	assert_int_equal(volume_map(volume, logical, mirror, &devid, &at), 0);
	assert_int_equal(device_write(volume_device_find(volume, devid)->device, at, &byte, 1), 0);
}

static void test_raid_read__a_mirror_by_number_is_that_one(void **state)
{
	struct volume *volume = fixture_volume(3);
	uint8_t seen;

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_RAID1C3, 3, MIB), 0);
	assert_int_equal(volume_write(volume, 77, "a", 1), 0);
	damage(volume, 77, 2, 'b');
	damage(volume, 77, 3, 'c');
	for (unsigned mirror = 1; mirror <= 3; mirror++) {
		assert_int_equal(volume_read(volume, 77, &seen, 1, mirror), 0);
		assert_int_equal(seen, 'a' + mirror - 1);
	}
	assert_int_equal(volume_read(volume, 77, &seen, 1, 4), -ERR_NO_MIRROR);
	volume_free(volume);
}

static void test_raid_read__passes_over_missing_devices(void **state)
{
	struct volume *volume;
	struct device *device;
	uint8_t seen = 1;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	assert_int_equal(device_mem_new("ram", FIXTURE_DEVICE_BYTES, &device), 0);
	/* Device 1 is known but missing, 2 is there, 3 is not known at all. */
	assert_int_equal(volume_add_device(volume, 1, fixture_uuid, NULL, TIB), 0);
	assert_int_equal(volume_add_device(volume, 2, fixture_uuid, device, TIB), 0);
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_RAID1C3, 3, MIB), 0);
	assert_int_equal(fixture_chunk(volume, MIB, MIB, BTRFS_BLOCK_GROUP_RAID0, 1, 64 * MIB), 0);
	assert_int_equal(volume_read(volume, 5, &seen, 1, 0), 0);
	assert_int_equal(seen, 0);
	assert_int_equal(volume_read(volume, 5, &seen, 1, 2), 0);
	assert_int_equal(volume_read(volume, 5, &seen, 1, 1), -ERR_NO_MIRROR);
	assert_non_null(strstr(err_text(-ERR_NO_MIRROR), "device 1 is missing"));
	assert_int_equal(volume_read(volume, 5, &seen, 1, 3), -ERR_NO_MIRROR);
	assert_int_equal(volume_read(volume, MIB, &seen, 1, 0), -ERR_NO_MIRROR);
	assert_int_equal(volume_flush(volume), 0);
	volume_free(volume);
}

static struct volume *faulty_volume(void)
{
	struct volume *volume;
	struct device *lower, *fault;

	assert_int_equal(volume_new(&volume), 0);
	assert_int_equal(device_mem_new("ram", FIXTURE_DEVICE_BYTES, &lower), 0);
	assert_int_equal(device_fault_new(lower, &fault), 0);
	assert_int_equal(volume_add_device(volume, 1, fixture_uuid, fault, TIB), 0);
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_DUP, 2, MIB), 0);
	return volume;
}

static void test_raid_read__any_goes_on_to_the_next_copy(void **state)
{
	struct volume *volume = faulty_volume();
	uint8_t seen = 0;

	(void)state;
	assert_int_equal(volume_write(volume, 9, "z", 1), 0);
	fault_arm(FAULT_DEVICE_READ, 1);
	assert_int_equal(volume_read(volume, 9, &seen, 1, 0), 0);
	assert_int_equal(seen, 'z');
	fault_arm(FAULT_DEVICE_READ, 1);
	assert_int_equal(volume_read(volume, 9, &seen, 1, 1), -ERR_FAULT_INJECTED);
	fault_arm_from(FAULT_DEVICE_READ, 1);
	assert_int_equal(volume_read(volume, 9, &seen, 1, 0), -ERR_NO_MIRROR);
	assert_non_null(strstr(err_text(-ERR_NO_MIRROR), "none of 2 copies"));
	assert_non_null(strstr(err_text(-ERR_NO_MIRROR), "ram"));
	fault_arm(FAULT_DEVICE_READ, 0);
	volume_free(volume);
}

static void test_raid_read__refuses_what_no_chunk_holds(void **state)
{
	struct volume *volume = fixture_volume(1);
	uint8_t data[8192];

	(void)state;
	assert_int_equal(fixture_chunk(volume, MIB, MIB, 0, 1, MIB), 0);
	assert_int_equal(volume_read(volume, 2 * MIB - 1, data, 2, 0), -ERR_NO_MAPPING);
	assert_int_equal(volume_read(volume, UINT64_MAX - 1, data, sizeof(data), 0),
			 -ERR_NO_MAPPING);
	assert_int_equal(volume_read(volume, 2 * MIB, data, 0, 0), 0);
	volume_free(volume);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raid_read__a_mirror_by_number_is_that_one),
		cmocka_unit_test(test_raid_read__passes_over_missing_devices),
		cmocka_unit_test(test_raid_read__any_goes_on_to_the_next_copy),
		cmocka_unit_test(test_raid_read__refuses_what_no_chunk_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
