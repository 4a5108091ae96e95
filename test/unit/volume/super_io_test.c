/*
 * Superblock copies: which ones are written, in what order, and what a reader refuses.
 */
#include "volume/volume_fixture.h"

#include "format/disk_structs.h"
#include "format/superblock.h"

static const uint64_t places[] = { 64 * KIB, 64 * MIB, 256 * GIB };

static void make_super(uint8_t *ret_super)
{
	memset(ret_super, 0, BTRFS_SUPER_INFO_SIZE);
	super_set_magic(ret_super, BTRFS_MAGIC);
	super_set_generation(ret_super, 77);
	super_set_csum_type(ret_super, 0);
}

static struct device *make_record(uint64_t size_bytes)
{
	struct device *lower, *record;

	assert_int_equal(device_mem_new("ram", size_bytes, &lower), 0);
	assert_int_equal(device_record_new(lower, &record), 0);
	return record;
}

static void check_copies(uint64_t total_bytes, unsigned nr_wanted)
{
	/* The device is longer than what btrfs may use of it. */
	struct device *record = make_record(TIB);
	uint8_t super[BTRFS_SUPER_INFO_SIZE], before[BTRFS_SUPER_INFO_SIZE];

	make_super(super);
	memcpy(before, super, sizeof(super));
	assert_int_equal(super_write(record, super, total_bytes), 0);
	assert_memory_equal(super, before, sizeof(super));
	assert_int_equal(device_record_nr(record), nr_wanted);
	for (unsigned copy = 0; copy < nr_wanted; copy++) {
		uint8_t seen[BTRFS_SUPER_INFO_SIZE];

		const struct device_record_entry *entry =
			device_record_at(record, nr_wanted - 1 - copy);

		/* The primary last. */
		assert_int_equal(entry->at.at, places[copy]);
		assert_int_equal(entry->len, BTRFS_SUPER_INFO_SIZE);
		assert_int_equal(super_read(record, copy, seen), 0);
		assert_int_equal(super_bytenr(seen), places[copy]);
		assert_int_equal(super_generation(seen), 77);
	}
	device_free(record);
}

static void test_super_io__writes_the_copies_that_fit(void **state)
{
	(void)state;
	check_copies(68 * KIB, 1);
	check_copies(64 * MIB + 4095, 1);
	check_copies(64 * MIB + 4096, 2);
	check_copies(256 * GIB + 4095, 2);
	check_copies(256 * GIB + 4096, 3);
}

static void refuses(struct device *device, unsigned copy, const char *words)
{
	uint8_t seen[BTRFS_SUPER_INFO_SIZE];

	memset(seen, 0xee, sizeof(seen));
	assert_int_equal(super_read(device, copy, seen), -ERR_SUPER_BAD);
	assert_non_null(strstr(err_text(-ERR_SUPER_BAD), words));
	/* What failed has not been handed out. */
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_int_equal(seen[i], 0xee);
}

static void test_super_io__a_reader_refuses_what_is_none(void **state)
{
	struct device *device;
	uint8_t super[BTRFS_SUPER_INFO_SIZE];

	(void)state;
	assert_int_equal(device_mem_new("ram", GIB, &device), 0);
	refuses(device, 0, "no btrfs superblock at 65536");
	make_super(super);
	assert_int_equal(super_write(device, super, GIB), 0);
	/* The primary in the place of the copy. */
	assert_int_equal(super_read(device, 0, super), 0);
	assert_int_equal(device_write(device, PHYS(places[1]), super, sizeof(super)), 0);
	refuses(device, 1, "belongs to 65536");
	assert_int_equal(device_write(device, PHYS(places[0] + 2000), "?", 1), 0);
	refuses(device, 0, "wrong checksum");
	assert_int_equal(super_read(device, 2, super), -ERR_DEVICE_RANGE);
	device_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_super_io__writes_the_copies_that_fit),
		cmocka_unit_test(test_super_io__a_reader_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
