/*
 * Block groups over their life: new ones in the middle of things, removed ones, trimmed ones, and
 * groups in bitmaps; with references running through all of it.
 */
#include "extent/engine_fixture.h"
#include "store/store_priv.h"

static void test_space_items__group_grows_and_goes(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .dup = true });
	struct block_group *group = engine_grow(engine, SPACE_DATA, 16 * MIB);
	uint64_t start = group->start;

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		(void)engine_write(engine, 5, i * MIB, MIB);
	assert_true(group->reserved_bytes > 0);
	engine_save_file(engine, 5);
	engine_commit(engine);
	engine_check(engine);
	engine_dump(engine, "grown");
	for (uint64_t i = 0; i < 40; i++)
		assert_true(engine_unwrite(engine, 5, i * MIB));
	engine_commit(engine);
	assert_ok(space_mark_removed(engine->space, group));
	engine_save_file(engine, 5);
	engine_commit(engine);
	assert_null(space_group_of(engine->space, start));
	assert_null(chunk_map_find(engine->volume, start));
	engine_check(engine);
	engine_dump(engine, "removed");
	engine_reopen(engine);
	assert_null(chunk_map_find(engine->volume, start));
	engine_check(engine);
	engine_free(engine);
}

/* A group that was never written goes without a trace. */
static void test_space_items__new_group_removed(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	struct block_group *group = engine_grow(engine, SPACE_DATA, 16 * MIB);

	(void)state;
	assert_ok(space_mark_removed(engine->space, group));
	engine_commit(engine);
	engine_check(engine);
	engine_reopen(engine);
	engine_check(engine);
	engine_free(engine);
}

static void trim_kind(struct engine *engine, uint64_t flag, uint64_t new_len)
{
	struct block_group *group = space_group_next(engine->space, 0);

	while (group && !(group->flags & flag))
		group = space_group_next(engine->space, group->start + group->len_bytes);
	assert_non_null(group);
	assert_int_equal(store_trim_group(engine->txn, &engine->store, group, group->len_bytes * 2),
			 -ERR_INVALID);
	assert_ok(store_trim_group(engine->txn, &engine->store, group, new_len));
	assert_int_equal(group->len_bytes, new_len);
}

static void trim_groups(const struct engine_options *options, const char *name)
{
	struct engine *engine = engine_new(options);
	struct volume_device *device = volume_device_at(engine->volume, 0);
	uint64_t used = device->used_bytes;

	for (uint64_t i = 0; i < 8; i++)
		(void)engine_write(engine, 5, i * MIB, MIB);
	engine_save_file(engine, 5);
	engine_commit(engine);
	trim_kind(engine, BTRFS_BLOCK_GROUP_DATA, 8 * MIB);
	trim_kind(engine, BTRFS_BLOCK_GROUP_METADATA, 2 * MIB);
	engine_commit(engine);
	device = volume_device_at(engine->volume, 0);
	assert_int_equal(device->used_bytes, used - 24 * MIB - (options->dup ? 60 : 30) * MIB);
	engine_check(engine);
	engine_dump(engine, name);
	engine_reopen(engine);
	engine_check(engine);
	/* Nothing fits any more, and what is there still works. */
	for (uint64_t i = 0; i < 8; i++)
		assert_true(engine_unwrite(engine, 5, i * MIB));
	engine_commit(engine);
	engine_check(engine);
	engine_free(engine);
}

static void test_space_items__trim(void **state)
{
	(void)state;
	trim_groups(&(struct engine_options){ 0 }, "trimmed");
	trim_groups(&(struct engine_options){ .dup = true, .group_tree = true }, "trimmed-dup");
	trim_groups(&(struct engine_options){ .no_free_tree = true }, "trimmed-no-tree");
}

static void test_space_items__trim_refuses_used(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	struct block_group *group;
	uint64_t addr = 0;

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		addr = engine_write(engine, 5, i * MIB, MIB);
	group = space_group_of(engine->space, addr);
	assert_int_equal(store_trim_group(engine->txn, &engine->store, group, 4 * MIB),
			 -ERR_INVALID);
	engine_commit(engine);
	engine_check(engine);
	engine_free(engine);
}

static bool sector_is_free(struct tree *tree, uint64_t addr)
{
	struct key last = KEY(addr, BTRFS_FREE_SPACE_EXTENT_KEY, UINT64_MAX), found;
	struct cursor cursor;

	cursor_init(&cursor, tree);
	assert_ok(cursor_seek_le(&cursor, &last));
	found = cursor_key(&cursor);
	cursor_release(&cursor);
	return found.type == BTRFS_FREE_SPACE_EXTENT_KEY && found.objectid + found.offset > addr;
}

/* Rewrites the free space of a group as bitmaps, as Linux does with many small extents. */
static void group_to_bitmaps(struct engine *engine, struct block_group *group)
{
	struct tree *tree = engine_tree(engine, BTRFS_FREE_SPACE_TREE_OBJECTID);
	uint64_t span = BTRFS_FREE_SPACE_BITMAP_BITS * 4096ull;
	uint64_t end = group->start + group->len_bytes, nr;
	struct key first = KEY(group->start, BTRFS_FREE_SPACE_EXTENT_KEY, 0);
	struct key last = KEY(end - 1, UINT8_MAX, UINT64_MAX);
	uint8_t bits[ENGINE_GROUP_BYTES / 4096 / 8] = { 0 };

	for (uint64_t i = 0; i < group->len_bytes / 4096; i++)
		if (sector_is_free(tree, group->start + i * 4096))
			bits[i / 8] |= (uint8_t)(1u << i % 8);
	assert_ok(tree_remove_range(engine->txn, tree, &first, &last, &nr));
	for (uint64_t pos = group->start; pos < end; pos += span) {
		struct key key = KEY(pos, BTRFS_FREE_SPACE_BITMAP_KEY, MIN(span, end - pos));

		assert_ok(tree_insert(engine->txn, tree, &key,
				      bits + (pos - group->start) / 4096 / 8,
				      (uint32_t)(key.offset / 4096 / 8)));
	}
	group->fst_bitmaps = true;
	group->dirty = true;
}

static void test_space_items__bitmaps(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });
	uint64_t addr = engine_write(engine, 5, 0, 4096);
	struct block_group *group;
	struct rng rng;

	(void)state;
	rng_init(&rng, 5);
	engine_commit(engine);
	group_to_bitmaps(engine, space_group_of(engine->space, addr));
	engine_commit(engine);
	engine_reopen(engine);
	assert_true(space_group_of(engine->space, addr)->fst_bitmaps);
	engine_check(engine);
	for (unsigned step = 0; step < 300; step++) {
		uint64_t offset = rng_below(&rng, 100) * 65536;

		if (!engine_unwrite(engine, 5, offset))
			(void)engine_write(engine, 5, offset, 4096 * (1 + rng_below(&rng, 16)));
		if (rng_one_in(&rng, 30)) {
			engine_commit(engine);
			engine_check(engine);
			engine_reopen(engine);
		}
	}
	engine_save_file(engine, 5);
	engine_commit(engine);
	engine_dump(engine, "bitmaps");
	group = space_group_of(engine->space, addr);
	assert_ok(store_trim_group(engine->txn, &engine->store, group, 16 * MIB));
	assert_false(group->fst_bitmaps);
	engine_commit(engine);
	engine_check(engine);
	engine_dump(engine, "bitmaps-trimmed");
	engine_reopen(engine);
	engine_check(engine);
	engine_free(engine);
}

static void test_space_items__device_sizes(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });

	(void)state;
	assert_int_equal(store_resize_device(&engine->store, 1, 4 * MIB), -ERR_NO_SPACE);
	assert_int_equal(store_resize_device(&engine->store, 2, 400 * MIB), -ERR_NOT_FOUND);
	assert_int_equal(store_resize_device(&engine->store, 1, 400 * MIB + 1), -ERR_INVALID);
	assert_ok(store_resize_device(&engine->store, 1, 400 * MIB));
	engine_commit(engine);
	assert_int_equal(super_total_bytes(engine->super), 400 * MIB);
	assert_int_equal(dev_item_total_bytes(super_dev_item(engine->super)), 400 * MIB);
	engine_reopen(engine);
	assert_int_equal(volume_device_at(engine->volume, 0)->total_bytes, 400 * MIB);
	engine_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space_items__group_grows_and_goes),
		cmocka_unit_test(test_space_items__new_group_removed),
		cmocka_unit_test(test_space_items__trim),
		cmocka_unit_test(test_space_items__trim_refuses_used),
		cmocka_unit_test(test_space_items__bitmaps),
		cmocka_unit_test(test_space_items__device_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
