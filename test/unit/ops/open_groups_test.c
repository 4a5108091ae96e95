/*
 * Opening an image of 1 TiB with 10,000 block groups (2,000 in the short run): for reading it loads
 * none of them.
 *
 * UBTRFS_KEEP_IMAGE=FILE: the image is made there and stays, for the bench.
 */
#include "fs_fixture.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ops/ops.h"

#define NR_GROUPS_FULL 10000u
#define NR_GROUPS 2000u
#define GROUP_BYTES (100 * MIB)
/* Of a build with sanitizers beside others; the bench holds the command to 50 ms. */
#define LIMIT_MS 2000.0

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void groups_make(struct ubtrfs *fs, unsigned nr_groups)
{
	struct core *core = &fs->core;
	struct block_group *group;

	for (unsigned i = 0; i < nr_groups; i++) {
		core->changed = true;
		OK(space_grow(core->space, SPACE_DATA, GROUP_BYTES, GROUP_BYTES, &group));
		if (i % 500 == 499)
			OK(core_commit(core));
	}
}

static void test_open_groups__loads_none_for_reading(void **state)
{
	const char *keep = getenv("UBTRFS_KEEP_IMAGE");
	bool full = keep || getenv("UBTRFS_FULL");
	unsigned nr_groups = full ? NR_GROUPS_FULL : NR_GROUPS;
	struct ubtrfs_info info;
	struct fs_fixture fx;
	double before, ms;

	(void)state;
	fixture_init(&fx);
	if (keep)
		fx.devices[0] = keep;
	fx.mkfs.byte_count = TIB;
	fixture_make(&fx);
	(void)fixture_file(&fx, "file");
	groups_make(fx.fs, nr_groups);
	fixture_finish(&fx);

	before = now_ms();
	fixture_open(&fx, false);
	ms = now_ms() - before;
	print_message("# open for reading: %.1f ms\n", ms);
	assert_true(ms < LIMIT_MS);
	assert_null(space_group_next(fx.fs->core.space, 0));
	/* Who asks gets them. */
	OK(ubtrfs_info(fx.fs, &info));
	assert_true(info.data_bytes_total >= nr_groups * GROUP_BYTES);
	OK(ubtrfs_info(fx.fs, &info));
	ubtrfs_abandon(fx.fs);

	before = now_ms();
	fixture_open(&fx, true);
	print_message("# open for writing: %.1f ms\n", now_ms() - before);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_groups__loads_none_for_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
