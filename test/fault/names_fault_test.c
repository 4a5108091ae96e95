/*
 * Law L6 for names: the n-th allocation of an operation fails, n = 1, 2, ... Either the operation was
 * refused and everything is as before, or it is done, or the filesystem is aborted and the image as
 * it was committed; never half, and `btrfs check` finds nothing.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"

#define TEXT_MAX 4096

/* Everything that has a name, one line each. */
struct view {
	struct fs_fixture *fx;
	size_t len;
	unsigned depth;
	char text[TEXT_MAX];
};

static int view_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct view *view = ctx;
	struct ubtrfs_attr attr = fixture_attr(view->fx, entry->node);

	view->len += (size_t)snprintf(view->text + view->len, TEXT_MAX - view->len,
				      "%u %.*s %llu %llu %u %llu\n", view->depth,
				      (int)entry->name_len, entry->name,
				      (unsigned long long)entry->node.subvolid,
				      (unsigned long long)entry->node.ino, attr.nlink,
				      (unsigned long long)attr.size);
	assert_true(view->len < TEXT_MAX);
	if (!S_ISDIR(attr.mode))
		return 0;
	view->depth++;
	OK(ubtrfs_readdir(view->fx->fs, entry->node, 0, view_entry, view));
	view->depth--;
	return 0;
}

static void look(struct fs_fixture *fx, struct view *view)
{
	memset(view, 0, sizeof(*view));
	view->fx = fx;
	OK(ubtrfs_readdir(fx->fs, fx->top, 0, view_entry, view));
}

static int rename_in(struct fs_fixture *fx, const char *from, const char *to, unsigned flags)
{
	struct ubtrfs_node dir = { 0, 0 }, new_dir = { 0, 0 };
	const char *name = NULL, *new_name = NULL;
	size_t len = 0, new_len = 0;
	int err = ubtrfs_resolve_parent(fx->fs, fx->top, from, &dir, &name, &len);

	if (err == 0)
		err = ubtrfs_resolve_parent(fx->fs, fx->top, to, &new_dir, &new_name, &new_len);
	return err ? err : ubtrfs_rename(fx->fs, dir, name, len, new_dir, new_name, new_len, flags);
}

static int op_move(struct fs_fixture *fx)
{
	return rename_in(fx, "a/file", "b/moved", 0);
}

static int op_over(struct fs_fixture *fx)
{
	return rename_in(fx, "a/file", "b/other", 0);
}

static int op_over_dir(struct fs_fixture *fx)
{
	return rename_in(fx, "a/full", "b/empty", 0);
}

static int op_exchange(struct fs_fixture *fx)
{
	return rename_in(fx, "a/full", "b/other", UBTRFS_RENAME_EXCHANGE);
}

static int op_whiteout(struct fs_fixture *fx)
{
	return rename_in(fx, "a/file", "b/other", UBTRFS_RENAME_WHITEOUT);
}

static int op_subvolume(struct fs_fixture *fx)
{
	return rename_in(fx, "a/sub", "b/sub", 0);
}

static int op_unlink(struct fs_fixture *fx)
{
	struct ubtrfs_node dir = { 0, 0 };
	int err = ubtrfs_lookup(fx->fs, fx->top, "b", 1, &dir);

	return err ? err : ubtrfs_unlink(fx->fs, dir, "other", 5);
}

static int op_unlink_held(struct fs_fixture *fx)
{
	struct ubtrfs_node dir = { 0, 0 }, node = { 0, 0 };
	int err = ubtrfs_lookup(fx->fs, fx->top, "b", 1, &dir);

	if (err == 0)
		err = ubtrfs_lookup(fx->fs, dir, "other", 5, &node);
	if (err == 0)
		err = ubtrfs_hold(fx->fs, node);
	return err ? err : ubtrfs_unlink(fx->fs, dir, "other", 5);
}

static int small_find(struct fs_fixture *fx, struct ubtrfs_node *dir, struct ubtrfs_node *node)
{
	int err = ubtrfs_lookup(fx->fs, fx->top, "b", 1, dir);

	return err ? err : ubtrfs_lookup(fx->fs, *dir, "small", 5, node);
}

/* Its contents are inline: to look at them takes memory. */
static int op_unlink_small(struct fs_fixture *fx)
{
	struct ubtrfs_node dir = { 0, 0 }, node = { 0, 0 };
	int err = small_find(fx, &dir, &node);

	return err ? err : ubtrfs_unlink(fx->fs, dir, "small", 5);
}

/* It goes with its last hold, while what was written to it is dirty. */
static int op_release(struct fs_fixture *fx)
{
	struct ubtrfs_node dir = { 0, 0 }, node = { 0, 0 };
	int err = small_find(fx, &dir, &node);

	if (err == 0)
		err = ubtrfs_write(fx->fs, node, 0, "SMALL", 5);
	if (err == 0)
		err = ubtrfs_hold(fx->fs, node);
	if (err == 0)
		err = ubtrfs_unlink(fx->fs, dir, "small", 5);
	if (err == 0)
		ubtrfs_release(fx->fs, node, 1);
	return err;
}

static int op_rmdir(struct fs_fixture *fx)
{
	struct ubtrfs_node dir = { 0, 0 };
	int err = ubtrfs_lookup(fx->fs, fx->top, "b", 1, &dir);

	return err ? err : ubtrfs_rmdir(fx->fs, dir, "empty", 5);
}

static int op_tmpfile(struct fs_fixture *fx)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 } };
	struct ubtrfs_node node = { 0, 0 };
	int err = ubtrfs_tmpfile(fx->fs, fx->top, &what, &node);

	return err ? err : ubtrfs_link(fx->fs, node, fx->top, "linked", 6);
}

static const struct op {
	const char *name;
	int (*call)(struct fs_fixture *fx);
} ops[] = {
	{ "move", op_move },
	{ "over", op_over },
	{ "over a directory", op_over_dir },
	{ "exchange", op_exchange },
	{ "whiteout", op_whiteout },
	{ "subvolume", op_subvolume },
	{ "unlink", op_unlink },
	{ "unlink held", op_unlink_held },
	{ "unlink small", op_unlink_small },
	{ "release", op_release },
	{ "rmdir", op_rmdir },
	{ "tmpfile", op_tmpfile },
};

static void base_make(struct fs_fixture *fx)
{
	struct ubtrfs_node a, b, dir;

	fixture_init(fx);
	fx->mkfs.byte_count = 128 * MIB;
	fixture_make_open(fx);
	a = fixture_create(fx, fx->top, "a", S_IFDIR | 0755);
	b = fixture_create(fx, fx->top, "b", S_IFDIR | 0755);
	dir = fixture_create(fx, a, "full", S_IFDIR | 0755);
	fixture_create(fx, dir, "inside", S_IFREG | 0644);
	fixture_create(fx, b, "empty", S_IFDIR | 0755);
	OK(ubtrfs_write(fx->fs, fixture_create(fx, a, "file", S_IFREG | 0644), 0, "file", 4));
	OK(ubtrfs_write(fx->fs, fixture_create(fx, b, "other", S_IFREG | 0644), 9000, "other", 5));
	OK(ubtrfs_write(fx->fs, fixture_create(fx, b, "small", S_IFREG | 0644), 0, "small", 5));
	OK(ubtrfs_subvolume_create(fx->fs, a, "sub", 3, NULL, &dir));
	fixture_close(fx);
}

struct outcome {
	unsigned nr_refused, nr_done, nr_aborted;
};

/* What another change says: whether the filesystem lives. */
static bool lives(struct fs_fixture *fx)
{
	int err = ubtrfs_setxattr(fx->fs, fx->top, "user.probe", "1", 1);

	assert_true(err == 0 || err == -EROFS);
	return err == 0;
}

/* The n-th allocation fails. False when there was no n-th. */
static bool fail_once(const struct op *op, uint64_t n, struct outcome *outcome)
{
	struct view before, after, found;
	struct fs_fixture fx;
	bool fired, alive;
	int err;

	base_make(&fx);
	fixture_open(&fx, true);
	look(&fx, &before);
	fault_arm(FAULT_ALLOC, n);
	err = op->call(&fx);
	fired = fault_fired(FAULT_ALLOC);
	fault_arm(FAULT_ALLOC, 0);
	assert_true(fired || err == 0);
	alive = lives(&fx);
	/* To release tells nobody how it went. */
	assert_true(alive || err < 0 || op->call == op_release);
	/* What an aborted one has in memory is nothing that anybody is promised. */
	if (alive)
		look(&fx, &after);
	if (alive && strcmp(op->name, "tmpfile") != 0)
		assert_int_equal(strcmp(before.text, after.text) != 0, err == 0);
	outcome->nr_aborted += !alive;
	outcome->nr_refused += alive && err < 0;
	outcome->nr_done += err == 0;
	if (alive)
		OK(ubtrfs_close(fx.fs));
	else
		assert_true(ubtrfs_close(fx.fs) < 0);
	fx.fs = NULL;
	fixture_check(&fx);
	fixture_open(&fx, true);
	look(&fx, &found);
	assert_string_equal(found.text, alive ? after.text : before.text);
	fixture_fini(&fx);
	return fired;
}

static void test_names_fault__allocations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		struct outcome outcome = { 0 };
		uint64_t n;

		for (n = 1; fail_once(&ops[i], n, &outcome); n++)
			assert_true(n < 300);
		print_message("# %s: %u refused, %u done, %u aborted\n", ops[i].name,
			      outcome.nr_refused, outcome.nr_done, outcome.nr_aborted);
		assert_true(outcome.nr_refused > 0 && outcome.nr_done > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_fault__allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
