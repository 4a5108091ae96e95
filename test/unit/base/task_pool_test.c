/*
 * task_pool: tasks that make tasks are all done, with any number of workers; the newest goes first.
 * pair_set: what came in once is there.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/pair_set.h"
#include "base/task_pool.h"

#define DEPTH 9

struct tree_task {
	struct task task;
	struct task_pool *pool;
	unsigned depth;
	_Atomic unsigned *nr_done;
	_Atomic unsigned *workers_seen; /* a bit for each */
};

static void tree_start(struct task_pool *pool, unsigned depth, _Atomic unsigned *nr_done,
		       _Atomic unsigned *workers_seen);

static void tree_run(struct task *task, unsigned worker)
{
	struct tree_task *tree = container_of(task, struct tree_task, task);

	assert_true(worker < task_pool_nr_workers(tree->pool));
	atomic_fetch_or(tree->workers_seen, 1u << worker);
	for (unsigned i = 0; i < 2 && tree->depth; i++)
		tree_start(tree->pool, tree->depth - 1, tree->nr_done, tree->workers_seen);
	atomic_fetch_add(tree->nr_done, 1);
	mem_free(tree);
}

static void tree_start(struct task_pool *pool, unsigned depth, _Atomic unsigned *nr_done,
		       _Atomic unsigned *workers_seen)
{
	struct tree_task *tree = mem_zalloc(sizeof(*tree));

	tree->task.run = tree_run;
	tree->pool = pool;
	tree->depth = depth;
	tree->nr_done = nr_done;
	tree->workers_seen = workers_seen;
	task_pool_submit(pool, &tree->task);
}

static void test_task_pool__all_is_done(void **state)
{
	static const unsigned counts[] = { 1, 2, 4, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		_Atomic unsigned nr_done = 0, workers_seen = 0;
		struct task_pool *pool;

		assert_int_equal(task_pool_new("test", counts[i], &pool), 0);
		/* Again and again: workers sleep in between. */
		for (unsigned round = 1; round <= 3; round++) {
			tree_start(pool, DEPTH, &nr_done, &workers_seen);
			task_pool_run(pool);
			assert_int_equal(atomic_load(&nr_done), round * ((2u << DEPTH) - 1));
		}
		task_pool_run(pool);
		task_pool_free(pool);
	}
	task_pool_free(NULL);
}

struct order_task {
	struct task task;
	unsigned nr;
	unsigned *order, *nr_done;
};

static void order_run(struct task *task, unsigned worker)
{
	struct order_task *order = container_of(task, struct order_task, task);

	(void)worker;
	order->order[(*order->nr_done)++] = order->nr;
}

static void test_task_pool__the_newest_first(void **state)
{
	struct order_task tasks[5];
	unsigned order[5], nr_done = 0;
	struct task_pool *pool;

	(void)state;
	assert_int_equal(task_pool_new("test", 1, &pool), 0);
	for (unsigned i = 0; i < 5; i++) {
		tasks[i] = (struct order_task){ { .run = order_run }, i, order, &nr_done };
		task_pool_submit(pool, &tasks[i].task);
	}
	task_pool_run(pool);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(order[i], 4 - i);
	task_pool_free(pool);
}

static void test_task_pool__too_many_threads(void **state)
{
	struct task_pool *pool = NULL;

	(void)state;
	assert_int_equal(task_pool_new("test", TASK_POOL_WORKERS_MAX + 1, &pool), -ERR_LIMIT);
	assert_null(pool);
}

#define PAIRS 2000u

static void *add_pairs(void *ctx)
{
	struct pair_set *set = ctx;
	uintptr_t nr_new = 0;

	for (uint64_t i = 0; i < PAIRS; i++) {
		int ret = pair_set_add(set, i / 50, i % 50);

		assert_true(ret >= 0);
		nr_new += (unsigned)ret;
	}
	return (void *)nr_new;
}

static void test_task_pool__pairs_come_in_once(void **state)
{
	pthread_t threads[3];
	struct pair_set set;
	uintptr_t sum = 0;
	void *nr_new;

	(void)state;
	pair_set_init(&set);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_pairs, &set), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &nr_new), 0);
		sum += (uintptr_t)nr_new;
	}
	assert_int_equal(sum, PAIRS);
	/* The order in a pair counts. */
	assert_int_equal(pair_set_add(&set, 3, 1000), 1);
	assert_int_equal(pair_set_add(&set, 1000, 3), 1);
	pair_set_clear(&set);
	assert_int_equal(pair_set_add(&set, 3, 1000), 1);
	pair_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_task_pool__all_is_done),
		cmocka_unit_test(test_task_pool__the_newest_first),
		cmocka_unit_test(test_task_pool__too_many_threads),
		cmocka_unit_test(test_task_pool__pairs_come_in_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
