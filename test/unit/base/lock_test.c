/* lock: a lock taken out of rank aborts and names both; the locks do lock. */
#include "base/cmocka_all.h"

#include "base/expect_abort.h"
#include "base/lock.h"

#ifdef UBTRFS_DEBUG

static char said[8192];

static void take_out_of_rank(void *arg)
{
	struct mutex low, high;

	(void)arg;
	mutex_init(&low, RANK_TXN, "the low one");
	mutex_init(&high, RANK_SPACE, "the high one");
	mutex_lock(&high);
	mutex_lock(&low);
}

static void test_lock__out_of_rank_aborts_naming_both(void **state)
{
	(void)state;
	assert_true(expect_abort(take_out_of_rank, NULL, said, sizeof(said)));
	assert_non_null(strstr(said, "takes the low one"));
	assert_non_null(strstr(said, "holding the high one"));
}

static void take_equal_rank(void *arg)
{
	struct rwlock a, b;
	const uint32_t *orders = arg;

	rwlock_init(&a, RANK_NODE, "a");
	rwlock_init(&b, RANK_NODE, "b");
	rwlock_set_order(&a, orders[0]);
	rwlock_set_order(&b, orders[1]);
	rwlock_write(&a);
	rwlock_write(&b);
	rwlock_unwrite(&b);
	rwlock_unwrite(&a);
}

static void test_lock__equal_rank_needs_ascending_orders(void **state)
{
	uint32_t none[] = { 0, 0 }, only_second[] = { 0, 1 }, down[] = { 3, 2 };
	uint32_t up[] = { 2, 3 }, equal[] = { 3, 3 };

	(void)state;
	assert_true(expect_abort(take_equal_rank, none, said, sizeof(said)));
	assert_true(expect_abort(take_equal_rank, only_second, said, sizeof(said)));
	assert_true(expect_abort(take_equal_rank, down, said, sizeof(said)));
	take_equal_rank(up);
	take_equal_rank(equal);
}

static void read_twice(void *arg)
{
	struct rwlock lock;

	(void)arg;
	rwlock_init(&lock, RANK_NODE, "a");
	rwlock_set_order(&lock, 1);
	rwlock_read(&lock);
	rwlock_read(&lock);
}

static void unlock_unheld(void *arg)
{
	struct mutex mutex;

	(void)arg;
	mutex_init(&mutex, RANK_LEAF, "never taken");
	mutex_unlock(&mutex);
}

static void assert_unheld(void *arg)
{
	struct mutex mutex;

	(void)arg;
	mutex_init(&mutex, RANK_LEAF, "never taken");
	mutex_assert_held(&mutex);
}

static void wait_inside_higher(void *arg)
{
	struct mutex low, high;
	struct cond cond;

	(void)arg;
	mutex_init(&low, RANK_TXN, "low");
	mutex_init(&high, RANK_SPACE, "high");
	cond_init(&cond);
	mutex_lock(&low);
	mutex_lock(&high);
	cond_wait(&cond, &low);
}

static void test_lock__misuse_aborts(void **state)
{
	(void)state;
	assert_true(expect_abort(read_twice, NULL, said, sizeof(said)));
	assert_true(expect_abort(unlock_unheld, NULL, said, sizeof(said)));
	assert_non_null(strstr(said, "never taken"));
	assert_true(expect_abort(assert_unheld, NULL, said, sizeof(said)));
	assert_true(expect_abort(wait_inside_higher, NULL, said, sizeof(said)));
}

#else

static void test_lock__release_locks_carry_nothing(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct mutex), sizeof(pthread_mutex_t));
	assert_int_equal(sizeof(struct rwlock), sizeof(pthread_rwlock_t));
}

#endif

static void test_lock__released_in_any_order(void **state)
{
	struct mutex a, b, c;

	(void)state;
	mutex_init(&a, RANK_TXN, "a");
	mutex_init(&b, RANK_SPACE, "b");
	mutex_init(&c, RANK_LEAF, "c");
	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&a);
	mutex_lock(&c);
	mutex_assert_held(&b);
	mutex_unlock(&b);
	mutex_unlock(&c);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_fini(&a);
	mutex_fini(&b);
	mutex_fini(&c);
}

static void test_lock__try_fails_when_taken(void **state)
{
	struct mutex mutex, low;
	struct rwlock lock;

	(void)state;
	mutex_init(&mutex, RANK_SPACE, "m");
	mutex_init(&low, RANK_TXN, "low");
	rwlock_init(&lock, RANK_LEAF, "l");
	assert_true(mutex_trylock(&mutex));
	assert_false(mutex_trylock(&mutex));
	/* A try does not wait, so it may go against the order. */
	assert_true(mutex_trylock(&low));
	mutex_unlock(&low);
	rwlock_read(&lock);
	assert_false(rwlock_try_write(&lock));
	rwlock_unread(&lock);
	assert_true(rwlock_try_write(&lock));
	rwlock_unwrite(&lock);
	mutex_unlock(&mutex);
	rwlock_fini(&lock);
	mutex_fini(&mutex);
	mutex_fini(&low);
}

struct shared {
	struct mutex mutex;
	struct cond cond;
	unsigned count;
	unsigned turn;
};

static void *count_in_turns(void *arg)
{
	struct shared *shared = arg;

	for (unsigned i = 0; i < 500; i++) {
		mutex_lock(&shared->mutex);
		while (shared->turn == 0)
			cond_wait(&shared->cond, &shared->mutex);
		shared->turn = 0;
		shared->count++;
		cond_signal(&shared->cond);
		mutex_unlock(&shared->mutex);
	}
	return NULL;
}

static void test_lock__condition_hands_over(void **state)
{
	struct shared shared = { .count = 0 };
	pthread_t thread;

	(void)state;
	mutex_init(&shared.mutex, RANK_LEAF, "shared");
	cond_init(&shared.cond);
	assert_int_equal(pthread_create(&thread, NULL, count_in_turns, &shared), 0);
	mutex_lock(&shared.mutex);
	for (unsigned i = 0; i < 500; i++) {
		shared.turn = 1;
		cond_broadcast(&shared.cond);
		while (shared.turn == 1)
			cond_wait(&shared.cond, &shared.mutex);
		assert_int_equal(shared.count, i + 1);
	}
	mutex_unlock(&shared.mutex);
	pthread_join(thread, NULL);
	cond_fini(&shared.cond);
	mutex_fini(&shared.mutex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef UBTRFS_DEBUG
		cmocka_unit_test(test_lock__out_of_rank_aborts_naming_both),
		cmocka_unit_test(test_lock__equal_rank_needs_ascending_orders),
		cmocka_unit_test(test_lock__misuse_aborts),
#else
		cmocka_unit_test(test_lock__release_locks_carry_nothing),
#endif
		cmocka_unit_test(test_lock__released_in_any_order),
		cmocka_unit_test(test_lock__try_fails_when_taken),
		cmocka_unit_test(test_lock__condition_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
