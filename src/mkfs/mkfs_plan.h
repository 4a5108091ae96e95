/*
 * mkfs: plans and writes the handful of blocks of an empty filesystem.
 *
 * Input: open devices and a complete, checked description (no defaults are guessed here). Output:
 * devices that an ordinary open accepts: one system chunk, one metadata chunk, (one data chunk
 * unless mixed), the trees of an empty filesystem, superblocks. Everything else (populating,
 * subvolumes, shrinking) is done by the engine through the public API. Uses layers 00-05 and
 * node_layout only; no allocator, no transaction. Bytes outside tree blocks and superblocks are
 * not written: who makes a filesystem over something else wipes that first (signatures, first
 * MiB).
 */
#ifndef UBTRFS_MKFS_MKFS_PLAN_H
#define UBTRFS_MKFS_MKFS_PLAN_H

#include "codec/csum_algo.h"
#include "device/device.h"
#include "format/geometry.h"

struct mkfs_device {
	struct device *device; /* borrowed */
	uint64_t total_bytes;
	uint8_t uuid[16];
};

struct mkfs_plan {
	struct mkfs_device *devices; /* devid 1..nr in this order */
	unsigned nr_devices;
	struct geometry geometry;
	uint64_t data_profile,
		metadata_profile; /* BTRFS_BLOCK_GROUP_* profile bits; system follows metadata */
	bool mixed;
	uint64_t incompat, compat_ro; /* feature bits, complete */
	char label[256];
	uint8_t fsid[16];
	uint8_t chunk_tree_uuid[16];
	uint8_t fs_tree_uuid[16]; /* of subvolume 5 */
	int64_t time_sec;	  /* otime, ctime, mtime of what mkfs makes */
	uint32_t time_nsec;
	/*
	 * First chunks, logical bytes, rounded up to whole 64 KiB stripes; 0 = like mkfs.btrfs
	 * for these devices.
	 */
	uint64_t system_bytes, metadata_bytes, data_bytes;
	bool no_data_chunk; /* the first data chunk is made when data is written */
	bool metadata_from_end; /* metadata and system chunks at the high end of the devices (for a later shrink) */
	uint64_t magic; /* BTRFS_MAGIC, or another while the filesystem is still being populated */
};

/*
 * The smallest total_bytes of each device, when all have the same, with which mkfs_write_empty
 * succeeds for this plan. plan->devices is not looked at, so that the devices can be made of this
 * size; the rest of the plan is checked. The metadata chunk then has at least 1024 nodes: with
 * less the kernel can mount, but not create anything.
 */
int mkfs_min_device_bytes(const struct mkfs_plan *plan, uint64_t *ret_bytes) must_check;
/* Checks the plan (feature combinations, node and sector size, profiles against the number of
 * devices): one sentence naming the option. ERR_INVALID, ERR_UNSUPPORTED for what is not built
 * yet, ERR_TOO_SMALL. */
int mkfs_plan_check(const struct mkfs_plan *plan) must_check;
/*
 * Checks, plans in memory, then wipes old superblocks, writes the trees, flushes, writes the
 * superblocks, flushes. Everything has generation 1. ERR_TOO_SMALL, before anything is written,
 * when the chunks do not fit the devices or the tree blocks their chunk. After a failure no
 * superblock is left on any device that still takes writes.
 */
int mkfs_write_empty(const struct mkfs_plan *plan) must_check;

#endif
