/*
 * Law L6: the n-th write or flush of a device fails, n = 1, 2, ... The failure is told; everything
 * that changes fails afterwards with the same cause; the file opens at what was committed before,
 * and `btrfs check` finds nothing.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"

#define NR_FILES 6

static struct content kept[NR_FILES];

static void base_make(struct fs_fixture *fx)
{
	char name[8] = "file0";

	fixture_init(fx);
	fx->mkfs.byte_count = 128 * MIB;
	fixture_make_open(fx);
	for (unsigned i = 0; i < NR_FILES; i++) {
		name[4] = (char)('0' + i);
		content_write(fx, fixture_file(fx, name), &kept[i], 0, 100 + i * 40000, i + 1);
	}
	fixture_close(fx);
}

/* Changes everything and commits; the first failure. */
static int change_all(struct fs_fixture *fx)
{
	static uint8_t data[300000];
	struct ubtrfs_node node;
	char name[8] = "file0";
	size_t got;
	int err = 0;

	for (unsigned i = 0; i < NR_FILES && err == 0; i++) {
		name[4] = (char)('0' + i);
		node = fixture_lookup(fx, fx->top, name);
		err = ubtrfs_write(fx->fs, node, 1000 * i, data, sizeof(data));
		/* Reading waits for the writes. */
		if (err == 0 && i == 2)
			err = ubtrfs_read(fx->fs, node, 0, data, 100, &got);
	}
	if (err == 0)
		err = ubtrfs_unlink(fx->fs, fx->top, "file1", 5);
	return err == 0 ? ubtrfs_commit(fx->fs) : err;
}

/* After an abort nothing works that changes, and the cause stands. */
static void stays_aborted(struct fs_fixture *fx)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	struct ubtrfs_node node;

	assert_true(ubtrfs_commit(fx->fs) < 0);
	assert_non_null(strstr(ubtrfs_error_text(), "injected"));
	FAILS(EROFS, ubtrfs_create(fx->fs, fx->top, "new", 3, &what, &node));
	assert_non_null(strstr(ubtrfs_error_text(), "injected"));
	FAILS(EROFS, ubtrfs_write(fx->fs, fixture_lookup(fx, fx->top, "file5"), 0, "x", 1));
	FAILS(EROFS, ubtrfs_unlink(fx->fs, fx->top, "file5", 5));
}

static void old_state(struct fs_fixture *fx)
{
	char name[8] = "file0";

	fixture_open(fx, false);
	for (unsigned i = 0; i < NR_FILES; i++) {
		name[4] = (char)('0' + i);
		content_compare(fx, fixture_lookup(fx, fx->top, name), &kept[i]);
	}
	fixture_close(fx);
}

/* A commit that fails behind its first superblock is told as failed and may be found. */
static bool state_is_old(struct fs_fixture *fx, uint64_t generation)
{
	struct ubtrfs_info info;

	fixture_open(fx, false);
	OK(ubtrfs_info(fx->fs, &info));
	fixture_close(fx);
	return info.generation == generation;
}

/* The n-th fails: how that ends. True when there was an n-th. */
static bool fail_once(enum fault_kind kind, uint64_t n, unsigned threads, unsigned *nr_new)
{
	struct ubtrfs_info info;
	struct fs_fixture fx;
	bool fired;
	int err;

	base_make(&fx);
	fx.how.threads = threads;
	fixture_open(&fx, true);
	OK(ubtrfs_info(fx.fs, &info));
	fault_arm(kind, n);
	err = change_all(&fx);
	fired = fault_fired(kind);
	fault_arm(kind, 0);
	assert_int_equal(fired, err < 0);
	if (fired) {
		stays_aborted(&fx);
		assert_true(ubtrfs_close(fx.fs) < 0);
		fx.fs = NULL;
	} else {
		fixture_close(&fx);
	}
	fixture_check(&fx);
	if (fired && state_is_old(&fx, info.generation))
		old_state(&fx);
	else if (fired)
		++*nr_new;
	fixture_fini(&fx);
	for (unsigned i = 0; i < NR_FILES; i++)
		content_free(&kept[i]);
	return fired;
}

static void walk(enum fault_kind kind, unsigned threads)
{
	unsigned nr_new = 0;
	uint64_t n;

	for (n = 1; fail_once(kind, n, threads, &nr_new); n++)
		assert_true(n < 1000);
	assert_true(n > 2);
	/* Behind the first superblock there is one write and one flush. */
	assert_true(nr_new <= 1);
}

static void test_commit_fault__writes(void **state)
{
	(void)state;
	walk(FAULT_DEVICE_WRITE, 1);
}

static void test_commit_fault__writes_on_many_threads(void **state)
{
	(void)state;
	walk(FAULT_DEVICE_WRITE, 4);
}

static void test_commit_fault__flushes(void **state)
{
	(void)state;
	walk(FAULT_DEVICE_FLUSH, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commit_fault__writes),
		cmocka_unit_test(test_commit_fault__writes_on_many_threads),
		cmocka_unit_test(test_commit_fault__flushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
