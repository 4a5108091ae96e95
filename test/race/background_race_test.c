/*
 * Threads change a filesystem that writes back and commits in the background, with so little memory
 * allowed that the door asks for room all the time; each knows what its files hold. A commit runs most
 * of the time. What was synced is there, afterwards everything is, and `btrfs check` finds nothing.
 * Under ThreadSanitizer (make tsan) this is where a race with a commit on its way shows.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/rng.h"
#include "ops/ops.h"

#define NR_THREADS 4
#define NR_FILES 24
#define FILE_MAX (300 * 1024)
#define IMAGE_BYTES (512 * MIB)

/* One thread with a directory of its own. */
struct worker {
	pthread_t thread;
	struct fs_fixture *fx;
	unsigned nr, nr_ops;
	struct ubtrfs_node dir;
	struct worker_file {
		bool used;
		struct ubtrfs_node node;
		struct content content;
		bool has_xattr;
		uint32_t xattr;
	} files[NR_FILES];
	uint8_t *data;
};

static bool everyone_fails; /* the filesystem is aborted on purpose */
static _Atomic unsigned nr_failed;

/* cmocka's own assertions are for the main thread. */
#define CHECK(cond)                                                                    \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				ubtrfs_error_text());                                  \
			abort();                                                       \
		}                                                                      \
	} while (0)

static void file_name(const struct worker *worker, unsigned i, char name[32])
{
	snprintf(name, 32, "file-%u-%u", worker->nr, i);
}

static int file_make(struct worker *worker, unsigned i)
{
	struct ubtrfs_new what = { .attr.mode = S_IFREG | 0640 };
	char name[32];
	int err;

	file_name(worker, i, name);
	err = ubtrfs_create(worker->fx->fs, worker->dir, name, strlen(name), &what,
			    &worker->files[i].node);
	if (err == 0)
		worker->files[i].used = true;
	return err;
}

static int file_remove(struct worker *worker, unsigned i)
{
	struct worker_file *file = &worker->files[i];
	char name[32];
	int err;

	file_name(worker, i, name);
	err = ubtrfs_unlink(worker->fx->fs, worker->dir, name, strlen(name));
	if (err < 0)
		return err;
	content_free(&file->content);
	memset(file, 0, sizeof(*file));
	return 0;
}

static int file_write_some(struct worker *worker, struct worker_file *file, struct rng *rng)
{
	uint64_t offset = rng_below(rng, FILE_MAX / 2), seed = rng_below(rng, 1000);
	uint64_t len = 1 + rng_below(rng, rng_one_in(rng, 3) ? FILE_MAX / 2 : 3000);
	int err;

	if (rng_one_in(rng, 2))
		offset = 0;
	content_bytes(seed, offset, worker->data, len);
	err = ubtrfs_write(worker->fx->fs, file->node, offset, worker->data, len);
	if (err == 0)
		content_put(&file->content, offset, len, seed);
	return err;
}

static void file_compare(struct worker *worker, struct worker_file *file)
{
	uint32_t value;
	size_t len;

	CHECK(ubtrfs_read(worker->fx->fs, file->node, 0, worker->data, FILE_MAX, &len) == 0);
	CHECK(len == file->content.len);
	CHECK(len == 0 || memcmp(worker->data, file->content.data, len) == 0);
	if (!file->has_xattr)
		return;
	CHECK(ubtrfs_getxattr(worker->fx->fs, file->node, "user.value", &value, sizeof(value),
			      &len) == 0);
	CHECK(len == sizeof(value) && value == file->xattr);
}

static int file_truncate_some(struct worker *worker, struct worker_file *file, struct rng *rng)
{
	uint64_t size = rng_below(rng, FILE_MAX);
	int err = ubtrfs_setattr(worker->fx->fs, file->node, &(struct ubtrfs_attr){ .size = size },
				 UBTRFS_ATTR_SIZE);

	if (err == 0)
		content_resize(&file->content, size);
	return err;
}

static int file_xattr(struct worker *worker, struct worker_file *file, struct rng *rng)
{
	uint32_t value = (uint32_t)rng_below(rng, UINT32_MAX);
	int err = ubtrfs_setxattr(worker->fx->fs, file->node, "user.value", &value, sizeof(value));

	if (err == 0) {
		file->xattr = value;
		file->has_xattr = true;
	}
	return err;
}

static int one_op(struct worker *worker, struct rng *rng)
{
	unsigned i = (unsigned)rng_below(rng, NR_FILES);
	struct worker_file *file = &worker->files[i];

	if (!file->used)
		return file_make(worker, i);
	switch (rng_below(rng, 12)) {
	case 0:
		return file_remove(worker, i);
	case 1:
		return file_truncate_some(worker, file, rng);
	case 2:
	case 3:
		return file_xattr(worker, file, rng);
	case 4:
	case 5:
		if (!everyone_fails)
			file_compare(worker, file);
		return 0;
	case 6:
		if (rng_one_in(rng, 6))
			return ubtrfs_fsync(worker->fx->fs, file->node, false);
		if (rng_one_in(rng, 6))
			return ubtrfs_commit(worker->fx->fs);
		return 0;
	default:
		return file_write_some(worker, file, rng);
	}
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct rng rng;

	rng_init(&rng, worker->nr);
	for (unsigned n = 0; n < worker->nr_ops; n++) {
		int err = one_op(worker, &rng);

		if (err < 0 && everyone_fails) {
			nr_failed++;
			break;
		}
		CHECK(err == 0);
	}
	return NULL;
}

static void little_memory(struct ubtrfs *fs)
{
	fs->core.dirty_max_bytes = 512 * KIB;
}

static void workers_start(struct fs_fixture *fx, struct worker *workers, unsigned nr_ops)
{
	for (unsigned i = 0; i < NR_THREADS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "dir%u", i);
		workers[i] = (struct worker){ .fx = fx, .nr = i, .nr_ops = nr_ops };
		workers[i].data = malloc(FILE_MAX);
		assert_non_null(workers[i].data);
		workers[i].dir = fixture_create(fx, fx->top, name, S_IFDIR | 0755);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]),
				 0);
}

static void workers_compare(struct worker *worker)
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		struct worker_file *file = &worker->files[i];
		struct ubtrfs_node found;
		char name[32];

		file_name(worker, i, name);
		if (!file->used) {
			FAILS(ENOENT, ubtrfs_lookup(worker->fx->fs, worker->dir, name, strlen(name),
						    &found));
			continue;
		}
		found = fixture_lookup(worker->fx, worker->dir, name);
		assert_int_equal(found.ino, file->node.ino);
		file_compare(worker, file);
	}
}

static void workers_free(struct worker *workers)
{
	for (unsigned i = 0; i < NR_THREADS; i++) {
		for (unsigned j = 0; j < NR_FILES; j++)
			content_free(&workers[i].files[j].content);
		free(workers[i].data);
	}
}

static void race_open(struct fs_fixture *fx, int compress)
{
	fixture_init(fx);
	fx->mkfs.byte_count = IMAGE_BYTES;
	fixture_make(fx);
	fixture_finish(fx);
	fx->how.background = true;
	fx->how.commit_interval_s = 1;
	fx->how.dirty_bytes = MIB;
	fx->how.compress = compress;
	fx->how.threads = 2;
	fixture_open(fx, true);
	little_memory(fx->fs);
}

static void race_run(int compress, unsigned nr_ops)
{
	struct worker *workers = calloc(NR_THREADS, sizeof(*workers));
	struct ubtrfs_info before, after;
	struct fs_fixture fx;

	assert_non_null(workers);
	race_open(&fx, compress);
	OK(ubtrfs_info(fx.fs, &before));
	workers_start(&fx, workers, nr_ops);
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	OK(ubtrfs_info(fx.fs, &after));
	print_message("# %llu commits\n",
		      (unsigned long long)(after.generation - before.generation));
	assert_true(after.generation > before.generation + 2);
	fixture_reopen(&fx, false);
	for (unsigned i = 0; i < NR_THREADS; i++)
		workers_compare(&workers[i]);
	fixture_close(&fx);
	workers_free(workers);
	fixture_fini(&fx);
	free(workers);
}

static unsigned nr_ops(void)
{
	return getenv("UBTRFS_FULL") ? 20000 : 1200;
}

static void test_background_race__plain(void **state)
{
	(void)state;
	race_run(UBTRFS_COMPRESS_NONE, nr_ops());
}

static void test_background_race__compressed(void **state)
{
	(void)state;
	race_run(UBTRFS_COMPRESS_ZSTD, nr_ops());
}

static _Atomic unsigned nr_lines;

static void count_line(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	if (level == LOG_LEVEL_ERROR && strstr(text, "is read-only from now on") &&
	    strstr(text, "injected"))
		nr_lines++;
}

/* Law L6 with nobody there to be told: one line, the cause in every call, the last commit on the disk. */
static void test_background_race__a_device_that_fails(void **state)
{
	const struct log_sink sink = { .line = count_line };
	struct worker *workers = calloc(NR_THREADS, sizeof(*workers));
	struct fs_fixture fx;
	struct ubtrfs *fs;

	(void)state;
	assert_non_null(workers);
	log_set_sink(&sink);
	race_open(&fx, UBTRFS_COMPRESS_NONE);
	everyone_fails = true;
	nr_failed = 0;
	workers_start(&fx, workers, UINT32_MAX);
	usleep(100000);
	fault_arm(FAULT_DEVICE_WRITE, 3);
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	assert_true(fault_fired(FAULT_DEVICE_WRITE));
	fault_arm(FAULT_DEVICE_WRITE, 0);
	everyone_fails = false;
	assert_int_equal(nr_failed, NR_THREADS);
	FAILS(EROFS, ubtrfs_commit(fx.fs));
	assert_non_null(strstr(ubtrfs_error_text(), "injected"));
	FAILS(EROFS, ubtrfs_fsync(fx.fs, fx.top, false));
	assert_int_equal(nr_lines, 1);
	fs = fx.fs;
	fx.fs = NULL;
	FAILS(EROFS, ubtrfs_close(fs));
	log_set_sink(NULL);
	fixture_check(&fx);
	workers_free(workers);
	fixture_fini(&fx);
	free(workers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_background_race__plain),
		cmocka_unit_test(test_background_race__compressed),
		cmocka_unit_test(test_background_race__a_device_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
