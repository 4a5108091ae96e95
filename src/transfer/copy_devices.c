/*
 * The files that a filesystem lies on: whether two that are open are the same, which the fsid does
 * not tell of an image and a copy of it; and whether a source is the very image that is written.
 *
 * Takes no lock.
 */
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/admin.h>

#include "base/mem.h"
#include "transfer/copy_priv.h"

/* A block device is what it is under any name. */
static struct copy_device device_of(const struct stat *st)
{
	if (S_ISBLK(st->st_mode))
		return (struct copy_device){ UINT64_MAX, st->st_rdev };
	return (struct copy_device){ st->st_dev, st->st_ino };
}

static int device_add(void *ctx, const struct ubtrfs_device *device)
{
	struct copy_devices *devices = ctx;
	struct stat st;

	if (device->path && stat(device->path, &st) == 0 && devices->nr < devices->capacity)
		devices->devices[devices->nr++] = device_of(&st);
	return 0;
}

int copy_devices_read(struct ubtrfs *fs, struct copy_devices *ret_devices)
{
	struct copy_devices devices = { .nr = 0 };
	struct ubtrfs_info info;
	int ret = err_adopt(ubtrfs_info(fs, &info));

	if (ret < 0)
		return ret;
	memcpy(devices.fsid, info.fsid, sizeof(devices.fsid));
	devices.capacity = info.nr_devices;
	devices.devices = mem_array(MAX(devices.capacity, 1u), sizeof(*devices.devices));
	if (!devices.devices)
		return MEM_FAIL("the devices of a filesystem");
	ret = err_adopt(ubtrfs_device_each(fs, device_add, &devices));
	if (ret < 0)
		copy_devices_fini(&devices);
	else
		*ret_devices = devices;
	return ret;
}

void copy_devices_fini(struct copy_devices *devices)
{
	mem_free(devices->devices);
	devices->devices = NULL;
	devices->nr = 0;
}

static bool devices_have(const struct copy_devices *devices, struct copy_device device)
{
	for (unsigned i = 0; i < devices->nr; i++)
		if (devices->devices[i].dev == device.dev && devices->devices[i].ino == device.ino)
			return true;
	return false;
}

bool copy_devices_have(const struct copy_devices *devices, uint64_t dev, uint64_t ino)
{
	return devices_have(devices, (struct copy_device){ dev, ino });
}

bool copy_devices_meet(const struct copy_devices *a, const struct copy_devices *b)
{
	if (memcmp(a->fsid, b->fsid, sizeof(a->fsid)) != 0)
		return false;
	for (unsigned i = 0; i < a->nr; i++)
		if (devices_have(b, a->devices[i]))
			return true;
	return false;
}
