/*
 * Copy-on-write of trees that share nodes: whatever two subvolumes with common nodes do, each node
 * and each data extent has as many references as there are pointers to it.
 */
#include "extent/engine_fixture.h"
#include "tree/tree_priv.h"

/* The children of a root get one more reference, by the tree that holds the copy. */
static void push_children(struct engine *engine, const uint8_t *node, uint64_t root)
{
	for (unsigned i = 0; i < node_nritems(node); i++) {
		struct ref_request request = {
			.addr = node_child_addr(node, i),
			.len_bytes = engine->store.geometry.nodesize,
			.metadata = true,
			.level = node_level(node) - 1,
			.key = { .type = REF_TREE, .root = root },
			.delta = 1,
		};

		assert_ok(ref_queue_push(space_ref_queue(engine->space), &request));
	}
}

/* Puts a copy of the source's root in place of the empty leaf that the new tree has. */
static void copy_root(struct engine *engine, struct tree *from, struct tree *to)
{
	struct node_expect expect = { .generation = from->root_generation,
				      .level = from->root_level };
	struct node_expect empty_expect = { .generation = to->root_generation };
	struct node *source, *copy, *empty;
	uint64_t addr, empty_addr = to->root_addr;

	assert_ok(node_get(engine->cache, from->root_addr, &expect, &source));
	assert_true(node_level(source->data) > 0);
	assert_ok(extent_private_policy.alloc_node(&engine->extents, engine->txn, to,
						   from->root_level, 0, &addr));
	assert_ok(node_create(engine->cache, addr, from->root_level, to->objectid,
			      engine->txn->generation, NODE_LOCK_ORDER(TREE_SHARED, 1), &copy));
	node_set_nritems(copy->data, node_nritems(source->data));
	memcpy(copy->data + HEADER_SIZE, source->data + HEADER_SIZE,
	       engine->store.geometry.nodesize - HEADER_SIZE);
	push_children(engine, source->data, to->objectid);
	rwlock_unwrite(&copy->lock);
	node_put(copy);
	node_put(source);
	tree_set_root(to, addr, engine->txn->generation, from->root_level);
	assert_ok(node_get(engine->cache, empty_addr, &empty_expect, &empty));
	rwlock_write(&empty->lock);
	node_cancel(empty);
	rwlock_unwrite(&empty->lock);
	node_put(empty);
	assert_ok(extent_private_policy.free_node(&engine->extents, engine->txn, to, empty_addr, 0,
						  to->objectid, engine->txn->generation, false));
}

/* A name for the new subvolume in the directory of tree 5. */
static void link_snapshot(struct engine *engine, uint64_t to)
{
	struct key location = KEY(to, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);
	uint8_t entry[DIR_ITEM_SIZE + 4] = { 0 }, inode[INODE_ITEM_SIZE];
	char name[5] = "snp0";
	uint32_t len;
	struct key key = KEY(256, BTRFS_INODE_ITEM_KEY, 0);

	name[3] = (char)('0' + to - 256);
	key_store(dir_item_location_mut(entry), &location);
	dir_item_set_transid(entry, engine->txn->generation);
	dir_item_set_name_len(entry, 4);
	dir_item_set_type(entry, BTRFS_FT_DIR);
	memcpy(entry + DIR_ITEM_SIZE, name, 4);
	assert_ok(tree_lookup(engine_tree(engine, 5), &key, inode, sizeof(inode), &len));
	inode_item_set_size(inode, inode_item_size(inode) + 8);
	assert_ok(tree_replace(engine->txn, engine_tree(engine, 5), &key, inode, sizeof(inode)));
	engine_insert(engine, 5, KEY(256, BTRFS_DIR_ITEM_KEY, name_hash(name, 4)), entry,
		      sizeof(entry));
	engine_insert(engine, 5, KEY(256, BTRFS_DIR_INDEX_KEY, to), entry, sizeof(entry));
	assert_ok(root_ref_add(engine->txn, engine->roots, 5, to, 256, to, name, 4));
}

/*
 * Like Linux: a committed source, a new root node with the same children, both marked, and a
 * commit.
 */
static void snapshot(struct engine *engine, uint64_t from, uint64_t to)
{
	struct root *source, *root;
	uint8_t item[ROOT_ITEM_SIZE];

	engine_save_file(engine, from);
	engine_commit(engine);
	assert_ok(root_get(engine->roots, from, &source));
	root_item_set_last_snapshot(source->item, engine->txn->generation);
	source->item_dirty = true;
	memcpy(item, source->item, sizeof(item));
	item[250] = (uint8_t)to;
	assert_ok(root_create(engine->txn, engine->roots, to, item, &root));
	copy_root(engine, &source->tree, &root->tree);
	link_snapshot(engine, to);
	engine_commit(engine);
}

static void change_some(struct engine *engine, struct rng *rng, uint64_t root, unsigned nr)
{
	while (nr--) {
		uint64_t offset = rng_below(rng, 1500) * 65536;

		if (!engine_unwrite(engine, root, offset))
			(void)engine_write(engine, root, offset, 4096);
	}
}

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
	change_some(engine, &rng, 5, 1500);
	snapshot(engine, 5, 256);
	engine_check(engine);
	for (unsigned round = 0; round < 12; round++) {
		if (round == 3)
			snapshot(engine, 5, 257);
		if (round == 5)
			snapshot(engine, 256, 258);
		for (uint64_t root = 256; root < (round < 3 ? 257u :
						  round < 5 ? 258u :
							      259u);
		     root++)
			change_some(engine, &rng, root, (unsigned)rng_below(&rng, 6));
		change_some(engine, &rng, 5, (unsigned)rng_below(&rng, 6));
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
	change_some(engine, &rng, 5, 200);
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
