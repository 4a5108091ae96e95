/*
 * A full filesystem. Every kind of operation is tried on it again and again: each is done, or
 * refused with ENOSPC and has changed nothing; removing and cutting off are never refused, and
 * commits never fail. What each kind met is listed; each was tried, and what needs space was
 * refused at least once. At the end everything is removed, and the space is there again.
 *
 *	UBTRFS_FULL_SEEDS=FIRST-LAST [UBTRFS_FULL_VERBOSE=1] build-dev/full_test
 */
#include "model/ops_model.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <unistd.h>

#include <ubtrfs/attr.h>

#define ROUNDS 4u
#define STEPS 150u

#define NOCOW_BYTES (256 * KIB)

struct full {
	struct fs_fixture fx;
	struct exec *exec;
	struct world *world;
	unsigned nr_filler, nr_empty;
	struct ubtrfs_node nocow; /* a file that is overwritten in place */
	struct content nocow_content;
};

static void nocow_make(struct full *full)
{
	full->nocow = fixture_file(&full->fx, "nocow");
	OK(ubtrfs_fsflags_set(full->fx.fs, full->nocow, FS_NOCOW_FL, FS_NOCOW_FL));
	content_write(&full->fx, full->nocow, &full->nocow_content, 0, NOCOW_BYTES, 5);
	OK(ubtrfs_commit(full->fx.fs));
}

/* Needs nothing. */
static void nocow_overwrite(struct full *full, uint64_t seed)
{
	content_write(&full->fx, full->nocow, &full->nocow_content, seed * 4096, NOCOW_BYTES / 2,
		      seed);
	content_compare(&full->fx, full->nocow, &full->nocow_content);
}

/* Writes files of `piece` bytes until there is no room for one more. */
static uint64_t fill_data(struct full *full, size_t piece)
{
	uint8_t *data = malloc(piece);
	uint64_t total = 0;
	int err = 0;

	assert_non_null(data);
	content_bytes(full->nr_filler * 5 + 5, 0, data, piece);
	while (err == 0) {
		struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 } };
		struct ubtrfs_node node;
		char name[32];

		snprintf(name, sizeof(name), "filler-%u", full->nr_filler);
		err = ubtrfs_create(full->fx.fs, full->fx.top, name, strlen(name), &what, &node);
		if (err)
			break;
		full->nr_filler++;
		err = ubtrfs_write(full->fx.fs, node, 0, data, piece);
		total += err ? 0 : piece;
	}
	if (err != -ENOSPC)
		fail_msg("filling: %d, %s", err, ubtrfs_error_text());
	free(data);
	return total;
}

/* Names and nothing else, for the room of the trees. */
static void fill_names(struct full *full)
{
	int err = 0;

	for (unsigned i = 0; err == 0 && i < 200000; i++) {
		struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 } };
		struct ubtrfs_node node;
		char name[200];

		snprintf(name, sizeof(name), "%0150u", full->nr_empty);
		err = ubtrfs_create(full->fx.fs, full->fx.top, name, strlen(name), &what, &node);
		full->nr_empty += err == 0;
	}
	if (err != -ENOSPC)
		fail_msg("filling with names: %d, %s", err, ubtrfs_error_text());
}

static void fill(struct full *full, unsigned round)
{
	fill_data(full, MIB);
	fill_data(full, 4096);
	fill_names(full);
	nocow_overwrite(full, round);
}

static void check_world(struct full *full, const char *when)
{
	const struct world *world = full->world;

	if (world->data.failed)
		fail_msg("seed %llu, %s: %s: %s (%s)", (unsigned long long)world->seed, when,
			 world->data.did, world->data.text, full->fx.path);
}

/* Every kind in turn, so that none is left out. */
static void try_all(struct full *full)
{
	struct world *world = full->world;
	unsigned refused;

	for (unsigned i = 0; i < STEPS; i++)
		for (unsigned kind = 0; world_step_name(kind); kind++) {
			/* Nearly full is full: what removing gave free is taken again. */
			if (strcmp(world_step_name(kind), "reopen") == 0)
				continue;
			refused = world->data.nr_refused;
			world_step_kind(world, kind);
			if (getenv("UBTRFS_FULL_VERBOSE"))
				fprintf(stderr, "# %u %s: %s%s\n", i, world_step_name(kind),
					world->data.did,
					world->data.nr_refused > refused ? " REFUSED" : "");
			check_world(full, "full");
		}
	world_compare(world, full->exec);
	check_world(full, "full, compare");
}

static void add_counts(const struct world *world, struct world_count *totals)
{
	for (unsigned kind = 0; world_step_name(kind); kind++) {
		totals[kind].nr_done += world->counts[kind].nr_done;
		totals[kind].nr_refused += world->counts[kind].nr_refused;
	}
}

/* Over all seeds. */
static void judge_counts(const struct world_count *totals)
{
	/* What surely needs room now and then. */
	static const char *const needy[] = { "make", "symlink", "link", "contents", "setxattr" };

	for (unsigned kind = 0; world_step_name(kind); kind++) {
		const struct world_count *count = &totals[kind];
		const char *name = world_step_name(kind);

		print_message("# %-26s done %6u, refused %6u\n", name, count->nr_done,
			      count->nr_refused);
		if (strcmp(name, "unlink") == 0 || strcmp(name, "rmdir") == 0)
			assert_int_equal(count->nr_refused, 0);
		for (size_t i = 0; i < ARRAY_LEN(needy); i++)
			if (strcmp(name, needy[i]) == 0)
				assert_true(count->nr_refused > 0);
	}
}

static void remove_all(struct full *full)
{
	char name[200];

	for (unsigned i = 0; i < full->nr_filler; i++) {
		snprintf(name, sizeof(name), "filler-%u", i);
		OK(ubtrfs_unlink(full->fx.fs, full->fx.top, name, strlen(name)));
	}
	for (unsigned i = 0; i < full->nr_empty; i++) {
		snprintf(name, sizeof(name), "%0150u", i);
		OK(ubtrfs_unlink(full->fx.fs, full->fx.top, name, strlen(name)));
	}
	full->nr_filler = full->nr_empty = 0;
	OK(ubtrfs_commit(full->fx.fs));
	world_compare(full->world, full->exec);
	check_world(full, "emptied");
}

static void run_full(uint64_t seed, bool mixed, bool background, struct world_count *totals)
{
	struct full full = { 0 };
	uint64_t first, again;

	print_message("# seed %llu, %s\n", (unsigned long long)seed, mixed ? "mixed" : "separate");
	fixture_init(&full.fx);
	full.fx.mkfs.mixed = mixed;
	full.fx.mkfs.byte_count = mixed ? 24 * MIB : 128 * MIB;
	full.fx.how.now = NULL;
	full.fx.how.background = background;
	fixture_make(&full.fx);
	fixture_finish(&full.fx);
	fixture_open(&full.fx, true);
	full.exec = exec_lib_new(&full.fx);
	full.world = world_new(full.exec, seed, 0);
	full.world->data.max_bytes = 150000;
	full.world->data.reserve = background;
	world_run(full.world, 300);
	check_world(&full, "before");
	world_close_all(full.world);
	nocow_make(&full);
	first = fill_data(&full, MIB);
	full.world->data.full = true;
	for (unsigned i = 0; i < ROUNDS; i++) {
		fill(&full, i);
		try_all(&full);
		OK(ubtrfs_commit(full.fx.fs));
	}
	world_close_all(full.world);
	fixture_reopen(&full.fx, true);
	content_compare(&full.fx, full.nocow, &full.nocow_content);
	world_compare(full.world, full.exec);
	check_world(&full, "opened again");
	add_counts(full.world, totals);
	remove_all(&full);
	again = fill_data(&full, MIB);
	if (again < first / 2)
		fail_msg("%llu bytes had room, %llu have after everything was removed",
			 (unsigned long long)first, (unsigned long long)again);
	fixture_close(&full.fx);
	fixture_check(&full.fx);
	content_free(&full.nocow_content);
	world_free(full.world);
	exec_lib_free(full.exec);
	fixture_fini(&full.fx);
}

static void run_seeds(bool background)
{
	const char *text = getenv("UBTRFS_FULL_SEEDS");
	uint64_t first = 1, last = getenv("UBTRFS_FULL") ? 40 : 2;
	struct world_count totals[WORLD_MAX_STEPS] = { { 0 } };

	if (text) {
		first = last = strtoull(text, NULL, 10);
		if (strchr(text, '-'))
			last = strtoull(strchr(text, '-') + 1, NULL, 10);
	}
	for (uint64_t seed = first; seed <= last; seed++)
		run_full(seed, seed % 2, background, totals);
	judge_counts(totals);
}

static void test_full__every_operation(void **state)
{
	(void)state;
	run_seeds(false);
}

static void test_full__background(void **state)
{
	(void)state;
	run_seeds(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full__every_operation),
		cmocka_unit_test(test_full__background),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
