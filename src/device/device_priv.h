/*
 * Inside 03 device: what the kinds of device share.
 *
 * A kind embeds struct device as its first concern, fills it with device_init and is reached
 * through its ops only. The dispatch (device.c) has checked range and permission before an op is
 * called: an op sees len > 0, inside the device.
 */
#ifndef UBTRFS_DEVICE_DEVICE_PRIV_H
#define UBTRFS_DEVICE_DEVICE_PRIV_H

#include "device/device.h"

/* Fills the common part; copies name. On failure nothing is owned. */
int device_init(struct device *device, const struct device_ops *ops, const char *name,
		uint64_t size_bytes) must_check;
/* The same for a device that stands on another: name, size and permissions are those of lower. */
int device_init_over(struct device *device, const struct device_ops *ops,
		     const struct device *lower) must_check;
/* The size may change while others ask for it. */
uint64_t device_size(const struct device *device);

#endif
