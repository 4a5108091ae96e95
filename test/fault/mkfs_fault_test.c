/*
 * The n-th allocation of making, populating and finishing a filesystem fails, for each n: an error
 * with a sentence, no leak (the leak checker), and an image that nobody takes for a complete one.
 * The same for each write of the device.
 *
 * The normal run takes a sample of the numbers, UBTRFS_FULL each.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fault.h"
#include "format/superblock.h"

#define SAMPLES 200u

static int source_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	(void)ctx;
	content_bytes(3, offset, data, len);
	return 0;
}

static void source_release(void *ctx)
{
	++*(unsigned *)ctx;
}

static int create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, uint32_t mode,
		  struct ubtrfs_node *ret_node)
{
	struct ubtrfs_new what = { .attr = { .mode = mode },
				   .symlink_target = "a/b",
				   .symlink_len = 3 };

	return ubtrfs_create(fs, dir, name, strlen(name), &what, ret_node);
}

#define STEP(call)                       \
	do {                             \
		int step_ret = (call);   \
		if (step_ret < 0)        \
			return step_ret; \
	} while (0)

static int populate(struct fs_fixture *fx, unsigned *released)
{
	struct ubtrfs_source source = {
		.read = source_read, .release = source_release, .ctx = released, .name = "a source"
	};
	struct ubtrfs_node dir, node, sub;
	char buffer[100];
	size_t got;

	STEP(create(fx->fs, fx->top, "dir", S_IFDIR | 0755, &dir));
	STEP(create(fx->fs, dir, "small", S_IFREG | 0644, &node));
	STEP(ubtrfs_write(fx->fs, node, 0, "small", 5));
	STEP(ubtrfs_setxattr(fx->fs, node, "user.x", "y", 1));
	STEP(ubtrfs_link(fx->fs, node, fx->top, "name", 4));
	STEP(create(fx->fs, dir, "link", S_IFLNK | 0777, &node));
	STEP(create(fx->fs, dir, "big", S_IFREG | 0644, &node));
	STEP(ubtrfs_write_from(fx->fs, node, 0, 400000, &source));
	STEP(ubtrfs_read(fx->fs, node, 1000, buffer, sizeof(buffer), &got));
	STEP(ubtrfs_write(fx->fs, node, 5000, "over", 4));
	STEP(ubtrfs_subvolume_create(fx->fs, dir, "sub", 3, NULL, &sub));
	STEP(create(fx->fs, sub, "inner", S_IFREG | 0644, &node));
	STEP(ubtrfs_write(fx->fs, node, 200000, "far", 3));
	return ubtrfs_unlink(fx->fs, fx->top, "name", 4);
}

static int make_whole(struct fs_fixture *fx)
{
	struct ubtrfs_info info;
	unsigned released = 0;
	struct ubtrfs *fs;
	int err;

	STEP(ubtrfs_mkfs_open(&fx->mkfs, &fx->how, &fx->fs));
	fx->top = ubtrfs_top(fx->fs);
	err = populate(fx, &released);
	fs = fx->fs;
	fx->fs = NULL;
	if (err < 0)
		ubtrfs_abandon(fs);
	else
		err = ubtrfs_mkfs_finish(fs, &info);
	assert_true(released <= 1 && (err < 0 || released == 1));
	return err;
}

/* No copy of the superblock says that this is a filesystem. */
static void looks_unfinished(const char *path)
{
	uint8_t super[BTRFS_SUPER_INFO_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (int copy = 0; copy < 2; copy++)
		if (pread(fd, super, sizeof(super), (off_t)super_mirror_offset(copy)) ==
		    (ssize_t)sizeof(super))
			assert_true(super_magic(super) != BTRFS_MAGIC);
	close(fd);
}

static uint64_t hits_of(enum fault_kind kind, void (*options)(struct fs_fixture *fx))
{
	struct fs_fixture fx;
	uint64_t hits;

	fixture_init(&fx);
	options(&fx);
	fault_arm(kind, UINT64_MAX);
	OK(make_whole(&fx));
	hits = fault_hits(kind);
	fault_arm(kind, 0);
	fixture_check(&fx);
	fixture_fini(&fx);
	return hits;
}

static void walk(enum fault_kind kind, void (*options)(struct fs_fixture *fx), uint64_t may_survive)
{
	uint64_t hits = hits_of(kind, options);
	uint64_t step = getenv("UBTRFS_FULL") ? 1 : hits / SAMPLES + 1;

	for (uint64_t n = 1; n <= hits; n += n < 12 ? 1 : step) {
		struct fs_fixture fx;
		int err;

		fixture_init(&fx);
		options(&fx);
		fault_arm(kind, n);
		err = make_whole(&fx);
		fault_arm(kind, 0);
		/* Some are asked for again after the cache gave memory back: then it is whole. */
		if (err == 0)
			fixture_check(&fx);
		if (err < 0) {
			assert_true(strlen(ubtrfs_error_text()) > 10);
			if (n + may_survive <= hits)
				looks_unfinished(fx.path);
		}
		fixture_fini(&fx);
	}
}

static void plain(struct fs_fixture *fx)
{
	(void)fx;
}

static void compressed(struct fs_fixture *fx)
{
	fx->how.compress = UBTRFS_COMPRESS_ZSTD;
}

static void shrunk(struct fs_fixture *fx)
{
	fx->mkfs.shrink = true;
}

static void test_mkfs_fault__allocations(void **state)
{
	(void)state;
	walk(FAULT_ALLOC, plain, 0);
}

static void test_mkfs_fault__allocations_compressed(void **state)
{
	(void)state;
	walk(FAULT_ALLOC, compressed, 0);
}

static void test_mkfs_fault__allocations_shrunk(void **state)
{
	(void)state;
	walk(FAULT_ALLOC, shrunk, 0);
}

/* The last superblocks may be there when the failure comes. */
static void test_mkfs_fault__writes(void **state)
{
	(void)state;
	walk(FAULT_DEVICE_WRITE, plain, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mkfs_fault__allocations),
		cmocka_unit_test(test_mkfs_fault__allocations_compressed),
		cmocka_unit_test(test_mkfs_fault__allocations_shrunk),
		cmocka_unit_test(test_mkfs_fault__writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
