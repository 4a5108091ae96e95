/*
 * The devices of a damaged filesystem: what is named, and what scanning finds beside it.
 */
#ifndef UBTRFS_OPS_RESCUE_DEVICES_H
#define UBTRFS_OPS_RESCUE_DEVICES_H

#include <ubtrfs/rescue.h>

#include "device/device.h"

struct rescue_devices {
	struct device **all; /* owned; NULL where somebody has taken one over */
	unsigned nr;
};

/* Released also after a failure. */
int rescue_devices_open(const struct ubtrfs_open_options *how,
			struct rescue_devices *ret_devices) must_check;
void rescue_devices_fini(struct rescue_devices *devices);

#endif
