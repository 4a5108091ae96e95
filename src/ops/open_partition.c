/*
 * Opening: a filesystem inside a disk image, by the number of its partition (asked from libblkid:
 * GPT, MBR with logical partitions, and others) or by a byte offset. Owns nothing.
 */
#include <blkid/blkid.h>
#include <inttypes.h>

#include "base/strbuf.h"
#include "ops/open_devices.h"

/* libblkid counts in these, whatever the device's sectors are. */
#define PART_UNIT 512u
#define PARTS_TOLD 16

struct part {
	uint64_t start, len_bytes;
};

static int part_refuse(const char *path, unsigned number, blkid_partlist list)
{
	struct strbuf numbers;
	int err;

	strbuf_init(&numbers);
	for (int i = 0; i < MIN(blkid_partlist_numof_partitions(list), PARTS_TOLD); i++)
		strbuf_addf(&numbers, "%s%d", i ? ", " : "",
			    blkid_partition_get_partno(blkid_partlist_get_partition(list, i)));
	err = THROW(ERR_NOT_FOUND, "%s has no partition %u (it has: %s)", path, number,
		    numbers.len ? strbuf_text(&numbers) : "none");
	strbuf_fini(&numbers);
	return err;
}

static int part_in_list(const char *path, unsigned number, blkid_partlist list,
			struct part *ret_part)
{
	blkid_partition part = blkid_partlist_get_partition_by_partno(list, (int)number);
	blkid_loff_t start, size;

	if (!part)
		return part_refuse(path, number, list);
	start = blkid_partition_get_start(part);
	size = blkid_partition_get_size(part);
	if (start < 0 || size <= 0 || start > INT64_MAX / PART_UNIT || size > INT64_MAX / PART_UNIT)
		return THROW(ERR_INVALID, "%s: partition %u has no place on it", path, number);
	ret_part->start = (uint64_t)start * PART_UNIT;
	ret_part->len_bytes = (uint64_t)size * PART_UNIT;
	return 0;
}

/* The table of an image may count in sectors of 512 or of 4096 bytes; nothing but the table tells. */
static blkid_partlist parts_probe(blkid_probe probe)
{
	static const unsigned sector_bytes[] = { 0, 4096 };

	for (size_t i = 0; i < ARRAY_LEN(sector_bytes); i++) {
		blkid_partlist list;

		if (sector_bytes[i]) {
			blkid_reset_probe(probe);
			if (blkid_probe_set_sectorsize(probe, sector_bytes[i]) < 0)
				break;
		}
		if (blkid_probe_enable_partitions(probe, 1) < 0)
			break;
		list = blkid_probe_get_partitions(probe);
		/* What protects a GPT that cannot be read is no partition to open. */
		if (list && blkid_partlist_numof_partitions(list) > 0)
			return list;
	}
	return NULL;
}

static int part_find(const char *path, unsigned number, struct part *ret_part)
{
	blkid_probe probe = blkid_new_probe_from_filename(path);
	blkid_partlist list;
	int err;

	if (!probe)
		return THROW_SYS(errno ? errno : EIO, "cannot look for partitions on %s", path);
	list = parts_probe(probe);
	if (list)
		err = part_in_list(path, number, list, ret_part);
	else
		err = THROW(ERR_NOT_FOUND, "%s has no table of partitions", path);
	blkid_free_probe(probe);
	return err;
}

int open_partition(const struct core_open *how, const char *path, struct device *lower,
		   struct device **ret_device)
{
	struct part part = { .start = how->offset };
	struct device *slice;

	if (!how->partition && !how->offset) {
		*ret_device = lower;
		return 0;
	}
	if (how->partition && how->offset)
		return THROW(ERR_INVALID, "%s: a partition and an offset, which is it?", path);
	if (how->partition) {
		TRY(part_find(path, how->partition, &part));
		if (part.start >= lower->size_bytes)
			return THROW(ERR_DEVICE_RANGE,
				     "%s ends at %" PRIu64 ", before its partition %u at %" PRIu64,
				     path, lower->size_bytes, how->partition, part.start);
		/* An image that was cut: what is there can be read. */
		part.len_bytes = MIN(part.len_bytes, lower->size_bytes - part.start);
	} else {
		if (part.start >= lower->size_bytes)
			return THROW(ERR_INVALID,
				     "%s has %" PRIu64 " bytes: offset %" PRIu64
				     " is behind its end",
				     path, lower->size_bytes, part.start);
		part.len_bytes = lower->size_bytes - part.start;
	}
	TRY(device_slice_new(lower, part.start, part.len_bytes, &slice));
	*ret_device = slice;
	return 0;
}
