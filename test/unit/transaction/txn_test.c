/*
 * txn: who is inside; joins wait while a commit blocks, the commit waits for the handles; with
 * threads too.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>

#include "base/expect_abort.h"
#include "transaction/transaction.h"

#define THREADS 4
#define JOINS 2000
#define COMMITS 200

static void commit(struct txn *txn)
{
	assert_int_equal(txn_block(txn), 0);
	assert_int_equal(txn->state, TXN_BLOCKED);
	txn_start_commit(txn);
	assert_int_equal(txn->state, TXN_COMMITTING);
	txn_next(txn);
	assert_int_equal(txn->state, TXN_OPEN);
}

static void test_txn__generations_follow_the_committed_one(void **state)
{
	struct txn *txn;

	(void)state;
	assert_int_equal(txn_new(41, &txn), 0);
	assert_int_equal(txn->generation, 42);
	assert_int_equal(txn_join(txn), 0);
	assert_int_equal(txn_join(txn), 0);
	txn_leave(txn);
	txn_leave(txn);
	assert_int_equal(txn_check(txn), 0);
	commit(txn);
	assert_int_equal(txn->generation, 43);
	txn_free(txn);
	txn_free(NULL);
}

/* What the threads share: written only by handles (any number at once), or by the commit alone. */
struct shared {
	struct txn *txn;
	_Atomic int inside;
	_Atomic bool committing;
	uint64_t plain; /* changed by the commit only, read by handles: a race unless the states keep them apart */
	_Atomic bool wrong;
};

static void *join_and_leave(void *arg)
{
	struct shared *shared = arg;

	for (unsigned i = 0; i < JOINS; i++) {
		if (txn_join(shared->txn) < 0) {
			shared->wrong = true;
			return NULL;
		}
		shared->inside++;
		if (shared->committing || shared->plain + 1 != shared->txn->generation)
			shared->wrong = true;
		shared->inside--;
		txn_leave(shared->txn);
	}
	return NULL;
}

static void *commit_often(void *arg)
{
	struct shared *shared = arg;

	for (unsigned i = 0; i < COMMITS; i++) {
		if (txn_block(shared->txn) < 0)
			shared->wrong = true;
		shared->committing = true;
		if (shared->inside != 0)
			shared->wrong = true;
		txn_start_commit(shared->txn);
		shared->plain++;
		shared->committing = false;
		txn_next(shared->txn);
	}
	return NULL;
}

static void test_txn__nobody_is_inside_during_a_commit(void **state)
{
	struct shared shared = { .plain = 0 };
	pthread_t threads[THREADS + 1];

	(void)state;
	assert_int_equal(txn_new(0, &shared.txn), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, join_and_leave, &shared), 0);
	assert_int_equal(pthread_create(&threads[THREADS], NULL, commit_often, &shared), 0);
	for (unsigned i = 0; i <= THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(shared.wrong);
	assert_int_equal(shared.txn->generation, COMMITS + 1);
	txn_free(shared.txn);
}

static void *join_once(void *arg)
{
	struct shared *shared = arg;

	if (txn_join(shared->txn) < 0)
		shared->wrong = true;
	else
		txn_leave(shared->txn);
	return NULL;
}

static void test_txn__a_join_waits_for_the_next_generation(void **state)
{
	struct shared shared = { .plain = 0 };
	pthread_t thread;

	(void)state;
	assert_int_equal(txn_new(0, &shared.txn), 0);
	assert_int_equal(txn_block(shared.txn), 0);
	assert_int_equal(pthread_create(&thread, NULL, join_once, &shared), 0);
	txn_start_commit(shared.txn);
	mutex_lock(&shared.txn->lock);
	assert_int_equal(shared.txn->nr_handles, 0);
	mutex_unlock(&shared.txn->lock);
	txn_next(shared.txn);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_false(shared.wrong);
	txn_free(shared.txn);
}

static void leave_without_join(void *arg)
{
	txn_leave(arg);
}

static void free_with_a_handle(void *arg)
{
	if (txn_join(arg) == 0)
		txn_free(arg);
}

static void next_without_commit(void *arg)
{
	txn_next(arg);
}

static void test_txn__steps_out_of_order_are_our_mistake(void **state)
{
	char text[1024];
	struct txn *txn;

	(void)state;
	assert_int_equal(txn_new(0, &txn), 0);
	assert_true(expect_abort(leave_without_join, txn, text, sizeof(text)));
	assert_true(expect_abort(free_with_a_handle, txn, text, sizeof(text)));
	assert_true(expect_abort(next_without_commit, txn, text, sizeof(text)));
	txn_free(txn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_txn__generations_follow_the_committed_one),
		cmocka_unit_test(test_txn__nobody_is_inside_during_a_commit),
		cmocka_unit_test(test_txn__a_join_waits_for_the_next_generation),
		cmocka_unit_test(test_txn__steps_out_of_order_are_our_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
