/*
 * Writing: what goes in as any row of parts comes back from each mirror, byte by byte, at the place
 * that the map tells; nothing else changes; little is written per device call; failures are told.
 */
#include "volume/volume_fixture.h"

#include "base/fault.h"
#include "base/mem.h"

#define TWO_CHUNKS (2 * FIXTURE_CHUNK_BYTES)
#define MAX_PARTS 400

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* Cuts len bytes into parts of odd sizes, some of them empty. */
static int cut(uint8_t *data, size_t len, uint64_t *seed, struct iovec *ret_parts)
{
	int nr = 0;

	while (len && nr < MAX_PARTS - 1) {
		size_t part = nr % 9 == 8 ? 0 : next_random(seed) % 9000;

		part = MIN(part, len);
		ret_parts[nr++] = (struct iovec){ data, part };
		data += part;
		len -= part;
	}
	ret_parts[nr++] = (struct iovec){ data, len };
	return nr;
}

/* Reads a byte by the map, past the code that reads. */
static uint8_t raw_byte(struct volume *volume, uint64_t logical, unsigned mirror)
{
	uint64_t devid;
	struct phys at;
	uint8_t byte;

	assert_int_equal(volume_map(volume, logical, mirror, &devid, &at), 0);
	assert_int_equal(device_read(volume_device_find(volume, devid)->device, at, &byte, 1), 0);
	return byte;
}

static void check_shape(const struct fixture_shape *shape)
{
	static uint8_t model[TWO_CHUNKS], data[TWO_CHUNKS], seen[TWO_CHUNKS];
	struct volume *volume = fixture_volume(6);
	struct iovec parts[MAX_PARTS];
	uint64_t logical = 5 * MIB + 4096, seed = 42;

	memset(model, 0, sizeof(model));
	/* Two chunks that touch: a write goes over the seam. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fixture_chunk(volume, logical + i * FIXTURE_CHUNK_BYTES,
					       FIXTURE_CHUNK_BYTES, shape->profile,
					       shape->nr_stripes, (1 + i * 200) * MIB),
				 0);
	for (unsigned round = 0; round < 25; round++) {
		uint64_t at = next_random(&seed) % TWO_CHUNKS;
		uint64_t len = next_random(&seed) % TWO_CHUNKS;

		len = MIN(len, TWO_CHUNKS - at);
		fixture_fill(data, len, round);
		assert_int_equal(volume_writev(volume, logical + at, parts,
					       cut(data, len, &seed, parts)),
				 0);
		memcpy(model + at, data, len);
	}
	for (unsigned mirror = 0; mirror <= volume_nr_mirrors(volume, logical); mirror++) {
		assert_int_equal(volume_read(volume, logical, seen, TWO_CHUNKS, mirror), 0);
		assert_memory_equal(seen, model, TWO_CHUNKS);
		for (uint64_t at = 0; mirror && at < TWO_CHUNKS; at += 4001)
			assert_int_equal(raw_byte(volume, logical + at, mirror), model[at]);
	}
	volume_free(volume);
}

static void test_raid_write__comes_back_from_each_mirror(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fixture_shapes); i++)
		check_shape(&fixture_shapes[i]);
}

/* A volume of one chunk over devices that record. */
static struct volume *recorded_volume(uint64_t profile, unsigned nr_stripes,
				      struct device **ret_records)
{
	struct volume *volume;

	assert_int_equal(volume_new(&volume), 0);
	for (unsigned i = 0; i < nr_stripes; i++) {
		struct device *lower;

		assert_int_equal(device_mem_new("ram", FIXTURE_DEVICE_BYTES, &lower), 0);
		assert_int_equal(device_record_new(lower, &ret_records[i]), 0);
		assert_int_equal(volume_add_device(volume, i + 1, fixture_uuid, ret_records[i],
						   FIXTURE_DEVICE_BYTES),
				 0);
	}
	assert_int_equal(fixture_chunk(volume, 0, 12 * MIB, profile, nr_stripes, MIB), 0);
	return volume;
}

static void test_raid_write__neighbours_on_a_device_go_down_together(void **state)
{
	uint8_t *data = mem_zalloc(2 * MIB);
	struct device *records[4];
	struct volume *volume;

	(void)state;
	assert_non_null(data);
	volume = recorded_volume(BTRFS_BLOCK_GROUP_RAID10, 4, records);
	assert_int_equal(volume_write(volume, 0, data, 2 * MIB), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(device_record_nr(records[i]), 1);
		assert_int_equal(device_record_at(records[i], 0)->len, MIB);
	}
	volume_free(volume);
	mem_free(data);
}

/* The hot path: the caller's parts go down as they are, in one call per mirror. */
static void test_raid_write__one_stretch_is_one_call(void **state)
{
	uint8_t *data = mem_zalloc(MIB);
	struct device *records[2];
	struct volume *volume;
	struct iovec parts[256];

	(void)state;
	assert_non_null(data);
	for (unsigned i = 0; i < 256; i++)
		parts[i] = (struct iovec){ data + i * 4096, 4096 };
	volume = recorded_volume(BTRFS_BLOCK_GROUP_RAID1, 2, records);
	assert_int_equal(volume_writev(volume, 4096, parts, 256), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(device_record_nr(records[i]), 1);
		assert_int_equal(device_record_at(records[i], 0)->len, MIB);
	}
	volume_free(volume);
	mem_free(data);
}

static void test_raid_write__one_stretch_takes_no_memory(void **state)
{
	uint8_t *data = mem_zalloc(MIB);
	struct volume *volume = fixture_volume(1);
	struct iovec parts[256];

	(void)state;
	assert_non_null(data);
	for (unsigned i = 0; i < 256; i++)
		parts[i] = (struct iovec){ data + i * 4096, 4096 };
	assert_int_equal(fixture_chunk(volume, 0, 8 * MIB, BTRFS_BLOCK_GROUP_DUP, 2, MIB), 0);
	/* The first time, the memory device makes its pages. */
	assert_int_equal(volume_writev(volume, 4096, parts, 256), 0);
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(volume_writev(volume, 4096, parts, 256), 0);
	assert_int_equal(fault_hits(FAULT_ALLOC), 0);
	volume_free(volume);
	mem_free(data);
}

static void test_raid_write__refuses_a_missing_device_by_name(void **state)
{
	struct volume *volume = fixture_volume(1);
	uint8_t byte = 1;

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_RAID1, 2, MIB), 0);
	assert_int_equal(volume_write(volume, 0, &byte, 1), -ERR_DEVICE_IO);
	assert_non_null(strstr(err_text(-ERR_DEVICE_IO), "device 2, which is missing"));
	assert_int_equal(volume_add_device(volume, 2, fixture_uuid, NULL, TIB), 0);
	assert_int_equal(volume_write(volume, 0, &byte, 1), -ERR_DEVICE_IO);
	volume_free(volume);
}

static void test_raid_write__tells_the_nth_device_that_fails(void **state)
{
	static uint8_t data[512 * KIB];
	struct volume *volume;
	uint64_t nth = 0;
	int err;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	for (unsigned devid = 1; devid <= 4; devid++) {
		struct device *lower, *fault;

		assert_int_equal(device_mem_new("ram", FIXTURE_DEVICE_BYTES, &lower), 0);
		assert_int_equal(device_fault_new(lower, &fault), 0);
		assert_int_equal(volume_add_device(volume, devid, fixture_uuid, fault,
						   FIXTURE_DEVICE_BYTES),
				 0);
	}
	assert_int_equal(fixture_chunk(volume, 0, MIB, BTRFS_BLOCK_GROUP_RAID10, 4, MIB), 0);
	do {
		fault_arm(FAULT_DEVICE_WRITE, ++nth);
		err = volume_write(volume, 0, data, sizeof(data));
		assert_true(err == 0 || err == -ERR_FAULT_INJECTED);
	} while (err < 0);
	/* Two columns, two mirrors: the fifth write is one that does not come. */
	assert_int_equal(nth, 5);
	fault_arm(FAULT_DEVICE_WRITE, 0);
	volume_free(volume);
}

static void test_raid_write__refuses_what_no_chunk_holds(void **state)
{
	static uint8_t data[8192];
	struct volume *volume = fixture_volume(1);

	(void)state;
	assert_int_equal(fixture_chunk(volume, MIB, MIB, 0, 1, MIB), 0);
	assert_int_equal(volume_write(volume, 2 * MIB - 4096, data, 8192), -ERR_NO_MAPPING);
	assert_non_null(strstr(err_text(-ERR_NO_MAPPING), "2097152"));
	assert_int_equal(volume_write(volume, 0, data, 1), -ERR_NO_MAPPING);
	assert_int_equal(volume_write(volume, UINT64_MAX - 5, data, 100), -ERR_NO_MAPPING);
	assert_int_equal(volume_writev(volume, 0, NULL, 0), 0);
	volume_free(volume);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raid_write__comes_back_from_each_mirror),
		cmocka_unit_test(test_raid_write__neighbours_on_a_device_go_down_together),
		cmocka_unit_test(test_raid_write__one_stretch_is_one_call),
		cmocka_unit_test(test_raid_write__one_stretch_takes_no_memory),
		cmocka_unit_test(test_raid_write__refuses_a_missing_device_by_name),
		cmocka_unit_test(test_raid_write__tells_the_nth_device_that_fails),
		cmocka_unit_test(test_raid_write__refuses_what_no_chunk_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
