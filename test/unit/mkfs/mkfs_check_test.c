/*
 * mkfs_plan_check: each rule refuses its plan with a sentence that names the option, and a legal
 * plan passes.
 */
#include "mkfs/mkfs_fixture.h"

/* One way to spoil a legal plan, and what the refusal must say. */
struct spoil {
	void (*apply)(struct mkfs_fixture *f);
	int err;
	const char *words;
};

#define SPOIL(name, statement)                           \
	static void spoil_##name(struct mkfs_fixture *f) \
	{                                                \
		struct mkfs_plan *p = &f->plan;          \
		(void)p;                                 \
		statement;                               \
	}

SPOIL(nodesize_small, fixture_set_nodesize(f, 2048, 2048))
SPOIL(nodesize_large, fixture_set_nodesize(f, 131072, 4096))
SPOIL(nodesize_odd, fixture_set_nodesize(f, 12288, 4096))
SPOIL(sectorsize_small, fixture_set_nodesize(f, 16384, 512))
SPOIL(sectorsize_odd, fixture_set_nodesize(f, 16384, 5000))
SPOIL(node_below_sector, fixture_set_nodesize(f, 4096, 16384))
SPOIL(big_metadata, p->incompat &= ~BTRFS_FEATURE_INCOMPAT_BIG_METADATA)
SPOIL(csum_type, p->geometry.csum_type = (enum csum_type)9)
SPOIL(csum_size, p->geometry.csum_size = 32)
SPOIL(backref, p->incompat &= ~BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF)
SPOIL(raid56, p->incompat |= BTRFS_FEATURE_INCOMPAT_RAID56)
SPOIL(zoned, p->incompat |= BTRFS_FEATURE_INCOMPAT_ZONED)
SPOIL(tree_v2, p->incompat |= BTRFS_FEATURE_INCOMPAT_EXTENT_TREE_V2)
SPOIL(stripe_tree, p->incompat |= BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE)
SPOIL(squota, p->incompat |= BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA)
SPOIL(remap, p->incompat |= BTRFS_FEATURE_INCOMPAT_REMAP_TREE)
SPOIL(metadata_uuid, p->incompat |= BTRFS_FEATURE_INCOMPAT_METADATA_UUID)
SPOIL(verity, p->compat_ro |= BTRFS_FEATURE_COMPAT_RO_VERITY)
SPOIL(unknown, p->incompat |= 1ULL << 40)
SPOIL(unknown_ro, p->compat_ro |= 1ULL << 41)
SPOIL(group_tree_space, p->compat_ro = BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE)
SPOIL(group_tree_holes, p->incompat &= ~BTRFS_FEATURE_INCOMPAT_NO_HOLES)
SPOIL(space_valid, p->compat_ro &= ~BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID)
SPOIL(mixed_bit, p->mixed = true)
SPOIL(mixed_flag, p->incompat |= BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS)
SPOIL(mixed_node, (p->mixed = true, p->incompat |= BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS))
SPOIL(mixed_profile, (fixture_set_nodesize(f, 4096, 4096), spoil_mixed_node(f)))
SPOIL(mixed_data,
      (spoil_mixed_profile(f), p->data_profile = p->metadata_profile, p->data_bytes = MIB))
SPOIL(raid5, p->data_profile = BTRFS_BLOCK_GROUP_RAID5)
SPOIL(raid6, p->metadata_profile = BTRFS_BLOCK_GROUP_RAID6)
SPOIL(no_profile, p->metadata_profile = BTRFS_BLOCK_GROUP_METADATA)
SPOIL(two_profiles, p->data_profile = BTRFS_BLOCK_GROUP_DUP | BTRFS_BLOCK_GROUP_RAID1)
SPOIL(raid1, p->nr_devices = 1; p->data_profile = BTRFS_BLOCK_GROUP_RAID1)
SPOIL(raid1c3, fixture_set_profiles(f, 0, BTRFS_BLOCK_GROUP_RAID1C3))
SPOIL(raid1c4, fixture_set_profiles(f, BTRFS_BLOCK_GROUP_RAID1C4, 0))
SPOIL(c34_bit, p->nr_devices = 3; p->data_profile = BTRFS_BLOCK_GROUP_RAID1C3)
SPOIL(no_device, p->nr_devices = 0)
SPOIL(closed_device, device_free(p->devices[1].device); p->devices[1].device = NULL)
SPOIL(odd_bytes, p->devices[1].total_bytes -= 512)
SPOIL(bytes, p->devices[0].total_bytes += 4096)
SPOIL(device_uuid, memset(p->devices[0].uuid, 0, 16))
SPOIL(device_twice, memcpy(p->devices[1].uuid, p->devices[0].uuid, 16))
SPOIL(label_long, memset(p->label, 'x', sizeof(p->label)))
SPOIL(label_newline, memcpy(p->label, "a\nb", 4))
SPOIL(fsid, memset(p->fsid, 0, 16))
SPOIL(chunk_uuid, memset(p->chunk_tree_uuid, 0, 16))
SPOIL(tree_uuid, memset(p->fs_tree_uuid, 0, 16))
SPOIL(nsec, p->time_nsec = 1000000000)
SPOIL(magic, p->magic = 0)
SPOIL(system_bytes, p->system_bytes = UINT64_MAX)
SPOIL(metadata_bytes, p->metadata_bytes = 3 * GIB)
SPOIL(data_bytes, p->data_bytes = 2 * GIB)

static const struct spoil spoils[] = {
	{ spoil_nodesize_small, ERR_INVALID, "nodesize 2048" },
	{ spoil_nodesize_large, ERR_INVALID, "nodesize 131072" },
	{ spoil_nodesize_odd, ERR_INVALID, "nodesize 12288" },
	{ spoil_sectorsize_small, ERR_INVALID, "sectorsize 512" },
	{ spoil_sectorsize_odd, ERR_INVALID, "sectorsize 5000" },
	{ spoil_node_below_sector, ERR_INVALID, "nodesize 4096 is smaller than sectorsize 16384" },
	{ spoil_big_metadata, ERR_INVALID, "big-metadata" },
	{ spoil_csum_type, ERR_INVALID, "checksum type 9" },
	{ spoil_csum_size, ERR_INVALID, "checksum size 32" },
	{ spoil_backref, ERR_INVALID, "mixed-backref" },
	{ spoil_raid56, ERR_UNSUPPORTED, "raid56 is not built yet" },
	{ spoil_zoned, ERR_UNSUPPORTED, "zoned is not built yet" },
	{ spoil_tree_v2, ERR_UNSUPPORTED, "extent-tree-v2 is not built yet" },
	{ spoil_stripe_tree, ERR_UNSUPPORTED, "raid-stripe-tree is not built yet" },
	{ spoil_squota, ERR_UNSUPPORTED, "squota is not built yet" },
	{ spoil_remap, ERR_UNSUPPORTED, "remap-tree is not built yet" },
	{ spoil_metadata_uuid, ERR_UNSUPPORTED, "metadata-uuid is not built yet" },
	{ spoil_verity, ERR_UNSUPPORTED, "verity is not built yet" },
	{ spoil_unknown, ERR_UNSUPPORTED, "incompat feature bits 0x10000000000" },
	{ spoil_unknown_ro, ERR_UNSUPPORTED, "compat_ro feature bits 0x20000000000" },
	{ spoil_group_tree_space, ERR_INVALID, "block-group-tree needs free-space-tree" },
	{ spoil_group_tree_holes, ERR_INVALID, "block-group-tree needs no-holes" },
	{ spoil_space_valid, ERR_INVALID, "free-space-tree" },
	{ spoil_mixed_bit, ERR_INVALID, "mixed-bg" },
	{ spoil_mixed_flag, ERR_INVALID, "mixed-bg" },
	{ spoil_mixed_node, ERR_INVALID, "mixed-bg needs nodesize equal to sectorsize" },
	{ spoil_mixed_profile, ERR_INVALID, "mixed-bg needs the same profile" },
	{ spoil_mixed_data, ERR_INVALID, "mixed-bg has no data chunk" },
	{ spoil_raid5, ERR_UNSUPPORTED, "data profile raid5 is not built yet" },
	{ spoil_raid6, ERR_UNSUPPORTED, "metadata profile raid6 is not built yet" },
	{ spoil_no_profile, ERR_INVALID, "metadata profile 0x4" },
	{ spoil_two_profiles, ERR_INVALID, "data profile 0x30" },
	{ spoil_raid1, ERR_INVALID, "data profile RAID1 needs 2 devices, there is 1" },
	{ spoil_raid1c3, ERR_INVALID, "metadata profile RAID1C3 needs 3 devices, there are 2" },
	{ spoil_raid1c4, ERR_INVALID, "data profile RAID1C4 needs 4 devices" },
	{ spoil_c34_bit, ERR_INVALID, "needs feature raid1c34" },
	{ spoil_no_device, ERR_INVALID, "no device" },
	{ spoil_closed_device, ERR_INVALID, "device 2" },
	{ spoil_odd_bytes, ERR_INVALID, "byte count" },
	{ spoil_bytes, ERR_INVALID, "byte count" },
	{ spoil_device_uuid, ERR_INVALID, "UUID" },
	{ spoil_device_twice, ERR_INVALID, "given twice" },
	{ spoil_label_long, ERR_INVALID, "label" },
	{ spoil_label_newline, ERR_INVALID, "label" },
	{ spoil_fsid, ERR_INVALID, "UUID" },
	{ spoil_chunk_uuid, ERR_INVALID, "UUID" },
	{ spoil_tree_uuid, ERR_INVALID, "UUID" },
	{ spoil_nsec, ERR_INVALID, "nanoseconds" },
	{ spoil_magic, ERR_INVALID, "magic" },
	{ spoil_system_bytes, ERR_TOO_SMALL, "first chunk of 18446744073709551615 bytes" },
	{ spoil_metadata_bytes, ERR_TOO_SMALL, "metadata chunk" },
	{ spoil_data_bytes, ERR_TOO_SMALL, "data chunk" },
};

static void test_mkfs_check__refuses_each_illegal_plan_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spoils); i++) {
		struct mkfs_fixture f;
		int err;

		/* Two devices; a third stands by for plans that take it. */
		fixture_open(&f, 3, 512 * MIB);
		f.plan.nr_devices = 2;
		assert_int_equal(mkfs_plan_check(&f.plan), 0);
		spoils[i].apply(&f);
		err = mkfs_plan_check(&f.plan);
		if (err != -spoils[i].err || !strstr(err_text(err), spoils[i].words))
			fail_msg("rule %zu: %d \"%s\", not \"%s\"", i, err,
				 err < 0 ? err_text(err) : "", spoils[i].words);
		/* What the check refuses is never written. */
		assert_int_equal(mkfs_write_empty(&f.plan), err);
		fixture_close(&f);
	}
}

static void test_mkfs_check__accepts_every_legal_pair_of_sizes(void **state)
{
	struct mkfs_fixture f;

	(void)state;
	fixture_open(&f, 1, 512 * MIB);
	for (uint32_t nodesize = 4096; nodesize <= 65536; nodesize *= 2)
		for (uint32_t sectorsize = 4096; sectorsize <= nodesize; sectorsize *= 2) {
			fixture_set_nodesize(&f, nodesize, sectorsize);
			assert_int_equal(mkfs_plan_check(&f.plan), 0);
		}
	for (unsigned type = 0; type < CSUM_TYPES; type++) {
		f.plan.geometry.csum_type = type;
		f.plan.geometry.csum_size = csum_size(type);
		assert_int_equal(mkfs_plan_check(&f.plan), 0);
	}
	fixture_close(&f);
}

static void test_mkfs_check__the_smallest_device_is_told_before_there_is_one(void **state)
{
	struct mkfs_fixture f;
	uint64_t min_bytes = 0;

	(void)state;
	fixture_open(&f, 0, 0);
	f.plan.devices = NULL;
	f.plan.nr_devices = 1;
	assert_int_equal(mkfs_min_device_bytes(&f.plan, &min_bytes), 0);
	/* The first MiB, system and metadata twice, data. */
	assert_int_equal(min_bytes, (1 + 2 + 2 * 16 + 8) * MIB);
	f.plan.metadata_profile = BTRFS_BLOCK_GROUP_RAID1;
	assert_int_equal(mkfs_min_device_bytes(&f.plan, &min_bytes), -ERR_INVALID);
	assert_int_equal(min_bytes, (1 + 2 + 2 * 16 + 8) * MIB);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mkfs_check__refuses_each_illegal_plan_by_name),
		cmocka_unit_test(test_mkfs_check__accepts_every_legal_pair_of_sizes),
		cmocka_unit_test(test_mkfs_check__the_smallest_device_is_told_before_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
