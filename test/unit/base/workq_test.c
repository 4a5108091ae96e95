/*
 * workq: with 0, 1, 2 and 4 threads the same results; errors travel; clean under
 * ThreadSanitizer.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/expect_abort.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/workq.h"

#define JOBS 300

static const unsigned thread_counts[] = { 0, 1, 2, 4 };

struct square {
	struct job job;
	unsigned in;
	unsigned out;
	unsigned worker;
	unsigned *per_worker; /* written without a lock: one worker value is in one thread at a time */
};

static int square_run(struct job *job, unsigned worker)
{
	struct square *square = list_entry(job, struct square, job);

	square->out = square->in * square->in;
	square->worker = worker;
	square->per_worker[worker]++;
	if (square->in % 10 == 3)
		return THROW(ERR_INVALID, "%u ends with 3", square->in);
	return (int)square->in;
}

static void wait_for_all(struct square *squares, unsigned nr_workers)
{
	char expected[64];
	int ret;

	for (unsigned i = 0; i < JOBS; i++) {
		ret = job_wait(&squares[i].job);
		assert_int_equal(squares[i].out, i * i);
		assert_in_range(squares[i].worker, 0, nr_workers - 1);
		if (i % 10 != 3) {
			assert_int_equal(ret, i);
			continue;
		}
		snprintf(expected, sizeof(expected), "%u ends with 3", i);
		assert_int_equal(ret, -ERR_INVALID);
		assert_string_equal(err_text(ret), expected);
	}
}

static void run_squares(struct workq *workq)
{
	struct square squares[JOBS];
	unsigned per_worker[4] = { 0 };

	/* Twice: a job is idle again after it was waited for. */
	for (unsigned i = 0; i < JOBS; i++)
		job_init(&squares[i].job, square_run);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < JOBS; i++) {
			squares[i].in = i;
			squares[i].out = 0;
			squares[i].per_worker = per_worker;
			workq_submit(workq, &squares[i].job);
		}
		wait_for_all(squares, workq_nr_workers(workq));
	}
	assert_int_equal(per_worker[0] + per_worker[1] + per_worker[2] + per_worker[3], 2 * JOBS);
}

static void test_workq__same_results_whatever_the_threads(void **state)
{
	struct workq *workq;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(thread_counts); i++) {
		assert_int_equal(workq_new("squares", thread_counts[i], &workq), 0);
		assert_int_equal(workq_nr_threads(workq), thread_counts[i]);
		assert_int_equal(workq_nr_workers(workq), MAX(thread_counts[i], 1U));
		run_squares(workq);
		workq_free(workq);
	}
}

struct order_job {
	struct job job;
	unsigned nr;
	unsigned *next;
};

static int order_run(struct job *job, unsigned worker)
{
	struct order_job *me = list_entry(job, struct order_job, job);

	(void)worker;
	return me->nr == (*me->next)++ ? 0 : THROW(ERR_INVALID, "job %u out of order", me->nr);
}

static void test_workq__starts_in_order_of_submission(void **state)
{
	struct order_job jobs[JOBS];
	struct workq *workq;
	unsigned next = 0;

	(void)state;
	assert_int_equal(workq_new("order", 1, &workq), 0);
	for (unsigned i = 0; i < JOBS; i++) {
		job_init(&jobs[i].job, order_run);
		jobs[i].nr = i;
		jobs[i].next = &next;
		workq_submit(workq, &jobs[i].job);
	}
	for (unsigned i = JOBS; i-- > 0;)
		assert_int_equal(job_wait(&jobs[i].job), 0);
	workq_free(workq);
}

static void test_workq__free_waits_for_jobs(void **state)
{
	struct order_job jobs[50];
	struct workq *workq;
	unsigned next = 0;

	(void)state;
	assert_int_equal(workq_new("drain", 1, &workq), 0);
	for (unsigned i = 0; i < ARRAY_LEN(jobs); i++) {
		job_init(&jobs[i].job, order_run);
		jobs[i].nr = i;
		jobs[i].next = &next;
		workq_submit(workq, &jobs[i].job);
	}
	workq_free(workq);
	assert_int_equal(next, ARRAY_LEN(jobs));
	workq_free(NULL);
}

struct gate_job {
	struct job job;
	pthread_mutex_t gate;
};

static int gate_run(struct job *job, unsigned worker)
{
	struct gate_job *me = list_entry(job, struct gate_job, job);

	(void)worker;
	pthread_mutex_lock(&me->gate);
	pthread_mutex_unlock(&me->gate);
	return 0;
}

static void test_workq__is_done_tells_without_waiting(void **state)
{
	struct gate_job gated = { .gate = PTHREAD_MUTEX_INITIALIZER };
	struct workq *workq;

	(void)state;
	assert_int_equal(workq_new("gate", 1, &workq), 0);
	job_init(&gated.job, gate_run);
	pthread_mutex_lock(&gated.gate);
	workq_submit(workq, &gated.job);
	assert_false(job_is_done(&gated.job));
	pthread_mutex_unlock(&gated.gate);
	while (!job_is_done(&gated.job))
		;
	assert_int_equal(job_wait(&gated.job), 0);
	workq_free(workq);
}

struct lane_job {
	struct job job;
	unsigned *nr_inside, *most_inside; /* under the lock */
	unsigned nr, *next_in_lane;
	pthread_mutex_t *lock;
	bool in_order;
};

static int lane_run(struct job *job, unsigned worker)
{
	struct lane_job *me = list_entry(job, struct lane_job, job);

	(void)worker;
	pthread_mutex_lock(me->lock);
	me->in_order = me->nr == (*me->next_in_lane)++;
	++*me->nr_inside;
	*me->most_inside = MAX(*me->most_inside, *me->nr_inside);
	pthread_mutex_unlock(me->lock);
	for (unsigned i = 0; i < 20; i++)
		sched_yield();
	pthread_mutex_lock(me->lock);
	--*me->nr_inside;
	pthread_mutex_unlock(me->lock);
	return 0;
}

/* So many of a lane at once as it says, in order; others of none go by while it is full. */
static void lane_once(unsigned max, unsigned nr_threads)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct gate_job gated = { .gate = PTHREAD_MUTEX_INITIALIZER }, by = gated;
	unsigned nr_inside = 0, most_inside = 0, next_in_lane = 0;
	struct lane_job jobs[JOBS];
	struct job_lane lane;
	struct workq *workq;

	assert_int_equal(workq_new("lane", nr_threads, &workq), 0);
	job_lane_init(&lane, max);
	job_init(&gated.job, gate_run);
	gated.job.lane = &lane;
	pthread_mutex_lock(&gated.gate);
	workq_submit(workq, &gated.job);
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i] = (struct lane_job){ .nr_inside = &nr_inside,
					     .most_inside = &most_inside,
					     .nr = i,
					     .next_in_lane = &next_in_lane,
					     .lock = &lock };
		job_init(&jobs[i].job, lane_run);
		jobs[i].job.lane = &lane;
		workq_submit(workq, &jobs[i].job);
	}
	job_init(&by.job, gate_run);
	workq_submit(workq, &by.job);
	assert_int_equal(job_wait(&by.job), 0);
	if (max == 1)
		assert_int_equal(next_in_lane, 0);
	pthread_mutex_unlock(&gated.gate);
	for (unsigned i = JOBS; i-- > 0;) {
		assert_int_equal(job_wait(&jobs[i].job), 0);
		assert_true(jobs[i].in_order || max != 1);
	}
	assert_int_equal(job_wait(&gated.job), 0);
	assert_in_range(most_inside, 1, max);
	workq_free(workq);
}

static void test_workq__lanes_hold_back_their_own_jobs_only(void **state)
{
	(void)state;
	lane_once(1, 2);
	lane_once(1, 4);
	lane_once(2, 4);
}

/* The waiter frees the object that holds the job: the queue must not touch it after done. */
static void test_workq__job_may_be_freed_after_wait(void **state)
{
	struct workq *workq;
	unsigned per_worker[4] = { 0 };

	(void)state;
	assert_int_equal(workq_new("freed", 2, &workq), 0);
	for (unsigned i = 0; i < JOBS; i++) {
		struct square *square = mem_zalloc(sizeof(*square));

		assert_non_null(square);
		square->per_worker = per_worker;
		job_init(&square->job, square_run);
		workq_submit(workq, &square->job);
		assert_int_equal(job_wait(&square->job), 0);
		mem_free(square);
	}
	workq_free(workq);
}

static void test_workq__new_fails_cleanly(void **state)
{
	struct workq *workq = NULL;

	(void)state;
	fault_arm(FAULT_ALLOC, 1);
	assert_int_equal(workq_new("none", 2, &workq), -ERR_NO_MEMORY);
	fault_arm(FAULT_ALLOC, 0);
	assert_int_equal(workq_new("none", 100000, &workq), -ERR_LIMIT);
	assert_null(workq);
}

static void submit_twice(void *arg)
{
	struct gate_job gated = { .gate = PTHREAD_MUTEX_INITIALIZER };
	struct workq *workq;

	(void)arg;
	if (workq_new("twice", 1, &workq) < 0)
		return;
	job_init(&gated.job, gate_run);
	pthread_mutex_lock(&gated.gate);
	workq_submit(workq, &gated.job);
	workq_submit(workq, &gated.job);
}

static void test_workq__submitting_an_open_job_aborts(void **state)
{
	char said[4096];

	(void)state;
	assert_true(expect_abort(submit_twice, NULL, said, sizeof(said)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workq__same_results_whatever_the_threads),
		cmocka_unit_test(test_workq__starts_in_order_of_submission),
		cmocka_unit_test(test_workq__free_waits_for_jobs),
		cmocka_unit_test(test_workq__is_done_tells_without_waiting),
		cmocka_unit_test(test_workq__lanes_hold_back_their_own_jobs_only),
		cmocka_unit_test(test_workq__job_may_be_freed_after_wait),
		cmocka_unit_test(test_workq__new_fails_cleanly),
		cmocka_unit_test(test_workq__submitting_an_open_job_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
