/*
 * UUIDs: random ones, and ones derived from another so that equal input gives equal images.
 */
#ifndef UBTRFS_OPS_UUID_DERIVE_H
#define UBTRFS_OPS_UUID_DERIVE_H

#include <stdint.h>

#include "base/err.h"

int uuid_random(uint8_t ret_uuid[16]) must_check;
/*
 * A version 8 UUID (RFC 9562: of one's own making) from the SHA-256 of the base, the purpose and
 * a number.
 */
void uuid_derive(const uint8_t base[16], const char *purpose, uint64_t number,
		 uint8_t ret_uuid[16]);

#endif
