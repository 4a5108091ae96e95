/* read_ahead: jobs run once, in the consumer's order, and a tree of them that grows by itself can be dropped. */
#include "base/cmocka_all.h"

#include <stdatomic.h>
#include <unistd.h>

#include "base/mem.h"
#include "transfer/read_ahead.h"

#define NR_JOBS 500
#define NR_BELOW 2
/* Enough that only the drop ends the growth. */
#define GROWTH_BYTES ((size_t)64 << 20)
#define NODE_BYTES 256u

struct number {
	struct ahead_job job;
	unsigned value;
	atomic_uint runs;
};

static void number_run(struct ahead_job *job)
{
	struct number *number = container_of(job, struct number, job);

	atomic_fetch_add(&number->runs, 1);
	job->bytes = sizeof(*number);
}

static void each_job_runs_once(void **state)
{
	static struct number numbers[NR_JOBS];
	struct read_ahead *ahead;

	(void)state;
	assert_int_equal(ahead_new(4, sizeof(struct number) * 8, &ahead), 0);
	for (size_t i = NR_JOBS; i-- > 0;) {
		numbers[i].job.run = number_run;
		ahead_queue(ahead, &numbers[i].job);
	}
	for (size_t i = 0; i < NR_JOBS; i++) {
		ahead_take(ahead, &numbers[i].job);
		assert_int_equal(atomic_load(&numbers[i].runs), 1);
	}
	ahead_free(ahead);
}

/* A job that queues two like itself: a directory that is inside itself twice. */
struct grower {
	struct ahead_job job;
	struct read_ahead *ahead;
	struct grower *below[NR_BELOW], *link;
};

static atomic_size_t nr_growers;

static void grower_run(struct ahead_job *job);

static struct grower *grower_new(struct read_ahead *ahead)
{
	struct grower *grower = mem_zalloc(sizeof(*grower));

	assert_non_null(grower);
	grower->job.run = grower_run;
	grower->ahead = ahead;
	ahead_queue(ahead, &grower->job);
	atomic_fetch_add(&nr_growers, 1);
	return grower;
}

static void grower_run(struct ahead_job *job)
{
	struct grower *grower = container_of(job, struct grower, job);

	for (size_t i = 0; i < NR_BELOW; i++)
		grower->below[i] = grower_new(grower->ahead);
	job->bytes = NODE_BYTES;
}

static void grower_drop(struct read_ahead *ahead, struct grower *list)
{
	while (list) {
		struct grower *grower = list;

		list = grower->link;
		if (ahead_drop(ahead, &grower->job)) {
			for (size_t i = 0; i < NR_BELOW; i++) {
				grower->below[i]->link = list;
				list = grower->below[i];
			}
		}
		mem_free(grower);
	}
}

/* Until the tree that is dropped does not grow any more this does not end; the alarm ends the test. */
static void what_grows_is_dropped_while_it_is_held(void **state)
{
	struct read_ahead *ahead;
	struct grower *root;
	size_t before;

	(void)state;
	alarm(60);
	assert_int_equal(ahead_new(4, GROWTH_BYTES, &ahead), 0);
	root = grower_new(ahead);
	while (atomic_load(&nr_growers) < 1000)
		usleep(100);
	ahead_hold(ahead);
	/* Those that run now end, and none begins. */
	usleep(50000);
	before = atomic_load(&nr_growers);
	usleep(50000);
	assert_int_equal(atomic_load(&nr_growers), before);
	grower_drop(ahead, root);
	ahead_go_on(ahead);
	ahead_free(ahead);
	alarm(0);
}

static void what_was_held_goes_on(void **state)
{
	struct number number = { .job.run = number_run };
	struct read_ahead *ahead;

	(void)state;
	assert_int_equal(ahead_new(2, 1, &ahead), 0);
	ahead_hold(ahead);
	ahead_queue(ahead, &number.job);
	usleep(50000);
	assert_int_equal(atomic_load(&number.runs), 0);
	ahead_go_on(ahead);
	while (!atomic_load(&number.runs))
		usleep(100);
	ahead_take(ahead, &number.job);
	assert_int_equal(atomic_load(&number.runs), 1);
	ahead_free(ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_job_runs_once),
		cmocka_unit_test(what_grows_is_dropped_while_it_is_held),
		cmocka_unit_test(what_was_held_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
