/*
 * Law L8: the writes of several commits are recorded; their order is looked at, and every state
 * that a crash could leave holds exactly what some commit held: by our own reading and by `btrfs
 * check`.
 *
 * The normal run samples the states (those around superblocks, and some between); UBTRFS_FULL looks
 * at all of them.
 */
#include "crash_image.h"

#include "sim/fs_model.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "device/device.h"
#include "format/superblock.h"
#include "ops/ops.h"

#define NR_COMMITS 3
#define NR_SAMPLES 12

struct crash {
	struct fs_fixture fx;
	char base[200]; /* the image before the recording */
	struct device *record;
	bool spilling;			     /* blocks are written early, time and again */
	struct model models[NR_COMMITS + 1]; /* what each generation holds */
	uint64_t generations[NR_COMMITS + 1];
	size_t ends[NR_COMMITS + 1]; /* entries when the commit had returned */
};

static uint64_t generation_of(struct fs_fixture *fx)
{
	struct ubtrfs_info info;

	OK(ubtrfs_info(fx->fs, &info));
	return info.generation;
}

static void change_something(struct crash *crash, unsigned round, const char *prefix)
{
	struct model *model = &crash->models[round + 1];
	struct fs_fixture *fx = &crash->fx;
	char name[32];

	model_copy(model, &crash->models[round]);
	for (unsigned i = 0; i < 12; i++) {
		struct model_node *old = &model->nodes[1 + i];
		unsigned node;

		if (i % 3 == round % 3 && old->used) {
			content_write(fx, old->node, &old->content, 4096 * i, 60000,
				      round * 100 + i);
		} else if (i % 5 == round % 5 && old->used) {
			unsigned entry;

			for (entry = 0;
			     model->names[entry].node != 1 + i || !model->names[entry].used;
			     entry++)
				continue;
			OK(ubtrfs_unlink(fx->fs, fx->top, model->names[entry].name,
					 strlen(model->names[entry].name)));
			model_remove_name(model, entry);
		}
		snprintf(name, sizeof(name), "%s%u-%u", prefix, round, i);
		node = model_add_node(model, fixture_file(fx, name), S_IFREG | 0644);
		model_add_name(model, 0, name, node);
		content_write(fx, model->nodes[node].node, &model->nodes[node].content, 0,
			      i * i * 1000, round * 1000 + i);
	}
}

static void open_recorded(struct crash *crash)
{
	struct core_open how;
	struct device *file;

	crash->fx.how.writable = true;
	crash->fx.how.explicit_commit = crash->spilling;
	core_open_from_options(&crash->fx.how, &how);
	OK(device_file_open(crash->fx.path, DEVICE_WRITE, &file));
	OK(device_record_new(file, &crash->record));
	how.opened = &crash->record;
	OK(fs_new(&how, &crash->fx.fs));
	if (crash->spilling)
		crash->fx.fs->core.dirty_max_bytes = 1;
}

static void crash_record(struct crash *crash)
{
	struct fs_fixture *fx = &crash->fx;

	fixture_make_open(fx);
	model_init(&crash->models[0], fx->top);
	change_something(crash, 0, "base");
	model_copy(&crash->models[0], &crash->models[1]);
	fixture_close(fx);
	snprintf(crash->base, sizeof(crash->base), "%s/base", fx->dir);
	crash_copy_image(fx->path, crash->base);
	open_recorded(crash);
	crash->generations[0] = generation_of(fx);
	for (unsigned i = 0; i < NR_COMMITS; i++) {
		change_something(crash, i, "round");
		OK(ubtrfs_commit(fx->fs));
		crash->generations[i + 1] = generation_of(fx);
		crash->ends[i + 1] = device_record_nr(crash->record);
	}
}

static bool is_super(const struct device_record_entry *entry)
{
	return entry->kind == RECORD_WRITE && entry->len == BTRFS_SUPER_INFO_SIZE &&
	       (entry->at.at == super_mirror_offset(0) || entry->at.at == super_mirror_offset(1));
}

/*
 * Between the last write of a block and a superblock there is a flush, and one behind the
 * superblocks.
 */
static void order_check(const struct crash *crash)
{
	unsigned commit = 1;
	bool flushed = true, super_open = false;

	for (size_t i = 0; i < device_record_nr(crash->record); i++) {
		const struct device_record_entry *entry = device_record_at(crash->record, i);

		if (entry->kind == RECORD_FLUSH) {
			flushed = true;
			super_open = false;
		} else if (is_super(entry)) {
			assert_true(flushed || super_open);
			super_open = true;
			flushed = false;
		} else {
			assert_false(super_open);
			flushed = false;
		}
		if (i + 1 == crash->ends[commit]) {
			assert_true(flushed);
			commit++;
		}
	}
	assert_int_equal(commit, NR_COMMITS + 1);
}

/*
 * The file at path is one of the states: that of its generation, which is that of commit
 * at_least or a later one.
 */
static void state_check(struct crash *crash, const char *path, unsigned at_least)
{
	struct fs_fixture view = crash->fx;
	const char *devices[1] = { path };
	uint64_t generation;
	char *output;
	unsigned i;

	if (fixture_judge(path, &output) != 0)
		fail_msg("%s", output);
	free(output);
	view.how.devices = devices;
	fixture_open(&view, false);
	generation = generation_of(&view);
	for (i = 0; i <= NR_COMMITS && crash->generations[i] != generation; i++)
		continue;
	assert_true(i <= NR_COMMITS && i >= at_least);
	model_compare(&crash->models[i], &view);
	fixture_close(&view);
}

/* Commits that had returned with the first nr entries. */
static unsigned commits_done(const struct crash *crash, size_t nr)
{
	unsigned done = 0;

	while (done < NR_COMMITS && crash->ends[done + 1] <= nr)
		done++;
	return done;
}

/* Walks through the prefixes on one file. */
static void prefixes_check(struct crash *crash)
{
	size_t nr = device_record_nr(crash->record), done = 0;
	const struct device_record_entry *next;
	bool all = getenv("UBTRFS_FULL");
	char path[200];
	struct rng rng;

	rng_init(&rng, 1);
	snprintf(path, sizeof(path), "%s/state", crash->fx.dir);
	crash_copy_image(crash->base, path);
	for (size_t i = 0; i <= nr; i++) {
		next = i < nr ? device_record_at(crash->record, i) : NULL;
		if (all || !next || is_super(next) ||
		    (i && is_super(device_record_at(crash->record, i - 1))) ||
		    rng_one_in(&rng, nr / NR_SAMPLES + 1))
			state_check(crash, path, commits_done(crash, i));
		if (next)
			crash_apply_prefix(crash->record, path, &done, i + 1);
	}
	unlink(path);
}

/* Writes since the last flush may have arrived or not, in any choice. */
static void reorderings_check(struct crash *crash)
{
	size_t nr = device_record_nr(crash->record);
	char path[200];
	struct rng rng;

	rng_init(&rng, 2);
	snprintf(path, sizeof(path), "%s/state", crash->fx.dir);
	for (unsigned sample = 0; sample < NR_SAMPLES; sample++) {
		size_t stop = 1 + rng_below(&rng, nr), flushed;

		flushed = crash_apply_some(crash->record, crash->base, path, stop, &rng);
		state_check(crash, path, commits_done(crash, flushed));
	}
	unlink(path);
}

static void crash_run(const char *features, bool mixed, int compress, bool spilling)
{
	struct crash *crash = calloc(1, sizeof(*crash));

	assert_non_null(crash);
	crash->spilling = spilling;
	fixture_init(&crash->fx);
	crash->fx.mkfs.byte_count = mixed ? 64 * MIB : 128 * MIB;
	crash->fx.mkfs.features = features;
	crash->fx.mkfs.mixed = mixed;
	crash->fx.how.compress = compress;
	crash_record(crash);
	order_check(crash);
	prefixes_check(crash);
	reorderings_check(crash);
	unlink(crash->base);
	fixture_fini(&crash->fx);
	for (unsigned i = 0; i <= NR_COMMITS; i++)
		model_fini(&crash->models[i]);
	free(crash);
}

static void test_commit_crash__default(void **state)
{
	(void)state;
	crash_run(NULL, false, UBTRFS_COMPRESS_NONE, false);
}

static void test_commit_crash__mixed_and_compressed(void **state)
{
	(void)state;
	crash_run(NULL, true, UBTRFS_COMPRESS_ZSTD, false);
}

static void test_commit_crash__old_features(void **state)
{
	(void)state;
	crash_run("^block-group-tree,^no-holes,^free-space-tree", false, UBTRFS_COMPRESS_ZLIB,
		  false);
}

/* Blocks are in their places long before the superblock that makes them count. */
static void test_commit_crash__spilling(void **state)
{
	(void)state;
	crash_run(NULL, false, UBTRFS_COMPRESS_ZLIB, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commit_crash__default),
		cmocka_unit_test(test_commit_crash__mixed_and_compressed),
		cmocka_unit_test(test_commit_crash__old_features),
		cmocka_unit_test(test_commit_crash__spilling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
