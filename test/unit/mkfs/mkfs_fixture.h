/*
 * A legal plan over memory devices, for the tests of mkfs to bend; and the sentence of a failure.
 */
#ifndef UBTRFS_TEST_MKFS_FIXTURE_H
#define UBTRFS_TEST_MKFS_FIXTURE_H

#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "format/disk_ids.h"
#include "mkfs/mkfs_plan.h"
#include "volume/volume.h"

#define FIXTURE_MAX_DEVICES 64

struct mkfs_fixture {
	struct mkfs_plan plan;
	struct mkfs_device devices[FIXTURE_MAX_DEVICES];
};

/* Sets nodesize and the feature bits that follow from it. */
static inline void fixture_set_nodesize(struct mkfs_fixture *f, uint32_t nodesize,
					uint32_t sectorsize)
{
	f->plan.geometry.nodesize = nodesize;
	f->plan.geometry.sectorsize = sectorsize;
	f->plan.incompat &= ~BTRFS_FEATURE_INCOMPAT_BIG_METADATA;
	if (nodesize > BTRFS_MIN_BLOCKSIZE)
		f->plan.incompat |= BTRFS_FEATURE_INCOMPAT_BIG_METADATA;
}

static inline void fixture_open(struct mkfs_fixture *f, unsigned nr_devices, uint64_t size_bytes)
{
	assert_true(nr_devices <= FIXTURE_MAX_DEVICES);
	memset(f, 0, sizeof(*f));
	f->plan = (struct mkfs_plan){
		.devices = f->devices,
		.nr_devices = nr_devices,
		.geometry = { .csum_type = CSUM_CRC32C, .csum_size = csum_size(CSUM_CRC32C) },
		.metadata_profile = BTRFS_BLOCK_GROUP_DUP,
		.incompat = BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF |
			    BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF |
			    BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA |
			    BTRFS_FEATURE_INCOMPAT_NO_HOLES,
		.compat_ro = BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE |
			     BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID |
			     BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE,
		.label = "fixture",
		.time_sec = -7,
		.time_nsec = 999999999,
		.magic = BTRFS_MAGIC,
	};
	fixture_set_nodesize(f, 16384, 4096);
	memset(f->plan.fsid, 0xf5, 16);
	memset(f->plan.chunk_tree_uuid, 0xc7, 16);
	memset(f->plan.fs_tree_uuid, 0x5b, 16);
	for (unsigned i = 0; i < nr_devices; i++) {
		assert_int_equal(device_mem_new("ram", size_bytes, &f->devices[i].device), 0);
		f->devices[i].total_bytes = size_bytes;
		memset(f->devices[i].uuid, (int)(i + 1), 16);
	}
}

static inline void fixture_close(struct mkfs_fixture *f)
{
	for (unsigned i = 0; i < FIXTURE_MAX_DEVICES; i++)
		device_free(f->devices[i].device);
}

static inline void fixture_set_profiles(struct mkfs_fixture *f, uint64_t data, uint64_t metadata)
{
	f->plan.data_profile = data;
	f->plan.metadata_profile = metadata;
	if ((data | metadata) & (BTRFS_BLOCK_GROUP_RAID1C3 | BTRFS_BLOCK_GROUP_RAID1C4))
		f->plan.incompat |= BTRFS_FEATURE_INCOMPAT_RAID1C34;
}

#endif
