/*
 * A device that takes its time, for tests: reads and writes of a disk that gives so many bytes a second,
 * flushes that last.
 *
 * Owns the device below, which works first: what the caller waits for afterwards is there already. Two
 * calls wait beside each other. Has no state of its own and takes no lock.
 */
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "device/device_priv.h"

struct device_delay {
	struct device device;
	struct device *lower; /* owned */
	uint64_t bytes_per_s;
	uint64_t flush_ns;
};

static struct device_delay *delay_of(struct device *device)
{
	return container_of(device, struct device_delay, device);
}

static void wait_ns(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				 .tv_nsec = (long)(ns % NSEC_PER_SEC) };

	while (ns && nanosleep(&time, &time) < 0)
		continue;
}

static void wait_bytes(const struct device_delay *delay, size_t len)
{
	if (delay->bytes_per_s)
		wait_ns(len * NSEC_PER_SEC / delay->bytes_per_s);
}

static int device_delay_read(struct device *device, struct phys at, void *data, size_t len)
{
	TRY(device_read(delay_of(device)->lower, at, data, len));
	wait_bytes(delay_of(device), len);
	return 0;
}

static int device_delay_writev(struct device *device, struct phys at, const struct iovec *parts,
			       int nr_parts, size_t len)
{
	TRY(device_writev(delay_of(device)->lower, at, parts, nr_parts));
	wait_bytes(delay_of(device), len);
	return 0;
}

static int device_delay_flush(struct device *device)
{
	TRY(device_flush(delay_of(device)->lower));
	wait_ns(delay_of(device)->flush_ns);
	return 0;
}

static int device_delay_discard(struct device *device, struct phys at, uint64_t len)
{
	return device_discard(delay_of(device)->lower, at, len);
}

static int device_delay_resize(struct device *device, uint64_t size_bytes)
{
	return device_resize(delay_of(device)->lower, size_bytes);
}

static int device_delay_clone(struct device *device, struct phys at, int from_fd, uint64_t from,
			      uint64_t len)
{
	return device_clone(delay_of(device)->lower, at, from_fd, from, len);
}

static void device_delay_free(struct device *device)
{
	device_free(delay_of(device)->lower);
	mem_free(delay_of(device));
}

static const struct device_ops device_delay_ops = {
	.kind = "delay",
	.read = device_delay_read,
	.writev = device_delay_writev,
	.flush = device_delay_flush,
	.discard = device_delay_discard,
	.resize = device_delay_resize,
	.clone = device_delay_clone,
	.free = device_delay_free,
};

int device_delay_new(struct device *lower, uint64_t bytes_per_s, uint64_t flush_ns,
		     struct device **ret_device)
{
	struct device_delay *delay = mem_zalloc(sizeof(*delay));
	int err;

	if (!delay)
		return MEM_FAIL("a delay device");
	err = device_init_over(&delay->device, &device_delay_ops, lower);
	if (err < 0) {
		mem_free(delay);
		return err;
	}
	delay->lower = lower;
	delay->bytes_per_s = bytes_per_s;
	delay->flush_ns = flush_ns;
	*ret_device = &delay->device;
	return 0;
}
