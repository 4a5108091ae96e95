/*
 * A window into another device: a partition, or what lies behind an offset.
 *
 * Owns the device below. Invariant: the window lies inside it, so an address that the dispatch has
 * let through cannot leave the window. The size never changes. Has no state of its own and takes no
 * lock.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "device/device_priv.h"

struct device_slice {
	struct device device;
	struct device *lower; /* owned */
	uint64_t start;
};

static struct device_slice *slice_of(struct device *device)
{
	return container_of(device, struct device_slice, device);
}

static struct phys lower_phys(struct device *device, struct phys at)
{
	return PHYS(slice_of(device)->start + at.at);
}

static int device_slice_read(struct device *device, struct phys at, void *data, size_t len)
{
	return device_read(slice_of(device)->lower, lower_phys(device, at), data, len);
}

static int device_slice_writev(struct device *device, struct phys at, const struct iovec *parts,
			       int nr_parts, size_t len)
{
	(void)len;
	return device_writev(slice_of(device)->lower, lower_phys(device, at), parts, nr_parts);
}

static int device_slice_flush(struct device *device)
{
	return device_flush(slice_of(device)->lower);
}

static int device_slice_discard(struct device *device, struct phys at, uint64_t len)
{
	return device_discard(slice_of(device)->lower, lower_phys(device, at), len);
}

static int device_slice_clone(struct device *device, struct phys at, int from_fd, uint64_t from,
			      uint64_t len)
{
	return device_clone(slice_of(device)->lower, lower_phys(device, at), from_fd, from, len);
}

static void device_slice_free(struct device *device)
{
	device_free(slice_of(device)->lower);
	mem_free(slice_of(device));
}

static const struct device_ops device_slice_ops = {
	.kind = "slice",
	.read = device_slice_read,
	.writev = device_slice_writev,
	.flush = device_slice_flush,
	.discard = device_slice_discard,
	.clone = device_slice_clone,
	.free = device_slice_free,
};

int device_slice_new(struct device *lower, uint64_t start, uint64_t len_bytes,
		     struct device **ret_device)
{
	struct device_slice *slice;
	int err;

	if (start > device_size(lower) || len_bytes > device_size(lower) - start)
		return THROW(ERR_DEVICE_RANGE,
			     "%s: %llu bytes at %llu reach behind its end at %llu", lower->name,
			     (unsigned long long)len_bytes, (unsigned long long)start,
			     (unsigned long long)device_size(lower));
	slice = mem_zalloc(sizeof(*slice));
	if (!slice)
		return MEM_FAIL("a part of a device");
	err = device_init_over(&slice->device, &device_slice_ops, lower);
	if (err < 0) {
		mem_free(slice);
		return err;
	}
	slice->device.size_bytes = len_bytes;
	slice->device.resizable = false;
	slice->lower = lower;
	slice->start = start;
	*ret_device = &slice->device;
	return 0;
}
