/*
 * Threads make, move, exchange and remove names in directories that others list, look into and hold,
 * while commits run: a name that stays is listed exactly once by everybody who lists, cookies go on
 * where they left, what is held can be read to its end, and `btrfs check` finds nothing afterwards.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/rng.h"

#define NR_CHANGERS 2u
#define NR_LISTERS 2u
#define NR_STAYING 300u
#define NR_COMING 40u
#define ROUNDS 6000u
#define ROUNDS_FULL 40000u

struct race {
	struct fs_fixture fx;
	struct ubtrfs_node dirs[2];
	_Atomic unsigned nr_running; /* changers */
	unsigned nr_rounds;
};

struct worker {
	pthread_t thread;
	struct race *race;
	unsigned nr;
	unsigned nr_done;
};

#define CHECK(cond)                                                                    \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				ubtrfs_error_text());                                  \
			abort();                                                       \
		}                                                                      \
	} while (0)

static void coming_name(unsigned changer, unsigned i, char name[32])
{
	snprintf(name, 32, "coming-%u-%u", changer, i);
}

/* What another step of this thread has done before may stand in its way. */
static void may_be(int err)
{
	CHECK(err == 0 || err == -ENOENT || err == -EEXIST);
}

static void change(struct worker *worker, struct rng *rng)
{
	struct ubtrfs_new what = { .attr.mode = S_IFREG | 0644 };
	struct race *race = worker->race;
	struct ubtrfs_node from = race->dirs[rng_below(rng, 2)], to = race->dirs[rng_below(rng, 2)];
	struct ubtrfs_node node = { 0, 0 };
	char name[32], new_name[32];
	int err;

	coming_name(worker->nr, (unsigned)rng_below(rng, NR_COMING), name);
	coming_name(worker->nr, (unsigned)rng_below(rng, NR_COMING), new_name);
	switch (rng_below(rng, 6)) {
	case 0:
	case 1:
		may_be(ubtrfs_create(race->fx.fs, from, name, strlen(name), &what, &node));
		break;
	case 2:
		may_be(ubtrfs_rename(race->fx.fs, from, name, strlen(name), to, new_name,
				     strlen(new_name), 0));
		break;
	case 3:
		may_be(ubtrfs_rename(race->fx.fs, from, name, strlen(name), to, new_name,
				     strlen(new_name), UBTRFS_RENAME_EXCHANGE));
		break;
	case 4:
		may_be(ubtrfs_unlink(race->fx.fs, from, name, strlen(name)));
		break;
	default:
		err = ubtrfs_lookup(race->fx.fs, from, name, strlen(name), &node);
		may_be(err);
		if (err == 0)
			err = ubtrfs_hold(race->fx.fs, node);
		may_be(err);
		if (err < 0)
			break;
		may_be(ubtrfs_unlink(race->fx.fs, from, name, strlen(name)));
		CHECK(ubtrfs_write(race->fx.fs, node, 0, "held", 4) == 0);
		ubtrfs_release(race->fx.fs, node, 1);
		break;
	}
}

static void *changer_run(void *ctx)
{
	struct worker *worker = ctx;
	struct rng rng;

	rng_init(&rng, worker->nr + 1);
	for (unsigned i = 0; i < worker->race->nr_rounds; i++) {
		change(worker, &rng);
		if (i % 100 == 99 && worker->nr == 0)
			CHECK(ubtrfs_commit(worker->race->fx.fs) == 0);
	}
	atomic_fetch_sub(&worker->race->nr_running, 1);
	return NULL;
}

struct seen {
	unsigned times[NR_STAYING];
	unsigned nr_entries, nr_stop;
	uint64_t cookie;
};

static int see(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct seen *seen = ctx;
	char name[256];
	unsigned i;

	CHECK(entry->cookie > seen->cookie);
	seen->cookie = entry->cookie;
	memcpy(name, entry->name, entry->name_len);
	name[entry->name_len] = '\0';
	if (sscanf(name, "staying-%u", &i) == 1)
		seen->times[i]++;
	return ++seen->nr_entries % seen->nr_stop == 0;
}

static void *lister_run(void *ctx)
{
	struct worker *worker = ctx;
	struct race *race = worker->race;
	struct seen *seen = malloc(sizeof(*seen));

	CHECK(seen);
	while (atomic_load(&race->nr_running)) {
		struct ubtrfs_node dir = race->dirs[worker->nr_done % 2];
		int ret;

		memset(seen, 0, sizeof(*seen));
		/* Stopping and going on by the cookie now and then. */
		seen->nr_stop = 7 + worker->nr_done % 150;
		do {
			ret = ubtrfs_readdir(race->fx.fs, dir, seen->cookie, see, seen);
			CHECK(ret >= 0);
		} while (ret > 0);
		for (unsigned i = 0; i < NR_STAYING; i++)
			CHECK(seen->times[i] == 1);
		worker->nr_done++;
	}
	free(seen);
	return NULL;
}

static void test_names_race__lists_while_names_move(void **state)
{
	struct race *race = calloc(1, sizeof(*race));
	struct worker changers[NR_CHANGERS], listers[NR_LISTERS];
	char name[32];

	(void)state;
	assert_non_null(race);
	race->nr_rounds = getenv("UBTRFS_FULL") ? ROUNDS_FULL : ROUNDS;
	fixture_init(&race->fx);
	race->fx.mkfs.byte_count = 512 * MIB;
	fixture_make(&race->fx);
	fixture_finish(&race->fx);
	race->fx.how.background = true;
	race->fx.how.threads = 2;
	fixture_open(&race->fx, true);
	for (unsigned d = 0; d < 2; d++) {
		race->dirs[d] =
			fixture_create(&race->fx, race->fx.top, d ? "two" : "one", S_IFDIR | 0755);
		for (unsigned i = 0; i < NR_STAYING; i++) {
			snprintf(name, sizeof(name), "staying-%u", i);
			fixture_create(&race->fx, race->dirs[d], name, S_IFREG | 0644);
		}
	}
	atomic_store(&race->nr_running, NR_CHANGERS);
	for (unsigned i = 0; i < NR_CHANGERS; i++) {
		changers[i] = (struct worker){ .race = race, .nr = i };
		assert_int_equal(
			pthread_create(&changers[i].thread, NULL, changer_run, &changers[i]), 0);
	}
	for (unsigned i = 0; i < NR_LISTERS; i++) {
		listers[i] = (struct worker){ .race = race, .nr = i, .nr_done = i };
		assert_int_equal(pthread_create(&listers[i].thread, NULL, lister_run, &listers[i]),
				 0);
	}
	for (unsigned i = 0; i < NR_CHANGERS; i++)
		pthread_join(changers[i].thread, NULL);
	for (unsigned i = 0; i < NR_LISTERS; i++) {
		pthread_join(listers[i].thread, NULL);
		assert_true(listers[i].nr_done > i + 1);
	}
	fixture_close(&race->fx);
	fixture_check(&race->fx);
	fixture_fini(&race->fx);
	free(race);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_race__lists_while_names_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
