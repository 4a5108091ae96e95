/*
 * read_ahead: a stack of jobs, the threads that take from it, and the consumer.
 *
 * Lock: lock (RANK_WORKQ) over the stack, the states and bytes of all jobs, waiting_bytes, stopping; it
 * is not held while a job runs. Invariant: waiting_bytes is the sum of bytes of the jobs that are done.
 * While it is held no thread begins a job: a running job may queue others, and one who drops them could
 * follow a tree of them that grows in front of him for ever.
 */
#include "transfer/read_ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"

struct read_ahead {
	struct mutex lock;
	struct cond work; /* a job came, there is room again, or the end */
	struct cond done; /* a job that the consumer waits for was done */
	struct list stack;
	size_t limit_bytes, waiting_bytes;
	bool held, stopping;
	unsigned nr_started;
	pthread_t threads[];
};

static bool threads_may_begin(const struct read_ahead *ahead)
{
	return !ahead->held && ahead->waiting_bytes < ahead->limit_bytes;
}

static void job_run(struct read_ahead *ahead, struct ahead_job *job)
{
	job->state = AHEAD_RUNNING;
	mutex_unlock(&ahead->lock);
	job->run(job);
	mutex_lock(&ahead->lock);
	job->state = AHEAD_DONE;
	ahead->waiting_bytes += job->bytes;
}

static void *ahead_main(void *arg)
{
	struct read_ahead *ahead = arg;

	pthread_setname_np(pthread_self(), "read-ahead");
	mutex_lock(&ahead->lock);
	while (!ahead->stopping) {
		struct link *link = NULL;

		if (threads_may_begin(ahead))
			link = list_pop_front(&ahead->stack);
		if (!link) {
			cond_wait(&ahead->work, &ahead->lock);
			continue;
		}
		job_run(ahead, list_entry(link, struct ahead_job, link));
		cond_signal(&ahead->done);
	}
	mutex_unlock(&ahead->lock);
	return NULL;
}

/* Signals belong to the program's own threads. */
static int thread_start(struct read_ahead *ahead)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&ahead->threads[ahead->nr_started], NULL, ahead_main, ahead);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return THROW_SYS(ret, "cannot start a thread that reads ahead");
	ahead->nr_started++;
	return 0;
}

int ahead_new(unsigned nr_threads, size_t limit_bytes, struct read_ahead **ret_ahead)
{
	struct read_ahead *ahead =
		mem_zalloc(sizeof(*ahead) + nr_threads * sizeof(ahead->threads[0]));
	struct err_report report;
	int err = 0;

	ASSERT(nr_threads > 0);
	if (!ahead)
		return MEM_FAIL("reading ahead");
	mutex_init(&ahead->lock, RANK_WORKQ, "read ahead");
	cond_init(&ahead->work);
	cond_init(&ahead->done);
	list_init(&ahead->stack);
	ahead->limit_bytes = limit_bytes;
	while (err == 0 && ahead->nr_started + 1 < nr_threads)
		err = thread_start(ahead);
	if (err < 0) {
		err_capture(err, &report);
		ahead_free(ahead);
		return err_rethrow(&report);
	}
	*ret_ahead = ahead;
	return 0;
}

void ahead_free(struct read_ahead *ahead)
{
	if (!ahead)
		return;
	mutex_lock(&ahead->lock);
	ASSERT(list_is_empty(&ahead->stack) && !ahead->waiting_bytes);
	ahead->stopping = true;
	cond_broadcast(&ahead->work);
	mutex_unlock(&ahead->lock);
	for (unsigned i = 0; i < ahead->nr_started; i++)
		pthread_join(ahead->threads[i], NULL);
	cond_fini(&ahead->done);
	cond_fini(&ahead->work);
	mutex_fini(&ahead->lock);
	mem_free(ahead);
}

void ahead_queue(struct read_ahead *ahead, struct ahead_job *job)
{
	mutex_lock(&ahead->lock);
	ASSERT(job->state == AHEAD_IDLE);
	job->state = AHEAD_QUEUED;
	job->bytes = 0;
	list_push_front(&ahead->stack, &job->link);
	if (threads_may_begin(ahead))
		cond_signal(&ahead->work);
	mutex_unlock(&ahead->lock);
}

void ahead_hold(struct read_ahead *ahead)
{
	mutex_lock(&ahead->lock);
	ASSERT(!ahead->held);
	ahead->held = true;
	mutex_unlock(&ahead->lock);
}

void ahead_go_on(struct read_ahead *ahead)
{
	mutex_lock(&ahead->lock);
	ASSERT(ahead->held);
	ahead->held = false;
	if (!list_is_empty(&ahead->stack) && threads_may_begin(ahead))
		cond_broadcast(&ahead->work);
	mutex_unlock(&ahead->lock);
}

/* Done, by whomever; the result leaves those that wait. */
static void job_settle(struct read_ahead *ahead, struct ahead_job *job)
{
	bool could_begin;

	while (job->state == AHEAD_RUNNING)
		cond_wait(&ahead->done, &ahead->lock);
	ASSERT(job->state == AHEAD_DONE);
	job->state = AHEAD_IDLE;
	could_begin = threads_may_begin(ahead);
	ahead->waiting_bytes -= job->bytes;
	if (!could_begin && threads_may_begin(ahead))
		cond_broadcast(&ahead->work);
}

void ahead_take(struct read_ahead *ahead, struct ahead_job *job)
{
	mutex_lock(&ahead->lock);
	ASSERT(job->state != AHEAD_IDLE);
	if (job->state == AHEAD_QUEUED) {
		link_remove(&job->link);
		job_run(ahead, job);
	}
	job_settle(ahead, job);
	mutex_unlock(&ahead->lock);
}

bool ahead_drop(struct read_ahead *ahead, struct ahead_job *job)
{
	bool ran;

	mutex_lock(&ahead->lock);
	ran = job->state == AHEAD_RUNNING || job->state == AHEAD_DONE;
	if (job->state == AHEAD_QUEUED) {
		link_remove(&job->link);
		job->state = AHEAD_IDLE;
	} else if (ran) {
		job_settle(ahead, job);
	}
	mutex_unlock(&ahead->lock);
	return ran;
}
