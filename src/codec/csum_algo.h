/*
 * Checksums: the four algorithms that btrfs knows, as bytes to be stored. Pure functions, safe from
 * any thread.
 *
 * crc32c_update is the bare CRC without inversion at either end; csum_compute is what stands on
 * disk.
 */
#ifndef UBTRFS_CODEC_CSUM_ALGO_H
#define UBTRFS_CODEC_CSUM_ALGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The numbers are those on disk. */
enum csum_type { CSUM_CRC32C, CSUM_XXHASH, CSUM_SHA256, CSUM_BLAKE2B, CSUM_TYPES };

#define CSUM_SIZE_MAX 32

/* Is it a number that csum_type may have? For numbers from disk. */
bool csum_type_known(uint64_t type);
/* Bytes that are stored: 4, 8, 32, 32. */
uint32_t csum_size(enum csum_type type);
/* "crc32c", "xxhash64", "sha256", "blake2b" */
const char *csum_name(enum csum_type type);
/*
 * Accepts these names, "xxhash" and "blake2", without regard to case. ERR_INVALID names the ones
 * there are.
 */
int csum_by_name(const char *name, enum csum_type *ret_type) must_check;

/* The rest of ret_csum after csum_size is zero. */
void csum_compute(enum csum_type type, const void *data, size_t len_bytes,
		  uint8_t ret_csum[CSUM_SIZE_MAX]);
/* One checksum per sector, csum_size bytes each, back to back. */
void csum_compute_sectors(enum csum_type type, const void *data, size_t nr_sectors,
			  size_t sector_bytes, uint8_t *ret_csums);

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len_bytes);

#endif
