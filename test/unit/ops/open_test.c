/*
 * Opening: superblock copies, features and states, devices that are missing, doubled or left behind,
 * trees that are gone. What a kernel makes is judged in test/interop; here things are broken by hand.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "format/superblock.h"
#include "ops/ops.h"

#define MAX_DEVICES 4u
#define DEVICE_BYTES (256 * MIB)
#define TOLD_MAX 2048

struct open_fs {
	struct fs_fixture fx;
	char paths[MAX_DEVICES][200];
	const char *devices[MAX_DEVICES];
	unsigned nr_devices;
	struct content content;
	char told[TOLD_MAX]; /* all warnings of the last opening */
};

static void tell(void *ctx, const char *sentence)
{
	struct open_fs *ofs = ctx;
	size_t len = strlen(ofs->told);

	snprintf(ofs->told + len, sizeof(ofs->told) - len, "%s\n", sentence);
}

static void open_fs_make_how(struct open_fs *ofs, const char *profile, unsigned nr_devices,
			     uint32_t sectorsize, const char *features)
{
	struct fs_fixture *fx = &ofs->fx;

	memset(ofs, 0, sizeof(*ofs));
	ofs->nr_devices = nr_devices;
	fixture_init(fx);
	for (unsigned i = 0; i < nr_devices; i++) {
		snprintf(ofs->paths[i], sizeof(ofs->paths[i]), "%s/device%u", fx->dir, i + 1);
		ofs->devices[i] = ofs->paths[i];
	}
	fx->mkfs.devices = fx->how.devices = ofs->devices;
	fx->mkfs.nr_devices = fx->how.nr_devices = nr_devices;
	fx->mkfs.byte_count = DEVICE_BYTES;
	fx->mkfs.data_profile = fx->mkfs.metadata_profile = profile;
	fx->mkfs.sectorsize = sectorsize;
	fx->mkfs.features = features;
	fx->how.warn = tell;
	fx->how.warn_ctx = ofs;
	fixture_make(fx);
	content_write(fx, fixture_file(fx, "file"), &ofs->content, 0, 300000, 1);
	fixture_finish(fx);
}

static void open_fs_make(struct open_fs *ofs, const char *profile, unsigned nr_devices)
{
	open_fs_make_how(ofs, profile, nr_devices, 0, NULL);
}

static void open_fs_fini(struct open_fs *ofs)
{
	ubtrfs_abandon(ofs->fx.fs);
	ofs->fx.fs = NULL;
	for (unsigned i = 0; i < MAX_DEVICES; i++)
		if (ofs->paths[i][0])
			unlink(ofs->paths[i]);
	content_free(&ofs->content);
	fixture_fini(&ofs->fx);
}

/* Opens for reading; everything that is expected is there. text: a warning, NULL: none at all. */
static void reads(struct open_fs *ofs, const char *text)
{
	ofs->told[0] = '\0';
	fixture_open(&ofs->fx, false);
	ofs->fx.top = ubtrfs_top(ofs->fx.fs);
	content_compare(&ofs->fx, fixture_lookup(&ofs->fx, ofs->fx.top, "file"), &ofs->content);
	ubtrfs_abandon(ofs->fx.fs);
	ofs->fx.fs = NULL;
	if (text ? !strstr(ofs->told, text) : ofs->told[0] != '\0')
		fail_msg("expected to be told '%s', not '%s'", text ? text : "nothing", ofs->told);
}

static void refused(struct open_fs *ofs, bool writable, int expected, const char *text)
{
	int ret;

	ofs->told[0] = '\0';
	ofs->fx.how.writable = writable;
	ret = ubtrfs_open(&ofs->fx.how, &ofs->fx.fs);
	if (ret != -expected || !strstr(ubtrfs_error_text(), text))
		fail_msg("expected %d and '%s', not %d: %s", -expected, text, ret,
			 ret < 0 ? ubtrfs_error_text() : "");
}

static void write_refused(struct open_fs *ofs, int expected, const char *text)
{
	refused(ofs, true, expected, text);
}

static void writes(struct open_fs *ofs, const char *name)
{
	fixture_open(&ofs->fx, true);
	ofs->fx.top = ubtrfs_top(ofs->fx.fs);
	(void)fixture_create(&ofs->fx, ofs->fx.top, name, S_IFREG | 0644);
	fixture_close(&ofs->fx);
}

static void bytes_at(const char *path, bool writing, uint64_t at, void *data, size_t len)
{
	int fd = open(path, writing ? O_WRONLY : O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(
		writing ? pwrite(fd, data, len, (off_t)at) : pread(fd, data, len, (off_t)at), len);
	close(fd);
}

static void noise(const char *path, uint64_t at, size_t len)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 37 + at / 4096 + 11);
	bytes_at(path, true, at, bytes, len);
	free(bytes);
}

/* Changes one copy of a superblock; the checksum is right afterwards. */
static void super_change(const char *path, int copy, void (*change)(uint8_t *super, uint64_t value),
			 uint64_t value)
{
	uint8_t super[SUPER_SIZE];

	bytes_at(path, false, super_mirror_offset(copy), super, SUPER_SIZE);
	change(super, value);
	super_csum_update(super);
	bytes_at(path, true, super_mirror_offset(copy), super, SUPER_SIZE);
}

static void supers_change(struct open_fs *ofs, void (*change)(uint8_t *super, uint64_t value),
			  uint64_t value)
{
	for (unsigned i = 0; i < ofs->nr_devices; i++)
		for (int copy = 0; copy < 2; copy++)
			super_change(ofs->paths[i], copy, change, value);
}

/* ---- superblock copies ---- */

static void test_open__damaged_primary(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	reads(&ofs, NULL);
	noise(ofs.paths[0], super_mirror_offset(0), SUPER_SIZE);
	reads(&ofs, "copy 1 of the superblock is used");
	write_refused(&ofs, EUCLEAN, "copy 1 is good: --super 1");
	ofs.fx.how.super_copy = 0;
	refused(&ofs, false, EUCLEAN, "no btrfs superblock at 65536");
	ofs.fx.how.super_copy = 2;
	refused(&ofs, false, EUCLEAN, "ends before copy 2");
	ofs.fx.how.super_copy = 1;
	reads(&ofs, NULL);
	writes(&ofs, "new");
	/* Writing has brought the primary back. */
	ofs.fx.how.super_copy = -1;
	reads(&ofs, NULL);
	noise(ofs.paths[0], super_mirror_offset(0), SUPER_SIZE);
	noise(ofs.paths[0], super_mirror_offset(1), SUPER_SIZE);
	refused(&ofs, false, EUCLEAN, "no btrfs superblock at 65536");
	open_fs_fini(&ofs);
}

static void change_generation(uint8_t *super, uint64_t value)
{
	super_set_generation(super, super_generation(super) + value);
}

static void change_fsid(uint8_t *super, uint64_t value)
{
	super_fsid_mut(super)[0] ^= (uint8_t)value;
	dev_item_fsid_mut(super_dev_item_mut(super))[0] ^= (uint8_t)value;
	super_set_generation(super, super_generation(super) + 1000);
}

/* Where the device goes on behind the filesystem lies what is left of an older and longer one. */
static void test_open__copy_of_another(void **state)
{
	uint64_t at = super_mirror_offset(2);
	uint8_t super[SUPER_SIZE];
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	bytes_at(ofs.paths[0], false, super_mirror_offset(0), super, SUPER_SIZE);
	assert_int_equal(truncate(ofs.paths[0], (off_t)(at + MIB)), 0);
	super_set_bytenr(super, at);
	bytes_at(ofs.paths[0], true, at, super, SUPER_SIZE);
	super_change(ofs.paths[0], 2, change_fsid, 1);
	reads(&ofs, NULL);
	noise(ofs.paths[0], super_mirror_offset(0), SUPER_SIZE);
	reads(&ofs, "copy 1 of the superblock is used");
	open_fs_fini(&ofs);
}

/* Going on from an old copy would write over what was committed since. */
static void test_open__old_copy_is_not_written(void **state)
{
	uint8_t super[SUPER_SIZE];
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	bytes_at(ofs.paths[0], false, super_mirror_offset(1), super, SUPER_SIZE);
	writes(&ofs, "one");
	bytes_at(ofs.paths[0], true, super_mirror_offset(1), super, SUPER_SIZE);
	ofs.fx.how.super_copy = 1;
	writes(&ofs, "instead of one"); /* one behind: as a commit leaves it that was cut short */
	ofs.fx.how.super_copy = -1;
	writes(&ofs, "two");
	bytes_at(ofs.paths[0], true, super_mirror_offset(1), super, SUPER_SIZE);
	ofs.fx.how.super_copy = 1;
	write_refused(&ofs, EINVAL, "copy 1 of the superblock was left behind at generation");
	ofs.fx.how.super_copy = 0;
	writes(&ofs, "three");
	open_fs_fini(&ofs);
}

/* A sector that the device cannot read any more. */
static void test_open__unreadable_primary(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	fault_arm(FAULT_DEVICE_READ, 1);
	reads(&ofs, "copy 1 of the superblock is used");
	fault_arm(FAULT_DEVICE_READ, 1);
	write_refused(&ofs, EUCLEAN, "copy 1 is good: --super 1");
	fault_arm(FAULT_DEVICE_READ, 0);
	open_fs_fini(&ofs);
}

/* A commit that was cut short has written the copies and not the primary. */
static void test_open__newer_copy_is_normal(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	super_change(ofs.paths[0], 1, change_generation, 1);
	reads(&ofs, NULL);
	writes(&ofs, "new");
	reads(&ofs, NULL);
	open_fs_fini(&ofs);
}

/* ---- features ---- */

static void change_incompat(uint8_t *super, uint64_t value)
{
	super_set_incompat_flags(super, super_incompat_flags(super) ^ value);
}

static void change_compat_ro(uint8_t *super, uint64_t value)
{
	super_set_compat_ro_flags(super, super_compat_ro_flags(super) ^ value);
}

static void change_flags(uint8_t *super, uint64_t value)
{
	super_set_flags(super, super_flags(super) ^ value);
}

static void change_log_root(uint8_t *super, uint64_t value)
{
	super_set_log_root(super, value);
}

static void test_open__incompat_by_name(void **state)
{
	static const struct {
		uint64_t bit;
		const char *text;
	} refusals[] = {
		{ 1ULL << 40, "bit 40" },
		{ 1ULL << 63 | 1ULL << 15, "bit 15, bit 63" },
		{ BTRFS_FEATURE_INCOMPAT_EXTENT_TREE_V2, "EXTENT_TREE_V2" },
		{ BTRFS_FEATURE_INCOMPAT_REMAP_TREE, "REMAP_TREE" },
	};
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		supers_change(&ofs, change_incompat, refusals[i].bit);
		refused(&ofs, false, EOPNOTSUPP, refusals[i].text);
		write_refused(&ofs, EOPNOTSUPP, refusals[i].text);
		supers_change(&ofs, change_incompat, refusals[i].bit);
	}
	supers_change(&ofs, change_incompat, BTRFS_FEATURE_INCOMPAT_ZONED);
	reads(&ofs, NULL);
	write_refused(&ofs, EOPNOTSUPP, "ZONED");
	supers_change(&ofs, change_incompat, BTRFS_FEATURE_INCOMPAT_ZONED);
	/* These stay set when nothing of the kind is left. */
	supers_change(&ofs, change_incompat,
		      BTRFS_FEATURE_INCOMPAT_RAID56 | BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA);
	reads(&ofs, NULL);
	writes(&ofs, "new");
	open_fs_fini(&ofs);
}

static void test_open__compat_ro_allows_reading(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	supers_change(&ofs, change_compat_ro, 1ULL << 41 | BTRFS_FEATURE_COMPAT_RO_VERITY);
	reads(&ofs, NULL);
	write_refused(&ofs, EOPNOTSUPP, "bit 41");
	supers_change(&ofs, change_compat_ro, 1ULL << 41);
	writes(&ofs, "new");
	open_fs_fini(&ofs);
}

static void test_open__seed_and_log(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_SEEDING);
	reads(&ofs, NULL);
	write_refused(&ofs, EROFS, "is a seed");
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_SEEDING);
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_ERROR);
	reads(&ofs, NULL);
	write_refused(&ofs, EROFS, "flag ERROR");
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_ERROR | BTRFS_SUPER_FLAG_METADUMP_V2);
	reads(&ofs, NULL);
	write_refused(&ofs, EROFS, "dump of metadata");
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_METADUMP_V2);
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_CHANGING_DATA_CSUM);
	refused(&ofs, false, EUCLEAN, "unfinished state");
	supers_change(&ofs, change_flags, BTRFS_SUPER_FLAG_CHANGING_DATA_CSUM);
	supers_change(&ofs, change_log_root, 30 * MIB);
	reads(&ofs, "has a log that was not replayed");
	write_refused(&ofs, EOPNOTSUPP, "has a log that was not replayed");
	open_fs_fini(&ofs);
}

/* Linux builds such a tree again; until then the free space is what the extents leave. */
static void test_open__free_space_tree_not_valid(void **state)
{
	struct open_fs ofs;
	struct root *root;
	uint64_t before;
	char *output;

	(void)state;
	open_fs_make_how(&ofs, "single", 1, 0, "^block-group-tree");
	supers_change(&ofs, change_compat_ro, BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID);
	reads(&ofs, NULL);
	fixture_open(&ofs.fx, true);
	OK(root_get(ofs.fx.fs->core.roots, BTRFS_FREE_SPACE_TREE_OBJECTID, &root));
	before = root->tree.root_addr;
	ofs.fx.top = ubtrfs_top(ofs.fx.fs);
	for (unsigned i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "new%u", i);
		content_write(&ofs.fx, fixture_file(&ofs.fx, name), &ofs.content, 0, 300000, 1);
	}
	fixture_close(&ofs.fx);
	reads(&ofs, NULL);
	fixture_open(&ofs.fx, false);
	OK(root_get(ofs.fx.fs->core.roots, BTRFS_FREE_SPACE_TREE_OBJECTID, &root));
	assert_int_equal(root->tree.root_addr, before);
	ubtrfs_abandon(ofs.fx.fs);
	ofs.fx.fs = NULL;
	/* The judge only says of the tree that it is of before; Linux builds it again. */
	(void)fixture_judge(ofs.paths[0], &output);
	assert_non_null(strstr(output, "checking root refs"));
	assert_null(strstr(output, "ref mismatch"));
	assert_null(strstr(output, "ERROR:"));
	free(output);
	open_fs_fini(&ofs);
}

static void test_open__sector_sizes(void **state)
{
	static const uint32_t sizes[] = { 2048, 8192, 16384 };
	struct open_fs ofs;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		open_fs_make_how(&ofs, "single", 1, sizes[i], NULL);
		reads(&ofs, NULL);
		writes(&ofs, "new");
		reads(&ofs, NULL);
		open_fs_fini(&ofs);
	}
}

/* ---- what the trees say ---- */

/* Puts one item into a tree, which is made when it is not there, and commits. */
static void item_put(struct open_fs *ofs, uint64_t tree_id, const struct key *key, const void *data,
		     uint32_t len)
{
	struct core *core;
	struct root *root;

	fixture_open(&ofs->fx, true);
	core = &ofs->fx.fs->core;
	core->changed = true;
	if (root_get(core->roots, tree_id, &root) < 0)
		OK(root_create(core->txn, core->roots, tree_id, NULL, &root));
	OK(tree_insert(core->txn, &root->tree, key, data, len));
	fixture_close(&ofs->fx);
}

static void test_open__quotas(void **state)
{
	struct key key = KEY(0, BTRFS_QGROUP_STATUS_KEY, 0);
	uint8_t item[QGROUP_STATUS_SIZE] = { 0 };
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	qgroup_status_set_version(item, BTRFS_QGROUP_STATUS_VERSION);
	qgroup_status_set_flags(item, BTRFS_QGROUP_STATUS_FLAG_ON);
	item_put(&ofs, BTRFS_QUOTA_TREE_OBJECTID, &key, item, sizeof(item));
	reads(&ofs, NULL);
	write_refused(&ofs, EOPNOTSUPP, "has quotas switched on");
	open_fs_fini(&ofs);
}

static void test_open__replacement_under_way(void **state)
{
	struct key key = KEY(0, BTRFS_DEV_REPLACE_KEY, 0);
	uint8_t item[DEV_REPLACE_SIZE] = { 0 };
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	dev_replace_set_src_devid(item, 1);
	dev_replace_set_replace_state(item, 1);
	item_put(&ofs, BTRFS_DEV_TREE_OBJECTID, &key, item, sizeof(item));
	reads(&ofs, NULL);
	write_refused(&ofs, EOPNOTSUPP, "the replacement of device 1 has begun");
	open_fs_fini(&ofs);
}

/* Blocks in two places: who moves them must end it. */
static void test_open__blocks_under_way(void **state)
{
	struct key key = KEY(BTRFS_TREE_RELOC_OBJECTID, BTRFS_ROOT_ITEM_KEY, 256);
	uint8_t item[ROOT_ITEM_SIZE];
	struct open_fs ofs;
	struct root *root;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	fixture_open(&ofs.fx, false);
	OK(root_get(ofs.fx.fs->core.roots, BTRFS_FS_TREE_OBJECTID, &root));
	memcpy(item, root->item, sizeof(item));
	ubtrfs_abandon(ofs.fx.fs);
	ofs.fx.fs = NULL;
	item_put(&ofs, BTRFS_ROOT_TREE_OBJECTID, &key, item, sizeof(item));
	reads(&ofs, NULL);
	write_refused(&ofs, EOPNOTSUPP, "a balance has begun and is not finished");
	open_fs_fini(&ofs);
}

/* New chunks are as the old ones are, new tree blocks belong to the same chunk tree. */
static void test_open__new_as_old(void **state)
{
	static const uint8_t none[BTRFS_UUID_SIZE];
	struct node_expect expect = { .lock_order = 0 };
	struct block_group *group;
	struct open_fs ofs;
	struct core *core;
	struct node *node;
	struct root *root;

	(void)state;
	open_fs_make(&ofs, "dup", 1);
	writes(&ofs, "new");
	fixture_open(&ofs.fx, true);
	core = &ofs.fx.fs->core;
	OK(root_get(core->roots, BTRFS_FS_TREE_OBJECTID, &root));
	expect.generation = root->tree.root_generation;
	expect.level = root->tree.root_level;
	OK(node_get(core->cache, root->tree.root_addr, &expect, &node));
	assert_memory_not_equal(core->store.chunk_tree_uuid, none, BTRFS_UUID_SIZE);
	assert_memory_equal(header_chunk_tree_uuid(node->data), core->store.chunk_tree_uuid,
			    BTRFS_UUID_SIZE);
	node_put(node);
	for (int kind = 0; kind < SPACE_KINDS; kind++) {
		OK(space_grow(core->space, (enum space_kind)kind, core->geometry.nodesize, 8 * MIB,
			      &group));
		assert_int_equal(group->flags & BTRFS_BLOCK_GROUP_PROFILE_MASK,
				 BTRFS_BLOCK_GROUP_DUP);
	}
	open_fs_fini(&ofs);
}

static void test_open__chunk_on_unknown_device(void **state)
{
	struct key key = KEY(BTRFS_FIRST_CHUNK_TREE_OBJECTID, BTRFS_CHUNK_ITEM_KEY, 1ULL << 40);
	uint8_t item[128] = { 0 };
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	chunk_set_length(item, 8 * MIB);
	chunk_set_owner(item, BTRFS_EXTENT_TREE_OBJECTID);
	chunk_set_stripe_len(item, 65536);
	chunk_set_type(item, BTRFS_BLOCK_GROUP_DATA);
	chunk_set_io_align(item, 65536);
	chunk_set_io_width(item, 65536);
	chunk_set_sector_size(item, 4096);
	chunk_set_num_stripes(item, 1);
	chunk_set_sub_stripes(item, 1);
	stripe_set_devid(chunk_stripe_mut(item, 0), 9);
	stripe_set_offset(chunk_stripe_mut(item, 0), MIB);
	item_put(&ofs, BTRFS_CHUNK_TREE_OBJECTID, &key, item, chunk_size_bytes(1));
	refused(&ofs, false, EUCLEAN, "lies on device 9, which is none of the filesystem");
	open_fs_fini(&ofs);
}

/* Destroys the root of a tree on every mirror. */
static void tree_destroy_root(struct open_fs *ofs, uint64_t tree_id)
{
	struct core *core;
	struct root *root;
	struct phys at;
	uint64_t devid;

	fixture_open(&ofs->fx, false);
	core = &ofs->fx.fs->core;
	OK(root_get(core->roots, tree_id, &root));
	OK(volume_map(core->volume, root->tree.root_addr, 1, &devid, &at));
	ubtrfs_abandon(ofs->fx.fs);
	ofs->fx.fs = NULL;
	noise(ofs->paths[devid - 1], at.at, 16384);
}

/* Only the chunk tree, the root tree and the tree that is read count. */
static void test_open__other_trees_gone(void **state)
{
	static const uint64_t gone[] = { BTRFS_EXTENT_TREE_OBJECTID, BTRFS_FREE_SPACE_TREE_OBJECTID,
					 BTRFS_DEV_TREE_OBJECTID, BTRFS_UUID_TREE_OBJECTID,
					 BTRFS_BLOCK_GROUP_TREE_OBJECTID };
	struct open_fs ofs;
	struct ubtrfs_info info;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
		struct root *root;
		int err;

		fixture_open(&ofs.fx, false);
		err = root_get(ofs.fx.fs->core.roots, gone[i], &root);
		ubtrfs_abandon(ofs.fx.fs);
		ofs.fx.fs = NULL;
		if (err == 0)
			tree_destroy_root(&ofs, gone[i]);
		reads(&ofs, NULL);
	}
	write_refused(&ofs, EIO, "tree block");
	/* Who asks for space is told. */
	fixture_open(&ofs.fx, false);
	FAILS(EIO, ubtrfs_info(ofs.fx.fs, &info));
	FAILS(EIO, ubtrfs_info(ofs.fx.fs, &info));
	ubtrfs_abandon(ofs.fx.fs);
	ofs.fx.fs = NULL;
	/* Without checksums contents are read by those who say so. */
	tree_destroy_root(&ofs, BTRFS_CSUM_TREE_OBJECTID);
	ofs.fx.how.no_verify = true;
	reads(&ofs, NULL);
	open_fs_fini(&ofs);
}

/* ---- devices ---- */

static void only(struct open_fs *ofs, unsigned index)
{
	ofs->devices[0] = ofs->paths[index];
	ofs->fx.how.nr_devices = 1;
}

static void test_open__missing_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	only(&ofs, 1);
	reads(&ofs, NULL); /* the other is found */
	ofs.fx.how.scan = false;
	reads(&ofs, "device 1 is missing");
	write_refused(&ofs, EOPNOTSUPP, "device 1 is missing");
	only(&ofs, 0);
	reads(&ofs, "device 2 is missing");
	/* One that is named and holds no filesystem. */
	noise(ofs.paths[1], super_mirror_offset(0), SUPER_SIZE);
	noise(ofs.paths[1], super_mirror_offset(1), SUPER_SIZE);
	ofs.fx.how.nr_devices = 2;
	ofs.devices[1] = ofs.paths[1];
	reads(&ofs, "no btrfs superblock at 65536; it is taken for missing");
	write_refused(&ofs, EUCLEAN, "no btrfs superblock at 65536");
	open_fs_fini(&ofs);
}

static void file_copy(const char *from, const char *to)
{
	char *bytes = malloc(DEVICE_BYTES);
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_non_null(bytes);
	bytes_at(from, false, 0, bytes, DEVICE_BYTES);
	assert_int_equal(write(fd, bytes, DEVICE_BYTES), DEVICE_BYTES);
	close(fd);
	free(bytes);
}

static void test_open__copies_of_a_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	snprintf(ofs.paths[2], sizeof(ofs.paths[2]), "%s/copy", ofs.fx.dir);
	file_copy(ofs.paths[1], ofs.paths[2]);
	ofs.devices[1] = ofs.paths[0];
	write_refused(&ofs, EINVAL, "are the same device");
	ofs.devices[0] = ofs.paths[1];
	ofs.devices[1] = ofs.paths[2];
	refused(&ofs, false, EINVAL, "are copies of one device (2)");
	/* Found: which one is asked for when it matters. */
	only(&ofs, 0);
	reads(&ofs, "is passed over: it is a copy of device 2");
	write_refused(&ofs, EINVAL, "name the one to write with --device");
	/* Left behind: the copy is of before, and alone with the first it was what that knows. */
	ofs.fx.how.nr_devices = 2;
	ofs.devices[1] = ofs.paths[1];
	writes(&ofs, "new");
	writes(&ofs, "newer");
	ofs.devices[1] = ofs.paths[2];
	reads(&ofs, "was left behind at generation");
	write_refused(&ofs, EOPNOTSUPP, "was left behind at generation");
	only(&ofs, 0);
	reads(&ofs, "is passed over: it is a copy of device 2");
	open_fs_fini(&ofs);
}

/* The place of a file that is no device of the filesystem. */
static const char *more_path(struct open_fs *ofs, unsigned index, const char *name)
{
	snprintf(ofs->paths[index], sizeof(ofs->paths[index]), "%s/%s", ofs->fx.dir, name);
	return ofs->paths[index];
}

static void test_open__named_before_found(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1c3", 3);
	file_copy(ofs.paths[1], more_path(&ofs, 3, "0copy"));
	ofs.fx.how.nr_devices = 2;
	ofs.devices[1] = ofs.paths[3];
	reads(&ofs, NULL);
	writes(&ofs, "new");
	writes(&ofs, "newer");
	/* It was the copy that was written, not the other. */
	reads(&ofs, NULL);
	ofs.devices[1] = ofs.paths[1];
	write_refused(&ofs, EOPNOTSUPP, "was left behind");
	open_fs_fini(&ofs);
}

/* A backup beside what went on: its own members belong together. */
static void test_open__members_of_one_commit(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	file_copy(ofs.paths[0], more_path(&ofs, 2, "backup1"));
	file_copy(ofs.paths[1], more_path(&ofs, 3, "backup2"));
	writes(&ofs, "new");
	writes(&ofs, "newer");
	only(&ofs, 2);
	reads(&ofs, "device2 is passed over");
	assert_null(strstr(ofs.told, "left behind"));
	only(&ofs, 0);
	reads(&ofs, "backup2 is passed over");
	assert_null(strstr(ofs.told, "left behind"));
	open_fs_fini(&ofs);
}

static void change_dev_uuid(uint8_t *super, uint64_t value)
{
	dev_item_uuid_mut(super_dev_item_mut(super))[0] ^= (uint8_t)value;
}

static void test_open__uuid_of_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	super_change(ofs.paths[1], 0, change_dev_uuid, 1);
	reads(&ofs, "device 2 is missing");
	assert_non_null(strstr(ofs.told, "is not used"));
	write_refused(&ofs, EOPNOTSUPP, "device 2 is missing");
	open_fs_fini(&ofs);
}

static void test_open__one_writer(void **state)
{
	struct ubtrfs *first;
	struct open_fs ofs;
	char who[64];

	(void)state;
	open_fs_make(&ofs, "single", 1);
	fixture_open(&ofs.fx, true);
	first = ofs.fx.fs;
	snprintf(who, sizeof(who), "process %d (open_test) has it open", (int)getpid());
	write_refused(&ofs, EBUSY, who);
	reads(&ofs, "is being written by process");
	ubtrfs_abandon(first);
	writes(&ofs, "new");
	open_fs_fini(&ofs);
}

static void test_open__cut_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	assert_int_equal(truncate(ofs.paths[0], 200 * MIB), 0);
	reads(&ofs, "the filesystem on it has 268435456");
	write_refused(&ofs, EINVAL, "the filesystem on it has 268435456");
	open_fs_fini(&ofs);
}

/* ---- contents ---- */

static void test_open__no_verify(void **state)
{
	struct ubtrfs_node node;
	uint8_t good[4096], bad[4096];
	uint64_t devid, at_logical;
	struct file_extent extent = { 0 };
	struct inode *inode;
	struct open_fs ofs;
	struct phys at;
	size_t len;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	fixture_open(&ofs.fx, false);
	node = fixture_lookup(&ofs.fx, ubtrfs_top(ofs.fx.fs), "file");
	OK(node_inode(ofs.fx.fs, node, &inode));
	OK(file_extent_find(inode, 0, &extent));
	at_logical = extent.addr;
	inode_put(inode);
	OK(volume_map(ofs.fx.fs->core.volume, at_logical, 1, &devid, &at));
	OK(ubtrfs_read(ofs.fx.fs, node, 0, good, sizeof(good), &len));
	ubtrfs_abandon(ofs.fx.fs);
	noise(ofs.paths[0], at.at, 100);
	fixture_open(&ofs.fx, false);
	FAILS(EIO, ubtrfs_read(ofs.fx.fs, node, 0, bad, sizeof(bad), &len));
	ubtrfs_abandon(ofs.fx.fs);
	ofs.fx.how.no_verify = true;
	fixture_open(&ofs.fx, false);
	OK(ubtrfs_read(ofs.fx.fs, node, 0, bad, sizeof(bad), &len));
	assert_memory_not_equal(good, bad, 100);
	assert_memory_equal(good + 100, bad + 100, sizeof(bad) - 100);
	open_fs_fini(&ofs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open__damaged_primary),
		cmocka_unit_test(test_open__newer_copy_is_normal),
		cmocka_unit_test(test_open__copy_of_another),
		cmocka_unit_test(test_open__old_copy_is_not_written),
		cmocka_unit_test(test_open__unreadable_primary),
		cmocka_unit_test(test_open__incompat_by_name),
		cmocka_unit_test(test_open__compat_ro_allows_reading),
		cmocka_unit_test(test_open__seed_and_log),
		cmocka_unit_test(test_open__free_space_tree_not_valid),
		cmocka_unit_test(test_open__sector_sizes),
		cmocka_unit_test(test_open__quotas),
		cmocka_unit_test(test_open__replacement_under_way),
		cmocka_unit_test(test_open__blocks_under_way),
		cmocka_unit_test(test_open__new_as_old),
		cmocka_unit_test(test_open__chunk_on_unknown_device),
		cmocka_unit_test(test_open__other_trees_gone),
		cmocka_unit_test(test_open__missing_device),
		cmocka_unit_test(test_open__copies_of_a_device),
		cmocka_unit_test(test_open__named_before_found),
		cmocka_unit_test(test_open__members_of_one_commit),
		cmocka_unit_test(test_open__uuid_of_device),
		cmocka_unit_test(test_open__one_writer),
		cmocka_unit_test(test_open__cut_device),
		cmocka_unit_test(test_open__no_verify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
