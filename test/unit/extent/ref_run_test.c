/*
 * The engine below the commit, whole: after any sequence of changes and commits the extent tree is
 * exactly what is reachable, the free-space tree its complement, and the models agree.
 */
#include "extent/engine_fixture.h"

static void test_ref_run__new_filesystem_agrees(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });

	(void)state;
	engine_check(engine);
	engine_dump(engine, "new");
	engine_reopen(engine);
	engine_check(engine);
	engine_commit(engine);
	engine_check(engine);
	engine_free(engine);
}

/* Random writes, overwrites, clones, commits and reopenings. */
static void random_engine(const struct engine_options *options, uint64_t seed, const char *name)
{
	struct engine *engine = engine_new(options);
	struct rng rng;

	rng_init(&rng, seed);
	for (unsigned step = 0; step < 1500; step++) {
		uint64_t offset = rng_below(&rng, 700) * 65536;
		uint64_t to = rng_below(&rng, 700) * 65536;

		if (rng_one_in(&rng, 60)) {
			engine_commit(engine);
			if (rng_one_in(&rng, 3))
				engine_check(engine);
			if (rng_one_in(&rng, 4))
				engine_reopen(engine);
		} else if (!engine_unwrite(engine, 5, offset) || rng_one_in(&rng, 2)) {
			(void)engine_write(engine, 5, offset, (1 + rng_below(&rng, 8)) * 4096);
			if (offset != to) {
				(void)engine_unwrite(engine, 5, to);
				engine_clone(engine, 5, offset, to);
			}
		}
	}
	engine_save_file(engine, 5);
	engine_commit(engine);
	engine_check(engine);
	engine_dump(engine, name);
	engine_reopen(engine);
	engine_check(engine);
	engine_free(engine);
}

static void test_ref_run__random_changes_agree(void **state)
{
	(void)state;
	random_engine(&(struct engine_options){ .nodesize = 4096 }, 1, "random");
	random_engine(&(struct engine_options){ .dup = true, .group_tree = true }, 2,
		      "random-group-tree");
	random_engine(&(struct engine_options){ .nodesize = 4096, .fat = true }, 3, "random-fat");
	random_engine(&(struct engine_options){ .nodesize = 4096, .no_free_tree = true }, 4,
		      "random-no-free-tree");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref_run__new_filesystem_agrees),
		cmocka_unit_test(test_ref_run__random_changes_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
