/*
 * Renaming through the public API: every kind of move, every refusal, what is left of times, sizes,
 * links and references; each image judged by `btrfs check`.
 */
#include "fs_fixture.h"

#include <errno.h>

#define NOREPLACE UBTRFS_RENAME_NOREPLACE
#define EXCHANGE UBTRFS_RENAME_EXCHANGE
#define WHITEOUT UBTRFS_RENAME_WHITEOUT

static int move(struct fs_fixture *fx, struct ubtrfs_node dir, const char *name,
		struct ubtrfs_node new_dir, const char *new_name, unsigned flags)
{
	return ubtrfs_rename(fx->fs, dir, name, strlen(name), new_dir, new_name, strlen(new_name),
			     flags);
}

static void leads_to(struct fs_fixture *fx, struct ubtrfs_node dir, const char *name,
		     struct ubtrfs_node node)
{
	struct ubtrfs_node found = { 0, 0 };

	OK(ubtrfs_lookup(fx->fs, dir, name, strlen(name), &found));
	assert_int_equal(found.subvolid, node.subvolid);
	assert_int_equal(found.ino, node.ino);
}

static void is_gone(struct fs_fixture *fx, struct ubtrfs_node dir, const char *name)
{
	struct ubtrfs_node found;

	FAILS(ENOENT, ubtrfs_lookup(fx->fs, dir, name, strlen(name), &found));
}

static void path_is(struct fs_fixture *fx, const char *path, struct ubtrfs_node node)
{
	struct ubtrfs_node found = { 0, 0 };

	OK(ubtrfs_resolve(fx->fs, fx->top, path, true, &found));
	assert_int_equal(found.subvolid, node.subvolid);
	assert_int_equal(found.ino, node.ino);
}

static void test_op_rename__moves(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node a, b, file, dir;
	uint64_t ctime;

	(void)state;
	fixture_fresh(&fx);
	a = fixture_create(&fx, fx.top, "a", S_IFDIR | 0755);
	b = fixture_create(&fx, fx.top, "b", S_IFDIR | 0755);
	dir = fixture_create(&fx, a, "dir", S_IFDIR | 0755);
	file = fixture_create(&fx, dir, "file", S_IFREG | 0644);
	for (unsigned round = 0; round < 2; round++) {
		fx.now.sec += 100;
		fixture_reopen(&fx, true);
		ctime = (uint64_t)fx.now.sec;
		OK(move(&fx, dir, "file", dir, "a longer name", 0));
		OK(move(&fx, dir, "a longer name", b, "f", 0));
		OK(move(&fx, a, "dir", b, "directory", NOREPLACE));
		leads_to(&fx, b, "f", file);
		leads_to(&fx, b, "directory", dir);
		is_gone(&fx, a, "dir");
		is_gone(&fx, dir, "file");
		path_is(&fx, "b/directory/../f", file);
		assert_int_equal(fixture_attr(&fx, a).size, 0);
		assert_int_equal(fixture_attr(&fx, dir).size, 0);
		assert_int_equal(fixture_attr(&fx, b).size, 2 * (1 + 9));
		assert_int_equal(fixture_attr(&fx, file).ctime.sec, ctime);
		assert_int_equal(fixture_attr(&fx, dir).ctime.sec, ctime);
		assert_int_equal(fixture_attr(&fx, a).mtime.sec, ctime);
		assert_int_equal(fixture_attr(&fx, b).mtime.sec, ctime);
		assert_int_equal(fixture_attr(&fx, file).mtime.sec, 1700000000);
		if (round == 0)
			fixture_reopen(&fx, true);
		OK(move(&fx, b, "directory", a, "dir", 0));
		OK(move(&fx, b, "f", dir, "file", 0));
		path_is(&fx, "a/dir/file", file);
	}
	fixture_done(&fx);
}

static void test_op_rename__over(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node dir, one, two, empty, other;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	for (unsigned round = 0; round < 2; round++) {
		one = fixture_create(&fx, dir, "one", S_IFREG | 0644);
		two = fixture_file(&fx, "two");
		empty = fixture_create(&fx, dir, "empty", S_IFDIR | 0755);
		other = fixture_create(&fx, fx.top, "other", S_IFDIR | 0755);
		fixture_create(&fx, other, "x", S_IFREG | 0644);
		OK(ubtrfs_write(fx.fs, two, 0, "two", 3));
		OK(ubtrfs_link(fx.fs, two, fx.top, "again", 5));
		if (round == 0)
			fixture_reopen(&fx, true);
		FAILS(EEXIST, move(&fx, dir, "one", fx.top, "two", NOREPLACE));
		FAILS(EISDIR, move(&fx, dir, "one", dir, "empty", 0));
		FAILS(ENOTDIR, move(&fx, dir, "empty", fx.top, "two", 0));
		FAILS(ENOTEMPTY, move(&fx, dir, "empty", fx.top, "other", 0));
		FAILS(ENOENT, move(&fx, dir, "none", fx.top, "two", 0));
		FAILS(EINVAL, move(&fx, dir, "one", fx.top, "a/b", 0));
		FAILS(EINVAL, move(&fx, dir, "one", fx.top, "..", 0));
		FAILS(EINVAL, move(&fx, dir, "one", fx.top, "y", 8));
		FAILS(EINVAL, move(&fx, dir, "one", fx.top, "two", EXCHANGE | NOREPLACE));
		FAILS(EINVAL, move(&fx, dir, "one", fx.top, "two", EXCHANGE | WHITEOUT));
		FAILS(ENOTDIR, move(&fx, one, "one", fx.top, "two", 0));
		FAILS(ENAMETOOLONG,
		      ubtrfs_rename(fx.fs, dir, "one", 3, dir,
				    "123456789012345678901234567890123456789012345678901234567890"
				    "123456789012345678901234567890123456789012345678901234567890"
				    "123456789012345678901234567890123456789012345678901234567890"
				    "123456789012345678901234567890123456789012345678901234567890"
				    "1234567890123456",
				    256, 0));
		/* Two names of one file. */
		OK(move(&fx, fx.top, "two", fx.top, "again", 0));
		leads_to(&fx, fx.top, "two", two);
		leads_to(&fx, fx.top, "again", two);
		/* Over one name of two. */
		OK(move(&fx, dir, "one", fx.top, "two", 0));
		leads_to(&fx, fx.top, "two", one);
		assert_int_equal(fixture_attr(&fx, two).nlink, 1);
		/* Over the last one. */
		OK(move(&fx, fx.top, "two", fx.top, "again", 0));
		leads_to(&fx, fx.top, "again", one);
		is_gone(&fx, fx.top, "two");
		FAILS(ENOENT, ubtrfs_getattr(fx.fs, two, &(struct ubtrfs_attr){ .mode = 0 }));
		OK(ubtrfs_unlink(fx.fs, other, "x", 1));
		OK(move(&fx, dir, "empty", fx.top, "other", 0));
		leads_to(&fx, fx.top, "other", empty);
		FAILS(ENOENT, ubtrfs_getattr(fx.fs, other, &(struct ubtrfs_attr){ .mode = 0 }));
		assert_int_equal(fixture_attr(&fx, dir).size, 0);
		OK(ubtrfs_rmdir(fx.fs, fx.top, "other", 5));
		OK(ubtrfs_unlink(fx.fs, fx.top, "again", 5));
		assert_int_equal(fixture_attr(&fx, fx.top).size, 2 * 3);
		fixture_reopen(&fx, true);
	}
	fixture_done(&fx);
}

static void test_op_rename__loops(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node a, b, c, sub;

	(void)state;
	fixture_fresh(&fx);
	a = fixture_create(&fx, fx.top, "a", S_IFDIR | 0755);
	b = fixture_create(&fx, a, "b", S_IFDIR | 0755);
	OK(ubtrfs_subvolume_create(fx.fs, b, "sub", 3, NULL, &sub));
	c = fixture_create(&fx, sub, "c", S_IFDIR | 0755);
	FAILS(EINVAL, move(&fx, fx.top, "a", a, "x", 0));
	FAILS(EINVAL, move(&fx, fx.top, "a", b, "x", 0));
	FAILS(EINVAL, move(&fx, fx.top, "a", c, "x", 0));
	FAILS(EINVAL, move(&fx, b, "sub", c, "x", 0));
	FAILS(EINVAL, move(&fx, fx.top, "a", a, "b", EXCHANGE));
	FAILS(EINVAL, move(&fx, a, "b", fx.top, "a", EXCHANGE));
	FAILS(ENOTEMPTY, move(&fx, a, "b", fx.top, "a", 0));
	OK(move(&fx, fx.top, "a", fx.top, "aa", 0));
	path_is(&fx, "aa/b/sub/c", c);
	fixture_done(&fx);
}

static void test_op_rename__exchange(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node a, b, file, dir, sub;

	(void)state;
	fixture_fresh(&fx);
	a = fixture_create(&fx, fx.top, "a", S_IFDIR | 0755);
	b = fixture_create(&fx, fx.top, "b", S_IFDIR | 0755);
	dir = fixture_create(&fx, a, "dir", S_IFDIR | 0755);
	file = fixture_create(&fx, b, "longer", S_IFREG | 0644);
	OK(ubtrfs_subvolume_create(fx.fs, b, "sub", 3, NULL, &sub));
	fixture_create(&fx, dir, "x", S_IFREG | 0644);
	FAILS(ENOENT, move(&fx, a, "dir", b, "none", EXCHANGE));
	for (unsigned round = 0; round < 2; round++) {
		OK(move(&fx, a, "dir", b, "longer", EXCHANGE));
		leads_to(&fx, a, "dir", file);
		leads_to(&fx, b, "longer", dir);
		path_is(&fx, "b/longer/..", b);
		/* In one directory. */
		OK(move(&fx, b, "longer", b, "sub", EXCHANGE));
		leads_to(&fx, b, "longer", sub);
		leads_to(&fx, b, "sub", dir);
		if (round == 0)
			fixture_reopen(&fx, true);
		OK(move(&fx, b, "longer", b, "sub", EXCHANGE));
		OK(move(&fx, b, "longer", a, "dir", EXCHANGE));
		OK(move(&fx, b, "longer", b, "longer", EXCHANGE));
		leads_to(&fx, b, "longer", file);
		leads_to(&fx, a, "dir", dir);
	}
	assert_int_equal(fixture_attr(&fx, a).size, 2 * 3);
	assert_int_equal(fixture_attr(&fx, b).size, 2 * 9);
	fixture_done(&fx);
}

static void test_op_rename__whiteout(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node dir, file, found = { 0, 0 };
	struct ubtrfs_attr attr;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	file = fixture_create(&fx, dir, "file", S_IFREG | 0644);
	fixture_create(&fx, dir, "over", S_IFREG | 0644);
	OK(move(&fx, dir, "file", dir, "over", WHITEOUT));
	OK(move(&fx, dir, "over", fx.top, "moved", WHITEOUT | NOREPLACE));
	leads_to(&fx, fx.top, "moved", file);
	OK(ubtrfs_lookup(fx.fs, dir, "file", 4, &found));
	attr = fixture_attr(&fx, found);
	assert_int_equal(attr.mode, S_IFCHR);
	assert_int_equal(attr.rdev, 0);
	assert_int_equal(attr.nlink, 1);
	OK(ubtrfs_lookup(fx.fs, dir, "over", 4, &found));
	assert_int_equal(fixture_attr(&fx, found).mode, S_IFCHR);
	fixture_done(&fx);
}

static void test_op_rename__subvolumes(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node dir, one, two, file;
	struct ubtrfs_subvolume info;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_subvolume_create(fx.fs, fx.top, "one", 3, NULL, &one));
	OK(ubtrfs_subvolume_create(fx.fs, dir, "two", 3, NULL, &two));
	file = fixture_create(&fx, one, "file", S_IFREG | 0644);
	FAILS(EXDEV, move(&fx, one, "file", fx.top, "file", 0));
	FAILS(EXDEV, move(&fx, fx.top, "dir", one, "dir", 0));
	FAILS(EXDEV, move(&fx, one, "file", dir, "two", EXCHANGE));
	FAILS(ENOTEMPTY, move(&fx, fx.top, "one", dir, "two", 0));
	OK(move(&fx, dir, "two", one, "inner", 0));
	path_is(&fx, "one/inner", two);
	path_is(&fx, "one/inner/..", one);
	OK(move(&fx, fx.top, "one", dir, "uno", 0));
	fixture_reopen(&fx, true);
	path_is(&fx, "dir/uno/inner", two);
	path_is(&fx, "dir/uno/file", file);
	OK(ubtrfs_subvolume_info(fx.fs, two.subvolid, &info));
	assert_int_equal(info.parent_id, one.subvolid);
	assert_string_equal(info.name, "inner");
	/* A read-only one may be renamed, and cannot go elsewhere. */
	OK(ubtrfs_subvolume_set_readonly(fx.fs, one.subvolid, true));
	FAILS(EROFS, move(&fx, dir, "uno", fx.top, "one", 0));
	OK(move(&fx, dir, "uno", dir, "one", 0));
	FAILS(EROFS, move(&fx, one, "inner", fx.top, "two", 0));
	path_is(&fx, "dir/one/inner", two);
	fixture_done(&fx);
}

/* A file with more names than an INODE_REF holds moves as well; without extref there is a limit. */
static void test_op_rename__full_references(void **state)
{
	enum { NR_LINKS = 200 };
	struct fs_fixture fx;
	struct ubtrfs_node dir, file;
	char name[256], longer[256];
	unsigned nr;

	(void)state;
	for (unsigned extref = 0; extref < 2; extref++) {
		fixture_init(&fx);
		fx.mkfs.byte_count = 256 * MIB;
		fx.mkfs.features = extref ? "extref" : "^extref";
		fixture_make(&fx);
		fixture_finish(&fx);
		fixture_open(&fx, true);
		dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
		file = fixture_file(&fx, "first");
		memset(name, 'n', sizeof(name));
		memset(longer, 'l', sizeof(longer));
		for (nr = 0; nr < NR_LINKS; nr++) {
			snprintf(name + 200, 50, "%u", nr);
			if (ubtrfs_link(fx.fs, file, dir, name, strlen(name)) < 0)
				break;
		}
		assert_int_equal(nr == NR_LINKS, extref);
		/* The last that is there: one more comes only with extref, another name always. */
		snprintf(name + 200, 50, "%u", nr - 1);
		snprintf(longer + 200, 50, "%u", nr - 1);
		if (extref)
			OK(move(&fx, fx.top, "first", dir, "second", 0));
		else
			FAILS(EMLINK, move(&fx, fx.top, "first", dir, longer, 0));
		OK(move(&fx, dir, name, dir, longer, 0));
		leads_to(&fx, dir, longer, file);
		OK(move(&fx, dir, longer, fx.top, "out", 0));
		assert_int_equal(fixture_attr(&fx, file).nlink, nr + 1);
		fixture_done(&fx);
	}
}

static void test_op_rename__resolve_parent(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node a, found = { 0, 0 };
	const char *name = NULL;
	size_t len = 0;

	(void)state;
	fixture_fresh(&fx);
	a = fixture_create(&fx, fx.top, "a", S_IFDIR | 0755);
	fixture_create(&fx, a, "file", S_IFREG | 0644);
	OK(ubtrfs_resolve_parent(fx.fs, fx.top, "/a//new//", &found, &name, &len));
	assert_int_equal(found.ino, a.ino);
	assert_int_equal(len, 3);
	assert_memory_equal(name, "new", 3);
	OK(ubtrfs_resolve_parent(fx.fs, a, "x", &found, &name, &len));
	assert_int_equal(found.ino, a.ino);
	OK(ubtrfs_resolve_parent(fx.fs, fx.top, "a/../...", &found, &name, &len));
	assert_int_equal(found.ino, fx.top.ino);
	assert_int_equal(len, 3);
	FAILS(EINVAL, ubtrfs_resolve_parent(fx.fs, fx.top, "/", &found, &name, &len));
	FAILS(EINVAL, ubtrfs_resolve_parent(fx.fs, fx.top, "", &found, &name, &len));
	FAILS(EINVAL, ubtrfs_resolve_parent(fx.fs, fx.top, "a/..", &found, &name, &len));
	FAILS(EINVAL, ubtrfs_resolve_parent(fx.fs, fx.top, "a/./", &found, &name, &len));
	FAILS(ENOTDIR, ubtrfs_resolve_parent(fx.fs, fx.top, "a/file/x", &found, &name, &len));
	FAILS(ENOENT, ubtrfs_resolve_parent(fx.fs, fx.top, "b/x", &found, &name, &len));
	fixture_done(&fx);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_rename__moves),
		cmocka_unit_test(test_op_rename__over),
		cmocka_unit_test(test_op_rename__loops),
		cmocka_unit_test(test_op_rename__exchange),
		cmocka_unit_test(test_op_rename__whiteout),
		cmocka_unit_test(test_op_rename__subvolumes),
		cmocka_unit_test(test_op_rename__full_references),
		cmocka_unit_test(test_op_rename__resolve_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
