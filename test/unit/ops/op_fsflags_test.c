/*
 * Flags of inodes through the public API: what they are on disk, what they forbid, what must be durable; and
 * what the ioctls that look into trees ask. What Linux does is compared by test/interop/attrs.bats.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <linux/fs.h>

#include <ubtrfs/attr.h>
#include <ubtrfs/inspect.h>

#include "format/disk_ids.h"

/* ---- flags ---- */

static uint32_t flags_of(struct fs_fixture *fx, struct ubtrfs_node node)
{
	uint32_t flags = 0;

	OK(ubtrfs_fsflags_get(fx->fs, node, &flags));
	return flags;
}

static void property_is(struct fs_fixture *fx, struct ubtrfs_node node, const char *value)
{
	char found[32] = "";
	size_t len = 0;
	int ret = ubtrfs_getxattr(fx->fs, node, "btrfs.compression", found, sizeof(found), &len);

	if (!value)
		assert_int_equal(ret, -ENODATA);
	else
		assert_string_equal(found, value);
}

static void test_op_fsflags__flags(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir, node;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_fsflags_set(fx.fs, file, FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL, ~0u));
	assert_int_equal(flags_of(&fx, file), FS_NODUMP_FL | FS_NOATIME_FL);
	OK(ubtrfs_fsflags_set(fx.fs, file, 0, FS_NODUMP_FL));
	assert_int_equal(flags_of(&fx, file), FS_NOATIME_FL);
	FAILS(EOPNOTSUPP, ubtrfs_fsflags_set(fx.fs, file, FS_SECRM_FL, FS_SECRM_FL));
	FAILS(EINVAL, ubtrfs_fsflags_set(fx.fs, file, FS_COMPR_FL | FS_NOCOMP_FL, ~0u));
	FAILS(EINVAL, ubtrfs_fsflags_set(fx.fs, file, FS_COMPR_FL | FS_NOCOW_FL, ~0u));
	OK(ubtrfs_fsflags_set(fx.fs, file, FS_NOCOMP_FL, ~0u));
	FAILS(EINVAL, ubtrfs_fsflags_set(fx.fs, file, FS_NOCOW_FL, ~0u));
	OK(ubtrfs_fsflags_set(fx.fs, file, 0, ~0u));
	OK(ubtrfs_fsflags_set(fx.fs, file, FS_NOCOW_FL, ~0u));
	assert_int_equal(fixture_attr(&fx, file).flags,
			 BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	FAILS(EINVAL, ubtrfs_fsflags_set(fx.fs, file, FS_NOCOMP_FL, FS_NOCOMP_FL));
	FAILS(EINVAL, ubtrfs_setxattr(fx.fs, file, "btrfs.compression", "zlib", 4));
	OK(ubtrfs_write(fx.fs, file, 0, "data", 4));
	/* It holds something: it stays as it is. */
	OK(ubtrfs_fsflags_set(fx.fs, file, 0, FS_NOCOW_FL));
	assert_int_equal(flags_of(&fx, file), FS_NOCOW_FL);
	node = fixture_file(&fx, "other");
	OK(ubtrfs_write(fx.fs, node, 0, "data", 4));
	OK(ubtrfs_fsflags_set(fx.fs, node, FS_NOCOW_FL, FS_NOCOW_FL));
	assert_int_equal(flags_of(&fx, node), 0);

	OK(ubtrfs_fsflags_set(fx.fs, dir, FS_COMPR_FL | FS_DIRSYNC_FL, ~0u));
	property_is(&fx, dir, "zlib");
	node = fixture_create(&fx, dir, "inherits", S_IFREG | 0644);
	assert_int_equal(flags_of(&fx, node), FS_COMPR_FL);
	property_is(&fx, node, "zlib");
	OK(ubtrfs_setxattr(fx.fs, node, "btrfs.compression", "none", 4));
	assert_int_equal(flags_of(&fx, node), FS_NOCOMP_FL);
	OK(ubtrfs_fsflags_set(fx.fs, node, FS_COMPR_FL, FS_COMPR_FL | FS_NOCOMP_FL));
	property_is(&fx, node, "zlib");
	OK(ubtrfs_fsflags_set(fx.fs, node, FS_NOCOMP_FL, FS_COMPR_FL | FS_NOCOMP_FL));
	property_is(&fx, node, NULL);
	assert_int_equal(flags_of(&fx, node), FS_NOCOMP_FL);
	OK(ubtrfs_setxattr(fx.fs, node, "btrfs.compression", "zstd", 4));
	OK(ubtrfs_setxattr(fx.fs, node, "btrfs.compression", "", 0));
	property_is(&fx, node, NULL);
	assert_int_equal(flags_of(&fx, node), 0);
	OK(ubtrfs_fsflags_set(fx.fs, dir, 0, FS_COMPR_FL));
	OK(ubtrfs_fsflags_set(fx.fs, dir, FS_NOCOW_FL, FS_NOCOW_FL));
	node = fixture_create(&fx, dir, "in-place", S_IFREG | 0644);
	assert_int_equal(fixture_attr(&fx, node).flags,
			 BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	node = fixture_create(&fx, dir, "below", S_IFDIR | 0755);
	assert_int_equal(fixture_attr(&fx, node).flags, BTRFS_INODE_NODATACOW);
	node = fixture_create(&fx, dir, "fifo", S_IFIFO | 0644);
	OK(ubtrfs_fsflags_set(fx.fs, node, FS_IMMUTABLE_FL | FS_NODUMP_FL, ~0u));
	assert_int_equal(flags_of(&fx, node), FS_NODUMP_FL);
	fixture_done(&fx);
}

static void want_nodatasum(struct fs_fixture *fx)
{
	fx->how.nodatasum = true;
}

static void want_nodatacow(struct fs_fixture *fx)
{
	fx->how.nodatacow = true;
}

static void test_op_fsflags__options_for_new_files(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs *fs;

	(void)state;
	fixture_fresh_with(&fx, want_nodatasum);
	assert_int_equal(fixture_attr(&fx, fixture_file(&fx, "file")).flags, BTRFS_INODE_NODATASUM);
	assert_int_equal(fixture_attr(&fx, fixture_create(&fx, fx.top, "d", S_IFDIR | 0755)).flags,
			 0);
	fixture_done(&fx);
	fixture_fresh_with(&fx, want_nodatacow);
	assert_int_equal(fixture_attr(&fx, fixture_file(&fx, "file")).flags,
			 BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	fixture_close(&fx);
	fx.how.compress = UBTRFS_COMPRESS_ZSTD;
	FAILS(EINVAL, ubtrfs_open(&fx.how, &fs));
	fixture_fini(&fx);
}

struct guarded {
	struct fs_fixture fx;
	struct ubtrfs_node file, dir, inside, free;
};

static void guarded_make(struct guarded *g, uint32_t flags)
{
	fixture_fresh(&g->fx);
	g->file = fixture_file(&g->fx, "file");
	g->free = fixture_file(&g->fx, "free");
	OK(ubtrfs_write(g->fx.fs, g->free, 0, "4321", 4));
	g->dir = fixture_create(&g->fx, g->fx.top, "dir", S_IFDIR | 0755);
	g->inside = fixture_create(&g->fx, g->dir, "inside", S_IFREG | 0644);
	OK(ubtrfs_write(g->fx.fs, g->file, 0, "0123456789", 10));
	OK(ubtrfs_setxattr(g->fx.fs, g->file, "user.a", "1", 1));
	OK(ubtrfs_fsflags_set(g->fx.fs, g->file, flags, ~0u));
	OK(ubtrfs_fsflags_set(g->fx.fs, g->dir, flags, ~0u));
}

/* What neither an immutable nor an append-only file lets happen. */
static void guarded_file(struct guarded *g)
{
	struct ubtrfs *fs = g->fx.fs;
	struct ubtrfs_attr attr = { .mode = 0600, .size = 5 };
	uint64_t copied;

	FAILS(EPERM, ubtrfs_write(fs, g->file, 9, "x", 1));
	FAILS(EPERM, ubtrfs_setattr(fs, g->file, &attr, UBTRFS_ATTR_SIZE));
	FAILS(EPERM, ubtrfs_setattr(fs, g->file, &attr, UBTRFS_ATTR_MODE));
	FAILS(EPERM, ubtrfs_setattr(fs, g->file, &attr, UBTRFS_ATTR_UID));
	FAILS(EPERM, ubtrfs_setattr(fs, g->file, &attr, UBTRFS_ATTR_GID));
	FAILS(EPERM, ubtrfs_setattr(fs, g->file, &attr, UBTRFS_ATTR_MTIME));
	FAILS(EPERM, ubtrfs_setattr(fs, g->file, &attr, UBTRFS_ATTR_ATIME));
	FAILS(EPERM, ubtrfs_setxattr(fs, g->file, "user.b", "1", 1));
	FAILS(EPERM, ubtrfs_setxattr(fs, g->file, "btrfs.compression", "zstd", 4));
	FAILS(EPERM, ubtrfs_setxattr(fs, g->file, "trusted.b", "1", 1));
	FAILS(EPERM, ubtrfs_setxattr(fs, g->file, "system.posix_acl_access", "", 0));
	FAILS(EPERM, ubtrfs_removexattr(fs, g->file, "user.a"));
	FAILS(EPERM, ubtrfs_link(fs, g->file, g->fx.top, "more", 4));
	FAILS(EPERM, ubtrfs_unlink(fs, g->fx.top, "file", 4));
	FAILS(EPERM, ubtrfs_unlink(fs, g->dir, "inside", 6));
	FAILS(EPERM, ubtrfs_rmdir(fs, g->fx.top, "dir", 3));
	FAILS(EPERM, ubtrfs_rename(fs, g->fx.top, "file", 4, g->fx.top, "other", 5, 0));
	FAILS(EPERM, ubtrfs_rename(fs, g->fx.top, "dir", 3, g->fx.top, "other", 5, 0));
	FAILS(EPERM, ubtrfs_rename(fs, g->dir, "inside", 6, g->fx.top, "other", 5, 0));
	FAILS(EPERM, ubtrfs_rename(fs, g->fx.top, "free", 4, g->fx.top, "file", 4, 0));
	FAILS(EPERM, ubtrfs_rename(fs, g->fx.top, "free", 4, g->fx.top, "file", 4,
				   UBTRFS_RENAME_EXCHANGE));
	FAILS(EPERM, ubtrfs_fallocate(fs, g->file,
				      UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_KEEP_SIZE, 0, 4));
	FAILS(EPERM, ubtrfs_fallocate(fs, g->file, UBTRFS_FALLOC_ZERO_RANGE, 0, 4));
	FAILS(EPERM, ubtrfs_clone_range(fs, g->free, 0, g->file, 0, 0));
	FAILS(EPERM, ubtrfs_copy_range(fs, g->free, 0, g->file, 0, 1, &copied));
	assert_int_equal(fixture_attr(&g->fx, g->file).size, 10);
}

static void guarded_free(struct guarded *g)
{
	struct ubtrfs *fs = g->fx.fs;

	fixture_reopen(&g->fx, true);
	fs = g->fx.fs;
	FAILS(EPERM, ubtrfs_unlink(fs, g->fx.top, "file", 4));
	OK(ubtrfs_fsflags_set(fs, g->file, 0, ~0u));
	OK(ubtrfs_fsflags_set(fs, g->dir, 0, ~0u));
	OK(ubtrfs_unlink(fs, g->fx.top, "file", 4));
	OK(ubtrfs_unlink(fs, g->dir, "inside", 6));
	OK(ubtrfs_rmdir(fs, g->fx.top, "dir", 3));
	fixture_done(&g->fx);
}

static void test_op_fsflags__immutable(void **state)
{
	const struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	struct ubtrfs_node node;
	struct guarded g;

	(void)state;
	guarded_make(&g, FS_IMMUTABLE_FL);
	guarded_file(&g);
	FAILS(EPERM, ubtrfs_write(g.fx.fs, g.file, 10, "x", 1));
	FAILS(EPERM, ubtrfs_setattr(g.fx.fs, g.file, &(struct ubtrfs_attr){ .mode = 0 },
				    UBTRFS_ATTR_MTIME_NOW));
	FAILS(EPERM, ubtrfs_create(g.fx.fs, g.dir, "new", 3, &what, &node));
	FAILS(EPERM, ubtrfs_link(g.fx.fs, g.inside, g.dir, "new", 3));
	FAILS(EPERM, ubtrfs_subvolume_create(g.fx.fs, g.dir, "new", 3, NULL, &node));
	guarded_free(&g);
}

static void test_op_fsflags__append_only(void **state)
{
	const struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	struct ubtrfs_node node;
	struct guarded g;

	(void)state;
	guarded_make(&g, FS_APPEND_FL);
	guarded_file(&g);
	OK(ubtrfs_write(g.fx.fs, g.file, 10, "x", 1));
	assert_int_equal(fixture_attr(&g.fx, g.file).size, 11);
	OK(ubtrfs_setattr(g.fx.fs, g.file, &(struct ubtrfs_attr){ .mode = 0 },
			  UBTRFS_ATTR_MTIME_NOW | UBTRFS_ATTR_ATIME_NOW));
	OK(ubtrfs_create(g.fx.fs, g.dir, "new", 3, &what, &node));
	FAILS(EPERM, ubtrfs_unlink(g.fx.fs, g.dir, "new", 3));
	OK(ubtrfs_fsflags_set(g.fx.fs, g.dir, 0, ~0u));
	OK(ubtrfs_unlink(g.fx.fs, g.dir, "new", 3));
	OK(ubtrfs_fsflags_set(g.fx.fs, g.dir, FS_APPEND_FL, ~0u));
	OK(ubtrfs_setattr(g.fx.fs, g.file, &(struct ubtrfs_attr){ .mode = 0 },
			  UBTRFS_ATTR_KILL_SETID));
	assert_int_equal(fixture_attr(&g.fx, g.file).size, 11);
	/* guarded_free looks at 10 bytes no more. */
	guarded_free(&g);
}

static uint64_t generation_of(struct fs_fixture *fx)
{
	struct ubtrfs_info info;

	OK(ubtrfs_info(fx->fs, &info));
	return info.generation;
}

/* What is to be durable when it returns is committed: it is there although nothing else was. */
static void test_op_fsflags__sync(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir, plain;
	uint64_t before;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	plain = fixture_file(&fx, "plain");
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_fsflags_set(fx.fs, file, FS_SYNC_FL, ~0u));
	OK(ubtrfs_fsflags_set(fx.fs, dir, FS_DIRSYNC_FL, ~0u));
	before = generation_of(&fx);
	OK(ubtrfs_write(fx.fs, plain, 0, "a", 1));
	assert_int_equal(generation_of(&fx), before);
	OK(ubtrfs_write(fx.fs, file, 0, "b", 1));
	assert_int_equal(generation_of(&fx), before + 1);
	OK(ubtrfs_setattr(fx.fs, dir, &(struct ubtrfs_attr){ .mode = 0 }, UBTRFS_ATTR_MTIME_NOW));
	(void)fixture_create(&fx, dir, "name", S_IFREG | 0644);
	assert_true(generation_of(&fx) > before + 1);
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	fixture_open(&fx, false);
	(void)fixture_lookup(&fx, dir, "name");
	assert_int_equal(fixture_attr(&fx, file).size, 1);
	fixture_close(&fx);
	fx.how.explicit_commit = true;
	fixture_open(&fx, true);
	before = generation_of(&fx);
	OK(ubtrfs_write(fx.fs, file, 0, "c", 1));
	assert_int_equal(generation_of(&fx), before);
	fixture_done(&fx);
}

/* ---- what ioctls ask ---- */

static void path_is(struct fs_fixture *fx, struct ubtrfs_node node, const char *path)
{
	char found[512];
	size_t len;

	OK(ubtrfs_ino_path(fx->fs, node, found, sizeof(found), &len));
	assert_string_equal(found, path);
	assert_int_equal(len, strlen(path));
	if (len)
		FAILS(ENAMETOOLONG, ubtrfs_ino_path(fx->fs, node, found, len, &len));
}

/* Before a commit and behind it; by what is left when a name goes. */
static void test_op_fsflags__ino_path(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node dir, file;
	char text[16];
	size_t len;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	dir = fixture_create(&fx, dir, "sub", S_IFDIR | 0755);
	file = fixture_create(&fx, dir, "file", S_IFREG | 0644);
	path_is(&fx, fx.top, "");
	path_is(&fx, file, "dir/sub/file");
	fixture_reopen(&fx, true);
	path_is(&fx, file, "dir/sub/file");
	OK(ubtrfs_link(fx.fs, file, fx.top, "zz", 2));
	OK(ubtrfs_unlink(fx.fs, dir, "file", 4));
	path_is(&fx, file, "zz");
	OK(ubtrfs_hold(fx.fs, file));
	OK(ubtrfs_unlink(fx.fs, fx.top, "zz", 2));
	FAILS(ENOENT, ubtrfs_ino_path(fx.fs, file, text, sizeof(text), &len));
	ubtrfs_release(fx.fs, file, 1);
	FAILS(ENOENT, ubtrfs_ino_path(fx.fs, file, text, sizeof(text), &len));
	fixture_done(&fx);
}

struct found_items {
	struct ubtrfs *fs;
	unsigned nr, nr_inodes, stop_after;
	struct ubtrfs_tree_item last;
	bool unordered;
};

static int found_item(void *ctx, const struct ubtrfs_tree_item *item)
{
	struct found_items *found = ctx;
	struct ubtrfs_attr attr;

	if (found->nr &&
	    (item->objectid < found->last.objectid ||
	     (item->objectid == found->last.objectid && item->type < found->last.type)))
		found->unordered = true;
	found->nr++;
	found->last = *item;
	if (item->type == BTRFS_INODE_ITEM_KEY) {
		found->nr_inodes++;
		/* It may call the library. */
		OK(ubtrfs_getattr(found->fs, (struct ubtrfs_node){ 5, item->objectid }, &attr));
		assert_int_equal(item->len, 160);
		assert_int_equal(load64((const uint8_t *)item->data + 16), attr.size);
	}
	return found->stop_after == found->nr ? 9 : 0;
}

static void test_op_fsflags__tree_search(void **state)
{
	enum { NR = 6000 };
	struct ubtrfs_tree_search all = { .tree_id = 5,
					  .max_objectid = UINT64_MAX,
					  .max_type = UINT32_MAX,
					  .max_offset = UINT64_MAX,
					  .max_transid = UINT64_MAX };
	struct ubtrfs_tree_search one = all;
	struct found_items found = { .nr = 0 };
	struct fs_fixture fx;
	struct ubtrfs_node node = { 0, 0 };
	char name[32];

	(void)state;
	fixture_fresh(&fx);
	for (unsigned i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "%u", i);
		node = fixture_file(&fx, name);
	}
	OK(ubtrfs_write(fx.fs, node, 0, "12345", 5));
	OK(ubtrfs_commit(fx.fs));
	found.fs = fx.fs;
	OK(ubtrfs_tree_search(fx.fs, &all, found_item, &found));
	assert_int_equal(found.nr_inodes, NR + 1);
	assert_false(found.unordered);
	found = (struct found_items){ .fs = fx.fs, .stop_after = 5000 };
	assert_int_equal(ubtrfs_tree_search(fx.fs, &all, found_item, &found), 9);
	assert_int_equal(found.nr, 5000);
	/* Keys are compared as a whole. */
	one.min_objectid = one.max_objectid = node.ino;
	one.max_type = BTRFS_INODE_REF_KEY;
	found = (struct found_items){ .fs = fx.fs };
	OK(ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	assert_int_equal(found.nr, 2);
	assert_int_equal(found.last.type, BTRFS_INODE_REF_KEY);
	assert_int_equal(found.last.offset, UBTRFS_ROOT_INO);
	one = all;
	one.min_transid = generation_of(&fx) + 1;
	found = (struct found_items){ .fs = fx.fs };
	OK(ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	assert_int_equal(found.nr, 0);
	/* Far behind blocks that are too old. */
	OK(ubtrfs_write(fx.fs, node, 0, "54321", 5));
	OK(ubtrfs_commit(fx.fs));
	one.min_transid = generation_of(&fx);
	found = (struct found_items){ .fs = fx.fs };
	OK(ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	assert_true(found.nr_inodes >= 1 && found.nr_inodes < 500);
	assert_int_equal(found.last.objectid, node.ino);
	one.tree_id = 777;
	FAILS(ENOENT, ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	one.tree_id = 3;
	OK(ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	fixture_done(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_fsflags__flags),
		cmocka_unit_test(test_op_fsflags__options_for_new_files),
		cmocka_unit_test(test_op_fsflags__immutable),
		cmocka_unit_test(test_op_fsflags__append_only),
		cmocka_unit_test(test_op_fsflags__sync),
		cmocka_unit_test(test_op_fsflags__ino_path),
		cmocka_unit_test(test_op_fsflags__tree_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
