/*
 * validate_node: headers and internal nodes; key order, and what key.h promises about it.
 */
#include "base/cmocka_all.h"

#include "base/rng.h"
#include "format/item_samples.h"
#include "format/validate_node.h"

static uint8_t node[SAMPLE_NODESIZE];

static void make_internal(unsigned nr)
{
	node_init(&sample_geometry, node, SAMPLE_ADDR, 2, 5, 7);
	node_add_flag(node, BTRFS_HEADER_FLAG_WRITTEN);
	node_set_nritems(node, nr);
	for (unsigned i = 0; i < nr; i++) {
		struct key key = KEY(256 + i / 3, BTRFS_DIR_INDEX_KEY, i);

		node_set_ptr(node, i, &key, 4096ULL * (i + 1), 7);
	}
}

static void expect_bad(const char *reason)
{
	int err = validate_node(&sample_geometry, node, SAMPLE_ADDR);

	assert_int_equal(err, -ERR_NODE_BAD);
	assert_non_null(strstr(err_text(err), "tree block 30408704"));
	if (!strstr(err_text(err), reason))
		fail_msg("expected \"%s\", got %s", reason, err_text(err));
}

static void test_validate_node__an_internal_node_passes(void **state)
{
	(void)state;
	make_internal(1);
	assert_int_equal(validate_node(&sample_geometry, node, SAMPLE_ADDR), 0);
	make_internal(geometry_node_ptrs(&sample_geometry));
	assert_int_equal(validate_node(&sample_geometry, node, SAMPLE_ADDR), 0);
}

static void test_validate_node__headers_are_judged(void **state)
{
	(void)state;
	make_internal(3);
	node_set_addr(node, 4096);
	expect_bad("names address 4096");
	make_internal(3);
	node_set_level(node, BTRFS_MAX_LEVEL);
	expect_bad("level 8");
	make_internal(3);
	node_remove_flag(node, BTRFS_HEADER_FLAG_WRITTEN);
	expect_bad("written");
	assert_int_equal(validate_node_content(&sample_geometry, node, SAMPLE_ADDR), 0);
	make_internal(3);
	header_set_flags(node, header_flags(node) | 1ULL << 60);
	expect_bad("revision");
}

static void test_validate_node__pointers_are_judged(void **state)
{
	(void)state;
	make_internal(0);
	expect_bad("0 pointers");
	make_internal(3);
	node_set_nritems(node, geometry_node_ptrs(&sample_geometry) + 1);
	expect_bad("494 pointers");
	make_internal(3);
	node_set_nritems(node, UINT32_MAX);
	expect_bad("4294967295 pointers");
	make_internal(3);
	key_ptr_set_blockptr(node_ptr_mut(node, 1), 0);
	expect_bad("slot 1 key (256 96 1): the pointer 0");
	make_internal(3);
	key_ptr_set_blockptr(node_ptr_mut(node, 2), 512);
	expect_bad("slot 2 key (256 96 2): the pointer 512");
	make_internal(3);
	node_set_key(node, 2, &KEY(256, BTRFS_DIR_INDEX_KEY, 1));
	expect_bad("slot 2 key (256 96 1): not after");
}

static void test_validate_node__random_nodes_never_crash(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 6);
	for (unsigned round = 0; round < 300; round++) {
		rng_fill(&rng, node, sizeof(node));
		node_set_addr(node, SAMPLE_ADDR);
		node_set_level(node, (uint8_t)rng_below(&rng, 3));
		header_set_flags(node, 1);
		if (rng_one_in(&rng, 2))
			node_set_nritems(node, (uint32_t)rng_below(&rng, 700));
		/* Almost all are refused; the verdict does not matter here. */
		if (validate_node(&sample_geometry, node, SAMPLE_ADDR) == 0)
			assert_true(node_nritems(node) < 700);
	}
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void test_validate_node__keys_order_on_disk_as_in_memory(void **state)
{
	struct key keys[300];
	struct rng rng;

	(void)state;
	rng_init(&rng, 7);
	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		uint64_t high = rng_one_in(&rng, 2) ? 0 : UINT64_MAX - 3;

		keys[i] = KEY(high + rng_below(&rng, 3), (uint8_t)rng_below(&rng, 3),
			      high + rng_below(&rng, 3));
	}
	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		uint8_t disk[KEY_DISK_SIZE];
		struct key back, next = key_next(keys[i]);

		key_store(disk, &keys[i]);
		back = key_load(disk);
		assert_true(key_equal(&back, &keys[i]));
		assert_true(key_compare(&keys[i], &next) < 0);
		for (unsigned j = 0; j < ARRAY_LEN(keys); j++) {
			int order = key_compare(&keys[i], &keys[j]);

			assert_int_equal(sign(key_compare_disk(disk, &keys[j])), order);
			assert_int_equal(key_compare(&keys[j], &keys[i]), -order);
			/* Nothing lies between a key and its next. */
			assert_true(order >= 0 || key_compare(&next, &keys[j]) <= 0);
		}
	}
	assert_true(key_equal(&KEY_MAX, &(struct key){ -1ULL, 255, -1ULL }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate_node__an_internal_node_passes),
		cmocka_unit_test(test_validate_node__headers_are_judged),
		cmocka_unit_test(test_validate_node__pointers_are_judged),
		cmocka_unit_test(test_validate_node__random_nodes_never_crash),
		cmocka_unit_test(test_validate_node__keys_order_on_disk_as_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
