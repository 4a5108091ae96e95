/*
 * The task pool: one stack of tasks, workers that sleep while it is empty.
 *
 * Lock: lock (RANK_WORKQ) over stack, nr_open, stopping; not held while a task runs.
 * Invariant: nr_open counts the tasks that are queued or running; when it is 0 the stack is empty.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/task_pool.h"

#define THREAD_NAME_MAX 16

struct pool_worker {
	struct task_pool *pool;
	pthread_t thread;
	unsigned nr;
};

struct task_pool {
	struct mutex lock;
	struct cond changed; /* a task came, or the last one ended */
	struct list stack;
	size_t nr_open;
	bool stopping;
	unsigned nr_workers;
	unsigned nr_started; /* threads; worker 0 is none */
	struct pool_worker workers[];
};

/* Runs the newest task; the lock is held before and after. */
static void run_one(struct task_pool *pool, struct link *link, unsigned worker)
{
	struct task *task = list_entry(link, struct task, link);

	mutex_unlock(&pool->lock);
	task->run(task, worker);
	mutex_lock(&pool->lock);
	if (--pool->nr_open == 0)
		cond_broadcast(&pool->changed);
}

static void *pool_worker_main(void *arg)
{
	struct pool_worker *worker = arg;
	struct task_pool *pool = worker->pool;
	struct link *link;

	mutex_lock(&pool->lock);
	while (!pool->stopping) {
		link = list_pop_front(&pool->stack);
		if (link)
			run_one(pool, link, worker->nr);
		else
			cond_wait(&pool->changed, &pool->lock);
	}
	mutex_unlock(&pool->lock);
	return NULL;
}

/* Signals belong to the program's own threads. */
static int pool_worker_start(struct task_pool *pool, const char *name, unsigned nr)
{
	struct pool_worker *worker = &pool->workers[nr];
	char thread_name[THREAD_NAME_MAX];
	sigset_t all, before;
	int ret;

	worker->pool = pool;
	worker->nr = nr;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&worker->thread, NULL, pool_worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return THROW_SYS(ret, "cannot start thread %u of %s", nr, name);
	snprintf(thread_name, sizeof(thread_name), "%.10s/%u", name, nr);
	pthread_setname_np(worker->thread, thread_name);
	pool->nr_started++;
	return 0;
}

int task_pool_new(const char *name, unsigned nr_workers, struct task_pool **ret_pool)
{
	struct task_pool *pool;
	struct err_report report;
	int err = 0;

	ASSERT(nr_workers > 0);
	if (nr_workers > TASK_POOL_WORKERS_MAX)
		return THROW(ERR_LIMIT, "%u threads for %s: the limit is %u", nr_workers, name,
			     TASK_POOL_WORKERS_MAX);
	pool = mem_zalloc(sizeof(*pool) + nr_workers * sizeof(pool->workers[0]));
	if (!pool)
		return MEM_FAIL(name);
	mutex_init(&pool->lock, RANK_WORKQ, "task pool");
	cond_init(&pool->changed);
	list_init(&pool->stack);
	pool->nr_workers = nr_workers;
	for (unsigned i = 1; i < nr_workers && err == 0; i++)
		err = pool_worker_start(pool, name, i);
	if (err < 0) {
		err_capture(err, &report);
		task_pool_free(pool);
		return err_rethrow(&report);
	}
	*ret_pool = pool;
	return 0;
}

void task_pool_free(struct task_pool *pool)
{
	if (!pool)
		return;
	mutex_lock(&pool->lock);
	ASSERT(pool->nr_open == 0);
	pool->stopping = true;
	cond_broadcast(&pool->changed);
	mutex_unlock(&pool->lock);
	for (unsigned i = 1; i <= pool->nr_started; i++)
		pthread_join(pool->workers[i].thread, NULL);
	cond_fini(&pool->changed);
	mutex_fini(&pool->lock);
	mem_free(pool);
}

unsigned task_pool_nr_workers(const struct task_pool *pool)
{
	return pool->nr_workers;
}

void task_pool_submit(struct task_pool *pool, struct task *task)
{
	mutex_lock(&pool->lock);
	ASSERT(!pool->stopping);
	list_push_front(&pool->stack, &task->link);
	pool->nr_open++;
	cond_signal(&pool->changed);
	mutex_unlock(&pool->lock);
}

void task_pool_run(struct task_pool *pool)
{
	struct link *link;

	mutex_lock(&pool->lock);
	while (pool->nr_open) {
		link = list_pop_front(&pool->stack);
		if (link)
			run_one(pool, link, 0);
		else
			cond_wait(&pool->changed, &pool->lock);
	}
	mutex_unlock(&pool->lock);
}
