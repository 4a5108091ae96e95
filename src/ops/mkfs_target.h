/*
 * Targets of mkfs: opened, looked at, sized.
 */
#ifndef UBTRFS_OPS_MKFS_TARGET_H
#define UBTRFS_OPS_MKFS_TARGET_H

#include "device/device.h"

/*
 * Refuses a target that holds a filesystem or a partition table (libblkid): ERR_EXISTS. A
 * missing file holds nothing.
 */
int target_probe(const char *path) must_check;
/* Opens for writing; a file that does not exist is created. */
int target_open(const char *path, struct device **ret_device) must_check;
/*
 * Zeroes what tells other programs that something is there: the first and last 128 KiB and all
 * superblock copies.
 */
int target_wipe(struct device *device) must_check;
/*
 * Makes a file as large as its filesystem allows, up to limit_bytes, without using space: room
 * for a build that is shrunk later.
 */
int target_stretch(struct device *device, uint64_t limit_bytes) must_check;

#endif
