/*
 * The superblock as bytes: see superblock.h. Owns the table of names of feature bits.
 */
#include "format/superblock.h"

#include "base/assert.h"

static const char *const compat_ro_names[] = {
	[0] = "FREE_SPACE_TREE",
	[1] = "FREE_SPACE_TREE_VALID",
	[2] = "VERITY",
	[3] = "BLOCK_GROUP_TREE",
};

static const char *const incompat_names[] = {
	[0] = "MIXED_BACKREF",	 [1] = "DEFAULT_SUBVOL",
	[2] = "MIXED_GROUPS",	 [3] = "COMPRESS_LZO",
	[4] = "COMPRESS_ZSTD",	 [5] = "BIG_METADATA",
	[6] = "EXTENDED_IREF",	 [7] = "RAID56",
	[8] = "SKINNY_METADATA", [9] = "NO_HOLES",
	[10] = "METADATA_UUID",	 [11] = "RAID1C34",
	[12] = "ZONED",		 [13] = "EXTENT_TREE_V2",
	[16] = "SIMPLE_QUOTA",	 [14] = "RAID_STRIPE_TREE",
	[17] = "REMAP_TREE",
};

static void compute_csum(const uint8_t *super, uint8_t ret_csum[BTRFS_CSUM_SIZE])
{
	memset(ret_csum, 0, BTRFS_CSUM_SIZE);
	csum_compute((enum csum_type)super_csum_type(super), super + BTRFS_CSUM_SIZE,
		     SUPER_SIZE - BTRFS_CSUM_SIZE, ret_csum);
}

void super_csum_update(uint8_t *super)
{
	uint8_t csum[BTRFS_CSUM_SIZE];

	ASSERT(super_csum_type(super) <= BTRFS_CSUM_TYPE_BLAKE2);
	compute_csum(super, csum);
	memset(super, 0, BTRFS_CSUM_SIZE);
	memcpy(super, csum, csum_size((enum csum_type)super_csum_type(super)));
}

bool super_csum_ok(const uint8_t *super)
{
	uint8_t csum[BTRFS_CSUM_SIZE];

	if (super_csum_type(super) > BTRFS_CSUM_TYPE_BLAKE2)
		return false;
	compute_csum(super, csum);
	return memcmp(csum, super, csum_size((enum csum_type)super_csum_type(super))) == 0;
}

struct geometry super_geometry(const uint8_t *super)
{
	enum csum_type type = (enum csum_type)super_csum_type(super);

	ASSERT(super_csum_type(super) <= BTRFS_CSUM_TYPE_BLAKE2);
	return (struct geometry){
		.nodesize = super_nodesize(super),
		.sectorsize = super_sectorsize(super),
		.csum_type = type,
		.csum_size = (uint32_t)csum_size(type),
	};
}

const uint8_t *super_node_fsid(const uint8_t *super)
{
	if (super_incompat_flags(super) & BTRFS_FEATURE_INCOMPAT_METADATA_UUID)
		return super_metadata_uuid(super);
	return super_fsid(super);
}

const char *super_compat_ro_name(unsigned bit)
{
	return bit < ARRAY_LEN(compat_ro_names) ? compat_ro_names[bit] : NULL;
}

const char *super_incompat_name(unsigned bit)
{
	return bit < ARRAY_LEN(incompat_names) ? incompat_names[bit] : NULL;
}
