/*
 * csum_algo: published vectors of each checksum, names, sectors; name_hash: vectors of the
 * hashes in keys.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "codec/csum_algo.h"
#include "codec/name_hash.h"

static const uint8_t sha256_abc[32] = {
	0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
	0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
	0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static const uint8_t blake2b_abc[32] = {
	0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
	0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
	0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19,
};

static void test_csum_algo__published_vectors(void **state)
{
	uint8_t csum[CSUM_SIZE_MAX];

	(void)state;
	csum_compute(CSUM_CRC32C, "123456789", 9, csum);
	assert_int_equal(load32(csum), 0xe3069283);
	csum_compute(CSUM_XXHASH, "", 0, csum);
	assert_int_equal(load64(csum), 0xef46db3751d8e999ULL);
	csum_compute(CSUM_XXHASH, "abc", 3, csum);
	assert_int_equal(load64(csum), 0x44bc2cf5ad770999ULL);
	csum_compute(CSUM_SHA256, "abc", 3, csum);
	assert_memory_equal(csum, sha256_abc, 32);
	csum_compute(CSUM_BLAKE2B, "abc", 3, csum);
	assert_memory_equal(csum, blake2b_abc, 32);
}

static void test_csum_algo__rest_is_zero(void **state)
{
	const uint8_t zeros[CSUM_SIZE_MAX] = { 0 };
	uint8_t csum[CSUM_SIZE_MAX];

	(void)state;
	for (unsigned type = 0; type < CSUM_TYPES; type++) {
		uint32_t size = csum_size((enum csum_type)type);

		memset(csum, 0xff, sizeof(csum));
		csum_compute((enum csum_type)type, "abc", 3, csum);
		assert_memory_equal(csum + size, zeros, CSUM_SIZE_MAX - size);
	}
}

static void test_csum_algo__crc_is_bare_and_continues(void **state)
{
	uint32_t whole = crc32c_update(UINT32_MAX, "123456789", 9);

	(void)state;
	assert_int_equal(whole, ~0xe3069283U);
	assert_int_equal(crc32c_update(crc32c_update(UINT32_MAX, "1234", 4), "56789", 5), whole);
	assert_int_equal(crc32c_update(7, "", 0), 7);
}

static void test_csum_algo__sectors_are_packed(void **state)
{
	uint8_t data[3 * 512], csums[3 * CSUM_SIZE_MAX], one[CSUM_SIZE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 3);
	for (unsigned type = 0; type < CSUM_TYPES; type++) {
		uint32_t size = csum_size((enum csum_type)type);

		csum_compute_sectors((enum csum_type)type, data, 3, 512, csums);
		for (size_t i = 0; i < 3; i++) {
			csum_compute((enum csum_type)type, data + i * 512, 512, one);
			assert_memory_equal(csums + i * size, one, size);
		}
	}
}

static void test_csum_algo__names(void **state)
{
	enum csum_type type = CSUM_CRC32C;

	(void)state;
	for (unsigned i = 0; i < CSUM_TYPES; i++) {
		assert_int_equal(csum_by_name(csum_name((enum csum_type)i), &type), 0);
		assert_int_equal(type, i);
	}
	assert_string_equal(csum_name(CSUM_XXHASH), "xxhash64");
	assert_int_equal(csum_by_name("xxhash", &type), 0);
	assert_int_equal(type, CSUM_XXHASH);
	assert_int_equal(csum_by_name("BLAKE2", &type), 0);
	assert_int_equal(type, CSUM_BLAKE2B);
	assert_int_equal(csum_by_name("md5", &type), -ERR_INVALID);
	assert_int_equal(csum_by_name("", &type), -ERR_INVALID);
	assert_int_equal(type, CSUM_BLAKE2B);
	assert_true(csum_type_known(3));
	assert_false(csum_type_known(4));
}

static void *hash_in_thread(void *arg)
{
	csum_compute(CSUM_SHA256, "abc", 3, arg);
	return NULL;
}

static void test_csum_algo__first_use_from_several_threads(void **state)
{
	uint8_t csums[4][CSUM_SIZE_MAX];
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_in_thread, csums[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_memory_equal(csums[i], sha256_abc, 32);
	}
}

static void test_name_hash__vectors(void **state)
{
	(void)state;
	assert_int_equal(name_hash("default", 7), 0x8dbfc2d2);
	assert_int_equal(extref_hash(256, "file-0001", 9), 0x0c5e959e);
	/* Only the low half of the directory's number is in it. */
	assert_int_equal(extref_hash(0x123456789abcULL, "x", 1), 0x0441c941);
	assert_int_equal(hash_extent_data_ref(5, 257, 8192), 0x0dfb591f95561657ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: nothing has started libgcrypt yet. */
		cmocka_unit_test(test_csum_algo__first_use_from_several_threads),
		cmocka_unit_test(test_csum_algo__published_vectors),
		cmocka_unit_test(test_csum_algo__rest_is_zero),
		cmocka_unit_test(test_csum_algo__crc_is_bare_and_continues),
		cmocka_unit_test(test_csum_algo__sectors_are_packed),
		cmocka_unit_test(test_csum_algo__names),
		cmocka_unit_test(test_name_hash__vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
