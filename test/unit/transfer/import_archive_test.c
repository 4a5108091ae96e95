/* import_archive: formats, replacing, links, parents, nothing outside dest; OCI layers. */
#include "base/cmocka_all.h"

#include <archive.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "fake_fs.h"
#include "temp_archive.h"
#include "temp_tree.h"
#include "transfer/transfer_priv.h"

#define FILE_MODE (S_IFREG | 0644)
#define DIR_MODE (S_IFDIR | 0750)
#define LINK_MODE (S_IFLNK | 0777)
#define UNPACK(f, format, ...)                                                    \
	unpack_entries((f), (format), (const struct temp_entry[]){ __VA_ARGS__ }, \
		       sizeof((const struct temp_entry[]){ __VA_ARGS__ }) /       \
			       sizeof(struct temp_entry))
#define TAR(f, ...) assert_int_equal(UNPACK(f, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, __VA_ARGS__), 0)

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

static int import(struct fixture *f, const char *file)
{
	return import_archive(f->fs, ubtrfs_top(f->fs), file, &f->options, &f->stats);
}

static int unpack_entries(struct fixture *f, int format, const struct temp_entry *entries,
			  size_t nr_entries)
{
	const char *file = temp_path(f->root, "archive");

	temp_archive(file, format, entries, nr_entries);
	return import(f, file);
}

static void expect_failure(int ret, const char *words)
{
	assert_true(ret < 0);
	if (!strstr(err_text(ret), words))
		fail_msg("\"%s\" does not say \"%s\"", err_text(ret), words);
}

static void assert_data(struct fixture *f, const char *path, const char *data)
{
	struct fake_node *node = fake_at(f->fs, path);

	if (!node)
		fail_msg("%s is missing", path);
	assert_int_equal(node->attr.size, strlen(data));
	assert_memory_equal(node->data ? (const char *)node->data : "", data, strlen(data));
}

static void test_import_archive__kinds_and_times(void **state)
{
	struct fixture *f = *state;

	TAR(f, { "./", S_IFDIR | 0711, NULL, NULL, 11 }, { "/dir/", DIR_MODE, NULL, NULL, 5 },
	    { "dir/file", S_IFREG | 04755, "contents", NULL, -7 },
	    { "dir/hard", 0, NULL, "dir/file", 6 }, { "dir/soft", LINK_MODE, NULL, "../x", 8 },
	    { "fifo", S_IFIFO | 0600, NULL, NULL, 9 });
	assert_data(f, "dir/file", "contents");
	assert_int_equal(fake_at(f->fs, "dir/file")->attr.mode, S_IFREG | 04755);
	assert_int_equal(fake_at(f->fs, "dir/file")->attr.uid, 1000);
	assert_int_equal(fake_at(f->fs, "dir/file")->attr.gid, 1001);
	assert_ptr_equal(fake_at(f->fs, "dir/file"), fake_at(f->fs, "dir/hard"));
	assert_memory_equal(fake_at(f->fs, "dir/soft")->target, "../x", 4);
	assert_int_equal(fake_at(f->fs, "dir/soft")->attr.mtime.sec, 8);
	assert_int_equal(fake_at(f->fs, "fifo")->attr.mode, S_IFIFO | 0600);
	/* Children came later. */
	assert_int_equal(fake_at(f->fs, "dir")->attr.mtime.sec, 5);
	assert_int_equal(fake_at(f->fs, "")->attr.mtime.sec, 11);
	assert_int_equal(fake_at(f->fs, "")->attr.mode, S_IFDIR | 0711);
	assert_int_equal(f->stats.files, 1);
	assert_int_equal(f->stats.hardlinks, 1);
}

/* One member of a cpio archive of kind newc. */
static void cpio_add(FILE *out, const char *name, unsigned ino, unsigned mode, const char *data)
{
	static const char zeros[4];
	size_t name_len = strlen(name) + 1, data_len = strlen(data);

	fprintf(out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ino, mode, 0u,
		0u, 2u, 5u, (unsigned)data_len, 0u, 0u, 0u, 0u, (unsigned)name_len, 0u);
	fwrite(name, 1, name_len, out);
	fwrite(zeros, 1, (6 - name_len % 4) % 4, out);
	fwrite(data, 1, data_len, out);
	fwrite(zeros, 1, (4 - data_len % 4) % 4, out);
}

/* cpio tells the contents of a file with its last name, and a symlink's target with each. */
static void test_import_archive__links_of_cpio(void **state)
{
	struct fixture *f = *state;
	const char *file = temp_path(f->root, "a.cpio");
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	cpio_add(out, "soft", 7, LINK_MODE, "target");
	cpio_add(out, "also", 7, LINK_MODE, "target");
	cpio_add(out, "first", 8, FILE_MODE, "");
	cpio_add(out, "last", 8, FILE_MODE, "contents");
	cpio_add(out, "TRAILER!!!", 0, 0, "");
	assert_int_equal(fclose(out), 0);
	assert_int_equal(import(f, file), 0);
	assert_ptr_equal(fake_at(f->fs, "soft"), fake_at(f->fs, "also"));
	assert_memory_equal(fake_at(f->fs, "soft")->target, "target", 6);
	assert_null(fake_at(f->fs, "soft")->data);
	assert_ptr_equal(fake_at(f->fs, "first"), fake_at(f->fs, "last"));
	assert_data(f, "first", "contents");
}

static void test_import_archive__any_order(void **state)
{
	struct fixture *f = *state;

	f->options.has_timestamp = true;
	f->options.timestamp.sec = 99;
	TAR(f, { "a/b/file", FILE_MODE, "1", NULL, 1 }, { "a", DIR_MODE, NULL, NULL, 2 },
	    { "c/d", FILE_MODE, "2", NULL, 3 });
	assert_int_equal(fake_at(f->fs, "a")->attr.mode, DIR_MODE);
	assert_int_equal(fake_at(f->fs, "a")->attr.mtime.sec, 2);
	/* Nobody named these. */
	assert_int_equal(fake_at(f->fs, "a/b")->attr.mode, S_IFDIR | 0755);
	assert_int_equal(fake_at(f->fs, "a/b")->attr.uid, 0);
	assert_int_equal(fake_at(f->fs, "a/b")->attr.mtime.sec, 99);
	assert_int_equal(fake_at(f->fs, "c")->attr.mtime.sec, 99);
}

static void test_import_archive__later_entries_replace(void **state)
{
	struct fixture *f = *state;

	TAR(f, { "x", FILE_MODE, "first", NULL, 1 }, { "keep", 0, NULL, "x", 1 },
	    { "x", FILE_MODE, "second", NULL, 1 }, { "d/in/side", FILE_MODE, "", NULL, 1 },
	    { "d", FILE_MODE, "now a file", NULL, 1 }, { "e", FILE_MODE, "", NULL, 1 },
	    { "e", DIR_MODE, NULL, NULL, 1 }, { "e/f", FILE_MODE, "3", NULL, 1 });
	assert_data(f, "x", "second");
	assert_data(f, "keep", "first");
	assert_data(f, "d", "now a file");
	assert_data(f, "e/f", "3");
}

static void test_import_archive__nothing_outside(void **state)
{
	struct fixture *f = *state;
	const int tar = ARCHIVE_FORMAT_TAR_PAX_RESTRICTED;

	expect_failure(UNPACK(f, tar, { "a/../../x", FILE_MODE, "", NULL, 1 }), "a/../../x");
	expect_failure(UNPACK(f, tar, { "..", DIR_MODE, NULL, NULL, 1 }), "\"..\" leads outside");
	expect_failure(UNPACK(f, tar, { "h", 0, NULL, "../etc/passwd", 1 }), "../etc/passwd");
	expect_failure(UNPACK(f, tar, { "h", 0, NULL, "missing", 1 }),
		       "h: it is a hard link to missing");
	assert_null(fake_at(f->fs, "x"));
}

/* Symlinks in the way of an entry lead inside dest, wherever they point. */
static void test_import_archive__symlinked_parents(void **state)
{
	struct fixture *f = *state;

	TAR(f, { "top", DIR_MODE, NULL, NULL, 1 }, { "top/usr/lib", DIR_MODE, NULL, NULL, 1 },
	    { "lib", LINK_MODE, NULL, "top/usr/lib", 1 }, { "lib/a", FILE_MODE, "1", NULL, 1 },
	    { "up", LINK_MODE, NULL, "../../../top/./usr", 1 }, { "up/b", FILE_MODE, "2", NULL, 1 },
	    { "abs", LINK_MODE, NULL, "/top", 1 }, { "abs/usr/lib/c", FILE_MODE, "3", NULL, 1 });
	assert_data(f, "top/usr/lib/a", "1");
	assert_data(f, "top/usr/b", "2");
	assert_data(f, "top/usr/lib/c", "3");
	expect_failure(UNPACK(f, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED,
			      { "l", LINK_MODE, NULL, "l", 1 }, { "l/x", FILE_MODE, "", NULL, 1 }),
		       "l/x: more than 40 symlinks");
}

static void test_import_archive__cpio(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(UNPACK(f, ARCHIVE_FORMAT_CPIO_SVR4_NOCRC, { "d", DIR_MODE, NULL, NULL, 3 },
				{ "d/f", FILE_MODE, "cpio", NULL, 4 }),
			 0);
	assert_data(f, "d/f", "cpio");
	assert_int_equal(fake_at(f->fs, "d")->attr.mtime.sec, 3);
}

/* Names are bytes: neither another normal form nor a lost accent, whatever the locale. */
static void test_import_archive__names_are_bytes(void **state)
{
	struct fixture *f = *state;
	const char *composed = "\xc3\xa9", *decomposed = "e\xcc\x81", *latin = "\xe9";

	assert_int_equal(UNPACK(f, ARCHIVE_FORMAT_TAR_USTAR, { composed, FILE_MODE, "1", NULL, 1 },
				{ decomposed, FILE_MODE, "2", NULL, 1 },
				{ latin, FILE_MODE, "3", NULL, 1 }),
			 0);
	assert_data(f, composed, "1");
	assert_data(f, decomposed, "2");
	assert_data(f, latin, "3");
	assert_int_equal(f->nr_warnings, 0);
}

static void test_import_archive__mtree_with_contents(void **state)
{
	struct fixture *f = *state;
	const char manifest[] =
		"#mtree\n"
		"./ type=dir mode=0755 uid=0 gid=0 time=5.0\n"
		"./bin type=dir mode=0755 uid=0 gid=0 time=6.0\n"
		"./bin/tool type=file mode=04755 uid=3 gid=4 time=7.5 flags=nodump,uchg contents=stuff/tool.bin\n"
		"./dev type=char mode=0600 uid=0 gid=0 time=8.0 device=native,1,3\n"
		"./none type=file mode=0644 uid=0 gid=0 time=8.0 size=9\n"
		"./ln type=link mode=0777 uid=0 gid=0 time=8.0 link=bin/tool\n";

	temp_dir(f->root, "stuff");
	temp_file(f->root, "stuff/tool.bin", "elf", 3);
	temp_file(f->root, "manifest", manifest, strlen(manifest));
	assert_int_equal(import(f, temp_path(f->root, "manifest")), 0);
	assert_data(f, "bin/tool", "elf");
	assert_int_equal(fake_at(f->fs, "bin/tool")->attr.mode, S_IFREG | 04755);
	assert_int_equal(fake_at(f->fs, "bin/tool")->attr.uid, 3);
	assert_int_equal(fake_at(f->fs, "bin/tool")->attr.mtime.sec, 7);
	assert_int_equal(fake_at(f->fs, "bin/tool")->attr.flags,
			 BTRFS_INODE_NODUMP | BTRFS_INODE_IMMUTABLE);
	assert_int_equal(fake_at(f->fs, "dev")->attr.mode, S_IFCHR | 0600);
	assert_int_equal(fake_at(f->fs, "dev")->attr.rdev, 0x103);
	assert_memory_equal(fake_at(f->fs, "ln")->target, "bin/tool", 8);
	assert_int_equal(fake_at(f->fs, "none")->attr.size, 9);
	assert_int_equal(f->nr_warnings, 1);
	assert_non_null(strstr(f->warning, "none has no contents"));
}

static void test_import_archive__bad_archives_are_named(void **state)
{
	struct fixture *f = *state;
	char *noise = malloc(100000);

	temp_file(f->root, "empty", "", 0);
	expect_failure(import(f, temp_path(f->root, "empty")), "empty is empty");
	for (int i = 0; i < 100000; i++)
		noise[i] = (char)(i * 7 + (i >> 5));
	temp_file(f->root, "noise", noise, 100000);
	expect_failure(import(f, temp_path(f->root, "noise")), "noise: ");
	free(noise);
	expect_failure(import(f, temp_path(f->root, "missing")), "missing: No such file");
	TAR(f, { "big", FILE_MODE, "12345", NULL, 1 });
	assert_int_equal(truncate(temp_path(f->root, "archive"), 513), 0);
	expect_failure(import(f, temp_path(f->root, "archive")), "entry big: ");
}

static void test_import_archive__whiteouts(void **state)
{
	struct fixture *f = *state;

	f->options.layers = true;
	TAR(f, { "a/one", FILE_MODE, "1", NULL, 1 }, { "a/two", FILE_MODE, "1", NULL, 1 },
	    { "b/sub/x", FILE_MODE, "1", NULL, 1 }, { "b/y", FILE_MODE, "1", NULL, 1 },
	    { "gone/deep/er", FILE_MODE, "1", NULL, 1 }, { "both/low", FILE_MODE, "1", NULL, 1 });
	TAR(f, { "a/.wh.one", FILE_MODE, "", NULL, 1 }, { "a/three", FILE_MODE, "2", NULL, 1 },
	    { ".wh.gone", FILE_MODE, "", NULL, 1 },
	    /* What the layer itself puts there stays, whether named before or after. */
	    { "b/sub/new", FILE_MODE, "2", NULL, 1 }, { "b/.wh..wh..opq", FILE_MODE, "", NULL, 1 },
	    { "b/z", FILE_MODE, "2", NULL, 1 }, { "both/high", FILE_MODE, "2", NULL, 1 },
	    { ".wh.both", FILE_MODE, "", NULL, 1 }, { "a/.wh.three", FILE_MODE, "", NULL, 1 },
	    { "no/such/.wh.x", FILE_MODE, "", NULL, 1 },
	    { ".wh..wh.plnk", DIR_MODE, NULL, NULL, 1 });
	assert_null(fake_at(f->fs, "a/one"));
	assert_data(f, "a/two", "1");
	assert_data(f, "a/three", "2");
	assert_null(fake_at(f->fs, "gone"));
	assert_null(fake_at(f->fs, "b/y"));
	assert_null(fake_at(f->fs, "b/sub/x"));
	assert_data(f, "b/sub/new", "2");
	assert_data(f, "b/z", "2");
	assert_null(fake_at(f->fs, "both/low"));
	assert_data(f, "both/high", "2");
	assert_null(fake_at(f->fs, "no"));
	assert_null(fake_at(f->fs, ".wh..wh.plnk"));
	expect_failure(UNPACK(f, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED,
			      { ".wh...", FILE_MODE, "", NULL, 1 }),
		       "names nothing");
}

/* One archive is no layer: such names are names. */
static void test_import_archive__no_whiteouts_without_layers(void **state)
{
	struct fixture *f = *state;

	TAR(f, { "a", FILE_MODE, "1", NULL, 1 }, { ".wh.a", FILE_MODE, "", NULL, 1 });
	assert_data(f, "a", "1");
	assert_data(f, ".wh.a", "");
}

static void test_import_archive__each_allocation_may_fail(void **state)
{
	struct fixture *f = *state;
	unsigned nr_failed = 0;
	bool fired = true;

	f->fs->quiet = true;
	f->options.layers = true;
	TAR(f, { "a/one", FILE_MODE, "1", NULL, 1 }, { "a/two", FILE_MODE, "1", NULL, 1 },
	    { "s", LINK_MODE, NULL, "a", 1 }, { "h", 0, NULL, "a/one", 1 },
	    { "s/.wh.two", FILE_MODE, "", NULL, 1 }, { "a", FILE_MODE, "", NULL, 1 });
	for (uint64_t n = 1; fired; n++) {
		int ret;

		fake_free(f->fs);
		f->fs = fake_new();
		f->fs->quiet = true;
		fault_arm(FAULT_ALLOC, n);
		ret = import(f, temp_path(f->root, "archive"));
		fired = fault_fired(FAULT_ALLOC);
		fault_arm(FAULT_ALLOC, 0);
		if (fired)
			assert_true(ret == -ERR_NO_MEMORY || ret == -ENOMEM);
		else
			assert_int_equal(ret, 0);
		nr_failed += fired;
	}
	assert_true(nr_failed > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_import_archive__kinds_and_times, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__links_of_cpio, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__later_entries_replace, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__nothing_outside, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__symlinked_parents, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__cpio, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__names_are_bytes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__mtree_with_contents, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__bad_archives_are_named, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__whiteouts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__no_whiteouts_without_layers,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_import_archive__each_allocation_may_fail,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
