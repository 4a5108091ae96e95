/*
 * The corpus of every fuzz target goes through it, under asan and ubsan: what fuzzing has found stays
 * found. Each file also with bytes changed, from a fixed seed.
 */
#include "base/cmocka_all.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "fuzz/fuzz.h"
#include "mutate/mutate.h"

#define INPUT_MAX 70000u
#define CHANGED_OF_EACH 60u

typedef int target_fn(const uint8_t *in, size_t len);

static void bytes_change(struct rng *rng, uint8_t *data, size_t len)
{
	unsigned nr = 1 + (unsigned)rng_below(rng, 6);

	while (nr--) {
		uint8_t *at = &data[rng_below(rng, len)];

		*at = rng_one_in(rng, 3) ? 0xff : (uint8_t)rng_next(rng);
	}
}

static void file_replay(const char *path, target_fn *target, struct rng *rng)
{
	static uint8_t data[INPUT_MAX], changed[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t len;

	assert_non_null(file);
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_int_equal(target(data, len), 0);
	for (unsigned i = 0; i < CHANGED_OF_EACH && len; i++) {
		memcpy(changed, data, len);
		bytes_change(rng, changed, len);
		assert_int_equal(target(changed, rng_one_in(rng, 8) ? rng_below(rng, len) : len),
				 0);
	}
}

static void replay(const char *name, target_fn *target)
{
	char path[1024];
	struct dirent *entry;
	unsigned nr = 0;
	struct rng rng;
	DIR *dir;

	/* The test runs in the checkout. */
	snprintf(path, sizeof(path), "test/fuzz/corpus/%s", name);
	dir = opendir(path);
	if (!dir)
		fail_msg("no %s here: run it from the top of the checkout", path);
	rng_init(&rng, 1);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "test/fuzz/corpus/%s/%s", name, entry->d_name);
		file_replay(path, target, &rng);
		nr++;
	}
	closedir(dir);
	assert_true(nr > 1);
}

#define REPLAY(name)                                       \
	static void test_fuzz_replay__##name(void **state) \
	{                                                  \
		(void)state;                               \
		replay(#name, fuzz_##name);                \
	}

REPLAY(super)
REPLAY(leaf)
REPLAY(chunk)
REPLAY(extent)
REPLAY(stream)
REPLAY(xattr)
REPLAY(fuse)
REPLAY(control)
REPLAY(text)

static int image_teardown(void **state)
{
	uint64_t leaf;

	(void)state;
	image_free(fuzz_image(&leaf));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fuzz_replay__super),
		cmocka_unit_test(test_fuzz_replay__leaf),
		cmocka_unit_test(test_fuzz_replay__chunk),
		cmocka_unit_test(test_fuzz_replay__extent),
		cmocka_unit_test(test_fuzz_replay__stream),
		cmocka_unit_test(test_fuzz_replay__xattr),
		cmocka_unit_test(test_fuzz_replay__fuse),
		cmocka_unit_test(test_fuzz_replay__control),
		cmocka_unit_test(test_fuzz_replay__text),
	};

	return cmocka_run_group_tests(tests, NULL, image_teardown);
}
