/*
 * Many trees: found again after loading, created and dropped, saved once and only when they
 * changed; references between subvolumes and the uuid tree.
 */
#include "tree/tree_fixture.h"

#include <pthread.h>

#include "root/root.h"

static struct root_table *new_table(struct fixture *fixture)
{
	struct root_table_config config = {
		.cache = fixture->cache,
		.shared_policy = &fixture_policy,
		.private_policy = &fixture_policy,
		.policy_ctx = fixture,
	};
	struct root_table *table;

	assert_ok(root_table_new(&config, &table));
	return table;
}

static void put(struct fixture *fixture, struct root *root, uint64_t nr)
{
	struct key key = fixture_key(nr);

	assert_ok(tree_insert(fixture->txn, &root->tree, &key, &nr, sizeof(nr)));
}

static struct root_table *first_table(struct fixture *fixture)
{
	struct root_table *table = new_table(fixture);

	for (uint64_t id = BTRFS_ROOT_TREE_OBJECTID; id <= BTRFS_CHUNK_TREE_OBJECTID; id += 2)
		assert_ok(tree_create_root(fixture->txn, &root_peek(table, id)->tree));
	/* An empty chunk tree is damage, and not written. */
	put(fixture, root_peek(table, BTRFS_CHUNK_TREE_OBJECTID), 1);
	return table;
}

static void commit(struct fixture *fixture, struct root_table *table, uint8_t *super)
{
	bool changed;

	assert_ok(root_table_save(fixture->txn, table, &changed));
	assert_ok(root_table_save(fixture->txn, table, &changed));
	assert_false(changed);
	root_table_fill_super(table, super);
	fixture_commit(fixture);
}

static struct root_table *reload(struct fixture *fixture, struct root_table *table,
				 const uint8_t *super)
{
	root_table_free(table);
	fixture_reload(fixture);
	table = new_table(fixture);
	assert_ok(root_table_load(table, super));
	return table;
}

static bool has(struct root *root, uint64_t nr)
{
	struct key key = fixture_key(nr);
	uint64_t value = 0;
	uint32_t len;

	return tree_lookup(&root->tree, &key, &value, sizeof(value), &len) == 0 && value == nr;
}

static void test_root_table__found_after_loading(void **state)
{
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	uint8_t super[SUPER_SIZE] = { 0 }, item[ROOT_ITEM_SIZE] = { 0 };
	struct root *root;

	(void)state;
	root_item_set_root_dirid(item, 256);
	root_item_set_refs(item, 1);
	memcpy(root_item_uuid_mut(item), "uuid of a tree!", 16);
	for (uint64_t id = 300; id < 340; id++) {
		assert_ok(root_create(fixture->txn, table, id, item, &root));
		put(fixture, root, id);
	}
	assert_int_equal(root_create(fixture->txn, table, 310, item, &root), -ERR_EXISTS);
	commit(fixture, table, super);
	table = reload(fixture, table, super);
	assert_null(root_peek(table, 310));
	assert_int_equal(root_create(fixture->txn, table, 310, item, &root), -ERR_EXISTS);
	for (uint64_t id = 300; id < 340; id++) {
		struct root *again;

		assert_ok(root_get(table, id, &root));
		assert_ok(root_get(table, id, &again));
		assert_ptr_equal(root, again);
		assert_true(has(root, id));
		assert_memory_equal(root_item_uuid(root->item), "uuid of a tree!", 16);
		assert_int_equal(root->tree.class, TREE_SHARED);
	}
	assert_int_equal(root_get(table, 299, &root), -ERR_NOT_FOUND);
	root_table_free(table);
	fixture_free(fixture);
}

static void test_root_table__saves_what_changed(void **state)
{
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	uint8_t super[SUPER_SIZE] = { 0 };
	struct root *one, *two;
	uint64_t root_addr;
	bool changed;

	(void)state;
	assert_ok(root_create(fixture->txn, table, BTRFS_FS_TREE_OBJECTID, NULL, &one));
	assert_ok(root_create(fixture->txn, table, BTRFS_CSUM_TREE_OBJECTID, NULL, &two));
	assert_int_equal(two->tree.class, TREE_PRIVATE);
	put(fixture, one, 1);
	commit(fixture, table, super);
	assert_int_equal(super_generation(super), 2);
	assert_int_equal(root_item_generation(one->item), 2);
	root_addr = super_root(super);
	assert_ok(root_table_save(fixture->txn, table, &changed));
	assert_false(changed);
	put(fixture, two, 1);
	commit(fixture, table, super);
	assert_true(super_root(super) != root_addr);
	assert_int_equal(root_item_generation(one->item), 2);
	assert_int_equal(root_item_generation(two->item), 3);
	assert_int_equal(root_item_generation_v2(two->item), 3);
	/* Only the item. */
	root_item_set_flags(one->item, BTRFS_ROOT_SUBVOL_RDONLY);
	one->item_dirty = true;
	commit(fixture, table, super);
	table = reload(fixture, table, super);
	assert_ok(root_get(table, BTRFS_FS_TREE_OBJECTID, &one));
	assert_int_equal(root_item_flags(one->item), BTRFS_ROOT_SUBVOL_RDONLY);
	assert_int_equal(root_item_generation(one->item), 2);
	root_table_free(table);
	fixture_free(fixture);
}

struct ids {
	uint64_t ids[16];
	unsigned nr;
};

static int note_id(void *ctx, uint64_t objectid)
{
	struct ids *ids = ctx;

	ids->ids[ids->nr++] = objectid;
	return 0;
}

static void test_root_table__subvolume_ids(void **state)
{
	static const uint64_t made[] = { BTRFS_FS_TREE_OBJECTID, BTRFS_UUID_TREE_OBJECTID, 256, 400,
					 BTRFS_DATA_RELOC_TREE_OBJECTID };
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	struct ids ids = { .nr = 0 };
	struct root *root;
	uint64_t id;

	(void)state;
	assert_ok(root_next_id(table, &id));
	assert_int_equal(id, 256);
	for (unsigned i = 0; i < ARRAY_LEN(made); i++)
		assert_ok(root_create(fixture->txn, table, made[i], NULL, &root));
	assert_int_equal(root->tree.class, TREE_PRIVATE);
	assert_ok(root_next_id(table, &id));
	assert_int_equal(id, 401);
	assert_ok(root_each_subvolume(table, note_id, &ids));
	assert_int_equal(ids.nr, 3);
	assert_int_equal(ids.ids[0], 5);
	assert_int_equal(ids.ids[1], 256);
	assert_int_equal(ids.ids[2], 400);
	assert_ok(root_get(table, 256, &root));
	assert_ok(tree_destroy(fixture->txn, &root->tree));
	assert_ok(root_drop(fixture->txn, table, root));
	assert_int_equal(root_get(table, 256, &root), -ERR_NOT_FOUND);
	root_table_free(table);
	fixture_free(fixture);
}

static void test_root_ref__both_or_none(void **state)
{
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	struct key half = KEY(5, BTRFS_ROOT_REF_KEY, 258);
	uint64_t parent, dirid;
	char name[256];

	(void)state;
	assert_ok(root_ref_add(fixture->txn, table, 5, 256, 257, 9, "child", 5));
	assert_int_equal(root_ref_add(fixture->txn, table, 5, 256, 258, 9, "twice", 5),
			 -ERR_KEY_EXISTS);
	assert_ok(root_ref_find_parent(table, 256, &parent, &dirid, name));
	assert_int_equal(parent, 5);
	assert_int_equal(dirid, 257);
	assert_string_equal(name, "child");
	assert_int_equal(root_ref_find_parent(table, 257, &parent, &dirid, name), -ERR_NOT_FOUND);
	/* A damaged tree has one of them already: the other does not stay. */
	assert_ok(tree_insert(fixture->txn, &root_peek(table, BTRFS_ROOT_TREE_OBJECTID)->tree,
			      &half, name, 20));
	assert_int_equal(root_ref_add(fixture->txn, table, 5, 258, 257, 9, "half", 4),
			 -ERR_KEY_EXISTS);
	assert_int_equal(root_ref_find_parent(table, 258, &parent, &dirid, name), -ERR_NOT_FOUND);
	root_table_free(table);
	fixture_free(fixture);
}

static void test_uuid_tree__several_subvolumes(void **state)
{
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	const uint8_t uuid[16] = "0123456789abcde";
	struct key key = KEY(load64(uuid), BTRFS_UUID_KEY_RECEIVED_SUBVOL, load64(uuid + 8));
	struct root *root;
	uint8_t item[64];
	uint32_t len;

	(void)state;
	assert_ok(uuid_tree_add(fixture->txn, table, uuid, BTRFS_UUID_KEY_RECEIVED_SUBVOL, 256));
	assert_ok(uuid_tree_add(fixture->txn, table, uuid, BTRFS_UUID_KEY_RECEIVED_SUBVOL, 300));
	assert_ok(uuid_tree_add(fixture->txn, table, uuid, BTRFS_UUID_KEY_RECEIVED_SUBVOL, 256));
	assert_ok(root_get(table, BTRFS_UUID_TREE_OBJECTID, &root));
	assert_ok(tree_lookup(&root->tree, &key, item, sizeof(item), &len));
	assert_int_equal(len, 16);
	assert_int_equal(load64(item), 256);
	assert_int_equal(load64(item + 8), 300);
	root_table_free(table);
	fixture_free(fixture);
}

#define NR_RACES 500

/* Another thread that sees a core tree the moment it is in the table, without its lock. */
struct race {
	struct root_table *table;
	atomic_bool looks;
};

static void *race_see(void *ctx)
{
	struct race *race = ctx;
	struct root *root;

	atomic_store(&race->looks, true);
	do {
		root = root_peek(race->table, BTRFS_CSUM_TREE_OBJECTID);
	} while (!root);
	return root->tree.root_addr ? root : NULL;
}

static void test_root_table__seen_when_all_is_there(void **state)
{
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	uint8_t super[SUPER_SIZE] = { 0 };
	struct root *root;

	(void)state;
	assert_ok(root_create(fixture->txn, table, BTRFS_CSUM_TREE_OBJECTID, NULL, &root));
	put(fixture, root, 7);
	commit(fixture, table, super);
	for (unsigned i = 0; i < NR_RACES; i++) {
		struct race race = { .looks = false };
		pthread_t thread;
		void *seen;

		race.table = table = reload(fixture, table, super);
		assert_int_equal(pthread_create(&thread, NULL, race_see, &race), 0);
		while (!atomic_load(&race.looks))
			;
		assert_ok(root_get(table, BTRFS_CSUM_TREE_OBJECTID, &root));
		assert_int_equal(pthread_join(thread, &seen), 0);
		assert_ptr_equal(seen, root);
	}
	root_table_free(table);
	fixture_free(fixture);
}

/* A mutant had a root item with address 0: the first search ended in an assertion. */
static void test_root_table__an_item_without_a_root_is_damage(void **state)
{
	struct fixture *fixture = fixture_new(4096, 16 * MIB);
	struct root_table *table = first_table(fixture);
	uint8_t item[ROOT_ITEM_SIZE] = { 0 }, super[SUPER_SIZE] = { 0 };
	struct key key = KEY(300, BTRFS_ROOT_ITEM_KEY, 0);
	struct tree *root_tree = &root_peek(table, BTRFS_ROOT_TREE_OBJECTID)->tree;
	struct root *root;

	(void)state;
	root_item_set_refs(item, 1);
	root_item_set_generation(item, 1);
	assert_ok(tree_insert(fixture->txn, root_tree, &key, item, sizeof(item)));
	assert_int_equal(root_get(table, 300, &root), -ERR_CORRUPT);
	assert_non_null(strstr(err_last_text(), "tree 300"));
	root_item_set_bytenr(item, 4096);
	root_item_set_level(item, 8);
	key.objectid = 301;
	assert_ok(tree_insert(fixture->txn, root_tree, &key, item, sizeof(item)));
	assert_int_equal(root_get(table, 301, &root), -ERR_CORRUPT);
	root_table_fill_super(table, super);
	super_set_root(super, 0);
	assert_int_equal(root_table_load(table, super), -ERR_CORRUPT);
	root_table_free(table);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_table__an_item_without_a_root_is_damage),
		cmocka_unit_test(test_root_table__seen_when_all_is_there),
		cmocka_unit_test(test_root_table__found_after_loading),
		cmocka_unit_test(test_root_table__saves_what_changed),
		cmocka_unit_test(test_root_table__subvolume_ids),
		cmocka_unit_test(test_root_ref__both_or_none),
		cmocka_unit_test(test_uuid_tree__several_subvolumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
