/*
 * Threads in one tree: writers, each with keys of its own between those of the others, and a
 * reader; run under ThreadSanitizer too. Afterwards the tree holds what each writer remembers, in
 * order, without leaks.
 */
#include "tree/tree_fixture.h"

#define NR_WRITERS 3u
#define NR_PER_WRITER 900u
#define NR_OPS 6000u

struct racer {
	struct fixture *fixture;
	unsigned number;
	bool present[NR_PER_WRITER];
	_Atomic bool *stop;
	pthread_t thread;
};

static struct key racer_key(const struct racer *racer, unsigned nr)
{
	return fixture_key((uint64_t)nr * NR_WRITERS + racer->number);
}

static void write_one(struct racer *racer, struct rng *rng)
{
	struct fixture *fixture = racer->fixture;
	unsigned nr = (unsigned)rng_below(rng, NR_PER_WRITER);
	struct key key = racer_key(racer, nr);
	uint32_t len = (uint32_t)rng_below(rng, 300);
	int ret;

	if (rng_one_in(rng, 4)) {
		ret = tree_replace(fixture->txn, &fixture->tree, &key, NULL, len);
		ASSERT(ret == (racer->present[nr] ? 0 : -ERR_KEY_NOT_FOUND));
	} else if (racer->present[nr]) {
		ret = tree_remove(fixture->txn, &fixture->tree, &key);
		ASSERT(ret == 0);
		racer->present[nr] = false;
	} else {
		ret = tree_insert(fixture->txn, &fixture->tree, &key, NULL, len);
		ASSERT(ret == 0);
		racer->present[nr] = true;
	}
}

static void *race_writer(void *arg)
{
	struct racer *racer = arg;
	struct rng rng;

	rng_init(&rng, racer->number);
	for (unsigned op = 0; op < NR_OPS; op++) {
		int ret = txn_join(racer->fixture->txn);

		ASSERT(ret == 0);
		write_one(racer, &rng);
		txn_leave(racer->fixture->txn);
	}
	return NULL;
}

/* Keys ascend whatever happens in between. */
static void *race_reader(void *arg)
{
	struct racer *racer = arg;

	while (!atomic_load(racer->stop)) {
		SCOPED(cursor) struct cursor cursor;
		struct key last = KEY_MIN, key;
		bool exact;
		int ret;

		cursor_init(&cursor, &racer->fixture->tree);
		ret = cursor_seek(&cursor, &last, &exact);
		for (; ret == 0; ret = cursor_next(&cursor)) {
			key = cursor_key(&cursor);
			ASSERT(key_compare(&last, &key) < 0);
			last = key;
		}
		ASSERT(ret == -ERR_KEY_NOT_FOUND);
	}
	return NULL;
}

/*
 * Commits behind the backs of the writers, so that paths are copied and pages come from the
 * device again.
 */
static void *race_committer(void *arg)
{
	struct racer *racer = arg;

	while (!atomic_load(racer->stop)) {
		const struct timespec pause = { .tv_nsec = 500000 };

		fixture_commit(racer->fixture);
		cache_shrink(racer->fixture->cache);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void check_writer(const struct racer *racer)
{
	for (unsigned nr = 0; nr < NR_PER_WRITER; nr++) {
		struct key key = racer_key(racer, nr);
		uint32_t len;

		assert_int_equal(tree_lookup(&racer->fixture->tree, &key, NULL, 0, &len),
				 racer->present[nr] ? 0 : -ERR_KEY_NOT_FOUND);
	}
}

static void test_tree_race__writers_reader_commits(void **state)
{
	struct fixture *fixture = fixture_new(4096, 100 * KIB);
	struct racer *racers = mem_array(NR_WRITERS + 2, sizeof(*racers));
	_Atomic bool stop = false;

	(void)state;
	assert_non_null(racers);
	for (unsigned i = 0; i < NR_WRITERS + 2; i++) {
		racers[i].fixture = fixture;
		racers[i].number = i;
		racers[i].stop = &stop;
		assert_int_equal(pthread_create(&racers[i].thread, NULL,
						i < NR_WRITERS	? race_writer :
						i == NR_WRITERS ? race_reader :
								  race_committer,
						&racers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_WRITERS; i++)
		pthread_join(racers[i].thread, NULL);
	atomic_store(&stop, true);
	pthread_join(racers[NR_WRITERS].thread, NULL);
	pthread_join(racers[NR_WRITERS + 1].thread, NULL);
	for (unsigned i = 0; i < NR_WRITERS; i++)
		check_writer(&racers[i]);
	fixture_check(fixture);
	mem_free(racers);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_race__writers_reader_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
