/*
 * A fixed set of worker threads over one queue of jobs.
 *
 * A job is embedded in the caller's object and stays the caller's. Jobs start in the order of
 * submission; they may end in any order, so a caller that needs a deterministic result waits for
 * its jobs in its own order (job_wait). With zero threads the job runs inside workq_submit: the
 * same results, no threads. A job's function must not submit or wait. (With zero threads worker is
 * 0 in every submitting thread: per-worker workspaces then want one submitter.) State of a job:
 * idle -> queued (workq_submit) -> running (worker) -> done (worker) -> idle (job_wait).
 * Jobs that would wait for each other (writes into one file) share a lane, of which only so many
 * run at once: the others wait there, and the workers do what else is queued.
 */
#ifndef UBTRFS_BASE_WORKQ_H
#define UBTRFS_BASE_WORKQ_H

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"

struct workq;
struct job;

/*
 * Does the work; the result and its sentence travel to job_wait. worker is 0..nr_threads-1, for
 * per-thread workspaces.
 */
typedef int (*job_fn)(struct job *job, unsigned worker);

/* In the order of submission, at most max at once. Outlives its jobs. */
struct job_lane {
	unsigned max; /* 0: any number */
	/* under the queue's lock */
	unsigned nr_running;
	struct list waiting; /* taken off the queue when the lane was full */
};

enum job_state { JOB_IDLE, JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
	struct link link;
	job_fn run;
	struct job_lane *lane; /* NULL: of none. Set before the job is submitted */
	struct workq *workq;
	/* under the queue's lock */
	enum job_state state;
	bool awaited; /* somebody sleeps until it is done */
	struct err_report report;
};

/* nr_threads 0 means: run in the caller. name is for thread names and messages. */
int workq_new(const char *name, unsigned nr_threads, struct workq **ret_workq) must_check;
/* Waits for all jobs, then ends the threads. NULL is allowed. */
void workq_free(struct workq *workq);
unsigned workq_nr_threads(const struct workq *workq);
/* Number of distinct values of `worker` that a job can see: at least 1. */
unsigned workq_nr_workers(const struct workq *workq);

void job_init(struct job *job, job_fn run);
/* All jobs of a lane go to one queue. */
void job_lane_init(struct job_lane *lane, unsigned max);
void workq_submit(struct workq *workq, struct job *job);
/*
 * Waits until the job is done; returns its result and makes its sentence the caller's. The job
 * is idle afterwards.
 */
int job_wait(struct job *job) must_check;
/* Sleeps until the job is done; it stays to be taken with job_wait. */
void job_await(struct job *job);
/* True when job_wait would not block. */
bool job_is_done(struct job *job);

#endif
