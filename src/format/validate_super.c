/*
 * The superblock's fields against each other, and the chunks that it carries.
 */
#include "format/validate_super.h"

#include "format/item_validate.h"

/*
 * Fewer tree blocks than this no filesystem has: the root tree and the five that it cannot do
 * without.
 */
#define MIN_TREE_BLOCKS 6

#define KNOWN_SUPER_FLAGS                                                               \
	(BTRFS_HEADER_FLAG_WRITTEN | BTRFS_HEADER_FLAG_RELOC | BTRFS_SUPER_FLAG_ERROR | \
	 BTRFS_SUPER_FLAG_SEEDING | BTRFS_SUPER_FLAG_METADUMP | BTRFS_SUPER_FLAG_METADUMP_V2)

#define SUPER_REFUSE_IF(cond, ...)                                               \
	do {                                                                     \
		if (__builtin_expect(!!(cond), 0))                               \
			return THROW(ERR_SUPER_BAD, "superblock: " __VA_ARGS__); \
	} while (0)

static int validate_sizes(const uint8_t *super)
{
	uint32_t sectorsize = super_sectorsize(super);
	uint32_t nodesize = super_nodesize(super);

	SUPER_REFUSE_IF(super_csum_type(super) > BTRFS_CSUM_TYPE_BLAKE2, "unknown checksum type %u",
			super_csum_type(super));
	SUPER_REFUSE_IF(!is_pow2(sectorsize) || sectorsize < BTRFS_MIN_BLOCKSIZE ||
				sectorsize > BTRFS_MAX_METADATA_BLOCKSIZE,
			"sectorsize %u", sectorsize);
	SUPER_REFUSE_IF(!is_pow2(nodesize) || nodesize < MAX(sectorsize, BTRFS_MIN_NODESIZE) ||
				nodesize > BTRFS_MAX_METADATA_BLOCKSIZE,
			"nodesize %u (sectorsize %u)", nodesize, sectorsize);
	SUPER_REFUSE_IF(super_leafsize(super) != nodesize, "leafsize %u is not the nodesize %u",
			super_leafsize(super), nodesize);
	SUPER_REFUSE_IF(!is_pow2(super_stripesize(super)), "stripesize %u",
			super_stripesize(super));
	SUPER_REFUSE_IF((super_incompat_flags(super) & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS) &&
				nodesize != sectorsize,
			"mixed block groups with nodesize %u and sectorsize %u", nodesize,
			sectorsize);
	return 0;
}

static int validate_roots(const uint8_t *super)
{
	uint32_t align = super_sectorsize(super);

	SUPER_REFUSE_IF(super_root_level(super) >= BTRFS_MAX_LEVEL, "root_level %u",
			super_root_level(super));
	SUPER_REFUSE_IF(super_chunk_root_level(super) >= BTRFS_MAX_LEVEL, "chunk_root_level %u",
			super_chunk_root_level(super));
	SUPER_REFUSE_IF(super_log_root_level(super) >= BTRFS_MAX_LEVEL, "log_root_level %u",
			super_log_root_level(super));
	SUPER_REFUSE_IF(super_root(super) == 0 || !is_aligned(super_root(super), align),
			"root %" PRIu64, super_root(super));
	SUPER_REFUSE_IF(super_chunk_root(super) == 0 || !is_aligned(super_chunk_root(super), align),
			"chunk_root %" PRIu64, super_chunk_root(super));
	SUPER_REFUSE_IF(!is_aligned(super_log_root(super), align), "log_root %" PRIu64,
			super_log_root(super));
	SUPER_REFUSE_IF(super_generation(super) < super_chunk_root_generation(super),
			"generation %" PRIu64 " is before chunk_root_generation %" PRIu64,
			super_generation(super), super_chunk_root_generation(super));
	return 0;
}

static int validate_features(const uint8_t *super)
{
	uint64_t ro = super_compat_ro_flags(super);
	const uint8_t *dev_fsid = dev_item_fsid(super_dev_item(super));

	SUPER_REFUSE_IF(super_flags(super) & ~KNOWN_SUPER_FLAGS,
			"unknown or unfinished state in flags 0x%" PRIx64, super_flags(super));
	SUPER_REFUSE_IF(memcmp(dev_fsid, super_node_fsid(super), BTRFS_FSID_SIZE) != 0,
			"the device belongs to a filesystem with another fsid");
	SUPER_REFUSE_IF((ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE) &&
				(!(ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID) ||
				 !(super_incompat_flags(super) & BTRFS_FEATURE_INCOMPAT_NO_HOLES)),
			"a block group tree without a free space tree or without no-holes");
	return 0;
}

static int validate_sys_chunks(const uint8_t *super)
{
	const uint8_t *array = super_sys_chunk_array(super);
	uint32_t len = super_sys_chunk_array_size(super);
	char reason[CHUNK_REASON_MAX];
	uint32_t at = 0;

	SUPER_REFUSE_IF(len > BTRFS_SYSTEM_CHUNK_ARRAY_SIZE ||
				len < KEY_DISK_SIZE + chunk_size_bytes(1),
			"sys_chunk_array_size %u", len);
	while (at < len) {
		uint32_t rest = len - at;
		uint32_t size;
		struct key key;

		SUPER_REFUSE_IF(rest < KEY_DISK_SIZE + chunk_size_bytes(1),
				"sys_chunk_array is cut off at byte %u", at);
		key = key_load(array + at);
		SUPER_REFUSE_IF(key.objectid != BTRFS_FIRST_CHUNK_TREE_OBJECTID ||
					key.type != BTRFS_CHUNK_ITEM_KEY,
				"key (%" PRIu64 " %u %" PRIu64 ") at byte %u of sys_chunk_array",
				key.objectid, key.type, key.offset, at);
		at += KEY_DISK_SIZE;
		size = chunk_size_bytes(chunk_num_stripes(array + at));
		SUPER_REFUSE_IF(size > len - at,
				"the chunk at byte %u of sys_chunk_array is cut off", at);
		SUPER_REFUSE_IF(chunk_check(array + at, size, key.offset, super_sectorsize(super),
					    reason),
				"chunk %" PRIu64 ": %s", key.offset, reason);
		SUPER_REFUSE_IF(!(chunk_type(array + at) & BTRFS_BLOCK_GROUP_SYSTEM),
				"chunk %" PRIu64 ": not a system chunk", key.offset);
		at += size;
	}
	return 0;
}

int validate_super(const uint8_t *super)
{
	SUPER_REFUSE_IF(!super_has_magic(super), "no btrfs magic");
	TRY(validate_sizes(super));
	TRY(validate_roots(super));
	TRY(validate_features(super));
	SUPER_REFUSE_IF(super_bytes_used(super) < (uint64_t)MIN_TREE_BLOCKS * super_nodesize(super),
			"bytes_used %" PRIu64 " is too small", super_bytes_used(super));
	SUPER_REFUSE_IF(super_num_devices(super) == 0 || super_num_devices(super) > INT32_MAX,
			"num_devices %" PRIu64, super_num_devices(super));
	return validate_sys_chunks(super);
}
