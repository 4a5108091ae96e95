/*
 * What the public API refuses, and with which errno: a table of calls, each with what Linux's own
 * mount answers to the same system call. Behind FUSE the kernel refuses many of them by itself, so
 * that the tests of the mount do not come here. Beside it what changes although nothing does: times,
 * listings that go on while names change, a file that ends in a hole.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <limits.h>

#include <linux/fs.h>

#include <ubtrfs/attr.h>

#define LONG_NAME 256u

struct place {
	struct fs_fixture fx;
	struct ubtrfs *fs;
	struct ubtrfs_node top, file, dir, full, link, fifo, sealed, append, gone, other;
	char long_name[LONG_NAME + 1];
};

static struct ubtrfs_node make_node(struct place *p, struct ubtrfs_node dir, const char *name,
				    uint32_t mode)
{
	struct ubtrfs_new what = { .attr = { .mode = mode } };
	struct ubtrfs_node node;

	if (S_ISLNK(mode)) {
		what.symlink_target = "target";
		what.symlink_len = 6;
	}
	OK(ubtrfs_create(p->fs, dir, name, strlen(name), &what, &node));
	return node;
}

static void place_make(struct place *p)
{
	fixture_init(&p->fx);
	p->fx.mkfs.byte_count = 256 * MIB;
	fixture_make(&p->fx);
	fixture_finish(&p->fx);
	fixture_open(&p->fx, true);
	p->fs = p->fx.fs;
	p->top = p->fx.top;
	memset(p->long_name, 'n', LONG_NAME);
	p->long_name[LONG_NAME] = '\0';
	p->file = make_node(p, p->top, "file", S_IFREG | 0644);
	OK(ubtrfs_write(p->fs, p->file, 0, "0123456789", 10));
	p->other = make_node(p, p->top, "other", S_IFREG | 0644);
	p->dir = make_node(p, p->top, "dir", S_IFDIR | 0755);
	p->full = make_node(p, p->top, "full", S_IFDIR | 0755);
	make_node(p, p->full, "inside", S_IFREG | 0644);
	p->link = make_node(p, p->top, "link", S_IFLNK | 0777);
	p->fifo = make_node(p, p->top, "fifo", S_IFIFO | 0644);
	p->sealed = make_node(p, p->top, "sealed", S_IFREG | 0644);
	OK(ubtrfs_fsflags_set(p->fs, p->sealed, FS_IMMUTABLE_FL, FS_IMMUTABLE_FL));
	p->append = make_node(p, p->top, "append", S_IFREG | 0644);
	OK(ubtrfs_write(p->fs, p->append, 0, "text", 4));
	OK(ubtrfs_fsflags_set(p->fs, p->append, FS_APPEND_FL, FS_APPEND_FL));
	p->gone = make_node(p, p->top, "gone", S_IFREG | 0644);
	OK(ubtrfs_unlink(p->fs, p->top, "gone", 4));
}

static void place_done(struct place *p)
{
	fixture_close(&p->fx);
	fixture_check(&p->fx);
	fixture_fini(&p->fx);
}

/* ---- names ---- */

static int new_of(struct place *p, struct ubtrfs_node dir, const char *name, uint32_t mode)
{
	struct ubtrfs_new what = { .attr = { .mode = mode } };
	struct ubtrfs_node node;

	return ubtrfs_create(p->fs, dir, name, strlen(name), &what, &node);
}

static int symlink_of(struct place *p, const char *name, size_t target_len)
{
	static char target[PATH_MAX + 1];
	struct ubtrfs_new what = { .attr = { .mode = S_IFLNK | 0777 },
				   .symlink_target = target,
				   .symlink_len = target_len };
	struct ubtrfs_node node;

	memset(target, 't', sizeof(target));
	return ubtrfs_create(p->fs, p->top, name, strlen(name), &what, &node);
}

static int link_of(struct place *p, struct ubtrfs_node node, struct ubtrfs_node dir,
		   const char *name)
{
	return ubtrfs_link(p->fs, node, dir, name, strlen(name));
}

static int rename_of(struct place *p, const char *name, struct ubtrfs_node new_dir,
		     const char *new_name, unsigned flags)
{
	return ubtrfs_rename(p->fs, p->top, name, strlen(name), new_dir, new_name, strlen(new_name),
			     flags);
}

static int unlink_of(struct place *p, struct ubtrfs_node dir, const char *name)
{
	return ubtrfs_unlink(p->fs, dir, name, strlen(name));
}

static int rmdir_of(struct place *p, const char *name)
{
	return ubtrfs_rmdir(p->fs, p->top, name, strlen(name));
}

static int lookup_of(struct place *p, struct ubtrfs_node dir, const char *name)
{
	struct ubtrfs_node node;

	return ubtrfs_lookup(p->fs, dir, name, strlen(name), &node);
}

static void test_op_errno__making(void **state)
{
	struct place p;

	(void)state;
	place_make(&p);
	FAILS(EEXIST, new_of(&p, p.top, "file", S_IFREG | 0644));
	FAILS(EEXIST, new_of(&p, p.top, "dir", S_IFDIR | 0755));
	FAILS(ENOTDIR, new_of(&p, p.file, "x", S_IFREG | 0644));
	FAILS(ENOTDIR, new_of(&p, p.link, "x", S_IFREG | 0644));
	FAILS(ENAMETOOLONG, new_of(&p, p.top, p.long_name, S_IFREG | 0644));
	FAILS(ENOENT, new_of(&p, p.gone, "x", S_IFREG | 0644));
	FAILS(EINVAL, new_of(&p, p.top, "", S_IFREG | 0644));
	FAILS(EINVAL, new_of(&p, p.top, "a/b", S_IFREG | 0644));
	FAILS(ENAMETOOLONG, symlink_of(&p, "s", PATH_MAX));
	FAILS(EEXIST, link_of(&p, p.file, p.top, "dir"));
	FAILS(EPERM, link_of(&p, p.dir, p.top, "x"));
	FAILS(ENOTDIR, link_of(&p, p.file, p.fifo, "x"));
	FAILS(ENAMETOOLONG, link_of(&p, p.file, p.top, p.long_name));
	FAILS(ENOENT, link_of(&p, p.gone, p.top, "x"));
	FAILS(EPERM, link_of(&p, p.sealed, p.top, "x"));
	FAILS(EPERM, link_of(&p, p.append, p.top, "x"));
	FAILS(ENOENT, lookup_of(&p, p.top, "missing"));
	FAILS(ENOTDIR, lookup_of(&p, p.file, "x"));
	FAILS(ENAMETOOLONG, lookup_of(&p, p.top, p.long_name));
	place_done(&p);
}

static void test_op_errno__removing(void **state)
{
	struct place p;

	(void)state;
	place_make(&p);
	FAILS(ENOENT, unlink_of(&p, p.top, "missing"));
	FAILS(EISDIR, unlink_of(&p, p.top, "dir"));
	FAILS(ENOTDIR, unlink_of(&p, p.file, "x"));
	FAILS(EPERM, unlink_of(&p, p.top, "sealed"));
	FAILS(EPERM, unlink_of(&p, p.top, "append"));
	FAILS(ENOTDIR, rmdir_of(&p, "file"));
	FAILS(ENOTDIR, rmdir_of(&p, "link"));
	FAILS(ENOTEMPTY, rmdir_of(&p, "full"));
	FAILS(ENOENT, rmdir_of(&p, "missing"));
	place_done(&p);
}

static void test_op_errno__renaming(void **state)
{
	struct place p;

	(void)state;
	place_make(&p);
	FAILS(ENOENT, rename_of(&p, "missing", p.top, "x", 0));
	FAILS(EISDIR, rename_of(&p, "file", p.top, "dir", 0));
	FAILS(ENOTDIR, rename_of(&p, "dir", p.top, "file", 0));
	FAILS(ENOTEMPTY, rename_of(&p, "dir", p.top, "full", 0));
	FAILS(EINVAL, rename_of(&p, "dir", p.dir, "x", 0));
	FAILS(EEXIST, rename_of(&p, "file", p.top, "link", UBTRFS_RENAME_NOREPLACE));
	FAILS(ENOENT, rename_of(&p, "file", p.top, "missing", UBTRFS_RENAME_EXCHANGE));
	FAILS(EINVAL, rename_of(&p, "full", p.full, "inside", UBTRFS_RENAME_EXCHANGE));
	FAILS(EINVAL, rename_of(&p, "file", p.top, "link",
				UBTRFS_RENAME_EXCHANGE | UBTRFS_RENAME_NOREPLACE));
	FAILS(EINVAL, rename_of(&p, "file", p.top, "link",
				UBTRFS_RENAME_EXCHANGE | UBTRFS_RENAME_WHITEOUT));
	FAILS(EINVAL, rename_of(&p, "file", p.top, "x", 64));
	FAILS(ENAMETOOLONG, rename_of(&p, "file", p.top, p.long_name, 0));
	FAILS(ENOTDIR, rename_of(&p, "file", p.fifo, "x", 0));
	FAILS(EPERM, rename_of(&p, "sealed", p.top, "x", 0));
	FAILS(EPERM, rename_of(&p, "file", p.top, "sealed", 0));
	OK(rename_of(&p, "file", p.top, "file", 0));
	place_done(&p);
}

/* ---- contents ---- */

static void test_op_errno__contents(void **state)
{
	struct ubtrfs_attr attr = { .size = 5 };
	uint64_t at, end;
	struct place p;
	char data[16];
	size_t len;

	(void)state;
	place_make(&p);
	FAILS(EISDIR, ubtrfs_read(p.fs, p.dir, 0, data, 4, &len));
	FAILS(EISDIR, ubtrfs_write(p.fs, p.dir, 0, data, 4));
	FAILS(EINVAL, ubtrfs_write(p.fs, p.fifo, 0, data, 4));
	FAILS(ENOENT, ubtrfs_read(p.fs, p.gone, 0, data, 4, &len));
	FAILS(EFBIG, ubtrfs_write(p.fs, p.file, INT64_MAX - 2, data, 4));
	FAILS(EPERM, ubtrfs_write(p.fs, p.sealed, 0, data, 4));
	FAILS(EPERM, ubtrfs_write(p.fs, p.append, 0, data, 4));
	OK(ubtrfs_write(p.fs, p.append, 4, data, 4));
	FAILS(EPERM, ubtrfs_setattr(p.fs, p.append, &attr, UBTRFS_ATTR_SIZE));
	FAILS(EPERM, ubtrfs_setattr(p.fs, p.sealed, &attr, UBTRFS_ATTR_SIZE));
	FAILS(EINVAL, ubtrfs_setattr(p.fs, p.dir, &attr, UBTRFS_ATTR_SIZE));
	OK(ubtrfs_read(p.fs, p.file, 10, data, 4, &len));
	assert_int_equal(len, 0);
	FAILS(ENXIO, ubtrfs_seek_data(p.fs, p.file, 10, &at, &end));
	FAILS(ENXIO, ubtrfs_seek_hole(p.fs, p.file, 10, &at));
	OK(ubtrfs_seek_hole(p.fs, p.file, 9, &at));
	assert_int_equal(at, 10);
	FAILS(EINVAL, ubtrfs_readlink(p.fs, p.file, data, sizeof(data), &len));
	place_done(&p);
}

static void test_op_errno__ranges(void **state)
{
	uint64_t copied;
	struct place p;
	bool same;

	(void)state;
	place_make(&p);
	FAILS(EINVAL, ubtrfs_fallocate(p.fs, p.file, 0, 0, 0));
	FAILS(EFBIG, ubtrfs_fallocate(p.fs, p.file, 0, INT64_MAX, 1));
	FAILS(EOPNOTSUPP, ubtrfs_fallocate(p.fs, p.file, UBTRFS_FALLOC_PUNCH_HOLE, 0, 1));
	FAILS(EOPNOTSUPP, ubtrfs_fallocate(p.fs, p.file, 0x08, 0, 4096));
	FAILS(EOPNOTSUPP, ubtrfs_fallocate(p.fs, p.file, 0x20, 0, 4096));
	FAILS(EPERM, ubtrfs_fallocate(p.fs, p.sealed, 0, 0, 4096));
	FAILS(EINVAL, ubtrfs_clone_range(p.fs, p.file, 1, p.other, 0, 1));
	FAILS(EINVAL, ubtrfs_clone_range(p.fs, p.file, 0, p.file, 0, 10));
	FAILS(EINVAL, ubtrfs_clone_range(p.fs, p.file, 4096, p.other, 0, 4096));
	FAILS(EPERM, ubtrfs_clone_range(p.fs, p.file, 0, p.append, 0, 0));
	FAILS(EISDIR, ubtrfs_clone_range(p.fs, p.dir, 0, p.file, 0, 0));
	FAILS(EINVAL, ubtrfs_dedupe_range(p.fs, p.file, 1, p.other, 0, 4, &same));
	FAILS(EINVAL, ubtrfs_copy_range(p.fs, p.file, 0, p.file, 5, 10, &copied));
	OK(ubtrfs_copy_range(p.fs, p.file, 10, p.file, 20, 10, &copied));
	assert_int_equal(copied, 0);
	place_done(&p);
}

/* ---- attributes ---- */

static int xattr_of(struct place *p, struct ubtrfs_node node, const char *name, size_t len,
		    unsigned flags)
{
	static const char value[70000];

	return ubtrfs_setxattr_flags(p->fs, node, name, value, len, flags);
}

static void test_op_errno__xattrs(void **state)
{
	struct place p;
	char value[4];
	size_t len;

	(void)state;
	place_make(&p);
	FAILS(EOPNOTSUPP, xattr_of(&p, p.file, "other.a", 1, 0));
	FAILS(EINVAL, xattr_of(&p, p.file, "user.", 1, 0));
	FAILS(ERANGE, xattr_of(&p, p.file, p.long_name, 1, 0));
	FAILS(ENODATA, xattr_of(&p, p.file, "user.a", 1, UBTRFS_XATTR_REPLACE));
	OK(xattr_of(&p, p.file, "user.a", 5, UBTRFS_XATTR_CREATE));
	FAILS(EEXIST, xattr_of(&p, p.file, "user.a", 1, UBTRFS_XATTR_CREATE));
	FAILS(EINVAL, xattr_of(&p, p.file, "user.a", 1, 4));
	FAILS(E2BIG, xattr_of(&p, p.file, "user.a", 65537, 0));
	FAILS(ENOSPC, xattr_of(&p, p.file, "user.a", 20000, 0));
	FAILS(EPERM, xattr_of(&p, p.fifo, "user.a", 1, 0));
	FAILS(EPERM, xattr_of(&p, p.sealed, "user.a", 1, 0));
	FAILS(EINVAL, xattr_of(&p, p.file, "system.posix_acl_access", 3, 0));
	FAILS(ERANGE, ubtrfs_getxattr(p.fs, p.file, "user.a", value, 4, &len));
	FAILS(ENODATA, ubtrfs_getxattr(p.fs, p.file, "user.b", value, 4, &len));
	FAILS(EINVAL, ubtrfs_getxattr(p.fs, p.file, "user.", value, 4, &len));
	FAILS(EOPNOTSUPP, ubtrfs_getxattr(p.fs, p.file, "other.a", value, 4, &len));
	FAILS(ENODATA, ubtrfs_removexattr(p.fs, p.file, "user.b"));
	FAILS(EINVAL, ubtrfs_removexattr(p.fs, p.file, "user."));
	OK(ubtrfs_removexattr(p.fs, p.file, "system.posix_acl_access"));
	place_done(&p);
}

static struct ubtrfs_time ctime_of(struct place *p, struct ubtrfs_node node)
{
	struct ubtrfs_attr attr;

	OK(ubtrfs_getattr(p->fs, node, &attr));
	return attr.ctime;
}

/* Whether a call moves ctime. */
#define MOVES(p, node, call)                                                   \
	({                                                                     \
		struct ubtrfs_attr old = { .ctime = { .sec = 5, .nsec = 5 } }; \
		struct ubtrfs_time after;                                      \
		OK(ubtrfs_setattr((p)->fs, node, &old, UBTRFS_ATTR_CTIME));    \
		OK(call);                                                      \
		after = ctime_of(p, node);                                     \
		after.sec != 5;                                                \
	})

static void test_op_errno__times(void **state)
{
	struct ubtrfs_attr attr = { .size = 50000 };
	unsigned punch = UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_KEEP_SIZE;
	struct place p;

	(void)state;
	place_make(&p);
	OK(ubtrfs_setattr(p.fs, p.file, &attr, UBTRFS_ATTR_SIZE));
	OK(ubtrfs_write(p.fs, p.file, 20480, "data", 4));
	assert_true(MOVES(&p, p.file, xattr_of(&p, p.file, "system.posix_acl_access", 0, 0)));
	assert_true(MOVES(&p, p.file, ubtrfs_removexattr(p.fs, p.file, "system.posix_acl_access")));
	assert_true(MOVES(&p, p.file, xattr_of(&p, p.file, "btrfs.compression", 0, 0)));
	/* Of dirty contents, of what is committed, and of what is gone. */
	assert_false(MOVES(&p, p.file, ubtrfs_fallocate(p.fs, p.file, punch, 8192, 4096)));
	assert_true(MOVES(&p, p.file, ubtrfs_fallocate(p.fs, p.file, punch, 0, 4096)));
	OK(ubtrfs_commit(p.fs));
	assert_false(MOVES(&p, p.file, ubtrfs_fallocate(p.fs, p.file, punch, 0, 8192)));
	assert_false(MOVES(&p, p.file, ubtrfs_fallocate(p.fs, p.file, punch, 45000, 100000)));
	assert_true(MOVES(&p, p.file, ubtrfs_fallocate(p.fs, p.file, punch, 20000, 4096)));
	place_done(&p);
}

/* ---- listing ---- */

struct mover {
	struct place *p;
	unsigned nr;
};

static int move_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct mover *mover = ctx;
	char name[32];

	snprintf(name, sizeof(name), "moved%u", mover->nr++);
	return mover->nr > 1000 ?
		       -E2BIG :
		       ubtrfs_rename(mover->p->fs, mover->p->dir, entry->name, entry->name_len,
				     mover->p->dir, name, strlen(name), 0);
}

static void test_op_errno__listing_ends(void **state)
{
	struct mover mover = { 0 };
	uint64_t end;
	struct place p;

	(void)state;
	place_make(&p);
	OK(ubtrfs_readdir_end(p.fs, p.dir, &end));
	assert_int_equal(end, 1);
	for (unsigned i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "name%u", i);
		make_node(&p, p.dir, name, S_IFREG | 0644);
	}
	OK(ubtrfs_readdir_end(p.fs, p.dir, &end));
	assert_int_equal(end, 201);
	mover.p = &p;
	OK(ubtrfs_readdir(p.fs, p.dir, 0, move_entry, &mover));
	assert_int_equal(mover.nr, 200);
	OK(ubtrfs_commit(p.fs));
	OK(ubtrfs_readdir_end(p.fs, p.dir, &end));
	assert_int_equal(end, 401);
	FAILS(ENOTDIR, ubtrfs_readdir_end(p.fs, p.file, &end));
	place_done(&p);
}

/* ---- the end of a file in a hole ---- */

static uint64_t occupied(struct place *p, struct ubtrfs_node node)
{
	struct ubtrfs_attr attr;

	OK(ubtrfs_commit(p->fs));
	OK(ubtrfs_getattr(p->fs, node, &attr));
	return attr.allocated_bytes;
}

static void test_op_errno__cut_in_a_hole(void **state)
{
	struct ubtrfs_attr size = { .size = 100000 };
	char data[200] = { 1 };
	struct ubtrfs_node node;
	struct place p;
	size_t len;

	(void)state;
	place_make(&p);
	node = make_node(&p, p.top, "sparse", S_IFREG | 0644);
	OK(ubtrfs_write(p.fs, node, 65536, data, 10));
	size.size = 20000;
	OK(ubtrfs_setattr(p.fs, node, &size, UBTRFS_ATTR_SIZE));
	assert_int_equal(occupied(&p, node), 0);
	OK(ubtrfs_fallocate(p.fs, node, 0, 0, 20000));
	size.size = 5000;
	OK(ubtrfs_setattr(p.fs, node, &size, UBTRFS_ATTR_SIZE));
	assert_int_equal(occupied(&p, node), 8192);
	OK(ubtrfs_read(p.fs, node, 4900, data, sizeof(data), &len));
	assert_int_equal(len, 100);
	assert_int_equal(data[0], 0);
	/* What is data is cut as ever. */
	OK(ubtrfs_write(p.fs, node, 0, "0123456789", 10));
	size.size = 3;
	OK(ubtrfs_setattr(p.fs, node, &size, UBTRFS_ATTR_SIZE));
	size.size = 10;
	OK(ubtrfs_setattr(p.fs, node, &size, UBTRFS_ATTR_SIZE));
	OK(ubtrfs_read(p.fs, node, 0, data, sizeof(data), &len));
	assert_int_equal(len, 10);
	assert_memory_equal(data, "012\0\0\0\0\0\0\0", 10);
	place_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_errno__making),
		cmocka_unit_test(test_op_errno__removing),
		cmocka_unit_test(test_op_errno__renaming),
		cmocka_unit_test(test_op_errno__contents),
		cmocka_unit_test(test_op_errno__ranges),
		cmocka_unit_test(test_op_errno__xattrs),
		cmocka_unit_test(test_op_errno__times),
		cmocka_unit_test(test_op_errno__listing_ends),
		cmocka_unit_test(test_op_errno__cut_in_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
