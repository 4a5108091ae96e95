/*
 * Ranges through the public API: what is allocated and where, in place or shared, what is refused, and
 * what a full filesystem still lets happen. Random sequences are in sim/range_sim_test.c.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include <ubtrfs/admin.h>

#include "ops/ops.h"

#define KEEP UBTRFS_FALLOC_KEEP_SIZE
#define PUNCH (UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_KEEP_SIZE)
#define ZERO UBTRFS_FALLOC_ZERO_RANGE

static void range_make(struct fs_fixture *fx)
{
	fixture_init(fx);
	fx->mkfs.byte_count = 300 * MIB;
	fixture_make_open(fx);
}

static void test_op_range__what_is_allocated_counts_and_reads_as_zero(void **state)
{
	struct content content = { 0 };
	struct fs_fixture fx;
	struct ubtrfs_node node;
	uint64_t at, end;

	(void)state;
	range_make(&fx);
	node = fixture_file(&fx, "file");
	content_write(&fx, node, &content, 0, 10000, 7);
	OK(ubtrfs_fallocate(fx.fs, node, KEEP, 5000, MIB));
	assert_int_equal(fixture_attr(&fx, node).size, 10000);
	/* [4096, 12288) was there. */
	assert_int_equal(fixture_attr(&fx, node).allocated_bytes, round_up(5000 + MIB, 4096));
	OK(ubtrfs_fallocate(fx.fs, node, 0, 5000, MIB));
	content_resize(&content, 5000 + MIB);
	assert_int_equal(fixture_attr(&fx, node).allocated_bytes, round_up(5000 + MIB, 4096));
	content_compare(&fx, node, &content);
	OK(ubtrfs_seek_hole(fx.fs, node, 0, &at));
	assert_int_equal(at, 12288);
	FAILS(ENXIO, ubtrfs_seek_data(fx.fs, node, 12288, &at, &end));
	fixture_reopen(&fx, true);
	content_compare(&fx, node, &content);
	OK(ubtrfs_fallocate(fx.fs, node, PUNCH, 0, 2 * MIB));
	assert_int_equal(fixture_attr(&fx, node).allocated_bytes, 0);
	memset(content.data, 0, content.len);
	content_compare(&fx, node, &content);
	fixture_reopen(&fx, false);
	content_free(&content);
	fixture_fini(&fx);
}

static void test_op_range__what_is_refused(void **state)
{
	struct ubtrfs_node node, dir, other;
	struct fs_fixture fx;
	uint64_t at, len;
	bool same;

	(void)state;
	range_make(&fx);
	node = fixture_file(&fx, "file");
	other = fixture_file_with_flags(&fx, "other", BTRFS_INODE_NODATASUM);
	dir = fixture_create(&fx, fx.top, "dir", S_IFDIR | 0755);
	OK(ubtrfs_write(fx.fs, node, 0, "abc", 3));
	FAILS(EINVAL, ubtrfs_fallocate(fx.fs, node, 0, 0, 0));
	FAILS(EOPNOTSUPP, ubtrfs_fallocate(fx.fs, node, UBTRFS_FALLOC_PUNCH_HOLE, 0, 4096));
	FAILS(EOPNOTSUPP, ubtrfs_fallocate(fx.fs, node, 0x20, 0, 4096));
	FAILS(EOPNOTSUPP, ubtrfs_fallocate(fx.fs, node, PUNCH | ZERO, 0, 4096));
	FAILS(EFBIG, ubtrfs_fallocate(fx.fs, node, 0, INT64_MAX, 1));
	FAILS(EFBIG, ubtrfs_fallocate(fx.fs, node, 0, 4096, UINT64_MAX));
	FAILS(EISDIR, ubtrfs_fallocate(fx.fs, dir, 0, 0, 4096));
	FAILS(EISDIR, ubtrfs_clone_range(fx.fs, dir, 0, node, 0, 0));
	FAILS(ENXIO, ubtrfs_seek_hole(fx.fs, node, 3, &at));
	FAILS(EINVAL, ubtrfs_clone_range(fx.fs, node, 0, other, 0, 0));
	FAILS(EINVAL, ubtrfs_clone_range(fx.fs, node, 0, node, 0, 0));
	FAILS(EINVAL, ubtrfs_clone_range(fx.fs, node, 1, node, 4096, 0));
	FAILS(EINVAL, ubtrfs_clone_range(fx.fs, node, 0, node, 4096, 4));
	FAILS(EINVAL, ubtrfs_clone_range(fx.fs, node, 4096, node, 8192, 0));
	FAILS(EINVAL, ubtrfs_dedupe_range(fx.fs, node, 0, other, 0, 4096, &same));
	FAILS(EINVAL, ubtrfs_copy_range(fx.fs, node, 0, node, 2, 3, &len));
	FAILS(EFBIG, ubtrfs_copy_range(fx.fs, node, 0, other, INT64_MAX - 1, 3, &len));
	OK(ubtrfs_copy_range(fx.fs, node, 3, other, 0, 100, &len));
	assert_int_equal(len, 0);
	assert_int_equal(fixture_attr(&fx, other).size, 0);
	fixture_close(&fx);
	fixture_open(&fx, false);
	FAILS(EROFS, ubtrfs_fallocate(fx.fs, node, 0, 0, 4096));
	FAILS(EROFS, ubtrfs_clone_range(fx.fs, node, 0, other, 0, 0));
	fixture_fini(&fx);
}

/* Law L9: the door counts all of it, and nothing has changed when it says no. */
static void test_op_range__no_space_changes_nothing(void **state)
{
	struct ubtrfs_attr before, after;
	struct content content = { 0 };
	struct fs_fixture fx;
	struct ubtrfs_node node;

	(void)state;
	range_make(&fx);
	node = fixture_file(&fx, "file");
	content_write(&fx, node, &content, 0, 100000, 1);
	OK(ubtrfs_fallocate(fx.fs, node, 0, MIB, MIB));
	content_resize(&content, 2 * MIB);
	before = fixture_attr(&fx, node);
	FAILS(ENOSPC, ubtrfs_fallocate(fx.fs, node, 0, 0, 400 * MIB));
	FAILS(ENOSPC, ubtrfs_fallocate(fx.fs, node, ZERO | KEEP, 0, (uint64_t)INT64_MAX));
	/* Not even parts of sectors. */
	FAILS(ENOSPC, ubtrfs_fallocate(fx.fs, node, ZERO, 5000, 400 * MIB));
	after = fixture_attr(&fx, node);
	assert_int_equal(before.size, after.size);
	assert_int_equal(before.allocated_bytes, after.allocated_bytes);
	content_compare(&fx, node, &content);
	/* What is there needs no space. */
	OK(ubtrfs_fallocate(fx.fs, node, 0, MIB, MIB));
	fixture_reopen(&fx, false);
	content_free(&content);
	fixture_fini(&fx);
}

/* Written in parts, in any order: in place, and one item again at the end. */
static void test_op_range__prealloc_is_written_in_place(void **state)
{
	static const unsigned parts[] = { 2, 7, 3, 0, 5, 1, 6, 4 };
	struct content content = { 0 };
	struct piece_list list;
	struct fs_fixture fx;
	struct ubtrfs_node node;
	uint64_t addr;

	(void)state;
	range_make(&fx);
	node = fixture_file(&fx, "file");
	OK(ubtrfs_fallocate(fx.fs, node, 0, 0, MIB));
	content_resize(&content, MIB);
	list = fixture_pieces(&fx, node);
	assert_int_equal(list.nr, 1);
	assert_true(list.pieces[0].prealloc);
	addr = list.pieces[0].logical;
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
		content_write(&fx, node, &content, parts[i] * MIB / 8, MIB / 8, i + 1);
		list = fixture_pieces(&fx, node);
		for (unsigned j = 0; j < list.nr; j++)
			assert_int_equal(list.pieces[j].logical, addr + list.pieces[j].offset);
		if (i == 0)
			assert_int_equal(list.nr, 3);
		content_compare(&fx, node, &content);
	}
	assert_int_equal(list.nr, 1);
	assert_false(list.pieces[0].prealloc);
	assert_int_equal(fixture_attr(&fx, node).allocated_bytes, MIB);
	/* It is data now, with checksums. */
	content_write(&fx, node, &content, 0, 4096, 99);
	list = fixture_pieces(&fx, node);
	assert_int_not_equal(list.pieces[0].logical, addr);
	fixture_reopen(&fx, false);
	content_compare(&fx, node, &content);
	content_free(&content);
	fixture_fini(&fx);
}

static void test_op_range__nodatacow_is_written_in_place_unless_shared(void **state)
{
	struct content content = { 0 }, copy = { 0 };
	struct ubtrfs_node node, other;
	struct piece_list list;
	struct fs_fixture fx;
	uint64_t addr;

	(void)state;
	range_make(&fx);
	node = fixture_file_with_flags(&fx, "file", BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	other = fixture_file_with_flags(&fx, "other",
					BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	content_write(&fx, node, &content, 0, MIB, 1);
	list = fixture_pieces(&fx, node);
	addr = list.pieces[0].logical;
	for (unsigned i = 0; i < 20; i++) {
		content_write(&fx, node, &content, i * 50000, 5000, i);
		if (i % 3)
			OK(ubtrfs_drain(fx.fs));
	}
	list = fixture_pieces(&fx, node);
	assert_int_equal(list.nr, 1);
	assert_int_equal(list.pieces[0].logical, addr);
	content_compare(&fx, node, &content);
	OK(ubtrfs_clone_range(fx.fs, node, 65536, other, 0, 65536));
	content_resize(&copy, 65536);
	memcpy(copy.data, content.data + 65536, 65536);
	content_write(&fx, node, &content, 0, 4096, 50);
	content_write(&fx, node, &content, 70000, 4096, 51);
	content_write(&fx, other, &copy, 8192, 4096, 52);
	list = fixture_pieces(&fx, node);
	/* As Linux does it: what refers to any part of the extent shares all of it. */
	assert_int_not_equal(list.pieces[0].logical, addr);
	content_compare(&fx, node, &content);
	content_compare(&fx, other, &copy);
	fixture_reopen(&fx, false);
	content_compare(&fx, node, &content);
	content_compare(&fx, other, &copy);
	content_free(&content);
	content_free(&copy);
	fixture_fini(&fx);
}

static void test_op_range__clone_across_subvolumes(void **state)
{
	struct content content = { 0 };
	struct ubtrfs_node node, sub, copy;
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = 300 * MIB;
	fx.how.compress = UBTRFS_COMPRESS_ZSTD;
	fixture_make_open(&fx);
	node = fixture_file(&fx, "file");
	content_write(&fx, node, &content, 0, 3 * MIB + 1000, 3);
	OK(ubtrfs_subvolume_create(fx.fs, fx.top, "sub", 3, NULL, &sub));
	copy = fixture_create(&fx, sub, "copy", S_IFREG | 0600);
	OK(ubtrfs_clone_range(fx.fs, node, 0, copy, 0, 0));
	content_compare(&fx, copy, &content);
	assert_int_equal(fixture_attr(&fx, copy).allocated_bytes, round_up(content.len, 4096));
	fixture_reopen(&fx, true);
	/* The one goes, the other stays. */
	OK(ubtrfs_unlink(fx.fs, fx.top, "file", 4));
	fixture_reopen(&fx, true);
	content_compare(&fx, copy, &content);
	OK(ubtrfs_fallocate(fx.fs, copy, PUNCH, 4096, 2 * MIB));
	fixture_reopen(&fx, false);
	content_free(&content);
	fixture_fini(&fx);
}

/* Until nothing more fits. */
static uint64_t fill_data(struct fs_fixture *fx, struct ubtrfs_node node)
{
	static uint8_t data[65536];
	uint64_t at = 0;
	int err = 0;

	content_bytes(5, 0, data, sizeof(data));
	while (err == 0) {
		err = ubtrfs_write(fx->fs, node, at, data, sizeof(data));
		at += err == 0 ? sizeof(data) : 0;
	}
	FAILS(ENOSPC, err);
	return at;
}

static void test_op_range__in_place_on_a_full_filesystem(void **state)
{
	struct content content = { 0 };
	struct ubtrfs_node node, prealloc, other;
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fx.mkfs.byte_count = 112 * MIB;
	fx.mkfs.metadata_profile = "single";
	fixture_make_open(&fx);
	node = fixture_file_with_flags(&fx, "file", BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	content_write(&fx, node, &content, 0, 4 * MIB, 1);
	prealloc = fixture_file(&fx, "prealloc");
	OK(ubtrfs_fallocate(fx.fs, prealloc, 0, 0, 4 * MIB));
	other = fixture_file(&fx, "other");
	assert_true(fill_data(&fx, other) > 16 * MIB);
	OK(ubtrfs_commit(fx.fs));
	fill_data(&fx, other);
	FAILS(ENOSPC, ubtrfs_write(fx.fs, other, 0, content.data, MIB));
	content_write(&fx, node, &content, 0, 4 * MIB, 2);
	OK(ubtrfs_write(fx.fs, prealloc, 0, content.data, 4 * MIB));
	content_compare(&fx, prealloc, &content);
	/* What is there needs nothing. */
	OK(ubtrfs_fallocate(fx.fs, node, 0, 0, 4 * MIB));
	FAILS(ENOSPC, ubtrfs_fallocate(fx.fs, node, ZERO, 0, 4 * MIB));
	content_compare(&fx, node, &content);
	OK(ubtrfs_fallocate(fx.fs, other, PUNCH, 0, 64 * MIB));
	fixture_reopen(&fx, true);
	content_compare(&fx, node, &content);
	content_compare(&fx, prealloc, &content);
	content_free(&content);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_op_range__what_is_allocated_counts_and_reads_as_zero),
		cmocka_unit_test(test_op_range__what_is_refused),
		cmocka_unit_test(test_op_range__no_space_changes_nothing),
		cmocka_unit_test(test_op_range__prealloc_is_written_in_place),
		cmocka_unit_test(test_op_range__nodatacow_is_written_in_place_unless_shared),
		cmocka_unit_test(test_op_range__clone_across_subvolumes),
		cmocka_unit_test(test_op_range__in_place_on_a_full_filesystem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
