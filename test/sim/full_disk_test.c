/*
 * A filesystem that lives long and is full: removing, making files smaller and writing over files
 * without copy-on-write work, what does not fit is refused and changes nothing, and when all is gone
 * all space is back, chunks included. What statfs tells at each point fits.
 */
#include "ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include <ubtrfs/admin.h>

#include "ops/ops.h"

#define PIECE (1024 * 1024)
#define FILES_MAX 400u
#define NOCOW_BYTES (4 * MIB)

struct full {
	struct fs_fixture fx;
	struct ubtrfs_node files[FILES_MAX], nocow;
	unsigned nr_files;
	uint8_t *piece;
};

static void full_open(struct full *full, bool mixed, const char *metadata)
{
	memset(full, 0, sizeof(*full));
	fixture_init(&full->fx);
	full->fx.mkfs.byte_count = 256 * MIB;
	full->fx.mkfs.mixed = mixed;
	full->fx.mkfs.metadata_profile = metadata;
	fixture_make(&full->fx);
	fixture_finish(&full->fx);
	full->fx.how.background = true;
	full->fx.how.dirty_bytes = 8 * MIB;
	full->fx.how.threads = 2;
	fixture_open(&full->fx, true);
	full->piece = malloc(PIECE);
	assert_non_null(full->piece);
	content_bytes(5, 0, full->piece, PIECE);
}

static void full_close(struct full *full)
{
	free(full->piece);
	fixture_fini(&full->fx);
}

static struct ubtrfs_node nocow_file(struct full *full)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644,
					     .flags = BTRFS_INODE_NODATACOW },
				   .set = UBTRFS_ATTR_FLAGS };
	struct ubtrfs_node node;

	OK(ubtrfs_create(full->fx.fs, full->fx.top, "nocow", 5, &what, &node));
	for (uint64_t at = 0; at < NOCOW_BYTES; at += PIECE)
		OK(ubtrfs_write(full->fx.fs, node, at, full->piece, PIECE));
	return node;
}

static void file_name(unsigned i, char name[16])
{
	snprintf(name, 16, "file%u", i);
}

/* Files until nothing more goes in; the last one is shorter. */
static void fill(struct full *full)
{
	struct fs_fixture *fx = &full->fx;
	char name[16];
	int err = 0;

	for (full->nr_files = 0; err == 0; full->nr_files++) {
		assert_true(full->nr_files < FILES_MAX);
		file_name(full->nr_files, name);
		full->files[full->nr_files] = fixture_file(fx, name);
		err = ubtrfs_write(fx->fs, full->files[full->nr_files], 0, full->piece, PIECE);
	}
	assert_int_equal(err, -ENOSPC);
	for (uint64_t at = 0, len = PIECE / 2; len >= 4096; len /= 2)
		while (ubtrfs_write(fx->fs, full->files[full->nr_files - 1], at, full->piece,
				    len) == 0)
			at += len;
	OK(ubtrfs_commit(fx->fs));
}

static void statfs_of(struct full *full, struct ubtrfs_statfs *statfs)
{
	OK(ubtrfs_statfs(full->fx.fs, statfs));
	assert_true(statfs->blocks_available <= statfs->blocks);
	assert_true(statfs->blocks_free <= statfs->blocks);
}

static void file_is(struct full *full, struct ubtrfs_node node, uint64_t size)
{
	uint8_t *data = malloc(PIECE);
	size_t len;

	assert_non_null(data);
	OK(ubtrfs_read(full->fx.fs, node, 0, data, PIECE, &len));
	assert_int_equal(len, size);
	assert_memory_equal(data, full->piece, len);
	free(data);
}

/* What must work on a full filesystem. */
static void take_away(struct full *full)
{
	struct fs_fixture *fx = &full->fx;

	for (uint64_t at = 0; at < NOCOW_BYTES; at += PIECE)
		OK(ubtrfs_write(fx->fs, full->nocow, at, full->piece, PIECE));
	OK(ubtrfs_commit(fx->fs));
	FAILS(ENOSPC, ubtrfs_write(fx->fs, full->nocow, NOCOW_BYTES, full->piece, PIECE));
	assert_int_equal(fixture_attr(fx, full->nocow).size, NOCOW_BYTES);
	/* Inside a sector, at its end, to nothing. */
	for (unsigned i = 0; i < 30; i++) {
		fixture_truncate(fx, full->files[i], 200000 + 17 * i);
		file_is(full, full->files[i], 200000 + 17 * i);
	}
	fixture_truncate(fx, full->files[30], 131072);
	fixture_truncate(fx, full->files[31], 0);
	OK(ubtrfs_unlink(fx->fs, fx->top, "file32", 6));
	/* What came free is to be had. */
	fixture_truncate(fx, full->files[31], 0);
	OK(ubtrfs_write(fx->fs, full->files[31], 0, full->piece, PIECE));
	file_is(full, full->files[31], PIECE);
}

static unsigned nr_chunks(struct ubtrfs *fs, uint64_t type)
{
	struct block_group *group;
	unsigned nr = 0;

	for (group = space_group_next(fs->core.space, 0); group;
	     group = space_group_next(fs->core.space, group->start + group->len_bytes))
		nr += (group->flags & type) != 0;
	return nr;
}

static void remove_all(struct full *full)
{
	char name[16];

	for (unsigned i = 0; i < full->nr_files; i++) {
		struct ubtrfs_node node;

		file_name(i, name);
		if (ubtrfs_lookup(full->fx.fs, full->fx.top, name, strlen(name), &node) == -ENOENT)
			continue;
		OK(ubtrfs_unlink(full->fx.fs, full->fx.top, name, strlen(name)));
	}
	OK(ubtrfs_unlink(full->fx.fs, full->fx.top, "nocow", 5));
}

static void full_run(bool mixed, const char *metadata)
{
	struct ubtrfs_statfs empty, filled, after;
	struct full full;

	full_open(&full, mixed, metadata);
	statfs_of(&full, &empty);
	full.nocow = nocow_file(&full);
	fill(&full);
	statfs_of(&full, &filled);
	assert_true(filled.blocks_available < empty.blocks_available / 20);
	take_away(&full);
	fixture_reopen(&full.fx, true);
	remove_all(&full);
	OK(ubtrfs_commit(full.fx.fs));
	OK(ubtrfs_commit(full.fx.fs));
	statfs_of(&full, &after);
	/* Nearly all: trees that have grown stay a bit larger, and one chunk of each kind stays. */
	assert_true(after.blocks_available + empty.blocks / 8 >= empty.blocks_available);
	if (!mixed)
		assert_int_equal(nr_chunks(full.fx.fs, BTRFS_BLOCK_GROUP_DATA), 1);
	/* The devices are free for other chunks: as much goes in again. */
	full.nocow = nocow_file(&full);
	fill(&full);
	fixture_close(&full.fx);
	fixture_check(&full.fx);
	full_close(&full);
}

/*
 * All space is in chunks of data, which are empty before any commit has said so: metadata gets it, when
 * it needs it and not after the next sync.
 */
static void test_full_disk__from_data_to_names(void **state)
{
	struct ubtrfs_new what = { .attr.mode = S_IFREG | 0644 };
	uint8_t value[12000] = { 1 };
	struct full full;
	char name[16];
	unsigned nr;
	int err = 0;

	(void)state;
	full_open(&full, false, "single");
	full.nocow = nocow_file(&full);
	fill(&full);
	remove_all(&full);
	for (nr = 0; err == 0; nr++) {
		struct ubtrfs_node node;

		file_name(nr, name);
		err = ubtrfs_create(full.fx.fs, full.fx.top, name, strlen(name), &what, &node);
		if (err == 0)
			err = ubtrfs_setxattr(full.fx.fs, node, "user.value", value, sizeof(value));
	}
	assert_int_equal(err, -ENOSPC);
	print_message("# %u attributes\n", nr);
	assert_true(nr * sizeof(value) > 100 * MIB);
	fixture_close(&full.fx);
	fixture_check(&full.fx);
	full_close(&full);
}

/* What an operation would be told that has waited so often already. */
static int asked(struct full *full, unsigned room_round, unsigned space_round)
{
	struct core *core = &full->fx.fs->core;
	int err;

	fs_lock(full->fx.fs);
	core->room_round = room_round;
	core->space_round = space_round;
	err = door_enter_data(core, 4 * MIB, 0, 1);
	(void)fs_unlock(full->fx.fs, 0);
	return err;
}

/* Nobody is refused before a commit was asked for: not for what others write meanwhile, nor for having
 * waited for memory. */
static void test_full_disk__busy(void **state)
{
	struct full full;
	char name[16];

	(void)state;
	full_open(&full, false, "single");
	fill(&full);
	for (unsigned i = 0; i < 8; i++) {
		file_name(i, name);
		OK(ubtrfs_unlink(full.fx.fs, full.fx.top, name, strlen(name)));
	}
	/* The directory is pending. */
	assert_int_equal(asked(&full, 5, 0), -ERR_WANTS_ROOM);
	assert_int_equal(full.fx.fs->core.room_wanted, ROOM_PENDING);
	assert_int_equal(asked(&full, 5, 2), -ERR_WANTS_ROOM);
	assert_int_equal(full.fx.fs->core.room_wanted, ROOM_COMMIT);
	assert_int_equal(asked(&full, 7, 4), -ERR_NO_SPACE);
	OK(ubtrfs_write(full.fx.fs, full.files[9], PIECE, full.piece, PIECE));
	fixture_close(&full.fx);
	fixture_check(&full.fx);
	full_close(&full);
}

static void test_full_disk__single(void **state)
{
	(void)state;
	full_run(false, "single");
}

static void test_full_disk__dup(void **state)
{
	(void)state;
	full_run(false, "dup");
}

static void test_full_disk__mixed(void **state)
{
	(void)state;
	full_run(true, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk__single),
		cmocka_unit_test(test_full_disk__dup),
		cmocka_unit_test(test_full_disk__mixed),
		cmocka_unit_test(test_full_disk__from_data_to_names),
		cmocka_unit_test(test_full_disk__busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
