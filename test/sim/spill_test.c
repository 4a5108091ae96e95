/*
 * A transaction that is committed only when told: memory stays bounded, no superblock is written on
 * the way, and what does not fit leaves the filesystem as it was.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "ops/ops.h"

#define NR_FILES 30000u
#define DIRTY_BYTES ((size_t)MIB)

static uint64_t generation_of(struct fs_fixture *fx)
{
	struct ubtrfs_info info;

	OK(ubtrfs_info(fx->fs, &info));
	return info.generation;
}

/* What the file of the image says, whoever has it open. */
static uint64_t generation_on_disk(struct fs_fixture *fx)
{
	struct fs_fixture view = *fx;
	uint64_t generation;

	fixture_open(&view, false);
	generation = generation_of(&view);
	fixture_close(&view);
	return generation;
}

static void spill_open(struct fs_fixture *fx)
{
	fx->how.explicit_commit = true;
	fixture_open(fx, true);
	fx->fs->core.dirty_max_bytes = DIRTY_BYTES;
}

static void file_name(unsigned number, char name[128])
{
	memset(name, 'x', 100);
	snprintf(name + 100, 28, "%u", number);
}

/* 0, or the first failure; *ret_max: the most that was dirty. */
static int make_files(struct fs_fixture *fx, unsigned nr, size_t *ret_max)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 } };
	char name[128], data[1000];
	struct ubtrfs_node node;
	int err = 0;

	memset(data, 'd', sizeof(data));
	*ret_max = 0;
	for (unsigned i = 0; i < nr && err == 0; i++) {
		file_name(i, name);
		err = ubtrfs_create(fx->fs, fx->top, name, strlen(name), &what, &node);
		if (err == 0)
			err = ubtrfs_write(fx->fs, node, 0, data, sizeof(data));
		if (cache_dirty_bytes(fx->fs->core.cache) > *ret_max)
			*ret_max = cache_dirty_bytes(fx->fs->core.cache);
	}
	return err;
}

static void image_init(struct fs_fixture *fx, uint64_t bytes)
{
	fixture_init(fx);
	fx->mkfs.byte_count = bytes;
	fixture_make(fx);
	fixture_file(fx, "old");
	fixture_finish(fx);
}

static void test_spill__memory_is_bounded_and_nothing_is_committed(void **state)
{
	struct fs_fixture fx;
	uint64_t before;
	size_t dirty;

	(void)state;
	image_init(&fx, 512 * MIB);
	before = generation_on_disk(&fx);
	spill_open(&fx);
	OK(make_files(&fx, NR_FILES, &dirty));
	/* What is delayed comes on top, at once. */
	assert_true(dirty > DIRTY_BYTES && dirty < DIRTY_BYTES + 3 * DELAYED_MAX_BYTES);
	assert_int_equal(generation_on_disk(&fx), before);
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	fixture_check(&fx);
	spill_open(&fx);
	fixture_lookup(&fx, fx.top, "old");
	OK(make_files(&fx, NR_FILES / 10, &dirty));
	OK(ubtrfs_commit(fx.fs));
	assert_true(generation_on_disk(&fx) == before + 1);
	fixture_done(&fx);
}

static void test_spill__no_space_leaves_the_old_state(void **state)
{
	struct ubtrfs_node node;
	struct fs_fixture fx;
	uint64_t before;
	size_t dirty;

	(void)state;
	image_init(&fx, 128 * MIB);
	before = generation_on_disk(&fx);
	spill_open(&fx);
	assert_int_equal(make_files(&fx, 1000000, &dirty), -ENOSPC);
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	assert_int_equal(generation_on_disk(&fx), before);
	fixture_check(&fx);
	fixture_open(&fx, false);
	fixture_lookup(&fx, fx.top, "old");
	assert_int_equal(ubtrfs_lookup(fx.fs, fx.top, "x", 1, &node), -ENOENT);
	fixture_close(&fx);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spill__memory_is_bounded_and_nothing_is_committed),
		cmocka_unit_test(test_spill__no_space_leaves_the_old_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
