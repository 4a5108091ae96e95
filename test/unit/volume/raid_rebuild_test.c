/*
 * RAID5 and RAID6 against a model that lays out rows by hand and multiplies bit by bit: every
 * geometry up to 7 devices, every byte by every mirror, every combination of devices that may fail,
 * missing or full of noise.
 */
#include "volume/volume_fixture.h"

#include "base/mem.h"
#include "base/rng.h"

#define UNIT 65536u
#define MAX_STRIPES 7u
#define ROWS 8u /* more than stripes: the columns have gone all the way round */
#define LOGICAL (7 * MIB + 12288)
#define STRIPE_AT (5 * MIB)

struct array {
	uint64_t profile;
	unsigned nr_stripes, nr_data;
	size_t len;    /* of the chunk */
	uint8_t *data; /* what stands in it */
	struct volume *volume;
};

static uint8_t slow_double(uint8_t value)
{
	return (uint8_t)(value << 1 ^ (value & 0x80 ? 0x1d : 0));
}

/* The unit of P (power = 1) or Q (power = 2) of a row of data units. */
static void slow_parity(const uint8_t *row, unsigned nr_data, bool is_q, uint8_t *ret_unit)
{
	for (unsigned at = 0; at < UNIT; at++) {
		uint8_t sum = 0;

		for (unsigned i = nr_data; i-- > 0;)
			sum = (uint8_t)((is_q ? slow_double(sum) : sum) ^
					row[(size_t)i * UNIT + at]);
		ret_unit[at] = sum;
	}
}

static void stripe_write(struct array *array, unsigned stripe, unsigned row, const uint8_t *unit)
{
	struct volume_device *device = volume_device_find(array->volume, stripe + 1);
	/* As fixture_stripes lays them. */
	uint64_t at = STRIPE_AT + stripe * 16 * MIB + (uint64_t)row * UNIT;

	assert_non_null(device);
	assert_int_equal(device_write(device->device, PHYS(at), unit, UNIT), 0);
}

static struct volume *array_volume(uint64_t profile, unsigned nr_stripes, size_t len)
{
	struct volume *volume = fixture_volume(nr_stripes);
	struct stripe stripes[MAX_STRIPES];
	struct chunk_spec spec = { .logical = LOGICAL,
				   .len_bytes = len,
				   .flags = BTRFS_BLOCK_GROUP_DATA | profile,
				   .nr_stripes = (uint16_t)nr_stripes,
				   .sub_stripes = 1,
				   .stripes = stripes };

	fixture_stripes(profile, nr_stripes, STRIPE_AT, stripes);
	assert_int_equal(chunk_map_add(volume, &spec), 0);
	return volume;
}

/* Each row begins one stripe further than the last: data, P, Q. */
static void array_init(struct array *array, uint64_t profile, unsigned nr_stripes)
{
	bool has_q = profile == BTRFS_BLOCK_GROUP_RAID6;
	uint8_t *unit = mem_alloc(UNIT);
	unsigned first = 0;

	assert_non_null(unit);
	array->profile = profile;
	array->nr_stripes = nr_stripes;
	array->nr_data = nr_stripes - (has_q ? 2 : 1);
	array->len = (size_t)ROWS * array->nr_data * UNIT;
	array->data = mem_alloc(array->len);
	assert_non_null(array->data);
	fixture_fill(array->data, array->len, nr_stripes);
	array->volume = array_volume(profile, nr_stripes, array->len);
	for (unsigned row = 0; row < ROWS; row++) {
		const uint8_t *data = array->data + (size_t)row * array->nr_data * UNIT;
		unsigned stripe = first;

		for (unsigned i = 0; i < nr_stripes; i++) {
			const uint8_t *from = data + (size_t)i * UNIT;

			if (i >= array->nr_data) {
				slow_parity(data, array->nr_data, i > array->nr_data, unit);
				from = unit;
			}
			stripe_write(array, stripe, row, from);
			stripe = stripe + 1 == nr_stripes ? 0 : stripe + 1;
		}
		first = first + 1 == nr_stripes ? 0 : first + 1;
	}
	mem_free(unit);
}

static void array_fini(struct array *array)
{
	volume_free(array->volume);
	mem_free(array->data);
}

/* Runs body for every geometry. */
static void each_array(void (*body)(struct array *array))
{
	for (unsigned nr_stripes = 2; nr_stripes <= MAX_STRIPES; nr_stripes++) {
		struct array array;

		array_init(&array, BTRFS_BLOCK_GROUP_RAID5, nr_stripes);
		body(&array);
		array_fini(&array);
		if (nr_stripes < 3)
			continue;
		array_init(&array, BTRFS_BLOCK_GROUP_RAID6, nr_stripes);
		body(&array);
		array_fini(&array);
	}
}

static void check_mirrors(struct array *array)
{
	bool has_q = array->profile == BTRFS_BLOCK_GROUP_RAID6;
	unsigned nr_mirrors = volume_nr_mirrors(array->volume, LOGICAL);
	uint8_t *seen = mem_alloc(array->len);

	assert_non_null(seen);
	assert_int_equal(nr_mirrors, has_q ? array->nr_stripes : 2);
	for (unsigned mirror = 0; mirror <= nr_mirrors; mirror++) {
		memset(seen, 0, array->len);
		assert_int_equal(volume_read(array->volume, LOGICAL, seen, array->len, mirror), 0);
		assert_memory_equal(seen, array->data, array->len);
		/* Odd places and lengths too. */
		assert_int_equal(volume_read(array->volume, LOGICAL + 65000, seen, 1001, mirror),
				 0);
		assert_memory_equal(seen, array->data + 65000, 1001);
	}
	assert_int_equal(volume_read(array->volume, LOGICAL, seen, 1, nr_mirrors + 1),
			 -ERR_NO_MIRROR);
	mem_free(seen);
}

static void test_raid_rebuild__every_mirror_gives_the_bytes(void **state)
{
	(void)state;
	each_array(check_mirrors);
}

/* A device that may be away for a while. */
static struct device *device_take(struct array *array, unsigned stripe)
{
	struct volume_device *entry = volume_device_find(array->volume, stripe + 1);
	struct device *device = entry->device;

	entry->device = NULL;
	return device;
}

static void device_give(struct array *array, unsigned stripe, struct device *device)
{
	volume_device_find(array->volume, stripe + 1)->device = device;
}

static void check_missing(struct array *array)
{
	bool has_q = array->profile == BTRFS_BLOCK_GROUP_RAID6;
	uint8_t *seen = mem_alloc(array->len);

	assert_non_null(seen);
	for (unsigned one = 0; one < array->nr_stripes; one++) {
		struct device *first = device_take(array, one);

		for (unsigned other = one; other < array->nr_stripes; other++) {
			struct device *second = NULL;

			if (other != one && !has_q)
				break;
			if (other != one)
				second = device_take(array, other);
			memset(seen, 0, array->len);
			assert_int_equal(volume_read(array->volume, LOGICAL, seen, array->len, 0),
					 0);
			assert_memory_equal(seen, array->data, array->len);
			if (second)
				device_give(array, other, second);
		}
		device_give(array, one, first);
	}
	mem_free(seen);
}

static void test_raid_rebuild__devices_may_be_missing(void **state)
{
	(void)state;
	each_array(check_missing);
}

static void test_raid_rebuild__one_too_many_is_told(void **state)
{
	struct array array;
	uint8_t byte;

	(void)state;
	array_init(&array, BTRFS_BLOCK_GROUP_RAID5, 4);
	device_free(device_take(&array, 0));
	device_free(device_take(&array, 1));
	assert_int_equal(volume_read(array.volume, LOGICAL, &byte, 1, 0), -ERR_NO_MIRROR);
	assert_non_null(strstr(err_text(-ERR_NO_MIRROR), "none of 2 copies"));
	assert_int_equal(volume_read(array.volume, LOGICAL, &byte, 1, 2), -ERR_NO_MIRROR);
	assert_non_null(strstr(err_text(-ERR_NO_MIRROR), "device 2 is missing"));
	/* What does not lie on the lost ones can still be read. */
	assert_int_equal(volume_read(array.volume, LOGICAL + 2 * UNIT, &byte, 1, 0), 0);
	assert_int_equal(byte, array.data[2 * UNIT]);
	array_fini(&array);
}

/* Does some mirror give these bytes? As a reader with checksums looks for them. */
static bool some_mirror_is_good(struct array *array, size_t at, size_t len)
{
	unsigned nr_mirrors = volume_nr_mirrors(array->volume, LOGICAL + at);
	uint8_t seen[4096];

	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		if (volume_read(array->volume, LOGICAL + at, seen, len, mirror) == 0 &&
		    memcmp(seen, array->data + at, len) == 0)
			return true;
	}
	return false;
}

static void stripe_noise(struct array *array, unsigned stripe, struct rng *rng)
{
	uint8_t *unit = mem_alloc(UNIT);

	assert_non_null(unit);
	for (unsigned row = 0; row < ROWS; row++) {
		rng_fill(rng, unit, UNIT);
		stripe_write(array, stripe, row, unit);
	}
	mem_free(unit);
}

/* Noise on `one`; `other` is missing, or noise too, or (the same as one) fine. */
static void check_noise_on(struct array *array, unsigned one, unsigned other, bool missing)
{
	struct array fresh;
	struct rng rng;

	rng_init(&rng, one * 100 + other);
	array_init(&fresh, array->profile, array->nr_stripes);
	stripe_noise(&fresh, one, &rng);
	if (other != one && missing)
		device_free(device_take(&fresh, other));
	else if (other != one)
		stripe_noise(&fresh, other, &rng);
	for (size_t at = 0; at < fresh.len; at += 16 * KIB)
		assert_true(some_mirror_is_good(&fresh, at, 64));
	array_fini(&fresh);
}

static void check_noise(struct array *array)
{
	bool has_q = array->profile == BTRFS_BLOCK_GROUP_RAID6;

	/* The model is slow: narrow arrays have every case already. */
	if (array->nr_stripes > 4)
		return;
	for (unsigned one = 0; one < array->nr_stripes; one++) {
		check_noise_on(array, one, one, false);
		for (unsigned other = 0; has_q && other < array->nr_stripes; other++) {
			if (other == one)
				continue;
			check_noise_on(array, one, other, true);
			if (other > one)
				check_noise_on(array, one, other, false);
		}
	}
}

static void test_raid_rebuild__some_mirror_does_without_noise(void **state)
{
	(void)state;
	each_array(check_noise);
}

static void test_raid_rebuild__writing_is_refused(void **state)
{
	struct array array;

	(void)state;
	array_init(&array, BTRFS_BLOCK_GROUP_RAID6, 4);
	assert_int_equal(volume_write(array.volume, LOGICAL, "x", 1), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err_text(-ERR_UNSUPPORTED), "RAID6"));
	assert_int_equal(volume_clone(array.volume, LOGICAL, -1, 0, 4096), -ERR_UNSUPPORTED);
	assert_int_equal(volume_check_writable(array.volume), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err_text(-ERR_UNSUPPORTED), "RAID6"));
	array_fini(&array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raid_rebuild__every_mirror_gives_the_bytes),
		cmocka_unit_test(test_raid_rebuild__devices_may_be_missing),
		cmocka_unit_test(test_raid_rebuild__one_too_many_is_told),
		cmocka_unit_test(test_raid_rebuild__some_mirror_does_without_noise),
		cmocka_unit_test(test_raid_rebuild__writing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
