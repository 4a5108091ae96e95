/*
 * Reading: mirrors one after the other, bad copies refused by name, and a failed read leaves
 * nothing behind.
 */
#include "cache/cache_fixture.h"

#include "base/log.h"

static void test_node_read__next_mirror_answers(void **state)
{
	struct fixture *fixture = fixture_new(MIB);

	(void)state;
	fixture_leaves(fixture, 2, 7);
	for (unsigned bad = 1; bad <= 2; bad++) {
		struct node *node;

		fixture_damage(fixture, bad - 1, bad);
		fixture_reload(fixture);
		assert_ok(fixture_get(fixture, bad - 1, 7, &node));
		node_put(node);
	}
	fixture_free(fixture);
}

static void test_node_read__failed_read_leaves_the_index(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *node = NULL;
	size_t empty;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	fixture_reload(fixture);
	empty = cache_bytes(fixture->cache);
	fixture_damage(fixture, 0, 1);
	fixture_damage(fixture, 0, 2);
	assert_int_equal(fixture_get(fixture, 0, 7, &node), -ERR_NODE_CSUM);
	assert_non_null(strstr(err_text(-ERR_NODE_CSUM), "65536"));
	assert_null(node);
	assert_ok(node_get_cached(fixture->cache, fixture_addr(0), NULL, &node));
	assert_null(node);
	/* The copy comes back, and the next caller reads it. */
	fixture_damage(fixture, 0, 2);
	assert_ok(fixture_get(fixture, 0, 7, &node));
	node_put(node);
	cache_shrink(fixture->cache);
	assert_true(cache_bytes(fixture->cache) <= empty + CACHE_NODE + sizeof(struct node));
	fixture_free(fixture);
}

static void test_node_read__device_errors(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *node;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	fixture_reload(fixture);
	fault_arm_from(FAULT_DEVICE_READ, 1);
	assert_true(fixture_get(fixture, 0, 7, &node) < 0);
	fault_arm(FAULT_DEVICE_READ, 1);
	assert_ok(fixture_get(fixture, 0, 7, &node));
	fault_arm(FAULT_DEVICE_READ, 0);
	node_put(node);
	assert_int_equal(node_get(fixture->cache, GIB, NULL, &node), -ERR_NO_MAPPING);
	fixture_free(fixture);
}

static void test_node_read__other_filesystem_is_refused(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct node *node;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	fixture->config.fsid[0] ^= 1;
	fixture_reload(fixture);
	assert_int_equal(fixture_get(fixture, 0, 7, &node), -ERR_NODE_UNEXPECTED);
	fixture_free(fixture);
}

static void test_node_read__blocks_of_a_seed_are_taken(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	uint8_t seed[16];
	struct node *node;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	memcpy(seed, fixture->config.fsid, sizeof(seed));
	memset(fixture->config.fsid, 0x55, sizeof(seed));
	fixture_reload(fixture);
	assert_int_equal(fixture_get(fixture, 0, 7, &node), -ERR_NODE_UNEXPECTED);
	assert_ok(volume_set_seed(fixture->volume, 1, seed));
	assert_int_equal(volume_set_seed(fixture->volume, 2, seed), -ERR_NOT_FOUND);
	assert_ok(fixture_get(fixture, 0, 7, &node));
	node_put(node);
	fixture_free(fixture);
}

static void test_node_read__contents_are_validated(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	uint8_t bytes[CACHE_NODE];
	struct node *node;

	(void)state;
	fixture_leaves(fixture, 1, 7);
	assert_ok(volume_read(fixture->volume, fixture_addr(0), bytes, CACHE_NODE, 1));
	/* A good checksum over an item that lies outside of the node. */
	item_set_offset(leaf_item_mut(bytes, 0), 1u << 30);
	node_csum_update(&fixture->config.geometry, bytes);
	assert_ok(volume_write(fixture->volume, fixture_addr(0), bytes, CACHE_NODE));
	fixture_reload(fixture);
	assert_int_equal(fixture_get(fixture, 0, 7, &node), -ERR_NODE_BAD);
	fixture_free(fixture);
}

/*
 * A pointer of a subvolume to a block of, say, the extent tree: taken at its word, the block would
 * get the lock order of subvolumes, and the extent tree would meet it so.
 */
static void test_node_read__a_block_of_another_kind_of_tree_is_refused(void **state)
{
	struct node_expect expect = { .generation = 7, .owner = NODE_OWNER_SUBVOLUME };
	struct fixture *fixture = fixture_new(MIB);
	uint8_t bytes[CACHE_NODE];
	struct node *node;

	(void)state;
	fixture_leaves(fixture, 2, 7);
	assert_ok(volume_read(fixture->volume, fixture_addr(0), bytes, CACHE_NODE, 1));
	node_set_owner(bytes, BTRFS_EXTENT_TREE_OBJECTID);
	node_csum_update(&fixture->config.geometry, bytes);
	assert_ok(volume_write(fixture->volume, fixture_addr(0), bytes, CACHE_NODE));
	fixture_reload(fixture);
	assert_int_equal(node_get(fixture->cache, fixture_addr(0), &expect, &node),
			 -ERR_NODE_UNEXPECTED);
	/* Any subvolume will do. */
	assert_ok(node_get(fixture->cache, fixture_addr(1), &expect, &node));
	node_put(node);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_read__next_mirror_answers),
		cmocka_unit_test(test_node_read__failed_read_leaves_the_index),
		cmocka_unit_test(test_node_read__device_errors),
		cmocka_unit_test(test_node_read__other_filesystem_is_refused),
		cmocka_unit_test(test_node_read__blocks_of_a_seed_are_taken),
		cmocka_unit_test(test_node_read__contents_are_validated),
		cmocka_unit_test(test_node_read__a_block_of_another_kind_of_tree_is_refused),
	};

	/* The cache warns about every bad copy. */
	log_set_level(LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
