/*
 * source_file: a source that is not what it was when it was scanned is told, by name, and ends the
 * import only with strict.
 */
#include "base/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_fs.h"
#include "temp_tree.h"
#include "transfer/transfer.h"

#define BIG (400 * 1024)

struct fixture {
	char *root;
	struct ubtrfs *fs;
	struct import_options options;
	struct import_stats stats;
	char warning[512];
	unsigned nr_warnings;
	void (*meddle)(struct fixture *f);
};

static void note_warning(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	snprintf(f->warning, sizeof(f->warning), "%s", text);
	f->nr_warnings++;
}

/* Everything was scanned by now, and nothing was read. */
static int before_commit(void *ctx)
{
	struct fixture *f = ctx;

	if (f->meddle)
		f->meddle(f);
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->root = temp_tree_new();
	f->fs = fake_new();
	f->fs->before_commit = before_commit;
	f->fs->ctx = f;
	import_options_init(&f->options);
	f->options.warning = note_warning;
	f->options.ctx = f;
	temp_file(f->root, "file", "0123456789", 10);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fake_free(f->fs);
	temp_tree_remove(f->root);
	free(f);
	return 0;
}

static int import(struct fixture *f)
{
	return import_directory(f->fs, ubtrfs_top(f->fs), f->root, &f->options, &f->stats);
}

/* One warning with these words, and these ten bytes. */
static void expect_warning(struct fixture *f, void (*meddle)(struct fixture *f), const char *words,
			   const char *bytes)
{
	char expected[512];

	f->meddle = meddle;
	assert_int_equal(import(f), 0);
	assert_int_equal(f->nr_warnings, 1);
	assert_int_equal(f->stats.warnings, 1);
	snprintf(expected, sizeof(expected), "%s/file %s while it was read", f->root, words);
	assert_string_equal(f->warning, expected);
	assert_int_equal(fake_at(f->fs, "file")->attr.size, 10);
	assert_memory_equal(fake_at(f->fs, "file")->data, bytes, 10);
}

static void grow(struct fixture *f)
{
	temp_file(f->root, "file", "0123456789abc", 13);
}

static void shrink(struct fixture *f)
{
	temp_file(f->root, "file", "0123", 4);
}

/* The same size and the same inode: only the time of modification shows it. */
static void rewrite(struct fixture *f)
{
	temp_file(f->root, "file", "9876543210", 10);
	temp_times(f->root, "file", 1, 0);
}

/* The same size and the same time: another inode. */
static void replace(struct fixture *f)
{
	temp_file(f->root, "file2", "abcdefghij", 10);
	temp_times(f->root, "file2", 1000000004, 5);
	rename(temp_path(f->root, "file2"), temp_path(f->root, "file"));
}

static void vanish(struct fixture *f)
{
	unlink(temp_path(f->root, "file"));
}

static void become_symlink(struct fixture *f)
{
	vanish(f);
	assert_int_equal(symlink("/etc/passwd", temp_path(f->root, "file")), 0);
}

static void become_fifo(struct fixture *f)
{
	vanish(f);
	assert_int_equal(mkfifo(temp_path(f->root, "file"), 0644), 0);
}

static void become_dir(struct fixture *f)
{
	vanish(f);
	temp_dir(f->root, "file");
}

static void test_source_file__growth_is_told(void **state)
{
	expect_warning(*state, grow, "changed", "0123456789");
}

static void test_source_file__what_is_missing_is_zeros(void **state)
{
	expect_warning(*state, shrink, "changed", "0123\0\0\0\0\0");
}

static void test_source_file__rewriting_is_told(void **state)
{
	expect_warning(*state, rewrite, "changed", "9876543210");
}

static void test_source_file__replacing_is_told(void **state)
{
	expect_warning(*state, replace, "changed", "abcdefghij");
}

static void test_source_file__vanishing_is_told(void **state)
{
	expect_warning(*state, vanish, "vanished", "\0\0\0\0\0\0\0\0\0");
}

/* No symlink is followed, no fifo waited for. */
static void test_source_file__other_types_are_told(void **state)
{
	expect_warning(*state, become_symlink, "changed", "\0\0\0\0\0\0\0\0\0");
}

static void test_source_file__a_fifo_does_not_hang(void **state)
{
	expect_warning(*state, become_fifo, "changed", "\0\0\0\0\0\0\0\0\0");
}

static void test_source_file__a_directory_is_told(void **state)
{
	expect_warning(*state, become_dir, "changed", "\0\0\0\0\0\0\0\0\0");
}

static void expect_strict(struct fixture *f, void (*meddle)(struct fixture *f), const char *words)
{
	char expected[512];
	int ret;

	f->options.strict = true;
	f->meddle = meddle;
	ret = import(f);
	assert_int_equal(ret, -ERR_SOURCE_CHANGED);
	snprintf(expected, sizeof(expected), "%s/file %s while it was read", f->root, words);
	assert_string_equal(err_text(ret), expected);
}

static void test_source_file__strict_fails_on_change(void **state)
{
	expect_strict(*state, rewrite, "changed");
}

static void test_source_file__strict_fails_on_loss(void **state)
{
	expect_strict(*state, vanish, "vanished");
}

/* Several pieces of one file: one descriptor, one warning. */
static void grow_big(struct fixture *f)
{
	assert_int_equal(truncate(temp_path(f->root, "big"), BIG + 1), 0);
}

static void test_source_file__a_large_file_warns_once(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = malloc(BIG);

	for (size_t i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	temp_file(f->root, "big", data, BIG);
	assert_int_equal(import(f), 0);
	assert_int_equal(f->nr_warnings, 0);
	assert_memory_equal(fake_at(f->fs, "big")->data, data, BIG);
	fake_free(f->fs);
	f->fs = fake_new();
	f->fs->before_commit = before_commit;
	f->fs->ctx = f;
	f->meddle = grow_big;
	assert_int_equal(import(f), 0);
	assert_int_equal(f->nr_warnings, 1);
	assert_memory_equal(fake_at(f->fs, "big")->data, data, BIG);
	free(data);
}

/*
 * The import fails with sources still unread: the library lets go of them when it is closed, and
 * reads nothing then.
 */
static void test_source_file__unread_sources_outlive_the_import(void **state)
{
	struct fixture *f = *state;
	char name[16];
	char byte;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		temp_file(f->root, name, "x", 1);
	}
	f->fs->fail_create_at = 150;
	assert_int_equal(import(f), -EIO);
	assert_true(f->fs->nr_sources > 0);
	assert_true(f->fs->sources[0].source.read(f->fs->sources[0].source.ctx, 0, &byte, 1) < 0);
	assert_int_equal(f->nr_warnings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_source_file__growth_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_source_file__what_is_missing_is_zeros, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__rewriting_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__replacing_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__vanishing_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__other_types_are_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__a_fifo_does_not_hang, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__a_directory_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__strict_fails_on_change, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__strict_fails_on_loss, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__a_large_file_warns_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_source_file__unread_sources_outlive_the_import,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
