/*
 * rbtree: random operations against a sorted set kept as an array of flags; invariants after
 * every step.
 */
#include "base/cmocka_all.h"

#include <stdbool.h>

#include "base/rbtree.h"
#include "base/rng.h"

#define KEYS 512

struct thing {
	int key;
	struct rb_node node;
};

static int thing_compare(const struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct thing, node)->key - rb_entry(b, struct thing, node)->key;
}

static int key_against_thing(const void *key, const struct rb_node *node)
{
	return *(const int *)key - rb_entry(node, struct thing, node)->key;
}

static int key_of(const struct rb_node *node)
{
	return node ? rb_entry(node, struct thing, node)->key : -1;
}

/* The nearest present key from `from` on in steps of `step`, -1 when there is none. */
static int model_nearest(const bool *present, int from, int step)
{
	for (int key = from; key >= 0 && key < KEYS; key += step) {
		if (present[key])
			return key;
	}
	return -1;
}

static void check_lookups(const struct rbtree *tree, const bool *present, int key)
{
	const struct rb_node *found = rbtree_find(tree, &key, key_against_thing);

	assert_int_equal(key_of(found), present[key] ? key : -1);
	assert_int_equal(key_of(rbtree_find_ge(tree, &key, key_against_thing)),
			 model_nearest(present, key, 1));
	assert_int_equal(key_of(rbtree_find_le(tree, &key, key_against_thing)),
			 model_nearest(present, key, -1));
	assert_int_equal(key_of(rbtree_first(tree)), model_nearest(present, 0, 1));
	assert_int_equal(key_of(rbtree_last(tree)), model_nearest(present, KEYS - 1, -1));
	if (!found)
		return;
	assert_int_equal(key_of(rb_next(found)), model_nearest(present, key + 1, 1));
	assert_int_equal(key_of(rb_prev(found)), model_nearest(present, key - 1, -1));
}

static void test_rbtree__random_operations_against_a_model(void **state)
{
	struct thing things[KEYS];
	bool present[KEYS] = { false };
	struct rbtree tree;
	struct rng rng;

	(void)state;
	rng_init(&rng, 1);
	rbtree_init(&tree, thing_compare);
	for (unsigned step = 0; step < 20000; step++) {
		int key = (int)rng_below(&rng, KEYS);
		/*
		 * Growing and shrinking phases, so that the tree is full and empty several
		 * times.
		 */
		bool insert = rng_below(&rng, 4) < (step / 2500 % 2 ? 1U : 3U);

		things[key].key = key;
		if (insert) {
			struct rb_node *old = rbtree_insert(&tree, &things[key].node);

			assert_ptr_equal(old, present[key] ? &things[key].node : NULL);
			present[key] = true;
		} else if (present[key]) {
			rbtree_remove(&tree, &things[key].node);
			present[key] = false;
		}
		check_lookups(&tree, present, (int)rng_below(&rng, KEYS));
		if (step % 16 == 0)
			assert_true(rbtree_invariant(&tree));
	}
}

static void test_rbtree__empties_in_any_order(void **state)
{
	struct thing things[64];
	struct rbtree tree;
	struct rng rng;

	(void)state;
	rng_init(&rng, 2);
	for (unsigned round = 0; round < 200; round++) {
		rbtree_init(&tree, thing_compare);
		for (int i = 0; i < 64; i++) {
			things[i].key = i * 37 % 64;
			assert_null(rbtree_insert(&tree, &things[i].node));
		}
		for (size_t left = 64; left > 0; left--) {
			struct rb_node *node = rbtree_first(&tree);

			for (uint64_t skip = rng_below(&rng, left); skip > 0; skip--)
				node = rb_next(node);
			rbtree_remove(&tree, node);
			assert_true(rbtree_invariant(&tree));
		}
		assert_null(tree.root);
	}
}

static void test_rbtree__invariant_sees_a_broken_tree(void **state)
{
	struct thing things[8];
	struct rbtree tree;

	(void)state;
	rbtree_init(&tree, thing_compare);
	for (int i = 0; i < 8; i++) {
		things[i].key = i;
		assert_null(rbtree_insert(&tree, &things[i].node));
	}
	things[7].key = 0;
	assert_false(rbtree_invariant(&tree));
	things[7].key = 7;
	tree.root->red = true;
	assert_false(rbtree_invariant(&tree));
	tree.root->red = false;
	rbtree_first(&tree)->red = !rbtree_first(&tree)->red;
	assert_false(rbtree_invariant(&tree));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rbtree__random_operations_against_a_model),
		cmocka_unit_test(test_rbtree__empties_in_any_order),
		cmocka_unit_test(test_rbtree__invariant_sees_a_broken_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
