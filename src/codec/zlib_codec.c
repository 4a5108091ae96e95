/*
 * zlib streams (header, deflate, adler32) by libdeflate, whose output is the same on every CPU.
 *
 * A level of btrfs means "as small as zlib makes it at this level", and the libdeflate level that
 * does so soonest is taken. Measured on 16 MiB of Linux source in pieces of 128 KiB, one core;
 * ratio and MB/s:
 *
 *     level   zlib          libdeflate level taken
 *     1       0.255  142    1    0.232  280
 *     2       0.243  138    1
 *     3       0.235  122    1
 *     4       0.218  105    3    0.218  183
 *     5       0.209   82    5    0.209  147
 *     6       0.205   54    6    0.206  121
 *     7       0.204   47    7    0.204   90
 *     8       0.204   36    8    0.203   50
 *     9       0.203   33    9    0.203   50
 *
 * (libdeflate 2 gives 0.224 at 208 MB/s; 10 gives 0.197 at 12 MB/s, more than anybody who asks for
 * zlib waits.)
 */
#include <libdeflate.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "codec/compress_priv.h"

#define ZLIB_LEVEL_MAX 9

static const int deflate_levels[ZLIB_LEVEL_MAX + 1] = { 0, 1, 1, 1, 3, 5, 6, 7, 8, 9 };

static int zlib_new_state(int level, uint32_t sector_bytes, void **ret_state)
{
	struct libdeflate_compressor *compressor;

	(void)sector_bytes;
	ASSERT(level >= 1 && level <= ZLIB_LEVEL_MAX);
	compressor = libdeflate_alloc_compressor(deflate_levels[level]);
	if (!compressor)
		return MEM_FAIL("zlib compression");
	*ret_state = compressor;
	return 0;
}

static void zlib_free_state(void *state)
{
	libdeflate_free_compressor(state);
}

static int zlib_compress(void *state, const uint8_t *in, size_t in_len, uint8_t *out,
			 size_t out_cap, size_t *ret_len)
{
	size_t len = libdeflate_zlib_compress(state, in, in_len, out, out_cap);

	if (!len)
		return -ERR_COMPRESS_GREW;
	*ret_len = len;
	return 0;
}

/*
 * A stream that holds more than is asked for: libdeflate has no half results, so the whole piece
 * goes through a buffer. Nothing that btrfs wrote is longer than a piece.
 */
static int zlib_decompress_longer(struct libdeflate_decompressor *decompressor, const uint8_t *in,
				  size_t in_len, uint8_t *out, size_t out_len)
{
	SCOPED_MEM uint8_t *piece = NULL;
	size_t used, filled;

	if (out_len >= COMPRESS_PIECE_MAX)
		return THROW(ERR_DECOMPRESS, "zlib stream holds more than %zu bytes", out_len);
	piece = mem_alloc(COMPRESS_PIECE_MAX);
	if (!piece)
		return MEM_FAIL("zlib decompression");
	if (libdeflate_zlib_decompress_ex(decompressor, in, in_len, piece, COMPRESS_PIECE_MAX,
					  &used, &filled) ||
	    filled < out_len)
		return THROW(ERR_DECOMPRESS, "zlib stream of at most %zu bytes is damaged", in_len);
	memcpy(out, piece, out_len);
	return 0;
}

static int zlib_decompress(uint32_t sector_bytes, const uint8_t *in, size_t in_len, uint8_t *out,
			   size_t out_len, size_t *ret_len)
{
	struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
	enum libdeflate_result result;
	size_t used, filled = out_len;
	int ret = 0;

	(void)sector_bytes;
	if (!decompressor)
		return MEM_FAIL("zlib decompression");
	/* The stream ends where it says, so what pads the last sector is no trouble. */
	result = libdeflate_zlib_decompress_ex(decompressor, in, in_len, out, out_len, &used,
					       &filled);
	if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
		filled = out_len;
		ret = zlib_decompress_longer(decompressor, in, in_len, out, out_len);
	} else if (result != LIBDEFLATE_SUCCESS) {
		ret = THROW(ERR_DECOMPRESS, "zlib stream of at most %zu bytes is damaged", in_len);
	}
	libdeflate_free_decompressor(decompressor);
	if (ret < 0)
		return ret;
	*ret_len = filled;
	return 0;
}

const struct codec_ops zlib_codec_ops = {
	.name = "zlib",
	.level_min = 0,
	.level_max = ZLIB_LEVEL_MAX,
	.level_default = 3,
	.new_state = zlib_new_state,
	.free_state = zlib_free_state,
	.compress = zlib_compress,
	.decompress = zlib_decompress,
};
