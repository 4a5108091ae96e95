/*
 * Names through the public API: links, directories, attributes, paths, subvolumes; each image
 * judged by `btrfs check`.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "codec/name_hash.h"
#include "format/disk_ids.h"
#include "ops/ops.h"

static int hashed_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a >> 32, right = *(const uint64_t *)b >> 32;

	return left < right ? -1 : left > right;
}

#define COLLIDING_LEN 21

static void scattered_name(char name[32], uint64_t number)
{
	snprintf(name, 32, "user.%016llx", (unsigned long long)(number * 0x9e3779b97f4a7c15ULL));
}

/* Two names of COLLIDING_LEN bytes that have the same hash. */
static void colliding_names(char ret_a[32], char ret_b[32])
{
	const unsigned nr = 400000;
	uint64_t *hashed = malloc(nr * sizeof(*hashed));
	char name[32];
	unsigned i;

	assert_non_null(hashed);
	for (i = 0; i < nr; i++) {
		scattered_name(name, i);
		hashed[i] = (uint64_t)(uint32_t)name_hash(name, COLLIDING_LEN) << 32 | i;
	}
	qsort(hashed, nr, sizeof(*hashed), hashed_compare);
	for (i = 1; i < nr && hashed[i] >> 32 != hashed[i - 1] >> 32; i++)
		continue;
	assert_true(i < nr);
	scattered_name(ret_a, (uint32_t)hashed[i - 1]);
	scattered_name(ret_b, (uint32_t)hashed[i]);
	free(hashed);
}

struct listing {
	unsigned nr, stop_after;
	uint64_t cookie;
	char last[256];
	uint8_t types;
};

static int listing_visit(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct listing *listing = ctx;

	listing->nr++;
	listing->types |= (uint8_t)(1u << entry->type);
	listing->cookie = entry->cookie;
	memcpy(listing->last, entry->name, entry->name_len);
	listing->last[entry->name_len] = '\0';
	return listing->stop_after && listing->nr == listing->stop_after ? 7 : 0;
}

/*
 * More names than one INODE_REF holds: the others are extended references; all go again, in
 * another order.
 */
static void test_op_names__many_links(void **state)
{
	enum { NR_LINKS = 1500 };
	struct fs_fixture fx;
	struct ubtrfs_node node, dir;
	struct listing listing = { .nr = 0 };
	char name[64];

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	node = fixture_file(&fx, "first");
	for (unsigned i = 0; i < NR_LINKS; i++) {
		snprintf(name, sizeof(name), "a-name-that-is-not-short-%u", i);
		OK(ubtrfs_link(fx.fs, node, dir, name, strlen(name)));
		if (i == 700)
			OK(ubtrfs_commit(fx.fs));
	}
	FAILS(EEXIST, ubtrfs_link(fx.fs, node, dir, name, strlen(name)));
	FAILS(EPERM, ubtrfs_link(fx.fs, dir, fx.top, "x", 1));
	assert_int_equal(fixture_attr(&fx, node).nlink, NR_LINKS + 1);
	fixture_reopen(&fx, true);
	OK(ubtrfs_readdir(fx.fs, dir, 0, listing_visit, &listing));
	assert_int_equal(listing.nr, NR_LINKS);
	for (unsigned i = 0; i < NR_LINKS; i++) {
		snprintf(name, sizeof(name), "a-name-that-is-not-short-%u", i * 7 % NR_LINKS);
		OK(ubtrfs_unlink(fx.fs, dir, name, strlen(name)));
		if (i == 900) {
			assert_int_equal(fixture_attr(&fx, node).nlink, NR_LINKS - i);
			fixture_reopen(&fx, true);
		}
	}
	assert_int_equal(fixture_attr(&fx, node).nlink, 1);
	assert_int_equal(fixture_attr(&fx, dir).size, 0);
	OK(ubtrfs_rmdir(fx.fs, fx.top, "dir", 3));
	fixture_done(&fx);
}

/* Without extended references there is a limit: the name that meets it leaves nothing behind. */
static void test_op_names__links_without_extref(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_attr before, after;
	struct ubtrfs_node node;
	char name[256];
	unsigned i;
	int err = 0;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.mkfs.features = "^extref";
	fixture_make_open(&fx);
	node = fixture_file(&fx, "first");
	for (i = 0; i < 200 && err == 0; i++) {
		before = fixture_attr(&fx, fx.top);
		memset(name, 'a', 200);
		snprintf(name + 200, 50, "%u", i);
		err = ubtrfs_link(fx.fs, node, fx.top, name, strlen(name));
	}
	assert_int_equal(err, -EMLINK);
	after = fixture_attr(&fx, fx.top);
	assert_memory_equal(&before, &after, sizeof(after));
	assert_int_equal(fixture_attr(&fx, node).nlink, i);
	FAILS(ENOENT, ubtrfs_lookup(fx.fs, fx.top, name, strlen(name), &node));
	fixture_done(&fx);
}

static void xattr_is(struct fs_fixture *fx, struct ubtrfs_node node, const char *name,
		     const void *value, size_t len)
{
	uint8_t found[65536];
	size_t found_len;

	OK(ubtrfs_getxattr(fx->fs, node, name, found, sizeof(found), &found_len));
	assert_int_equal(found_len, len);
	assert_memory_equal(found, value, len);
}

static int count_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	(void)name;
	(void)value;
	*(size_t *)ctx += name_len + len;
	return 0;
}

static void test_op_names__xattrs(void **state)
{
	static uint8_t big[65536];
	struct fs_fixture fx;
	struct ubtrfs_node node;
	char a[32], b[32];
	size_t len, sum = 0;

	(void)state;
	content_bytes(5, 0, big, sizeof(big));
	colliding_names(a, b);
	fixture_fresh(&fx);
	node = fixture_file(&fx, "file");
	for (unsigned round = 0; round < 2; round++) {
		OK(ubtrfs_setxattr(fx.fs, node, a, big, 100));
		OK(ubtrfs_setxattr(fx.fs, node, b, big + 1, 200));
		OK(ubtrfs_setxattr(fx.fs, node, "user.empty", "", 0));
		xattr_is(&fx, node, a, big, 100);
		xattr_is(&fx, node, b, big + 1, 200);
		OK(ubtrfs_setxattr(fx.fs, node, a, big + 7, 3000));
		xattr_is(&fx, node, a, big + 7, 3000);
		xattr_is(&fx, node, b, big + 1, 200);
		/* Both do not fit into one item: what was there stays. */
		assert_true(ubtrfs_setxattr(fx.fs, node, b, big, 15000) < 0);
		xattr_is(&fx, node, b, big + 1, 200);
		xattr_is(&fx, node, "user.empty", "", 0);
		fixture_reopen(&fx, true);
		xattr_is(&fx, node, a, big + 7, 3000);
		xattr_is(&fx, node, b, big + 1, 200);
	}
	/* The largest that fits, and one more byte. */
	for (len = 16000; ubtrfs_setxattr(fx.fs, node, "user.big", big, len) == 0; len++)
		continue;
	assert_int_equal(len, 16384 - 101 - 25 - 30 - 8 + 1);
	xattr_is(&fx, node, "user.big", big, len - 1);
	FAILS(ENODATA, ubtrfs_getxattr(fx.fs, node, "user.none", NULL, 0, &len));
	OK(ubtrfs_getxattr(fx.fs, node, a, NULL, 0, &len));
	assert_int_equal(len, 3000);
	FAILS(ERANGE, ubtrfs_getxattr(fx.fs, node, a, big, 2999, &len));
	OK(ubtrfs_listxattr(fx.fs, node, count_xattr, &sum));
	assert_int_equal(sum, 2 * COLLIDING_LEN + 3000 + 200 + 10 + 0 + 8 + 16220);
	OK(ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	fixture_done(&fx);
}

/* Names whose hashes collide share an item. */
static void test_op_names__colliding_names(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node one, two, found;
	char a[32], b[32];

	(void)state;
	colliding_names(a, b);
	fixture_fresh(&fx);
	one = fixture_file(&fx, a);
	OK(ubtrfs_commit(fx.fs));
	two = fixture_file(&fx, b);
	FAILS(EEXIST, ubtrfs_create(fx.fs, fx.top, b, COLLIDING_LEN,
				    &(struct ubtrfs_new){ .attr = { .mode = S_IFREG } }, &found));
	fixture_reopen(&fx, true);
	assert_int_equal(fixture_lookup(&fx, fx.top, a).ino, one.ino);
	assert_int_equal(fixture_lookup(&fx, fx.top, b).ino, two.ino);
	OK(ubtrfs_unlink(fx.fs, fx.top, a, COLLIDING_LEN));
	fixture_reopen(&fx, true);
	FAILS(ENOENT, ubtrfs_lookup(fx.fs, fx.top, a, COLLIDING_LEN, &found));
	assert_int_equal(fixture_lookup(&fx, fx.top, b).ino, two.ino);
	OK(ubtrfs_unlink(fx.fs, fx.top, b, COLLIDING_LEN));
	fixture_done(&fx);
}

/* Names whose hashes collide are renamed to each other, exchanged and moved. */
static void test_op_names__colliding_renames(void **state)
{
	const size_t len = COLLIDING_LEN;
	struct fs_fixture fx;
	struct ubtrfs_node dir, one, two, found;
	char a[32], b[32];

	(void)state;
	colliding_names(a, b);
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	one = fixture_file(&fx, a);
	for (unsigned round = 0; round < 2; round++) {
		OK(ubtrfs_rename(fx.fs, fx.top, a, len, fx.top, b, len, 0));
		FAILS(ENOENT, ubtrfs_lookup(fx.fs, fx.top, a, len, &found));
		two = fixture_file(&fx, a);
		OK(ubtrfs_rename(fx.fs, fx.top, a, len, fx.top, b, len, UBTRFS_RENAME_EXCHANGE));
		assert_int_equal(fixture_lookup(&fx, fx.top, a).ino, one.ino);
		assert_int_equal(fixture_lookup(&fx, fx.top, b).ino, two.ino);
		if (round == 0)
			fixture_reopen(&fx, true);
		OK(ubtrfs_rename(fx.fs, fx.top, b, len, dir, a, len, 0));
		OK(ubtrfs_rename(fx.fs, dir, a, len, fx.top, a, len, UBTRFS_RENAME_EXCHANGE));
		OK(ubtrfs_rename(fx.fs, fx.top, a, len, dir, b, len, UBTRFS_RENAME_WHITEOUT));
		OK(ubtrfs_rename(fx.fs, dir, a, len, fx.top, a, len, 0));
		assert_int_equal(fixture_lookup(&fx, fx.top, a).ino, one.ino);
		assert_int_equal(fixture_lookup(&fx, dir, b).ino, two.ino);
		OK(ubtrfs_unlink(fx.fs, dir, b, len));
		assert_int_equal(fixture_attr(&fx, dir).size, 0);
	}
	fixture_done(&fx);
}

/* The number of links is that of Linux; who has so many gets no more and may lose and move them. */
static void test_op_names__links_max(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;
	struct inode *inode = NULL;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	fs_lock(fx.fs);
	assert_int_equal(node_inode(fx.fs, file, &inode), 0);
	inode_item_set_nlink(inode->item, 65534);
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	OK(ubtrfs_link(fx.fs, file, fx.top, "last", 4));
	FAILS(EMLINK, ubtrfs_link(fx.fs, file, fx.top, "more", 4));
	OK(ubtrfs_rename(fx.fs, fx.top, "last", 4, fx.top, "more", 4, 0));
	OK(ubtrfs_unlink(fx.fs, fx.top, "more", 4));
	assert_int_equal(fixture_attr(&fx, file).nlink, 65534);
	fs_lock(fx.fs);
	inode_item_set_nlink(inode->item, 1);
	inode_put(inode);
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	fixture_done(&fx);
}

static void test_op_names__readdir(void **state)
{
	struct fs_fixture fx;
	struct listing listing = { .stop_after = 10 };
	struct ubtrfs_node dir;
	char name[32];
	unsigned nr = 0;

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	for (unsigned i = 0; i < 95; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		fixture_create(&fx, dir, name, S_IFREG | 0644);
	}
	while (ubtrfs_readdir(fx.fs, dir, listing.cookie, listing_visit, &listing) == 7) {
		nr += listing.nr;
		listing.nr = 0;
		snprintf(name, sizeof(name), "n%u", nr - 1);
		assert_string_equal(listing.last, name);
		/* What goes and comes meanwhile does not disturb. */
		OK(ubtrfs_unlink(fx.fs, dir, name, strlen(name)));
	}
	assert_int_equal(nr + listing.nr, 95);
	FAILS(ENOTEMPTY, ubtrfs_rmdir(fx.fs, fx.top, "dir", 3));
	FAILS(ENOTDIR,
	      ubtrfs_readdir(fx.fs, fixture_lookup(&fx, dir, "n1"), 0, listing_visit, &listing));
	fixture_done(&fx);
}

static void test_op_names__kinds(void **state)
{
	static const uint32_t modes[] = { S_IFREG | 04755, S_IFDIR | 01777, S_IFCHR | 0600,
					  S_IFBLK | 0660,  S_IFIFO | 0644,  S_IFSOCK | 0777 };
	struct fs_fixture fx;
	struct ubtrfs_new what = { .set = UBTRFS_ATTR_MTIME | UBTRFS_ATTR_ATIME };
	struct ubtrfs_node nodes[6], bad;
	struct ubtrfs_attr attr;
	char name[8] = "kind0";

	(void)state;
	fixture_fresh(&fx);
	for (unsigned i = 0; i < 6; i++) {
		name[4] = (char)('0' + i);
		what.attr = (struct ubtrfs_attr){ .mode = modes[i],
						  .uid = 1000 + i,
						  .gid = UINT32_MAX - 1,
						  .rdev = makedev(259, 70000),
						  .mtime = { -5, 999999999 },
						  .atime = { 1LL << 40, 1 } };
		OK(ubtrfs_create(fx.fs, fx.top, name, 5, &what, &nodes[i]));
	}
	what.attr.mtime.nsec = 1000000000;
	FAILS(EINVAL, ubtrfs_create(fx.fs, fx.top, "bad", 3, &what, &bad));
	FAILS(EINVAL, ubtrfs_create(fx.fs, fx.top, "a/b", 3,
				    &(struct ubtrfs_new){ .attr = { .mode = S_IFREG } }, &bad));
	FAILS(EINVAL, ubtrfs_create(fx.fs, fx.top, "..", 2,
				    &(struct ubtrfs_new){ .attr = { .mode = S_IFREG } }, &bad));
	FAILS(EINVAL, ubtrfs_create(fx.fs, fx.top, "", 0,
				    &(struct ubtrfs_new){ .attr = { .mode = S_IFREG } }, &bad));
	fixture_reopen(&fx, true);
	for (unsigned i = 0; i < 6; i++) {
		attr = fixture_attr(&fx, nodes[i]);
		assert_int_equal(attr.mode, modes[i]);
		assert_int_equal(attr.uid, 1000 + i);
		assert_int_equal(attr.gid, UINT32_MAX - 1);
		assert_int_equal(attr.mtime.sec, -5);
		assert_int_equal(attr.mtime.nsec, 999999999);
		assert_int_equal(attr.atime.sec, 1LL << 40);
		assert_int_equal(attr.otime.sec, fx.now.sec);
		assert_int_equal(attr.rdev, i == 2 || i == 3 ? makedev(259, 70000) : 0);
	}
	FAILS(EINVAL, ubtrfs_setattr(fx.fs, nodes[0],
				     &(struct ubtrfs_attr){ .mode = S_IFDIR | 0755, .uid = 3 },
				     UBTRFS_ATTR_UID | UBTRFS_ATTR_MODE));
	assert_int_equal(fixture_attr(&fx, nodes[0]).uid, 1000);
	FAILS(EINVAL, ubtrfs_setattr(fx.fs, nodes[0],
				     &(struct ubtrfs_attr){ .size = 5, .ctime = { 0, 1000000000 } },
				     UBTRFS_ATTR_SIZE | UBTRFS_ATTR_CTIME));
	assert_int_equal(fixture_attr(&fx, nodes[0]).size, 0);
	FAILS(EINVAL, ubtrfs_setattr(fx.fs, nodes[1], &(struct ubtrfs_attr){ .size = 5 },
				     UBTRFS_ATTR_SIZE));
	FAILS(EISDIR, ubtrfs_unlink(fx.fs, fx.top, "kind1", 5));
	FAILS(ENOTDIR, ubtrfs_rmdir(fx.fs, fx.top, "kind0", 5));
	for (unsigned i = 0; i < 6; i++) {
		name[4] = (char)('0' + i);
		OK(i == 1 ? ubtrfs_rmdir(fx.fs, fx.top, name, 5) :
			    ubtrfs_unlink(fx.fs, fx.top, name, 5));
	}
	fixture_done(&fx);
}

static void symlink_to(struct fs_fixture *fx, struct ubtrfs_node dir, const char *name,
		       const char *target)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFLNK | 0777 },
				   .symlink_target = target,
				   .symlink_len = strlen(target) };
	struct ubtrfs_node node;

	OK(ubtrfs_create(fx->fs, dir, name, strlen(name), &what, &node));
}

static void resolves(struct fs_fixture *fx, const char *path, bool follow, uint64_t subvolid,
		     uint64_t ino)
{
	struct ubtrfs_node node = { 0, 0 };

	OK(ubtrfs_resolve(fx->fs, fx->top, path, follow, &node));
	if (node.subvolid != subvolid || node.ino != ino)
		fail_msg("%s is %d:%d", path, (int)node.subvolid, (int)node.ino);
}

static void test_op_names__paths(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node a, b, file, sub, inner, link;
	char long_target[4096], target[4096];
	struct ubtrfs_new what = { .attr = { .mode = S_IFLNK | 0777 },
				   .symlink_target = long_target };
	size_t len;

	(void)state;
	fixture_fresh(&fx);
	a = fixture_create(&fx, fx.top, "a", S_IFDIR | 0755);
	b = fixture_create(&fx, a, "b", S_IFDIR | 0755);
	file = fixture_create(&fx, b, "file", S_IFREG | 0644);
	OK(ubtrfs_subvolume_create(fx.fs, b, "sub", 3, NULL, &sub));
	inner = fixture_create(&fx, sub, "inner", S_IFREG | 0644);
	symlink_to(&fx, fx.top, "abs", "/a/b");
	symlink_to(&fx, b, "up", "../b/./file");
	symlink_to(&fx, fx.top, "loop", "loop");
	symlink_to(&fx, sub, "out", "../../..//a");
	for (unsigned round = 0; round < 2; round++) {
		resolves(&fx, "a/b/file", true, 5, file.ino);
		resolves(&fx, "/a//b/../../a/./b/", true, 5, b.ino);
		resolves(&fx, "../..", true, 5, 256);
		resolves(&fx, "abs/up", true, 5, file.ino);
		link = fixture_lookup(&fx, b, "up");
		resolves(&fx, "abs/up", false, 5, link.ino);
		resolves(&fx, "a/b/sub", true, sub.subvolid, 256);
		resolves(&fx, "a/b/sub/inner", true, sub.subvolid, inner.ino);
		resolves(&fx, "a/b/sub/..", true, 5, b.ino);
		resolves(&fx, "a/b/sub/out", true, 5, a.ino);
		FAILS(ELOOP, ubtrfs_resolve(fx.fs, fx.top, "loop", true, &link));
		FAILS(ENOTDIR, ubtrfs_resolve(fx.fs, fx.top, "a/b/file/x", true, &link));
		FAILS(ENOTDIR, ubtrfs_resolve(fx.fs, fx.top, "a/b/file/..", true, &link));
		FAILS(ENOENT, ubtrfs_resolve(fx.fs, fx.top, "a/c/file", true, &link));
		if (round == 0)
			fixture_reopen(&fx, true);
	}
	memset(long_target, 'x', sizeof(long_target));
	what.symlink_len = 4095;
	OK(ubtrfs_create(fx.fs, fx.top, "long", 4, &what, &link));
	what.symlink_len = 4096;
	FAILS(ENAMETOOLONG, ubtrfs_create(fx.fs, fx.top, "longer", 6, &what, &link));
	what.symlink_len = 0;
	assert_true(ubtrfs_create(fx.fs, fx.top, "none", 4, &what, &link) < 0);
	OK(ubtrfs_readlink(fx.fs, fixture_lookup(&fx, fx.top, "long"), target, sizeof(target),
			   &len));
	assert_int_equal(len, 4095);
	FAILS(EINVAL, ubtrfs_readlink(fx.fs, file, target, sizeof(target), &len));
	OK(ubtrfs_unlink(fx.fs, fx.top, "long", 4));
	fixture_done(&fx);
}

static void test_op_names__subvolumes(void **state)
{
	static const uint8_t uuid[16] = "uuid of a subvol";
	struct fs_fixture fx;
	struct ubtrfs_node one, two, file, dir;
	struct ubtrfs_info info;
	struct content content = { 0 };

	(void)state;
	fixture_fresh(&fx);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_subvolume_create(fx.fs, dir, "one", 3, uuid, &one));
	OK(ubtrfs_subvolume_create(fx.fs, one, "two", 3, NULL, &two));
	FAILS(EEXIST, ubtrfs_subvolume_create(fx.fs, dir, "one", 3, NULL, &file));
	file = fixture_create(&fx, two, "file", S_IFREG | 0644);
	content_write(&fx, file, &content, 0, 300000, 1);
	FAILS(EXDEV, ubtrfs_link(fx.fs, file, one, "x", 1));
	FAILS(EISDIR, ubtrfs_unlink(fx.fs, dir, "one", 3));
	FAILS(ENOENT, ubtrfs_subvolume_set_default(fx.fs, 999));
	OK(ubtrfs_subvolume_set_default(fx.fs, two.subvolid));
	OK(ubtrfs_subvolume_set_readonly(fx.fs, one.subvolid, true));
	fixture_reopen(&fx, true);
	OK(ubtrfs_info(fx.fs, &info));
	assert_int_equal(info.default_subvol, two.subvolid);
	assert_int_equal(ubtrfs_default_top(fx.fs).subvolid, two.subvolid);
	content_compare(&fx, file, &content);
	/* Read-only means so, for every kind of change; and a tree that is no subvolume is none. */
	FAILS(EROFS, ubtrfs_setxattr(fx.fs, one, "user.a", "b", 1));
	FAILS(EROFS, ubtrfs_link(fx.fs, file, one, "x", 1));
	FAILS(EROFS, ubtrfs_rmdir(fx.fs, one, "two", 3));
	FAILS(ENOENT, ubtrfs_subvolume_set_default(fx.fs, 2));
	FAILS(ENOENT, ubtrfs_subvolume_set_readonly(fx.fs, 7, true));
	OK(ubtrfs_subvolume_set_default(fx.fs, 5));
	fixture_reopen(&fx, true);
	assert_int_equal(ubtrfs_default_top(fx.fs).subvolid, 5);
	content_free(&content);
	fixture_done(&fx);
}

/* Flags of files: no checksums, no compression, what directories hand down. */
static void test_op_names__flags(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644,
					     .flags = BTRFS_INODE_NODATACOW },
				   .set = UBTRFS_ATTR_FLAGS };
	struct content contents[3] = { { 0 } };
	struct ubtrfs_node nodes[3], dir;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.how.compress = UBTRFS_COMPRESS_ZLIB;
	fixture_make_open(&fx);
	OK(ubtrfs_create(fx.fs, fx.top, "nocow", 5, &what, &nodes[0]));
	what.attr.flags = BTRFS_INODE_NOCOMPRESS;
	OK(ubtrfs_create(fx.fs, fx.top, "plain", 5, &what, &nodes[1]));
	what.attr = (struct ubtrfs_attr){ .mode = S_IFDIR | 0755, .flags = BTRFS_INODE_NODATACOW };
	OK(ubtrfs_create(fx.fs, fx.top, "dir", 3, &what, &dir));
	nodes[2] = fixture_create(&fx, dir, "inherits", S_IFREG | 0644);
	for (unsigned i = 0; i < 3; i++)
		content_write(&fx, nodes[i], &contents[i], 0, 400000, i + 1);
	fixture_reopen(&fx, true);
	for (unsigned i = 0; i < 3; i++) {
		content_write(&fx, nodes[i], &contents[i], 10000, 70000, i + 7);
		content_compare(&fx, nodes[i], &contents[i]);
		assert_true(fixture_attr(&fx, nodes[i]).allocated_bytes >= 400000);
	}
	assert_int_equal(fixture_attr(&fx, nodes[2]).flags,
			 BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	FAILS(EINVAL, ubtrfs_setattr(fx.fs, nodes[0], &(struct ubtrfs_attr){ .flags = 0 },
				     UBTRFS_ATTR_FLAGS));
	FAILS(EINVAL, ubtrfs_setattr(fx.fs, nodes[1], &(struct ubtrfs_attr){ .flags = 1ull << 60 },
				     UBTRFS_ATTR_FLAGS));
	for (unsigned i = 0; i < 3; i++) {
		content_compare(&fx, nodes[i], &contents[i]);
		content_free(&contents[i]);
	}
	fixture_done(&fx);
}

/* A reference with an index that no entry can have: damage, and no reason to end the process. */
static void test_op_names__impossible_index(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_node file;
	struct inode *inode;
	uint64_t index;

	(void)state;
	fixture_fresh(&fx);
	file = fixture_file(&fx, "file");
	fs_lock(fx.fs);
	assert_int_equal(node_inode(fx.fs, file, &inode), 0);
	assert_int_equal(inode_ref_remove(inode, fx.top.ino, "file", 4, &index), 0);
	assert_int_equal(inode_ref_add(inode, fx.top.ino, 1, "file", 4), 0);
	inode_put(inode);
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	FAILS(err_to_errno(-ERR_CORRUPT), ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	FAILS(err_to_errno(-ERR_CORRUPT),
	      ubtrfs_rename(fx.fs, fx.top, "file", 4, fx.top, "other", 5, 0));
	assert_int_equal(fixture_lookup(&fx, fx.top, "file").ino, file.ino);
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	fixture_fini(&fx);
}

static int pass_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	(void)ctx;
	(void)entry;
	return 0;
}

/* A directory whose last name has this index; opened again. */
static struct ubtrfs_node dir_with_index(struct fs_fixture *fx, const char *name, uint64_t index)
{
	struct ubtrfs_node dir = fixture_create(fx, fx->top, name, S_IFDIR | 0755);
	struct ubtrfs_node last = fixture_lookup(fx, fx->top, "last");
	uint8_t entry[DIR_ITEM_SIZE + 4] = { 0 };
	struct inode *inode;

	fixture_create(fx, dir, "real", S_IFREG | 0644);
	key_store(dir_item_location_mut(entry), &KEY(last.ino, BTRFS_INODE_ITEM_KEY, 0));
	dir_item_set_name_len(entry, 4);
	dir_item_set_type(entry, BTRFS_FT_REG_FILE);
	memcpy(entry + DIR_ITEM_SIZE, "last", 4);
	fs_lock(fx->fs);
	assert_int_equal(node_inode(fx->fs, dir, &inode), 0);
	assert_int_equal(
		delayed_put(inode, BTRFS_DIR_INDEX_KEY, index, entry, sizeof(entry), false), 0);
	inode_put(inode);
	assert_int_equal(fs_unlock(fx->fs, 0), 0);
	fixture_close(fx);
	fixture_open(fx, true);
	return dir;
}

/* A listing goes on behind an index, and a new name gets the next: neither may begin anew at 0. */
static void test_op_names__index_without_next(void **state)
{
	static const uint64_t indexes[] = { UINT64_MAX, UINT64_MAX - 1, INT64_MAX, INT64_MAX - 3 };
	const struct ubtrfs_new file = { .attr.mode = S_IFREG | 0600 };
	struct ubtrfs_node dir, made;
	struct fs_fixture fx;

	(void)state;
	fixture_fresh(&fx);
	fixture_file(&fx, "last");
	for (unsigned i = 0; i < ARRAY_LEN(indexes); i++) {
		char name[2] = { (char)('a' + i) };

		dir = dir_with_index(&fx, name, indexes[i]);
		FAILS(err_to_errno(-ERR_CORRUPT),
		      ubtrfs_create(fx.fs, dir, "next", 4, &file, &made));
		FAILS(err_to_errno(-ERR_CORRUPT),
		      ubtrfs_rename(fx.fs, fx.top, "last", 4, dir, "moved", 5, 0));
		FAILS(err_to_errno(-ERR_CORRUPT), ubtrfs_rename(fx.fs, dir, "real", 4, fx.top,
								"out", 3, UBTRFS_RENAME_WHITEOUT));
		/* The one index behind which there is none, and that can be shown. */
		if (indexes[i] == INT64_MAX - 3)
			OK(ubtrfs_readdir(fx.fs, dir, 0, pass_entry, NULL));
		else
			FAILS(err_to_errno(-ERR_CORRUPT),
			      ubtrfs_readdir(fx.fs, dir, 0, pass_entry, NULL));
	}
	/* It is one directory that is damaged. */
	OK(ubtrfs_create(fx.fs, fx.top, "else", 4, &file, &made));
	ubtrfs_abandon(fx.fs);
	fx.fs = NULL;
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_names__index_without_next),
		cmocka_unit_test(test_op_names__many_links),
		cmocka_unit_test(test_op_names__links_without_extref),
		cmocka_unit_test(test_op_names__xattrs),
		cmocka_unit_test(test_op_names__colliding_names),
		cmocka_unit_test(test_op_names__colliding_renames),
		cmocka_unit_test(test_op_names__links_max),
		cmocka_unit_test(test_op_names__readdir),
		cmocka_unit_test(test_op_names__kinds),
		cmocka_unit_test(test_op_names__paths),
		cmocka_unit_test(test_op_names__subvolumes),
		cmocka_unit_test(test_op_names__flags),
		cmocka_unit_test(test_op_names__impossible_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
