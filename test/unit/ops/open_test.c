/*
 * Opening: superblock copies, features and states, trees that are gone. Devices are in
 * open_devices_test.c. What a kernel makes is judged in test/interop; here things are broken by hand.
 */
#include "open_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "format/superblock.h"
#include "ops/ops.h"

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
		cmocka_unit_test(test_open__no_verify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
