/*
 * Rebuilding against a model that multiplies bit by bit: rows of every width up to 20 and of
 * random ones, every pair of lost columns, odd lengths and places.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "codec/parity.h"

#define MAX_DATA 255u
#define MAX_LEN 700u

/* Shift and add, modulo 0x11d. */
static uint8_t slow_mul(uint8_t a, uint8_t b)
{
	unsigned product = 0, factor = a;

	for (unsigned bit = 0; bit < 8; bit++, factor <<= 1) {
		if (factor & 0x100)
			factor ^= 0x11d;
		if (b & (1u << bit))
			product ^= factor;
	}
	return (uint8_t)product;
}

struct row {
	unsigned nr_data;
	size_t len;
	uint8_t *columns[MAX_DATA + 2];
};

/* P and Q byte by byte, by Horner's rule from the last column down. */
static void row_fill(struct row *row, struct rng *rng, unsigned nr_data, size_t len)
{
	row->nr_data = nr_data;
	row->len = len;
	for (unsigned i = 0; i < nr_data + 2; i++) {
		/* Just as long as the data, so that asan sees a read or write beyond it. */
		row->columns[i] = mem_zalloc(len);
		assert_non_null(row->columns[i]);
	}
	for (size_t at = 0; at < len; at++) {
		uint8_t p = 0, q = 0;

		for (unsigned i = nr_data; i-- > 0;) {
			uint8_t byte = (uint8_t)rng_next(rng);

			row->columns[i][at] = byte;
			p ^= byte;
			q = slow_mul(q, 2) ^ byte;
		}
		row->columns[nr_data][at] = p;
		row->columns[nr_data + 1][at] = q;
	}
}

static void row_free(struct row *row)
{
	for (unsigned i = 0; i < row->nr_data + 2; i++)
		mem_free(row->columns[i]);
}

static void assert_rebuilds(const struct row *row, unsigned lost, unsigned second)
{
	uint8_t factors[MAX_DATA + 2], used_factors[MAX_DATA + 2];
	uint8_t *used[MAX_DATA + 2];
	uint8_t *data = mem_zalloc(row->len);
	unsigned nr_used = 0;

	assert_non_null(data);
	assert_int_equal(parity_factors(row->nr_data, lost, second, factors), 0);
	assert_int_equal(factors[lost], 0);
	assert_int_equal(factors[second], 0);
	for (unsigned i = 0; i < row->nr_data + 2; i++) {
		if (!factors[i])
			continue;
		used_factors[nr_used] = factors[i];
		used[nr_used++] = row->columns[i];
	}
	assert_int_equal(parity_combine(nr_used, used_factors, used, row->len, data), 0);
	assert_memory_equal(data, row->columns[lost], row->len);
	mem_free(data);
}

static void check_row(struct rng *rng, unsigned nr_data, size_t len)
{
	struct row row;

	row_fill(&row, rng, nr_data, len);
	for (unsigned lost = 0; lost < nr_data; lost++) {
		for (unsigned second = 0; second < nr_data + 2; second++) {
			if (second != lost)
				assert_rebuilds(&row, lost, second);
		}
	}
	row_free(&row);
}

static void test_parity__gives_back_what_is_lost(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 1);
	for (unsigned nr_data = 1; nr_data <= 20; nr_data++)
		check_row(&rng, nr_data, 1 + rng_below(&rng, MAX_LEN));
	/* Short ones have a path of their own in the library. */
	for (size_t len = 1; len <= 70; len++)
		check_row(&rng, 4, len);
}

static void test_parity__the_widest_rows(void **state)
{
	struct rng rng;
	struct row row;

	(void)state;
	rng_init(&rng, 2);
	row_fill(&row, &rng, MAX_DATA, 65);
	for (unsigned round = 0; round < 300; round++) {
		unsigned lost = (unsigned)rng_below(&rng, MAX_DATA);
		unsigned second = (unsigned)rng_below(&rng, MAX_DATA + 2);

		if (second != lost)
			assert_rebuilds(&row, lost, second);
	}
	assert_rebuilds(&row, 0, MAX_DATA - 1);
	row_free(&row);
}

static void test_parity__refuses_what_cannot_be_told_apart(void **state)
{
	uint8_t factors[300];

	(void)state;
	assert_int_equal(parity_factors(298, 2, 257, factors), -ERR_INVALID);
	assert_int_equal(parity_factors(298, 2, 256, factors), 0);
	assert_int_equal(parity_factors(298, 2, 298, factors), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parity__gives_back_what_is_lost),
		cmocka_unit_test(test_parity__the_widest_rows),
		cmocka_unit_test(test_parity__refuses_what_cannot_be_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
