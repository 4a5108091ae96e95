/*
 * epoch: law L4, what a reader of a committed state can reach is not given out again before the
 * reader leaves.
 */
#include "base/cmocka_all.h"

#include <pthread.h>

#include "space/space_fixture.h"
#include "transaction/transaction.h"

static void commit(struct txn *txn)
{
	assert_int_equal(txn_block(txn), 0);
	txn_start_commit(txn);
	txn_next(txn);
}

static void test_epoch__the_oldest_reader_bounds(void **state)
{
	struct epoch a, b, c;
	struct txn *txn;

	(void)state;
	assert_int_equal(txn_new(9, &txn), 0);
	assert_int_equal(txn_epoch_oldest(txn), UINT64_MAX);
	assert_false(txn_epoch_ask_oldest(txn));
	txn_epoch_enter(txn, &a);
	assert_int_equal(a.generation, 9);
	commit(txn);
	txn_epoch_enter(txn, &b);
	/* While a commit is under way the state before it is the last durable one. */
	assert_int_equal(txn_block(txn), 0);
	txn_start_commit(txn);
	txn_epoch_enter(txn, &c);
	txn_next(txn);
	assert_int_equal(b.generation, 10);
	assert_int_equal(c.generation, 10);
	assert_int_equal(txn_epoch_oldest(txn), 9);
	txn_epoch_leave(txn, &a);
	assert_int_equal(txn_epoch_oldest(txn), 10);
	txn_epoch_leave(txn, &b);
	assert_int_equal(txn_epoch_oldest(txn), 10);
	txn_epoch_leave(txn, &c);
	assert_int_equal(txn_epoch_oldest(txn), UINT64_MAX);
	txn_free(txn);
}

static void test_epoch__only_the_oldest_are_asked_to_end(void **state)
{
	struct epoch a, b, c;
	struct txn *txn;

	(void)state;
	assert_int_equal(txn_new(1, &txn), 0);
	txn_epoch_enter(txn, &a);
	txn_epoch_enter(txn, &b);
	commit(txn);
	txn_epoch_enter(txn, &c);
	assert_int_equal(epoch_check(&a), 0);
	assert_true(txn_epoch_ask_oldest(txn));
	assert_int_equal(epoch_check(&a), -ERR_INTERRUPTED);
	assert_non_null(strstr(err_text(-ERR_INTERRUPTED), "generation 1"));
	assert_int_equal(epoch_check(&b), -ERR_INTERRUPTED);
	assert_int_equal(epoch_check(&c), 0);
	txn_epoch_leave(txn, &b);
	txn_epoch_leave(txn, &a);
	/* Renewed: it entered again at the newer state and nobody has asked it. */
	txn_epoch_enter(txn, &a);
	assert_int_equal(a.generation, 2);
	assert_int_equal(epoch_check(&a), 0);
	txn_epoch_leave(txn, &a);
	txn_epoch_leave(txn, &c);
	txn_free(txn);
}

/* One durable commit: what it pinned comes back unless a reader needs it. */
static void commit_and_unpin(struct txn *txn, struct space *space)
{
	uint64_t generation = txn->generation;

	commit(txn);
	space_set_generation(space, txn->generation);
	assert_int_equal(space_unpin(space, generation, txn_epoch_oldest(txn)), 0);
}

static void test_epoch__freed_space_is_kept_for_a_reader(void **state)
{
	struct fixture fixture;
	struct epoch epoch;
	struct txn *txn;
	uint64_t addr, again;

	(void)state;
	assert_int_equal(txn_new(0, &txn), 0);
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, 65536, BTRFS_BLOCK_GROUP_DATA);
	addr = fixture_alloc_used(&fixture, 32768);
	commit_and_unpin(txn, fixture.space);
	txn_epoch_enter(txn, &epoch);
	/* The reader can reach the extent. It is freed behind its back, and commits go by. */
	assert_int_equal(space_account_freed(fixture.space, addr, 32768), 0);
	for (unsigned i = 0; i < 3; i++) {
		commit_and_unpin(txn, fixture.space);
		again = fixture_alloc(&fixture, 32768);
		assert_int_not_equal(again, addr);
		assert_int_equal(space_give_back(fixture.space, again, 32768), 0);
	}
	txn_epoch_leave(txn, &epoch);
	commit_and_unpin(txn, fixture.space);
	assert_int_equal(fixture_alloc(&fixture, 32768), addr);
	assert_int_equal(space_audit(fixture.space), 0);
	fixture_fini(&fixture);
	txn_free(txn);
}

struct readers {
	struct txn *txn;
	_Atomic bool done;
	_Atomic bool wrong;
};

static void *read_often(void *arg)
{
	struct readers *readers = arg;

	while (!readers->done) {
		struct epoch epoch;

		txn_epoch_enter(readers->txn, &epoch);
		if (txn_epoch_oldest(readers->txn) > epoch.generation)
			readers->wrong = true;
		(void)!epoch_check(&epoch);
		txn_epoch_leave(readers->txn, &epoch);
	}
	return NULL;
}

static void test_epoch__readers_beside_commits(void **state)
{
	struct readers readers = { .done = false };
	pthread_t threads[3];

	(void)state;
	assert_int_equal(txn_new(0, &readers.txn), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, &readers), 0);
	for (unsigned i = 0; i < 500; i++) {
		commit(readers.txn);
		txn_epoch_ask_oldest(readers.txn);
	}
	readers.done = true;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(readers.wrong);
	txn_free(readers.txn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epoch__the_oldest_reader_bounds),
		cmocka_unit_test(test_epoch__only_the_oldest_are_asked_to_end),
		cmocka_unit_test(test_epoch__freed_space_is_kept_for_a_reader),
		cmocka_unit_test(test_epoch__readers_beside_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
