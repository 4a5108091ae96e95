/*
 * The memory device against a plain array, and its promise to stay sparse.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/mem.h"
#include "device/device.h"

#define MODEL_BYTES (5 * 65536 + 4096)

/* A small generator: the test must be the same on every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static void test_device_mem__equals_a_plain_array(void **state)
{
	static uint8_t model[MODEL_BYTES], seen[MODEL_BYTES], data[100000];
	struct device *device;
	uint64_t seed = 1;

	(void)state;
	assert_int_equal(device_mem_new("ram", MODEL_BYTES, &device), 0);
	for (int round = 0; round < 400; round++) {
		uint64_t at = next_random(&seed) % MODEL_BYTES;
		uint64_t len = next_random(&seed) % sizeof(data);

		len = MIN(len, MODEL_BYTES - at);
		if (round % 5 == 4) {
			assert_int_equal(device_discard(device, PHYS(at), len), 0);
			memset(model + at, 0, len);
			continue;
		}
		memset(data, (int)(round + 1), len);
		assert_int_equal(device_write(device, PHYS(at), data, len), 0);
		memcpy(model + at, data, len);
	}
	assert_int_equal(device_read(device, PHYS(0), seen, MODEL_BYTES), 0);
	assert_memory_equal(seen, model, MODEL_BYTES);
	device_free(device);
}

static void test_device_mem__shrunk_and_grown_again_reads_zeroes(void **state)
{
	uint8_t data[8192], zeroes[8192] = { 0 };
	struct device *device;

	(void)state;
	memset(data, 7, sizeof(data));
	assert_int_equal(device_mem_new("ram", 8192, &device), 0);
	assert_int_equal(device_write(device, PHYS(0), data, sizeof(data)), 0);
	assert_int_equal(device_resize(device, 100), 0);
	assert_int_equal(device_resize(device, 8192), 0);
	assert_int_equal(device_read(device, PHYS(0), data, sizeof(data)), 0);
	assert_int_equal(data[99], 7);
	assert_memory_equal(data + 100, zeroes, sizeof(data) - 100);
	device_free(device);
}

static void test_device_mem__is_sparse_at_any_size(void **state)
{
	uint8_t data[100], seen[100];
	struct device *device;

	(void)state;
	memset(data, 9, sizeof(data));
	assert_int_equal(device_mem_new("ram", 1000 * TIB, &device), 0);
	assert_int_equal(device_write(device, PHYS(999 * TIB), data, sizeof(data)), 0);
	assert_int_equal(device_read(device, PHYS(999 * TIB), seen, sizeof(seen)), 0);
	assert_memory_equal(seen, data, sizeof(data));
	assert_int_equal(device_discard(device, PHYS(0), 1000 * TIB), 0);
	assert_int_equal(device_read(device, PHYS(999 * TIB), seen, sizeof(seen)), 0);
	assert_int_equal(seen[0], 0);
	device_free(device);
}

static void test_device_mem__tells_when_memory_ends(void **state)
{
	uint8_t data[16] = { 0 };
	struct device *device;

	(void)state;
	for (uint64_t nth = 1;; nth++) {
		int err;

		fault_arm(FAULT_ALLOC, nth);
		err = device_mem_new("ram", MIB, &device);
		if (err >= 0)
			break;
		assert_int_equal(err, -ERR_NO_MEMORY);
	}
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(device_write(device, PHYS(0), data, sizeof(data)), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(device_write(device, PHYS(0), data, sizeof(data)), 0);
	device_free(device);
}

struct writer {
	struct device *device;
	uint8_t mark;
};

/* Each writer has every eighth sector of its own; neighbours share pages. */
static void *writer_run(void *arg)
{
	struct writer *writer = arg;
	uint8_t data[4096], seen[4096];

	memset(data, writer->mark, sizeof(data));
	for (uint64_t i = 0; i < 200; i++) {
		struct phys at = PHYS((i * 8 + writer->mark) * 4096);

		if (device_write(writer->device, at, data, 4096) < 0 ||
		    device_read(writer->device, at, seen, 4096) < 0 ||
		    memcmp(data, seen, 4096) != 0)
			return writer;
	}
	return NULL;
}

static void test_device_mem__takes_several_threads(void **state)
{
	struct device *device;
	struct writer writers[4];
	pthread_t threads[4];

	(void)state;
	assert_int_equal(device_mem_new("ram", 16 * MIB, &device), 0);
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
		writers[i] = (struct writer){ device, (uint8_t)i };
		pthread_create(&threads[i], NULL, writer_run, &writers[i]);
	}
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
		void *failed = NULL;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	device_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_mem__equals_a_plain_array),
		cmocka_unit_test(test_device_mem__shrunk_and_grown_again_reads_zeroes),
		cmocka_unit_test(test_device_mem__is_sparse_at_any_size),
		cmocka_unit_test(test_device_mem__tells_when_memory_ends),
		cmocka_unit_test(test_device_mem__takes_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
