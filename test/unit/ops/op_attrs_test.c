/*
 * Attributes through the public API: what new nodes inherit, POSIX ACLs beside the mode, flags of
 * inodes and what they forbid, rules of extended attributes. What Linux does is compared by
 * test/interop/attrs.bats.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>

#include <ubtrfs/attr.h>
#include <ubtrfs/inspect.h>

#include "format/disk_ids.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static void fresh_with(struct fs_fixture *fx, void (*change)(struct fs_fixture *fx))
{
	fixture_init(fx);
	fx->mkfs.byte_count = 256 * MIB;
	fixture_make(fx);
	fixture_finish(fx);
	if (change)
		change(fx);
	fixture_open(fx, true);
}

static void fresh(struct fs_fixture *fx)
{
	fresh_with(fx, NULL);
}

static void done(struct fs_fixture *fx)
{
	fixture_close(fx);
	fixture_check(fx);
	fixture_fini(fx);
}

/* ---- ACLs ---- */

struct acl {
	uint8_t bytes[512];
	size_t len;
};

/* "u::7 u:5:6 g::5 m::7 o::1", and what is no ACL. */
static struct acl acl_of(const char *text)
{
	struct acl acl = { .len = 4 };
	char kind;
	char id[16];
	unsigned perm;
	int used;

	store32(acl.bytes, 2);
	while (sscanf(text, " %c:%15[^:]:%u%n", &kind, id, &perm, &used) == 3 ||
	       sscanf(text, " %c::%u%n", &kind, &perm, &used) == 2) {
		bool named = strncmp(strchr(text, ':'), "::", 2) != 0;
		uint16_t tag = kind == 'u' ? (named ? 2 : 1) :
			       kind == 'g' ? (named ? 8 : 4) :
			       kind == 'm' ? 0x10 :
			       kind == 'o' ? 0x20 :
					     0x40;

		store16(acl.bytes + acl.len, tag);
		store16(acl.bytes + acl.len + 2, (uint16_t)perm);
		store32(acl.bytes + acl.len + 4,
			named ? (uint32_t)strtoul(id, NULL, 10) : UINT32_MAX);
		acl.len += 8;
		text += used;
	}
	return acl;
}

static int acl_put(struct fs_fixture *fx, struct ubtrfs_node node, const char *name,
		   const char *text)
{
	struct acl acl = acl_of(text);

	return ubtrfs_setxattr(fx->fs, node, name, acl.bytes, acl.len);
}

static void acl_is(struct fs_fixture *fx, struct ubtrfs_node node, const char *name,
		   const char *text)
{
	struct acl acl = acl_of(text);
	uint8_t found[512];
	size_t len = 0;
	int ret = ubtrfs_getxattr(fx->fs, node, name, found, sizeof(found), &len);

	if (!*text) {
		assert_int_equal(ret, -ENODATA);
		return;
	}
	OK(ret);
	assert_int_equal(len, acl.len);
	assert_memory_equal(found, acl.bytes, len);
}

static void mode_is(struct fs_fixture *fx, struct ubtrfs_node node, uint32_t mode)
{
	uint32_t found = fixture_attr(fx, node).mode & 07777;

	if (found != mode)
		fail_msg("mode 0%o instead of 0%o", found, mode);
}

static void chmod_node(struct fs_fixture *fx, struct ubtrfs_node node, uint32_t mode)
{
	OK(ubtrfs_setattr(fx->fs, node, &(struct ubtrfs_attr){ .mode = mode }, UBTRFS_ATTR_MODE));
}

static void test_op_attrs__acl_and_mode_in_step(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir;

	(void)state;
	fresh(&fx);
	file = fixture_file(&fx, "file");
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(acl_put(&fx, file, ACCESS, "u::6 u:1000:7 g::4 m::5 o::0"));
	mode_is(&fx, file, 0650);
	acl_is(&fx, file, ACCESS, "u::6 u:1000:7 g::4 m::5 o::0");
	chmod_node(&fx, file, 04712);
	mode_is(&fx, file, 04712);
	acl_is(&fx, file, ACCESS, "u::7 u:1000:7 g::4 m::1 o::2");
	/* It says no more than the mode: it goes. */
	OK(acl_put(&fx, file, ACCESS, "u::6 g::4 o::1"));
	mode_is(&fx, file, 04641);
	acl_is(&fx, file, ACCESS, "");
	OK(ubtrfs_removexattr(fx.fs, file, ACCESS));
	OK(acl_put(&fx, dir, DEFAULT, "u::7 g::5 o::0"));
	acl_is(&fx, dir, DEFAULT, "u::7 g::5 o::0");
	mode_is(&fx, dir, 0755);
	fixture_reopen(&fx, true);
	OK(acl_put(&fx, dir, ACCESS, "u::7 g::5 g:3:1 m::7 o::0"));
	mode_is(&fx, dir, 0770);
	fixture_reopen(&fx, true);
	chmod_node(&fx, dir, 0705);
	acl_is(&fx, dir, ACCESS, "u::7 g::5 g:3:1 m::0 o::5");
	OK(ubtrfs_setxattr(fx.fs, dir, ACCESS, "", 0));
	OK(ubtrfs_removexattr(fx.fs, dir, DEFAULT));
	acl_is(&fx, dir, ACCESS, "");
	acl_is(&fx, dir, DEFAULT, "");
	mode_is(&fx, dir, 0705);
	done(&fx);
}

static void test_op_attrs__acls_that_are_none(void **state)
{
	static const char *const bad[] = {
		"u::7",
		"u::7 g::5",
		"g::5 u::7 o::0",
		"u::7 u::7 g::5 o::0",
		"u::7 g::5 u:5:1 m::7 o::0",
		"u::7 u:5:6 g::5 o::0",
		"u::7 g::5 g:5:1 o::0",
		"u::7 g::5 m::1 m::1 o::0",
		"u::7 g::5 m::1 g:5:1 o::0",
		"u::7 g::5 o::0 m::7",
		"u::7 g::5 o::0 o::0",
		"u::8 g::5 o::0",
		"u::7 u:4294967295:7 g::5 m::7 o::0",
		"u::7 x::1 g::5 o::0",
		"o::7",
	};
	struct fs_fixture fx;
	struct ubtrfs_node file, dir, link;
	struct acl acl = acl_of("u::7 g::5 o::0");
	const struct ubtrfs_new symlink = { .attr = { .mode = S_IFLNK | 0777 },
					    .symlink_target = "file",
					    .symlink_len = 4 };

	(void)state;
	fresh(&fx);
	file = fixture_file(&fx, "file");
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_create(fx.fs, fx.top, "link", 4, &symlink, &link));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (acl_put(&fx, file, ACCESS, bad[i]) != -EINVAL ||
		    acl_put(&fx, dir, DEFAULT, bad[i]) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
	}
	FAILS(EINVAL, ubtrfs_setxattr(fx.fs, file, ACCESS, acl.bytes, acl.len - 1));
	FAILS(EINVAL, ubtrfs_setxattr(fx.fs, file, ACCESS, acl.bytes, 3));
	FAILS(EACCES, acl_put(&fx, file, DEFAULT, "u::7 g::5 o::0"));
	FAILS(EOPNOTSUPP, acl_put(&fx, link, ACCESS, "u::7 g::5 o::0"));
	FAILS(EOPNOTSUPP, ubtrfs_removexattr(fx.fs, link, ACCESS));
	store32(acl.bytes, 1);
	FAILS(EOPNOTSUPP, ubtrfs_setxattr(fx.fs, file, ACCESS, acl.bytes, acl.len));
	mode_is(&fx, file, 0644);
	/* The ids of entries that name nobody are not looked at. */
	store32(acl.bytes, 2);
	store32(acl.bytes + 8, 77);
	OK(ubtrfs_setxattr(fx.fs, dir, DEFAULT, acl.bytes, acl.len));
	acl_is(&fx, dir, DEFAULT, "u::7 g::5 o::0");
	done(&fx);
}

static struct ubtrfs_node create_as_program(struct fs_fixture *fx, struct ubtrfs_node dir,
					    const char *name, uint32_t mode, uint32_t umask)
{
	struct ubtrfs_new what = { .attr = { .mode = mode, .uid = 7, .gid = 8 },
				   .inherit = true,
				   .umask = umask,
				   .symlink_target = "x",
				   .symlink_len = S_ISLNK(mode) ? 1 : 0 };
	struct ubtrfs_node node = { 0, 0 };

	OK(ubtrfs_create(fx->fs, dir, name, strlen(name), &what, &node));
	return node;
}

static void test_op_attrs__new_nodes_inherit(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node dir, node, again;

	(void)state;
	fresh(&fx);
	node = create_as_program(&fx, fx.top, "plain", S_IFREG | 0666, 027);
	mode_is(&fx, node, 0640);
	dir = create_as_program(&fx, fx.top, "dir", S_IFDIR | 0777, 022);
	mode_is(&fx, dir, 0755);
	OK(ubtrfs_setattr(fx.fs, dir, &(struct ubtrfs_attr){ .mode = 02775, .gid = 99 },
			  UBTRFS_ATTR_MODE | UBTRFS_ATTR_GID));
	node = create_as_program(&fx, dir, "sub", S_IFDIR | 0777, 022);
	mode_is(&fx, node, 02755);
	assert_int_equal(fixture_attr(&fx, node).gid, 99);
	assert_int_equal(fixture_attr(&fx, node).uid, 7);
	node = create_as_program(&fx, dir, "file", S_IFREG | 0666, 022);
	mode_is(&fx, node, 0644);
	assert_int_equal(fixture_attr(&fx, node).gid, 99);
	/* What does not ask for it gets what it says. */
	node = fixture_create(&fx, dir, "exact", S_IFDIR | 0777);
	mode_is(&fx, node, 0777);
	assert_int_equal(fixture_attr(&fx, node).gid, 0);

	OK(acl_put(&fx, dir, DEFAULT, "u::7 u:1:7 g::6 m::6 o::5"));
	fixture_reopen(&fx, true);
	node = create_as_program(&fx, dir, "acl", S_IFREG | 0664, 077);
	mode_is(&fx, node, 0664);
	acl_is(&fx, node, ACCESS, "u::6 u:1:7 g::6 m::6 o::4");
	acl_is(&fx, node, DEFAULT, "");
	node = create_as_program(&fx, dir, "acldir", S_IFDIR | 0717, 077);
	mode_is(&fx, node, 02705);
	acl_is(&fx, node, ACCESS, "u::7 u:1:7 g::6 m::0 o::5");
	acl_is(&fx, node, DEFAULT, "u::7 u:1:7 g::6 m::6 o::5");
	again = create_as_program(&fx, node, "below", S_IFIFO | 0600, 0);
	acl_is(&fx, again, ACCESS, "u::6 u:1:7 g::6 m::0 o::0");
	again = create_as_program(&fx, node, "symlink", S_IFLNK | 0777, 077);
	mode_is(&fx, again, 0777);
	acl_is(&fx, again, ACCESS, "");
	/* A default ACL without names leaves none behind. */
	OK(acl_put(&fx, dir, DEFAULT, "u::7 g::0 o::0"));
	node = create_as_program(&fx, dir, "short", S_IFREG | 0666, 0);
	mode_is(&fx, node, 0600);
	acl_is(&fx, node, ACCESS, "");
	done(&fx);
}

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

static void test_op_attrs__flags(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir, node;

	(void)state;
	fresh(&fx);
	file = fixture_file(&fx, "file");
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_fsflags_set(fx.fs, file, FS_NODUMP_FL | FS_NOATIME_FL | FS_DIRSYNC_FL, ~0u));
	assert_int_equal(flags_of(&fx, file), FS_NODUMP_FL | FS_NOATIME_FL);
	OK(ubtrfs_fsflags_set(fx.fs, file, 0, FS_NODUMP_FL));
	assert_int_equal(flags_of(&fx, file), FS_NOATIME_FL);
	FAILS(EOPNOTSUPP, ubtrfs_fsflags_set(fx.fs, file, FS_SECRM_FL, FS_SECRM_FL));
	FAILS(EINVAL, ubtrfs_fsflags_set(fx.fs, file, FS_COMPR_FL | FS_NOCOMP_FL, ~0u));
	FAILS(EINVAL, ubtrfs_fsflags_set(fx.fs, file, FS_COMPR_FL | FS_NOCOW_FL, ~0u));
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
	done(&fx);
}

static void want_nodatasum(struct fs_fixture *fx)
{
	fx->how.nodatasum = true;
}

static void want_nodatacow(struct fs_fixture *fx)
{
	fx->how.nodatacow = true;
}

static void test_op_attrs__options_for_new_files(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs *fs;

	(void)state;
	fresh_with(&fx, want_nodatasum);
	assert_int_equal(fixture_attr(&fx, fixture_file(&fx, "file")).flags, BTRFS_INODE_NODATASUM);
	assert_int_equal(fixture_attr(&fx, fixture_create(&fx, fx.top, "d", S_IFDIR | 0755)).flags,
			 0);
	done(&fx);
	fresh_with(&fx, want_nodatacow);
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
	fresh(&g->fx);
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
	FAILS(EPERM, acl_put(&g->fx, g->file, ACCESS, "u::7 g::5 o::0"));
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
	done(&g->fx);
}

static void test_op_attrs__immutable(void **state)
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

static void test_op_attrs__append_only(void **state)
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
static void test_op_attrs__sync(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir, plain;
	uint64_t before;

	(void)state;
	fresh(&fx);
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
	done(&fx);
}

/* ---- extended attributes ---- */

static void test_op_attrs__xattr_rules(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, fifo;
	char name[300], *big = calloc(1, 70000), value[8];
	size_t len;

	(void)state;
	assert_non_null(big);
	fresh(&fx);
	file = fixture_file(&fx, "file");
	fifo = fixture_create(&fx, fx.top, "fifo", S_IFIFO | 0644);
	FAILS(EOPNOTSUPP, ubtrfs_setxattr(fx.fs, file, "other.a", "1", 1));
	FAILS(EOPNOTSUPP, ubtrfs_setxattr(fx.fs, file, "system.other", "1", 1));
	FAILS(EOPNOTSUPP, ubtrfs_setxattr(fx.fs, file, "nodot", "1", 1));
	FAILS(EOPNOTSUPP, ubtrfs_getxattr(fx.fs, file, "other.a", NULL, 0, &len));
	FAILS(EOPNOTSUPP, ubtrfs_removexattr(fx.fs, file, "other.a"));
	FAILS(EINVAL, ubtrfs_setxattr(fx.fs, file, "user.", "1", 1));
	FAILS(ERANGE, ubtrfs_setxattr(fx.fs, file, "", "1", 1));
	memset(name, 'x', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = '\0';
	FAILS(ERANGE, ubtrfs_setxattr(fx.fs, file, name, "1", 1));
	name[255] = '\0';
	OK(ubtrfs_setxattr(fx.fs, file, name, "1", 1));
	FAILS(E2BIG, ubtrfs_setxattr(fx.fs, file, "user.big", big, 65537));
	FAILS(ENOSPC, ubtrfs_setxattr(fx.fs, file, "user.big", big, 65536));
	FAILS(ENOSPC, ubtrfs_setxattr(fx.fs, file, "user.big", big, 16384 - 101 - 25 - 30 - 8 + 1));
	OK(ubtrfs_setxattr(fx.fs, file, "user.big", big, 16384 - 101 - 25 - 30 - 8));
	FAILS(ENODATA, ubtrfs_setxattr_flags(fx.fs, file, "user.a", "1", 1, UBTRFS_XATTR_REPLACE));
	OK(ubtrfs_setxattr_flags(fx.fs, file, "user.a", "1", 1, UBTRFS_XATTR_CREATE));
	FAILS(EEXIST, ubtrfs_setxattr_flags(fx.fs, file, "user.a", "1", 1, UBTRFS_XATTR_CREATE));
	OK(ubtrfs_setxattr_flags(fx.fs, file, "user.a", "22", 2, UBTRFS_XATTR_REPLACE));
	FAILS(EINVAL, ubtrfs_setxattr_flags(fx.fs, file, "user.a", "1", 1, 4));
	FAILS(ERANGE, ubtrfs_getxattr(fx.fs, file, "user.a", value, 1, &len));
	OK(ubtrfs_getxattr(fx.fs, file, "user.a", value, 8, &len));
	assert_int_equal(len, 2);
	FAILS(EPERM, ubtrfs_setxattr(fx.fs, fifo, "user.a", "1", 1));
	OK(ubtrfs_setxattr(fx.fs, fifo, "trusted.a", "1", 1));
	OK(ubtrfs_setxattr(fx.fs, fifo, "security.a", "1", 1));
	OK(ubtrfs_setxattr(fx.fs, fifo, "btrfs.compression", "zstd", 4));
	property_is(&fx, fifo, NULL);
	FAILS(EINVAL, ubtrfs_setxattr(fx.fs, file, "btrfs.nosuch", "1", 1));
	FAILS(EINVAL, ubtrfs_setxattr(fx.fs, file, "btrfs.compression", "gzip", 4));
	FAILS(ENODATA, ubtrfs_removexattr(fx.fs, file, "btrfs.compression"));
	free(big);
	done(&fx);
}

static void test_op_attrs__kill_setid(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir;
	size_t len;

	(void)state;
	fresh(&fx);
	file = fixture_create(&fx, fx.top, "file", S_IFREG | 06755);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 06755);
	OK(ubtrfs_setxattr(fx.fs, file, "security.capability", "x", 1));
	OK(ubtrfs_setattr(fx.fs, file, &(struct ubtrfs_attr){ .uid = 3 },
			  UBTRFS_ATTR_UID | UBTRFS_ATTR_KILL_SETID));
	mode_is(&fx, file, 0755);
	FAILS(ENODATA, ubtrfs_getxattr(fx.fs, file, "security.capability", NULL, 0, &len));
	/* Without the group's permission to execute the bit means locking. */
	chmod_node(&fx, file, 06745);
	OK(ubtrfs_setattr(fx.fs, file, &(struct ubtrfs_attr){ .uid = 3 }, UBTRFS_ATTR_KILL_SETID));
	mode_is(&fx, file, 02745);
	OK(ubtrfs_setattr(fx.fs, dir, &(struct ubtrfs_attr){ .uid = 3 },
			  UBTRFS_ATTR_UID | UBTRFS_ATTR_KILL_SETID));
	mode_is(&fx, dir, 06755);
	done(&fx);
}

static int count_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	(void)name;
	(void)value;
	*(size_t *)ctx += name_len + 1000 * len;
	return 0;
}

/* What is in no tree yet is listed too, and what is taken away is not. */
static void test_op_attrs__xattrs_are_listed(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;
	size_t sum = 0;

	(void)state;
	fresh(&fx);
	file = fixture_file(&fx, "file");
	OK(ubtrfs_setxattr(fx.fs, file, "user.a", "1", 1));
	OK(ubtrfs_setxattr(fx.fs, file, "user.bb", "22", 2));
	OK(ubtrfs_listxattr(fx.fs, file, count_xattr, &sum));
	assert_int_equal(sum, 3013);
	OK(ubtrfs_commit(fx.fs));
	OK(ubtrfs_removexattr(fx.fs, file, "user.a"));
	OK(ubtrfs_setxattr(fx.fs, file, "user.ccc", "333", 3));
	sum = 0;
	OK(ubtrfs_listxattr(fx.fs, file, count_xattr, &sum));
	assert_int_equal(sum, 5015);
	done(&fx);
}

static struct ubtrfs_time atime_of(struct fs_fixture *fx, struct ubtrfs_node node)
{
	return fixture_attr(fx, node).atime;
}

static void read_one(struct fs_fixture *fx, struct ubtrfs_node node)
{
	char byte;
	size_t len;

	OK(ubtrfs_read(fx->fs, node, 0, &byte, 1, &len));
}

static int no_visit(void *ctx, const struct ubtrfs_dirent *entry)
{
	(void)ctx;
	(void)entry;
	return 0;
}

/* A file last read, changed and seen at these seconds is read at now: its time of access becomes what. */
static void atime_case(enum ubtrfs_atime policy, uint32_t flags, int64_t atime, int64_t mtime,
		       int64_t now, int64_t what)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir;
	struct ubtrfs_attr attr = { .atime.sec = atime, .mtime.sec = mtime, .ctime.sec = mtime };
	const unsigned set = UBTRFS_ATTR_ATIME | UBTRFS_ATTR_MTIME | UBTRFS_ATTR_CTIME;

	fresh(&fx);
	file = fixture_file(&fx, "file");
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_write(fx.fs, file, 0, "x", 1));
	OK(ubtrfs_fsflags_set(fx.fs, file, flags, ~0u));
	OK(ubtrfs_fsflags_set(fx.fs, dir, flags, ~0u));
	OK(ubtrfs_setattr(fx.fs, file, &attr, set));
	OK(ubtrfs_setattr(fx.fs, dir, &attr, set));
	fixture_close(&fx);
	fx.how.atime = policy;
	fx.now = (struct ubtrfs_time){ .sec = now };
	fixture_open(&fx, true);
	read_one(&fx, file);
	OK(ubtrfs_readdir(fx.fs, dir, 0, no_visit, NULL));
	fixture_reopen(&fx, false);
	read_one(&fx, file);
	if (atime_of(&fx, file).sec != what || atime_of(&fx, dir).sec != what)
		fail_msg("policy %d, flags %x, %lld %lld: read at %lld: %lld, %lld instead of %lld",
			 policy, flags, (long long)atime, (long long)mtime, (long long)now,
			 (long long)atime_of(&fx, file).sec, (long long)atime_of(&fx, dir).sec,
			 (long long)what);
	assert_int_equal(fixture_attr(&fx, file).ctime.sec, mtime);
	fixture_close(&fx);
	fixture_fini(&fx);
}

static void test_op_attrs__atime(void **state)
{
	(void)state;
	atime_case(UBTRFS_ATIME_NONE, 0, 100, 200, 5000, 100);
	atime_case(UBTRFS_ATIME_RELATIME, 0, 100, 200, 5000, 5000);
	atime_case(UBTRFS_ATIME_RELATIME, 0, 200, 200, 5000, 5000);
	atime_case(UBTRFS_ATIME_RELATIME, 0, 300, 200, 5000, 300);
	atime_case(UBTRFS_ATIME_RELATIME, 0, 300, 200, 300 + 86399, 300);
	atime_case(UBTRFS_ATIME_RELATIME, 0, 300, 200, 300 + 86400, 300 + 86400);
	atime_case(UBTRFS_ATIME_STRICT, 0, 300, 200, 5000, 5000);
	atime_case(UBTRFS_ATIME_STRICT, FS_NOATIME_FL, 300, 200, 5000, 300);
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
static void test_op_attrs__ino_path(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node dir, file;
	char text[16];
	size_t len;

	(void)state;
	fresh(&fx);
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
	done(&fx);
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

static void test_op_attrs__tree_search(void **state)
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
	fresh(&fx);
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
	one.tree_id = 777;
	FAILS(ENOENT, ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	one.tree_id = 3;
	OK(ubtrfs_tree_search(fx.fs, &one, found_item, &found));
	done(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_attrs__acl_and_mode_in_step),
		cmocka_unit_test(test_op_attrs__acls_that_are_none),
		cmocka_unit_test(test_op_attrs__new_nodes_inherit),
		cmocka_unit_test(test_op_attrs__flags),
		cmocka_unit_test(test_op_attrs__options_for_new_files),
		cmocka_unit_test(test_op_attrs__immutable),
		cmocka_unit_test(test_op_attrs__append_only),
		cmocka_unit_test(test_op_attrs__sync),
		cmocka_unit_test(test_op_attrs__xattr_rules),
		cmocka_unit_test(test_op_attrs__kill_setid),
		cmocka_unit_test(test_op_attrs__xattrs_are_listed),
		cmocka_unit_test(test_op_attrs__atime),
		cmocka_unit_test(test_op_attrs__ino_path),
		cmocka_unit_test(test_op_attrs__tree_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
