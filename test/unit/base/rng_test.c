/* rng: known numbers, even spread, UUID bits. clock: does not go back. log: levels and the sink. */
#include "base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"

static void test_rng__known_numbers(void **state)
{
	/* xoshiro256** from the state 1, 2, 3, 4: the reference program's first outputs. */
	const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
	struct rng rng = { { 1, 2, 3, 4 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(rng_next(&rng), expected[i]);
	/* splitmix64's first output for the seed 0. */
	rng_init(&rng, 0);
	assert_int_equal(rng.state[0], 0xe220a8397b1dcdafULL);
}

static void test_rng__below_is_even_and_in_range(void **state)
{
	unsigned seen[7] = { 0 };
	struct rng rng;

	(void)state;
	rng_init(&rng, 6);
	for (unsigned i = 0; i < 7000; i++)
		seen[rng_below(&rng, 7)]++;
	for (unsigned i = 0; i < 7; i++)
		assert_in_range(seen[i], 850, 1150);
	assert_int_equal(rng_below(&rng, 1), 0);
}

static void test_rng__fill_depends_on_the_seed_only(void **state)
{
	uint8_t a[37], b[37];
	struct rng rng;

	(void)state;
	rng_init(&rng, 7);
	rng_fill(&rng, a, sizeof(a));
	rng_init(&rng, 7);
	rng_fill(&rng, b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
	rng_init(&rng, 8);
	rng_fill(&rng, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static void test_clock__goes_forward(void **state)
{
	uint64_t before = clock_monotonic_ns();

	(void)state;
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_wall().sec > 1700000000);
	assert_true(clock_wall().nsec < NSEC_PER_SEC);
}

struct seen_lines {
	unsigned nr;
	enum log_level level;
	char text[2000];
};

static void line_seen(void *arg, enum log_level level, const char *text)
{
	struct seen_lines *seen = arg;

	seen->nr++;
	seen->level = level;
	snprintf(seen->text, sizeof(seen->text), "%s", text);
}

static void test_log__level_and_sink(void **state)
{
	struct seen_lines seen = { .nr = 0 };
	const struct log_sink sink = { line_seen, &seen };

	(void)state;
	log_set_sink(&sink);
	log_info("not wanted");
	assert_int_equal(seen.nr, 0);
	log_warn("block %d", 7);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.level, LOG_LEVEL_WARN);
	assert_string_equal(seen.text, "block 7");
	log_set_level(LOG_LEVEL_NONE);
	log_error("not wanted");
	assert_int_equal(seen.nr, 1);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("%01500d", 1);
	assert_int_equal(seen.nr, 2);
	assert_int_equal(strlen(seen.text), 1023);
	log_set_level(LOG_LEVEL_WARN);
	log_set_sink(NULL);
	assert_string_equal(log_level_name(LOG_LEVEL_WARN), "warning");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rng__known_numbers),
		cmocka_unit_test(test_rng__below_is_even_and_in_range),
		cmocka_unit_test(test_rng__fill_depends_on_the_seed_only),
		cmocka_unit_test(test_clock__goes_forward),
		cmocka_unit_test(test_log__level_and_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
