/*
 * Contents through the public API: every edge of sizes, overwriting, holes, truncating, giving back; each image is read again after a
 * reopening and judged by `btrfs check`.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "ops/ops.h"

static const uint64_t edge_sizes[] = {
	0,
	1,
	2,
	100,
	2047,
	2048,
	2049,
	3900,
	4095,
	4096,
	4097,
	8191,
	8192,
	8193,
	65535,
	65536,
	131071,
	131072,
	131073,
	135168,
	262143,
	262145,
	3 * 1048576 + 5,
	5 * 1048576,
};

#define NR_EDGES (sizeof(edge_sizes) / sizeof(edge_sizes[0]))

struct file_list {
	struct content contents[64];
	struct ubtrfs_node nodes[64];
	unsigned nr;
};

static struct content *list_file(struct fs_fixture *fx, struct file_list *list,
				 struct ubtrfs_node *ret_node)
{
	char name[32];

	assert_true(list->nr < 64);
	snprintf(name, sizeof(name), "file%u", list->nr);
	*ret_node = list->nodes[list->nr] = fixture_file(fx, name);
	return &list->contents[list->nr++];
}

static void list_compare(struct fs_fixture *fx, struct file_list *list)
{
	for (unsigned i = 0; i < list->nr; i++)
		content_compare(fx, list->nodes[i], &list->contents[i]);
}

static void list_free(struct file_list *list)
{
	for (unsigned i = 0; i < list->nr; i++)
		content_free(&list->contents[i]);
	list->nr = 0;
}

/* Compares before the commit, after it, and after a reopening for reading. */
static void list_prove(struct fs_fixture *fx, struct file_list *list)
{
	list_compare(fx, list);
	OK(ubtrfs_commit(fx->fs));
	list_compare(fx, list);
	fixture_reopen(fx, false);
	list_compare(fx, list);
	fixture_close(fx);
}

static void sizes_once(int compress)
{
	struct fs_fixture fx;
	struct file_list list = { .nr = 0 };
	struct ubtrfs_node node;

	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.how.compress = compress;
	fixture_make_open(&fx);
	for (unsigned i = 0; i < NR_EDGES; i++) {
		struct content *content = list_file(&fx, &list, &node);

		content_write(&fx, node, content, 0, edge_sizes[i], i + 1);
	}
	list_prove(&fx, &list);
	list_free(&list);
	fixture_fini(&fx);
}

static void test_op_data__sizes_plain(void **state)
{
	(void)state;
	sizes_once(UBTRFS_COMPRESS_NONE);
}

static void test_op_data__sizes_zlib(void **state)
{
	(void)state;
	sizes_once(UBTRFS_COMPRESS_ZLIB);
}

static void test_op_data__sizes_zstd(void **state)
{
	(void)state;
	sizes_once(UBTRFS_COMPRESS_ZSTD);
}

static void test_op_data__sizes_lzo(void **state)
{
	(void)state;
#ifdef HAVE_LZO
	sizes_once(UBTRFS_COMPRESS_LZO);
#else
	print_message("# skip: built without lzo\n");
	skip();
#endif
}

/* Writes into files of every size, in this or in the transaction after. */
static void overwrite_once(int compress, bool commit_between)
{
	static const struct {
		uint64_t offset, len;
	} writes[] = { { 0, 1 },	   { 100, 50 },	    { 4000, 200 },
		       { 4096, 4096 },	   { 5000, 70000 }, { 131000, 200 },
		       { 131072, 131072 }, { 300000, 10 },  { 0, 300 } };
	struct fs_fixture fx;
	struct file_list list = { .nr = 0 };
	struct ubtrfs_node node;

	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.how.compress = compress;
	fixture_make_open(&fx);
	for (unsigned i = 0; i < NR_EDGES; i++) {
		struct content *content = list_file(&fx, &list, &node);

		content_write(&fx, node, content, 0, MIN(edge_sizes[i], MIB), i + 1);
	}
	for (unsigned w = 0; w < ARRAY_LEN(writes); w++) {
		if (commit_between)
			OK(ubtrfs_commit(fx.fs));
		for (unsigned i = 0; i < list.nr; i++)
			content_write(&fx, list.nodes[i], &list.contents[i], writes[w].offset,
				      writes[w].len, 1000 + w * 100 + i);
		if (w % 3 == 0)
			list_compare(&fx, &list);
	}
	list_prove(&fx, &list);
	list_free(&list);
	fixture_fini(&fx);
}

static void test_op_data__overwrites_in_one_transaction(void **state)
{
	(void)state;
	overwrite_once(UBTRFS_COMPRESS_NONE, false);
}

static void test_op_data__overwrites_of_what_is_committed(void **state)
{
	(void)state;
	overwrite_once(UBTRFS_COMPRESS_NONE, true);
}

static void test_op_data__overwrites_of_compressed(void **state)
{
	(void)state;
	overwrite_once(UBTRFS_COMPRESS_ZSTD, false);
	overwrite_once(UBTRFS_COMPRESS_ZSTD, true);
}

static void sparse_once(const char *features)
{
	static const uint64_t starts[] = { 0, 1, 4096, 5000, 131072, 200000, 1048576, 10000000 };
	struct fs_fixture fx;
	struct file_list list = { .nr = 0 };
	struct ubtrfs_node node;
	uint64_t start, end;

	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.mkfs.features = features;
	fixture_make_open(&fx);
	for (unsigned i = 0; i < ARRAY_LEN(starts); i++) {
		struct content *content = list_file(&fx, &list, &node);

		content_write(&fx, node, content, starts[i], 100, i + 1);
		content = list_file(&fx, &list, &node);
		content_write(&fx, node, content, 0, 10, i + 1);
		if (i % 2)
			OK(ubtrfs_commit(fx.fs));
		content_write(&fx, node, content, starts[i], 5000, i + 20);
		content_write(&fx, node, content, starts[i] + 50000, 5000, i + 40);
	}
	OK(ubtrfs_seek_data(fx.fs, list.nodes[14], 0, &start, &end));
	assert_int_equal(start, 9998336);
	FAILS(ENXIO, ubtrfs_seek_data(fx.fs, list.nodes[14], 10000100, &start, &end));
	list_prove(&fx, &list);
	list_free(&list);
	fixture_fini(&fx);
}

static void test_op_data__sparse(void **state)
{
	(void)state;
	sparse_once(NULL);
}

static void test_op_data__sparse_with_hole_items(void **state)
{
	(void)state;
	sparse_once("^block-group-tree,^no-holes");
}

static void truncate_once(int compress, const char *features)
{
	static const uint64_t sizes[] = {
		0, 1, 50, 2048, 4095, 4096, 4097, 131072, 140000, 1048576
	};
	struct fs_fixture fx;
	struct file_list list = { .nr = 0 };
	struct ubtrfs_node node;

	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.mkfs.features = features;
	fx.how.compress = compress;
	fixture_make_open(&fx);
	for (unsigned i = 0; i < 5; i++) {
		static const uint64_t from[] = { 60, 4096, 5000, 131072, 1000000 };

		for (unsigned j = 0; j < ARRAY_LEN(sizes); j++) {
			struct content *content = list_file(&fx, &list, &node);

			content_write(&fx, node, content, 0, from[i], i + j + 1);
			if (j % 2)
				OK(ubtrfs_commit(fx.fs));
			content_truncate(&fx, node, content, sizes[j]);
			if (j % 3 == 0)
				content_truncate(&fx, node, content,
						 sizes[(j + 3) % ARRAY_LEN(sizes)]);
			/* Growing again shows no old bytes. */
			if (j % 3 == 1)
				content_truncate(&fx, node, content, from[i]);
		}
	}
	list_prove(&fx, &list);
	list_free(&list);
	fixture_fini(&fx);
}

static void test_op_data__truncates(void **state)
{
	(void)state;
	truncate_once(UBTRFS_COMPRESS_NONE, NULL);
	truncate_once(UBTRFS_COMPRESS_NONE, "^block-group-tree,^no-holes");
}

static void test_op_data__truncates_compressed(void **state)
{
	(void)state;
	truncate_once(UBTRFS_COMPRESS_ZLIB, NULL);
}

static uint64_t used(struct fs_fixture *fx)
{
	struct ubtrfs_info info;

	OK(ubtrfs_commit(fx->fs));
	OK(ubtrfs_info(fx->fs, &info));
	return info.data_bytes_used;
}

/* Unlinked and cut files give their space back, whether they were committed or not. */
static void test_op_data__space_comes_back(void **state)
{
	struct fs_fixture fx;
	struct content content = { 0 };
	struct ubtrfs_node node;

	(void)state;
	fixture_fresh(&fx);
	node = fixture_file(&fx, "kept");
	content_write(&fx, node, &content, 0, 8 * MIB, 1);
	assert_int_equal(used(&fx), 8 * MIB);
	content_truncate(&fx, node, &content, 3 * MIB);
	assert_int_equal(used(&fx), 8 * MIB); /* one extent, referenced in part */
	for (unsigned i = 0; i < 3; i++) {
		struct content other = { 0 };

		node = fixture_file(&fx, "gone");
		content_write(&fx, node, &other, 0, 8 * MIB, 2 + i);
		if (i == 1)
			OK(ubtrfs_commit(fx.fs));
		if (i == 2)
			content_compare(&fx, node, &other);
		OK(ubtrfs_unlink(fx.fs, fx.top, "gone", 4));
		assert_int_equal(used(&fx), 8 * MIB);
		content_free(&other);
	}
	OK(ubtrfs_unlink(fx.fs, fx.top, "kept", 4));
	assert_int_equal(used(&fx), 0);
	fixture_close(&fx);
	fixture_check(&fx);
	content_free(&content);
	fixture_fini(&fx);
}

static int seeded_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	content_bytes(*(uint64_t *)ctx, offset, data, len);
	return 0;
}

static void seeded_release(void *ctx)
{
	*(uint64_t *)ctx += 1000000;
}

/* Sources give what writes give; release comes exactly once, also on failure. */
static void test_op_data__sources(void **state)
{
	struct fs_fixture fx;
	struct file_list list = { .nr = 0 };
	uint64_t seeds[NR_EDGES];
	struct ubtrfs_source source = { .read = seeded_read,
					.release = seeded_release,
					.name = "seed" };
	struct ubtrfs_node node;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.how.threads = 3;
	fixture_make_open(&fx);
	for (unsigned i = 0; i < NR_EDGES; i++) {
		struct content *content = list_file(&fx, &list, &node);
		uint64_t at = i % 3 == 2 ? 8192 : 0;

		seeds[i] = i + 1;
		source.ctx = &seeds[i];
		if (i % 3 == 1)
			content_write(&fx, node, content, 0, 100, 7);
		if (!edge_sizes[i])
			continue;
		content_put(content, at, edge_sizes[i] + 100, i + 1);
		OK(ubtrfs_write_from(fx.fs, node, at, edge_sizes[i] + 100, &source));
	}
	list_prove(&fx, &list);
	for (unsigned i = 1; i < NR_EDGES; i++)
		assert_int_equal(seeds[i], i + 1 + 1000000);
	fixture_open(&fx, false);
	seeds[0] = 1;
	source.ctx = &seeds[0];
	FAILS(EROFS, ubtrfs_write_from(fx.fs, node, 0, 100, &source));
	assert_int_equal(seeds[0], 1000001);
	fixture_close(&fx);
	list_free(&list);
	fixture_fini(&fx);
}

/* A later commit must not make a file out of a source that failed. */
static int failing_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	(void)ctx;
	memset(data, 0, len);
	return offset == 131072 ? -EIO : 0;
}

static void test_op_data__a_failed_source_aborts(void **state)
{
	struct fs_fixture fx;
	struct ubtrfs_source source = { .read = failing_read, .name = "a bad disk" };
	struct ubtrfs_node node;
	struct ubtrfs_attr attr;

	(void)state;
	fixture_fresh(&fx);
	node = fixture_file(&fx, "kept");
	OK(ubtrfs_commit(fx.fs));
	node = fixture_file(&fx, "bad");
	OK(ubtrfs_write_from(fx.fs, node, 0, 300000, &source));
	/* Told to whoever meets it, and not forgotten. */
	FAILS(EIO, ubtrfs_getattr(fx.fs, node, &attr));
	assert_non_null(strstr(ubtrfs_error_text(), "a bad disk"));
	assert_true(ubtrfs_commit(fx.fs) < 0);
	assert_non_null(strstr(ubtrfs_error_text(), "a bad disk"));
	FAILS(EROFS, ubtrfs_unlink(fx.fs, fx.top, "kept", 4));
	assert_true(ubtrfs_close(fx.fs) < 0);
	fx.fs = NULL;
	fixture_check(&fx);
	fixture_open(&fx, false);
	fixture_lookup(&fx, fx.top, "kept");
	FAILS(ENOENT, ubtrfs_lookup(fx.fs, fx.top, "bad", 3, &node));
	fixture_close(&fx);
	fixture_fini(&fx);
}

/* More is rewritten at once than may be in flight: storing the first takes inodes off the dirty list while the commit walks on it. */
static void test_op_data__many_rewrites_at_once(void **state)
{
	enum { NR = 300, LEN = 131072 };
	struct content first = { 0 }, second = { 0 };
	struct ubtrfs_node nodes[NR];
	struct fs_fixture fx;
	char name[16];

	(void)state;
	content_put(&first, 0, LEN, 1);
	content_put(&second, 0, LEN, 2);
	fixture_fresh(&fx);
	for (unsigned round = 0; round < 2; round++) {
		struct content *content = round ? &second : &first;

		for (unsigned i = 0; i < NR; i++) {
			snprintf(name, sizeof(name), "f%u", i);
			if (round == 0)
				nodes[i] = fixture_file(&fx, name);
			OK(ubtrfs_write(fx.fs, nodes[i], 0, content->data, LEN));
		}
		OK(ubtrfs_commit(fx.fs));
	}
	fixture_reopen(&fx, false);
	for (unsigned i = 0; i < NR; i += 7)
		content_compare(&fx, nodes[i], &second);
	fixture_close(&fx);
	content_free(&first);
	content_free(&second);
	fixture_fini(&fx);
}

static uint64_t used_by_rest(bool force_start, bool force)
{
	struct fs_fixture fx;
	struct ubtrfs_node node;
	uint8_t *data = malloc(MIB);
	uint64_t bytes;

	assert_non_null(data);
	fixture_init(&fx);
	fx.mkfs.byte_count = 256 * MIB;
	fx.how.compress = UBTRFS_COMPRESS_ZSTD;
	fx.how.compress_force = force_start;
	fixture_make_open(&fx);
	node = fixture_file(&fx, "file");
	for (uint64_t i = 0, state = 1; i < MIB; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		data[i] = (uint8_t)(state >> 56);
	}
	OK(ubtrfs_write(fx.fs, node, 0, data, 131072));
	OK(ubtrfs_commit(fx.fs));
	assert_int_equal(!(fixture_attr(&fx, node).flags & BTRFS_INODE_NOCOMPRESS), force_start);
	fx.how.compress_force = force;
	fixture_reopen(&fx, true);
	memset(data, 'x', MIB);
	OK(ubtrfs_write(fx.fs, node, 131072, data, MIB - 131072));
	bytes = used(&fx) - 131072;
	fixture_done(&fx);
	free(data);
	return bytes;
}

/* A start that does not compress decides for the file, unless the caller insists. */
static void test_op_data__compress_force(void **state)
{
	(void)state;
	assert_int_equal(used_by_rest(false, false), MIB - 131072);
	assert_int_equal(used_by_rest(true, true), (MIB - 131072) / 131072 * 4096);
	assert_int_equal(used_by_rest(false, true), (MIB - 131072) / 131072 * 4096);
}

/* fs-verity: contents stay, everything else about the file may change. */
static void test_op_data__sealed_by_verity(void **state)
{
	struct ubtrfs_attr attr = { .mode = 0600, .flags = BTRFS_INODE_NOATIME };
	struct content content = { 0 };
	struct fs_fixture fx;
	struct ubtrfs_node node;
	struct inode *inode;

	(void)state;
	fixture_init(&fx);
	fixture_make(&fx);
	node = fixture_file(&fx, "sealed");
	content_write(&fx, node, &content, 0, 9000, 1);
	OK(ubtrfs_drain(fx.fs));
	OK(node_inode(fx.fs, node, &inode));
	inode_item_set_flags(inode->item, inode_item_flags(inode->item) | BTRFS_INODE_RO_VERITY);
	inode_mark_dirty(inode);
	inode_put(inode);
	FAILS(EPERM, ubtrfs_write(fx.fs, node, 0, "x", 1));
	assert_non_null(strstr(ubtrfs_error_text(), "fs-verity"));
	FAILS(EPERM, ubtrfs_setattr(fx.fs, node, &attr, UBTRFS_ATTR_SIZE));
	OK(ubtrfs_setattr(fx.fs, node, &attr, UBTRFS_ATTR_MODE | UBTRFS_ATTR_FLAGS));
	attr = fixture_attr(&fx, node);
	assert_int_equal(attr.mode & 07777, 0600);
	assert_true(attr.flags == (BTRFS_INODE_NOATIME | BTRFS_INODE_RO_VERITY));
	content_compare(&fx, node, &content);
	content_free(&content);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_data__compress_force),
		cmocka_unit_test(test_op_data__sealed_by_verity),
		cmocka_unit_test(test_op_data__sizes_plain),
		cmocka_unit_test(test_op_data__sizes_zlib),
		cmocka_unit_test(test_op_data__sizes_zstd),
		cmocka_unit_test(test_op_data__sizes_lzo),
		cmocka_unit_test(test_op_data__overwrites_in_one_transaction),
		cmocka_unit_test(test_op_data__overwrites_of_what_is_committed),
		cmocka_unit_test(test_op_data__overwrites_of_compressed),
		cmocka_unit_test(test_op_data__sparse),
		cmocka_unit_test(test_op_data__sparse_with_hole_items),
		cmocka_unit_test(test_op_data__truncates),
		cmocka_unit_test(test_op_data__truncates_compressed),
		cmocka_unit_test(test_op_data__space_comes_back),
		cmocka_unit_test(test_op_data__sources),
		cmocka_unit_test(test_op_data__many_rewrites_at_once),
		cmocka_unit_test(test_op_data__a_failed_source_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
