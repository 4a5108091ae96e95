/*
 * Readers run beside each other, and beside one writer.
 *
 * Each reader walks the whole tree with every function that reads, and finds in it what the names
 * say: the seed of a file is its number. The visitors call the library again. Under ThreadSanitizer
 * (make tsan) this is where a race between readers shows; without it, a wrong answer does.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <ubtrfs/admin.h>
#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#define NR_READERS 4
#define NR_DIRS 6
#define NR_FILES 30
#define NR_ROUNDS 3
#define WRITER_FILES 60
#define FILE_MAX (300 * 1024)
#define IMAGE_BYTES (256 * MIB)

static uint64_t file_len(unsigned number)
{
	static const uint64_t lengths[] = { 0, 11, 1900, 4096, 9000, 131072, 200001 };

	return lengths[number % ARRAY_LEN(lengths)];
}

static struct ubtrfs_node make_file(struct ubtrfs *fs, struct ubtrfs_node dir, unsigned number)
{
	struct ubtrfs_new what = { .attr.mode = S_IFREG | 0640, .attr.uid = number };
	struct ubtrfs_node node;
	uint8_t *data = malloc(FILE_MAX);
	char name[32], value[16];

	snprintf(name, sizeof(name), "file%u", number);
	snprintf(value, sizeof(value), "%u", number);
	content_bytes(number, 0, data, file_len(number));
	OK(ubtrfs_create(fs, dir, name, strlen(name), &what, &node));
	OK(ubtrfs_setxattr(fs, node, "user.number", value, strlen(value)));
	OK(ubtrfs_setxattr(fs, node, "user.second", "2", 1));
	/* A hole before the contents of every fifth. */
	if (file_len(number))
		OK(ubtrfs_write(fs, node, number % 5 ? 0 : 65536, data, file_len(number)));
	free(data);
	return node;
}

static void make_tree(struct fs_fixture *fx)
{
	struct ubtrfs_new link = { .attr.mode = S_IFLNK | 0777,
				   .symlink_target = "file1",
				   .symlink_len = 5 };
	struct ubtrfs_node dir, node;
	char name[32];

	for (unsigned i = 0; i < NR_DIRS; i++) {
		snprintf(name, sizeof(name), "dir%u", i);
		if (i == 1)
			OK(ubtrfs_subvolume_create(fx->fs, fx->top, name, strlen(name), NULL,
						   &dir));
		else
			dir = fixture_create(fx, fx->top, name, S_IFDIR | 0755);
		for (unsigned number = 0; number < NR_FILES; number++)
			(void)make_file(fx->fs, dir, number);
		OK(ubtrfs_create(fx->fs, dir, "link", 4, &link, &node));
	}
}

/* One reader's walk. */
struct reader {
	struct fs_fixture *fx;
	struct ubtrfs_node node; /* of the visitors */
	struct ubtrfs_node dir;
	uint8_t *data, *expected;
	unsigned nr_files, nr_dirs, nr_xattrs;
	unsigned number;
	uint64_t logical;  /* of the last piece of a file; 0 */
	bool finds_itself; /* among the users of that */
};

#define CHECK(cond)                                                                    \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				ubtrfs_error_text());                                  \
			abort();                                                       \
		}                                                                      \
	} while (0)

static int see_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct reader *reader = ctx;
	char text[16], again[16];
	size_t again_len;

	reader->nr_xattrs++;
	if (name_len != 11 || memcmp(name, "user.number", 11) != 0)
		return 0;
	snprintf(text, sizeof(text), "%u", reader->number);
	CHECK(len == strlen(text) && memcmp(value, text, len) == 0);
	/* The library may be called from here. */
	CHECK(ubtrfs_getxattr(reader->fx->fs, reader->node, "user.number", again, sizeof(again),
			      &again_len) == 0);
	CHECK(again_len == len && memcmp(again, text, len) == 0);
	return 0;
}

static void read_file(struct reader *reader, struct ubtrfs_node node, unsigned number)
{
	struct ubtrfs *fs = reader->fx->fs;
	uint64_t len = file_len(number), hole = len && number % 5 == 0 ? 65536 : 0;
	uint64_t start, end;
	size_t got;

	content_bytes(number, 0, reader->expected, len);
	CHECK(ubtrfs_read(fs, node, 0, reader->data, FILE_MAX, &got) == 0);
	CHECK(got == hole + len);
	CHECK(memcmp(reader->data + hole, reader->expected, len) == 0);
	if (!len) {
		CHECK(ubtrfs_read_data(fs, node, 0, reader->data, FILE_MAX, &start, &got) ==
		      -ENXIO);
		return;
	}
	CHECK(ubtrfs_seek_data(fs, node, 0, &start, &end) == 0 && start == hole);
	CHECK(ubtrfs_read_data(fs, node, 0, reader->data, FILE_MAX, &start, &got) == 0);
	CHECK(start == hole && got <= len);
	CHECK(memcmp(reader->data, reader->expected, got) == 0);
	reader->node = node;
	reader->number = number;
	reader->nr_xattrs = 0;
	CHECK(ubtrfs_listxattr(fs, node, see_xattr, reader) == 0);
	CHECK(reader->nr_xattrs == 2);
}

static int see_entry(void *ctx, const struct ubtrfs_dirent *entry, const struct ubtrfs_attr *attr)
{
	struct reader *reader = ctx;
	struct ubtrfs *fs = reader->fx->fs;
	struct ubtrfs_node found;
	struct ubtrfs_attr again;
	char target[16];
	size_t len;

	CHECK(attr);
	CHECK(ubtrfs_lookup(fs, reader->dir, entry->name, entry->name_len, &found) == 0);
	CHECK(found.ino == entry->node.ino && found.subvolid == entry->node.subvolid);
	CHECK(ubtrfs_getattr(fs, found, &again) == 0);
	CHECK(again.mode == attr->mode && again.uid == attr->uid && again.size == attr->size);
	if (S_ISLNK(attr->mode)) {
		CHECK(ubtrfs_readlink(fs, found, target, sizeof(target), &len) == 0);
		CHECK(len == 5 && memcmp(target, "file1", 5) == 0);
	} else if (S_ISREG(attr->mode)) {
		CHECK(!attr->no_xattrs);
		read_file(reader, found, attr->uid);
		reader->nr_files++;
	}
	return 0;
}

static int see_dir(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct reader *reader = ctx;

	/* What the writer is busy with is not looked into. */
	if (entry->name_len == 3 && memcmp(entry->name, "new", 3) == 0)
		return 0;
	reader->dir = entry->node;
	reader->nr_dirs++;
	CHECK(ubtrfs_readdir_plus(reader->fx->fs, entry->node, 0, see_entry, reader) == 0);
	return 0;
}

/* ---- questions about the whole ---- */

static int see_piece(void *ctx, const struct ubtrfs_piece *piece)
{
	struct reader *reader = ctx;

	CHECK(!piece->shared);
	reader->logical = piece->logical;
	return 0;
}

static int see_referrer(void *ctx, const struct ubtrfs_referrer *referrer)
{
	struct reader *reader = ctx;

	reader->finds_itself |= referrer->tree_id == reader->node.subvolid &&
				referrer->ino == reader->node.ino;
	return 0;
}

static int see_path(void *ctx, const char *path)
{
	struct reader *reader = ctx;

	CHECK(strcmp(path, reader->node.subvolid == 5 ? "dir0/file6" : "file6") == 0);
	return 0;
}

/* From a file to its extents and back, while nothing changes. */
static void ask_back(struct reader *reader, const char *path)
{
	struct ubtrfs *fs = reader->fx->fs;
	struct ubtrfs_extent extent;
	struct ubtrfs_pieces *pieces;

	CHECK(ubtrfs_resolve(fs, reader->fx->top, path, true, &reader->node) == 0);
	CHECK(ubtrfs_inode_paths(fs, reader->node, see_path, reader) == 0);
	if (reader->fx->how.writable)
		return;
	CHECK(ubtrfs_pieces_new(fs, &pieces) == 0);
	CHECK(ubtrfs_pieces_each(pieces, reader->node, see_piece, reader) == 0);
	ubtrfs_pieces_free(pieces);
	CHECK(reader->logical);
	CHECK(ubtrfs_extent_at(fs, reader->logical, &extent) == 0 && !extent.metadata);
	reader->finds_itself = false;
	CHECK(ubtrfs_logical_referrers(fs, reader->logical, true, see_referrer, reader) == 0);
	CHECK(reader->finds_itself);
}

static int see_subvolume(void *ctx, const struct ubtrfs_subvolume *subvolume)
{
	struct reader *reader = ctx;
	char path[16];
	size_t len;

	CHECK(ubtrfs_subvolume_path(reader->fx->fs, subvolume->id, 0, path, sizeof(path), &len) ==
	      0);
	CHECK(strcmp(path, subvolume->id == 5 ? "" : "dir1") == 0);
	return 0;
}

static int see_space(void *ctx, const struct ubtrfs_space *space)
{
	(void)ctx;
	CHECK(space->used_bytes <= space->total_bytes);
	return 0;
}

static int see_chunk(void *ctx, const struct ubtrfs_chunk *chunk)
{
	(void)ctx;
	CHECK(chunk->used_bytes <= chunk->len_bytes);
	return 0;
}

static void ask_of_all(struct reader *reader)
{
	struct ubtrfs *fs = reader->fx->fs;
	struct ubtrfs_tree_stats stats;
	uint64_t bytes = 0;

	CHECK(ubtrfs_subvolume_each(fs, see_subvolume, reader) == 0);
	CHECK(ubtrfs_space_each(fs, see_space, NULL) == 0);
	CHECK(ubtrfs_chunk_each(fs, see_chunk, NULL) == 0);
	CHECK(ubtrfs_available(fs, &bytes) == 0 && bytes);
	CHECK(ubtrfs_min_device_size(fs, 1, &bytes) == 0 && bytes);
	CHECK(ubtrfs_tree_stats(fs, 5, &stats) == 0 && stats.nr_nodes);
	ubtrfs_tree_stats_free(&stats);
}

static void *reader_main(void *ctx)
{
	struct reader reader = { .fx = ctx };
	struct ubtrfs_info info;
	struct ubtrfs_node node;

	reader.data = malloc(FILE_MAX);
	reader.expected = malloc(FILE_MAX);
	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		reader.nr_files = reader.nr_dirs = 0;
		CHECK(ubtrfs_readdir(reader.fx->fs, reader.fx->top, 0, see_dir, &reader) == 0);
		CHECK(reader.nr_dirs == NR_DIRS && reader.nr_files == NR_DIRS * NR_FILES);
		CHECK(ubtrfs_info(reader.fx->fs, &info) == 0 && info.used_bytes);
		CHECK(ubtrfs_resolve(reader.fx->fs, reader.fx->top, "dir1/../dir2/link", true,
				     &node) == 0);
		ask_back(&reader, "dir0/file6");
		ask_back(&reader, "dir1/file6");
		ask_of_all(&reader);
		CHECK(ubtrfs_default_top(reader.fx->fs).ino == UBTRFS_ROOT_INO);
	}
	free(reader.data);
	free(reader.expected);
	return NULL;
}

static void readers_start(struct fs_fixture *fx, pthread_t threads[NR_READERS])
{
	for (unsigned i = 0; i < NR_READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main, fx), 0);
}

static void readers_wait(pthread_t threads[NR_READERS])
{
	for (unsigned i = 0; i < NR_READERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_reader_race__all_of_a_tree(void **state)
{
	pthread_t threads[NR_READERS];
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fixture_make(&fx);
	make_tree(&fx);
	fixture_finish(&fx);
	/* A cache that is too small: nodes come and go under the readers. */
	fx.how.cache_bytes = 256 * 1024;
	fixture_open(&fx, false);
	readers_start(&fx, threads);
	readers_wait(threads);
	fixture_fini(&fx);
}

/* Files that come, are read back, and half of them go; the readers find the rest as it was. */
static void write_among_readers(struct fs_fixture *fx)
{
	struct reader reader = { .fx = fx };
	struct ubtrfs_node dir = fixture_create(fx, fx->top, "new", S_IFDIR | 0755), node;
	struct ubtrfs_attr attr = { .uid = 7 };
	char name[32];

	reader.data = malloc(FILE_MAX);
	reader.expected = malloc(FILE_MAX);
	for (unsigned i = 0; i < WRITER_FILES; i++) {
		node = make_file(fx->fs, dir, i);
		read_file(&reader, node, i);
		snprintf(name, sizeof(name), "file%u", i);
		if (i % 2)
			OK(ubtrfs_unlink(fx->fs, dir, name, strlen(name)));
		/* The readers see inodes with delayed changes, too. */
		attr.atime.sec = i;
		OK(ubtrfs_setattr(fx->fs, fixture_lookup(fx, fx->top, "dir3"), &attr,
				  UBTRFS_ATTR_ATIME));
		if (i % 16 == 15)
			OK(ubtrfs_commit(fx->fs));
	}
	free(reader.data);
	free(reader.expected);
}

static void test_reader_race__a_writer_among_readers(void **state)
{
	pthread_t threads[NR_READERS];
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fx.how.threads = 2;
	fx.mkfs.byte_count = IMAGE_BYTES;
	fixture_make(&fx);
	make_tree(&fx);
	fixture_finish(&fx);
	fixture_open(&fx, true);
	readers_start(&fx, threads);
	write_among_readers(&fx);
	readers_wait(threads);
	fixture_done(&fx);
}

/* The tree is made and read while all of it is still delayed. */
static void test_reader_race__what_is_delayed(void **state)
{
	pthread_t threads[NR_READERS];
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = IMAGE_BYTES;
	fixture_make_open(&fx);
	make_tree(&fx);
	readers_start(&fx, threads);
	readers_wait(threads);
	fixture_done(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_race__all_of_a_tree),
		cmocka_unit_test(test_reader_race__a_writer_among_readers),
		cmocka_unit_test(test_reader_race__what_is_delayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
