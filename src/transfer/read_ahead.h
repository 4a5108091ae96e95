/*
 * Reading ahead of a consumer that needs results in one order.
 *
 * The consumer queues jobs before it needs them, the one it needs soonest last; threads take the last
 * queued first. When it needs one that nobody has begun it runs it itself, so nothing depends on the
 * number of threads but time. What is done and not yet consumed is bounded: beyond the limit only the
 * consumer runs jobs.
 */
#ifndef UBTRFS_TRANSFER_READ_AHEAD_H
#define UBTRFS_TRANSFER_READ_AHEAD_H

#include <stddef.h>

#include "base/err.h"
#include "base/list.h"

struct read_ahead;

/* idle -> queued (ahead_queue) -> running -> done; queued or done -> idle (ahead_take, ahead_drop) */
enum ahead_state { AHEAD_IDLE, AHEAD_QUEUED, AHEAD_RUNNING, AHEAD_DONE };

/* Embedded in the owner's object; zeroed is idle. */
struct ahead_job {
	struct link link;
	enum ahead_state state;
	/* Does the work, on any thread; it may queue further jobs. Its result is the owner's. */
	void (*run)(struct ahead_job *job);
	size_t bytes; /* what the result takes: set by run */
};

/* nr_threads: 1 or more, the consumer included. limit_bytes: of results that wait. */
int ahead_new(unsigned nr_threads, size_t limit_bytes, struct read_ahead **ret_ahead) must_check;
/* All jobs are idle. NULL is allowed. */
void ahead_free(struct read_ahead *ahead);
void ahead_queue(struct read_ahead *ahead, struct ahead_job *job);
/* The job has run afterwards, and is idle. */
void ahead_take(struct read_ahead *ahead, struct ahead_job *job);
/*
 * Between the two only the consumer runs jobs. Whoever drops a job and then the jobs that it queued does
 * it here: otherwise threads may queue new ones as fast as he drops them.
 */
void ahead_hold(struct read_ahead *ahead);
void ahead_go_on(struct read_ahead *ahead);
/* The job is not wanted any more and idle afterwards. True when it has run. */
bool ahead_drop(struct read_ahead *ahead, struct ahead_job *job) must_check;

#endif
