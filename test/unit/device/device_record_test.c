/*
 * The record device: the order it tells, replay of every prefix, and what it does about calls that
 * fail. Law L8 is judged with it, so a flush must never stand behind a write that it did not cover.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "device/device.h"

#define SIZE_BYTES (256 * KIB)

/* record over fault over memory */
static struct device *make(void)
{
	struct device *lower, *fault, *record = NULL;

	assert_int_equal(device_mem_new("ram", SIZE_BYTES, &lower), 0);
	assert_int_equal(device_fault_new(lower, &fault), 0);
	assert_int_equal(device_record_new(fault, &record), 0);
	return record;
}

static void test_device_record__tells_everything_in_order(void **state)
{
	struct device *record = make();
	char one[] = "ab", two[] = "cd";
	struct iovec parts[] = { { one, 2 }, { two, 2 } };
	const struct device_record_entry *entry;

	(void)state;
	assert_int_equal(device_writev(record, PHYS(10), parts, 2), 0);
	assert_int_equal(device_flush(record), 0);
	assert_int_equal(device_discard(record, PHYS(0), 4096), 0);
	assert_int_equal(device_resize(record, 2 * SIZE_BYTES), 0);
	assert_int_equal(device_record_nr(record), 4);
	entry = device_record_at(record, 0);
	assert_int_equal(entry->kind, RECORD_WRITE);
	assert_int_equal(entry->at.at, 10);
	assert_int_equal(entry->len, 4);
	assert_memory_equal(entry->data, "abcd", 4);
	assert_int_equal(device_record_at(record, 1)->kind, RECORD_FLUSH);
	assert_int_equal(device_record_at(record, 2)->kind, RECORD_DISCARD);
	assert_int_equal(device_record_at(record, 2)->len, 4096);
	assert_int_equal(device_record_at(record, 3)->kind, RECORD_RESIZE);
	assert_int_equal(device_record_at(record, 3)->len, 2 * SIZE_BYTES);
	device_free(record);
}

static void step(struct device *device, unsigned nr)
{
	uint8_t data[5000];

	memset(data, (int)nr + 1, sizeof(data));
	if (nr % 4 == 3)
		assert_int_equal(device_flush(device), 0);
	else if (nr % 7 == 5)
		assert_int_equal(device_discard(device, PHYS(nr * 3000), 10000), 0);
	else
		assert_int_equal(device_write(device, PHYS(nr * 3000), data, sizeof(data)), 0);
}

/*
 * After n entries are replayed, the target equals a device on which only the first n steps were
 * done.
 */
static void test_device_record__replays_each_prefix(void **state)
{
	enum { STEPS = 24 };
	static uint8_t seen[SIZE_BYTES], wanted[SIZE_BYTES];
	struct device *record = make();

	(void)state;
	for (unsigned nr = 0; nr < STEPS; nr++)
		step(record, nr);
	for (unsigned nr = 0; nr <= STEPS; nr++) {
		struct device *model, *target;

		assert_int_equal(device_mem_new("model", SIZE_BYTES, &model), 0);
		assert_int_equal(device_mem_new("target", SIZE_BYTES, &target), 0);
		for (unsigned done = 0; done < nr; done++)
			step(model, done);
		assert_int_equal(device_record_replay(record, nr, target), 0);
		assert_int_equal(device_read(model, PHYS(0), wanted, SIZE_BYTES), 0);
		assert_int_equal(device_read(target, PHYS(0), seen, SIZE_BYTES), 0);
		assert_memory_equal(seen, wanted, SIZE_BYTES);
		device_free(model);
		device_free(target);
	}
	device_free(record);
}

static void test_device_record__what_failed_did_not_happen(void **state)
{
	struct device *record = make();
	uint8_t byte = 1;

	(void)state;
	assert_int_equal(device_write(record, PHYS(0), &byte, 1), 0);
	fault_arm(FAULT_DEVICE_WRITE, 1);
	assert_int_equal(device_write(record, PHYS(1), &byte, 1), -ERR_FAULT_INJECTED);
	fault_arm(FAULT_DEVICE_FLUSH, 1);
	assert_int_equal(device_flush(record), -ERR_FAULT_INJECTED);
	assert_int_equal(device_record_nr(record), 1);
	assert_int_equal(device_flush(record), 0);
	assert_int_equal(device_record_nr(record), 2);
	fault_arm(FAULT_DEVICE_WRITE, 0);
	fault_arm(FAULT_DEVICE_FLUSH, 0);
	device_free(record);
}

static void test_device_record__memory_may_end_at_any_call(void **state)
{
	struct device *record = make();
	uint8_t byte = 1;
	uint64_t nth = 0;
	int err;

	(void)state;
	do {
		fault_arm(FAULT_ALLOC, ++nth);
		err = device_write(record, PHYS(0), &byte, 1);
		fault_arm(FAULT_ALLOC, 0);
		assert_true(err == 0 || err == -ERR_NO_MEMORY);
		assert_int_equal(device_record_nr(record), err == 0);
	} while (err < 0);
	assert_true(nth > 3);
	device_free(record);
}

/*
 * A device whose flush writes through the record while it runs: another thread's write, in the
 * worst moment.
 */
struct meddler {
	struct device device;
	struct device *record;
};

static int meddler_writev(struct device *device, struct phys at, const struct iovec *parts,
			  int nr_parts, size_t len)
{
	(void)device, (void)at, (void)parts, (void)nr_parts, (void)len;
	return 0;
}

static int meddler_flush(struct device *device)
{
	struct meddler *meddler = container_of(device, struct meddler, device);

	return device_write(meddler->record, PHYS(0), "x", 1);
}

static void meddler_free(struct device *device)
{
	(void)device;
}

static void test_device_record__a_write_during_a_flush_stands_behind_it(void **state)
{
	static const struct device_ops ops = {
		.kind = "meddler",
		.writev = meddler_writev,
		.flush = meddler_flush,
		.free = meddler_free,
	};
	char name[] = "meddler";
	struct meddler meddler = { .device = { .ops = &ops, .name = name, .size_bytes = 4096 } };
	struct device *record;

	(void)state;
	assert_int_equal(device_record_new(&meddler.device, &record), 0);
	meddler.record = record;
	assert_int_equal(device_flush(record), 0);
	assert_int_equal(device_record_nr(record), 2);
	assert_int_equal(device_record_at(record, 0)->kind, RECORD_FLUSH);
	assert_int_equal(device_record_at(record, 1)->kind, RECORD_WRITE);
	/* The name of this device lives on the stack: free the record's part only. */
	meddler.device.name = NULL;
	device_free(record);
}

static void *writer_run(void *arg)
{
	uint8_t byte = 1;

	for (unsigned i = 0; i < 300; i++) {
		if (device_write(arg, PHYS(i), &byte, 1) < 0 ||
		    (i % 50 == 0 && device_flush(arg) < 0))
			return arg;
	}
	return NULL;
}

static void test_device_record__takes_several_threads(void **state)
{
	struct device *record = make();
	pthread_t threads[3];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, writer_run, record);
	for (unsigned i = 0; i < ARRAY_LEN(threads); i++) {
		void *failed = NULL;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(device_record_nr(record), 3 * (300 + 6));
	device_free(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_record__tells_everything_in_order),
		cmocka_unit_test(test_device_record__replays_each_prefix),
		cmocka_unit_test(test_device_record__what_failed_did_not_happen),
		cmocka_unit_test(test_device_record__memory_may_end_at_any_call),
		cmocka_unit_test(test_device_record__a_write_during_a_flush_stands_behind_it),
		cmocka_unit_test(test_device_record__takes_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
