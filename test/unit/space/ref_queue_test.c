/*
 * ref_queue: law L3, one record per extent and one net count per key; adds and drops cancel in
 * whatever order they come.
 */
#include "space/space_fixture.h"

#include "base/fault.h"
#include "base/rng.h"

struct queue_fixture {
	struct fixture base;
	struct block_group *group;
	struct ref_queue *queue;
};

static void queue_init(struct queue_fixture *fixture)
{
	fixture_init(&fixture->base, 1, GIB);
	fixture->group = fixture_group(&fixture->base, 32 * MIB, MIB, BTRFS_BLOCK_GROUP_METADATA);
	fixture->queue = space_ref_queue(fixture->base.space);
}

static uint64_t alloc_node(struct queue_fixture *fixture)
{
	uint64_t addr;

	assert_int_equal(space_alloc_node(fixture->base.space, SPACE_METADATA, 0, &addr), 0);
	return addr;
}

static struct ref_request tree_ref(uint64_t addr, uint64_t root, int64_t delta)
{
	return (struct ref_request){ .addr = addr,
				     .len_bytes = FIXTURE_NODE,
				     .metadata = true,
				     .level = 1,
				     .key = { .type = REF_TREE, .root = root },
				     .delta = delta };
}

static int push_tree(struct queue_fixture *fixture, uint64_t addr, uint64_t root, int64_t delta)
{
	struct ref_request request = tree_ref(addr, root, delta);

	return ref_queue_push(fixture->queue, &request);
}

static int push_born(struct queue_fixture *fixture, uint64_t addr, uint64_t root)
{
	struct ref_request request = tree_ref(addr, root, 1);

	request.born = true;
	request.generation = 7;
	return ref_queue_push(fixture->queue, &request);
}

static void test_ref_queue__equal_keys_cancel_in_any_order(void **state)
{
	struct queue_fixture fixture;

	(void)state;
	queue_init(&fixture);
	/* Add, drop; drop, add; and a longer one. */
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, -1), 0);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, -1), 0);
	assert_int_equal(ref_queue_pending(fixture.queue, MIB), -1);
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), 0);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, -1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, -1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 6, 1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, 2), 0);
	assert_int_equal(ref_queue_pending(fixture.queue, MIB), 1);
	assert_int_equal(push_tree(&fixture, MIB, 6, -1), 0);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	assert_int_equal(ref_queue_pending(fixture.queue, MIB), 0);
	assert_null(ref_queue_take(fixture.queue, 0));
	fixture_fini(&fixture.base);
}

static void test_ref_queue__adds_before_drops(void **state)
{
	static const struct {
		uint64_t root;
		int64_t delta;
	} want[] = { { 7, 2 }, { 9, 1 }, { 5, -1 }, { 8, -3 } };
	struct queue_fixture fixture;
	struct ref_record *record;
	struct link *link;

	(void)state;
	queue_init(&fixture);
	assert_int_equal(push_tree(&fixture, MIB, 8, -3), 0);
	assert_int_equal(push_tree(&fixture, MIB, 9, 1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, -1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 7, 2), 0);
	record = ref_queue_take(fixture.queue, 0);
	assert_non_null(record);
	assert_int_equal(record->net, -1);
	assert_int_equal(record->level, 1);
	link = list_first(&record->changes);
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		const struct ref_change *change = list_entry(link, struct ref_change, link);

		assert_int_equal(change->key.root, want[i].root);
		assert_int_equal(change->delta, want[i].delta);
		link = list_next(&record->changes, link);
	}
	assert_null(link);
	ref_record_free(record);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__born_and_come_to_nothing(void **state)
{
	struct queue_fixture fixture;
	struct ref_request drop;
	uint64_t addr;

	(void)state;
	queue_init(&fixture);
	addr = alloc_node(&fixture);
	assert_int_equal(push_born(&fixture, addr, 5), 0);
	assert_int_equal(push_tree(&fixture, addr, 5, -1), 0);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	assert_int_equal(fixture.group->reserved_bytes + fixture.group->pinned_bytes, 0);
	/* Given back, so it may be born again, even in the same transaction. */
	assert_int_equal(alloc_node(&fixture), addr);
	assert_int_equal(push_born(&fixture, addr, 5), 0);
	/* This time its bytes have reached a device before it is freed. */
	drop = tree_ref(addr, 5, -1);
	drop.written = true;
	assert_int_equal(ref_queue_push(fixture.queue, &drop), 0);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	assert_int_equal(fixture.group->pinned_bytes, FIXTURE_NODE);
	assert_int_not_equal(alloc_node(&fixture), addr);
	assert_int_equal(space_audit(fixture.base.space), 0);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__a_moved_owner_is_not_nothing(void **state)
{
	struct queue_fixture fixture;
	struct ref_record *record;
	uint64_t addr;

	(void)state;
	queue_init(&fixture);
	addr = alloc_node(&fixture);
	assert_int_equal(push_born(&fixture, addr, 5), 0);
	assert_int_equal(push_tree(&fixture, addr, 256, 1), 0);
	assert_int_equal(push_tree(&fixture, addr, 5, -1), 0);
	assert_int_equal(fixture.group->reserved_bytes, FIXTURE_NODE);
	record = ref_queue_take(fixture.queue, 0);
	assert_true(record->born);
	assert_int_equal(record->generation, 7);
	assert_int_equal(record->net, 1);
	assert_int_equal(
		list_entry(list_first(&record->changes), struct ref_change, link)->key.root, 256);
	ref_record_free(record);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__never_holds_two_lives(void **state)
{
	struct queue_fixture fixture;
	struct ref_request request;
	uint64_t addr;

	(void)state;
	queue_init(&fixture);
	addr = alloc_node(&fixture);
	/* An old life waits to be dropped. */
	assert_int_equal(push_tree(&fixture, addr, 5, -1), 0);
	assert_int_equal(push_born(&fixture, addr, 6), -ERR_CORRUPT);
	assert_int_equal(ref_queue_pending(fixture.queue, addr), -1);
	/* What disagrees about the extent is of another life too. */
	request = tree_ref(addr, 5, 1);
	request.level = 0;
	assert_int_equal(ref_queue_push(fixture.queue, &request), -ERR_CORRUPT);
	request = tree_ref(addr, 5, 1);
	request.len_bytes = 4096;
	assert_int_equal(ref_queue_push(fixture.queue, &request), -ERR_CORRUPT);
	request = tree_ref(addr, 5, 1);
	request.metadata = false;
	request.level = 0;
	request.key.type = REF_DATA;
	assert_int_equal(ref_queue_push(fixture.queue, &request), -ERR_CORRUPT);
	assert_int_equal(ref_queue_pending(fixture.queue, addr), -1);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__freed_address_waits_for_the_commit(void **state)
{
	struct queue_fixture fixture;
	struct ref_record *record;
	uint64_t addr;

	(void)state;
	queue_init(&fixture);
	addr = alloc_node(&fixture);
	/* Born and run: the item is in the tree. Then dropped and run: the item is gone. */
	assert_int_equal(push_born(&fixture, addr, 5), 0);
	record = ref_queue_take(fixture.queue, 0);
	ref_record_free(record);
	assert_int_equal(space_account_used(fixture.base.space, addr, FIXTURE_NODE), 0);
	assert_int_equal(push_tree(&fixture, addr, 5, -1), 0);
	record = ref_queue_take(fixture.queue, 0);
	assert_false(record->born);
	ref_record_free(record);
	assert_int_equal(space_account_freed(fixture.base.space, addr, FIXTURE_NODE), 0);
	assert_int_not_equal(alloc_node(&fixture), addr);
	assert_int_equal(space_unpin(fixture.base.space, 1, UINT64_MAX), 0);
	assert_int_equal(alloc_node(&fixture), addr);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__flags_wait_with_the_record(void **state)
{
	struct queue_fixture fixture;
	struct ref_request request = tree_ref(MIB, 0, 0);
	struct ref_record *record;
	uint64_t addr;

	(void)state;
	queue_init(&fixture);
	request.set_flags = BTRFS_BLOCK_FLAG_FULL_BACKREF;
	assert_int_equal(ref_queue_push(fixture.queue, &request), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, -1), 0);
	record = ref_queue_take(fixture.queue, 0);
	assert_non_null(record);
	assert_int_equal(record->set_flags, BTRFS_BLOCK_FLAG_FULL_BACKREF);
	assert_true(list_is_empty(&record->changes));
	ref_record_free(record);
	/* A born extent that comes to nothing has no item for the flag. */
	addr = alloc_node(&fixture);
	assert_int_equal(push_born(&fixture, addr, 5), 0);
	request.addr = addr;
	assert_int_equal(ref_queue_push(fixture.queue, &request), 0);
	assert_int_equal(push_tree(&fixture, addr, 5, -1), 0);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__takes_in_order_and_wraps_once(void **state)
{
	static const uint64_t order[] = { 3, 4, 1, 2 };
	struct queue_fixture fixture;
	uint64_t from = 3 * MIB;

	(void)state;
	queue_init(&fixture);
	for (uint64_t i = 4; i > 0; i--)
		assert_int_equal(push_tree(&fixture, i * MIB, 5, 1), 0);
	for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
		struct ref_record *record = ref_queue_take(fixture.queue, from);

		assert_int_equal(record->addr, order[i] * MIB);
		from = record->addr + 1;
		ref_record_free(record);
	}
	assert_null(ref_queue_take(fixture.queue, 0));
	fixture_fini(&fixture.base);
}

static void test_ref_queue__stopped_refuses_by_law(void **state)
{
	struct queue_fixture fixture;

	(void)state;
	queue_init(&fixture);
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), 0);
	ref_queue_stop(fixture.queue);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	assert_null(ref_queue_take(fixture.queue, 0));
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), -ERR_TXN_ABORTED);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	fixture_fini(&fixture.base);
}

static void test_ref_queue__a_failed_allocation_changes_nothing(void **state)
{
	struct queue_fixture fixture;
	uint64_t addr;

	(void)state;
	queue_init(&fixture);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), -ERR_NO_MEMORY);
	assert_int_equal(ref_queue_nr(fixture.queue), 0);
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(push_tree(&fixture, MIB, 5, 1), 0);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(push_tree(&fixture, MIB, 6, 1), -ERR_NO_MEMORY);
	assert_int_equal(ref_queue_pending(fixture.queue, MIB), 1);
	fault_arm(FAULT_ALLOC, 0);
	/* Giving back fails: the record stays as it was, and the drop can be queued again. */
	addr = alloc_node(&fixture);
	alloc_node(&fixture);
	assert_int_equal(push_born(&fixture, addr, 5), 0);
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(push_tree(&fixture, addr, 5, -1), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(ref_queue_pending(fixture.queue, addr), 1);
	assert_int_equal(push_tree(&fixture, addr, 5, -1), 0);
	assert_int_equal(alloc_node(&fixture), addr);
	fixture_fini(&fixture.base);
}

static struct ref_key random_key(struct rng *rng)
{
	static const enum ref_type types[] = { REF_TREE, REF_TREE_SHARED, REF_DATA,
					       REF_DATA_SHARED };
	static const uint64_t values[] = { 0, 1, 2, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };

	return (struct ref_key){ .type = types[rng_below(rng, ARRAY_LEN(types))],
				 .root = values[rng_below(rng, ARRAY_LEN(values))],
				 .inode = values[rng_below(rng, ARRAY_LEN(values))],
				 .offset = values[rng_below(rng, ARRAY_LEN(values))] };
}

static bool keys_equal(const struct ref_key *a, const struct ref_key *b)
{
	return a->type == b->type && a->root == b->root && a->inode == b->inode &&
	       a->offset == b->offset;
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static void test_ref_queue__keys_have_a_strict_weak_order(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 3);
	for (unsigned i = 0; i < 200000; i++) {
		struct ref_key a = random_key(&rng), b = random_key(&rng), c = random_key(&rng);
		int ab = sign(ref_key_compare(&a, &b)), bc = sign(ref_key_compare(&b, &c));

		assert_int_equal(ref_key_compare(&a, &a), 0);
		assert_int_equal(ab, -sign(ref_key_compare(&b, &a)));
		assert_int_equal(ab == 0, keys_equal(&a, &b));
		if (ab == bc)
			assert_int_equal(sign(ref_key_compare(&a, &c)), ab);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref_queue__equal_keys_cancel_in_any_order),
		cmocka_unit_test(test_ref_queue__adds_before_drops),
		cmocka_unit_test(test_ref_queue__born_and_come_to_nothing),
		cmocka_unit_test(test_ref_queue__a_moved_owner_is_not_nothing),
		cmocka_unit_test(test_ref_queue__never_holds_two_lives),
		cmocka_unit_test(test_ref_queue__freed_address_waits_for_the_commit),
		cmocka_unit_test(test_ref_queue__flags_wait_with_the_record),
		cmocka_unit_test(test_ref_queue__takes_in_order_and_wraps_once),
		cmocka_unit_test(test_ref_queue__stopped_refuses_by_law),
		cmocka_unit_test(test_ref_queue__a_failed_allocation_changes_nothing),
		cmocka_unit_test(test_ref_queue__keys_have_a_strict_weak_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
