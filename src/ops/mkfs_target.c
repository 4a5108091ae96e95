/*
 * Targets of mkfs: what a path holds (asked from libblkid), opening it, wiping signatures,
 * stretching a file. Owns nothing.
 */
#include "ops/mkfs_target.h"

#include <blkid/blkid.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "format/superblock.h"

#define WIPE_BYTES ((size_t)(128 * KIB))
/* A sparse file smaller than this is no room for anything. */
#define STRETCH_MIN_BYTES (256 * MIB)

static int probe_result(blkid_probe probe, const char *path)
{
	const char *type = NULL;
	int found;

	if (blkid_probe_enable_superblocks(probe, 1) || blkid_probe_enable_partitions(probe, 1))
		return THROW(ERR_DEVICE_IO, "%s cannot be probed for what it holds", path);
	found = blkid_do_safeprobe(probe);
	if (found == 1)
		return 0;
	if (found == -1)
		return THROW(ERR_DEVICE_IO, "%s cannot be probed for what it holds", path);
	if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
		return THROW(ERR_EXISTS, "%s holds a filesystem (%s); use -f to overwrite it", path,
			     type);
	if (blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) == 0)
		return THROW(ERR_EXISTS, "%s holds a partition table (%s); use -f to overwrite it",
			     path, type);
	return THROW(ERR_EXISTS, "%s holds several signatures; use -f to overwrite it", path);
}

int target_probe(const char *path)
{
	struct stat st;
	blkid_probe probe;
	int err;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : THROW_SYS(errno, "%s", path);
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return 0;
	probe = blkid_new_probe_from_filename(path);
	if (!probe)
		return THROW_SYS(errno ? errno : EIO, "%s cannot be opened to see what it holds",
				 path);
	err = probe_result(probe, path);
	blkid_free_probe(probe);
	return err;
}

int target_open(const char *path, struct device **ret_device)
{
	struct device *file;
	int err;

	TRY(device_file_open(path, DEVICE_WRITE | DEVICE_CREATE, &file));
	err = device_fault_new(file, ret_device);
	if (err < 0)
		device_free(file);
	return err;
}

static int wipe_range(struct device *device, uint64_t at, size_t len, const uint8_t *zeroes)
{
	if (at >= device->size_bytes)
		return 0;
	return device_write(device, PHYS(at), zeroes, MIN(len, device->size_bytes - at));
}

int target_wipe(struct device *device)
{
	SCOPED_MEM uint8_t *zeroes = mem_zalloc(WIPE_BYTES);

	if (!zeroes)
		return MEM_FAIL("wiping a target");
	TRY(wipe_range(device, 0, WIPE_BYTES, zeroes));
	for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++)
		TRY(wipe_range(device, super_mirror_offset(copy), BTRFS_SUPER_INFO_SIZE, zeroes));
	if (device->size_bytes > WIPE_BYTES)
		TRY(wipe_range(device, device->size_bytes - WIPE_BYTES, WIPE_BYTES, zeroes));
	return 0;
}

int target_stretch(struct device *device, uint64_t limit_bytes)
{
	uint64_t size = limit_bytes;
	int err;

	ASSERT(device->resizable);
	do {
		err = device_resize(device, size);
		size /= 2;
	} while (err < 0 && size >= STRETCH_MIN_BYTES);
	return err;
}
