/*
 * Two files share an extent that may be written in place. One of them goes, and the other, which is the
 * only one that refers to the extent now, is written over in place, before the removal is durable. Then
 * the power fails: the last commit has both files still, and the one that was removed, or whose old
 * contents these are, showed the new bytes.
 */
#include "ops/fs_fixture.h"

#include <errno.h>

#include "ops/ops.h"

#define LEN (64 * 1024)

/* How far the removal is when the other file is written. */
enum removal { REMOVAL_QUEUED, REMOVAL_RUN, REMOVAL_BEING_COMMITTED, REMOVAL_DURABLE };

static void files_make(struct fs_fixture *fx, struct content *old)
{
	struct ubtrfs_node one, two;

	fixture_init(fx);
	fx->mkfs.byte_count = 128 * MIB;
	fixture_make(fx);
	fixture_finish(fx);
	fx->how.nodatacow = true;
	fx->how.explicit_commit = true;
	fixture_open(fx, true);
	one = fixture_file(fx, "one");
	two = fixture_file(fx, "two");
	content_write(fx, one, old, 0, LEN, 1);
	OK(ubtrfs_clone_range(fx->fs, one, 0, two, 0, 0));
	OK(ubtrfs_commit(fx->fs));
}

static void write_all_of(struct fs_fixture *fx, const char *name)
{
	struct content new = { 0 };

	content_write(fx, fixture_lookup(fx, fx->top, name), &new, 0, LEN, 2);
	fs_lock(fx->fs);
	OK(core_flush_all(&fx->fs->core));
	assert_int_equal(fs_unlock(fx->fs, 0), 0);
	content_free(&new);
}

static void remove_and_write(struct fs_fixture *fx, const char *gone, const char *stays,
			     enum removal removal)
{
	struct core *core = &fx->fs->core;
	struct commit_work *work = NULL;

	OK(ubtrfs_unlink(fx->fs, fx->top, gone, strlen(gone)));
	fs_lock(fx->fs);
	if (removal == REMOVAL_RUN)
		OK(core_spill(core));
	if (removal == REMOVAL_BEING_COMMITTED)
		OK(commit_prepare(core, &work));
	if (removal == REMOVAL_DURABLE)
		OK(core_commit(core));
	assert_int_equal(fs_unlock(fx->fs, 0), 0);
	write_all_of(fx, stays);
	if (work)
		assert_true(commit_finish(core, work, -ERR_TXN_ABORTED) < 0);
}

static void power_cut(struct fs_fixture *fx)
{
	ubtrfs_abandon(fx->fs);
	fx->fs = NULL;
	fixture_check(fx);
	fixture_open(fx, false);
}

static void case_run(const char *gone, const char *stays, enum removal removal)
{
	struct content old = { 0 };
	struct fs_fixture fx;

	files_make(&fx, &old);
	remove_and_write(&fx, gone, stays, removal);
	power_cut(&fx);
	content_compare(&fx, fixture_lookup(&fx, fx.top, gone), &old);
	content_compare(&fx, fixture_lookup(&fx, fx.top, stays), &old);
	content_free(&old);
	fixture_fini(&fx);
}

static void test_nocow_left__removal_is_queued(void **state)
{
	(void)state;
	case_run("one", "two", REMOVAL_QUEUED);
	case_run("two", "one", REMOVAL_QUEUED);
}

static void test_nocow_left__removal_was_run(void **state)
{
	(void)state;
	case_run("one", "two", REMOVAL_RUN);
	case_run("two", "one", REMOVAL_RUN);
}

static void test_nocow_left__removal_is_being_committed(void **state)
{
	(void)state;
	case_run("one", "two", REMOVAL_BEING_COMMITTED);
	case_run("two", "one", REMOVAL_BEING_COMMITTED);
}

static uint64_t data_used(struct fs_fixture *fx)
{
	struct ubtrfs_info info;

	OK(ubtrfs_info(fx->fs, &info));
	return info.data_bytes_used;
}

/* Once nobody can have it any more it is written in place again: no other space is taken. */
static void test_nocow_left__durable_removal_is_forgotten(void **state)
{
	struct content old = { 0 };
	struct fs_fixture fx;

	(void)state;
	files_make(&fx, &old);
	remove_and_write(&fx, "one", "two", REMOVAL_DURABLE);
	ubtrfs_abandon(fx.fs);
	fixture_open(&fx, true);
	/* In place: this is what the commit before tells of, with the bytes of behind it. */
	assert_int_equal(data_used(&fx), LEN);
	content_put(&old, 0, LEN, 2);
	content_compare(&fx, fixture_lookup(&fx, fx.top, "two"), &old);
	content_free(&old);
	fixture_fini(&fx);
}

/* A copy is made, what it was made of goes, the copy is written: nothing of it was committed. */
static void test_nocow_left__copy_takes_the_place_of_its_source(void **state)
{
	struct content old = { 0 };
	struct fs_fixture fx;
	struct ubtrfs_node three;

	(void)state;
	files_make(&fx, &old);
	OK(ubtrfs_unlink(fx.fs, fx.top, "two", 3));
	OK(ubtrfs_commit(fx.fs));
	three = fixture_file(&fx, "three");
	OK(ubtrfs_clone_range(fx.fs, fixture_lookup(&fx, fx.top, "one"), 0, three, 0, 0));
	remove_and_write(&fx, "one", "three", REMOVAL_QUEUED);
	power_cut(&fx);
	content_compare(&fx, fixture_lookup(&fx, fx.top, "one"), &old);
	content_free(&old);
	fixture_fini(&fx);
}

/* All that is left of the space, in a file of its own. */
static void fill(struct fs_fixture *fx)
{
	struct content content = { 0 };
	struct ubtrfs_node node = fixture_file(fx, "filler");
	uint64_t offset = 0, len = MIB;
	int err;

	content_put(&content, 0, MIB, 3);
	while (len >= 4096) {
		err = ubtrfs_write(fx->fs, node, offset, content.data, len);
		assert_true(err == 0 || err == -ENOSPC);
		if (err == 0)
			offset += len;
		else
			len /= 2;
	}
	OK(ubtrfs_commit(fx->fs));
	content_free(&content);
}

/* On a full filesystem what was shared is written in place again, once that is durable: at once. */
static void test_nocow_left__full_disk_commits_first(void **state)
{
	struct content old = { 0 };
	struct fs_fixture fx;

	(void)state;
	files_make(&fx, &old);
	fixture_close(&fx);
	fx.how.explicit_commit = false;
	fixture_open(&fx, true);
	fill(&fx);
	OK(ubtrfs_unlink(fx.fs, fx.top, "one", 3));
	/* The removal has been run, and is not committed. */
	fs_lock(fx.fs);
	OK(core_spill(&fx.fs->core));
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	content_write(&fx, fixture_lookup(&fx, fx.top, "two"), &old, 0, LEN, 2);
	fixture_close(&fx);
	fixture_check(&fx);
	fixture_open(&fx, false);
	content_compare(&fx, fixture_lookup(&fx, fx.top, "two"), &old);
	content_free(&old);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nocow_left__removal_is_queued),
		cmocka_unit_test(test_nocow_left__removal_was_run),
		cmocka_unit_test(test_nocow_left__removal_is_being_committed),
		cmocka_unit_test(test_nocow_left__durable_removal_is_forgotten),
		cmocka_unit_test(test_nocow_left__copy_takes_the_place_of_its_source),
		cmocka_unit_test(test_nocow_left__full_disk_commits_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
