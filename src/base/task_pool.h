/*
 * Tasks that make more tasks, done by a fixed set of workers: for walks over trees.
 *
 * The newest task is taken first, so that a walk goes deep before it goes wide and few things are
 * open at a time. A task is embedded in an object of its own, which it may free. The thread that
 * calls task_pool_run is worker 0; with one worker there are no other threads and tasks run in one
 * fixed order.
 */
#ifndef UBTRFS_BASE_TASK_POOL_H
#define UBTRFS_BASE_TASK_POOL_H

#include "base/err.h"
#include "base/list.h"

#define TASK_POOL_WORKERS_MAX 256u

struct task_pool;

struct task {
	struct link link;
	void (*run)(struct task *task, unsigned worker); /* worker: 0..nr_workers-1 */
};

/* nr_workers: 1 or more, the caller of task_pool_run included. name is for threads and messages. */
int task_pool_new(const char *name, unsigned nr_workers, struct task_pool **ret_pool) must_check;
/* Nothing is queued or running. NULL is allowed. */
void task_pool_free(struct task_pool *pool);
unsigned task_pool_nr_workers(const struct task_pool *pool);
/* From any thread, also from a task. */
void task_pool_submit(struct task_pool *pool, struct task *task);
/* Works until nothing is queued and nothing runs. */
void task_pool_run(struct task_pool *pool);

#endif
