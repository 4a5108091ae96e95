/*
 * The superblock as 4096 bytes: checksum, places of its copies, names of its feature bits,
 * geometry.
 *
 * Does not read or write devices (volume/super_io) and does not judge the contents
 * (validate_super).
 */
#ifndef UBTRFS_FORMAT_SUPERBLOCK_H
#define UBTRFS_FORMAT_SUPERBLOCK_H

#include "format/geometry.h"

/* Physical offset of a copy: 64 KiB, 64 MiB, 256 GiB for copy 0 to 2. */
static inline uint64_t super_mirror_offset(int copy)
{
	return copy ? (uint64_t)(16 * KIB) << (BTRFS_SUPER_MIRROR_SHIFT * copy) :
		      BTRFS_SUPER_INFO_OFFSET;
}

static inline bool super_has_magic(const uint8_t *super)
{
	return super_magic(super) == BTRFS_MAGIC;
}

/*
 * The checksum over bytes 32 to 4095, with the algorithm that the superblock names (known ones
 * only: ASSERT).
 */
void super_csum_update(uint8_t *super);
/* False also when the algorithm is not known. */
bool super_csum_ok(const uint8_t *super);

/* The geometry of a superblock that has passed validate_super. */
struct geometry super_geometry(const uint8_t *super);

/* The fsid that tree blocks carry: metadata_uuid with that feature, fsid otherwise. 16 bytes. */
const uint8_t *super_node_fsid(const uint8_t *super);

/*
 * Names of feature bits ("BLOCK_GROUP_TREE", as dump-super prints them); NULL for a bit that we
 * do not know.
 */
const char *super_compat_ro_name(unsigned bit);
const char *super_incompat_name(unsigned bit);

#endif
