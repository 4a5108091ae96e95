/*
 * Checksums by ISA-L (crc32c), xxhash and libgcrypt (sha256, blake2b). Owns nothing but libgcrypt's
 * start, which happens once, before its first use here, unless the program did it already.
 */
#include <gcrypt.h>
#include <isa-l/crc.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "codec/csum_algo.h"

#define CRC_STEP_BYTES ((size_t)1 << 30) /* ISA-L counts in int */

struct csum_row {
	const char *name;
	const char *short_name;
	uint32_t size;
};

static const struct csum_row csum_rows[CSUM_TYPES] = {
	[CSUM_CRC32C] = { "crc32c", "crc32c", 4 },
	[CSUM_XXHASH] = { "xxhash64", "xxhash", 8 },
	[CSUM_SHA256] = { "sha256", "sha256", 32 },
	[CSUM_BLAKE2B] = { "blake2b", "blake2", 32 },
};

static pthread_once_t gcrypt_once = PTHREAD_ONCE_INIT;

static void gcrypt_start(void)
{
	const char *version;

	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return;
	/* Nothing secret is hashed: no locked memory. */
	version = gcry_check_version(NULL);
	ASSERT(version);
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

bool csum_type_known(uint64_t type)
{
	return type < CSUM_TYPES;
}

uint32_t csum_size(enum csum_type type)
{
	ASSERT(type < CSUM_TYPES);
	return csum_rows[type].size;
}

const char *csum_name(enum csum_type type)
{
	ASSERT(type < CSUM_TYPES);
	return csum_rows[type].name;
}

int csum_by_name(const char *name, enum csum_type *ret_type)
{
	for (unsigned type = 0; type < CSUM_TYPES; type++) {
		if (strcasecmp(name, csum_rows[type].name) != 0 &&
		    strcasecmp(name, csum_rows[type].short_name) != 0)
			continue;
		*ret_type = (enum csum_type)type;
		return 0;
	}
	return THROW(ERR_INVALID, "unknown checksum %s: there are crc32c, xxhash, sha256, blake2",
		     name);
}

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len_bytes)
{
	/* ISA-L reads only, but its parameter is not const. */
	unsigned char *at = (unsigned char *)(uintptr_t)data;

	while (len_bytes > 0) {
		size_t step = MIN(len_bytes, CRC_STEP_BYTES);

		crc = crc32_iscsi(at, (int)step, crc);
		at += step;
		len_bytes -= step;
	}
	return crc;
}

static void gcrypt_hash(int algo, const void *data, size_t len_bytes,
			uint8_t ret_csum[CSUM_SIZE_MAX])
{
	int ret = pthread_once(&gcrypt_once, gcrypt_start);

	ASSERT(ret == 0);
	gcry_md_hash_buffer(algo, ret_csum, data, len_bytes);
}

/* Writes csum_size bytes. */
static void csum_write(enum csum_type type, const void *data, size_t len_bytes, uint8_t *ret_csum)
{
	switch (type) {
	case CSUM_CRC32C:
		store32(ret_csum, ~crc32c_update(UINT32_MAX, data, len_bytes));
		return;
	case CSUM_XXHASH:
		store64(ret_csum, XXH64(data, len_bytes, 0));
		return;
	case CSUM_SHA256:
		gcrypt_hash(GCRY_MD_SHA256, data, len_bytes, ret_csum);
		return;
	case CSUM_BLAKE2B:
		gcrypt_hash(GCRY_MD_BLAKE2B_256, data, len_bytes, ret_csum);
		return;
	case CSUM_TYPES:
		break;
	}
	ASSERT(!"a known checksum type");
}

void csum_compute(enum csum_type type, const void *data, size_t len_bytes,
		  uint8_t ret_csum[CSUM_SIZE_MAX])
{
	memset(ret_csum, 0, CSUM_SIZE_MAX);
	csum_write(type, data, len_bytes, ret_csum);
}

void csum_compute_sectors(enum csum_type type, const void *data, size_t nr_sectors,
			  size_t sector_bytes, uint8_t *ret_csums)
{
	const uint8_t *sector = data;
	uint32_t size = csum_size(type);

	for (size_t i = 0; i < nr_sectors; i++)
		csum_write(type, sector + i * sector_bytes, sector_bytes, ret_csums + i * size);
}
