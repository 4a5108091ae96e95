/*
 * The chunk map: finding, refusing what a chunk must not be, trimming, and the sum of what each
 * device gives.
 */
#include "volume/volume_fixture.h"

#include <pthread.h>

static void test_chunk_map__finds_by_any_byte(void **state)
{
	struct volume *volume = fixture_volume(1);

	(void)state;
	assert_int_equal(fixture_chunk(volume, 8 * MIB, MIB, 0, 1, MIB), 0);
	assert_int_equal(fixture_chunk(volume, 4 * MIB, MIB, 0, 1, 8 * MIB), 0);
	assert_null(chunk_map_find(volume, 4 * MIB - 1));
	assert_int_equal(chunk_map_find(volume, 4 * MIB)->logical, 4 * MIB);
	assert_int_equal(chunk_map_find(volume, 5 * MIB - 1)->logical, 4 * MIB);
	assert_null(chunk_map_find(volume, 5 * MIB));
	assert_int_equal(chunk_map_next(volume, 0)->logical, 4 * MIB);
	assert_int_equal(chunk_map_next(volume, 4 * MIB)->logical, 4 * MIB);
	assert_int_equal(chunk_map_next(volume, 4 * MIB + 1)->logical, 8 * MIB);
	assert_null(chunk_map_next(volume, 8 * MIB + 1));
	assert_int_equal(chunk_map_remove(volume, 4 * MIB + 1), -ERR_NO_MAPPING);
	assert_int_equal(chunk_map_remove(volume, 4 * MIB), 0);
	assert_null(chunk_map_find(volume, 4 * MIB));
	volume_free(volume);
}

static void test_chunk_map__refuses_overlap(void **state)
{
	struct volume *volume = fixture_volume(1);

	(void)state;
	assert_int_equal(fixture_chunk(volume, 4 * MIB, 2 * MIB, 0, 1, 8 * MIB), 0);
	assert_int_equal(fixture_chunk(volume, 4 * MIB, MIB, 0, 1, MIB), -ERR_EXISTS);
	assert_int_equal(fixture_chunk(volume, 3 * MIB, MIB + 4096, 0, 1, MIB), -ERR_EXISTS);
	assert_int_equal(fixture_chunk(volume, 6 * MIB - 4096, MIB, 0, 1, MIB), -ERR_EXISTS);
	assert_int_equal(fixture_chunk(volume, 2 * MIB, 8 * MIB, 0, 1, 32 * MIB), -ERR_EXISTS);
	assert_int_equal(fixture_chunk(volume, 3 * MIB, MIB, 0, 1, MIB), 0);
	assert_int_equal(fixture_chunk(volume, 6 * MIB, MIB, 0, 1, 16 * MIB), 0);
	volume_free(volume);
}

struct bad_chunk {
	const char *words;
	struct chunk_spec spec;
};

#define DATA BTRFS_BLOCK_GROUP_DATA
#define RAID(n) (BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_RAID##n)

static void test_chunk_map__refuses_what_no_chunk_is(void **state)
{
	static const struct bad_chunk bad[] = {
		{ "neither data", { MIB, MIB, 0, 1, 1, NULL } },
		{ "system mixed", { MIB, MIB, DATA | BTRFS_BLOCK_GROUP_SYSTEM, 1, 1, NULL } },
		{ "unknown type", { MIB, MIB, DATA | 1ull << 40, 1, 1, NULL } },
		{ "more than one profile", { MIB, MIB, RAID(0) | RAID(1), 2, 1, NULL } },
		{ "number of stripes", { MIB, MIB, DATA, 0, 1, NULL } },
		{ "number of stripes", { MIB, MIB, DATA, 2, 1, NULL } },
		{ "number of stripes", { MIB, MIB, RAID(0), 0, 1, NULL } },
		{ "number of stripes", { MIB, MIB, RAID(1), 3, 1, NULL } },
		{ "number of stripes", { MIB, MIB, RAID(1C3), 2, 1, NULL } },
		{ "number of stripes", { MIB, MIB, RAID(1C4), 3, 1, NULL } },
		{ "number of stripes", { MIB, MIB, RAID(5), 1, 1, NULL } },
		{ "number of stripes", { MIB, MIB, RAID(6), 2, 1, NULL } },
		{ "no multiple of the sub", { MIB, MIB, RAID(10), 3, 2, NULL } },
		{ "number of sub-stripes", { MIB, MIB, RAID(10), 4, 1, NULL } },
		{ "the length", { MIB, 0, DATA, 1, 1, NULL } },
		{ "the length", { MIB, MIB + 512, DATA, 1, 1, NULL } },
		{ "the length", { MIB, MIB + 65536, RAID(0), 2, 1, NULL } },
		{ "the length", { MIB, MIB, RAID(0), 3, 1, NULL } },
		{ "the address", { MIB + 1024, MIB, DATA, 1, 1, NULL } },
		{ "beyond the last", { UINT64_MAX - 4095, MIB, DATA, 1, 1, NULL } },
	};
	struct volume *volume = fixture_volume(4);
	struct stripe stripes[FIXTURE_MAX_STRIPES];

	(void)state;
	fixture_stripes(0, 4, MIB, stripes);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct chunk_spec spec = bad[i].spec;

		spec.stripes = stripes;
		assert_int_equal(chunk_map_add(volume, &spec), -ERR_CORRUPT);
		assert_non_null(strstr(err_text(-ERR_CORRUPT), bad[i].words));
	}
	assert_null(chunk_map_next(volume, 0));
	assert_int_equal(volume_device_at(volume, 0)->used_bytes, 0);
	volume_free(volume);
}

static void test_chunk_map__refuses_stripes_in_bad_places(void **state)
{
	struct volume *volume = fixture_volume(2);
	struct stripe stripes[2];
	struct chunk_spec spec = { MIB, MIB, RAID(1), 2, 1, stripes };

	(void)state;
	fixture_stripes(0, 2, MIB, stripes);
	stripes[1].at.at += 512;
	assert_int_equal(chunk_map_add(volume, &spec), -ERR_CORRUPT);
	stripes[1].at = PHYS(FIXTURE_DEVICE_BYTES - MIB + 4096);
	assert_int_equal(chunk_map_add(volume, &spec), -ERR_CORRUPT);
	assert_non_null(strstr(err_text(-ERR_CORRUPT), "behind the end"));
	stripes[1].at = PHYS(UINT64_MAX - 4095);
	stripes[1].devid = 77; /* not known: only the sum can be judged */
	assert_int_equal(chunk_map_add(volume, &spec), -ERR_CORRUPT);
	stripes[1].devid = 1;
	stripes[1].at = PHYS(2 * MIB - 4096);
	assert_int_equal(chunk_map_add(volume, &spec), -ERR_CORRUPT);
	assert_non_null(strstr(err_text(-ERR_CORRUPT), "on each other"));
	stripes[1].at = PHYS(2 * MIB);
	assert_int_equal(chunk_map_add(volume, &spec), 0);
	volume_free(volume);
}

static void test_chunk_map__accounts_what_devices_give(void **state)
{
	struct volume *volume = fixture_volume(4);
	struct device *late;

	(void)state;
	/* RAID10 over 6: two thirds of the length per pair; devices 5 and 6 are not there yet. */
	assert_int_equal(fixture_chunk(volume, 0, 3 * MIB, BTRFS_BLOCK_GROUP_RAID10, 6, MIB), 0);
	assert_int_equal(chunk_stripe_bytes(chunk_map_find(volume, 0)), MIB);
	assert_int_equal(fixture_chunk(volume, 4 * MIB, MIB, BTRFS_BLOCK_GROUP_DUP, 2, 64 * MIB),
			 0);
	assert_int_equal(volume_device_find(volume, 1)->used_bytes, 3 * MIB);
	assert_int_equal(volume_device_find(volume, 2)->used_bytes, MIB);
	assert_int_equal(device_mem_new("late", MIB, &late), 0);
	assert_int_equal(volume_add_device(volume, 5, fixture_uuid, late, FIXTURE_DEVICE_BYTES), 0);
	assert_int_equal(volume_device_find(volume, 5)->used_bytes, MIB);
	assert_int_equal(chunk_map_remove(volume, 4 * MIB), 0);
	assert_int_equal(volume_device_find(volume, 1)->used_bytes, MIB);
	assert_int_equal(chunk_map_remove(volume, 0), 0);
	for (unsigned i = 0; i < volume_nr_devices(volume); i++)
		assert_int_equal(volume_device_at(volume, i)->used_bytes, 0);
	volume_free(volume);
}

static void test_chunk_map__trims_by_whole_rows(void **state)
{
	struct volume *volume = fixture_volume(4);

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_RAID10, 4, MIB), 0);
	assert_int_equal(chunk_map_trim(volume, 0, 64 * KIB), -ERR_CORRUPT);
	assert_int_equal(chunk_map_trim(volume, 0, 0), -ERR_CORRUPT);
	assert_int_equal(chunk_map_trim(volume, 0, 2 * MIB), -ERR_INVALID);
	assert_int_equal(chunk_map_trim(volume, 4096, 4096), -ERR_NO_MAPPING);
	assert_int_equal(chunk_map_trim(volume, 0, 256 * KIB), 0);
	assert_int_equal(chunk_map_find(volume, 0)->len_bytes, 256 * KIB);
	assert_null(chunk_map_find(volume, 256 * KIB));
	assert_int_equal(volume_device_find(volume, 4)->used_bytes, 128 * KIB);
	volume_free(volume);
}

static void test_chunk_map__stripe_bytes_of_parity(void **state)
{
	struct volume *volume = fixture_volume(5);
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, 4 * MIB, BTRFS_BLOCK_GROUP_RAID5, 5, MIB), 0);
	assert_int_equal(chunk_stripe_bytes(chunk_map_find(volume, 0)), MIB);
	assert_int_equal(
		fixture_chunk(volume, 8 * MIB, 3 * MIB, BTRFS_BLOCK_GROUP_RAID6, 5, 256 * MIB), 0);
	assert_int_equal(chunk_stripe_bytes(chunk_map_find(volume, 8 * MIB)), MIB);
	assert_int_equal(volume_read(volume, 0, &byte, 1, 0), 0);
	assert_int_equal(volume_write(volume, 0, &byte, 1), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err_text(-ERR_UNSUPPORTED), "RAID5"));
	assert_int_equal(volume_write(volume, 8 * MIB, &byte, 1), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err_text(-ERR_UNSUPPORTED), "RAID6"));
	volume_free(volume);
}

#define CHURNERS 3

struct churner {
	struct volume *volume;
	uint64_t logical;
	pthread_t thread;
};

/* Adds, uses and removes a chunk of its own while the others do the same. */
static void *churner_run(void *arg)
{
	struct churner *churner = arg;

	for (unsigned round = 0; round < 200; round++) {
		struct stripe stripe = { .devid = 1, .at = PHYS(MIB + churner->logical) };
		struct chunk_spec spec = { churner->logical, MIB, DATA, 1, 1, &stripe };
		uint64_t seen = 0, data = churner->logical + round;

		if (chunk_map_add(churner->volume, &spec) < 0 ||
		    volume_write(churner->volume, churner->logical + 4096, &data, 8) < 0 ||
		    volume_read(churner->volume, churner->logical + 4096, &seen, 8, 1) < 0 ||
		    seen != data || chunk_map_remove(churner->volume, churner->logical) < 0)
			return churner;
	}
	return NULL;
}

static void test_chunk_map__takes_several_threads(void **state)
{
	struct volume *volume = fixture_volume(1);
	struct churner churners[CHURNERS];

	(void)state;
	for (unsigned i = 0; i < CHURNERS; i++) {
		churners[i].volume = volume;
		churners[i].logical = i * MIB;
		pthread_create(&churners[i].thread, NULL, churner_run, &churners[i]);
	}
	for (unsigned i = 0; i < CHURNERS; i++) {
		void *failed = NULL;

		pthread_join(churners[i].thread, &failed);
		assert_null(failed);
	}
	assert_int_equal(volume_device_at(volume, 0)->used_bytes, 0);
	volume_free(volume);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunk_map__finds_by_any_byte),
		cmocka_unit_test(test_chunk_map__refuses_overlap),
		cmocka_unit_test(test_chunk_map__refuses_what_no_chunk_is),
		cmocka_unit_test(test_chunk_map__refuses_stripes_in_bad_places),
		cmocka_unit_test(test_chunk_map__accounts_what_devices_give),
		cmocka_unit_test(test_chunk_map__trims_by_whole_rows),
		cmocka_unit_test(test_chunk_map__stripe_bytes_of_parity),
		cmocka_unit_test(test_chunk_map__takes_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
