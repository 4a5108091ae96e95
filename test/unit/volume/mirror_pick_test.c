/*
 * Which mirror any-mirror reads: the first one, one that is there, one that was not blamed; and how
 * long blame lasts.
 */
#include "volume/volume_fixture.h"

#include "base/fault.h"

/* What each copy of the byte says is its number. */
static struct volume *numbered_volume(uint64_t profile, unsigned nr_stripes)
{
	struct volume *volume = fixture_volume(nr_stripes);

	assert_int_equal(fixture_chunk(volume, 0, MIB, profile, nr_stripes, MIB), 0);
	for (unsigned mirror = 1; mirror <= volume_nr_mirrors(volume, 0); mirror++) {
		uint8_t byte = (uint8_t)mirror;
		uint64_t devid;
		struct phys at;

		assert_int_equal(volume_map(volume, 0, mirror, &devid, &at), 0);
		assert_int_equal(
			device_write(volume_device_find(volume, devid)->device, at, &byte, 1), 0);
	}
	return volume;
}

static unsigned any(struct volume *volume)
{
	uint8_t byte;

	assert_int_equal(volume_read(volume, 0, &byte, 1, 0), 0);
	return byte;
}

static void test_mirror_pick__blame_lasts_longer_each_time(void **state)
{
	struct volume *volume = numbered_volume(BTRFS_BLOCK_GROUP_RAID1C3, 3);
	unsigned want = VOLUME_AVOID_FIRST;

	(void)state;
	assert_int_equal(any(volume), 1);
	/* Who is right already blames nobody. */
	volume_blame(volume, 0, 1);
	assert_int_equal(any(volume), 1);
	for (unsigned round = 0; round < 20; round++) {
		unsigned avoided = 0;

		volume_blame(volume, 0, 2);
		while (any(volume) != 1)
			avoided++;
		assert_int_equal(avoided, want);
		/* The good read takes one off, and so does the blame, which asks who is first. */
		want = MIN(2 * (want - 2), VOLUME_AVOID_MAX);
	}
	assert_int_equal(want, VOLUME_AVOID_MAX);
	volume_free(volume);
}

static void test_mirror_pick__stale_is_asked_last(void **state)
{
	struct volume *volume = numbered_volume(BTRFS_BLOCK_GROUP_RAID1C3, 3);

	(void)state;
	assert_int_equal(volume_set_stale(volume, 9), -ERR_NOT_FOUND);
	assert_int_equal(volume_set_stale(volume, 1), 0);
	for (unsigned i = 0; i < 2 * VOLUME_AVOID_FIRST; i++)
		assert_int_equal(any(volume), 2);
	volume_blame(volume, 0, 3);
	assert_int_equal(any(volume), 3);
	/* Suspects and missing ones: whom nobody suspects, then suspects, then the stale one. */
	volume_blame(volume, 0, 2);
	assert_int_not_equal(any(volume), 1);
	for (uint64_t devid = 2; devid <= 3; devid++) {
		device_free(volume_device_find(volume, devid)->device);
		volume_device_find(volume, devid)->device = NULL;
	}
	assert_int_equal(any(volume), 1);
	volume_free(volume);
}

static void test_mirror_pick__good_reads_are_remembered_too(void **state)
{
	struct volume *volume = numbered_volume(BTRFS_BLOCK_GROUP_RAID1, 2);
	unsigned avoided = 0;

	(void)state;
	volume_blame(volume, 0, 2);
	while (any(volume) != 1)
		avoided++;
	for (unsigned i = 0; i < VOLUME_AVOID_FIRST; i++)
		assert_int_equal(any(volume), 1);
	volume_blame(volume, 0, 2);
	for (unsigned i = 0; i < avoided; i++)
		assert_int_equal(any(volume), 2);
	assert_int_equal(any(volume), 1);
	volume_free(volume);
}

static void test_mirror_pick__the_last_copy_is_read_whatever_it_did(void **state)
{
	struct volume *volume = numbered_volume(BTRFS_BLOCK_GROUP_RAID1, 2);
	struct volume_device *second = volume_device_find(volume, 2);

	(void)state;
	volume_blame(volume, 0, 2);
	volume_blame(volume, 0, 1);
	/* Both are suspect now: the first again. */
	assert_int_equal(any(volume), 1);
	device_free(second->device);
	second->device = NULL;
	for (unsigned i = 0; i < 3 * VOLUME_AVOID_FIRST; i++)
		assert_int_equal(any(volume), 1);
	volume_free(volume);
}

static void test_mirror_pick__a_failed_read_counts_as_wrong(void **state)
{
	struct volume *volume;
	struct device *lower, *fault, *other;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	assert_int_equal(device_mem_new("ram", FIXTURE_DEVICE_BYTES, &lower), 0);
	assert_int_equal(device_fault_new(lower, &fault), 0);
	assert_int_equal(device_mem_new("ram2", FIXTURE_DEVICE_BYTES, &other), 0);
	assert_int_equal(volume_add_device(volume, 1, fixture_uuid, fault, TIB), 0);
	assert_int_equal(volume_add_device(volume, 2, fixture_uuid, other, TIB), 0);
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_RAID1, 2, MIB), 0);
	assert_int_equal(device_write(fault, PHYS(MIB), "a", 1), 0);
	assert_int_equal(device_write(other, PHYS(17 * MIB), "b", 1), 0);
	fault_arm(FAULT_DEVICE_READ, 1);
	assert_int_equal(any(volume), 'b');
	fault_arm(FAULT_DEVICE_READ, 0);
	assert_int_equal(any(volume), 'b');
	volume_free(volume);
}

/*
 * RAID6 over zeroes: a device that says something else is found by what the good mirror does
 * without.
 */
static void check_raid6_culprit(unsigned noisy)
{
	struct volume *volume = fixture_volume(5);
	uint8_t one = 1;

	assert_int_equal(fixture_chunk(volume, 0, 3 * MIB, BTRFS_BLOCK_GROUP_RAID6, 5, MIB), 0);
	/* Device 1 holds the first unit and is missing. */
	device_free(volume_device_find(volume, 1)->device);
	volume_device_find(volume, 1)->device = NULL;
	assert_int_equal(device_write(volume_device_find(volume, noisy)->device,
				      PHYS(MIB + (noisy - 1) * 16 * MIB), &one, 1),
			 0);
	for (unsigned mirror = 1; any(volume); mirror++) {
		uint8_t byte;

		assert_true(mirror <= volume_nr_mirrors(volume, 0));
		if (volume_read(volume, 0, &byte, 1, mirror) == 0 && byte == 0)
			volume_blame(volume, 0, mirror);
	}
	for (uint64_t devid = 2; devid <= 5; devid++)
		assert_int_equal(!!volume_device_find(volume, devid)->avoid_left,
				 devid == noisy && noisy != 5);
	volume_free(volume);
}

static void test_mirror_pick__finds_who_spoils_a_rebuild(void **state)
{
	(void)state;
	for (unsigned noisy = 2; noisy <= 5; noisy++)
		check_raid6_culprit(noisy); /* 5 holds Q, which the first way does not read */
}

static void test_mirror_pick__a_suspect_that_is_right_is_trusted_again(void **state)
{
	struct volume *volume = fixture_volume(3);
	struct volume_device *first = volume_device_find(volume, 1);

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, 2 * MIB, BTRFS_BLOCK_GROUP_RAID5, 3, MIB), 0);
	volume_blame(volume, 0, 2);
	assert_int_not_equal(first->avoid_left, 0);
	/* Now the rebuild is asked first, and is wrong. */
	volume_blame(volume, 0, 1);
	assert_int_equal(first->avoid_left, 0);
	/* Out of range, unmapped: no harm. */
	volume_blame(volume, 0, 3);
	volume_blame(volume, 0, 0);
	volume_blame(volume, 64 * MIB, 1);
	volume_free(volume);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mirror_pick__blame_lasts_longer_each_time),
		cmocka_unit_test(test_mirror_pick__stale_is_asked_last),
		cmocka_unit_test(test_mirror_pick__good_reads_are_remembered_too),
		cmocka_unit_test(test_mirror_pick__the_last_copy_is_read_whatever_it_did),
		cmocka_unit_test(test_mirror_pick__a_failed_read_counts_as_wrong),
		cmocka_unit_test(test_mirror_pick__finds_who_spoils_a_rebuild),
		cmocka_unit_test(test_mirror_pick__a_suspect_that_is_right_is_trusted_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
