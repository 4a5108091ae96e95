/*
 * The hashes that stand in keys; all of them the bare crc32c with a seed. Owns nothing.
 */
#include "base/bytes.h"
#include "codec/csum_algo.h"
#include "codec/name_hash.h"

#define NAME_HASH_SEED (~(uint32_t)1)

static uint32_t crc32c_le64(uint32_t crc, uint64_t v)
{
	uint8_t bytes[8];

	store64(bytes, v);
	return crc32c_update(crc, bytes, sizeof(bytes));
}

uint32_t name_hash(const void *name, size_t len_bytes)
{
	return crc32c_update(NAME_HASH_SEED, name, len_bytes);
}

uint64_t extref_hash(uint64_t parent, const void *name, size_t len_bytes)
{
	/* The seed has 32 bits: the upper half of the parent is not in the hash. */
	return crc32c_update((uint32_t)parent, name, len_bytes);
}

uint64_t hash_extent_data_ref(uint64_t root, uint64_t objectid, uint64_t offset)
{
	uint32_t high = crc32c_le64(UINT32_MAX, root);
	uint32_t low = crc32c_le64(crc32c_le64(UINT32_MAX, objectid), offset);

	/* 31, not 32: one bit overlaps, and so it stands on disk. */
	return ((uint64_t)high << 31) ^ low;
}
