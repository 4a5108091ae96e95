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
#include "format/superblock.h"
#include "ops/ops.h"

#define LIMIT_BYTES ((size_t)(4 * MIB))
#define FILE_BYTES (48 * MIB)
#define WRITE_BYTES (256 * KIB)
#define DEVICE_BYTES_PER_S (40 * MIB)
/* An odd number of long writes for two workers: one of them is overtaken by what comes behind. */
#define CONTENTS_BYTES (9 * MIB)
/* What the process may take beside the limit: trees, workers, sanitizers. */
#define RSS_SLACK_BYTES (128 * MIB)

/*
 * Each write takes its time for itself, unlike on device_delay: long ones are overtaken by short ones.
 */

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

static struct device *slow_new(struct device *lower)
{
	struct slow *slow = calloc(1, sizeof(*slow));

	assert_non_null(slow);
	slow->lower = lower;
	slow->device.ops = &slow_ops;
	slow->device.name = mem_strdup("a slow device");
	slow->device.size_bytes = lower->size_bytes;
	return &slow->device;
}

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

/* A slow device over a record over the file. */
static void open_slow(struct fs_fixture *fx, struct device **ret_record)
{
	struct device *file, *record, *slow;
	struct core_open how;

	fx->how.writable = true;
	core_open_from_options(&fx->how, &how);
	OK(device_file_open(fx->path, DEVICE_WRITE, &file));
	OK(device_record_new(file, &record));
	slow = slow_new(record);
	how.opened = &slow;
	OK(fs_new(&how, &fx->fs));
	*ret_record = record;
}

static void make_slow(struct fs_fixture *fx, size_t dirty_bytes, struct device **ret_record)
{
	fixture_init(fx);
	fx->mkfs.byte_count = 256 * MIB;
	fx->how.background = true;
	fx->how.dirty_bytes = dirty_bytes;
	fx->how.threads = 2;
	fixture_make(fx);
	fixture_finish(fx);
	open_slow(fx, ret_record);
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
	struct device *record;
	pthread_t thread;
	size_t before;

	(void)state;
	assert_non_null(limit);
	make_slow(&limit->fx, LIMIT_BYTES, &record);
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

/* Where the last primary superblock was written. */
static size_t last_super(const struct device *record)
{
	size_t at = 0;

	for (size_t i = 0; i < device_record_nr(record); i++) {
		const struct device_record_entry *entry = device_record_at(record, i);

		if (entry->kind == RECORD_WRITE && entry->at.at == super_mirror_offset(0))
			at = i;
	}
	return at;
}

/*
 * Law L8: contents that are on their way when a commit is prepared are on the device before its
 * superblock, although nobody waits for them under the lock.
 */
static void test_dirty_limit__a_commit_waits_for_contents(void **state)
{
	struct content content = { 0 };
	struct ubtrfs_node node;
	struct device *record;
	struct fs_fixture fx;
	uint64_t bytes = 0;
	size_t super;

	(void)state;
	make_slow(&fx, 0, &record);
	node = fixture_file(&fx, "file");
	content_write(&fx, node, &content, 0, CONTENTS_BYTES, 7);
	/* Without what the background does before it prepares one. */
	fs_lock(fx.fs);
	OK(fs_unlock(fx.fs, core_commit(&fx.fs->core)));
	super = last_super(record);
	assert_true(super > 0);
	for (size_t i = 0; i < super; i++) {
		const struct device_record_entry *entry = device_record_at(record, i);

		if (entry->kind == RECORD_WRITE)
			bytes += entry->len;
	}
	assert_true(bytes >= CONTENTS_BYTES);
	fixture_reopen(&fx, false);
	content_compare(&fx, node, &content);
	fixture_close(&fx);
	content_free(&content);
	fixture_fini(&fx);
}

/* Who removes a file does not wait for the bytes of it that are on their way; its space comes back. */
static void test_dirty_limit__removing_waits_for_nothing(void **state)
{
	struct content content = { 0 };
	struct space_totals totals;
	struct ubtrfs_info info;
	struct ubtrfs_node node;
	struct device *record;
	struct fs_fixture fx;

	(void)state;
	make_slow(&fx, 0, &record);
	node = fixture_file(&fx, "file");
	content_write(&fx, node, &content, 0, 24 * MIB, 7);
	fs_lock(fx.fs);
	OK(fs_unlock(fx.fs, writeback_note(&fx.fs->core.writeback)));
	OK(ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	assert_true(fx.fs->core.writeback.nr_batches > 0);
	/* Nobody else gets that space meanwhile. */
	space_totals_get(fx.fs->core.space, SPACE_DATA, &totals);
	assert_int_equal(totals.pinned_bytes, 24 * MIB);
	node = fixture_file(&fx, "next");
	content_resize(&content, 0);
	content_write(&fx, node, &content, 0, 9 * MIB, 8);
	OK(ubtrfs_commit(fx.fs));
	OK(ubtrfs_info(fx.fs, &info));
	assert_int_equal(info.data_bytes_used, 9 * MIB);
	fixture_reopen(&fx, false);
	content_compare(&fx, node, &content);
	fixture_close(&fx);
	content_free(&content);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dirty_limit__writer_faster_than_its_device),
		cmocka_unit_test(test_dirty_limit__a_commit_waits_for_contents),
		cmocka_unit_test(test_dirty_limit__removing_waits_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
