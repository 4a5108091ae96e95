/*
 * Overlay and tree read as one: a random mixture of items in the tree, new, replaced and removed ones,
 * beside a plain array.
 *
 * All under the key of extended attributes of one file; neighbours of other types and inodes are there
 * to be met by mistake. Nothing is committed.
 */
#include "fs_fixture.h"

#include "base/rng.h"
#include "ops/ops.h"

#define TYPE BTRFS_XATTR_ITEM_KEY
#define NR_KEYS 3000u
#define STEP 3u /* offsets are its multiples, so that there is something between */

struct table {
	struct fs_fixture fx;
	struct inode *inode;
	struct rng rng;
	uint32_t value[NR_KEYS]; /* 0: no item */
	unsigned found, missed;
};

static uint64_t offset_of(unsigned key)
{
	return key == NR_KEYS - 1 ? UINT64_MAX : (uint64_t)key * STEP;
}

static void table_init(struct table *table, uint64_t seed)
{
	struct ubtrfs_node node;

	memset(table, 0, sizeof(*table));
	rng_init(&table->rng, seed);
	fixture_init(&table->fx);
	table->fx.mkfs.byte_count = 256 * MIB;
	table->fx.mkfs.nodesize = 4096;
	fixture_make(&table->fx);
	fixture_file(&table->fx, "before");
	node = fixture_file(&table->fx, "file");
	fixture_file(&table->fx, "behind");
	OK(node_inode(table->fx.fs, node, &table->inode));
}

static void table_fini(struct table *table)
{
	inode_put(table->inode);
	fixture_fini(&table->fx);
}

static void table_change(struct table *table)
{
	unsigned key = (unsigned)rng_below(&table->rng, NR_KEYS);
	uint32_t value = (uint32_t)rng_next(&table->rng) | 1;

	if (table->value[key] && rng_one_in(&table->rng, 2)) {
		OK(delayed_remove(table->inode, TYPE, offset_of(key)));
		value = 0;
	} else {
		OK(delayed_put(table->inode, TYPE, offset_of(key), &value, sizeof(value),
			       table->value[key]));
	}
	table->value[key] = value;
}

/* The key that the table has next to this one, itself included; NR_KEYS: none. */
static unsigned table_seek(const struct table *table, unsigned key, bool forward)
{
	while (key < NR_KEYS && !table->value[key])
		key = forward ? key + 1 : key - 1;
	return key < NR_KEYS ? key : NR_KEYS;
}

static void view_check(struct table *table, unsigned expected, int err,
		       const struct delayed_view *view)
{
	if (expected == NR_KEYS) {
		assert_int_equal(err, -ERR_KEY_NOT_FOUND);
		table->missed++;
		return;
	}
	OK(err);
	table->found++;
	assert_int_equal(view->key.objectid, table->inode->ino);
	assert_int_equal(view->key.type, TYPE);
	assert_true(view->key.offset == offset_of(expected));
	assert_int_equal(view->len, sizeof(uint32_t));
	assert_memory_equal(view->data, &table->value[expected], sizeof(uint32_t));
}

/* Between two keys, too. */
static void table_ask(struct table *table, struct delayed_view *view)
{
	unsigned key = (unsigned)rng_below(&table->rng, NR_KEYS - 1);
	unsigned within = (unsigned)rng_below(&table->rng, STEP);
	uint64_t offset = offset_of(key) + within;

	view_check(table, table_seek(table, within ? key + 1 : key, true),
		   delayed_next(table->inode, TYPE, offset, view), view);
	view_check(table, table_seek(table, key, false),
		   delayed_last(table->inode, TYPE, offset, view), view);
}

/* From one end to the other, with one view. */
static void table_walk(struct table *table)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	uint64_t offset = 0;

	for (unsigned key = 0;; key++) {
		int err = delayed_next(table->inode, TYPE, offset, &view);

		key = table_seek(table, key, true);
		view_check(table, key, err, &view);
		if (key == NR_KEYS || view.key.offset == UINT64_MAX)
			return;
		offset = view.key.offset + 1;
	}
}

static void table_run(uint64_t seed, unsigned flush_every)
{
	struct table table;

	table_init(&table, seed);
	for (unsigned step = 1; step <= 6000; step++) {
		table_change(&table);
		if (step % flush_every == 0)
			OK(inode_flush(table.fx.fs->core.txn, table.inode));
		if (step % 4 == 0) {
			SCOPED(delayed_view) struct delayed_view view = { 0 };

			for (unsigned i = 0; i < 4; i++)
				table_ask(&table, &view);
		}
		if (step % 1000 == 0)
			table_walk(&table);
	}
	assert_true(table.found > 5000);
	table_fini(&table);
}

static void test_delayed_view__as_one_sequence(void **state)
{
	(void)state;
	table_run(1, 100000); /* all in the overlay */
	table_run(2, 700);
	table_run(3, 40);
	table_run(4, 1); /* all in the tree */
}

/* What is all removed and not yet flushed has no items, in both directions. */
static void test_delayed_view__all_removed(void **state)
{
	struct table table;

	(void)state;
	table_init(&table, 5);
	for (unsigned i = 0; i < 300; i++)
		table_change(&table);
	OK(inode_flush(table.fx.fs->core.txn, table.inode));
	for (unsigned key = 0; key < NR_KEYS; key++) {
		if (table.value[key])
			OK(delayed_remove(table.inode, TYPE, offset_of(key)));
		table.value[key] = 0;
	}
	table.found = 0;
	table_walk(&table);
	for (unsigned i = 0; i < 100; i++) {
		SCOPED(delayed_view) struct delayed_view view = { 0 };

		table_ask(&table, &view);
	}
	assert_int_equal(table.found, 0);
	assert_int_equal(table.missed, 201);
	table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delayed_view__as_one_sequence),
		cmocka_unit_test(test_delayed_view__all_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
