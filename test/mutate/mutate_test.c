/*
 * No mutant crashes, hangs, takes 512 MiB, or fails without saying why: some thousand of each of
 * our own images in the normal run.
 *
 * mutate_test [--seed N] [--first N] [--nr N] [--seconds N] [--log FILE] [--verbose] [--no-fork] [--save DIR] [IMAGE[,IMAGE...]...]: a run by hand,
 * over these images (the devices of one filesystem with commas between); exit code 1 with findings.
 */
#include "mutate.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/fs_fixture.h"

#define IMAGES_MAX 64u
#define NORMAL_SECONDS 10u
#define FULL_SECONDS 600u
#define SOUND_ROUNDS 4u

static struct image images[IMAGES_MAX];
static unsigned nr_made;

/* Memory that is freed must go back, or what grows cannot be told from what is kept for finding errors. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=4:max_allocation_size_mb=256:hard_rss_limit_mb=512:handle_abort=1:"
	       "detect_leaks=1:malloc_context_size=8";
}

static void images_fini(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		image_free(&images[i]);
}

static unsigned images_make(void)
{
	char in_memory[] = "/dev/shm/ubtrfs-mutate-XXXXXX",
	     elsewhere[] = "/tmp/ubtrfs-mutate-XXXXXX";
	char *dir = mkdtemp(in_memory), paths[IMAGE_DEVICES_MAX][256];
	const char *list[IMAGE_DEVICES_MAX], *name;
	unsigned nr = 0, nr_paths;

	if (!dir)
		dir = mkdtemp(elsewhere);
	assert_non_null(dir);
	while ((name = made_image(nr, dir, paths, &nr_paths))) {
		for (unsigned i = 0; i < nr_paths; i++)
			list[i] = paths[i];
		image_load(&images[nr], list, nr_paths);
		snprintf(images[nr].name, sizeof(images[nr].name), "%s", name);
		nr++;
		/* Mapped, they need no name any more. */
		for (unsigned i = 0; i < nr_paths; i++)
			unlink(paths[i]);
	}
	rmdir(dir);
	return nr;
}

static int made_setup(void **state)
{
	(void)state;
	nr_made = images_make();
	return 0;
}

static int made_teardown(void **state)
{
	(void)state;
	images_fini(nr_made);
	return 0;
}

static void show(const struct campaign_result *result)
{
	printf("# %llu mutants: %llu opened, %llu committed, %llu reopened, %llu entries; slowest %llu ms, most memory %llu MiB; "
	       "%u crashed, %u hung, %u mute\n",
	       (unsigned long long)result->nr_mutants, (unsigned long long)result->nr_opened,
	       (unsigned long long)result->nr_committed, (unsigned long long)result->nr_reopened,
	       (unsigned long long)result->nr_entries, (unsigned long long)result->slowest_ms,
	       (unsigned long long)result->most_rss_kib / 1024, result->nr_crashed, result->nr_hung,
	       result->nr_mute);
}

static void test_mutate__nothing_crashes_hangs_or_grows(void **state)
{
	struct campaign campaign = {
		.images = images, .nr_images = nr_made, .seed = 1, .nr = UINT32_MAX
	};
	struct campaign_result result;

	(void)state;
	campaign.seconds = getenv("UBTRFS_FULL") ? FULL_SECONDS : NORMAL_SECONDS;
	campaign.log_path = "/dev/null";
	campaign_run(&campaign, &result);
	show(&result);
	assert_int_equal(result.nr_crashed, 0);
	assert_int_equal(result.nr_hung, 0);
	assert_int_equal(result.nr_mute, 0);
	assert_true(result.nr_mutants > 100);
	/* Or the mutants would all be refused at the door, and nothing behind it be tested. */
	assert_true(result.nr_opened > result.nr_mutants / 2);
	assert_true(result.nr_committed > result.nr_mutants / 4);
	assert_true(result.nr_reopened > result.nr_committed / 2);
}

/* The same image without a change: what a run does succeeds, with some seeds. */
static void no_failure(void *ctx, int err, const char *call, const char *sentence)
{
	(void)ctx;
	fail_msg("%s: %d, %s", call, err, sentence);
}

static void test_mutate__the_unchanged_images_are_sound(void **state)
{
	struct rng rng;

	(void)state;
	assert_true(nr_made > 0);
	for (unsigned i = 0; i < nr_made * SOUND_ROUNDS; i++) {
		struct image *image = &images[i % nr_made];
		struct use use = { .image = image,
				   .rng = &rng,
				   .failed = no_failure,
				   .sink = fopen("/dev/null", "w") };

		rng_init(&rng, i);
		image_use(&use);
		image_use_rescue(&use);
		assert_int_equal(use.nr_opened, 1);
		assert_int_equal(use.nr_committed, 1);
		assert_int_equal(use.nr_reopened, 1);
		assert_true(use.nr_entries > 50);
		fclose(use.sink);
		image_reset(image);
	}
}

static void image_named(struct image *image, char *names)
{
	const char *paths[IMAGE_DEVICES_MAX];
	unsigned nr = 0;
	char *rest;

	for (char *name = strtok_r(names, ",", &rest); name && nr < IMAGE_DEVICES_MAX;
	     name = strtok_r(NULL, ",", &rest))
		paths[nr++] = name;
	image_load(image, paths, nr);
}

static int by_hand(int argc, char **argv)
{
	static const struct option options[] = { { "seed", required_argument, NULL, 's' },
						 { "first", required_argument, NULL, 'f' },
						 { "nr", required_argument, NULL, 'n' },
						 { "seconds", required_argument, NULL, 't' },
						 { "log", required_argument, NULL, 'l' },
						 { "verbose", no_argument, NULL, 'v' },
						 { "no-fork", no_argument, NULL, 'x' },
						 { "save", required_argument, NULL, 'd' },
						 { NULL, 0, NULL, 0 } };
	struct campaign campaign = { .images = images, .seed = 1, .nr = 1000 };
	struct campaign_result result;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 's')
			campaign.seed = strtoull(optarg, NULL, 0);
		else if (option == 'f')
			campaign.first = strtoull(optarg, NULL, 0);
		else if (option == 'n')
			campaign.nr = strtoull(optarg, NULL, 0);
		else if (option == 't')
			campaign.seconds = (unsigned)strtoul(optarg, NULL, 0);
		else if (option == 'l')
			campaign.log_path = optarg;
		else if (option == 'd')
			campaign.save_dir = optarg;
		else if (option == 'v')
			campaign.verbose = true;
		else if (option == 'x')
			campaign.no_fork = true;
		else
			return 2;
	}
	while (optind < argc && campaign.nr_images < IMAGES_MAX)
		image_named(&images[campaign.nr_images++], argv[optind++]);
	if (!campaign.nr_images)
		campaign.nr_images = images_make();
	if (campaign.save_dir) {
		campaign.nr = 1;
		campaign.no_fork = true;
	}
	campaign_run(&campaign, &result);
	show(&result);
	images_fini(campaign.nr_images);
	return result.nr_crashed || result.nr_hung || result.nr_mute;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutate__the_unchanged_images_are_sound),
		cmocka_unit_test(test_mutate__nothing_crashes_hangs_or_grows),
	};

	if (argc > 1)
		return by_hand(argc, argv);
	return cmocka_run_group_tests(tests, made_setup, made_teardown);
}
