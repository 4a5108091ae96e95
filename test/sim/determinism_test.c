/*
 * The law of determinism: the same operations give the same file, byte for byte, whatever the
 * number of threads and however slow each source is.
 */
#include "ops/fs_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "codec/csum_algo.h"

#define NR_FILES 60
#define BLOCK 65536

/* A source that dawdles, by a seed that differs between the runs. */
struct slow_source {
	uint64_t seed, delays;
};

static int slow_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct slow_source *source = ctx;
	uint64_t dice = hash_mix2(source->delays, source->seed + offset);
	struct timespec pause = { 0, (long)(dice % 3000000) };

	if (source->delays && dice % 4 == 0)
		nanosleep(&pause, NULL);
	content_bytes(source->seed, offset, data, len);
	return 0;
}

static void populate(struct fs_fixture *fx, struct slow_source *sources)
{
	static const uint64_t sizes[] = { 100, 3000, 5000, 131072, 140000, 400000, 1000001 };
	struct ubtrfs_node dir = fixture_create(fx, fx->top, "dir", S_IFDIR | 0755);
	struct content written = { 0 };
	struct ubtrfs_node node;
	char name[32];

	for (unsigned i = 0; i < NR_FILES; i++) {
		struct ubtrfs_source source = { .read = slow_read,
						.ctx = &sources[i],
						.name = "slow" };

		snprintf(name, sizeof(name), "file%u", i);
		node = fixture_create(fx, i % 3 ? dir : fx->top, name, S_IFREG | 0644);
		OK(ubtrfs_write_from(fx->fs, node, 0, sizes[i % ARRAY_LEN(sizes)], &source));
		/* Some are changed at once: what is in flight has to settle at the same point. */
		if (i % 7 == 3)
			content_write(fx, node, &written, 70000, 9000, i);
		if (i % 11 == 5)
			fixture_truncate(fx, node, 65000);
		if (i % 13 == 7)
			OK(ubtrfs_unlink(fx->fs, i % 3 ? dir : fx->top, name, strlen(name)));
	}
	content_free(&written);
}

static uint64_t image_hash(const char *path)
{
	static uint8_t block[BLOCK], zero[BLOCK];
	uint8_t csum[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t hash = 0;
	off_t at = 0;

	assert_true(fd >= 0);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		ssize_t got;

		at -= at % BLOCK;
		memset(block, 0, BLOCK);
		got = pread(fd, block, BLOCK, at);
		assert_true(got > 0);
		csum_compute(CSUM_XXHASH, block, BLOCK, csum);
		if (memcmp(block, zero, BLOCK) != 0)
			hash = hash_mix2(hash, hash_mix2((uint64_t)at, load64(csum)));
		at += BLOCK;
	}
	hash = hash_mix2(hash, (uint64_t)lseek(fd, 0, SEEK_END));
	close(fd);
	return hash;
}

static uint64_t image_once(int compress, unsigned threads, uint64_t delays, bool shrink)
{
	struct slow_source sources[NR_FILES];
	struct fs_fixture fx;
	uint64_t hash;

	for (unsigned i = 0; i < NR_FILES; i++)
		sources[i] = (struct slow_source){ .seed = i + 1, .delays = delays };
	fixture_init(&fx);
	fx.mkfs.shrink = shrink;
	fx.how.compress = compress;
	fx.how.threads = threads;
	fixture_make(&fx);
	populate(&fx, sources);
	fixture_finish(&fx);
	if (threads == 1)
		fixture_check(&fx);
	hash = image_hash(fx.path);
	fixture_fini(&fx);
	return hash;
}

static void same_images(int compress)
{
	static const unsigned threads[] = { 0, 2, 4, 7 };

	for (unsigned shrink = 0; shrink < 2; shrink++) {
		uint64_t expected = image_once(compress, 1, 0, shrink);

		for (unsigned i = 0; i < ARRAY_LEN(threads); i++)
			assert_int_equal(image_once(compress, threads[i], i + 1, shrink), expected);
	}
}

static void test_determinism__plain(void **state)
{
	(void)state;
	same_images(UBTRFS_COMPRESS_NONE);
}

static void test_determinism__zlib(void **state)
{
	(void)state;
	same_images(UBTRFS_COMPRESS_ZLIB);
}

static void test_determinism__zstd(void **state)
{
	(void)state;
	same_images(UBTRFS_COMPRESS_ZSTD);
}

static void test_determinism__lzo(void **state)
{
	(void)state;
#ifdef HAVE_LZO
	same_images(UBTRFS_COMPRESS_LZO);
#else
	print_message("# skip: built without lzo\n");
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_determinism__plain),
		cmocka_unit_test(test_determinism__zlib),
		cmocka_unit_test(test_determinism__zstd),
		cmocka_unit_test(test_determinism__lzo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
