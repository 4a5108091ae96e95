/*
 * compress: every codec and level brings back what went in, from padded and over-long input too;
 * the result depends on the input only; names and levels.
 */
#include "base/cmocka_all.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/mem.h"
#include "codec/compress.h"
#include "codec/compress_samples.h"

#define SECTOR 4096
#define OUT_MAX (COMPRESS_PIECE_MAX * 2)

static const size_t lengths[] = { 1,	2,    19,    100,   2048,   4095,  4096,
				  4097, 8192, 20000, 65536, 131071, 131072 };

static uint8_t in[COMPRESS_PIECE_MAX], packed[OUT_MAX], out[OUT_MAX];

/* Compresses the sample, then reads it back exactly, padded to the sector, short and long. */
static void round_trip(struct compress_workspace *workspace, enum compress_type type,
		       enum sample kind, size_t len)
{
	size_t packed_len = 0, padded_len, part = len / 2 + 1;

	sample_fill(kind, len, in, len);
	assert_int_equal(compress_run(workspace, in, len, packed, sizeof(packed), &packed_len), 0);
	padded_len = round_up(packed_len, SECTOR);
	memset(packed + packed_len, 0, padded_len - packed_len);

	assert_int_equal(decompress_run(type, SECTOR, packed, packed_len, out, len), 0);
	assert_memory_equal(out, in, len);
	memset(out, 0xaa, len + 100);
	assert_int_equal(decompress_run(type, SECTOR, packed, padded_len, out, len + 50), 0);
	assert_memory_equal(out, in, len);
	for (size_t i = len; i < len + 100; i++)
		assert_int_equal(out[i], i < len + 50 ? 0 : 0xaa);
	memset(out, 0xaa, len + 1);
	assert_int_equal(decompress_run(type, SECTOR, packed, padded_len, out, part), 0);
	assert_memory_equal(out, in, part);
	assert_int_equal(out[part], 0xaa);
}

static void run_level(enum compress_type type, int level, bool all_lengths)
{
	struct compress_workspace *workspace;

	assert_int_equal(compress_new_workspace(type, level, SECTOR, &workspace), 0);
	for (unsigned kind = 0; kind < SAMPLES; kind++) {
		for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
			if (all_lengths || i == 3 || i == 9)
				round_trip(workspace, type, (enum sample)kind, lengths[i]);
		}
	}
	compress_free_workspace(workspace);
}

static void test_compress__zlib_round_trip_at_every_level(void **state)
{
	(void)state;
	for (int level = 1; level <= 9; level++)
		run_level(COMPRESS_ZLIB, level, level == 3);
}

static void test_compress__zstd_round_trip_at_every_level(void **state)
{
	(void)state;
	for (int level = -15; level <= 15; level++)
		run_level(COMPRESS_ZSTD, level, level == 3);
}

static void test_compress__lzo_round_trip(void **state)
{
	(void)state;
#ifdef HAVE_LZO
	run_level(COMPRESS_LZO, 0, true);
#else
	skip();
#endif
}

static void test_compress__text_gets_smaller(void **state)
{
	const double limits[COMPRESS_TYPES] = { 0, 0.35, 0.55, 0.35 };
	enum compress_type types[] = { COMPRESS_ZLIB, COMPRESS_ZSTD,
#ifdef HAVE_LZO
				       COMPRESS_LZO
#endif
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		struct compress_workspace *workspace;
		size_t len = 0;

		sample_fill(SAMPLE_TEXT, 1, in, sizeof(in));
		assert_int_equal(compress_new_workspace(types[i], 0, SECTOR, &workspace), 0);
		assert_int_equal(
			compress_run(workspace, in, sizeof(in), packed, sizeof(packed), &len), 0);
		assert_true((double)len < limits[types[i]] * (double)sizeof(in));
		compress_free_workspace(workspace);
	}
}

/*
 * Into every capacity around the exact one; the block is of exactly that size for the address
 * sanitizer.
 */
static void check_capacities(enum compress_type type)
{
	struct compress_workspace *workspace;
	size_t len = 0, again = 77;

	sample_fill(SAMPLE_MIXED, 2, in, 20000);
	assert_int_equal(compress_new_workspace(type, 0, SECTOR, &workspace), 0);
	assert_int_equal(compress_run(workspace, in, 20000, packed, sizeof(packed), &len), 0);
	for (size_t cap = 0; cap < len; cap += cap + 9 < len ? 1 + cap / 7 : 1) {
		uint8_t *exact = mem_alloc(cap);

		assert_non_null(exact);
		assert_int_equal(compress_run(workspace, in, 20000, exact, cap, &again),
				 -ERR_COMPRESS_GREW);
		assert_int_equal(again, 77);
		mem_free(exact);
	}
	/* With plenty of room it is the same as before, whatever was compressed in between. */
	assert_int_equal(compress_run(workspace, in, 20000, out, sizeof(out), &again), 0);
	assert_int_equal(again, len);
	assert_memory_equal(out, packed, len);
	compress_free_workspace(workspace);
}

static void test_compress__too_small_output_is_refused(void **state)
{
	(void)state;
	check_capacities(COMPRESS_ZLIB);
	check_capacities(COMPRESS_ZSTD);
#ifdef HAVE_LZO
	check_capacities(COMPRESS_LZO);
#endif
}

/* A used workspace gives what a fresh one gives. */
static void check_reuse(enum compress_type type)
{
	for (unsigned kind = 0; kind < SAMPLES; kind++) {
		struct compress_workspace *used, *fresh;
		size_t len_used = 0, len_fresh = 0;

		assert_int_equal(compress_new_workspace(type, 0, SECTOR, &used), 0);
		assert_int_equal(compress_new_workspace(type, 0, SECTOR, &fresh), 0);
		for (unsigned other = 0; other < SAMPLES; other++) {
			sample_fill((enum sample)other, other, in, 30000);
			assert_int_equal(compress_run(used, in, 30000, packed, sizeof(packed),
						      &len_used),
					 0);
		}
		sample_fill((enum sample)kind, 9, in, 50000);
		assert_int_equal(compress_run(used, in, 50000, packed, sizeof(packed), &len_used),
				 0);
		assert_int_equal(compress_run(fresh, in, 50000, out, sizeof(out), &len_fresh), 0);
		assert_int_equal(len_used, len_fresh);
		assert_memory_equal(packed, out, len_used);
		compress_free_workspace(used);
		compress_free_workspace(fresh);
	}
}

static void test_compress__result_depends_on_the_input_only(void **state)
{
	(void)state;
	check_reuse(COMPRESS_ZLIB);
	check_reuse(COMPRESS_ZSTD);
#ifdef HAVE_LZO
	check_reuse(COMPRESS_LZO);
#endif
}

static void test_compress__names(void **state)
{
	(void)state;
	assert_string_equal(compress_name(COMPRESS_LZO), "lzo");
	assert_false(compress_type_known(4));
}

static void test_compress__no_memory_is_an_error_at_every_allocation(void **state)
{
	const enum compress_type types[] = { COMPRESS_ZLIB, COMPRESS_ZSTD,
#ifdef HAVE_LZO
					     COMPRESS_LZO
#endif
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		struct compress_workspace *workspace = NULL;

		for (unsigned nth = 1; !workspace; nth++) {
			int ret;

			assert_true(nth < 10);
			fault_arm(FAULT_ALLOC, nth);
			ret = compress_new_workspace(types[i], 0, SECTOR, &workspace);
			assert_int_equal(ret, fault_fired(FAULT_ALLOC) ? -ERR_NO_MEMORY : 0);
		}
		fault_arm(FAULT_ALLOC, 0);
		compress_free_workspace(workspace);
	}
	compress_free_workspace(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compress__zlib_round_trip_at_every_level),
		cmocka_unit_test(test_compress__zstd_round_trip_at_every_level),
		cmocka_unit_test(test_compress__lzo_round_trip),
		cmocka_unit_test(test_compress__text_gets_smaller),
		cmocka_unit_test(test_compress__too_small_output_is_refused),
		cmocka_unit_test(test_compress__result_depends_on_the_input_only),
		cmocka_unit_test(test_compress__names),
		cmocka_unit_test(test_compress__no_memory_is_an_error_at_every_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
