/*
 * Superblock I/O: up to three copies per device, at 64 KiB, 64 MiB and 256 GiB.
 *
 * Owns nothing; takes no lock. Law L8 is the caller's: everything else of the commit is written and
 * flushed before super_write, and the device is flushed after it. The primary copy is written
 * last: it is the one that mounting reads, so the commit counts from then on, and a failure or a cut
 * before leaves the primary of the last commit.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "format/disk_ids.h"
#include "format/disk_structs.h"
#include "format/superblock.h"
#include "volume/volume.h"

int super_read(struct device *device, unsigned copy, uint8_t *ret_super)
{
	return super_read_magic(device, copy, BTRFS_MAGIC, ret_super);
}

int super_read_magic(struct device *device, unsigned copy, uint64_t magic, uint8_t *ret_super)
{
	uint8_t super[BTRFS_SUPER_INFO_SIZE];
	uint64_t at;

	ASSERT(copy < BTRFS_SUPER_MIRROR_MAX);
	at = super_mirror_offset((int)copy);
	TRY(device_read(device, PHYS(at), super, sizeof(super)));
	if (super_magic(super) != magic)
		return THROW(ERR_SUPER_BAD, "%s: no btrfs superblock at %llu", device->name,
			     (unsigned long long)at);
	if (super_bytenr(super) != at)
		return THROW(ERR_SUPER_BAD,
			     "%s: the superblock at %llu says that it belongs to %llu",
			     device->name, (unsigned long long)at,
			     (unsigned long long)super_bytenr(super));
	if (!super_csum_ok(super))
		return THROW(ERR_SUPER_BAD, "%s: the superblock at %llu has a wrong checksum",
			     device->name, (unsigned long long)at);
	memcpy(ret_super, super, sizeof(super));
	return 0;
}

int super_write(struct device *device, const uint8_t *super, uint64_t total_bytes)
{
	uint8_t copy_bytes[BTRFS_SUPER_INFO_SIZE];

	ASSERT(total_bytes >= BTRFS_SUPER_INFO_OFFSET + BTRFS_SUPER_INFO_SIZE);
	memcpy(copy_bytes, super, sizeof(copy_bytes));
	for (int copy = BTRFS_SUPER_MIRROR_MAX - 1; copy >= 0; copy--) {
		uint64_t at = super_mirror_offset(copy);

		if (at + BTRFS_SUPER_INFO_SIZE > total_bytes)
			continue;
		super_set_bytenr(copy_bytes, at);
		super_csum_update(copy_bytes);
		TRY(device_write(device, PHYS(at), copy_bytes, sizeof(copy_bytes)));
	}
	return 0;
}
