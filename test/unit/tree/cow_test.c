/*
 * Copy-on-write: who is copied when, what the policy is told, and moving and giving up whole trees
 * (laws L2 and L3).
 */
#include "tree/tree_fixture.h"

#include "format/node_layout.h"

static void test_cow__path_once_per_generation(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	unsigned before;

	(void)state;
	fixture_insert(fixture, 0, 500, 100);
	assert_int_equal(fixture->nr_cow_refs, 0);
	assert_true(atomic_load(&fixture->tree.dirty));
	fixture_commit(fixture);
	atomic_store(&fixture->tree.dirty, false);
	before = fixture->nr_alloc;
	fixture_insert(fixture, 501, 501, 10);
	assert_int_equal(fixture->nr_alloc - before, fixture->tree.root_level + 1);
	assert_int_equal(fixture->nr_cow_refs, fixture->tree.root_level + 1);
	assert_true(atomic_load(&fixture->tree.dirty));
	assert_int_equal(fixture->tree.root_generation, fixture->txn->generation);
	/* Again in the same generation: in place. */
	before = fixture->nr_alloc;
	fixture_insert(fixture, 502, 502, 10);
	assert_int_equal(fixture->nr_alloc, before);
	fixture_check(fixture);
	fixture_free(fixture);
}

/*
 * Law L2: a node of this generation that was handed to the device is copied, and its address
 * pinned.
 */
static void test_cow__written_early_is_copied_again(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	uint64_t addr = fixture->tree.root_addr;

	(void)state;
	fixture_insert(fixture, 0, 3, 10);
	assert_int_equal(fixture->tree.root_addr, addr);
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	fixture_insert(fixture, 4, 4, 10);
	assert_int_not_equal(fixture->tree.root_addr, addr);
	assert_int_equal(fixture_address(fixture, addr)->state, ADDRESS_PINNED);
	fixture_check(fixture);
	fixture_free(fixture);
}

static void test_cow__shared_node_stays_for_the_others(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	struct node_expect expect;
	struct node *node;
	uint64_t addr;

	(void)state;
	fixture_insert(fixture, 0, 3, 10);
	fixture_commit(fixture);
	addr = fixture->tree.root_addr;
	expect = (struct node_expect){ .generation = fixture->tree.root_generation };
	fixture->shared = true;
	fixture_insert(fixture, 4, 4, 10);
	assert_int_not_equal(fixture->tree.root_addr, addr);
	/* Still in RAM under its address, unchanged. */
	assert_ok(node_get_cached(fixture->cache, addr, &expect, &node));
	assert_non_null(node);
	assert_int_equal(node_nritems(node->data), 4);
	node_put(node);
	fixture_free(fixture);
}

static bool wants_even(void *ctx, uint64_t addr)
{
	struct fixture *fixture = ctx;

	return (addr / fixture->config.geometry.nodesize) % 2 == 0;
}

static bool wants_all(void *ctx, uint64_t addr)
{
	(void)ctx;
	return addr != 0;
}

static int count_even_node(void *ctx, const struct node *node, uint8_t level)
{
	struct fixture *fixture = ctx;

	(void)level;
	/* Nothing of the old is left: addresses of this test only grow. */
	assert_false(node->addr < fixture->config.limit_bytes && wants_even(fixture, node->addr));
	return 0;
}

static void test_cow__move_wanted_nodes(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	uint64_t nr, old_end;
	unsigned nr_nodes;

	(void)state;
	fixture_insert(fixture, 0, 9999, 100);
	fixture_commit(fixture);
	old_end = FIXTURE_BASE + (uint64_t)fixture->nr_used * 4096;
	fixture->nr_free = 0;
	assert_ok(tree_move_nodes(fixture->txn, &fixture->tree, wants_even, fixture, &nr));
	assert_true(nr > 100);
	fixture->config.limit_bytes = old_end;
	assert_ok(tree_walk(&fixture->tree, count_even_node, fixture));
	fixture->config.limit_bytes = MIB;
	fixture_check(fixture);
	/* Nodes of this generation move too. */
	nr_nodes = fixture_nr_nodes(fixture);
	assert_ok(tree_move_nodes(fixture->txn, &fixture->tree, wants_all, fixture, &nr));
	assert_int_equal(nr, nr_nodes);
	fixture_check(fixture);
	fixture_commit(fixture);
	fixture_reload(fixture);
	for (unsigned i = 0; i < 10000; i += 37)
		assert_true(fixture_has(fixture, i));
	fixture_free(fixture);
}

static void test_cow__destroy_gives_up_everything(void **state)
{
	(void)state;
	for (unsigned cold = 0; cold < 3; cold++) {
		struct fixture *fixture = fixture_new(4096, MIB);

		fixture_insert(fixture, 0, cold == 2 ? 0 : 9999, 100);
		if (cold) {
			fixture_commit(fixture);
			fixture_reload(fixture);
			fixture_insert(fixture, 20000, 20010, 10);
		}
		assert_ok(tree_destroy(fixture->txn, &fixture->tree));
		assert_int_equal(fixture->nr_live, 0);
		assert_int_equal(fixture->tree.root_addr, 0);
		assert_int_equal(cache_dirty_bytes(fixture->cache), 0);
		fixture_free(fixture);
	}
}

static void test_cow__invariant_sees_a_wrong_key(void **state)
{
	struct fixture *fixture = fixture_new(4096, MIB);
	SCOPED(cursor) struct cursor cursor;
	struct key key = fixture_key(400), wrong = KEY_MAX;

	(void)state;
	cursor_init(&cursor, &fixture->tree);
	fixture_insert(fixture, 0, 500, 100);
	assert_ok(tree_invariant(&fixture->tree));
	assert_ok(cursor_seek_write(fixture->txn, &cursor, &key));
	leaf_set_key(cursor.leaf->data, cursor.slot, &wrong);
	cursor_release(&cursor);
	assert_int_equal(tree_invariant(&fixture->tree), -ERR_CORRUPT);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cow__path_once_per_generation),
		cmocka_unit_test(test_cow__written_early_is_copied_again),
		cmocka_unit_test(test_cow__shared_node_stays_for_the_others),
		cmocka_unit_test(test_cow__move_wanted_nodes),
		cmocka_unit_test(test_cow__destroy_gives_up_everything),
		cmocka_unit_test(test_cow__invariant_sees_a_wrong_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
