/*
 * Law L9 at its edges: metadata fills up with names, data with sectors; what does not fit is
 * refused, changing is still possible in some measure, removing always, and each commit on the way
 * succeeds.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/rng.h"

#define MAX_FILES 60000u

static void full_init(struct fs_fixture *fx, bool mixed, uint32_t sectorsize)
{
	fixture_init(fx);
	fx->mkfs.byte_count = mixed ? 18 * MIB : 112 * MIB;
	fx->mkfs.mixed = mixed;
	fx->mkfs.sectorsize = sectorsize;
	fx->mkfs.metadata_profile = mixed ? NULL : "single";
	fixture_make_open(fx);
}

static size_t file_name(unsigned number, char name[256])
{
	memset(name, 'n', 150);
	return 150 + (size_t)snprintf(name + 150, 100, "%u", number * 2654435761u % MAX_FILES);
}

/* Creates until it is full; how many there are. */
static unsigned fill_names(struct fs_fixture *fx, struct ubtrfs_node *nodes)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	char name[256], data[1500];
	unsigned nr;
	int err = 0;

	memset(data, 'x', sizeof(data));
	for (nr = 0; nr < MAX_FILES && err == 0; nr++) {
		size_t len = file_name(nr, name);

		err = ubtrfs_create(fx->fs, fx->top, name, len, &what, &nodes[nr]);
		if (err < 0)
			break;
		err = ubtrfs_write(fx->fs, nodes[nr], 0, data, sizeof(data));
		if (nr % 5000 == 4999)
			OK(ubtrfs_commit(fx->fs));
	}
	if (err < 0)
		assert_int_equal(err, -ENOSPC);
	return nr;
}

/*
 * Attributes of scattered files: each touches another leaf. Refusals are fine, failures of
 * commits are not.
 */
static void scatter(struct fs_fixture *fx, const struct ubtrfs_node *nodes, unsigned nr)
{
	unsigned nr_refused = 0;

	for (unsigned i = 0; i < nr; i += 37) {
		int err = ubtrfs_setxattr(fx->fs, nodes[i * 7919ull % nr], "user.scattered",
					  "value", 5);

		if (err < 0) {
			assert_int_equal(err, -ENOSPC);
			nr_refused++;
		}
	}
	OK(ubtrfs_commit(fx->fs));
	print_message("# %u files, %u changes refused\n", nr, nr_refused);
}

static void names_run(uint32_t sectorsize)
{
	struct ubtrfs_node *nodes = calloc(MAX_FILES, sizeof(*nodes));
	struct ubtrfs_info info;
	struct fs_fixture fx;
	char name[256];
	unsigned nr;

	assert_non_null(nodes);
	full_init(&fx, true, sectorsize);
	nr = fill_names(&fx, nodes);
	assert_true(nr > 1000 && nr < MAX_FILES);
	scatter(&fx, nodes, nr);
	fixture_reopen(&fx, true);
	scatter(&fx, nodes, nr);
	for (unsigned i = 0; i < nr; i++) {
		size_t len = file_name((unsigned)(i * 7919ull % nr), name);

		OK(ubtrfs_unlink(fx.fs, fx.top, name, len));
		if (i == nr / 2)
			fixture_reopen(&fx, true);
	}
	OK(ubtrfs_commit(fx.fs));
	OK(ubtrfs_info(fx.fs, &info));
	assert_true(info.metadata_bytes_used < 2 * MIB);
	fixture_done(&fx);
	free(nodes);
}

static void test_enospc__names(void **state)
{
	(void)state;
	names_run(4096);
}

static void test_enospc__names_in_large_nodes(void **state)
{
	(void)state;
	names_run(16384);
}

/*
 * Free space in small pieces: what is compressed and does not fit into one is stored plain
 * instead.
 */
static void test_enospc__fragments(void **state)
{
	enum { PIECE = 65536 };
	struct content content = { 0 }, kept = { 0 };
	struct ubtrfs_node nodes[2], node;
	struct fs_fixture fx;
	uint64_t nr;
	int err = 0;

	(void)state;
	content_put(&kept, 0, PIECE, 5);
	content_put(&content, 0, 3000000, 1);
	full_init(&fx, false, 0);
	nodes[0] = fixture_file(&fx, "goes");
	nodes[1] = fixture_file(&fx, "stays");
	for (nr = 0; err == 0; nr++)
		err = ubtrfs_write(fx.fs, nodes[nr % 2], nr / 2 * 2 * PIECE, kept.data, PIECE);
	assert_int_equal(err, -ENOSPC);
	assert_true(nr > 500);
	OK(ubtrfs_unlink(fx.fs, fx.top, "goes", 4));
	fixture_close(&fx);
	fx.how.compress = UBTRFS_COMPRESS_ZSTD;
	fixture_open(&fx, true);
	node = fixture_file(&fx, "big");
	OK(ubtrfs_write(fx.fs, node, 0, content.data, content.len));
	fixture_reopen(&fx, false);
	content_compare(&fx, node, &content);
	fixture_close(&fx);
	content_free(&content);
	content_free(&kept);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enospc__names),
		cmocka_unit_test(test_enospc__names_in_large_nodes),
		cmocka_unit_test(test_enospc__fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
