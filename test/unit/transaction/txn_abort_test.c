/*
 * txn_abort: law L6, abort is a state with one sticky cause, and everything after it fails with
 * that cause.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <string.h>

#include "base/log.h"
#include "transaction/transaction.h"

static void drop_line(void *arg, enum log_level level, const char *text)
{
	unsigned *nr_told = arg;

	(void)text;
	*nr_told += level == LOG_LEVEL_INFO;
}

static void assert_cause(int ret, const char *words)
{
	assert_int_equal(ret, -ERR_TXN_ABORTED);
	if (!strstr(err_text(ret), words))
		fail_msg("\"%s\" does not say \"%s\"", err_text(ret), words);
}

static void test_txn_abort__the_first_cause_stays(void **state)
{
	unsigned nr_told = 0;
	const struct log_sink sink = { drop_line, &nr_told };
	struct txn *txn;

	(void)state;
	log_set_sink(&sink);
	log_set_level(
		LOG_LEVEL_INFO); /* the cause is told once, as a fact; the caller has the error */
	assert_int_equal(txn_new(6, &txn), 0);
	assert_int_equal(txn_join(txn), 0);
	assert_int_equal(txn_abort(txn, THROW(ERR_CORRUPT, "leaf 4096 slot 3"),
				   "inserting an item"),
			 -ERR_CORRUPT);
	assert_int_equal(txn_abort(txn, THROW(ERR_NO_MEMORY, "another"), "something else"),
			 -ERR_NO_MEMORY);
	/* Also after other failures in this thread. */
	(void)!THROW(ERR_INVALID, "unrelated");
	assert_cause(txn_check(txn),
		     "generation 7 was aborted: inserting an item: leaf 4096 slot 3");
	assert_cause(txn_join(txn), "inserting an item: leaf 4096 slot 3");
	txn_leave(txn);
	assert_cause(txn_block(txn), "inserting an item: leaf 4096 slot 3");
	txn_start_commit(txn);
	txn_next(txn);
	/* No later step makes it open again. */
	assert_int_equal(txn->state, TXN_ABORTED);
	assert_int_equal(txn->generation, 7);
	assert_int_equal(txn->cause.err, -ERR_CORRUPT);
	assert_cause(txn_join(txn), "leaf 4096 slot 3");
	assert_int_equal(nr_told, 1);
	txn_free(txn);
	log_set_level(LOG_LEVEL_WARN);
	log_set_sink(NULL);
}

static void test_txn_abort__from_each_state(void **state)
{
	unsigned nr_told = 0;
	const struct log_sink sink = { drop_line, &nr_told };

	(void)state;
	log_set_sink(&sink);
	log_set_level(
		LOG_LEVEL_INFO); /* the cause is told once, as a fact; the caller has the error */
	for (unsigned steps = 0; steps < 3; steps++) {
		struct txn *txn;

		assert_int_equal(txn_new(0, &txn), 0);
		if (steps > 0)
			assert_int_equal(txn_block(txn), 0);
		if (steps > 1)
			txn_start_commit(txn);
		assert_int_equal(txn_abort(txn, -EIO, "a write"), -EIO);
		if (steps == 1)
			txn_start_commit(txn);
		txn_next(txn);
		assert_int_equal(txn->state, TXN_ABORTED);
		assert_cause(txn_check(txn), "a write: ");
		txn_free(txn);
	}
	assert_int_equal(nr_told, 3);
	log_set_level(LOG_LEVEL_WARN);
	log_set_sink(NULL);
}

static void *join_expecting_abort(void *arg)
{
	int ret = txn_join(arg);

	return ret == -ERR_TXN_ABORTED && strstr(err_text(ret), "a device failed") ? arg : NULL;
}

static void test_txn_abort__wakes_joins_that_wait_for_the_commit(void **state)
{
	unsigned nr_told = 0;
	const struct log_sink sink = { drop_line, &nr_told };
	pthread_t threads[3];
	struct txn *txn;

	(void)state;
	log_set_sink(&sink);
	log_set_level(
		LOG_LEVEL_INFO); /* the cause is told once, as a fact; the caller has the error */
	assert_int_equal(txn_new(0, &txn), 0);
	assert_int_equal(txn_block(txn), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, join_expecting_abort, txn), 0);
	txn_start_commit(txn);
	txn_abort(txn, THROW(ERR_DEVICE_IO, "a device failed"), "writing nodes");
	for (unsigned i = 0; i < 3; i++) {
		void *ret;

		assert_int_equal(pthread_join(threads[i], &ret), 0);
		assert_ptr_equal(ret, txn);
	}
	txn_free(txn);
	log_set_level(LOG_LEVEL_WARN);
	log_set_sink(NULL);
}

static void *abort_and_leave(void *arg)
{
	txn_abort(arg, THROW(ERR_CORRUPT, "found in a thread"), "an operation");
	txn_leave(arg);
	return NULL;
}

static void test_txn_abort__a_blocked_commit_learns_of_it(void **state)
{
	unsigned nr_told = 0;
	const struct log_sink sink = { drop_line, &nr_told };
	pthread_t thread;
	struct txn *txn;

	(void)state;
	log_set_sink(&sink);
	log_set_level(
		LOG_LEVEL_INFO); /* the cause is told once, as a fact; the caller has the error */
	assert_int_equal(txn_new(0, &txn), 0);
	assert_int_equal(txn_join(txn), 0);
	assert_int_equal(pthread_create(&thread, NULL, abort_and_leave, txn), 0);
	assert_cause(txn_block(txn), "an operation: found in a thread");
	assert_int_equal(txn->nr_handles, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	txn_free(txn);
	log_set_level(LOG_LEVEL_WARN);
	log_set_sink(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_txn_abort__the_first_cause_stays),
		cmocka_unit_test(test_txn_abort__from_each_state),
		cmocka_unit_test(test_txn_abort__wakes_joins_that_wait_for_the_commit),
		cmocka_unit_test(test_txn_abort__a_blocked_commit_learns_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
