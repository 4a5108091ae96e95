/*
 * What is written over itself: data of files without copy-on-write, and what is preallocated, keep
 * their place on disk, unless somebody else has it too.
 */
#include "fs_fixture.h"

#include <ubtrfs/admin.h>

#include "ops/ops.h"

static void fresh(struct fs_fixture *fx, bool background, int compress)
{
	fixture_init(fx);
	fx->mkfs.byte_count = 256 * MIB;
	fx->how.background = background;
	fx->how.compress = compress;
	fixture_make_open(fx);
}

static void finish(struct fs_fixture *fx, struct ubtrfs_node node, struct content *content)
{
	content_compare(fx, node, content);
	fixture_reopen(fx, false);
	content_compare(fx, node, content);
	fixture_close(fx);
	content_free(content);
	fixture_fini(fx);
}

static void nodatacow_once(bool background)
{
	struct fs_fixture fx;
	struct content content = { 0 };
	struct ubtrfs_node node;
	struct piece_list before, after;

	fresh(&fx, background, UBTRFS_COMPRESS_ZSTD);
	node = fixture_file_with_flags(&fx, "file", BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM);
	content_write(&fx, node, &content, 0, MIB, 1);
	before = fixture_pieces(&fx, node);
	assert_int_equal(before.nr, 1);
	for (unsigned i = 0; i < 40; i++)
		content_write(&fx, node, &content, i * 26111, 9000, 10 + i);
	content_compare(&fx, node, &content);
	after = fixture_pieces(&fx, node);
	assert_memory_equal(&before, &after, sizeof(before));
	/* Behind its end there is nothing to write over. */
	content_write(&fx, node, &content, MIB - 5000, 20000, 99);
	after = fixture_pieces(&fx, node);
	assert_true(after.pieces[0].logical == before.pieces[0].logical &&
		    after.pieces[0].len_bytes >= MIB);
	finish(&fx, node, &content);
}

static void test_in_place__nodatacow(void **state)
{
	(void)state;
	nodatacow_once(false);
	nodatacow_once(true);
}

/* What is shared is copied, and the other keeps its bytes. */
static void test_in_place__shared_is_copied(void **state)
{
	const uint64_t flags = BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM;
	struct fs_fixture fx;
	struct content content = { 0 }, other = { 0 };
	struct ubtrfs_node node, twin;
	struct piece_list before, after;

	(void)state;
	fresh(&fx, false, UBTRFS_COMPRESS_NONE);
	node = fixture_file_with_flags(&fx, "file", flags);
	twin = fixture_file_with_flags(&fx, "twin", flags);
	content_write(&fx, node, &content, 0, MIB, 1);
	content_put(&other, 0, MIB, 1);
	OK(ubtrfs_clone_range(fx.fs, node, 0, twin, 0, MIB));
	before = fixture_pieces(&fx, twin);
	content_write(&fx, node, &content, 100000, 300000, 2);
	after = fixture_pieces(&fx, twin);
	assert_int_equal(before.nr, 1);
	assert_true(after.pieces[0].logical == before.pieces[0].logical);
	after = fixture_pieces(&fx, node);
	assert_true(after.nr >= 3);
	content_compare(&fx, twin, &other);
	content_free(&other);
	finish(&fx, node, &content);
}

static void prealloc_once(uint64_t flags, int compress)
{
	struct fs_fixture fx;
	struct content content = { 0 };
	struct ubtrfs_node node;
	struct piece_list before, after;

	fresh(&fx, false, compress);
	node = fixture_file_with_flags(&fx, "file", flags);
	OK(ubtrfs_fallocate(fx.fs, node, 0, 0, MIB));
	content_resize(&content, MIB);
	before = fixture_pieces(&fx, node);
	assert_true(before.nr == 1 && before.pieces[0].prealloc);
	content_write(&fx, node, &content, 100000, 300000, 1);
	content_write(&fx, node, &content, 700000, 10, 2);
	after = fixture_pieces(&fx, node);
	assert_int_equal(after.nr, 5);
	for (unsigned i = 0; i < after.nr; i++) {
		assert_true(after.pieces[i].logical ==
			    before.pieces[0].logical + after.pieces[i].offset);
		assert_int_equal(after.pieces[i].prealloc, i % 2 == 0);
	}
	/* With checksums what was written once is copied from then on. */
	content_write(&fx, node, &content, 200000, 10000, 3);
	after = fixture_pieces(&fx, node);
	assert_int_equal(after.nr, flags ? 5 : 7);
	finish(&fx, node, &content);
}

static void test_in_place__preallocated(void **state)
{
	(void)state;
	prealloc_once(0, UBTRFS_COMPRESS_NONE);
	prealloc_once(0, UBTRFS_COMPRESS_ZSTD);
	prealloc_once(BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM, UBTRFS_COMPRESS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_place__nodatacow),
		cmocka_unit_test(test_in_place__shared_is_copied),
		cmocka_unit_test(test_in_place__preallocated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
