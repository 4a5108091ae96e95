/*
 * The fault device: the n-th call fails, does not reach the device below, and the others pass.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "device/device.h"

static struct device *make(struct device **ret_lower)
{
	struct device *device = NULL;

	assert_int_equal(device_mem_new("ram", MIB, ret_lower), 0);
	assert_int_equal(device_fault_new(*ret_lower, &device), 0);
	assert_string_equal(device->name, "ram");
	assert_int_equal(device->size_bytes, MIB);
	return device;
}

static void test_device_fault__fails_the_nth_write_and_no_other(void **state)
{
	struct device *lower, *device = make(&lower);
	uint8_t data[] = { 1, 2, 3 }, seen[3];

	(void)state;
	fault_arm(FAULT_DEVICE_WRITE, 2);
	assert_int_equal(device_write(device, PHYS(0), &data[0], 1), 0);
	assert_int_equal(device_write(device, PHYS(1), &data[1], 1), -ERR_FAULT_INJECTED);
	assert_non_null(strstr(err_text(-ERR_FAULT_INJECTED), "ram"));
	assert_int_equal(device_write(device, PHYS(2), &data[2], 1), 0);
	assert_true(fault_fired(FAULT_DEVICE_WRITE));
	assert_int_equal(device_read(lower, PHYS(0), seen, 3), 0);
	assert_memory_equal(seen, "\1\0\3", 3);
	fault_arm(FAULT_DEVICE_WRITE, 0);
	device_free(device);
}

static void test_device_fault__reads_and_flushes_have_points_too(void **state)
{
	struct device *lower, *device = make(&lower);
	uint8_t byte;

	(void)state;
	fault_arm(FAULT_DEVICE_READ, 1);
	assert_int_equal(device_read(device, PHYS(0), &byte, 1), -ERR_FAULT_INJECTED);
	assert_int_equal(device_read(device, PHYS(0), &byte, 1), 0);
	fault_arm_from(FAULT_DEVICE_FLUSH, 2);
	assert_int_equal(device_flush(device), 0);
	assert_int_equal(device_flush(device), -ERR_FAULT_INJECTED);
	assert_int_equal(device_flush(device), -ERR_FAULT_INJECTED);
	fault_arm(FAULT_DEVICE_READ, 0);
	fault_arm(FAULT_DEVICE_FLUSH, 0);
	device_free(device);
}

static void test_device_fault__passes_size_and_discard_down(void **state)
{
	struct device *lower, *device = make(&lower);
	uint8_t byte = 5;

	(void)state;
	assert_int_equal(device_resize(device, 2 * MIB), 0);
	assert_int_equal(lower->size_bytes, 2 * MIB);
	assert_int_equal(device->size_bytes, 2 * MIB);
	assert_int_equal(device_write(device, PHYS(MIB), &byte, 1), 0);
	assert_int_equal(device_discard(device, PHYS(MIB), 1), 0);
	assert_int_equal(device_read(device, PHYS(MIB), &byte, 1), 0);
	assert_int_equal(byte, 0);
	device_free(device);
}

static void test_device_fault__making_one_can_run_out_of_memory(void **state)
{
	struct device *lower, *device = NULL;

	(void)state;
	assert_int_equal(device_mem_new("ram", MIB, &lower), 0);
	for (uint64_t nth = 1; nth <= 2; nth++) {
		fault_arm(FAULT_ALLOC, nth);
		assert_int_equal(device_fault_new(lower, &device), -ERR_NO_MEMORY);
		assert_null(device);
	}
	fault_arm(FAULT_ALLOC, 0);
	/* Still the caller's. */
	device_free(lower);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_fault__fails_the_nth_write_and_no_other),
		cmocka_unit_test(test_device_fault__reads_and_flushes_have_points_too),
		cmocka_unit_test(test_device_fault__passes_size_and_discard_down),
		cmocka_unit_test(test_device_fault__making_one_can_run_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
