/* fault: the n-th hit fails, once or from then on; arming from the environment. */
#include "base/cmocka_all.h"

#include <stdlib.h>

#include "base/fault.h"

/* Hits that failed, as bits, of the next eight. */
static unsigned failed_of_eight(enum fault_kind kind)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < 8; i++)
		failed |= (unsigned)fault_hit(kind) << i;
	return failed;
}

/* First in the list of tests: the table is as the program starts. */
static void test_fault__never_armed_counts_and_fails_nothing(void **state)
{
	(void)state;
	assert_int_equal(failed_of_eight(FAULT_DEVICE_READ), 0);
	assert_int_equal(fault_hits(FAULT_DEVICE_READ), 0);
}

static void test_fault__nth_fails_once(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 8; nth++) {
		fault_arm(FAULT_DEVICE_WRITE, nth);
		assert_false(fault_fired(FAULT_DEVICE_WRITE));
		assert_int_equal(failed_of_eight(FAULT_DEVICE_WRITE), 1U << (nth - 1));
		assert_true(fault_fired(FAULT_DEVICE_WRITE));
		assert_int_equal(fault_hits(FAULT_DEVICE_WRITE), 8);
	}
}

static void test_fault__from_nth_all_fail(void **state)
{
	(void)state;
	fault_arm_from(FAULT_DEVICE_FLUSH, 6);
	assert_int_equal(failed_of_eight(FAULT_DEVICE_FLUSH), 0xe0);
	assert_int_equal(failed_of_eight(FAULT_DEVICE_FLUSH), 0xff);
}

static void test_fault__kinds_are_apart_and_zero_disarms(void **state)
{
	(void)state;
	fault_arm(FAULT_ALLOC, 1);
	assert_false(fault_hit(FAULT_DEVICE_WRITE));
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(failed_of_eight(FAULT_ALLOC), 0);
	assert_int_equal(fault_hits(FAULT_ALLOC), 8);
}

static void test_fault__environment_arms(void **state)
{
	const char *const bad[] = { "alloc",	"alloc:",   "alloc:x",
				    "alloc:-1", "alloc:1x", "disk:1",
				    ":1",	"allo:1",   "alloc:99999999999999999999" };

	(void)state;
	unsetenv("UBTRFS_FAULT");
	assert_int_equal(fault_arm_from_env(), 0);
	setenv("UBTRFS_FAULT", "write:3", 1);
	assert_int_equal(fault_arm_from_env(), 0);
	assert_int_equal(failed_of_eight(FAULT_DEVICE_WRITE), 4);
	setenv("UBTRFS_FAULT", "read:7+", 1);
	assert_int_equal(fault_arm_from_env(), 0);
	assert_int_equal(failed_of_eight(FAULT_DEVICE_READ), 0xc0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("UBTRFS_FAULT", bad[i], 1);
		assert_int_equal(fault_arm_from_env(), -ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault__never_armed_counts_and_fails_nothing),
		cmocka_unit_test(test_fault__nth_fails_once),
		cmocka_unit_test(test_fault__from_nth_all_fail),
		cmocka_unit_test(test_fault__kinds_are_apart_and_zero_disarms),
		cmocka_unit_test(test_fault__environment_arms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
