/*
 * Laws L3 and L8 with commits that do not stop the world: threads go on changing things while a commit
 * is on its way, and every state that a crash could leave is a point in time.
 *
 * What a thread does is a sequence of steps that its number and seed determine; behind each it notes in
 * an attribute of its directory how far it came. So a state is right when for each thread it holds
 * exactly the steps up to that number, or one more; and no fewer than were synced when that part of
 * the recording had been written.
 */
#include "crash_image.h"

#include "ops/fs_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "ops/ops.h"

#define NR_THREADS 3
#define NR_FILES 10
#define FILE_MAX (160 * 1024)
#define SYNCS_MAX 4096
#define FLUSH_NS 2000000

enum step_kind { STEP_CREATE, STEP_REMOVE, STEP_WRITE, STEP_TRUNCATE };

struct step {
	enum step_kind kind;
	unsigned file;
	uint64_t offset, len, seed;
};

/* What a thread's directory holds behind some number of steps. */
struct view {
	unsigned thread, nr_steps;
	struct view_file {
		bool used;
		struct content content;
	} files[NR_FILES];
};

struct sync_point {
	size_t nr_entries; /* of the recording, when it had returned */
	unsigned thread, nr_steps;
};

struct crash {
	struct fs_fixture fx;
	char base[200];
	struct device *record;
	pthread_mutex_t lock;
	struct sync_point syncs[SYNCS_MAX];
	unsigned nr_syncs;
	unsigned nr_steps;
};

struct worker {
	pthread_t thread;
	struct crash *crash;
	struct ubtrfs_node dir, nodes[NR_FILES];
	struct view view;
	uint8_t *data;
};

#define CHECK(cond)                                                                    \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				ubtrfs_error_text());                                  \
			abort();                                                       \
		}                                                                      \
	} while (0)

/* ---- steps ---- */

static struct step step_plan(const struct view *view)
{
	struct step step = { 0 };
	struct rng rng;

	rng_init(&rng, 1000000ull * view->thread + view->nr_steps);
	step.file = (unsigned)rng_below(&rng, NR_FILES);
	step.seed = rng_below(&rng, 10000);
	step.offset = rng_one_in(&rng, 2) ? 0 : rng_below(&rng, FILE_MAX / 2);
	step.len = 1 + rng_below(&rng, rng_one_in(&rng, 2) ? 2500 : FILE_MAX / 2);
	if (!view->files[step.file].used)
		step.kind = STEP_CREATE;
	else if (rng_one_in(&rng, 5))
		step.kind = STEP_REMOVE;
	else
		step.kind = rng_one_in(&rng, 6) ? STEP_TRUNCATE : STEP_WRITE;
	return step;
}

static void step_note(struct view *view, const struct step *step)
{
	struct view_file *file = &view->files[step->file];

	view->nr_steps++;
	switch (step->kind) {
	case STEP_CREATE:
		file->used = true;
		break;
	case STEP_REMOVE:
		content_free(&file->content);
		file->used = false;
		break;
	case STEP_WRITE:
		content_put(&file->content, step->offset, step->len, step->seed);
		break;
	case STEP_TRUNCATE:
		content_resize(&file->content, step->len);
		break;
	}
}

static void file_name(unsigned i, char name[16])
{
	snprintf(name, 16, "file%u", i);
}

static void step_do(struct worker *worker, const struct step *step)
{
	struct ubtrfs *fs = worker->crash->fx.fs;
	struct ubtrfs_node *node = &worker->nodes[step->file];
	struct ubtrfs_attr attr = { .size = step->len };
	struct ubtrfs_new what = { .attr.mode = S_IFREG | 0644 };
	char name[16];

	file_name(step->file, name);
	switch (step->kind) {
	case STEP_CREATE:
		CHECK(ubtrfs_create(fs, worker->dir, name, strlen(name), &what, node) == 0);
		break;
	case STEP_REMOVE:
		CHECK(ubtrfs_unlink(fs, worker->dir, name, strlen(name)) == 0);
		break;
	case STEP_WRITE:
		content_bytes(step->seed, step->offset, worker->data, step->len);
		CHECK(ubtrfs_write(fs, *node, step->offset, worker->data, step->len) == 0);
		break;
	case STEP_TRUNCATE:
		CHECK(ubtrfs_setattr(fs, *node, &attr, UBTRFS_ATTR_SIZE) == 0);
		break;
	}
}

static void sync_note(struct worker *worker)
{
	struct crash *crash = worker->crash;

	CHECK(ubtrfs_fsync(crash->fx.fs, worker->dir, false) == 0);
	pthread_mutex_lock(&crash->lock);
	CHECK(crash->nr_syncs < SYNCS_MAX);
	crash->syncs[crash->nr_syncs++] =
		(struct sync_point){ .nr_entries = device_record_nr(crash->record),
				     .thread = worker->view.thread,
				     .nr_steps = worker->view.nr_steps };
	pthread_mutex_unlock(&crash->lock);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct crash *crash = worker->crash;
	struct rng rng;

	rng_init(&rng, 77 + worker->view.thread);
	while (worker->view.nr_steps < crash->nr_steps) {
		struct step step = step_plan(&worker->view);
		uint32_t nr;

		step_do(worker, &step);
		step_note(&worker->view, &step);
		nr = worker->view.nr_steps;
		CHECK(ubtrfs_setxattr(crash->fx.fs, worker->dir, "user.steps", &nr, sizeof(nr)) ==
		      0);
		if (rng_one_in(&rng, 12))
			sync_note(worker);
	}
	return NULL;
}

static void view_fini(struct view *view)
{
	for (unsigned i = 0; i < NR_FILES; i++)
		content_free(&view->files[i].content);
}

/* ---- recording ---- */

static void open_recorded(struct crash *crash)
{
	struct core_open how;
	struct device *file, *slow;

	crash->fx.how.writable = true;
	crash->fx.how.background = true;
	crash->fx.how.commit_interval_s = 1;
	crash->fx.how.dirty_bytes = MIB;
	crash->fx.how.threads = 2;
	core_open_from_options(&crash->fx.how, &how);
	OK(device_file_open(crash->fx.path, DEVICE_WRITE, &file));
	OK(device_record_new(file, &crash->record));
	/* So that much happens while a commit is on its way. */
	OK(device_delay_new(crash->record, 0, FLUSH_NS, &slow));
	how.opened = &slow;
	OK(fs_new(&how, &crash->fx.fs));
	crash->fx.fs->core.dirty_max_bytes = 256 * KIB;
}

static void dir_name(unsigned thread, char name[16])
{
	snprintf(name, 16, "dir%u", thread);
}

static void workers_run(struct crash *crash)
{
	struct worker *workers = calloc(NR_THREADS, sizeof(*workers));

	assert_non_null(workers);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		char name[16];

		dir_name(i, name);
		workers[i].crash = crash;
		workers[i].view.thread = i;
		workers[i].dir = fixture_lookup(&crash->fx, crash->fx.top, name);
		workers[i].data = malloc(FILE_MAX);
		assert_non_null(workers[i].data);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]),
				 0);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		view_fini(&workers[i].view);
		free(workers[i].data);
	}
	free(workers);
}

static void crash_record(struct crash *crash)
{
	struct fs_fixture *fx = &crash->fx;
	char name[16];

	fixture_make(fx);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		dir_name(i, name);
		(void)fixture_create(fx, fx->top, name, S_IFDIR | 0755);
	}
	fixture_finish(fx);
	snprintf(crash->base, sizeof(crash->base), "%s/base", fx->dir);
	crash_copy_image(fx->path, crash->base);
	open_recorded(crash);
	workers_run(crash);
}

/* ---- states ---- */

static bool file_matches(struct fs_fixture *fx, struct ubtrfs_node dir, unsigned i,
			 const struct view_file *file)
{
	static uint8_t data[FILE_MAX];
	struct ubtrfs_node node;
	char name[16];
	size_t len;
	int err;

	file_name(i, name);
	err = ubtrfs_lookup(fx->fs, dir, name, strlen(name), &node);
	if (!file->used)
		return err == -ENOENT;
	if (err < 0)
		return false;
	OK(ubtrfs_read(fx->fs, node, 0, data, sizeof(data), &len));
	return len == file->content.len && (!len || memcmp(data, file->content.data, len) == 0);
}

static bool dir_matches(struct fs_fixture *fx, struct ubtrfs_node dir, const struct view *view)
{
	for (unsigned i = 0; i < NR_FILES; i++)
		if (!file_matches(fx, dir, i, &view->files[i]))
			return false;
	return true;
}

static unsigned steps_noted(struct fs_fixture *fx, struct ubtrfs_node dir)
{
	uint32_t nr = 0;
	size_t len;
	int err = ubtrfs_getxattr(fx->fs, dir, "user.steps", &nr, sizeof(nr), &len);

	assert_true(err == 0 || err == -ENODATA);
	return nr;
}

static void thread_check(const struct crash *crash, struct fs_fixture *fx, unsigned thread,
			 size_t nr_entries)
{
	struct view view = { .thread = thread };
	struct ubtrfs_node dir;
	unsigned at_least = 0, nr;
	char name[16];

	dir_name(thread, name);
	dir = fixture_lookup(fx, fx->top, name);
	nr = steps_noted(fx, dir);
	for (unsigned i = 0; i < crash->nr_syncs; i++)
		if (crash->syncs[i].thread == thread && crash->syncs[i].nr_entries <= nr_entries)
			at_least = MAX(at_least, crash->syncs[i].nr_steps);
	if (nr < at_least)
		fail_msg("thread %u: %u steps, %u were synced", thread, nr, at_least);
	while (view.nr_steps < nr) {
		struct step step = step_plan(&view);

		step_note(&view, &step);
	}
	if (!dir_matches(fx, dir, &view)) {
		struct step step = step_plan(&view);

		step_note(&view, &step);
		if (!dir_matches(fx, dir, &view))
			fail_msg("thread %u: the state is neither that of %u steps nor of %u",
				 thread, nr, nr + 1);
	}
	view_fini(&view);
}

static void state_check(struct crash *crash, const char *path, size_t nr_entries)
{
	struct fs_fixture view = crash->fx;
	const char *devices[1] = { path };
	char *output;

	if (fixture_judge(path, &output) != 0)
		fail_msg("%s", output);
	free(output);
	view.how.devices = devices;
	view.how.background = false;
	fixture_open(&view, false);
	for (unsigned i = 0; i < NR_THREADS; i++)
		thread_check(crash, &view, i, nr_entries);
	fixture_close(&view);
}

static void states_check(struct crash *crash, unsigned nr_samples)
{
	size_t nr = device_record_nr(crash->record), done = 0;
	char path[200];
	struct rng rng;

	rng_init(&rng, 3);
	snprintf(path, sizeof(path), "%s/state", crash->fx.dir);
	crash_copy_image(crash->base, path);
	for (unsigned i = 1; i <= nr_samples; i++) {
		size_t upto = nr * i / nr_samples;

		crash_apply_prefix(crash->record, path, &done, upto);
		state_check(crash, path, upto);
	}
	for (unsigned i = 0; i < nr_samples / 2; i++) {
		size_t stop = 1 + rng_below(&rng, nr);

		state_check(crash, path,
			    crash_apply_some(crash->record, crash->base, path, stop, &rng));
	}
	unlink(path);
}

static void crash_run(const char *features, bool mixed, int compress)
{
	struct crash *crash = calloc(1, sizeof(*crash));
	bool full = getenv("UBTRFS_FULL");

	assert_non_null(crash);
	pthread_mutex_init(&crash->lock, NULL);
	crash->nr_steps = full ? 1500 : 250;
	fixture_init(&crash->fx);
	crash->fx.mkfs.byte_count = 192 * MIB;
	crash->fx.mkfs.features = features;
	crash->fx.mkfs.mixed = mixed;
	crash->fx.how.compress = compress;
	crash_record(crash);
	print_message("# %zu writes and flushes, %u syncs\n", device_record_nr(crash->record),
		      crash->nr_syncs);
	states_check(crash, full ? 400 : 16);
	unlink(crash->base);
	fixture_fini(&crash->fx);
	pthread_mutex_destroy(&crash->lock);
	free(crash);
}

static void test_background_crash__default(void **state)
{
	(void)state;
	crash_run(NULL, false, UBTRFS_COMPRESS_NONE);
}

static void test_background_crash__mixed_and_compressed(void **state)
{
	(void)state;
	crash_run(NULL, true, UBTRFS_COMPRESS_ZSTD);
}

static void test_background_crash__old_features(void **state)
{
	(void)state;
	crash_run("^block-group-tree,^no-holes,^free-space-tree", false, UBTRFS_COMPRESS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_background_crash__default),
		cmocka_unit_test(test_background_crash__mixed_and_compressed),
		cmocka_unit_test(test_background_crash__old_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
