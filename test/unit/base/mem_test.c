/*
 * mem: every kind of allocation is a fault point; lengths of zero and overflows. cleanup: scoped
 * release.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"

static void *allocate(unsigned kind)
{
	switch (kind) {
	case 0:
		return mem_alloc(10);
	case 1:
		return mem_zalloc(10);
	case 2:
		return mem_array(2, 5);
	case 3:
		return mem_aligned(4096, 10);
	case 4:
		return mem_dup("abc", 3);
	case 5:
		return mem_strdup("abc");
	case 6:
		return mem_printf("%d", 1);
	default:
		return mem_resize(NULL, 10);
	}
}

static void test_mem__every_kind_is_a_fault_point(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		fault_arm(FAULT_ALLOC, 1);
		assert_null(allocate(kind));
		assert_true(fault_fired(FAULT_ALLOC));
		mem_free(allocate(kind));
		assert_int_equal(fault_hits(FAULT_ALLOC), 2);
	}
	fault_arm(FAULT_ALLOC, 0);
}

static void test_mem__zero_length_is_a_block(void **state)
{
	void *ptr = mem_alloc(0);

	(void)state;
	assert_non_null(ptr);
	ptr = mem_resize(ptr, 0);
	assert_non_null(ptr);
	mem_free(ptr);
	mem_free(NULL);
}

static void test_mem__array_overflow_is_no_memory(void **state)
{
	(void)state;
	assert_null(mem_array(SIZE_MAX / 2, 3));
}

static void test_mem__failed_resize_keeps_the_block(void **state)
{
	char *text = mem_strdup("abc");

	(void)state;
	fault_arm(FAULT_ALLOC, 1);
	assert_null(mem_resize(text, 100));
	fault_arm(FAULT_ALLOC, 0);
	assert_string_equal(text, "abc");
	mem_free(text);
}

static void test_mem__contents_and_alignment(void **state)
{
	char *text = mem_printf("%s-%d", "node", 12345);
	uint8_t *zeroed = mem_array(100, 7);
	void *page = mem_aligned(4096, 100);

	(void)state;
	assert_string_equal(text, "node-12345");
	for (unsigned i = 0; i < 700; i++)
		assert_int_equal(zeroed[i], 0);
	assert_int_equal((uintptr_t)page % 4096, 0);
	mem_free(text);
	mem_free(zeroed);
	mem_free(page);
}

struct scoped_thing {
	int *nr_released;
};

static void scoped_thing_release(struct scoped_thing *thing)
{
	(*thing->nr_released)++;
}

DEFINE_SCOPED(scoped_thing, scoped_thing_release)
DEFINE_SCOPED_PTR(scoped_ptr, scoped_thing, scoped_thing_release)

static void leave_scope(int *nr_released)
{
	SCOPED(scoped_thing) struct scoped_thing thing = { nr_released };
	SCOPED(scoped_ptr) struct scoped_thing *ptr = &thing;
	SCOPED(scoped_ptr) struct scoped_thing *null = NULL;
	SCOPED_MEM char *text = mem_strdup("freed at the end of the scope");

	assert_non_null(text);
	assert_null(null);
	assert_ptr_equal(ptr, &thing);
}

static void test_mem__scope_releases_once_and_skips_null(void **state)
{
	int nr_released = 0;

	(void)state;
	leave_scope(&nr_released);
	assert_int_equal(nr_released, 2);
}

static void test_bytes__little_endian_and_rounding(void **state)
{
	uint8_t raw[9];
	uint64_t sum = 1;

	(void)state;
	store64(raw + 1, 0x0102030405060708ULL);
	assert_int_equal(raw[1], 8);
	assert_int_equal(raw[8], 1);
	assert_int_equal(load16(raw + 1), 0x0708);
	assert_int_equal(load32(raw + 1), 0x05060708);
	assert_int_equal(round_up(4097, 4096), 8192);
	assert_int_equal(round_down(4097, 4096), 4096);
	assert_int_equal(div_up(UINT64_MAX, 2), UINT64_MAX / 2 + 1);
	assert_false(add_fits(UINT64_MAX, 1, &sum));
	assert_int_equal(sum, 1);
	assert_true(add_fits(UINT64_MAX - 1, 1, &sum));
	assert_false(is_pow2(0));
	assert_true(is_pow2(1ULL << 63));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem__every_kind_is_a_fault_point),
		cmocka_unit_test(test_mem__zero_length_is_a_block),
		cmocka_unit_test(test_mem__array_overflow_is_no_memory),
		cmocka_unit_test(test_mem__failed_resize_keeps_the_block),
		cmocka_unit_test(test_mem__contents_and_alignment),
		cmocka_unit_test(test_mem__scope_releases_once_and_skips_null),
		cmocka_unit_test(test_bytes__little_endian_and_rounding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
