/*
 * device_holes: where the devices of a volume have room, as seen from the chunk map. Private to
 * space/.
 */
#ifndef UBTRFS_SPACE_DEVICE_HOLES_H
#define UBTRFS_SPACE_DEVICE_HOLES_H

#include "space/free_index.h"
#include "volume/volume.h"

/* Nothing is ever placed below: boot loaders and the first superblock copy live there. */
#define DEVICE_RESERVED_BYTES (1u << 20)

struct device_holes {
	struct volume_device *device; /* borrowed */
	struct free_index holes;      /* physical; edges are multiples of the stripe length */
};

/* One entry per writable device, in order of devid; owned until device_holes_free.
 * *ret_logical_end is the end of the last chunk, 0 without chunks. */
int device_holes_collect(struct volume *volume, struct device_holes **ret_devices, unsigned *ret_nr,
			 uint64_t *ret_logical_end) must_check;
void device_holes_free(struct device_holes *devices, unsigned nr);
uint64_t device_holes_longest(const struct device_holes *holes);

/* The size that the device must get so that a hole of len ends exactly there. */
uint64_t device_holes_size_for(const struct device_holes *holes, uint64_t len);
/* Tells that the device has got new_bytes; a smaller size changes nothing. */
int device_holes_extend(struct device_holes *holes, uint64_t new_bytes) must_check;

#endif
