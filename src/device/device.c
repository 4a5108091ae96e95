/*
 * Devices: the dispatch over kinds.
 *
 * Owns the checks that no kind repeats: the range lies inside the device, a device opened for
 * reading is not changed.
 * Invariant: an op is called with len > 0 and at + len <= size_bytes. Takes no lock; the size is
 * read and written atomically, since a resize may run beside I/O below both sizes. Does not retry
 * and does not order.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "device/device_priv.h"

int device_init(struct device *device, const struct device_ops *ops, const char *name,
		uint64_t size_bytes)
{
	char *copy = mem_strdup(name);

	if (!copy)
		return MEM_FAIL("the name of a device");
	*device = (struct device){ .ops = ops, .name = copy, .size_bytes = size_bytes };
	return 0;
}

int device_init_over(struct device *device, const struct device_ops *ops,
		     const struct device *lower)
{
	TRY(device_init(device, ops, lower->name, device_size(lower)));
	device->resizable = lower->resizable;
	device->read_only = lower->read_only;
	device->one_writer = lower->one_writer;
	return 0;
}

uint64_t device_size(const struct device *device)
{
	return __atomic_load_n(&device->size_bytes, __ATOMIC_ACQUIRE);
}

static int check_range(const struct device *device, const char *verb, struct phys at, uint64_t len)
{
	uint64_t size_bytes = device_size(device);

	if (at.at <= size_bytes && len <= size_bytes - at.at)
		return 0;
	return THROW(ERR_DEVICE_RANGE, "%s: cannot %s %llu bytes at %llu: the device ends at %llu",
		     device->name, verb, (unsigned long long)len, (unsigned long long)at.at,
		     (unsigned long long)size_bytes);
}

static int check_writable(const struct device *device, const char *verb)
{
	if (!device->read_only)
		return 0;
	return THROW(ERR_READ_ONLY, "%s: cannot %s: it is open for reading only", device->name,
		     verb);
}

int device_read(struct device *device, struct phys at, void *data, size_t len)
{
	TRY(check_range(device, "read", at, len));
	if (!len)
		return 0;
	return device->ops->read(device, at, data, len);
}

int device_write(struct device *device, struct phys at, const void *data, size_t len)
{
	/* iov_base is not const, but a write only reads it. */
	struct iovec part = { .iov_base = (void *)data, .iov_len = len };

	return device_writev(device, at, &part, 1);
}

int device_writev(struct device *device, struct phys at, const struct iovec *parts, int nr_parts)
{
	size_t len = 0;

	ASSERT(nr_parts >= 0);
	for (int i = 0; i < nr_parts; i++) {
		ASSERT(parts[i].iov_len <= SIZE_MAX - len);
		len += parts[i].iov_len;
	}
	TRY(check_writable(device, "write"));
	TRY(check_range(device, "write", at, len));
	if (!len)
		return 0;
	return device->ops->writev(device, at, parts, nr_parts, len);
}

int device_clone(struct device *device, struct phys at, int from_fd, uint64_t from, uint64_t len)
{
	TRY(check_writable(device, "share"));
	TRY(check_range(device, "share", at, len));
	if (!device->ops->clone)
		return THROW(ERR_UNSUPPORTED, "%s cannot share blocks with another file",
			     device->name);
	return len ? device->ops->clone(device, at, from_fd, from, len) : 0;
}

int device_flush(struct device *device)
{
	/* Nothing was written, so nothing is on its way. */
	if (device->read_only)
		return 0;
	return device->ops->flush(device);
}

int device_discard(struct device *device, struct phys at, uint64_t len)
{
	TRY(check_writable(device, "discard"));
	TRY(check_range(device, "discard", at, len));
	if (!len)
		return 0;
	return device->ops->discard(device, at, len);
}

int device_resize(struct device *device, uint64_t size_bytes)
{
	TRY(check_writable(device, "change its size"));
	if (!device->resizable)
		return THROW(ERR_UNSUPPORTED, "%s: the size of this device is fixed at %llu bytes",
			     device->name, (unsigned long long)device_size(device));
	TRY(device->ops->resize(device, size_bytes));
	__atomic_store_n(&device->size_bytes, size_bytes, __ATOMIC_RELEASE);
	return 0;
}

void device_free(struct device *device)
{
	char *name;

	if (!device)
		return;
	name = device->name;
	device->ops->free(device);
	mem_free(name);
}
