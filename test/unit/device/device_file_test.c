/*
 * The file device: opening and refusing, the lock, long rows of parts, holes, sizes. Works in a
 * directory of its own.
 */
#include "base/cmocka_all.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "device/device.h"

#define NEW_FILE (DEVICE_WRITE | DEVICE_CREATE)

static char folder[64];
static char path[96];

/*
 * Stands in front of libc's call: a host that is interrupted and writes less than it is asked
 * to.
 */
static size_t short_bytes; /* the most that one call writes; 0: no limit */
static bool interrupt_next;

ssize_t pwritev(int fd, const struct iovec *parts, int nr_parts, off_t at)
{
	size_t left = short_bytes ? short_bytes : SIZE_MAX, done = 0;

	if (interrupt_next || nr_parts > IOV_MAX) {
		errno = interrupt_next ? EINTR : EINVAL;
		interrupt_next = false;
		return -1;
	}
	for (int i = 0; i < nr_parts && left; i++) {
		ssize_t part = pwrite(fd, parts[i].iov_base, MIN(parts[i].iov_len, left), at);

		if (part < 0)
			return done ? (ssize_t)done : -1;
		done += (size_t)part;
		left -= (size_t)part;
		at += part;
		if ((size_t)part < parts[i].iov_len)
			break;
	}
	return (ssize_t)done;
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/device_file_test.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/disk.img", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static struct device *open_file(unsigned flags)
{
	struct device *device = NULL;

	assert_int_equal(device_file_open(path, flags, &device), 0);
	return device;
}

static void test_device_file__creates_only_when_asked(void **state)
{
	struct device *device = NULL;

	(void)state;
	assert_int_equal(device_file_open(path, DEVICE_WRITE, &device), -ENOENT);
	assert_null(device);
	assert_non_null(strstr(err_text(-ENOENT), path));
	device = open_file(NEW_FILE);
	assert_int_equal(device->size_bytes, 0);
	assert_true(device->resizable);
	assert_true(device->one_writer);
	assert_string_equal(device->name, path);
	device_free(device);
	device = open_file(0);
	assert_true(device->read_only);
	assert_false(device->resizable);
	device_free(device);
}

static void test_device_file__refuses_what_is_no_disk(void **state)
{
	struct device *device = NULL;
	char fifo[128];

	(void)state;
	assert_int_equal(device_file_open(folder, 0, &device), -ERR_INVALID);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	/* Must not wait for a writer. */
	assert_int_equal(device_file_open(fifo, 0, &device), -ERR_INVALID);
	assert_non_null(
		strstr(err_text(-ERR_INVALID), "neither a regular file nor a block device"));
	unlink(fifo);
	assert_null(device);
}

static void test_device_file__one_writer_at_a_time(void **state)
{
	struct device *first = open_file(NEW_FILE), *second = NULL;

	(void)state;
	assert_int_equal(device_resize(first, 4096), 0);
	assert_int_equal(device_file_open(path, DEVICE_WRITE | DEVICE_TRUNCATE, &second),
			 -ERR_DEVICE_BUSY);
	assert_non_null(strstr(err_text(-ERR_DEVICE_BUSY), "has it open for writing"));
	assert_int_equal(err_to_errno(-ERR_DEVICE_BUSY), EBUSY);
	device_free(first);
	/* And the one that was refused has not emptied it. */
	second = open_file(DEVICE_WRITE);
	assert_int_equal(second->size_bytes, 4096);
	device_free(second);
	second = open_file(DEVICE_WRITE | DEVICE_TRUNCATE);
	assert_int_equal(second->size_bytes, 0);
	device_free(second);
}

static void fill_parts(struct iovec *parts, int nr_parts, uint8_t *data)
{
	size_t at = 0;

	for (int i = 0; i < nr_parts; i++) {
		parts[i] = (struct iovec){ data + at, (size_t)i % 7 };
		for (size_t byte = 0; byte < parts[i].iov_len; byte++)
			data[at + byte] = (uint8_t)(i + 1);
		at += parts[i].iov_len;
	}
}

static void test_device_file__any_number_of_parts(void **state)
{
	enum { NR = 3 * IOV_MAX + 17 };
	static struct iovec parts[NR];
	static uint8_t data[NR * 7], seen[NR * 7];
	struct device *device = open_file(NEW_FILE);
	size_t len;

	(void)state;
	fill_parts(parts, NR, data);
	len = (size_t)((uint8_t *)parts[NR - 1].iov_base - data) + parts[NR - 1].iov_len;
	assert_int_equal(device_resize(device, MIB), 0);
	assert_int_equal(device_writev(device, PHYS(1001), parts, NR), 0);
	assert_int_equal(device_read(device, PHYS(1001), seen, len), 0);
	assert_memory_equal(seen, data, len);
	assert_int_equal(device_flush(device), 0);
	device_free(device);
}

/*
 * Every place where a call may stop: inside a part, at its end, at the end of a row of empty
 * ones.
 */
static void test_device_file__goes_on_after_a_short_write(void **state)
{
	static struct iovec parts[40];
	static uint8_t data[40 * 7], seen[40 * 7];
	struct device *device = open_file(NEW_FILE);

	(void)state;
	fill_parts(parts, 40, data);
	for (short_bytes = 1; short_bytes < 30; short_bytes++) {
		assert_int_equal(device_resize(device, 0), 0);
		assert_int_equal(device_resize(device, 4096), 0);
		interrupt_next = true;
		assert_int_equal(device_writev(device, PHYS(77), parts, 40), 0);
		assert_int_equal(device_read(device, PHYS(77), seen, 115), 0);
		assert_memory_equal(seen, data, 115);
	}
	short_bytes = 0;
	device_free(device);
}

/* The limit on the size of files ends a write in its middle: what stopped it is told, and where. */
static void test_device_file__tells_where_a_full_host_stopped_it(void **state)
{
	struct device *device = open_file(NEW_FILE);
	struct rlimit old, low;
	uint8_t data[3000];
	int err;

	(void)state;
	memset(data, 1, sizeof(data));
	assert_int_equal(device_resize(device, 4096), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = (struct rlimit){ .rlim_cur = 2500, .rlim_max = old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	err = device_write(device, PHYS(0), data, sizeof(data));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err, -EFBIG);
	assert_non_null(strstr(err_text(err), "500 bytes at 2500"));
	device_free(device);
}

static void test_device_file__a_file_that_shrinks_is_told(void **state)
{
	struct device *device = open_file(NEW_FILE);
	uint8_t data[4096];

	(void)state;
	assert_int_equal(device_resize(device, 8192), 0);
	assert_int_equal(truncate(path, 5000), 0);
	assert_int_equal(device_read(device, PHYS(904), data, 4096), 0);
	assert_int_equal(device_read(device, PHYS(4096), data, 4096), -ERR_DEVICE_IO);
	assert_non_null(strstr(err_text(-ERR_DEVICE_IO), "5000"));
	device_free(device);
}

static void test_device_file__discard_makes_a_hole(void **state)
{
	struct device *device = open_file(NEW_FILE | DEVICE_TRUNCATE);
	uint8_t *data = mem_alloc(MIB);
	struct stat before, after;
	int err;

	(void)state;
	assert_non_null(data);
	memset(data, 3, MIB);
	assert_int_equal(device_resize(device, MIB), 0);
	assert_int_equal(device_write(device, PHYS(0), data, MIB), 0);
	assert_int_equal(device_flush(device), 0);
	assert_int_equal(stat(path, &before), 0);
	err = device_discard(device, PHYS(65536), 512 * KIB);
	/* Some file systems of the host have no holes, and say so. */
	if (err != -ERR_UNSUPPORTED) {
		assert_int_equal(err, 0);
		assert_int_equal(stat(path, &after), 0);
		assert_true(after.st_blocks < before.st_blocks);
		assert_int_equal(after.st_size, MIB);
		assert_int_equal(device_read(device, PHYS(0), data, MIB), 0);
		assert_int_equal(data[65535], 3);
		assert_int_equal(data[65536], 0);
	}
	mem_free(data);
	device_free(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_device_file__creates_only_when_asked,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__refuses_what_is_no_disk,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__one_writer_at_a_time, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__any_number_of_parts, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__goes_on_after_a_short_write,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__tells_where_a_full_host_stopped_it,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__a_file_that_shrinks_is_told,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_device_file__discard_makes_a_hole, make_folder,
						remove_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
