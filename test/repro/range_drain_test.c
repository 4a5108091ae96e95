/*
 * What shares, punches or allocates needs the extents of a file, and waited for its contents to be on the
 * devices with the filesystem for itself: cloning a file that had just been written kept everybody out for
 * as long as the device took. Now they are on their way, beside others, before the lock is taken.
 */
#include "ops/fs_fixture.h"

#include <pthread.h>

#include "base/clock.h"
#include "ops/ops.h"

#define LEN (12 * MIB)
#define BYTES_PER_S (16 * MIB)

struct sharer {
	struct fs_fixture *fx;
	struct ubtrfs_node src, dst;
	int err;
	uint64_t took_ns;
	_Atomic bool done;
};

static void open_slow(struct fs_fixture *fx)
{
	struct core_open how;
	struct device *file, *slow;

	fx->how.writable = true;
	fx->how.background = true;
	fx->how.commit_interval_s = 3600;
	fx->how.threads = 2;
	core_open_from_options(&fx->how, &how);
	OK(device_file_open(fx->path, DEVICE_WRITE, &file));
	OK(device_delay_new(file, BYTES_PER_S, 0, &slow));
	how.opened = &slow;
	OK(fs_new(&how, &fx->fs));
}

static void *share(void *arg)
{
	struct sharer *sharer = arg;
	uint64_t start_ns = clock_monotonic_ns();

	sharer->err = ubtrfs_clone_range(sharer->fx->fs, sharer->src, 0, sharer->dst, 0, 0);
	sharer->took_ns = clock_monotonic_ns() - start_ns;
	atomic_store(&sharer->done, true);
	return NULL;
}

/* The longest that somebody who changes something else had to wait meanwhile. */
static uint64_t longest_wait_ns(struct sharer *sharer, struct ubtrfs_node other)
{
	struct ubtrfs_attr attr = { .mode = S_IFREG | 0600 };
	uint64_t longest_ns = 0;

	while (!atomic_load(&sharer->done)) {
		uint64_t start_ns = clock_monotonic_ns(), took_ns;

		OK(ubtrfs_setattr(sharer->fx->fs, other, &attr, UBTRFS_ATTR_MODE));
		took_ns = clock_monotonic_ns() - start_ns;
		longest_ns = MAX(longest_ns, took_ns);
	}
	return longest_ns;
}

static void test_range_drain__others_go_on(void **state)
{
	struct content content = { 0 };
	struct ubtrfs_node other;
	struct sharer sharer = { 0 };
	struct fs_fixture fx;
	pthread_t thread;
	uint64_t longest_ns;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fixture_make(&fx);
	fixture_finish(&fx);
	open_slow(&fx);
	sharer.fx = &fx;
	sharer.src = fixture_file(&fx, "src");
	sharer.dst = fixture_file(&fx, "dst");
	other = fixture_file(&fx, "other");
	content_write(&fx, sharer.src, &content, 0, LEN, 1);
	assert_int_equal(pthread_create(&thread, NULL, share, &sharer), 0);
	longest_ns = longest_wait_ns(&sharer, other);
	pthread_join(thread, NULL);
	assert_int_equal(sharer.err, 0);
	print_message("# sharing took %u ms, somebody else waited %u ms\n",
		      (unsigned)(sharer.took_ns / 1000000), (unsigned)(longest_ns / 1000000));
	assert_true(longest_ns < sharer.took_ns / 2);
	content_compare(&fx, sharer.dst, &content);
	fixture_close(&fx);
	fixture_check(&fx);
	content_free(&content);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range_drain__others_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
