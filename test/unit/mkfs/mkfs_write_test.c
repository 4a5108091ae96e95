/*
 * An empty filesystem, read back with nothing but the superblock, the map and the format layer:
 * every tree block is valid on every copy, listed once as an extent, off the superblock copies;
 * free space is exactly the rest; writes are in the order of law L8, and a failure at any of them
 * leaves nothing that looks like a filesystem.
 */
#include "mkfs/mkfs_fixture.h"

#include "base/fault.h"
#include "format/node_layout.h"
#include "format/superblock.h"
#include "format/validate_node.h"
#include "format/validate_super.h"
#include "mkfs/mkfs_priv.h"

#define MAX_BLOCKS 512

/* What a walk over all trees has met. */
struct walk {
	struct mkfs_fixture *f;
	struct volume *volume;
	uint8_t super[SUPER_SIZE];
	uint64_t blocks[MAX_BLOCKS];
	unsigned nr_blocks, max_level;
	unsigned nr_extents, nr_groups, nr_dev_extents, nr_roots;
	uint64_t group_used_bytes, group_bytes, free_bytes;
	bool has_default;
};

static bool meets(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static void add_chunk(struct walk *w, struct key key, const uint8_t *item)
{
	struct stripe stripes[64] = { 0 };
	struct chunk_spec spec = { .logical = key.offset,
				   .len_bytes = chunk_length(item),
				   .flags = chunk_type(item),
				   .nr_stripes = chunk_num_stripes(item),
				   .sub_stripes = chunk_sub_stripes(item),
				   .stripes = stripes };

	if (chunk_map_find(w->volume,
			   key.offset)) /* the system chunk is known from the superblock */
		return;
	assert_true(spec.nr_stripes <= ARRAY_LEN(stripes));
	for (unsigned i = 0; i < spec.nr_stripes; i++) {
		stripes[i].devid = stripe_devid(chunk_stripe(item, i));
		stripes[i].at = PHYS(stripe_offset(chunk_stripe(item, i)));
	}
	assert_int_equal(chunk_map_add(w->volume, &spec), 0);
}

/* Reads a block from each of its copies, which must agree and stay off the superblocks. */
static void read_block(struct walk *w, uint64_t addr, uint8_t *ret_block)
{
	static uint8_t copy[65536];
	uint32_t nodesize = w->f->plan.geometry.nodesize;
	unsigned nr_mirrors = volume_nr_mirrors(w->volume, addr);

	assert_true(nr_mirrors >= 1);
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		uint64_t devid = 0;
		struct phys at;

		assert_int_equal(volume_map(w->volume, addr, mirror, &devid, &at), 0);
		for (int super = 0; super < BTRFS_SUPER_MIRROR_MAX; super++)
			assert_false(
				meets(at.at, nodesize, super_mirror_offset(super), SUPER_SIZE));
		assert_int_equal(device_read(w->f->devices[devid - 1].device, at, copy, nodesize),
				 0);
		if (mirror > 1)
			assert_memory_equal(copy, ret_block, nodesize);
		memcpy(ret_block, copy, nodesize);
	}
}

static void visit_item(struct walk *w, struct key key, const uint8_t *data)
{
	bool skinny = w->f->plan.incompat & BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA;

	switch (key.type) {
	case BTRFS_CHUNK_ITEM_KEY:
		add_chunk(w, key, data);
		break;
	case BTRFS_DEV_EXTENT_KEY:
		w->nr_dev_extents++;
		break;
	case BTRFS_METADATA_ITEM_KEY:
	case BTRFS_EXTENT_ITEM_KEY:
		assert_int_equal(key.type,
				 skinny ? BTRFS_METADATA_ITEM_KEY : BTRFS_EXTENT_ITEM_KEY);
		w->nr_extents++;
		break;
	case BTRFS_BLOCK_GROUP_ITEM_KEY:
		w->nr_groups++;
		w->group_bytes += key.offset;
		w->group_used_bytes += block_group_item_used(data);
		break;
	case BTRFS_FREE_SPACE_EXTENT_KEY:
		w->free_bytes += key.offset;
		break;
	case BTRFS_DIR_ITEM_KEY:
		w->has_default = !memcmp(data + DIR_ITEM_SIZE, "default", 7);
		break;
	}
}

static void walk_tree(struct walk *w, uint64_t addr, unsigned level, uint64_t owner)
{
	const struct geometry *g = &w->f->plan.geometry;
	uint8_t *block = test_malloc(g->nodesize);

	read_block(w, addr, block);
	assert_true(node_csum_ok(g, block));
	assert_int_equal(validate_node(g, block, addr), 0);
	assert_int_equal(node_level(block), level);
	assert_int_equal(node_owner(block), owner);
	assert_int_equal(node_generation(block), 1);
	for (unsigned i = 0; i < w->nr_blocks; i++)
		assert_int_not_equal(w->blocks[i], addr);
	assert_true(w->nr_blocks < MAX_BLOCKS);
	w->blocks[w->nr_blocks++] = addr;
	w->max_level = MAX(w->max_level, level);
	for (unsigned i = 0; i < node_nritems(block); i++) {
		if (level) {
			walk_tree(w, node_child_addr(block, i), level - 1, owner);
			continue;
		}
		visit_item(w, leaf_key(block, i), leaf_item_data(block, i));
		if (leaf_key(block, i).type == BTRFS_ROOT_ITEM_KEY) {
			const uint8_t *root = leaf_item_data(block, i);

			w->nr_roots++;
			walk_tree(w, root_item_bytenr(root), root_item_level(root),
				  leaf_key(block, i).objectid);
		}
	}
	test_free(block);
}

static void check_supers(struct walk *w)
{
	for (unsigned i = 0; i < w->f->plan.nr_devices; i++)
		for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
			if (super_mirror_offset(copy) + SUPER_SIZE > w->f->devices[i].total_bytes)
				continue;
			assert_int_equal(super_read(w->f->devices[i].device, copy, w->super), 0);
			assert_int_equal(validate_super(w->super), 0);
			assert_int_equal(dev_item_devid(super_dev_item(w->super)), i + 1);
		}
}

/* Everything that can be said about a filesystem that mkfs_write_empty has just made. */
static void check_filesystem(struct mkfs_fixture *f, struct walk *w)
{
	unsigned nr_trees = 7;
	uint64_t used;

	memset(w, 0, sizeof(*w));
	w->f = f;
	check_supers(w);
	assert_int_equal(volume_new(&w->volume), 0);
	for (unsigned i = 0; i < f->plan.nr_devices; i++)
		assert_int_equal(volume_add_device(w->volume, i + 1, f->devices[i].uuid, NULL,
						   f->devices[i].total_bytes),
				 0);
	add_chunk(w, key_load(super_sys_chunk_array(w->super)),
		  super_sys_chunk_array(w->super) + KEY_DISK_SIZE);
	walk_tree(w, super_chunk_root(w->super), super_chunk_root_level(w->super),
		  BTRFS_CHUNK_TREE_OBJECTID);
	walk_tree(w, super_root(w->super), super_root_level(w->super), BTRFS_ROOT_TREE_OBJECTID);
	volume_free(w->volume);

	used = (uint64_t)w->nr_blocks * f->plan.geometry.nodesize;
	assert_true(w->has_default);
	assert_int_equal(w->nr_extents, w->nr_blocks);
	assert_int_equal(super_bytes_used(w->super), used);
	assert_int_equal(w->group_used_bytes, used);
	assert_int_equal(w->nr_groups, f->plan.mixed || f->plan.no_data_chunk ? 2 : 3);
	if (f->plan.compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE) {
		assert_int_equal(w->free_bytes, w->group_bytes - used);
		nr_trees++;
	}
	if (f->plan.compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE)
		nr_trees++;
	assert_int_equal(w->nr_roots, nr_trees - 1);
}

static void set_features(struct mkfs_fixture *f, unsigned variant)
{
	if (variant % 4 >= 1)
		f->plan.compat_ro &= ~BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE;
	if (variant % 4 >= 2)
		f->plan.compat_ro = 0;
	if (variant % 4 >= 3)
		f->plan.incompat &=
			~(BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA | BTRFS_FEATURE_INCOMPAT_NO_HOLES);
	f->plan.geometry.csum_type = variant / 4 % CSUM_TYPES;
	f->plan.geometry.csum_size = csum_size(f->plan.geometry.csum_type);
}

static void test_mkfs_write__every_geometry_and_feature_set_reads_back(void **state)
{
	unsigned variant = 0;

	(void)state;
	for (uint32_t nodesize = 4096; nodesize <= 65536; nodesize *= 2)
		for (uint32_t sectorsize = 4096; sectorsize <= nodesize; sectorsize *= 2)
			for (unsigned i = 0; i < 4; i++) {
				struct mkfs_fixture f;
				struct walk w;

				fixture_open(&f, 1, 256 * MIB);
				fixture_set_nodesize(&f, nodesize, sectorsize);
				set_features(&f, variant * 5);
				f.plan.metadata_from_end = ++variant % 3 == 0;
				assert_int_equal(mkfs_write_empty(&f.plan), 0);
				check_filesystem(&f, &w);
				/* Eight root items do not fit one leaf of 4 KiB. */
				assert_int_equal(w.max_level, nodesize == 4096 && w.nr_roots > 7);
				fixture_close(&f);
			}
}

static void test_mkfs_write__every_pair_of_profiles_reads_back(void **state)
{
	static const uint64_t all[] = {
		0,
		BTRFS_BLOCK_GROUP_DUP,
		BTRFS_BLOCK_GROUP_RAID0,
		BTRFS_BLOCK_GROUP_RAID1,
		BTRFS_BLOCK_GROUP_RAID1C3,
		BTRFS_BLOCK_GROUP_RAID1C4,
		BTRFS_BLOCK_GROUP_RAID10,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(all) * ARRAY_LEN(all); i++) {
		struct mkfs_fixture f;
		struct walk w;

		fixture_open(&f, 4 + i % 2, 200 * MIB);
		fixture_set_profiles(&f, all[i % 7], all[i / 7]);
		f.plan.no_data_chunk = i % 5 == 0;
		assert_int_equal(mkfs_write_empty(&f.plan), 0);
		check_filesystem(&f, &w);
		fixture_close(&f);
	}
}

static void test_mkfs_write__mixed_has_one_chunk_for_both(void **state)
{
	struct mkfs_fixture f;
	struct walk w;

	(void)state;
	fixture_open(&f, 1, 64 * MIB);
	fixture_set_nodesize(&f, 4096, 4096);
	f.plan.mixed = true;
	f.plan.incompat |= BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS;
	f.plan.data_profile = f.plan.metadata_profile;
	assert_int_equal(mkfs_write_empty(&f.plan), 0);
	check_filesystem(&f, &w);
	fixture_close(&f);
}

static void test_mkfs_write__many_devices_need_trees_of_several_nodes(void **state)
{
	struct mkfs_fixture f;
	struct walk w;

	(void)state;
	fixture_open(&f, 64, 64 * MIB);
	fixture_set_nodesize(&f, 4096, 4096);
	fixture_set_profiles(&f, BTRFS_BLOCK_GROUP_RAID0, BTRFS_BLOCK_GROUP_RAID10);
	assert_int_equal(mkfs_write_empty(&f.plan), 0);
	check_filesystem(&f, &w);
	assert_true(w.nr_dev_extents > 64 + 64);
	assert_int_equal(super_chunk_root_level(w.super), 1);
	fixture_close(&f);
}

static void test_mkfs_write__tree_blocks_go_around_the_superblock_copies(void **state)
{
	(void)state;
	/* The metadata chunk starts at, shortly before and shortly behind 64 MiB. */
	for (int units = -10; units <= 2; units++) {
		struct mkfs_fixture f;
		struct walk w;

		fixture_open(&f, 1, 160 * MIB);
		fixture_set_profiles(&f, 0, 0);
		f.plan.system_bytes = 63 * MIB + (uint64_t)(units * 65536);
		f.plan.metadata_bytes = MIB;
		assert_int_equal(mkfs_write_empty(&f.plan), 0);
		check_filesystem(&f, &w);
		fixture_close(&f);
	}
}

static void test_mkfs_write__too_small_a_chunk_is_refused_before_any_write(void **state)
{
	struct device *record = NULL;
	struct mkfs_fixture f;

	(void)state;
	fixture_open(&f, 1, 64 * MIB);
	assert_int_equal(device_record_new(f.devices[0].device, &record), 0);
	f.devices[0].device = record;
	f.plan.metadata_bytes = 64 * KIB;
	assert_int_equal(mkfs_write_empty(&f.plan), -ERR_TOO_SMALL);
	assert_non_null(strstr(err_text(-ERR_TOO_SMALL), "metadata chunk"));
	assert_int_equal(device_record_nr(record), 0);
	fixture_close(&f);
}

static bool is_super_write(const struct device_record_entry *entry)
{
	for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++)
		if (entry->at.at == super_mirror_offset(copy))
			return true;
	return false;
}

static void test_mkfs_write__superblocks_come_last_between_two_flushes(void **state)
{
	struct device *record = NULL;
	struct mkfs_fixture f;
	unsigned nr_supers = 0;
	size_t nr;

	(void)state;
	fixture_open(&f, 1, 128 * MIB);
	assert_int_equal(device_record_new(f.devices[0].device, &record), 0);
	f.devices[0].device = record;
	assert_int_equal(mkfs_write_empty(&f.plan), 0);
	nr = device_record_nr(record);
	assert_true(nr > 5);
	assert_int_equal(device_record_at(record, nr - 1)->kind, RECORD_FLUSH);
	for (size_t i = 0; i < nr; i++) {
		const struct device_record_entry *entry = device_record_at(record, i);

		if (entry->kind != RECORD_WRITE)
			continue;
		if (!is_super_write(entry)) {
			assert_int_equal(nr_supers, 0);
			continue;
		}
		if (nr_supers++ == 0)
			assert_int_equal(device_record_at(record, i - 1)->kind, RECORD_FLUSH);
	}
	assert_int_equal(nr_supers, 2);
	fixture_close(&f);
}

/*
 * Makes a filesystem over an older one while the nth hit of a fault fails; false when there was no
 * nth.
 */
static bool fails_cleanly(enum fault_kind kind, uint64_t nth)
{
	struct device *faulty = NULL;
	struct mkfs_fixture f;
	uint8_t super[SUPER_SIZE];
	bool fired;
	int err;

	fixture_open(&f, 2, 80 * MIB);
	assert_int_equal(device_fault_new(f.devices[1].device, &faulty), 0);
	f.devices[1].device = faulty;
	assert_int_equal(mkfs_write_empty(&f.plan), 0);
	fixture_set_profiles(&f, 0, BTRFS_BLOCK_GROUP_RAID1);
	memset(f.plan.fsid, 0xee, 16);
	fault_arm(kind, nth);
	err = mkfs_write_empty(&f.plan);
	fired = fault_fired(kind);
	fault_arm(kind, 0);
	assert_int_equal(err < 0, fired);
	/*
	 * The new one is on no device; the old one is gone from the first, unless nothing was
	 * written at all.
	 */
	for (unsigned i = 0; fired && i < 2; i++)
		if (super_read(f.devices[i].device, 0, super) == 0)
			assert_int_equal(super_fsid(super)[0], 0xf5);
	if (fired && kind != FAULT_ALLOC)
		assert_true(super_read(f.devices[0].device, 0, super) < 0);
	fixture_close(&f);
	return fired;
}

static void test_mkfs_write__each_failure_is_told_and_leaks_nothing(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_ALLOC, FAULT_DEVICE_READ, FAULT_DEVICE_WRITE,
						 FAULT_DEVICE_FLUSH };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		uint64_t nth = 1;

		while (fails_cleanly(kinds[i], nth))
			nth++;
		assert_true(nth > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mkfs_write__every_geometry_and_feature_set_reads_back),
		cmocka_unit_test(test_mkfs_write__every_pair_of_profiles_reads_back),
		cmocka_unit_test(test_mkfs_write__mixed_has_one_chunk_for_both),
		cmocka_unit_test(test_mkfs_write__many_devices_need_trees_of_several_nodes),
		cmocka_unit_test(test_mkfs_write__tree_blocks_go_around_the_superblock_copies),
		cmocka_unit_test(test_mkfs_write__too_small_a_chunk_is_refused_before_any_write),
		cmocka_unit_test(test_mkfs_write__superblocks_come_last_between_two_flushes),
		cmocka_unit_test(test_mkfs_write__each_failure_is_told_and_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
