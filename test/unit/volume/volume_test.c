/*
 * The set of devices, the flush of all of them, and several threads at once.
 */
#include "volume/volume_fixture.h"

#include <pthread.h>

#include "base/fault.h"
#include "base/mem.h"

static void test_volume__devices_stand_in_order(void **state)
{
	static const uint64_t devids[] = { 5, 1, 9, 2 }, in_order[] = { 1, 2, 5, 9 };
	struct volume *volume;
	struct device *device;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	for (size_t i = 0; i < ARRAY_LEN(devids); i++) {
		assert_int_equal(device_mem_new("ram", MIB, &device), 0);
		assert_int_equal(volume_add_device(volume, devids[i], fixture_uuid, device, MIB),
				 0);
	}
	assert_int_equal(volume_nr_devices(volume), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(volume_device_at(volume, i)->devid, in_order[i]);
	assert_null(volume_device_at(volume, 4));
	assert_int_equal(volume_device_find(volume, 9)->devid, 9);
	assert_memory_equal(volume_device_find(volume, 9)->uuid, fixture_uuid, 16);
	assert_null(volume_device_find(volume, 3));
	assert_int_equal(device_mem_new("ram", MIB, &device), 0);
	assert_int_equal(volume_add_device(volume, 5, fixture_uuid, device, MIB), -ERR_EXISTS);
	/* Refused: still ours. */
	device_free(device);
	volume_free(volume);
}

/* One writer for each device that is here, when any of them takes only one; else any number. */
static void test_volume__tells_how_many_may_write(void **state)
{
	struct device *file = NULL, *lower, *device;
	struct volume *volume;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	for (unsigned devid = 1; devid <= 2; devid++) {
		assert_int_equal(device_mem_new("ram", MIB, &device), 0);
		assert_int_equal(volume_add_device(volume, devid, fixture_uuid, device, MIB), 0);
	}
	assert_int_equal(volume_add_device(volume, 3, fixture_uuid, NULL, MIB), 0);
	assert_int_equal(volume_nr_writers(volume), 0);
	/* A device that stands on another is as that one. */
	assert_int_equal(device_mem_new("file", MIB, &lower), 0);
	lower->one_writer = true;
	assert_int_equal(device_fault_new(lower, &file), 0);
	assert_int_equal(volume_add_device(volume, 4, fixture_uuid, file, MIB), 0);
	assert_int_equal(volume_nr_writers(volume), 3);
	volume_free(volume);
}

static void test_volume__has_a_limit(void **state)
{
	struct volume *volume;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	for (unsigned devid = 1; devid <= VOLUME_MAX_DEVICES; devid++)
		assert_int_equal(volume_add_device(volume, devid, fixture_uuid, NULL, MIB), 0);
	assert_int_equal(volume_add_device(volume, 5000, fixture_uuid, NULL, MIB), -ERR_LIMIT);
	volume_free(volume);
}

static void test_volume__flushes_all_and_tells_the_first_failure(void **state)
{
	struct device *records[3], *lower, *fault;
	struct volume *volume;

	(void)state;
	assert_int_equal(volume_new(&volume), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(device_mem_new(i == 1 ? "second" : "ram", MIB, &lower), 0);
		assert_int_equal(device_fault_new(lower, &fault), 0);
		assert_int_equal(device_record_new(fault, &records[i]), 0);
		assert_int_equal(volume_add_device(volume, i + 1, fixture_uuid, records[i], MIB),
				 0);
	}
	fault_arm(FAULT_DEVICE_FLUSH, 2);
	assert_int_equal(volume_flush(volume), -ERR_FAULT_INJECTED);
	assert_non_null(strstr(err_text(-ERR_FAULT_INJECTED), "second"));
	assert_int_equal(device_record_nr(records[0]), 1);
	assert_int_equal(device_record_nr(records[1]), 0);
	assert_int_equal(device_record_nr(records[2]), 1);
	fault_arm(FAULT_DEVICE_FLUSH, 0);
	assert_int_equal(volume_flush(volume), 0);
	volume_free(volume);
}

static void test_volume__memory_may_end_at_any_call(void **state)
{
	struct volume *volume = NULL;
	uint64_t nth = 0;

	(void)state;
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(volume_new(&volume), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
	volume = fixture_volume(1);
	do {
		fault_arm(FAULT_ALLOC, ++nth);
	} while (volume_add_device(volume, 2, fixture_uuid, NULL, MIB) < 0);
	assert_int_equal(nth, 2);
	nth = 0;
	do {
		fault_arm(FAULT_ALLOC, ++nth);
	} while (fixture_chunk(volume, 0, MIB, 0, 1, MIB) < 0);
	assert_int_equal(nth, 2);
	fault_arm(FAULT_ALLOC, 0);
	volume_free(volume);
}

struct worker {
	struct volume *volume;
	uint64_t logical;
	pthread_t thread;
};

#define WORKER_BYTES (256 * KIB)

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	uint8_t *data = mem_alloc(WORKER_BYTES), *seen = mem_alloc(WORKER_BYTES);
	void *failed = NULL;

	for (unsigned round = 0; round < 10 && !failed; round++) {
		fixture_fill(data, WORKER_BYTES, worker->logical + round);
		if (volume_write(worker->volume, worker->logical, data, WORKER_BYTES) < 0 ||
		    volume_read(worker->volume, worker->logical, seen, WORKER_BYTES, round % 3) <
			    0 ||
		    memcmp(data, seen, WORKER_BYTES) != 0 || volume_flush(worker->volume) < 0)
			failed = worker;
	}
	mem_free(data);
	mem_free(seen);
	return failed;
}

static void test_volume__takes_several_threads(void **state)
{
	struct volume *volume = fixture_volume(5);
	struct worker workers[4];

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, 4 * MIB, BTRFS_BLOCK_GROUP_RAID10, 4, MIB), 0);
	for (unsigned i = 0; i < 4; i++) {
		workers[i].volume = volume;
		workers[i].logical = i * (WORKER_BYTES + 4096) + 4096;
		pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
	}
	/* The map and the set grow meanwhile. */
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(fixture_chunk(volume, (8 + i) * MIB, MIB, 0, 1, (100 + i) * MIB),
				 0);
		assert_int_equal(volume_add_device(volume, 100 - i, fixture_uuid, NULL, MIB), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		void *failed = NULL;

		pthread_join(workers[i].thread, &failed);
		assert_null(failed);
	}
	volume_free(volume);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume__devices_stand_in_order),
		cmocka_unit_test(test_volume__tells_how_many_may_write),
		cmocka_unit_test(test_volume__has_a_limit),
		cmocka_unit_test(test_volume__flushes_all_and_tells_the_first_failure),
		cmocka_unit_test(test_volume__memory_may_end_at_any_call),
		cmocka_unit_test(test_volume__takes_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
