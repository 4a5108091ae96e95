/*
 * Worker threads over one queue.
 *
 * Owns the threads and the queue; jobs belong to the callers. Everything mutable is under `lock`
 * (RANK_WORKQ), which is not held while a job runs. State of a job, with the function of each
 * transition:
 *
 *   idle --workq_submit--> queued --job_run--> running --job_run--> done --job_wait--> idle
 *
 * Invariants: a job is in the queue, or in the list of its lane, exactly while it is queued;
 * nr_open counts queued and running jobs; after a job is done the queue never touches it again (its
 * owner may free it). Jobs wait in a lane only while others of it run: each that is done sends the
 * next one to the front of the queue, and its worker looks there.
 */
#include <signal.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/workq.h"

#define WORKQ_THREADS_MAX 1024
#define THREAD_NAME_MAX 16

struct worker {
	struct workq *workq;
	unsigned nr;
	pthread_t thread;
};

struct workq {
	struct mutex lock;
	struct cond work; /* a job was queued, or stopping */
	struct cond done; /* a job is done and somebody waits */
	struct list queue;
	size_t nr_open;
	bool stopping;
	unsigned nr_threads;
	char name[THREAD_NAME_MAX];
	struct worker workers[];
};

/* The next one that may run; those whose lane is full are put aside. NULL. */
static struct job *job_take(struct workq *workq)
{
	struct link *link;

	while ((link = list_pop_front(&workq->queue))) {
		struct job *job = list_entry(link, struct job, link);

		if (!job->lane || !job->lane->max || job->lane->nr_running < job->lane->max)
			return job;
		list_push_back(&job->lane->waiting, link);
	}
	return NULL;
}

static void lane_leave(struct workq *workq, struct job_lane *lane)
{
	struct link *next = list_pop_front(&lane->waiting);

	lane->nr_running--;
	if (next)
		list_push_front(&workq->queue, next);
}

/* Runs a job without the lock and files its result; enters and leaves with the lock held. */
static void job_run(struct workq *workq, struct job *job, unsigned worker)
{
	struct job_lane *lane = job->lane;
	int ret;

	ASSERT(job->state == JOB_QUEUED);
	job->state = JOB_RUNNING;
	if (lane)
		lane->nr_running++;
	mutex_unlock(&workq->lock);
	ret = job->run(job, worker);
	err_capture(ret, &job->report);
	if (ret > 0)
		job->report.err = ret;
	mutex_lock(&workq->lock);
	ASSERT(job->state == JOB_RUNNING && workq->nr_open > 0);
	job->state = JOB_DONE;
	workq->nr_open--;
	if (lane)
		lane_leave(workq, lane);
	/*
	 * Only for a job that somebody sleeps for: a wake-up for each of many small jobs costs
	 * more than they do.
	 */
	if (job->awaited)
		cond_broadcast(&workq->done);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct workq *workq = worker->workq;
	struct job *job;

	mutex_lock(&workq->lock);
	for (;;) {
		job = job_take(workq);
		if (job)
			job_run(workq, job, worker->nr);
		else if (workq->stopping)
			break;
		else
			cond_wait(&workq->work, &workq->lock);
	}
	mutex_unlock(&workq->lock);
	return NULL;
}

/* Signals belong to the program's own threads, so a worker starts with all of them blocked. */
static int worker_start(struct workq *workq, unsigned nr)
{
	struct worker *worker = &workq->workers[nr];
	char name[THREAD_NAME_MAX];
	sigset_t all, before;
	int ret;

	worker->workq = workq;
	worker->nr = nr;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return THROW_SYS(ret, "cannot start thread %u of %s", nr, workq->name);
	snprintf(name, sizeof(name), "%.10s/%u", workq->name, nr);
	pthread_setname_np(worker->thread, name);
	workq->nr_threads++;
	return 0;
}

int workq_new(const char *name, unsigned nr_threads, struct workq **ret_workq)
{
	struct workq *workq;
	struct err_report report;
	int ret;

	if (nr_threads > WORKQ_THREADS_MAX)
		return THROW(ERR_LIMIT, "%u threads for %s: the limit is %u", nr_threads, name,
			     WORKQ_THREADS_MAX);
	workq = mem_zalloc(sizeof(*workq) + nr_threads * sizeof(workq->workers[0]));
	if (!workq)
		return MEM_FAIL(name);
	mutex_init(&workq->lock, RANK_WORKQ, "workq");
	cond_init(&workq->work);
	cond_init(&workq->done);
	list_init(&workq->queue);
	snprintf(workq->name, sizeof(workq->name), "%s", name);
	for (unsigned i = 0; i < nr_threads; i++) {
		ret = worker_start(workq, i);
		if (ret < 0)
			goto undo;
	}
	*ret_workq = workq;
	return 0;
undo:
	err_capture(ret, &report);
	workq_free(workq);
	return err_rethrow(&report);
}

void workq_free(struct workq *workq)
{
	if (!workq)
		return;
	/* Workers drain the queue before they obey. */
	mutex_lock(&workq->lock);
	workq->stopping = true;
	cond_broadcast(&workq->work);
	mutex_unlock(&workq->lock);
	for (unsigned i = 0; i < workq->nr_threads; i++)
		pthread_join(workq->workers[i].thread, NULL);
	ASSERT(list_is_empty(&workq->queue) && workq->nr_open == 0);
	cond_fini(&workq->done);
	cond_fini(&workq->work);
	mutex_fini(&workq->lock);
	mem_free(workq);
}

unsigned workq_nr_threads(const struct workq *workq)
{
	return workq->nr_threads;
}

unsigned workq_nr_workers(const struct workq *workq)
{
	return workq->nr_threads ? workq->nr_threads : 1;
}

void job_init(struct job *job, job_fn run)
{
	ASSERT(run);
	job->link.prev = NULL;
	job->link.next = NULL;
	job->run = run;
	job->lane = NULL;
	job->workq = NULL;
	job->state = JOB_IDLE;
	job->awaited = false;
	err_capture(0, &job->report);
}

void job_lane_init(struct job_lane *lane, unsigned max)
{
	lane->max = max;
	lane->nr_running = 0;
	list_init(&lane->waiting);
}

void workq_submit(struct workq *workq, struct job *job)
{
	mutex_lock(&workq->lock);
	ASSERT(job->state == JOB_IDLE && !workq->stopping);
	job->workq = workq;
	job->state = JOB_QUEUED;
	workq->nr_open++;
	if (workq->nr_threads) {
		list_push_back(&workq->queue, &job->link);
		cond_signal(&workq->work);
	} else {
		job_run(workq, job, 0);
	}
	mutex_unlock(&workq->lock);
}

static void job_sleep(struct workq *workq, struct job *job)
{
	while (job->state != JOB_DONE) {
		job->awaited = true;
		cond_wait(&workq->done, &workq->lock);
	}
	job->awaited = false;
}

void job_await(struct job *job)
{
	struct workq *workq = job->workq;

	ASSERT(workq);
	mutex_lock(&workq->lock);
	ASSERT(job->state != JOB_IDLE);
	job_sleep(workq, job);
	mutex_unlock(&workq->lock);
}

int job_wait(struct job *job)
{
	struct workq *workq = job->workq;

	ASSERT(workq);
	mutex_lock(&workq->lock);
	ASSERT(job->state != JOB_IDLE);
	job_sleep(workq, job);
	job->state = JOB_IDLE;
	mutex_unlock(&workq->lock);
	if (job->report.err >= 0)
		return job->report.err;
	return err_rethrow(&job->report);
}

bool job_is_done(struct job *job)
{
	bool done;

	ASSERT(job->workq);
	mutex_lock(&job->workq->lock);
	ASSERT(job->state != JOB_IDLE);
	done = job->state == JOB_DONE;
	mutex_unlock(&job->workq->lock);
	return done;
}
