/*
 * Random operations of all kinds from a seed, by one and by several threads, beside a model in
 * memory; then `btrfs check` judges the image, and the kernel's mount is compared with the model.
 * The filesystem is of a kind that the seed picks too.
 *
 *	UBTRFS_MODEL_SEEDS=FIRST-LAST UBTRFS_MODEL_OPS=N build-dev/ops_model_test
 *	build-dev/ops_model_test --dir DIR [--seeds FIRST-LAST] [--ops N] [--threads N] [--verbose]
 *
 * With --dir the same sequences by system calls in an empty directory, as root: on a mount of ours,
 * or on the kernel's, which judges the model. A failure names its seed, thread and step; the
 * sequence of a thread depends on these alone.
 */
#include "model/ops_model.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/kernel_view.h"

#define SEEDS 4u
#define SEEDS_FULL 500u
#define OPS 500u
#define OPS_FULL 2000u
#define THREADS 4u

struct model_how {
	uint64_t first, last, nr_ops;
	unsigned nr_threads;
	bool verbose;
};

struct worker {
	pthread_t thread;
	struct world *world;
	uint64_t nr_ops;
};

static void parse_seeds(const char *text, struct model_how *how)
{
	char *end;

	how->first = how->last = strtoull(text, &end, 10);
	if (*end == '-')
		how->last = strtoull(end + 1, NULL, 10);
}

static struct model_how how_from_environment(void)
{
	bool full = getenv("UBTRFS_FULL") != NULL;
	struct model_how how = { .first = 1,
				 .last = full ? SEEDS_FULL : SEEDS,
				 .nr_ops = full ? OPS_FULL : OPS,
				 .verbose = getenv("UBTRFS_MODEL_VERBOSE") != NULL };

	if (getenv("UBTRFS_MODEL_SEEDS"))
		parse_seeds(getenv("UBTRFS_MODEL_SEEDS"), &how);
	if (getenv("UBTRFS_MODEL_OPS"))
		how.nr_ops = strtoull(getenv("UBTRFS_MODEL_OPS"), NULL, 10);
	return how;
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;

	world_run(worker->world, worker->nr_ops);
	return NULL;
}

/* The first failure, in words; false when there is none. */
static bool tell_failure(struct world *const *worlds, unsigned nr, char text[1200])
{
	for (unsigned i = 0; i < nr; i++) {
		const struct world *world = worlds[i];

		if (!world->data.failed)
			continue;
		snprintf(text, 1200, "seed %llu, thread %u of %u, step %llu: %s: %s",
			 (unsigned long long)world->seed, i, nr, (unsigned long long)world->step,
			 world->data.did, world->data.text);
		return true;
	}
	return false;
}

/* All threads of a seed, to their end. */
static void run_worlds(struct exec *exec, uint64_t seed, const struct model_how *how,
		       struct world *worlds[THREADS])
{
	struct worker workers[THREADS];

	for (unsigned i = 0; i < how->nr_threads; i++) {
		worlds[i] = world_new(exec, seed, i);
		worlds[i]->alone = how->nr_threads == 1;
		worlds[i]->verbose = how->verbose;
		workers[i] = (struct worker){ .world = worlds[i], .nr_ops = how->nr_ops };
	}
	for (unsigned i = 1; i < how->nr_threads; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]),
				 0);
	run_worker(&workers[0]);
	for (unsigned i = 1; i < how->nr_threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < how->nr_threads; i++) {
		world_close_all(worlds[i]);
		if (!worlds[i]->data.failed)
			world_compare(worlds[i], exec);
	}
}

static void free_worlds(struct world *worlds[THREADS], unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		world_free(worlds[i]);
}

static void pick_kind(struct fs_fixture *fx, uint64_t seed)
{
	static const char *const csums[] = { "crc32c", "crc32c", "xxhash", "sha256", "blake2" };
	static const char *const features[] = { NULL, NULL, "^block-group-tree",
						"^block-group-tree,^no-holes",
						"^block-group-tree,^free-space-tree" };
	static const uint32_t nodesizes[] = { 0, 0, 4096, 65536 };
	struct rng rng;

	rng_init(&rng, seed ^ 0x5eed);
	fx->mkfs.byte_count = 1024 * MIB;
	fx->mkfs.csum = csums[rng_below(&rng, ARRAY_LEN(csums))];
	fx->mkfs.features = features[rng_below(&rng, ARRAY_LEN(features))];
	fx->mkfs.nodesize = nodesizes[rng_below(&rng, ARRAY_LEN(nodesizes))];
	fx->mkfs.mixed = rng_one_in(&rng, 6);
	if (fx->mkfs.mixed)
		fx->mkfs.nodesize = 0;
	fx->how.compress = (int)rng_below(&rng, 4);
#ifndef HAVE_LZO
	if (fx->how.compress == UBTRFS_COMPRESS_LZO)
		fx->how.compress = UBTRFS_COMPRESS_NONE;
#endif
	fx->how.threads = 1 + (unsigned)rng_below(&rng, 3);
	fx->how.max_inline = rng_one_in(&rng, 4) ? 0 : UINT32_MAX;
	fx->how.now = NULL;
}

static void kernel_compare(struct fs_fixture *fx, struct world *worlds[THREADS], unsigned nr)
{
	struct kernel_view view;
	struct exec *exec;

	if (!kernel_can_mount())
		return;
	kernel_mount(&view, fx->path, fx->dir, "ro");
	exec = exec_sys_new(view.dir);
	for (unsigned i = 0; i < nr; i++)
		world_compare(worlds[i], exec);
	exec_sys_free(exec);
	kernel_umount(&view);
}

static void run_seed(uint64_t seed, const struct model_how *how, bool background)
{
	uint8_t fsid[16] = "model test";
	struct world *worlds[THREADS];
	struct fs_fixture fx;
	struct exec *exec;
	char text[1200];

	print_message("# seed %llu, %u threads\n", (unsigned long long)seed, how->nr_threads);
	fixture_init(&fx);
	memcpy(fsid + 12, &(pid_t){ getpid() }, sizeof(pid_t));
	fx.mkfs.fsid = fsid;
	pick_kind(&fx, seed);
	fx.how.background = background;
	fixture_make_open(&fx);
	exec = exec_lib_new(&fx);
	run_worlds(exec, seed, how, worlds);
	if (!tell_failure(worlds, how->nr_threads, text)) {
		fixture_close(&fx);
		fixture_check(&fx);
		kernel_compare(&fx, worlds, how->nr_threads);
		fixture_open(&fx, false);
		for (unsigned i = 0; i < how->nr_threads; i++)
			world_compare(worlds[i], exec);
	}
	if (tell_failure(worlds, how->nr_threads, text))
		fail_msg("%s (%s)", text, fx.path);
	free_worlds(worlds, how->nr_threads);
	exec_lib_free(exec);
	fixture_fini(&fx);
}

/* Nothing happens but in the calls: a seed gives the same image each time. */
static void test_ops_model__one_thread(void **state)
{
	struct model_how how = how_from_environment();

	(void)state;
	how.nr_threads = 1;
	for (uint64_t seed = how.first; seed <= how.last; seed++)
		run_seed(seed, &how, false);
}

static void test_ops_model__background(void **state)
{
	struct model_how how = how_from_environment();

	(void)state;
	how.nr_threads = 1;
	for (uint64_t seed = how.first; seed <= how.last; seed++)
		run_seed(seed, &how, true);
}

static void test_ops_model__threads(void **state)
{
	struct model_how how = how_from_environment();

	(void)state;
	how.nr_threads = THREADS;
	for (uint64_t seed = how.first; seed <= how.last; seed++)
		run_seed(seed, &how, true);
}

/* Removes what a world has made. */
static void world_clear(struct exec *exec, struct world *world)
{
	char path[WORLD_PATH];
	bool again = true;

	/* What is empty, until nothing is left. */
	while (again) {
		again = false;
		for (uint32_t i = 0; i < WORLD_MAX_NAMES; i++) {
			struct world_node *node = &world->nodes[world->names[i].node];
			bool dir = S_ISDIR(node->mode);

			if (!world->names[i].used || node->nr_entries)
				continue;
			world_name_path(world, i, path);
			if ((dir ? exec->ops->rmdir : exec->ops->unlink)(exec, path) == 0) {
				world_remove_name(world, i);
				again = true;
			}
		}
	}
	world_dir_path(world, WORLD_OWN, path);
	exec->ops->rmdir(exec, path);
}

static int run_dir(const char *dir, const struct model_how *how)
{
	struct exec *exec = exec_sys_new(dir);
	struct world *worlds[THREADS];
	bool failed = false;
	char text[1200];

	fprintf(stderr, "# can %x\n", exec->can);
	for (uint64_t seed = how->first; seed <= how->last && !failed; seed++) {
		run_worlds(exec, seed, how, worlds);
		failed = tell_failure(worlds, how->nr_threads, text);
		if (failed)
			fprintf(stderr, "%s\n", text);
		for (unsigned i = 0; !failed && i < how->nr_threads; i++)
			world_clear(exec, worlds[i]);
		free_worlds(worlds, how->nr_threads);
	}
	if (!failed)
		exec->ops->rmdir(exec, "/shared");
	exec_sys_free(exec);
	return failed ? 1 : 0;
}

static int run_by_hand(int argc, char **argv)
{
	struct model_how how = { .first = 1, .last = 1, .nr_ops = OPS, .nr_threads = 1 };
	const char *dir = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0)
			how.verbose = true;
		else if (i + 1 < argc && strcmp(argv[i], "--dir") == 0)
			dir = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0)
			parse_seeds(argv[++i], &how);
		else if (i + 1 < argc && strcmp(argv[i], "--ops") == 0)
			how.nr_ops = strtoull(argv[++i], NULL, 10);
		else if (i + 1 < argc && strcmp(argv[i], "--threads") == 0)
			how.nr_threads = (unsigned)strtoul(argv[++i], NULL, 10);
		else
			how.nr_threads = 0;
	}
	if (!dir || how.nr_threads == 0 || how.nr_threads > THREADS) {
		fprintf(stderr,
			"usage: ops_model_test [--dir DIR [--seeds FIRST-LAST] [--ops N] "
			"[--threads 1..%u] [--verbose]]\n",
			THREADS);
		return 2;
	}
	return run_dir(dir, &how);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ops_model__one_thread),
		cmocka_unit_test(test_ops_model__background),
		cmocka_unit_test(test_ops_model__threads),
	};

	if (argc > 1)
		return run_by_hand(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
