/*
 * The streams themselves: what other programs wrote is read; the frame has the form that the kernel
 * reads; truncated, flipped and random input is an error or wrong data, never a crash (all buffers
 * are of exact size, for the sanitizer).
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "codec/compress.h"
#include "codec/compress_samples.h"

#define SECTOR 4096

static const enum compress_type types[] = {
	COMPRESS_ZLIB,
	COMPRESS_ZSTD,
#ifdef HAVE_LZO
	COMPRESS_LZO,
#endif
};

/* "btrfs in user space, " twenty times, by zlib 1.2.13 level 6. */
static const uint8_t zlib_foreign[] = {
	0x78, 0x9c, 0x4b, 0x2a, 0x29, 0x4a, 0x2b, 0x56, 0xc8, 0xcc, 0x53, 0x28,
	0x2d, 0x4e, 0x2d, 0x52, 0x28, 0x2e, 0x48, 0x4c, 0x4e, 0xd5, 0x51, 0x48,
	0x1a, 0x15, 0x1c, 0x4c, 0x82, 0x00, 0xa4, 0xf4, 0x94, 0xad,
};

/* The same by zstd 1.5.4, from a pipe: no content size, a window of 2^17. */
static const uint8_t zstd_foreign[] = {
	0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38, 0xe5, 0x00, 0x00, 0xa8, 0x62, 0x74, 0x72,
	0x66, 0x73, 0x20, 0x69, 0x6e, 0x20, 0x75, 0x73, 0x65, 0x72, 0x20, 0x73, 0x70,
	0x61, 0x63, 0x65, 0x2c, 0x20, 0x01, 0x00, 0x19, 0x51, 0x9d, 0x4c,
};

static void check_foreign(enum compress_type type, const uint8_t *stream, size_t len)
{
	const char *phrase = "btrfs in user space, ";
	char out[420];

	assert_int_equal(decompress_run(type, SECTOR, stream, len, out, sizeof(out)), 0);
	for (size_t i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], phrase[i % 21]);
}

static void test_codec_stream__foreign_streams_are_read(void **state)
{
	(void)state;
	check_foreign(COMPRESS_ZLIB, zlib_foreign, sizeof(zlib_foreign));
	check_foreign(COMPRESS_ZSTD, zstd_foreign, sizeof(zstd_foreign));
}

/*
 * The kernel refuses a frame with a window over 128 KiB, and its memory would be the input's
 * choice.
 */
static void test_codec_stream__zstd_window_is_bounded(void **state)
{
	uint8_t frame[sizeof(zstd_foreign)];
	char out[420];

	(void)state;
	memcpy(frame, zstd_foreign, sizeof(frame));
	frame[5] = 0x68; /* 2^23 */
	assert_int_equal(decompress_run(COMPRESS_ZSTD, SECTOR, frame, sizeof(frame), out,
					sizeof(out)),
			 -ERR_DECOMPRESS);
}

/* The largest piece compressed; the caller frees it. */
static uint8_t *pack(enum compress_type type, int level, enum sample kind, size_t in_len,
		     size_t *ret_len)
{
	struct compress_workspace *workspace;
	uint8_t *in = mem_alloc(in_len), *out = mem_alloc(2 * in_len + 100), *exact;
	size_t len = 0;

	assert_non_null(in);
	assert_non_null(out);
	sample_fill(kind, 1, in, in_len);
	assert_int_equal(compress_new_workspace(type, level, SECTOR, &workspace), 0);
	assert_int_equal(compress_run(workspace, in, in_len, out, 2 * in_len + 100, &len), 0);
	exact = mem_dup(out, len);
	assert_non_null(exact);
	compress_free_workspace(workspace);
	mem_free(in);
	mem_free(out);
	*ret_len = len;
	return exact;
}

static void test_codec_stream__zlib_header(void **state)
{
	uint8_t *stream;
	size_t len;

	(void)state;
	for (int level = 1; level <= 9; level++) {
		stream = pack(COMPRESS_ZLIB, level, SAMPLE_TEXT, 20000, &len);
		assert_int_equal(stream[0], 0x78);
		assert_int_equal((stream[0] << 8 | stream[1]) % 31, 0);
		assert_int_equal(stream[1] & 0x20, 0); /* no dictionary */
		mem_free(stream);
	}
}

/* Single segment (so the window is the content), content size there, no checksum, no dictionary. */
static void test_codec_stream__zstd_header(void **state)
{
	const int levels[] = { -15, -1, 1, 3, 15 };
	uint8_t *frame;
	size_t len;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		frame = pack(COMPRESS_ZSTD, levels[i], SAMPLE_TEXT, COMPRESS_PIECE_MAX, &len);
		assert_int_equal(load32(frame), 0xfd2fb528);
		assert_int_equal(frame[4], 0xa0); /* four bytes of content size; single segment */
		assert_int_equal(load32(frame + 5), COMPRESS_PIECE_MAX);
		mem_free(frame);
	}
}

#ifdef HAVE_LZO

/*
 * Walks the framing with arithmetic of its own; returns how many times a length field had to be
 * moved on.
 */
static unsigned check_lzo_framing(const uint8_t *data, size_t len, size_t nr_segments)
{
	size_t at = 4;
	unsigned nr_moved = 0;

	assert_int_equal(load32(data), len);
	for (size_t i = 0; i < nr_segments; i++) {
		if (at / SECTOR != (at + 3) / SECTOR) {
			for (; at % SECTOR; at++)
				assert_int_equal(data[at], 0);
			nr_moved++;
		}
		assert_true(at + 4 <= len);
		at += 4 + load32(data + at);
	}
	assert_int_equal(at, len);
	return nr_moved;
}

static void test_codec_stream__lzo_framing(void **state)
{
	static uint8_t in[COMPRESS_PIECE_MAX], data[2 * COMPRESS_PIECE_MAX],
		out[COMPRESS_PIECE_MAX];
	struct compress_workspace *workspace;
	unsigned nr_moved = 0;
	size_t len = 0;

	(void)state;
	assert_int_equal(compress_new_workspace(COMPRESS_LZO, 0, SECTOR, &workspace), 0);
	for (unsigned seed = 0; seed < 300; seed++) {
		size_t in_len = sizeof(in) - seed * 100;

		sample_fill(SAMPLE_MIXED, seed, in, in_len);
		assert_int_equal(compress_run(workspace, in, in_len, data, sizeof(data), &len), 0);
		nr_moved += check_lzo_framing(data, len, div_up(in_len, SECTOR));
		assert_int_equal(decompress_run(COMPRESS_LZO, SECTOR, data, len, out, in_len), 0);
		assert_memory_equal(in, out, in_len);
	}
	/* The case is there at all. */
	assert_in_range(nr_moved, 1, 100000);
	compress_free_workspace(workspace);
}

static void test_codec_stream__lzo_sector_size_shapes_the_frame(void **state)
{
	static uint8_t in[COMPRESS_PIECE_MAX], data[2 * COMPRESS_PIECE_MAX],
		out[COMPRESS_PIECE_MAX];
	size_t len = 0;

	(void)state;
	sample_fill(SAMPLE_MIXED, 5, in, sizeof(in));
	for (uint32_t sector = 4096; sector <= 65536; sector *= 2) {
		struct compress_workspace *workspace;

		assert_int_equal(compress_new_workspace(COMPRESS_LZO, 0, sector, &workspace), 0);
		assert_int_equal(compress_run(workspace, in, sizeof(in), data, sizeof(data), &len),
				 0);
		assert_int_equal(decompress_run(COMPRESS_LZO, sector, data, len, out, sizeof(out)),
				 0);
		assert_memory_equal(in, out, sizeof(in));
		compress_free_workspace(workspace);
	}
}

/* Lengths that lie: nothing beyond the input is read, and empty segments do not spin. */
static void test_codec_stream__lzo_lying_lengths_are_refused(void **state)
{
	const uint8_t frames[][12] = {
		{ 0 },					 /* total 0 */
		{ 3 },					 /* total inside itself */
		{ 13 },					 /* total beyond the input */
		{ 6, 0, 0, 0, 1 },			 /* ends inside a segment's length */
		{ 12, 0, 0, 0, 5 },			 /* segment beyond the total */
		{ 12, 0, 0, 0, 0 },			 /* empty segment */
		{ 11, 0, 0, 0, 3, 0, 0, 0, 0x11 },	 /* a segment that holds nothing */
		{ 12, 0, 0, 0, 0xff, 0xff, 0xff, 0xff }, /* 4 GiB */
	};
	uint8_t out[100];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(frames); i++) {
		uint8_t *exact = mem_dup(frames[i], sizeof(frames[i]));

		assert_non_null(exact);
		assert_int_equal(decompress_run(COMPRESS_LZO, SECTOR, exact, sizeof(frames[i]), out,
						sizeof(out)),
				 -ERR_DECOMPRESS);
		mem_free(exact);
	}
}

#endif

/* Damaged input in a block of its exact size: an error, or some data. */
static int unpack_copy(enum compress_type type, const uint8_t *data, size_t len, size_t out_len)
{
	uint8_t *exact = mem_dup(data, len), *out = mem_alloc(out_len);
	int ret;

	assert_non_null(exact);
	assert_non_null(out);
	ret = decompress_run(type, SECTOR, exact, len, out, out_len);
	assert_true(ret == 0 || ret == -ERR_DECOMPRESS);
	mem_free(exact);
	mem_free(out);
	return ret;
}

static void test_codec_stream__truncated_is_an_error(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		size_t len;
		uint8_t *data = pack(types[i], 0, SAMPLE_MIXED, 12000, &len);

		for (size_t cut = 0; cut < len; cut += cut < 100 || cut + 100 > len ? 1 : 37)
			assert_int_equal(unpack_copy(types[i], data, cut, 12000), -ERR_DECOMPRESS);
		assert_int_equal(unpack_copy(types[i], data, len, 12000), 0);
		mem_free(data);
	}
}

static void test_codec_stream__flipped_bits_do_not_crash(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 10);
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		size_t len, out_len;
		uint8_t *data = pack(types[i], 0, SAMPLE_MIXED, 12000, &len);

		for (unsigned round = 0; round < 2000; round++) {
			/* Half of the flips in the first bytes, where the lengths are. */
			size_t at = rng_below(&rng, round % 2 ? len : 40);
			uint8_t before = data[at];

			data[at] ^= (uint8_t)(1 + rng_below(&rng, 255));
			out_len = 1 + rng_below(&rng, 24000);
			(void)unpack_copy(types[i], data, len, out_len);
			data[at] = before;
		}
		mem_free(data);
	}
}

static void test_codec_stream__random_input_does_not_crash(void **state)
{
	uint8_t data[600];
	struct rng rng;

	(void)state;
	rng_init(&rng, 11);
	for (unsigned round = 0; round < 3000; round++) {
		size_t len = rng_below(&rng, sizeof(data));
		enum compress_type type = types[round % ARRAY_LEN(types)];

		rng_fill(&rng, data, sizeof(data));
		/* A right beginning, so that the body is reached. */
		if (type == COMPRESS_ZLIB) {
			memcpy(data, "\x78\x9c", 2);
		} else if (type == COMPRESS_ZSTD) {
			memcpy(data, zstd_foreign, 4);
		} else if (len > 8) {
			store32(data, (uint32_t)len);
			memset(data + 6, 0, 2);
		}
		(void)unpack_copy(type, data, len, 1 + rng_below(&rng, 5000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_stream__foreign_streams_are_read),
		cmocka_unit_test(test_codec_stream__zstd_window_is_bounded),
		cmocka_unit_test(test_codec_stream__zlib_header),
		cmocka_unit_test(test_codec_stream__zstd_header),
#ifdef HAVE_LZO
		cmocka_unit_test(test_codec_stream__lzo_framing),
		cmocka_unit_test(test_codec_stream__lzo_sector_size_shapes_the_frame),
		cmocka_unit_test(test_codec_stream__lzo_lying_lengths_are_refused),
#endif
		cmocka_unit_test(test_codec_stream__truncated_is_an_error),
		cmocka_unit_test(test_codec_stream__flipped_bits_do_not_crash),
		cmocka_unit_test(test_codec_stream__random_input_does_not_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
