/*
 * Node ids: the same both ways, different for different nodes, also where arithmetic does not reach;
 * and who has to let go of what was kept.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "fuse/node_ids.h"

#define TOP_SUBVOL 257u

struct released {
	struct ubtrfs_node nodes[8];
	unsigned nr;
};

static void note_release(void *ctx, struct ubtrfs_node node)
{
	struct released *released = ctx;

	released->nodes[released->nr++] = node;
}

static const struct ubtrfs_node nodes[] = {
	{ TOP_SUBVOL, 256 },
	{ TOP_SUBVOL, 2 },
	{ TOP_SUBVOL, 257 },
	{ TOP_SUBVOL, ((uint64_t)1 << 43) - 1 },
	{ TOP_SUBVOL, (uint64_t)1 << 43 },
	{ TOP_SUBVOL, UINT64_MAX - 255 },
	{ TOP_SUBVOL, 1 },
	{ TOP_SUBVOL, 0 },
	{ 5, 256 },
	{ 5, 257 },
	{ 5, ((uint64_t)1 << 43) - 1 },
	{ 5, (uint64_t)1 << 43 | 257 },
	{ 258, 256 },
	{ ((uint64_t)1 << 20) - 1, ((uint64_t)1 << 43) - 1 },
	{ (uint64_t)1 << 20, 256 },
	{ UINT64_MAX - 256, 256 },
	{ 0, 257 },
};

static void test_node_ids__go_both_ways(void **state)
{
	uint64_t ids[ARRAY_LEN(nodes)];
	struct node_ids table;

	(void)state;
	node_ids_init(&table, TOP_SUBVOL);
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		struct ubtrfs_node back;

		assert_int_equal(node_id_of(&table, nodes[i], &ids[i]), 0);
		assert_int_equal(node_of_id(&table, ids[i], &back), 0);
		assert_true(back.subvolid == nodes[i].subvolid && back.ino == nodes[i].ino);
		assert_true(ids[i] != 0);
		for (size_t j = 0; j < i; j++)
			assert_true(ids[i] != ids[j]);
	}
	/* Again, and in another order: the same. */
	for (size_t i = ARRAY_LEN(nodes); i-- > 0;) {
		uint64_t id;

		assert_int_equal(node_id_of(&table, nodes[i], &id), 0);
		assert_true(id == ids[i]);
	}
	node_ids_fini(&table, note_release, NULL);
}

static void test_node_ids__are_inode_numbers(void **state)
{
	struct node_ids table;
	struct ubtrfs_node node;
	uint64_t id;

	(void)state;
	node_ids_init(&table, TOP_SUBVOL);
	assert_int_equal(node_id_of(&table, (struct ubtrfs_node){ TOP_SUBVOL, 256 }, &id), 0);
	assert_true(id == NODE_ID_TOP);
	assert_true(node_id_ino(&table, id) == 256);
	assert_int_equal(node_id_of(&table, (struct ubtrfs_node){ TOP_SUBVOL, 4711 }, &id), 0);
	assert_true(node_id_ino(&table, id) == 4711);
	/* An id that nobody was given. */
	assert_true(node_of_id(&table, (uint64_t)1 << 63 | 5, &node) < 0);
	node_ids_fini(&table, note_release, NULL);
}

static void test_node_ids__many_wide_ones(void **state)
{
	struct node_ids table;
	uint64_t id;

	(void)state;
	node_ids_init(&table, TOP_SUBVOL);
	for (uint64_t i = 0; i < 3000; i++) {
		struct ubtrfs_node node = { 5, (uint64_t)1 << 50 | i }, back;

		assert_int_equal(node_id_of(&table, node, &id), 0);
		assert_int_equal(node_of_id(&table, id, &back), 0);
		assert_true(back.ino == node.ino);
	}
	node_ids_fini(&table, note_release, NULL);
}

static void test_node_ids__the_last_forget_lets_go(void **state)
{
	const struct ubtrfs_node kept = { TOP_SUBVOL, 300 }, left = { TOP_SUBVOL, 301 };
	struct released released = { .nr = 0 };
	struct node_ids table;

	(void)state;
	node_ids_init(&table, TOP_SUBVOL);
	/* The kernel does not know it: the hold is the caller's to give back. */
	assert_false(node_id_keep(&table, 300));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(node_id_looked_up(&table, 300, kept), 0);
	assert_true(node_id_keep(&table, 300));
	assert_false(node_id_keep(&table, 300));
	assert_false(node_id_forget(&table, 300, 4));
	assert_int_equal(node_id_looked_up(&table, 300, kept), 0);
	assert_false(node_id_forget(&table, 300, 1));
	assert_true(node_id_forget(&table, 300, 1));
	assert_false(node_id_forget(&table, 300, 1));
	/* What was never kept is just forgotten. */
	assert_int_equal(node_id_looked_up(&table, 300, kept), 0);
	assert_false(node_id_forget(&table, 300, 1));
	/* At the end what is kept is let go of. */
	assert_int_equal(node_id_looked_up(&table, 300, kept), 0);
	assert_int_equal(node_id_looked_up(&table, 301, left), 0);
	assert_true(node_id_keep(&table, 301));
	node_ids_fini(&table, note_release, &released);
	assert_int_equal(released.nr, 1);
	assert_true(released.nodes[0].ino == 301);
}

/* Directories in place of subvolumes: one inode, each with an id of its own that stays. */
static void test_node_ids__of_absent_subvolumes(void **state)
{
	const struct ubtrfs_node dirs[] = { { TOP_SUBVOL, 256 }, { TOP_SUBVOL, 300 }, { 5, 256 } };
	static const char *const names[] = { "a", "b", "" };
	struct node_ids table;
	uint64_t ids[9];
	unsigned nr = 0;

	(void)state;
	node_ids_init(&table, TOP_SUBVOL);
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < 9; i++) {
			const struct ubtrfs_node dir = dirs[i / 3];
			const char *name = names[i % 3];
			struct ubtrfs_node back;
			uint64_t id;

			assert_int_equal(node_id_of_absent(&table, dir, name, strlen(name), &id),
					 0);
			assert_true(round == 0 || id == ids[i]);
			for (unsigned j = 0; round == 0 && j < nr; j++)
				assert_true(id != ids[j]);
			ids[i] = id;
			nr += round == 0;
			assert_int_equal(node_of_id(&table, id, &back), 0);
			assert_true(back.subvolid == dir.subvolid && back.ino == NODE_INO_ABSENT);
			assert_true(node_id_ino(&table, id) ==
				    (dir.subvolid == TOP_SUBVOL ? 2 : dir.subvolid << 43 | 2));
		}
	/* Where the subvolume does not fit in they share one. */
	assert_int_equal(node_id_of_absent(&table, (struct ubtrfs_node){ 1 << 20, 256 }, "a", 1,
					   &ids[0]),
			 0);
	assert_int_equal(node_id_of_absent(&table, (struct ubtrfs_node){ 1 << 20, 256 }, "b", 1,
					   &ids[1]),
			 0);
	assert_true(ids[0] == ids[1]);
	node_ids_fini(&table, note_release, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_ids__go_both_ways),
		cmocka_unit_test(test_node_ids__of_absent_subvolumes),
		cmocka_unit_test(test_node_ids__are_inode_numbers),
		cmocka_unit_test(test_node_ids__many_wide_ones),
		cmocka_unit_test(test_node_ids__the_last_forget_lets_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
