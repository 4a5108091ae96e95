/*
 * How large the devices must be for what is to be put into a new filesystem.
 */
#ifndef UBTRFS_OPS_MKFS_ROOM_H
#define UBTRFS_OPS_MKFS_ROOM_H

#include <ubtrfs/mkfs.h>

#include "mkfs/mkfs_plan.h"

/* compress: small files may end up in the tree. shrink: the metadata moves before the end. */
struct mkfs_room_how {
	bool compress, shrink;
};

/*
 * The size of each device (all alike, whole MiB) with which filling cannot run out of space. Of the
 * plan only geometry, profiles, mixed, features and nr_devices are looked at.
 */
int mkfs_room(const struct mkfs_plan *plan, const struct mkfs_room_how *how,
	      const struct ubtrfs_mkfs_contents *contents, uint64_t *ret_device_bytes) must_check;

#endif
