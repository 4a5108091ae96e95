/*
 * A writer that is faster than its device: memory stays within the limit, readers go on, and nothing is
 * lost.
 *
 * The device below is made slow. What is not on it yet takes no more RAM than asked for, in the books
 * of the writeback and as the process sees it. A reader meanwhile reads what was just written, from RAM, and
 * is held up by nobody for long.
 */
#include "ops/fs_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops/ops.h"

#define LIMIT_BYTES ((size_t)(4 * MIB))
#define FILE_BYTES (48 * MIB)
#define WRITE_BYTES (256 * KIB)
#define DEVICE_BYTES_PER_S (40 * MIB)
/* What the process may take beside the limit: trees, workers, sanitizers. */
#define RSS_SLACK_BYTES (128 * MIB)

/* ---- a slow device over a file ---- */

struct slow {
	struct device device;
	struct device *lower;
};

static struct device *slow_lower(struct device *device)
{
	return container_of(device, struct slow, device)->lower;
}

static int slow_read(struct device *device, struct phys at, void *data, size_t len)
{
	return device_read(slow_lower(device), at, data, len);
}

static int slow_writev(struct device *device, struct phys at, const struct iovec *parts,
		       int nr_parts, size_t len)
{
	usleep((useconds_t)(len * 1000000 / DEVICE_BYTES_PER_S));
	return device_writev(slow_lower(device), at, parts, nr_parts);
}

static int slow_flush(struct device *device)
{
	return device_flush(slow_lower(device));
}

static int slow_discard(struct device *device, struct phys at, uint64_t len)
{
	return device_discard(slow_lower(device), at, len);
}

static int slow_resize(struct device *device, uint64_t size_bytes)
{
	return device_resize(slow_lower(device), size_bytes);
}

static void slow_free(struct device *device)
{
	device_free(slow_lower(device));
	free(container_of(device, struct slow, device));
}

static const struct device_ops slow_ops = { .kind = "slow",
					    .read = slow_read,
					    .writev = slow_writev,
					    .flush = slow_flush,
					    .discard = slow_discard,
					    .resize = slow_resize,
					    .free = slow_free };

static struct device *slow_new(const char *path)
{
	struct slow *slow = calloc(1, sizeof(*slow));

	assert_non_null(slow);
	OK(device_file_open(path, DEVICE_WRITE, &slow->lower));
	slow->device.ops = &slow_ops;
	slow->device.name = mem_strdup("a slow device");
	slow->device.size_bytes = slow->lower->size_bytes;
	return &slow->device;
}

/* ---- */

struct limit {
	struct fs_fixture fx;
	struct ubtrfs_node node;
	_Atomic uint64_t written;
	_Atomic bool stop;
	unsigned nr_reads;
	size_t most_ram;
};

static size_t rss_bytes(void)
{
	unsigned long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &pages, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void open_slow(struct limit *limit)
{
	struct core_open how;
	struct device *slow;

	limit->fx.how.writable = true;
	core_open_from_options(&limit->fx.how, &how);
	slow = slow_new(limit->fx.path);
	how.opened = &slow;
	OK(fs_new(&how, &limit->fx.fs));
}

static void *reader(void *arg)
{
	struct limit *limit = arg;
	uint8_t *data = malloc(8192), *expected = malloc(8192);

	while (!atomic_load(&limit->stop)) {
		uint64_t written = atomic_load(&limit->written);
		size_t got;

		if (written < 8192)
			continue;
		assert_int_equal(ubtrfs_read(limit->fx.fs, limit->node, written - 8192, data, 8192,
					     &got),
				 0);
		content_bytes(1, written - 8192, expected, 8192);
		assert_memory_equal(data, expected, 8192);
		limit->nr_reads++;
		usleep(1000);
	}
	free(data);
	free(expected);
	return NULL;
}

static void write_all(struct limit *limit)
{
	struct ubtrfs *fs = limit->fx.fs;
	uint8_t *data = malloc(WRITE_BYTES);

	for (uint64_t at = 0; at < FILE_BYTES; at += WRITE_BYTES) {
		content_bytes(1, at, data, WRITE_BYTES);
		OK(ubtrfs_write(fs, limit->node, at, data, WRITE_BYTES));
		atomic_store(&limit->written, at + WRITE_BYTES);
		fs_lock_shared(fs);
		limit->most_ram = MAX(limit->most_ram, writeback_ram_bytes(&fs->core.writeback));
		(void)fs_unlock(fs, 0);
	}
	free(data);
}

static void test_dirty_limit__writer_faster_than_its_device(void **state)
{
	struct limit *limit = calloc(1, sizeof(*limit));
	struct content content = { 0 };
	pthread_t thread;
	size_t before;

	(void)state;
	assert_non_null(limit);
	fixture_init(&limit->fx);
	limit->fx.mkfs.byte_count = 256 * MIB;
	limit->fx.how.background = true;
	limit->fx.how.dirty_bytes = LIMIT_BYTES;
	limit->fx.how.threads = 2;
	fixture_make(&limit->fx);
	fixture_finish(&limit->fx);
	open_slow(limit);
	limit->node = fixture_file(&limit->fx, "file");
	before = rss_bytes();
	assert_int_equal(pthread_create(&thread, NULL, reader, limit), 0);
	write_all(limit);
	atomic_store(&limit->stop, true);
	pthread_join(thread, NULL);
	/* Bookkeeping of ranges and runs is counted with them. */
	assert_true(limit->most_ram > LIMIT_BYTES / 4);
	assert_true(limit->most_ram <= LIMIT_BYTES);
	assert_true(rss_bytes() <= before + LIMIT_BYTES + RSS_SLACK_BYTES);
	assert_true(limit->nr_reads > 10);
	fixture_reopen(&limit->fx, false);
	content_put(&content, 0, FILE_BYTES, 1);
	content_compare(&limit->fx, limit->node, &content);
	fixture_close(&limit->fx);
	content_free(&content);
	fixture_fini(&limit->fx);
	free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty_limit__writer_faster_than_its_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
