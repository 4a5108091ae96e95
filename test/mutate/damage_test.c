/*
 * Damage that mutants have had and that something was wrong with: each a change of one item of an
 * image of our own, what is done then, and what must come of it.
 */
#include "mutate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#include "format/format.h"
#include "ops/fs_fixture.h"

#define NR_FILES 13u

static struct image image;

static void image_make(const char *wanted)
{
	char dir[] = "/tmp/ubtrfs-damage-XXXXXX", paths[IMAGE_DEVICES_MAX][256];
	const char *list[IMAGE_DEVICES_MAX], *name;
	unsigned nr_paths;
	bool found = false;

	assert_non_null(mkdtemp(dir));
	for (unsigned i = 0; !found && (name = made_image(i, dir, paths, &nr_paths)); i++) {
		found = strcmp(name, wanted) == 0;
		for (unsigned j = 0; j < nr_paths; j++)
			list[j] = paths[j];
		if (found)
			image_load(&image, list, nr_paths);
		for (unsigned j = 0; j < nr_paths; j++)
			unlink(paths[j]);
	}
	rmdir(dir);
	assert_true(found);
}

static int plain_setup(void **state)
{
	(void)state;
	image_make("plain");
	return 0;
}

static int plain_teardown(void **state)
{
	(void)state;
	image_free(&image);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	image_reset(&image);
	return 0;
}

/* ---- changing one item ---- */

typedef void edit_fn(uint8_t *leaf, unsigned slot);

static bool block_edit(const struct image_block *block, struct key key, edit_fn *edit)
{
	const struct image_copy *place = &block->copies[0];
	uint8_t *leaf = malloc(image.geometry.nodesize);
	unsigned slot;
	bool found;

	assert_non_null(leaf);
	memcpy(leaf, image.devices[place->device].map + place->at, image.geometry.nodesize);
	found = node_search(leaf, &key, &slot);
	if (found) {
		edit(leaf, slot);
		node_csum_update(&image.geometry, leaf);
		for (unsigned i = 0; i < block->nr_copies; i++)
			image_write(&image, block->copies[i].device, block->copies[i].at, leaf,
				    image.geometry.nodesize);
	}
	free(leaf);
	return found;
}

static void item_edit(uint64_t tree, struct key key, edit_fn *edit)
{
	bool found = false;

	for (size_t i = 0; i < image.nr_blocks && !found; i++)
		if (image.blocks[i].owner == tree && image.blocks[i].level == 0)
			found = block_edit(&image.blocks[i], key, edit);
	assert_true(found);
}

static void item_remove(uint8_t *leaf, unsigned slot)
{
	leaf_remove_raw(&image.geometry, leaf, slot, 1);
}

static void assert_says(const char *part)
{
	if (!strstr(ubtrfs_error_text(), part))
		fail_msg("\"%s\" does not say \"%s\"", ubtrfs_error_text(), part);
}

static struct ubtrfs_node file_find(struct ubtrfs *fs, const char *name)
{
	struct ubtrfs_node node;

	OK(ubtrfs_lookup(fs, ubtrfs_top(fs), name, strlen(name), &node));
	return node;
}

/* ---- devices ---- */

static const struct key dev_item = { .objectid = BTRFS_DEV_ITEMS_OBJECTID,
				     .type = BTRFS_DEV_ITEM_KEY,
				     .offset = 1 };

/*
 * Such a device had no end: space for any length was found on it, chunk after chunk, and the item
 * that the commit made said so.
 */
static void test_damage__a_device_without_an_item_is_not_written(void **state)
{
	struct ubtrfs *fs;

	(void)state;
	item_edit(BTRFS_CHUNK_TREE_OBJECTID, dev_item, item_remove);
	OK(image_open(&image, false, &fs));
	ubtrfs_abandon(fs);
	assert_true(image_open(&image, true, &fs) < 0);
	assert_says("device 1 has no item in the chunk tree");
}

static void total_bytes_double(uint8_t *leaf, unsigned slot)
{
	uint8_t *item = leaf_item_data_mut(leaf, slot);

	dev_item_set_total_bytes(item, 2 * dev_item_total_bytes(item));
}

/* Chunks were made behind its end. */
static void test_damage__a_device_that_is_too_small_is_not_written(void **state)
{
	struct ubtrfs *fs;

	(void)state;
	item_edit(BTRFS_CHUNK_TREE_OBJECTID, dev_item, total_bytes_double);
	OK(image_open(&image, false, &fs));
	ubtrfs_abandon(fs);
	assert_true(image_open(&image, true, &fs) < 0);
	assert_says("device0 has 268435456 bytes, the filesystem on it has 536870912");
}

/* ---- inodes ---- */

static void nbytes_clear(uint8_t *leaf, unsigned slot)
{
	inode_item_set_nbytes(leaf_item_data_mut(leaf, slot), 0);
}

/* The process ended by an assertion: the bytes of an inode became less than none. */
static void test_damage__extents_of_more_bytes_than_the_inode_says_go(void **state)
{
	struct ubtrfs_attr attr = { .size = 0 };
	struct ubtrfs_node node;
	struct ubtrfs *fs;

	(void)state;
	OK(image_open(&image, false, &fs));
	node = file_find(fs, "file-12");
	ubtrfs_abandon(fs);
	item_edit(node.subvolid, KEY(node.ino, BTRFS_INODE_ITEM_KEY, 0), nbytes_clear);
	OK(image_open(&image, true, &fs));
	OK(ubtrfs_setattr(fs, node, &attr, UBTRFS_ATTR_SIZE));
	OK(ubtrfs_close(fs));
	OK(image_open(&image, false, &fs));
	OK(ubtrfs_getattr(fs, node, &attr));
	assert_true(attr.size == 0 && attr.allocated_bytes == 0);
	ubtrfs_abandon(fs);
}

/* ---- trees ---- */

static void key_move_on(uint8_t *leaf, unsigned slot)
{
	struct key key = leaf_key(leaf, slot);

	key.offset += 2;
	key_store(leaf + HEADER_SIZE + slot * ITEM_SIZE, &key);
}

/* It was "file exists", although the name is free: what stands in a tree already is no name. */
static void test_damage__a_key_that_should_be_free_is_damage(void **state)
{
	struct ubtrfs_node top;
	struct ubtrfs *fs;

	(void)state;
	/* The subvolumes are 256 and 257, the next is 258. */
	item_edit(BTRFS_ROOT_TREE_OBJECTID, KEY(BTRFS_FS_TREE_OBJECTID, BTRFS_ROOT_REF_KEY, 256),
		  key_move_on);
	OK(image_open(&image, true, &fs));
	assert_int_equal(ubtrfs_subvolume_create(fs, ubtrfs_top(fs), "new", 3, NULL, &top),
			 -EUCLEAN);
	assert_says("tree 1 has the key (5 156 258) already");
	ubtrfs_abandon(fs);
}

/* It said that a checksum was wrong, of the last backup that it had looked at, and not where. */
static void test_damage__without_any_backup_root_the_current_one_is_named(void **state)
{
	struct ubtrfs_open_options how;
	uint8_t super[SUPER_SIZE];
	struct ubtrfs *fs;

	(void)state;
	memcpy(super, image.super, sizeof(super));
	super_set_root(super, super_root(super) + 128 * image.geometry.nodesize);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *backup = super_root_backup_mut(super, i);

		root_backup_set_tree_root(backup, root_backup_tree_root(backup) + 65536);
	}
	super_csum_update(super);
	image_write(&image, 0, BTRFS_SUPER_INFO_OFFSET, super, sizeof(super));
	ubtrfs_open_options_init(&how);
	how.rescue = UBTRFS_RESCUE_USEBACKUPROOT;
	how.super_copy = 0;
	assert_true(image_open_with(&image, &how, &fs) < 0);
	assert_says("no backup root can be read either: tree block ");
}

/* ---- contents ---- */

static int take_csum(void *ctx, const struct ubtrfs_tree_item *item)
{
	struct key *key = ctx;

	*key = KEY(item->objectid, (uint8_t)item->type, item->offset);
	return 1;
}

/* It was "no such file", as if there were none of that name. */
static void test_damage__contents_without_checksums_are_an_error_of_input(void **state)
{
	const struct ubtrfs_tree_search csums = { .tree_id = BTRFS_CSUM_TREE_OBJECTID,
						  .max_objectid = UINT64_MAX,
						  .max_type = UINT32_MAX,
						  .max_offset = UINT64_MAX,
						  .max_transid = UINT64_MAX };
	static uint8_t data[65536];
	struct key key;
	struct ubtrfs *fs;
	unsigned nr_failed = 0;
	size_t len;

	(void)state;
	OK(image_open(&image, false, &fs));
	assert_int_equal(ubtrfs_tree_search(fs, &csums, take_csum, &key), 1);
	ubtrfs_abandon(fs);
	item_edit(BTRFS_CSUM_TREE_OBJECTID, key, item_remove);
	OK(image_open(&image, false, &fs));
	for (unsigned i = 0; i < 2 * NR_FILES; i++) {
		struct ubtrfs_node dir = ubtrfs_top(fs), node;
		char name[16];
		int err;

		if (i >= NR_FILES)
			OK(ubtrfs_lookup(fs, dir, "sub", 3, &dir));
		snprintf(name, sizeof(name), "file-%u", i % NR_FILES);
		if (ubtrfs_lookup(fs, dir, name, strlen(name), &node) < 0)
			continue;
		err = ubtrfs_read(fs, node, 0, data, sizeof(data), &len);
		if (err == 0)
			continue;
		assert_int_equal(err, -EIO);
		assert_says("has no checksum");
		nr_failed++;
	}
	assert_true(nr_failed > 0);
	ubtrfs_abandon(fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_damage__a_device_without_an_item_is_not_written,
					  forget),
		cmocka_unit_test_teardown(test_damage__a_device_that_is_too_small_is_not_written,
					  forget),
		cmocka_unit_test_teardown(test_damage__extents_of_more_bytes_than_the_inode_says_go,
					  forget),
		cmocka_unit_test_teardown(test_damage__a_key_that_should_be_free_is_damage, forget),
		cmocka_unit_test_teardown(
			test_damage__without_any_backup_root_the_current_one_is_named, forget),
		cmocka_unit_test_teardown(
			test_damage__contents_without_checksums_are_an_error_of_input, forget),
	};

	return cmocka_run_group_tests(tests, plain_setup, plain_teardown);
}
