/*
 * The images that are mutated when no others are named: small ones of our own making, each with
 * every item type that we write, small nodes so that trees have levels.
 */
#include "mutate.h"

#include <stdlib.h>

#include <linux/fs.h>

#include <ubtrfs/attr.h>

#include "ops/fs_fixture.h"

#define NR_FILES 13u
#define NR_LINKS 40u
#define NR_NAMES 24u

static const struct recipe {
	const char *name, *data, *metadata, *csum, *features;
	uint32_t nodesize;
	unsigned nr_devices;
	int compress;
	bool mixed;
} recipes[] = {
	{ "plain", "single", "dup", "crc32c", NULL, 4096, 1, UBTRFS_COMPRESS_NONE, false },
	{ "zstd", "single", "single", "xxhash", NULL, 16384, 1, UBTRFS_COMPRESS_ZSTD, false },
	{ "raid1", "raid1", "raid1", "sha256", "^block-group-tree", 4096, 2, UBTRFS_COMPRESS_ZLIB,
	  false },
	{ "old", "single", "single", "crc32c",
	  "^block-group-tree,^free-space-tree,^no-holes,^skinny-metadata,^extref", 4096, 1,
	  UBTRFS_COMPRESS_LZO, false },
	{ "mixed", "single", "single", "blake2", "mixed-bg", 4096, 1, UBTRFS_COMPRESS_ZLIB, true },
	{ "raid10", "raid10", "raid10", "crc32c", NULL, 4096, 4, UBTRFS_COMPRESS_NONE, false },
};

static void write_piece(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, size_t len,
			uint64_t seed)
{
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	content_bytes(seed, offset, data, len);
	OK(ubtrfs_write(fs, node, offset, data, len));
	free(data);
}

static struct ubtrfs_node node_make(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
				    uint32_t mode)
{
	struct ubtrfs_new what = { .attr = { .mode = mode, .rdev = S_ISCHR(mode) ? 259 : 0 } };
	struct ubtrfs_node node;

	if (S_ISLNK(mode)) {
		what.symlink_target = "dir/../file-1";
		what.symlink_len = 13;
	}
	OK(ubtrfs_create(fs, dir, name, strlen(name), &what, &node));
	return node;
}

static void fill_dir(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t seed)
{
	char name[64], value[1500];
	struct ubtrfs_attr attr = { .size = 700000 };
	struct ubtrfs_node node;

	for (unsigned i = 0; i < NR_FILES; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		node = node_make(fs, dir, name, S_IFREG | 0644);
		write_piece(fs, node, i % 4 == 3 ? 65536 : 0, 1 + i * i * 250, seed + i);
		if (i % 5 == 4)
			OK(ubtrfs_setattr(fs, node, &attr, UBTRFS_ATTR_SIZE));
	}
	memset(value, 'v', sizeof(value));
	OK(ubtrfs_setxattr(fs, node, "user.a", value, 20));
	OK(ubtrfs_setxattr(fs, node, "user.long", value, sizeof(value)));
	for (unsigned i = 0; i < NR_LINKS; i++) {
		snprintf(name, sizeof(name), "link-%u-to-the-last-of-the-files-with-a-long-name",
			 i);
		OK(ubtrfs_link(fs, node, dir, name, strlen(name)));
	}
	(void)node_make(fs, dir, "symlink", S_IFLNK | 0777);
	(void)node_make(fs, dir, "fifo", S_IFIFO | 0600);
	(void)node_make(fs, dir, "device", S_IFCHR | 0600);
	node = node_make(fs, dir, "dir", S_IFDIR | 0755);
	for (unsigned i = 0; i < NR_NAMES; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		(void)node_make(fs, node, name, i % 3 ? S_IFREG | 0600 : S_IFDIR | 0700);
	}
}

/* Overwritten in the middle, cut, removed: extents that are shared by parts, and freed space. */
static void change_dir(struct ubtrfs *fs, struct ubtrfs_node dir)
{
	struct ubtrfs_attr attr = { .size = 30001 };
	struct ubtrfs_node node;

	OK(ubtrfs_lookup(fs, dir, "file-12", 7, &node));
	write_piece(fs, node, 20000, 9000, 99);
	OK(ubtrfs_lookup(fs, dir, "file-11", 7, &node));
	OK(ubtrfs_setattr(fs, node, &attr, UBTRFS_ATTR_SIZE));
	OK(ubtrfs_unlink(fs, dir, "file-9", 6));
	OK(ubtrfs_unlink(fs, dir, "link-7-to-the-last-of-the-files-with-a-long-name", 48));
}

static struct ubtrfs_node named(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name)
{
	struct ubtrfs_node node;

	OK(ubtrfs_lookup(fs, dir, name, strlen(name), &node));
	return node;
}

/* ACLs, flags, properties, preallocated and shared extents. */
static void adorn_dir(struct ubtrfs *fs, struct ubtrfs_node dir)
{
	/* Version 2; owner, user 1000, group, mask, others: tag, permissions, id. */
	static const uint8_t acl[] = { 2,    0,	   0,	 0, 0x01, 0,	7,    0,    0xff,
				       0xff, 0xff, 0xff, 2, 0,	  6,	0,    0xe8, 3,
				       0,    0,	   0x04, 0, 5,	  0,	0xff, 0xff, 0xff,
				       0xff, 0x10, 0,	 7, 0,	  0xff, 0xff, 0xff, 0xff,
				       0x20, 0,	   4,	 0, 0xff, 0xff, 0xff, 0xff };
	struct ubtrfs_node file = named(fs, dir, "file-6"), big = named(fs, dir, "file-12");
	struct ubtrfs_node nocow = node_make(fs, dir, "nocow", S_IFREG | 0644);

	OK(ubtrfs_setxattr(fs, file, "system.posix_acl_access", acl, sizeof(acl)));
	OK(ubtrfs_setxattr(fs, named(fs, dir, "dir"), "system.posix_acl_default", acl,
			   sizeof(acl)));
	OK(ubtrfs_setxattr(fs, named(fs, dir, "dir"), "btrfs.compression", "zstd", 4));
	OK(ubtrfs_fsflags_set(fs, named(fs, dir, "fifo"), FS_IMMUTABLE_FL, FS_IMMUTABLE_FL));
	OK(ubtrfs_fsflags_set(fs, nocow, FS_NOCOW_FL, FS_NOCOW_FL));
	write_piece(fs, nocow, 0, 50000, 7);
	OK(ubtrfs_fallocate(fs, nocow, 0, 40000, 100000));
	write_piece(fs, nocow, 60000, 5000, 8);
	OK(ubtrfs_fallocate(fs, file, UBTRFS_FALLOC_KEEP_SIZE, 8192, 40000));
	OK(ubtrfs_clone_range(fs, big, 0, file, 65536, 8192));
	OK(ubtrfs_clone_range(fs, big, 4096, big, 131072, 12288));
}

/* Files without a name that the next open for writing removes. */
static void leave_orphans(struct ubtrfs *fs, struct ubtrfs_node dir)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 } };
	struct ubtrfs_node node = named(fs, dir, "file-10");

	OK(ubtrfs_hold(fs, node));
	OK(ubtrfs_unlink(fs, dir, "file-10", 7));
	OK(ubtrfs_tmpfile(fs, dir, &what, &node));
	write_piece(fs, node, 0, 30000, 9);
}

static void fill(struct ubtrfs *fs)
{
	struct ubtrfs_node top = ubtrfs_top(fs), sub, inner;

	fill_dir(fs, top, 1);
	OK(ubtrfs_subvolume_create(fs, top, "sub", 3, NULL, &sub));
	fill_dir(fs, sub, 100);
	OK(ubtrfs_subvolume_create(fs, sub, "inner", 5, NULL, &inner));
	(void)node_make(fs, inner, "file", S_IFREG | 0644);
	OK(ubtrfs_subvolume_set_readonly(fs, inner.subvolid, true));
	OK(ubtrfs_commit(fs));
	change_dir(fs, top);
	change_dir(fs, sub);
	adorn_dir(fs, top);
	adorn_dir(fs, sub);
	leave_orphans(fs, top);
	leave_orphans(fs, sub);
	OK(ubtrfs_commit(fs));
}

const char *made_image(unsigned index, const char *dir, char paths[IMAGE_DEVICES_MAX][256],
		       unsigned *ret_nr_paths)
{
	const char *devices[IMAGE_DEVICES_MAX];
	struct ubtrfs_mkfs_options mkfs;
	struct ubtrfs_info info;
	struct ubtrfs_open_options how;
	const struct recipe *recipe;
	struct ubtrfs *fs;

	if (index >= sizeof(recipes) / sizeof(recipes[0]))
		return NULL;
	recipe = &recipes[index];
	for (unsigned i = 0; i < recipe->nr_devices; i++) {
		snprintf(paths[i], 256, "%s/%s-%u.img", dir, recipe->name, i);
		devices[i] = paths[i];
	}
	ubtrfs_mkfs_options_init(&mkfs);
	mkfs.devices = devices;
	mkfs.nr_devices = recipe->nr_devices;
	mkfs.byte_count = 256 * MIB;
	mkfs.data_profile = recipe->data;
	mkfs.metadata_profile = recipe->metadata;
	mkfs.mixed = recipe->mixed;
	mkfs.nodesize = recipe->nodesize;
	mkfs.csum = recipe->csum;
	mkfs.features = recipe->features;
	ubtrfs_open_options_init(&how);
	how.devices = devices;
	how.nr_devices = recipe->nr_devices;
	how.threads = 1;
	how.compress = recipe->compress;
	how.writable = true;
	OK(ubtrfs_mkfs(&mkfs, &info));
	OK(ubtrfs_open(&how, &fs));
	fill(fs);
	/* Closing would remove the orphans. */
	ubtrfs_abandon(fs);
	*ret_nr_paths = recipe->nr_devices;
	return recipe->name;
}
