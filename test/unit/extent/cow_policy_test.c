/*
 * Copy-on-write of trees that share nodes: whatever two subvolumes with common nodes do, each node
 * and each data extent has as many references as there are pointers to it.
 */
#include "extent/engine_snapshot.h"

/* Tree blocks that somebody else holds and whose owner has gone on. */
static unsigned nr_full_backrefs(struct engine *engine)
{
	struct key first = KEY_MIN;
	struct cursor cursor;
	unsigned nr = 0;
	bool exact;
	int err;

	cursor_init(&cursor, engine_tree(engine, BTRFS_EXTENT_TREE_OBJECTID));
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor))
		if (cursor_key(&cursor).type == BTRFS_METADATA_ITEM_KEY &&
		    (extent_item_flags(cursor_data(&cursor)) & BTRFS_BLOCK_FLAG_FULL_BACKREF))
			nr++;
	cursor_release(&cursor);
	return nr;
}

static void test_cow_policy__snapshots_share(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });
	unsigned max_full = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, 7);
	engine_change_some(engine, &rng, 5, 1500);
	engine_snapshot(engine, 5, 256);
	engine_check(engine);
	for (unsigned round = 0; round < 12; round++) {
		if (round == 3)
			engine_snapshot(engine, 5, 257);
		if (round == 5)
			engine_snapshot(engine, 256, 258);
		for (uint64_t root = 256; root < (round < 3 ? 257u :
						  round < 5 ? 258u :
							      259u);
		     root++)
			engine_change_some(engine, &rng, root, (unsigned)rng_below(&rng, 6));
		engine_change_some(engine, &rng, 5, (unsigned)rng_below(&rng, 6));
		engine_commit(engine);
		engine_check(engine);
		max_full = MAX(max_full, nr_full_backrefs(engine));
		if (round % 4 == 3)
			engine_reopen(engine);
	}
	/* The hard case has happened. */
	assert_true(max_full > 3);
	for (uint64_t root = 256; root < 259; root++)
		engine_save_file(engine, root);
	engine_save_file(engine, 5);
	engine_commit(engine);
	engine_check(engine);
	engine_dump(engine, "snapshots");
	engine_free(engine);
}

/*
 * Without a snapshot nobody asks the extent tree: the same nodes change, and nothing else is
 * queued.
 */
static void test_cow_policy__young_nodes_are_not_looked_up(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	struct root *root;

	(void)state;
	(void)engine_write(engine, 5, 0, 4096);
	engine_commit(engine);
	assert_ok(root_get(engine->roots, 5, &root));
	assert_int_equal(root_item_last_snapshot(root->item), 0);
	engine_save_file(engine, 5);
	/* One node born, one given up. */
	assert_int_equal(ref_queue_nr(space_ref_queue(engine->space)), 2);
	engine_commit(engine);
	engine_check(engine);
	engine_free(engine);
}

static void test_cow_policy__bytes_of_a_tree_are_counted(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });
	struct engine_extents found = { .engine = engine };
	struct root *root;
	uint64_t nr = 0;
	struct rng rng;

	(void)state;
	rng_init(&rng, 3);
	engine_change_some(engine, &rng, 5, 200);
	engine_commit(engine);
	assert_ok(root_get(engine->roots, 5, &root));
	assert_ok(tree_walk(&root->tree, engine_visit_node, &found));
	for (size_t i = 0; i < found.nr; i++)
		nr += found.list[i].refs == 0;
	assert_int_equal(root_item_bytes_used(root->item), nr * 4096);
	mem_free(found.list);
	engine_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cow_policy__snapshots_share),
		cmocka_unit_test(test_cow_policy__young_nodes_are_not_looked_up),
		cmocka_unit_test(test_cow_policy__bytes_of_a_tree_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
