/*
 * Attributes through the public API: what new nodes inherit, POSIX ACLs beside the mode, rules of
 * extended attributes, times of access. What Linux does is compared by
 * test/interop/attrs.bats.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>

#include <ubtrfs/attr.h>

#include "format/disk_ids.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

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
	fixture_fresh(&fx);
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
	fixture_done(&fx);
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
	fixture_fresh(&fx);
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
	fixture_done(&fx);
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
	fixture_fresh(&fx);
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
	fixture_done(&fx);
}

/* ---- extended attributes ---- */

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

static void test_op_attrs__whiteout_inherits(void **state)
{
	struct ubtrfs_node dir, found = { 0, 0 };
	struct fs_fixture fx;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(acl_put(&fx, dir, DEFAULT, "u::7 u:5:6 g::5 m::7 o::1"));
	fixture_create(&fx, dir, "file", S_IFREG | 0644);
	OK(ubtrfs_rename(fx.fs, dir, "file", 4, fx.top, "moved", 5, UBTRFS_RENAME_WHITEOUT));
	OK(ubtrfs_lookup(fx.fs, dir, "file", 4, &found));
	assert_int_equal(fixture_attr(&fx, found).mode, S_IFCHR);
	acl_is(&fx, found, ACCESS, "u::0 u:5:6 g::5 m::0 o::0");
	fixture_done(&fx);
}

static void test_op_attrs__xattr_rules(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, fifo;
	char name[300], *big = calloc(1, 70000), value[8];
	size_t len;

	(void)state;
	assert_non_null(big);
	fixture_fresh(&fx);
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
	fixture_done(&fx);
}

static void test_op_attrs__kill_setid(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file, dir;
	size_t len;

	(void)state;
	fixture_fresh(&fx);
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
	fixture_done(&fx);
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
	fixture_fresh(&fx);
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
	fixture_done(&fx);
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

	fixture_fresh(&fx);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_attrs__acl_and_mode_in_step),
		cmocka_unit_test(test_op_attrs__acls_that_are_none),
		cmocka_unit_test(test_op_attrs__new_nodes_inherit),
		cmocka_unit_test(test_op_attrs__whiteout_inherits),
		cmocka_unit_test(test_op_attrs__xattr_rules),
		cmocka_unit_test(test_op_attrs__kill_setid),
		cmocka_unit_test(test_op_attrs__xattrs_are_listed),
		cmocka_unit_test(test_op_attrs__atime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
