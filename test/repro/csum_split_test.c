/*
 * An item of checksums fills a leaf. Removing one sector from its middle makes two items; the
 * second, nearly as large, took a leaf of its own, and the first was left alone in the old one. So
 * each of many scattered removals made a leaf of a few bytes: removing files from a full filesystem
 * needed 16 KiB of metadata each, until nothing worked any more. What is left is joined with its
 * left neighbour now.
 */
#include "ops/fs_fixture.h"

#define NR_FILES 3000u

static uint64_t metadata_used(struct fs_fixture *fx)
{
	struct ubtrfs_info info;

	OK(ubtrfs_commit(fx->fs));
	OK(ubtrfs_info(fx->fs, &info));
	return info.metadata_bytes_used;
}

static void test_csum_split__scattered_removals_make_no_leaves(void **state)
{
	struct content content = { 0 };
	struct fs_fixture fx;
	char name[32];
	uint64_t before;

	(void)state;
	content_put(&content, 0, 4096, 5);
	fixture_init(&fx);
	fx.mkfs.byte_count = 128 * MIB;
	fixture_make_open(&fx);
	for (unsigned i = 0; i < NR_FILES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		OK(ubtrfs_write(fx.fs, fixture_file(&fx, name), 0, content.data, content.len));
	}
	before = metadata_used(&fx);
	for (unsigned i = 0; i < NR_FILES; i += 2) {
		snprintf(name, sizeof(name), "f%u", i);
		OK(ubtrfs_unlink(fx.fs, fx.top, name, strlen(name)));
	}
	assert_true(metadata_used(&fx) < before + 30 * 16384);
	fixture_close(&fx);
	fixture_check(&fx);
	content_free(&content);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csum_split__scattered_removals_make_no_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
