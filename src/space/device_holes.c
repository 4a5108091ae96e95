/*
 * device_holes: a device's bytes minus its reserved start minus what stripes of chunks take.
 *
 * Owns nothing but the lists it makes: they are collected anew for each chunk that is planned, so
 * that there is no second account of the devices that could disagree with the chunk map. Invariant:
 * every edge of a hole is a multiple of the stripe length, so that any multiple of it can be cut
 * from either end. The caller keeps the chunk map from changing.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "space/device_holes.h"

static uint64_t size_in_stripes(uint64_t bytes)
{
	return round_down(bytes, VOLUME_STRIPE_LEN);
}

static int holes_init(struct device_holes *holes, struct volume_device *device)
{
	uint64_t end = size_in_stripes(device->total_bytes);

	holes->device = device;
	free_index_init(&holes->holes);
	if (end <= DEVICE_RESERVED_BYTES)
		return 0;
	return free_index_add(&holes->holes, DEVICE_RESERVED_BYTES, end - DEVICE_RESERVED_BYTES);
}

void device_holes_free(struct device_holes *devices, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		free_index_fini(&devices[i].holes);
	mem_free(devices);
}

/* Binary search: devices are in order of devid. NULL: not a writable device. */
static struct device_holes *holes_of(struct device_holes *devices, unsigned nr, uint64_t devid)
{
	unsigned low = 0, high = nr;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (devices[middle].device->devid == devid)
			return &devices[middle];
		if (devices[middle].device->devid < devid)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int cut_stripe(struct device_holes *holes, uint64_t at, uint64_t len)
{
	uint64_t from = round_down(at, VOLUME_STRIPE_LEN);
	uint64_t end;

	CORRUPT_IF(!add_fits(at, len, &end) || end > UINT64_MAX - VOLUME_STRIPE_LEN,
		   "a stripe at %llu, length %llu, of device %llu ends nowhere",
		   (unsigned long long)at, (unsigned long long)len,
		   (unsigned long long)holes->device->devid);
	end = round_up(end, VOLUME_STRIPE_LEN);
	return free_index_cut(&holes->holes, from, end - from);
}

static int collect_stripes(struct volume *volume, struct device_holes *devices, unsigned nr,
			   uint64_t *ret_logical_end)
{
	const struct chunk *chunk = chunk_map_next(volume, 0);
	uint64_t end = 0;

	for (; chunk; chunk = chunk_map_next(volume, chunk->logical + 1)) {
		uint64_t len = chunk_stripe_bytes(chunk);

		for (unsigned i = 0; i < chunk->nr_stripes; i++) {
			const struct stripe *stripe = &chunk->stripes[i];
			struct device_holes *holes = holes_of(devices, nr, stripe->devid);

			if (holes)
				TRY(cut_stripe(holes, stripe->at.at, len));
		}
		end = chunk->logical + chunk->len_bytes;
	}
	*ret_logical_end = end;
	return 0;
}

int device_holes_collect(struct volume *volume, struct device_holes **ret_devices, unsigned *ret_nr,
			 uint64_t *ret_logical_end)
{
	unsigned nr_all = volume_nr_devices(volume);
	struct device_holes *devices = mem_array(nr_all + 1, sizeof(*devices));
	unsigned nr = 0;
	int ret = 0;

	if (!devices)
		return MEM_FAIL("the holes of the devices");
	for (unsigned i = 0; i < nr_all && ret == 0; i++) {
		struct volume_device *device = volume_device_at(volume, i);

		if (device->device && !device->device->read_only)
			ret = holes_init(&devices[nr++], device);
	}
	if (ret == 0)
		ret = collect_stripes(volume, devices, nr, ret_logical_end);
	if (ret < 0) {
		device_holes_free(devices, nr);
		return ret;
	}
	*ret_devices = devices;
	*ret_nr = nr;
	return 0;
}

uint64_t device_holes_longest(const struct device_holes *holes)
{
	uint64_t addr, len;

	return free_index_longest(&holes->holes, &addr, &len) ? len : 0;
}

uint64_t device_holes_size_for(const struct device_holes *holes, uint64_t len)
{
	uint64_t size = holes->device->total_bytes;
	uint64_t at, at_len;

	/*
	 * A hole at the very end is a part of the new one; bytes behind its last whole stripe
	 * are too.
	 */
	if (free_index_prev(&holes->holes, UINT64_MAX, &at, &at_len) &&
	    at + at_len == size_in_stripes(size))
		return at + len;
	return MAX(round_up(size, VOLUME_STRIPE_LEN), DEVICE_RESERVED_BYTES) + len;
}

int device_holes_extend(struct device_holes *holes, uint64_t new_bytes)
{
	uint64_t old_end = size_in_stripes(holes->device->total_bytes);
	uint64_t new_end = size_in_stripes(new_bytes);
	uint64_t at, at_len;
	uint64_t from;

	/*
	 * Bytes behind the last whole stripe may belong to a stripe of odd length: they count
	 * only next to a hole.
	 */
	if (free_index_prev(&holes->holes, UINT64_MAX, &at, &at_len) && at + at_len == old_end)
		from = old_end;
	else
		from = round_up(holes->device->total_bytes, VOLUME_STRIPE_LEN);
	from = MAX(from, DEVICE_RESERVED_BYTES);
	if (new_end <= from)
		return 0;
	TRY(free_index_add(&holes->holes, from, new_end - from));
	holes->device->total_bytes = new_bytes;
	return 0;
}
