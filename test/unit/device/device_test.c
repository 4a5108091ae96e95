/*
 * The dispatch of devices: what it refuses before a kind is asked, and the words it uses.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "device/device.h"

static struct device *make(uint64_t size_bytes)
{
	struct device *device = NULL;

	assert_int_equal(device_mem_new("ram0", size_bytes, &device), 0);
	return device;
}

static void test_device__refuses_what_lies_beyond_the_end(void **state)
{
	struct device *device = make(8192);
	uint8_t data[4096] = { 0 };

	(void)state;
	assert_int_equal(device_write(device, PHYS(4096), data, 4096), 0);
	assert_int_equal(device_write(device, PHYS(4097), data, 4096), -ERR_DEVICE_RANGE);
	assert_non_null(strstr(err_text(-ERR_DEVICE_RANGE), "ram0"));
	assert_non_null(strstr(err_text(-ERR_DEVICE_RANGE), "4096 bytes at 4097"));
	assert_int_equal(device_read(device, PHYS(8193), data, 0), -ERR_DEVICE_RANGE);
	assert_int_equal(device_read(device, PHYS(8192), data, 0), 0);
	/* An address near the end of all numbers must not wrap into the device. */
	assert_int_equal(device_read(device, PHYS(UINT64_MAX - 10), data, 4096), -ERR_DEVICE_RANGE);
	assert_int_equal(device_discard(device, PHYS(4096), UINT64_MAX - 1), -ERR_DEVICE_RANGE);
	device_free(device);
}

static void test_device__read_only_refuses_every_change(void **state)
{
	struct device *device = make(8192);
	uint8_t data[16] = { 0 };

	(void)state;
	device->read_only = true;
	assert_int_equal(device_write(device, PHYS(0), data, sizeof(data)), -ERR_READ_ONLY);
	assert_non_null(strstr(err_text(-ERR_READ_ONLY), "ram0"));
	assert_int_equal(device_discard(device, PHYS(0), 4096), -ERR_READ_ONLY);
	assert_int_equal(device_resize(device, 4096), -ERR_READ_ONLY);
	assert_int_equal(device_read(device, PHYS(0), data, sizeof(data)), 0);
	assert_int_equal(device_flush(device), 0);
	device_free(device);
}

static void test_device__resize_moves_the_end(void **state)
{
	struct device *device = make(4096);
	uint8_t data[16] = { 1 };

	(void)state;
	assert_int_equal(device_resize(device, 8192), 0);
	assert_int_equal(device->size_bytes, 8192);
	assert_int_equal(device_write(device, PHYS(8000), data, sizeof(data)), 0);
	device->resizable = false;
	assert_int_equal(device_resize(device, 4096), -ERR_UNSUPPORTED);
	assert_int_equal(device->size_bytes, 8192);
	device_free(device);
}

static void test_device__writes_parts_back_to_back(void **state)
{
	struct device *device = make(4096);
	char one[] = "ab", two[] = "cdef", read_back[8] = { 0 };
	struct iovec parts[] = { { one, 2 }, { NULL, 0 }, { two, 4 } };

	(void)state;
	assert_int_equal(device_writev(device, PHYS(100), parts, 3), 0);
	assert_int_equal(device_read(device, PHYS(99), read_back, 8), 0);
	assert_memory_equal(read_back, "\0abcdef\0", 8);
	assert_int_equal(device_writev(device, PHYS(100), NULL, 0), 0);
	device_free(device);
}

static void test_device__free_takes_null(void **state)
{
	(void)state;
	device_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device__refuses_what_lies_beyond_the_end),
		cmocka_unit_test(test_device__read_only_refuses_every_change),
		cmocka_unit_test(test_device__resize_moves_the_end),
		cmocka_unit_test(test_device__writes_parts_back_to_back),
		cmocka_unit_test(test_device__free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
