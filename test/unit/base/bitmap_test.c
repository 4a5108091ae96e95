/* bitmap: random operations against an array of flags, with lengths around the word size. */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bitmap.h"
#include "base/expect_abort.h"
#include "base/fault.h"
#include "base/rng.h"

#define BITS_MAX 400

static size_t model_next(const bool *bits, size_t nr_bits, size_t from, bool value)
{
	while (from < nr_bits && bits[from] != value)
		from++;
	return from;
}

static size_t model_count(const bool *bits, size_t first, size_t nr)
{
	size_t count = 0;

	for (size_t i = first; i < first + nr; i++)
		count += bits[i];
	return count;
}

static size_t model_find_zeros(const bool *bits, size_t nr_bits, size_t from, size_t nr)
{
	for (size_t first = from; first + nr <= nr_bits; first++) {
		if (model_count(bits, first, nr) == 0)
			return first;
	}
	return nr_bits;
}

static void check_questions(const struct bitmap *bitmap, const bool *bits, size_t first, size_t nr)
{
	size_t count = model_count(bits, first, nr);
	size_t nr_bits = bitmap->nr_bits;

	assert_int_equal(bitmap_count(bitmap, first, nr), count);
	assert_int_equal(bitmap_all_set(bitmap, first, nr), count == nr);
	assert_int_equal(bitmap_all_zero(bitmap, first, nr), count == 0);
	assert_int_equal(bitmap_next_set(bitmap, first), model_next(bits, nr_bits, first, true));
	assert_int_equal(bitmap_next_zero(bitmap, first), model_next(bits, nr_bits, first, false));
	if (first < nr_bits)
		assert_int_equal(bitmap_test(bitmap, first), bits[first]);
	if (nr > 0)
		assert_int_equal(bitmap_find_zeros(bitmap, first, nr),
				 model_find_zeros(bits, nr_bits, first, nr));
	assert_true(bitmap_invariant(bitmap));
}

static void run_length(struct rng *rng, size_t nr_bits)
{
	bool bits[BITS_MAX] = { false };
	struct bitmap bitmap;

	assert_int_equal(bitmap_init(&bitmap, nr_bits), 0);
	for (unsigned step = 0; step < 400; step++) {
		size_t first = rng_below(rng, nr_bits + 1);
		size_t nr = rng_below(rng, nr_bits - first + 1);
		bool set = rng_one_in(rng, 2);

		/* Mostly short ranges, or it would be all one colour. */
		if (!rng_one_in(rng, 8))
			nr %= 10;
		if (set)
			bitmap_set(&bitmap, first, nr);
		else
			bitmap_clear(&bitmap, first, nr);
		memset(bits + first, set, nr);
		first = rng_below(rng, nr_bits + 1);
		nr = rng_below(rng, nr_bits - first + 1);
		check_questions(&bitmap, bits, first, rng_one_in(rng, 2) ? nr : nr % 7);
	}
	bitmap_fini(&bitmap);
}

static void test_bitmap__random_operations_against_a_model(void **state)
{
	const size_t lengths[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129, 200, BITS_MAX };
	struct rng rng;

	(void)state;
	rng_init(&rng, 3);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		run_length(&rng, lengths[i]);
}

static void set_outside(void *arg)
{
	bitmap_set(arg, 60, 11);
}

static void test_bitmap__range_outside_aborts(void **state)
{
	struct bitmap bitmap;
	char said[2048];

	(void)state;
	assert_int_equal(bitmap_init(&bitmap, 70), 0);
	assert_true(expect_abort(set_outside, &bitmap, said, sizeof(said)));
	bitmap_fini(&bitmap);
}

static void test_bitmap__no_memory_is_an_error(void **state)
{
	struct bitmap bitmap;

	(void)state;
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(bitmap_init(&bitmap, 70), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bitmap__random_operations_against_a_model),
		cmocka_unit_test(test_bitmap__range_outside_aborts),
		cmocka_unit_test(test_bitmap__no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
