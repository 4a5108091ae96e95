/* import_estimate: what is counted of a directory and of an archive; links once, holes not at all. */
#include "base/cmocka_all.h"

#include <archive.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fault.h"
#include "temp_archive.h"
#include "temp_tree.h"
#include "transfer/transfer_priv.h"

#define SECTOR 4096u
#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0755)

struct fixture {
	char *root;
	struct import_options options;
	struct ubtrfs_mkfs_contents contents;
};

static void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->root = temp_tree_new();
	import_options_init(&f->options);
	f->contents.inline_limit_bytes = 2048;
}

static void file_of(const struct fixture *f, const char *name, size_t len)
{
	char *data = calloc(1, len + 1);

	assert_non_null(data);
	memset(data, 'x', len);
	temp_file(f->root, name, data, len);
	free(data);
}

/* A tree of 8 inodes and 9 names. */
static void make_tree(const struct fixture *f)
{
	const char *name;

	temp_dir(f->root, "d");
	file_of(f, "d/inline", 2048);
	file_of(f, "d/small", 2049);
	file_of(f, "d/sector", SECTOR + 1);
	file_of(f, "d/long", 300000);
	file_of(f, "d/empty", 0);
	name = temp_path(f->root, "link");
	assert_int_equal(symlink("target", name), 0);
	name = temp_path(f->root, "hard");
	assert_int_equal(link(temp_path(f->root, "d/long"), name), 0);
}

static void test_import_estimate__directory(void **state)
{
	struct fixture f;
	const struct ubtrfs_mkfs_contents *c = &f.contents;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	assert_int_equal(import_estimate_directory(f.root, &f.options, SECTOR, &f.contents), 0);
	assert_int_equal(c->nr_inodes, 8);
	assert_int_equal(c->nr_names, 9);
	assert_int_equal(c->name_bytes, 1 + 6 + 5 + 6 + 4 + 5 + 4 + 4);
	assert_int_equal(c->nr_inline, 2);
	assert_int_equal(c->inline_bytes, 2048 + 6);
	assert_int_equal(c->inline_max_bytes, 2048);
	assert_int_equal(c->data_bytes, SECTOR + 2 * SECTOR + 74 * SECTOR);
	assert_int_equal(c->nr_extents, 1 + 1 + 3);
	assert_int_equal(c->nr_small, 1);
	assert_int_equal(c->small_bytes, 2049);
	temp_tree_remove(f.root);
}

static void test_import_estimate__holes_and_xattrs(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	fixture_init(&f);
	fd = open(temp_path(f.root, "sparse"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 36), 0);
	assert_int_equal(pwrite(fd, "x", 1, 1 << 20), 1);
	close(fd);
	if (setxattr(temp_path(f.root, "sparse"), "user.name", "value", 5, 0)) {
		print_message("# skip: no xattrs in the temporary directory\n");
		temp_tree_remove(f.root);
		skip();
	}
	assert_int_equal(import_estimate_directory(f.root, &f.options, SECTOR, &f.contents), 0);
	/* The source's filesystem says how much around a byte is no hole. */
	assert_in_range(f.contents.data_bytes, SECTOR, 1 << 20);
	assert_int_equal(f.contents.nr_xattrs, 1);
	assert_int_equal(f.contents.xattr_bytes, 14);
	assert_int_equal(f.contents.nr_small, 0);
	temp_tree_remove(f.root);
}

/* Links do not cross subvolumes, so where there are any each name is counted as a copy. */
static void test_import_estimate__subvolumes(void **state)
{
	const struct import_subvol subvol = { .dir = "d" };
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	f.options.subvols = &subvol;
	f.options.nr_subvols = 1;
	assert_int_equal(import_estimate_directory(f.root, &f.options, SECTOR, &f.contents), 0);
	assert_int_equal(f.contents.nr_inodes, 9);
	assert_int_equal(f.contents.data_bytes, (3 + 2 * 74) * SECTOR);
	assert_int_equal(f.contents.nr_subvols, 1);
	temp_tree_remove(f.root);
}

static void test_import_estimate__archive(void **state)
{
	static const struct temp_entry entries[] = {
		{ .path = "dir/", .mode = DIR_MODE },
		{ .path = "dir/file", .mode = FILE_MODE, .data = "hello" },
		{ .path = "dir/hard", .link = "dir/file" },
		{ .path = "missing/parents/file", .mode = FILE_MODE, .data = "" },
		{ .path = "missing/parents/link", .mode = S_IFLNK | 0777, .link = "to" },
	};
	struct fixture f;
	char *path;

	(void)state;
	fixture_init(&f);
	path = strdup(temp_path(f.root, "a.tar"));
	temp_archive(path, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, entries,
		     sizeof(entries) / sizeof(entries[0]));
	assert_int_equal(import_estimate_archive(path, &f.options, SECTOR, &f.contents), 0);
	assert_int_equal(f.contents.nr_inodes, 6);
	assert_int_equal(f.contents.nr_names, 7);
	assert_int_equal(f.contents.name_bytes, 3 + 4 + 4 + 7 + 7 + 4 + 4);
	assert_int_equal(f.contents.nr_inline, 2);
	assert_int_equal(f.contents.inline_bytes, 5 + 2);
	assert_int_equal(f.contents.data_bytes, 0);
	free(path);
	temp_tree_remove(f.root);
}

static void test_import_estimate__streams_are_not_read_again(void **state)
{
	struct fixture f;
	char *pipe_path;

	(void)state;
	fixture_init(&f);
	pipe_path = strdup(temp_path(f.root, "pipe"));
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(import_estimate_archive("-", &f.options, SECTOR, &f.contents),
			 -ERR_UNSUPPORTED);
	assert_int_equal(import_estimate_archive(pipe_path, &f.options, SECTOR, &f.contents),
			 -ERR_UNSUPPORTED);
	free(pipe_path);
	temp_tree_remove(f.root);
}

static int stop(void *ctx, const struct import_progress *progress)
{
	(void)ctx;
	(void)progress;
	return -1;
}

static void test_import_estimate__can_be_interrupted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	f.options.progress = stop;
	assert_int_equal(import_estimate_directory(f.root, &f.options, SECTOR, &f.contents),
			 -ERR_INTERRUPTED);
	temp_tree_remove(f.root);
}

static void test_import_estimate__each_allocation_fails(void **state)
{
	struct fixture f;
	int ret = -1;

	(void)state;
	fixture_init(&f);
	make_tree(&f);
	for (unsigned n = 1; ret < 0; n++) {
		assert_true(n < 10000);
		fault_arm(FAULT_ALLOC, n);
		ret = import_estimate_directory(f.root, &f.options, SECTOR, &f.contents);
		fault_arm(FAULT_ALLOC, 0);
		assert_true(ret == 0 || ret == -ERR_NO_MEMORY);
	}
	temp_tree_remove(f.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import_estimate__directory),
		cmocka_unit_test(test_import_estimate__holes_and_xattrs),
		cmocka_unit_test(test_import_estimate__subvolumes),
		cmocka_unit_test(test_import_estimate__archive),
		cmocka_unit_test(test_import_estimate__streams_are_not_read_again),
		cmocka_unit_test(test_import_estimate__can_be_interrupted),
		cmocka_unit_test(test_import_estimate__each_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
