/*
 * Inodes without a name: held ones, files that never had one, big ones that go in steps, what a
 * death of the process leaves; each image judged by `btrfs check`.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "ops/ops.h"

/* The process dies and another one opens. */
static void dies(struct fs_fixture *fx)
{
	ubtrfs_abandon(fx->fs);
	fx->fs = NULL;
	fixture_check(fx);
	fixture_open(fx, true);
}

static bool is_there(struct fs_fixture *fx, struct ubtrfs_node node)
{
	struct ubtrfs_attr attr;
	int err = ubtrfs_getattr(fx->fs, node, &attr);

	assert_true(err == 0 || err == -ENOENT);
	return err == 0;
}

static bool has_orphans(struct fs_fixture *fx)
{
	struct root *root;
	uint64_t ino = 0;
	bool found = true;

	assert_int_equal(root_get(fx->fs->core.roots, BTRFS_FS_TREE_OBJECTID, &root), 0);
	assert_int_equal(orphan_next(&root->tree, &ino, &found), 0);
	return found;
}

static uint64_t used_bytes(struct fs_fixture *fx)
{
	struct ubtrfs_info info = { .generation = 0 };

	OK(ubtrfs_commit(fx->fs));
	OK(ubtrfs_info(fx->fs, &info));
	return info.data_bytes_used;
}

static void test_op_hold__unlinked_file(void **state)
{
	struct fs_fixture fx;
	struct content content = { .data = NULL };
	struct ubtrfs_node file;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	OK(ubtrfs_hold(fx.fs, file));
	OK(ubtrfs_hold(fx.fs, file));
	content_write(&fx, file, &content, 0, MIB, 1);
	OK(ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	content_write(&fx, file, &content, 50000, MIB, 2);
	assert_int_equal(fixture_attr(&fx, file).nlink, 0);
	OK(ubtrfs_commit(fx.fs));
	content_write(&fx, file, &content, 10000, 7, 3);
	content_compare(&fx, file, &content);
	FAILS(ENOENT, ubtrfs_link(fx.fs, file, fx.top, "again", 5));
	ubtrfs_release(fx.fs, file, 1);
	content_compare(&fx, file, &content);
	ubtrfs_release(fx.fs, file, 1);
	assert_false(is_there(&fx, file));
	FAILS(ENOENT, ubtrfs_hold(fx.fs, file));
	assert_int_equal(used_bytes(&fx), 0);
	content_free(&content);
	fixture_done(&fx);
}

/* Names that stay, holds that are too many, holds of nobody. */
static void test_op_hold__counts(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	FAILS(ENOENT, ubtrfs_hold(fx.fs, (struct ubtrfs_node){ 5, 1000 }));
	ubtrfs_release(fx.fs, file, 1);
	OK(ubtrfs_hold(fx.fs, file));
	ubtrfs_release(fx.fs, file, 5);
	assert_true(is_there(&fx, file));
	OK(ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	assert_false(is_there(&fx, file));
	fixture_done(&fx);
}

static void test_op_hold__renamed_over(void **state)
{
	struct fs_fixture fx;
	struct content content = { .data = NULL };
	struct ubtrfs_node file, other;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	content_write(&fx, file, &content, 0, 100000, 1);
	other = fixture_file(&fx, "other");
	OK(ubtrfs_hold(fx.fs, file));
	OK(ubtrfs_rename(fx.fs, fx.top, "other", 5, fx.top, "file", 4, 0));
	assert_int_equal(fixture_lookup(&fx, fx.top, "file").ino, other.ino);
	content_compare(&fx, file, &content);
	OK(ubtrfs_commit(fx.fs));
	assert_true(has_orphans(&fx));
	/* Closing is a release. */
	fixture_reopen(&fx, false);
	assert_false(has_orphans(&fx));
	fixture_reopen(&fx, true);
	assert_false(is_there(&fx, file));
	assert_int_equal(used_bytes(&fx), 0);
	content_free(&content);
	fixture_done(&fx);
}

static int no_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	(void)ctx;
	(void)entry;
	return 1;
}

static void test_op_hold__removed_directory(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	struct ubtrfs_node dir, found;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	fixture_file(&fx, "file");
	OK(ubtrfs_hold(fx.fs, dir));
	OK(ubtrfs_rmdir(fx.fs, fx.top, "dir", 3));
	assert_int_equal(fixture_attr(&fx, dir).nlink, 0);
	FAILS(ENOENT, ubtrfs_create(fx.fs, dir, "x", 1, &what, &found));
	FAILS(ENOENT, ubtrfs_tmpfile(fx.fs, dir, &what, &found));
	FAILS(ENOENT, ubtrfs_rename(fx.fs, fx.top, "file", 4, dir, "file", 4, 0));
	FAILS(ENOENT, ubtrfs_lookup(fx.fs, dir, "x", 1, &found));
	FAILS(ENOENT, ubtrfs_readdir(fx.fs, dir, 0, no_entry, NULL));
	OK(ubtrfs_commit(fx.fs));
	dies(&fx);
	assert_false(is_there(&fx, dir));
	fixture_done(&fx);
}

static void test_op_hold__tmpfile(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600, .uid = 7 } };
	struct content content = { .data = NULL };
	struct ubtrfs_node node = { 0, 0 }, other = { 0, 0 };

	(void)state;
	fixture_fresh(&fx);
	OK(ubtrfs_tmpfile(fx.fs, fx.top, &what, &node));
	content_write(&fx, node, &content, 0, 200000, 1);
	assert_int_equal(fixture_attr(&fx, node).nlink, 0);
	OK(ubtrfs_commit(fx.fs));
	assert_true(has_orphans(&fx));
	OK(ubtrfs_link(fx.fs, node, fx.top, "name", 4));
	assert_false(has_orphans(&fx));
	OK(ubtrfs_link(fx.fs, node, fx.top, "two", 3));
	assert_int_equal(fixture_attr(&fx, node).nlink, 2);
	ubtrfs_release(fx.fs, node, 1);
	content_compare(&fx, node, &content);
	OK(ubtrfs_tmpfile(fx.fs, fx.top, &what, &other));
	ubtrfs_release(fx.fs, other, 1);
	assert_false(is_there(&fx, other));
	/* One that dies with the process, before and behind a commit. */
	OK(ubtrfs_tmpfile(fx.fs, fx.top, &what, &other));
	OK(ubtrfs_commit(fx.fs));
	OK(ubtrfs_tmpfile(fx.fs, fx.top, &what, &other));
	dies(&fx);
	assert_false(is_there(&fx, other));
	content_compare(&fx, node, &content);
	/* It lost its names: it gets none any more. */
	OK(ubtrfs_hold(fx.fs, node));
	OK(ubtrfs_unlink(fx.fs, fx.top, "name", 4));
	OK(ubtrfs_unlink(fx.fs, fx.top, "two", 3));
	FAILS(ENOENT, ubtrfs_link(fx.fs, node, fx.top, "name", 4));
	what.attr.mode = S_IFDIR | 0755;
	FAILS(EINVAL, ubtrfs_tmpfile(fx.fs, fx.top, &what, &other));
	content_free(&content);
	fixture_done(&fx);
}

/* More extents than a step takes. */
static void make_big(struct fs_fixture *fx, struct ubtrfs_node node, unsigned nr_extents)
{
	char byte = 1;

	for (unsigned i = 0; i < nr_extents; i++)
		OK(ubtrfs_write(fx->fs, node, (uint64_t)i * 8192, &byte, 1));
	OK(ubtrfs_commit(fx->fs));
}

static void test_op_hold__big_files(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node one, two;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		fixture_init(&fx);
		fx.mkfs.byte_count = 256 * MIB;
		fx.mkfs.features = round == 1 ? "^no-holes" : "";
		fixture_make(&fx);
		fixture_finish(&fx);
		fx.how.background = round == 2;
		fixture_open(&fx, true);
		one = fixture_file(&fx, "one");
		two = fixture_file(&fx, "two");
		make_big(&fx, one, 3000);
		make_big(&fx, two, 3000);
		OK(ubtrfs_hold(fx.fs, two));
		OK(ubtrfs_unlink(fx.fs, fx.top, "one", 3));
		assert_false(is_there(&fx, one));
		OK(ubtrfs_unlink(fx.fs, fx.top, "two", 3));
		OK(ubtrfs_commit(fx.fs));
		dies(&fx);
		assert_false(is_there(&fx, two));
		assert_int_equal(used_bytes(&fx), 0);
		fixture_done(&fx);
	}
}

/* An orphan in another subvolume waits until that is changed; a read-only opening leaves it. */
static void test_op_hold__reading_leaves_orphans(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	OK(ubtrfs_hold(fx.fs, file));
	OK(ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	OK(ubtrfs_commit(fx.fs));
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	fixture_open(&fx, false);
	assert_true(is_there(&fx, file));
	FAILS(ENOENT, ubtrfs_hold(fx.fs, file));
	fixture_close(&fx);
	fixture_open(&fx, true);
	assert_false(is_there(&fx, file));
	fixture_done(&fx);
}

static void test_op_hold__orphans_of_a_subvolume(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node sub, file, other;

	(void)state;
	fixture_fresh(&fx);
	OK(ubtrfs_subvolume_create(fx.fs, fx.top, "sub", 3, NULL, &sub));
	file = fixture_create(&fx, sub, "file", S_IFREG | 0644);
	make_big(&fx, file, 1500);
	OK(ubtrfs_hold(fx.fs, file));
	OK(ubtrfs_unlink(fx.fs, sub, "file", 4));
	OK(ubtrfs_commit(fx.fs));
	dies(&fx);
	assert_true(is_there(&fx, file));
	fixture_file(&fx, "elsewhere");
	assert_true(is_there(&fx, file));
	other = fixture_create(&fx, sub, "other", S_IFREG | 0644);
	assert_false(is_there(&fx, file));
	assert_true(other.ino > file.ino);
	assert_int_equal(used_bytes(&fx), 0);
	fixture_done(&fx);
}

static struct inode *inode_of(struct fs_fixture *fx, struct ubtrfs_node node)
{
	struct inode *inode = NULL;

	assert_int_equal(node_inode(fx->fs, node, &inode), 0);
	return inode;
}

/*
 * Orphans that others left: of nothing, of a truncation that was not finished (old kernels), and one
 * that damage may tell of the top directory, which stays.
 */
static void test_op_hold__strange_orphans(void **state)
{
	static const uint64_t numbers[] = { 5000, 258, 256 };
	struct fs_fixture fx;
	struct ubtrfs_node file, cut;
	struct inode *inode;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	cut = fixture_file(&fx, "cut");
	assert_int_equal(cut.ino, numbers[1]);
	make_big(&fx, cut, 1500);
	fs_lock(fx.fs);
	inode = inode_of(&fx, cut);
	inode_set_size(inode, 3 * 8192 + 1);
	fx.fs->core.changed = true;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(orphan_add(fx.fs->core.txn, &inode->root->tree, numbers[i]), 0);
	inode_put(inode);
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	OK(ubtrfs_commit(fx.fs));
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	fixture_open(&fx, true);
	assert_int_equal(used_bytes(&fx), 4 * 4096);
	assert_int_equal(fixture_attr(&fx, cut).size, 3 * 8192 + 1);
	assert_int_equal(fixture_attr(&fx, cut).allocated_bytes, 4 * 4096);
	assert_true(is_there(&fx, file) && is_there(&fx, fx.top));
	fs_lock(fx.fs);
	inode = inode_of(&fx, cut);
	assert_int_equal(orphan_remove(fx.fs->core.txn, &inode->root->tree, 256), 0);
	inode_put(inode);
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	assert_false(has_orphans(&fx));
	fixture_done(&fx);
}

/* One step of a truncation, as if the process died behind it. */
static void shrink_once(struct fs_fixture *fx, struct ubtrfs_node node)
{
	struct inode *inode = NULL;
	uint64_t before = fixture_attr(fx, node).size, after;
	bool done = true;

	fs_lock(fx->fs);
	assert_int_equal(node_inode_write(fx->fs, node, &inode), 0);
	assert_int_equal(file_shrink_some(&fx->fs->core.writeback, inode, 8192, 1024, &done), 0);
	inode_put(inode);
	assert_int_equal(fs_unlock(fx->fs, 0), 0);
	assert_false(done);
	after = fixture_attr(fx, node).size;
	assert_true(after < before && after > 8192);
	OK(ubtrfs_commit(fx->fs));
	dies(fx);
	assert_int_equal(fixture_attr(fx, node).size, after);
}

/* In steps: what is refused has changed nothing, what is done is as if it were one. */
static void test_op_hold__big_truncation(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;
	struct ubtrfs_attr attr = { .size = 100 * 8192 + 5, .mtime = { 0, 2000000000 } };
	char data[2];
	size_t len = 0;

	(void)state;
	for (unsigned holes = 0; holes < 2; holes++) {
		fixture_init(&fx);
		fx.mkfs.byte_count = 256 * MIB;
		fx.mkfs.features = holes ? "^no-holes" : "";
		fixture_make(&fx);
		fixture_finish(&fx);
		fixture_open(&fx, true);
		file = fixture_file(&fx, "file");
		make_big(&fx, file, 3000);
		assert_true(used_bytes(&fx) == 3000 * 4096);
		FAILS(EINVAL,
		      ubtrfs_setattr(fx.fs, file, &attr, UBTRFS_ATTR_SIZE | UBTRFS_ATTR_MTIME));
		assert_int_equal(fixture_attr(&fx, file).size, 2999 * 8192 + 1);
		shrink_once(&fx, file);
		OK(ubtrfs_setattr(fx.fs, file, &attr, UBTRFS_ATTR_SIZE));
		assert_int_equal(fixture_attr(&fx, file).size, 100 * 8192 + 5);
		assert_true(used_bytes(&fx) == 101 * 4096);
		OK(ubtrfs_read(fx.fs, file, 100 * 8192, data, 2, &len));
		assert_int_equal(len, 2);
		assert_int_equal(data[0], 1);
		fixture_truncate(&fx, file, 0);
		assert_int_equal(used_bytes(&fx), 0);
		fixture_done(&fx);
	}
}

/* An operation ends behind a commit that came while it waited: what it does then is not in that. */
static void test_op_hold__changes_behind_a_commit(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;
	struct inode *inode;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	OK(ubtrfs_commit(fx.fs));
	fs_lock(fx.fs);
	fx.fs->core.changed = false;
	assert_int_equal(node_inode(fx.fs, file, &inode), 0);
	inode_begin_change(fx.fs, inode);
	inode_set_size(inode, 5);
	inode_put(inode);
	(void)fs_unlock(fx.fs, 0);
	OK(ubtrfs_fsync(fx.fs, file, false));
	dies(&fx);
	assert_int_equal(fixture_attr(&fx, file).size, 5);
	fixture_done(&fx);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_hold__unlinked_file),
		cmocka_unit_test(test_op_hold__counts),
		cmocka_unit_test(test_op_hold__renamed_over),
		cmocka_unit_test(test_op_hold__removed_directory),
		cmocka_unit_test(test_op_hold__tmpfile),
		cmocka_unit_test(test_op_hold__big_files),
		cmocka_unit_test(test_op_hold__reading_leaves_orphans),
		cmocka_unit_test(test_op_hold__orphans_of_a_subvolume),
		cmocka_unit_test(test_op_hold__big_truncation),
		cmocka_unit_test(test_op_hold__strange_orphans),
		cmocka_unit_test(test_op_hold__changes_behind_a_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
