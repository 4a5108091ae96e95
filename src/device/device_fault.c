/*
 * A device that fails on demand: passes a fault point (base/fault.h) before each read, write and
 * flush.
 *
 * Owns the device below. A call that is made to fail does not reach it, so what fails was not
 * written at all. Has no state of its own and takes no lock. Discard and resize have no fault
 * point.
 */
#include "base/bytes.h"
#include "base/fault.h"
#include "base/mem.h"
#include "device/device_priv.h"

struct device_fault {
	struct device device;
	struct device *lower; /* owned */
};

static struct device *lower_of(struct device *device)
{
	return container_of(device, struct device_fault, device)->lower;
}

static int device_fault_read(struct device *device, struct phys at, void *data, size_t len)
{
	if (fault_hit(FAULT_DEVICE_READ))
		return THROW(ERR_FAULT_INJECTED, "%s: injected fault reading %zu bytes at %llu",
			     device->name, len, (unsigned long long)at.at);
	return device_read(lower_of(device), at, data, len);
}

static int device_fault_writev(struct device *device, struct phys at, const struct iovec *parts,
			       int nr_parts, size_t len)
{
	if (fault_hit(FAULT_DEVICE_WRITE))
		return THROW(ERR_FAULT_INJECTED, "%s: injected fault writing %zu bytes at %llu",
			     device->name, len, (unsigned long long)at.at);
	return device_writev(lower_of(device), at, parts, nr_parts);
}

static int device_fault_flush(struct device *device)
{
	if (fault_hit(FAULT_DEVICE_FLUSH))
		return THROW(ERR_FAULT_INJECTED, "%s: injected fault flushing", device->name);
	return device_flush(lower_of(device));
}

static int device_fault_discard(struct device *device, struct phys at, uint64_t len)
{
	return device_discard(lower_of(device), at, len);
}

static int device_fault_resize(struct device *device, uint64_t size_bytes)
{
	return device_resize(lower_of(device), size_bytes);
}

static void device_fault_free(struct device *device)
{
	device_free(lower_of(device));
	mem_free(container_of(device, struct device_fault, device));
}

static int device_fault_clone(struct device *device, struct phys at, int from_fd, uint64_t from,
			      uint64_t len)
{
	if (fault_hit(FAULT_DEVICE_WRITE))
		return THROW(ERR_FAULT_INJECTED, "%s: injected fault sharing %llu bytes at %llu",
			     device->name, (unsigned long long)len, (unsigned long long)at.at);
	return device_clone(lower_of(device), at, from_fd, from, len);
}

static const struct device_ops device_fault_ops = {
	.kind = "fault",
	.read = device_fault_read,
	.writev = device_fault_writev,
	.flush = device_fault_flush,
	.discard = device_fault_discard,
	.resize = device_fault_resize,
	.clone = device_fault_clone,
	.free = device_fault_free,
};

int device_fault_new(struct device *lower, struct device **ret_device)
{
	struct device_fault *fault = mem_zalloc(sizeof(*fault));
	int err;

	if (!fault)
		return MEM_FAIL("a fault device");
	err = device_init_over(&fault->device, &device_fault_ops, lower);
	if (err < 0) {
		mem_free(fault);
		return err;
	}
	fault->lower = lower;
	*ret_device = &fault->device;
	return 0;
}
