/*
 * Filesystems with a raid-stripe tree: neither mkfs nor a kernel at hand makes them, so an ordinary
 * one is changed into one. Each extent of data moves to another place on its devices, which only the
 * tree tells; noise stays where the chunks say that it is.
 */
#include "fs_fixture.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "ops/ops.h"

#define MAX_DEVICES 4u
#define DEVICE_BYTES (256 * MIB)
#define MOVED_AT (1024 * MIB) /* behind what chunks use; the file is sparse */
#define UNIT 65536u
#define PIECE (36 * KIB)

struct tree_fs {
	struct fs_fixture fx;
	char paths[MAX_DEVICES][200];
	const char *devices[MAX_DEVICES];
	unsigned nr_devices;
	struct content plain, packed;
	uint64_t moved_end[MAX_DEVICES + 1]; /* by devid */
	unsigned nr_entries, left_out;	     /* the entry with this number is not written */
	uint64_t first;			     /* the address of the first one, and what it says */
	uint8_t first_item[4 * RAID_STRIDE_SIZE];
};

static void content_make(struct tree_fs *tfs)
{
	struct ubtrfs_node node = fixture_file(&tfs->fx, "plain");

	/* In parts, so that there are extents of many sizes. */
	for (uint64_t at = 0; at < 5 * MIB; at += 333 * KIB)
		content_write(&tfs->fx, node, &tfs->plain, at, 333 * KIB - 5000, at);
	node = fixture_file(&tfs->fx, "second");
	content_write(&tfs->fx, node, &tfs->packed, 4096, 700000, 7);
}

static void tree_fs_make(struct tree_fs *tfs, const char *profile, unsigned nr_devices)
{
	struct fs_fixture *fx = &tfs->fx;

	memset(tfs, 0, sizeof(*tfs));
	tfs->left_out = UINT32_MAX;
	tfs->nr_devices = nr_devices;
	fixture_init(fx);
	for (unsigned i = 0; i < nr_devices; i++) {
		snprintf(tfs->paths[i], sizeof(tfs->paths[i]), "%s/device%u", fx->dir, i + 1);
		tfs->devices[i] = tfs->paths[i];
	}
	fx->mkfs.devices = fx->how.devices = tfs->devices;
	fx->mkfs.nr_devices = fx->how.nr_devices = nr_devices;
	fx->mkfs.byte_count = DEVICE_BYTES;
	fx->mkfs.data_profile = profile;
	fx->how.compress = UBTRFS_COMPRESS_ZSTD;
	fixture_make(fx);
	content_make(tfs);
	fixture_finish(fx);
	for (unsigned i = 0; i < nr_devices; i++)
		assert_int_equal(truncate(tfs->paths[i], MOVED_AT + 64 * MIB), 0);
}

static void tree_fs_fini(struct tree_fs *tfs)
{
	ubtrfs_abandon(tfs->fx.fs);
	tfs->fx.fs = NULL;
	for (unsigned i = 0; i < tfs->nr_devices; i++)
		unlink(tfs->paths[i]);
	content_free(&tfs->plain);
	content_free(&tfs->packed);
	fixture_fini(&tfs->fx);
}

/* Moves the bytes of one mirror; noise stays behind. */
static void move_mirror(struct tree_fs *tfs, uint64_t logical, uint64_t len, unsigned mirror,
			uint8_t *stride)
{
	struct core *core = &tfs->fx.fs->core;
	SCOPED_MEM uint8_t *bytes = mem_alloc(len);
	struct device *device;
	struct phys at, to;
	uint64_t devid;

	assert_non_null(bytes);
	OK(volume_map(core->volume, logical, mirror, &devid, &at));
	device = volume_device_find(core->volume, devid)->device;
	to = PHYS(MOVED_AT + tfs->moved_end[devid]);
	tfs->moved_end[devid] += len + 4096 * devid;
	OK(device_read(device, at, bytes, len));
	OK(device_write(device, to, bytes, len));
	memset(bytes, 0xee, len);
	OK(device_write(device, at, bytes, len));
	raid_stride_set_devid(stride, devid);
	raid_stride_set_physical(stride, to.at);
}

/* One entry: a stretch that lies in one piece on each of its devices. */
static void move_entry(struct tree_fs *tfs, struct tree *tree, uint64_t logical, uint64_t len)
{
	struct core *core = &tfs->fx.fs->core;
	unsigned nr_mirrors = volume_nr_mirrors(core->volume, logical);
	struct key key = KEY(logical, BTRFS_RAID_STRIPE_KEY, len);
	uint8_t item[4 * RAID_STRIDE_SIZE];

	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++)
		move_mirror(tfs, logical, len, mirror, item + (mirror - 1) * RAID_STRIDE_SIZE);
	if (!tfs->nr_entries) {
		tfs->first = logical;
		memcpy(tfs->first_item, item, nr_mirrors * RAID_STRIDE_SIZE);
	}
	if (tfs->nr_entries++ == tfs->left_out)
		return;
	OK(tree_insert(core->txn, tree, &key, item, nr_mirrors * RAID_STRIDE_SIZE));
}

static void move_extent(struct tree_fs *tfs, struct tree *tree, uint64_t addr, uint64_t len)
{
	const struct chunk *chunk = chunk_map_find(tfs->fx.fs->core.volume, addr);

	assert_non_null(chunk);
	while (len) {
		uint64_t in_unit = (addr - chunk->logical) % UNIT;
		/* Entries end where units do, and in copies without striping anywhere. */
		uint64_t piece = MIN(len, chunk->nr_stripes == 2 ? PIECE : UNIT - in_unit);

		if (chunk->flags & BTRFS_BLOCK_GROUP_RAID0)
			piece = MIN(piece, UNIT - in_unit);
		move_entry(tfs, tree, addr, piece);
		addr += piece;
		len -= piece;
	}
}

/* Addresses and lengths of all data; returns how many. */
static unsigned list_data(struct core *core, uint64_t (*ret_extents)[2], unsigned capacity)
{
	SCOPED(cursor) struct cursor cursor;
	struct key first = KEY_MIN;
	struct root *root;
	unsigned nr = 0;
	bool exact;
	int err;

	OK(root_get(core->roots, BTRFS_EXTENT_TREE_OBJECTID, &root));
	cursor_init(&cursor, &root->tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (key.type != BTRFS_EXTENT_ITEM_KEY ||
		    !(extent_item_flags(cursor_data(&cursor)) & BTRFS_EXTENT_FLAG_DATA))
			continue;
		assert_true(nr < capacity);
		ret_extents[nr][0] = key.objectid;
		ret_extents[nr++][1] = key.offset;
	}
	assert_int_equal(err, -ERR_KEY_NOT_FOUND);
	return nr;
}

static void convert(struct tree_fs *tfs)
{
	uint64_t extents[300][2];
	struct core *core;
	struct root *root;
	unsigned nr;

	fixture_open(&tfs->fx, true);
	core = &tfs->fx.fs->core;
	nr = list_data(core, extents, ARRAY_LEN(extents));
	assert_true(nr > 10);
	OK(door_enter(core, MIB, 1));
	OK(root_create(core->txn, core->roots, BTRFS_RAID_STRIPE_TREE_OBJECTID, NULL, &root));
	for (unsigned i = 0; i < nr; i++)
		move_extent(tfs, &root->tree, extents[i][0], extents[i][1]);
	super_set_incompat_flags(core->super, super_incompat_flags(core->super) |
						      BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE);
	core->super_dirty = true;
	core->changed = true;
	fixture_close(&tfs->fx);
}

static void compare(struct tree_fs *tfs)
{
	content_compare(&tfs->fx, fixture_lookup(&tfs->fx, tfs->fx.top, "plain"), &tfs->plain);
	content_compare(&tfs->fx, fixture_lookup(&tfs->fx, tfs->fx.top, "second"), &tfs->packed);
}

/* Each mirror is the stride of its number. */
static void check_mirrors(struct tree_fs *tfs)
{
	struct volume *volume = tfs->fx.fs->core.volume;

	for (unsigned mirror = volume_nr_mirrors(volume, tfs->first); mirror > 0; mirror--) {
		const uint8_t *stride = tfs->first_item + (mirror - 1) * RAID_STRIDE_SIZE;
		uint64_t devid;
		struct phys at;

		OK(volume_map(volume, tfs->first + 4096, mirror, &devid, &at));
		assert_int_equal(devid, raid_stride_devid(stride));
		assert_int_equal(at.at, raid_stride_physical(stride) + 4096);
	}
}

static void check_profile(const char *profile, unsigned nr_devices, unsigned may_fail)
{
	struct tree_fs tfs;

	tree_fs_make(&tfs, profile, nr_devices);
	convert(&tfs);
	fixture_open(&tfs.fx, false);
	tfs.fx.top = ubtrfs_top(tfs.fx.fs);
	compare(&tfs);
	check_mirrors(&tfs);
	for (unsigned i = 0; i < may_fail; i++) {
		struct volume_device *entry = volume_device_find(tfs.fx.fs->core.volume, i + 1);

		device_free(entry->device);
		entry->device = NULL;
	}
	compare(&tfs);
	fixture_close(&tfs.fx);
	tfs.fx.how.writable = true;
	FAILS(EOPNOTSUPP, ubtrfs_open(&tfs.fx.how, &tfs.fx.fs));
	assert_non_null(strstr(ubtrfs_error_text(), "RAID_STRIPE_TREE"));
	tree_fs_fini(&tfs);
}

static void test_raid_stripe__data_lies_where_the_tree_says(void **state)
{
	(void)state;
	check_profile("dup", 1, 0);
	check_profile("raid0", 3, 0);
	check_profile("raid1", 2, 1);
	check_profile("raid1c3", 3, 2);
	check_profile("raid10", 4, 1);
}

static void test_raid_stripe__single_is_left_to_the_chunks(void **state)
{
	struct tree_fs tfs;
	struct core *core;
	struct root *root;

	(void)state;
	tree_fs_make(&tfs, "single", 1);
	fixture_open(&tfs.fx, true);
	core = &tfs.fx.fs->core;
	OK(door_enter(core, MIB, 1));
	OK(root_create(core->txn, core->roots, BTRFS_RAID_STRIPE_TREE_OBJECTID, NULL, &root));
	super_set_incompat_flags(core->super, super_incompat_flags(core->super) |
						      BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE);
	core->super_dirty = core->changed = true;
	fixture_close(&tfs.fx);
	fixture_open(&tfs.fx, false);
	tfs.fx.top = ubtrfs_top(tfs.fx.fs);
	compare(&tfs);
	tree_fs_fini(&tfs);
}

/* Before the first entry, and between two. */
static void check_hole(unsigned left_out)
{
	SCOPED_MEM uint8_t *bytes = mem_alloc(5 * MIB);
	struct tree_fs tfs;
	size_t len;

	assert_non_null(bytes);
	tree_fs_make(&tfs, "raid1", 2);
	tfs.left_out = left_out;
	convert(&tfs);
	fixture_open(&tfs.fx, false);
	tfs.fx.top = ubtrfs_top(tfs.fx.fs);
	FAILS(EUCLEAN, ubtrfs_read(tfs.fx.fs, fixture_lookup(&tfs.fx, tfs.fx.top, "plain"), 0,
				   bytes, 5 * MIB, &len));
	assert_non_null(strstr(ubtrfs_error_text(), "the stripe tree maps nothing from "));
	tree_fs_fini(&tfs);
}

static void test_raid_stripe__a_hole_in_the_tree_is_named(void **state)
{
	(void)state;
	check_hole(0);
	check_hole(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raid_stripe__data_lies_where_the_tree_says),
		cmocka_unit_test(test_raid_stripe__single_is_left_to_the_chunks),
		cmocka_unit_test(test_raid_stripe__a_hole_in_the_tree_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
