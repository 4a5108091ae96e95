/*
 * Data put together from mirrors: sectors bad on one mirror here and on another there, a missing
 * device, sectors without a checksum, and what cannot be read at all.
 */
#include "base/cmocka_all.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "csum/csum.h"
#include "format/disk_ids.h"

#define SECTOR 4096u
#define NR_SECTORS 96u /* 384 KiB: several units of stripes */
#define LOGICAL (64 * MIB)

#define assert_ok(call)                                              \
	do {                                                         \
		int ok_ret = (call);                                 \
		if (ok_ret < 0)                                      \
			fail_msg("%s: %s", #call, err_text(ok_ret)); \
	} while (0)

static const uint8_t test_uuid[16] = "device of a test";
static const struct geometry geometry = { .nodesize = 16384,
					  .sectorsize = SECTOR,
					  .csum_type = CSUM_CRC32C,
					  .csum_size = 4 };

struct data {
	struct volume *volume;
	struct csum_range range;
	uint8_t bytes[NR_SECTORS * SECTOR], seen[NR_SECTORS * SECTOR];
	uint8_t csums[NR_SECTORS * 4], bad[NR_SECTORS / 8], present[NR_SECTORS / 8];
};

static struct data *data_new(uint64_t profile, unsigned nr_stripes, uint64_t logical)
{
	struct data *data = mem_zalloc(sizeof(*data));
	struct stripe stripes[6];
	struct chunk_spec spec = { .logical = logical,
				   .len_bytes = 12 * MIB,
				   .flags = BTRFS_BLOCK_GROUP_DATA | profile,
				   .nr_stripes = (uint16_t)nr_stripes,
				   .sub_stripes = profile & BTRFS_BLOCK_GROUP_RAID10 ? 2 : 1,
				   .stripes = stripes };
	struct rng rng;

	assert_non_null(data);
	rng_init(&rng, profile);
	rng_fill(&rng, data->bytes, sizeof(data->bytes));
	csum_compute_sectors(CSUM_CRC32C, data->bytes, NR_SECTORS, SECTOR, data->csums);
	assert_ok(volume_new(&data->volume));
	for (unsigned i = 0; i < nr_stripes; i++) {
		struct device *device;

		assert_ok(device_mem_new("ram", 64 * MIB, &device));
		assert_ok(volume_add_device(data->volume, i + 1, test_uuid, device, 64 * MIB));
		stripes[i] = (struct stripe){ .devid = i + 1, .at = PHYS((i + 1) * MIB) };
	}
	assert_ok(chunk_map_add(data->volume, &spec));
	data->range = (struct csum_range){ .volume = data->volume,
					   .geometry = &geometry,
					   .addr = logical,
					   .nr_sectors = NR_SECTORS,
					   .csums = data->csums };
	if (!(profile & BTRFS_BLOCK_GROUP_RAID56_MASK))
		assert_ok(volume_write(data->volume, logical, data->bytes, sizeof(data->bytes)));
	return data;
}

static void data_free(struct data *data)
{
	volume_free(data->volume);
	mem_free(data);
}

static void damage(struct data *data, unsigned sector, unsigned mirror)
{
	uint64_t devid;
	struct phys at;

	assert_ok(volume_map(data->volume, LOGICAL + sector * SECTOR, mirror, &devid, &at));
	at.at += sector * 37 % SECTOR;
	assert_ok(device_write(volume_device_find(data->volume, devid)->device, at, "noise", 5));
}

static void assert_reads(struct data *data)
{
	memset(data->seen, 0, sizeof(data->seen));
	assert_ok(csum_read(&data->range, data->seen, NULL));
	assert_memory_equal(data->seen, data->bytes, sizeof(data->bytes));
	memset(data->bad, 0xff, sizeof(data->bad));
	assert_ok(csum_read(&data->range, data->seen, data->bad));
	for (unsigned i = 0; i < sizeof(data->bad); i++)
		assert_int_equal(data->bad[i], 0);
}

static void check_scattered(uint64_t profile, unsigned nr_stripes, unsigned copies)
{
	struct data *data = data_new(profile, nr_stripes, LOGICAL);
	struct rng rng;

	rng_init(&rng, nr_stripes);
	assert_reads(data);
	for (unsigned sector = 0; sector < NR_SECTORS; sector++) {
		unsigned good = 1 + (unsigned)rng_below(&rng, copies);

		for (unsigned mirror = 1; mirror <= copies; mirror++) {
			if (mirror != good)
				damage(data, sector, mirror);
		}
	}
	assert_reads(data);
	data_free(data);
}

static void test_csum_read__each_sector_from_where_it_is_good(void **state)
{
	(void)state;
	check_scattered(BTRFS_BLOCK_GROUP_RAID1, 2, 2);
	check_scattered(BTRFS_BLOCK_GROUP_RAID1C3, 3, 3);
	check_scattered(BTRFS_BLOCK_GROUP_RAID1C4, 4, 4);
	check_scattered(BTRFS_BLOCK_GROUP_RAID10, 6, 2);
}

/* RAID6 over three devices: P and Q are the data itself. */
static void test_csum_read__rebuilds_with_checksums_as_judge(void **state)
{
	struct data *data = data_new(BTRFS_BLOCK_GROUP_RAID6, 3, LOGICAL);
	uint64_t bad_row = 2;

	(void)state;
	for (unsigned device = 1; device <= 3; device++)
		assert_ok(device_write(volume_device_find(data->volume, device)->device,
				       PHYS(device * MIB), data->bytes, sizeof(data->bytes)));
	assert_reads(data);
	/* In one row two of three are noise, in another another two. */
	for (unsigned device = 1; device <= 3; device++) {
		struct device *ram = volume_device_find(data->volume, device)->device;

		if (device != 2)
			assert_ok(device_write(ram, PHYS(device * MIB + bad_row * 65536),
					       data->bytes, 65536));
		if (device != 3)
			assert_ok(device_write(ram, PHYS(device * MIB + (bad_row + 1) * 65536),
					       data->bytes, 65536));
	}
	assert_reads(data);
	data_free(data);
}

static void test_csum_read__missing_and_bad_together(void **state)
{
	struct data *data = data_new(BTRFS_BLOCK_GROUP_RAID1C3, 3, LOGICAL);
	struct volume_device *first = volume_device_find(data->volume, 1);

	(void)state;
	device_free(first->device);
	first->device = NULL;
	for (unsigned sector = 0; sector < NR_SECTORS; sector++)
		damage(data, sector, 2 + sector % 2);
	assert_reads(data);
	data_free(data);
}

static void test_csum_read__tells_what_is_lost(void **state)
{
	struct data *data = data_new(BTRFS_BLOCK_GROUP_RAID1, 2, LOGICAL);
	static const uint8_t zero[SECTOR];

	(void)state;
	for (unsigned mirror = 1; mirror <= 2; mirror++) {
		damage(data, 17, mirror);
		damage(data, 40, mirror);
	}
	assert_int_equal(csum_read(&data->range, data->seen, NULL), -ERR_DATA_CSUM);
	/* 64 MiB + 17 * 4096 */
	assert_non_null(strstr(err_text(-ERR_DATA_CSUM), " 67178496 "));
	assert_ok(csum_read(&data->range, data->seen, data->bad));
	for (unsigned i = 0; i < NR_SECTORS; i++) {
		bool lost = i == 17 || i == 40;

		assert_int_equal(data->bad[i / 8] >> (i % 8) & 1, lost);
		assert_memory_equal(data->seen + i * SECTOR, lost ? zero : data->bytes + i * SECTOR,
				    SECTOR);
	}
	data_free(data);
}

static void test_csum_read__what_has_no_checksum_is_taken_as_it_is(void **state)
{
	struct data *data = data_new(BTRFS_BLOCK_GROUP_RAID1, 2, LOGICAL);

	(void)state;
	damage(data, 3, 1);
	damage(data, 50, 1);
	data->range.csums = NULL;
	assert_ok(csum_read(&data->range, data->seen, NULL));
	assert_memory_not_equal(data->seen + 3 * SECTOR, data->bytes + 3 * SECTOR, SECTOR);
	data->range.csums = data->csums;
	data->range.present = data->present;
	data->present[50 / 8] = 1u << 50 % 8;
	assert_ok(csum_read(&data->range, data->seen, NULL));
	assert_memory_not_equal(data->seen + 3 * SECTOR, data->bytes + 3 * SECTOR, SECTOR);
	assert_memory_equal(data->seen + 50 * SECTOR, data->bytes + 50 * SECTOR, SECTOR);
	data_free(data);
}

/* The chunk begins `shift` before a unit of 64 KiB of logical addresses. */
static void check_missing_column(uint64_t shift)
{
	struct data *data = data_new(BTRFS_BLOCK_GROUP_RAID0, 3, LOGICAL - shift);
	struct volume_device *second = volume_device_find(data->volume, 2);

	device_free(second->device);
	second->device = NULL;
	assert_int_equal(csum_read(&data->range, data->seen, NULL), -ERR_NO_MIRROR);
	assert_non_null(strstr(err_text(-ERR_NO_MIRROR), "device 2 is missing"));
	/* Units 0 and 2 of each row of three are there. */
	assert_ok(csum_read(&data->range, data->seen, data->bad));
	for (unsigned i = 0; i < NR_SECTORS; i++) {
		bool lost = i / 16 % 3 == 1;

		assert_int_equal(data->bad[i / 8] >> (i % 8) & 1, lost);
		if (!lost)
			assert_memory_equal(data->seen + i * SECTOR, data->bytes + i * SECTOR,
					    SECTOR);
	}
	data_free(data);
}

static void test_csum_read__a_missing_device_is_named(void **state)
{
	(void)state;
	check_missing_column(0);
	/* A run that is read at once lies on two devices, and one of them is there. */
	check_missing_column(5 * SECTOR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csum_read__each_sector_from_where_it_is_good),
		cmocka_unit_test(test_csum_read__rebuilds_with_checksums_as_judge),
		cmocka_unit_test(test_csum_read__missing_and_bad_together),
		cmocka_unit_test(test_csum_read__tells_what_is_lost),
		cmocka_unit_test(test_csum_read__what_has_no_checksum_is_taken_as_it_is),
		cmocka_unit_test(test_csum_read__a_missing_device_is_named),
	};

	/* Reading warns about every bad copy. */
	log_set_level(LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
