/*
 * The contents of a few files under random operations beside byte arrays, while a second driver writes back
 * what is dirty step by step: bytes are read wherever they are just then, in dirty ranges, in runs in
 * flight, in batches on their way, in delayed or in written extents.
 *
 * With and without a background; the kind of filesystem and the seeds vary. After each reopening
 * `btrfs check` judges. UBTRFS_SIM_SEEDS=FIRST-LAST and UBTRFS_SIM_OPS=N choose others; a failure names
 * its seed.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/rng.h"
#include "ops/ops.h"

#define NR_FILES 3u
#define FILE_MAX_BYTES 1500000u
#define OPS 700u
#define OPS_FULL 4000u
#define SEEDS 8u
#define SEEDS_FULL 200u

struct data_sim {
	struct fs_fixture fx;
	struct rng rng;
	struct ubtrfs_node nodes[NR_FILES];
	struct content contents[NR_FILES];
	uint64_t seeds[8192];
	unsigned nr_seeds;
	unsigned nr_steps, nr_ram; /* steps that left something on its way */
};

static uint64_t some_offset(struct data_sim *sim)
{
	static const uint64_t edges[] = { 0, 2048, 4096, 65536, 131072, 262144, 1048576 };
	uint64_t edge = edges[rng_below(&sim->rng, ARRAY_LEN(edges))];

	switch (rng_below(&sim->rng, 4)) {
	case 0:
		return rng_below(&sim->rng, FILE_MAX_BYTES);
	case 1:
		return rng_below(&sim->rng, 10000);
	case 2:
		return round_down(rng_below(&sim->rng, FILE_MAX_BYTES), 4096);
	default:
		edge += rng_below(&sim->rng, 5);
		return edge > 2 ? edge - 2 : edge;
	}
}

static uint64_t some_len(struct data_sim *sim)
{
	switch (rng_below(&sim->rng, 5)) {
	case 0:
		return 1 + rng_below(&sim->rng, 300000);
	case 1:
		return 4096;
	case 2:
		return 131072;
	default:
		return 1 + rng_below(&sim->rng, 9000);
	}
}

static void sim_write(struct data_sim *sim, unsigned file)
{
	struct content *content = &sim->contents[file];
	uint64_t offset = rng_one_in(&sim->rng, 3) ? content->len : some_offset(sim);
	uint64_t len = some_len(sim);

	if (offset + len <= FILE_MAX_BYTES)
		content_write(&sim->fx, sim->nodes[file], content, offset, len,
			      rng_next(&sim->rng));
}

static int sim_source_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	content_bytes(*(const uint64_t *)ctx, offset, data, len);
	return 0;
}

static void sim_write_from(struct data_sim *sim, unsigned file)
{
	struct ubtrfs_source source = { .read = sim_source_read, .name = "a seed" };
	struct content *content = &sim->contents[file];
	uint64_t offset = round_down(some_offset(sim), 65536);
	uint64_t len = some_len(sim);

	if (sim->nr_seeds == ARRAY_LEN(sim->seeds) || offset + len > FILE_MAX_BYTES)
		return;
	if (offset + len < content->len)
		len = round_down(len, 65536);
	if (!len)
		return;
	source.ctx = &sim->seeds[sim->nr_seeds];
	sim->seeds[sim->nr_seeds++] = rng_next(&sim->rng);
	OK(ubtrfs_write_from(sim->fx.fs, sim->nodes[file], offset, len, &source));
	content_put(content, offset, len, sim->seeds[sim->nr_seeds - 1]);
}

static void sim_truncate(struct data_sim *sim, unsigned file)
{
	content_truncate(&sim->fx, sim->nodes[file], &sim->contents[file],
			 rng_one_in(&sim->rng, 6) ? 0 : some_offset(sim));
}

/* A part of the file, in one of the ways to read. */
static void sim_read(struct data_sim *sim, unsigned file)
{
	const struct content *content = &sim->contents[file];
	uint64_t offset = some_offset(sim), len = some_len(sim), start = 0, end;
	uint8_t *data = malloc(len);
	size_t got = 0;
	int err;

	assert_non_null(data);
	if (rng_one_in(&sim->rng, 2)) {
		OK(ubtrfs_read(sim->fx.fs, sim->nodes[file], offset, data, len, &got));
		assert_int_equal(got, offset >= content->len ? 0 : MIN(len, content->len - offset));
		start = offset;
	} else {
		err = ubtrfs_read_data(sim->fx.fs, sim->nodes[file], offset, data, len, &start,
				       &got);
		assert_true(err == 0 || err == -ENXIO);
		end = err == 0 ? start : content->len;
		for (uint64_t pos = offset; pos < end; pos++)
			assert_int_equal(content->data[pos], 0);
	}
	if (got)
		assert_memory_equal(data, content->data + start, got);
	free(data);
}

/* Data and holes follow each other to the end, and there is nothing in a hole. */
static void sim_seek(struct data_sim *sim, unsigned file)
{
	const struct content *content = &sim->contents[file];
	uint64_t pos = 0, start, end;

	while (ubtrfs_seek_data(sim->fx.fs, sim->nodes[file], pos, &start, &end) == 0) {
		assert_true(start >= pos && end > start && end <= content->len);
		for (; pos < start; pos++)
			assert_int_equal(content->data[pos], 0);
		pos = end;
	}
	for (; pos < content->len; pos++)
		assert_int_equal(content->data[pos], 0);
}

/* What a thread in the background does. */
static void sim_writeback(struct data_sim *sim)
{
	struct ubtrfs *fs = sim->fx.fs;
	bool more;

	fs_lock(fs);
	OK(fs_unlock(fs, writeback_step(&fs->core.writeback, (size_t)rng_below(&sim->rng, MIB),
					&more)));
	sim->nr_steps++;
	sim->nr_ram += more;
	if (rng_one_in(&sim->rng, 3))
		writeback_wait(&fs->core.writeback);
}

static void sim_compare(struct data_sim *sim)
{
	for (unsigned file = 0; file < NR_FILES; file++)
		content_compare(&sim->fx, sim->nodes[file], &sim->contents[file]);
}

static void sim_reopen(struct data_sim *sim)
{
	fixture_reopen(&sim->fx, true);
	sim->nr_seeds = 0;
	sim_compare(sim);
}

/* The file with all that is dirty of it goes away, and comes back empty. */
static void sim_replace(struct data_sim *sim, unsigned file)
{
	char name[16];

	snprintf(name, sizeof(name), "file%u", file);
	OK(ubtrfs_unlink(sim->fx.fs, sim->fx.top, name, strlen(name)));
	sim->nodes[file] = fixture_file(&sim->fx, name);
	content_resize(&sim->contents[file], 0);
}

static void sim_step(struct data_sim *sim)
{
	unsigned file = (unsigned)rng_below(&sim->rng, NR_FILES);
	uint64_t dice = rng_below(&sim->rng, 1000);

	if (dice < 350)
		sim_write(sim, file);
	else if (dice < 400)
		sim_write_from(sim, file);
	else if (dice < 470)
		sim_truncate(sim, file);
	else if (dice < 700)
		sim_read(sim, file);
	else if (dice < 710)
		sim_seek(sim, file);
	else if (dice < 970)
		sim_writeback(sim);
	else if (dice < 980)
		sim_replace(sim, file);
	else if (dice < 997)
		OK(ubtrfs_commit(sim->fx.fs));
	else
		sim_reopen(sim);
}

static void sim_options(struct data_sim *sim)
{
	static const int compress[] = { UBTRFS_COMPRESS_NONE, UBTRFS_COMPRESS_NONE,
					UBTRFS_COMPRESS_ZSTD, UBTRFS_COMPRESS_ZLIB };
	struct fs_fixture *fx = &sim->fx;

	fx->mkfs.byte_count = 512 * MIB;
	fx->mkfs.sectorsize = rng_one_in(&sim->rng, 4) ? 65536 : 4096;
	fx->mkfs.nodesize = fx->mkfs.sectorsize == 65536 ? 65536 : 0;
	if (rng_one_in(&sim->rng, 2))
		fx->mkfs.features = "^block-group-tree,^no-holes";
	fx->how.compress = compress[rng_below(&sim->rng, ARRAY_LEN(compress))];
	fx->how.threads = 1 + (unsigned)rng_below(&sim->rng, 3);
	fx->how.background = !rng_one_in(&sim->rng, 3);
	/* So little that the door has to ask for room, or so much that it need not. */
	fx->how.dirty_bytes = rng_one_in(&sim->rng, 2) ? 256 * KIB : 0;
}

static void sim_run(uint64_t seed, unsigned nr_ops)
{
	struct data_sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	rng_init(&sim->rng, seed);
	fixture_init(&sim->fx);
	sim_options(sim);
	fixture_make(&sim->fx);
	fixture_finish(&sim->fx);
	fixture_open(&sim->fx, true);
	for (unsigned file = 0; file < NR_FILES; file++) {
		char name[16];

		snprintf(name, sizeof(name), "file%u", file);
		sim->nodes[file] = fixture_file(&sim->fx, name);
	}
	for (unsigned i = 0; i < nr_ops; i++)
		sim_step(sim);
	sim_compare(sim);
	sim_reopen(sim);
	assert_true(sim->nr_ram > sim->nr_steps / 20);
	for (unsigned file = 0; file < NR_FILES; file++)
		content_free(&sim->contents[file]);
	fixture_fini(&sim->fx);
	free(sim);
}

static void test_dirty_data__random_operations(void **state)
{
	const char *text = getenv("UBTRFS_SIM_SEEDS"), *ops = getenv("UBTRFS_SIM_OPS");
	bool full = getenv("UBTRFS_FULL");
	unsigned first = 1, last = full ? SEEDS_FULL : SEEDS;

	(void)state;
	if (text) {
		first = last = (unsigned)strtoul(text, NULL, 10);
		if (strchr(text, '-'))
			last = (unsigned)strtoul(strchr(text, '-') + 1, NULL, 10);
	}
	for (unsigned seed = first; seed <= last; seed++) {
		print_message("# seed %u\n", seed);
		sim_run(seed, ops ? (unsigned)strtoul(ops, NULL, 10) : full ? OPS_FULL : OPS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty_data__random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
