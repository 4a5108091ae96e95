/*
 * UUIDs, random or derived.
 */
#include "ops/uuid_derive.h"

#include <string.h>
#include <uuid/uuid.h>

#include "base/bytes.h"
#include "codec/csum_algo.h"

#define PURPOSE_MAX 40

int uuid_random(uint8_t ret_uuid[16])
{
	uuid_generate_random(ret_uuid);
	return 0;
}

void uuid_derive(const uint8_t base[16], const char *purpose, uint64_t number, uint8_t ret_uuid[16])
{
	uint8_t input[16 + PURPOSE_MAX + 8] = { 0 };
	uint8_t hash[32];

	memcpy(input, base, 16);
	memcpy(input + 16, purpose, MIN(strlen(purpose), (size_t)PURPOSE_MAX));
	store64(input + 16 + PURPOSE_MAX, number);
	csum_compute(CSUM_SHA256, input, sizeof(input), hash);
	memcpy(ret_uuid, hash, 16);
	ret_uuid[6] = (uint8_t)((ret_uuid[6] & 0x0f) | 0x80);
	ret_uuid[8] = (uint8_t)((ret_uuid[8] & 0x3f) | 0x80);
}
