/* import_dir: what is kept, in an order that depends on names only. */
#include "base/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fault.h"
#include "fake_fs.h"
#include "temp_tree.h"
#include "transfer/transfer_priv.h"

struct fixture {
	char *root;
	struct ubtrfs *fs;
	struct import_options options;
	struct import_stats stats;
	char warning[512];
	unsigned nr_warnings;
};

static void note_warning(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	snprintf(f->warning, sizeof(f->warning), "%s", text);
	f->nr_warnings++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->root = temp_tree_new();
	f->fs = fake_new();
	import_options_init(&f->options);
	f->options.warning = note_warning;
	f->options.ctx = f;
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

static void assert_time(struct ubtrfs_time time, int64_t sec, uint32_t nsec)
{
	assert_int_equal(time.sec, sec);
	assert_int_equal(time.nsec, nsec);
}

/* Names whose order differs between bytes, locales and creation. */
static const char *const names[] = { "b",  "a",	 "B",	"a.b", "a-",   "\xc3\xa4", "\x01",
				     "a/", "z/", "a/x", "z/y", "z/d/", "z/d/1" };
#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static void make_tree(const char *root, bool backwards)
{
	for (size_t pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < NR_NAMES; i++) {
			const char *name = names[backwards ? NR_NAMES - 1 - i : i];
			size_t len = strlen(name), depth = 0;
			char path[64];

			for (size_t j = 0; j + 1 < len; j++)
				depth += name[j] == '/';
			if (depth != pass || !strcmp(name, "a"))
				continue;
			snprintf(path, sizeof(path), "%s", name);
			if (name[len - 1] == '/') {
				path[len - 1] = '\0';
				temp_dir(root, path);
			} else {
				temp_file(root, path, name, len);
			}
		}
	}
	temp_times(root, "a", 1, 1);
	temp_times(root, "z/d", 2, 2);
	temp_times(root, "z", 3, 3);
	temp_times(root, ".", 4, 4);
}

static void test_import_dir__order_depends_on_names_only(void **state)
{
	struct fixture *f = *state;
	char *first = NULL;

	f->options.has_timestamp = true;
	f->options.timestamp.sec = 2000000000;
	for (int run = 0; run < 4; run++) {
		char *root = temp_tree_new();
		struct ubtrfs *fs = fake_new();

		make_tree(root, run & 1);
		f->options.threads = run & 2 ? 1 : 0;
		assert_int_equal(import_directory(fs, ubtrfs_top(fs), root, &f->options, &f->stats),
				 0);
		if (first)
			assert_string_equal(strbuf_text(&fs->log), first);
		else
			first = strdup(strbuf_text(&fs->log));
		fake_free(fs);
		temp_tree_remove(root);
	}
	/* Bytewise, and a directory's entries before those of its subdirectories. */
	assert_true(strstr(first, "create \x01 ") < strstr(first, "create B "));
	assert_true(strstr(first, "create B ") < strstr(first, "create a "));
	assert_true(strstr(first, "create a- ") < strstr(first, "create a.b "));
	assert_true(strstr(first, "create \xc3\xa4 ") < strstr(first, "create x "));
	assert_true(strstr(first, "create x ") < strstr(first, "create y "));
	free(first);
}

static void test_import_dir__keeps_kinds_owners_times(void **state)
{
	struct fixture *f = *state;
	struct fake_node *node;

	temp_file(f->root, "file", "hello", 5);
	assert_int_equal(chmod(temp_path(f->root, "file"), 06755), 0);
	assert_int_equal(symlink("/some/where", temp_path(f->root, "link")), 0);
	assert_int_equal(mkfifo(temp_path(f->root, "fifo"), 0600), 0);
	temp_dir(f->root, "dir");
	temp_file(f->root, "dir/inner", "x", 1);
	temp_times(f->root, "file", -5, 999999999);
	temp_times(f->root, "dir", 77, 8);
	temp_times(f->root, ".", 78, 9);
	assert_int_equal(import(f), 0);
	node = fake_at(f->fs, "file");
	assert_int_equal(node->attr.mode, S_IFREG | 06755);
	assert_int_equal(node->attr.size, 5);
	assert_memory_equal(node->data, "hello", 5);
	assert_time(node->attr.mtime, -5, 999999999);
	assert_int_equal(node->attr.uid, geteuid());
	assert_memory_equal(fake_at(f->fs, "link")->target, "/some/where", 11);
	assert_int_equal(fake_at(f->fs, "fifo")->attr.mode, S_IFIFO | 0600);
	/* Entries came after them, and yet directories have their own times. */
	assert_time(fake_at(f->fs, "dir")->attr.mtime, 77, 8);
	assert_time(fake_at(f->fs, "")->attr.mtime, 78, 9);
	assert_int_equal(fake_at(f->fs, "")->attr.mode, S_IFDIR | 0700);
	assert_int_equal(f->stats.files, 2);
	assert_int_equal(f->stats.dirs, 2);
	assert_int_equal(f->stats.symlinks, 1);
	assert_int_equal(f->stats.others, 1);
	assert_int_equal(f->stats.bytes, 6);
	assert_int_equal(f->stats.warnings, 0);
}

static void test_import_dir__timestamp_leaves_only_mtime(void **state)
{
	struct fixture *f = *state;
	struct fake_node *node;

	temp_file(f->root, "old", "", 0);
	temp_file(f->root, "new", "abc", 3);
	temp_times(f->root, "new", 3000, 1);
	temp_times(f->root, "old", 1000, 1);
	f->options.has_timestamp = true;
	f->options.clamp_mtime = true;
	f->options.timestamp.sec = 2000;
	assert_int_equal(import(f), 0);
	node = fake_at(f->fs, "new");
	assert_time(node->attr.mtime, 2000, 0);
	assert_time(node->attr.atime, 2000, 0);
	assert_time(node->attr.ctime, 2000, 0);
	assert_time(node->attr.otime, 2000, 0);
	node = fake_at(f->fs, "old");
	assert_time(node->attr.mtime, 1000, 1);
	assert_time(node->attr.ctime, 1000, 1);
	assert_time(fake_at(f->fs, "")->attr.mtime, 2000, 0);
}

static void test_import_dir__owner_options(void **state)
{
	struct fixture *f = *state;

	temp_file(f->root, "file", "", 0);
	f->options.has_owner = true;
	f->options.owner_uid = 12;
	f->options.owner_gid = 13;
	f->options.has_root_owner = true;
	f->options.root_uid = 14;
	f->options.root_gid = 15;
	assert_int_equal(import(f), 0);
	assert_int_equal(fake_at(f->fs, "file")->attr.uid, 12);
	assert_int_equal(fake_at(f->fs, "file")->attr.gid, 13);
	assert_int_equal(fake_at(f->fs, "")->attr.uid, 14);
	assert_int_equal(fake_at(f->fs, "")->attr.gid, 15);
}

static void test_import_dir__links_stay_links(void **state)
{
	struct fixture *f = *state;
	char name[32];

	temp_file(f->root, "a", "data", 4);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "link%d", i);
		assert_int_equal(link(temp_path(f->root, "a"), temp_path(f->root, name)), 0);
	}
	assert_int_equal(import(f), 0);
	assert_ptr_equal(fake_at(f->fs, "a"), fake_at(f->fs, "link19"));
	assert_int_equal(fake_at(f->fs, "a")->attr.nlink, 21);
	assert_true(fake_at(f->fs, "a")->attr.ctime.sec < 4000000000);
	assert_int_equal(f->stats.hardlinks, 20);
	assert_int_equal(f->stats.files, 1);
}

static void test_import_dir__too_many_links_become_copies(void **state)
{
	struct fixture *f = *state;
	char name[32];

	temp_file(f->root, "a", "data", 4);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "link%d", i);
		assert_int_equal(link(temp_path(f->root, "a"), temp_path(f->root, name)), 0);
	}
	f->fs->links_max = 4;
	assert_int_equal(import(f), 0);
	assert_int_equal(f->nr_warnings, 1);
	assert_non_null(strstr(f->warning, "link3"));
	assert_ptr_not_equal(fake_at(f->fs, "a"), fake_at(f->fs, "link3"));
	assert_ptr_equal(fake_at(f->fs, "link3"), fake_at(f->fs, "link4"));
	assert_memory_equal(fake_at(f->fs, "link4")->data, "data", 4);
}

static void test_import_dir__holes_stay_holes(void **state)
{
	struct fixture *f = *state;
	struct fake_node *node;
	int fd = open(temp_path(f->root, "sparse"), O_WRONLY | O_CREAT, 0644);

	assert_int_equal(pwrite(fd, "begin", 5, 0), 5);
	assert_int_equal(pwrite(fd, "middle", 6, 1000000), 6);
	assert_int_equal(ftruncate(fd, 3000000), 0);
	close(fd);
	assert_int_equal(truncate(temp_path(f->root, "sparse"), 3000000), 0);
	fd = open(temp_path(f->root, "void"), O_WRONLY | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, 12345), 0);
	close(fd);
	temp_times(f->root, "void", 9, 9);
	fd = open(temp_path(f->root, "tail"), O_WRONLY | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);
	assert_int_equal(import(f), 0);
	/* Whether this is a hole is up to the source's filesystem. */
	assert_non_null(strstr(strbuf_text(&f->fs->log), "data tail 0+100"));
	node = fake_at(f->fs, "sparse");
	assert_int_equal(node->attr.size, 3000000);
	assert_memory_equal(node->data, "begin", 5);
	assert_memory_equal(node->data + 1000000, "middle", 6);
	assert_true(f->stats.bytes < 300000);
	assert_non_null(strstr(strbuf_text(&f->fs->log), "data sparse 0+"));
	assert_null(strstr(strbuf_text(&f->fs->log), "data void"));
	assert_int_equal(fake_at(f->fs, "void")->attr.size, 12345);
	assert_time(fake_at(f->fs, "void")->attr.mtime, 9, 9);
}

static void test_import_dir__xattrs_are_kept(void **state)
{
	struct fixture *f = *state;
	const char *space = "user";
	char name[32];

	temp_file(f->root, "file", "x", 1);
	temp_dir(f->root, "dir");
	if (setxattr(temp_path(f->root, "file"), "user.b", "12", 2, 0)) {
		space = "trusted";
		if (setxattr(temp_path(f->root, "file"), "trusted.b", "12", 2, 0)) {
			print_message("# skip: no xattrs in the temporary directory\n");
			skip();
		}
	}
	snprintf(name, sizeof(name), "%s.a", space);
	assert_int_equal(setxattr(temp_path(f->root, "file"), name, "", 0, 0), 0);
	assert_int_equal(setxattr(temp_path(f->root, "dir"), name, "\x00\xff", 2, 0), 0);
	for (unsigned threads = 0; threads < 2; threads++) {
		char expected[64];

		f->options.threads = threads;
		fake_free(f->fs);
		f->fs = fake_new();
		assert_int_equal(import(f), 0);
		snprintf(expected, sizeof(expected), "%s.a=;%s.b=3132;", space, space);
		assert_string_equal(strbuf_text(&fake_at(f->fs, "file")->xattrs), expected);
		snprintf(expected, sizeof(expected), "%s.a=00ff;", space);
		assert_string_equal(strbuf_text(&fake_at(f->fs, "dir")->xattrs), expected);
		assert_true(fake_at(f->fs, "file")->attr.mtime.sec < 4000000000);
		assert_true(fake_at(f->fs, "dir")->attr.mtime.sec < 4000000000);
	}
	assert_int_equal(f->stats.xattrs, 6);
}

static void test_import_dir__subvolumes_and_flags(void **state)
{
	struct fixture *f = *state;
	const struct import_subvol subvols[] = { { IMPORT_SUBVOL_RO, "./sub//" },
						 { IMPORT_SUBVOL_DEFAULT, "sub/deep" } };
	const struct import_inode_flags flags[] = { { IMPORT_NODATACOW, "dir" },
						    { IMPORT_NODATASUM, "top" } };

	temp_dir(f->root, "sub");
	temp_dir(f->root, "sub/deep");
	temp_dir(f->root, "dir");
	temp_file(f->root, "dir/file", "1", 1);
	temp_file(f->root, "top", "1", 1);
	temp_file(f->root, "other", "1", 1);
	assert_int_equal(link(temp_path(f->root, "other"), temp_path(f->root, "sub/other")), 0);
	assert_int_equal(chmod(temp_path(f->root, "sub"), 0711), 0);
	temp_times(f->root, "sub", 5, 6);
	f->options.subvols = subvols;
	f->options.nr_subvols = 2;
	f->options.inode_flags = flags;
	f->options.nr_inode_flags = 2;
	assert_int_equal(import(f), 0);
	assert_int_equal(fake_at(f->fs, "sub")->attr.node.ino, UBTRFS_ROOT_INO);
	assert_int_equal(fake_at(f->fs, "sub")->attr.mode, S_IFDIR | 0711);
	assert_time(fake_at(f->fs, "sub")->attr.mtime, 5, 6);
	assert_int_equal(f->fs->readonly_subvol, fake_at(f->fs, "sub")->attr.node.subvolid);
	assert_int_equal(f->fs->default_subvol, fake_at(f->fs, "sub/deep")->attr.node.subvolid);
	/* A link cannot cross: a copy. */
	assert_ptr_not_equal(fake_at(f->fs, "other"), fake_at(f->fs, "sub/other"));
	assert_int_equal(fake_at(f->fs, "sub/other")->data[0], '1');
	assert_int_equal(fake_at(f->fs, "dir")->attr.flags, BTRFS_INODE_NODATACOW);
	assert_int_equal(fake_at(f->fs, "dir/file")->attr.flags,
			 BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	assert_int_equal(fake_at(f->fs, "top")->attr.flags, BTRFS_INODE_NODATASUM);
	assert_int_equal(fake_at(f->fs, "other")->attr.flags, 0);
}

static void expect_failure(struct fixture *f, const char *words)
{
	int ret = import(f);

	assert_true(ret < 0);
	if (!strstr(err_text(ret), words))
		fail_msg("\"%s\" does not say \"%s\"", err_text(ret), words);
}

static void test_import_dir__wrong_options_are_named(void **state)
{
	struct fixture *f = *state;
	struct import_subvol subvols[] = { { IMPORT_SUBVOL_RW, "file" },
					   { IMPORT_SUBVOL_RW, "dir" } };

	temp_file(f->root, "file", "", 0);
	temp_dir(f->root, "dir");
	f->options.subvols = subvols;
	f->options.nr_subvols = 1;
	expect_failure(f, "subvolume file: it is not a directory");
	subvols[0].dir = "missing";
	expect_failure(f, "subvolume missing");
	subvols[0].dir = "../x";
	expect_failure(f, "\"..\" leads outside");
	subvols[0].dir = "dir/";
	f->options.nr_subvols = 2;
	expect_failure(f, "subvolume dir is given twice");
}

static void test_import_dir__parses_specs(void **state)
{
	struct import_subvol subvol;
	struct import_inode_flags flags;

	(void)state;
	assert_int_equal(import_subvol_parse("default-ro:a/b", &subvol), 0);
	assert_int_equal(subvol.type, IMPORT_SUBVOL_DEFAULT_RO);
	assert_string_equal(subvol.dir, "a/b");
	assert_int_equal(import_subvol_parse("a", &subvol), 0);
	assert_int_equal(subvol.type, IMPORT_SUBVOL_RW);
	assert_int_equal(import_subvol_parse("rx:a", &subvol), -ERR_INVALID);
	assert_int_equal(import_subvol_parse("ro:", &subvol), -ERR_INVALID);
	assert_int_equal(import_inode_flags_parse("nodatasum,nodatacow:p:q", &flags), 0);
	assert_int_equal(flags.flags, IMPORT_NODATASUM | IMPORT_NODATACOW);
	assert_string_equal(flags.path, "p:q");
	assert_int_equal(import_inode_flags_parse("nocow:p", &flags), -ERR_INVALID);
	assert_int_equal(import_inode_flags_parse(":p", &flags), -ERR_INVALID);
	assert_int_equal(import_inode_flags_parse("nodatasum", &flags), -ERR_INVALID);
}

/* Several batches; the directory's time is set once, behind the last. */
static void test_import_dir__large_directory(void **state)
{
	struct fixture *f = *state;
	char name[32];

	temp_dir(f->root, "many");
	for (int i = 0; i < 700; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		temp_file(f->root, name, "", 0);
	}
	temp_times(f->root, "many", 6, 6);
	assert_int_equal(import(f), 0);
	assert_int_equal(f->stats.files, 700);
	assert_time(fake_at(f->fs, "many")->attr.mtime, 6, 6);
}

/* Deeper than a path may be long. */
static void test_import_dir__deep_directory(void **state)
{
	struct fixture *f = *state;
	char name[201];
	int fd = open(f->root, O_RDONLY | O_DIRECTORY), next;
	const int depth = 30;

	memset(name, 'd', 200);
	name[200] = '\0';
	for (int i = 0; i < depth; i++) {
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	next = openat(fd, "leaf", O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(next, "deep", 4), 4);
	close(next);
	for (unsigned threads = 0; threads < 2; threads++) {
		f->options.threads = threads;
		fake_free(f->fs);
		f->fs = fake_new();
		f->stats.files = 0;
		assert_int_equal(import(f), 0);
		assert_int_equal(f->stats.files, 1);
		assert_memory_equal(f->fs->nodes[f->fs->nr_nodes - 1]->data, "deep", 4);
	}
	/* nftw cannot go that deep either. */
	assert_int_equal(unlinkat(fd, "leaf", 0), 0);
	for (int i = 0; i < depth; i++) {
		next = openat(fd, "..", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
		assert_int_equal(unlinkat(fd, name, AT_REMOVEDIR), 0);
	}
	close(fd);
}

/* The n-th allocation fails, for every n: an error that says so, nothing kept (asan counts). */
static void test_import_dir__each_allocation_may_fail(void **state)
{
	struct fixture *f = *state;
	unsigned nr_failed = 0;
	bool fired = true;

	make_tree(f->root, false);
	assert_int_equal(link(temp_path(f->root, "b"), temp_path(f->root, "c")), 0);
	f->options.threads = 1;
	for (uint64_t n = 1; fired; n++) {
		int ret;

		fake_free(f->fs);
		f->fs = fake_new();
		f->fs->quiet = true;
		fault_arm(FAULT_ALLOC, n);
		ret = import(f);
		fired = fault_fired(FAULT_ALLOC);
		fault_arm(FAULT_ALLOC, 0);
		assert_int_equal(ret, fired ? -ERR_NO_MEMORY : 0);
		nr_failed += fired;
	}
	assert_true(nr_failed > 20);
}

static int stop_at_once(void *ctx, const struct import_progress *progress)
{
	(void)ctx;
	(void)progress;
	return -1;
}

static void test_import_dir__progress_can_interrupt(void **state)
{
	struct fixture *f = *state;

	temp_file(f->root, "a", "1", 1);
	temp_file(f->root, "b", "2", 1);
	f->options.progress = stop_at_once;
	assert_int_equal(import(f), -ERR_INTERRUPTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_import_dir__order_depends_on_names_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__keeps_kinds_owners_times, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__timestamp_leaves_only_mtime, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__owner_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__links_stay_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__too_many_links_become_copies,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__holes_stay_holes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__xattrs_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__subvolumes_and_flags, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__wrong_options_are_named, setup,
						teardown),
		cmocka_unit_test(test_import_dir__parses_specs),
		cmocka_unit_test_setup_teardown(test_import_dir__large_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__deep_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__each_allocation_may_fail, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_dir__progress_can_interrupt, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
