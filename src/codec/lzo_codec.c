/*
 * lzo1x data by lzo2, in the framing of btrfs:
 *
 *     0     le32  length of all, this field included
 *     4           segments; each holds up to one sector of the input:
 *                 le32  length of what follows
 *                 ...   lzo1x
 *
 * Invariant: the length field of a segment does not cross a multiple of the sector size (counted
 * from 0 above): where less than 4 bytes are left, they are zero and the field stands behind. The
 * data of a segment may cross. After the last segment there is no padding; readers accept it.
 *
 * This file is all there is of LZO; a build without lzo2 (GPL-2.0-or-later) leaves it out.
 */
#include <lzo/lzo1x.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "codec/compress_priv.h"

#define FIELD_BYTES ((size_t)4)

struct lzo_state {
	uint32_t sector_bytes;
	uint8_t *bounce; /* of segment_max bytes */
	void *dictionary;
};

/* lzo1x makes incompressible input longer, by at most this. */
static size_t segment_max(uint32_t sector_bytes)
{
	return (size_t)sector_bytes + sector_bytes / 16 + 64 + 3;
}

/* Where a length field may stand, from `at` on. */
static size_t field_place(size_t at, uint32_t sector_bytes)
{
	size_t left = sector_bytes - at % sector_bytes;

	return left < FIELD_BYTES ? at + left : at;
}

static void lzo_free_state(void *state)
{
	struct lzo_state *lzo = state;

	mem_free(lzo->bounce);
	mem_free(lzo->dictionary);
	mem_free(lzo);
}

static int lzo_new_state(int level, uint32_t sector_bytes, void **ret_state)
{
	struct lzo_state *lzo;
	int ret = lzo_init();

	(void)level;
	ASSERT(ret == LZO_E_OK);
	lzo = mem_zalloc(sizeof(*lzo));
	if (!lzo)
		return MEM_FAIL("lzo compression");
	lzo->sector_bytes = sector_bytes;
	lzo->bounce = mem_alloc(segment_max(sector_bytes));
	lzo->dictionary = mem_alloc(LZO1X_1_12_MEM_COMPRESS);
	if (!lzo->bounce || !lzo->dictionary) {
		lzo_free_state(lzo);
		return MEM_FAIL("lzo compression");
	}
	*ret_state = lzo;
	return 0;
}

/* Compresses one segment to out at *at and moves *at behind it. */
static int segment_write(struct lzo_state *lzo, const uint8_t *in, size_t in_len, uint8_t *out,
			 size_t out_cap, size_t *at)
{
	size_t field = field_place(*at, lzo->sector_bytes);
	lzo_uint len = 0;
	int ret;

	/* lzo1x_1_compress knows no limit, so it writes to the bounce buffer. */
	ret = lzo1x_1_12_compress(in, in_len, lzo->bounce, &len, lzo->dictionary);
	ASSERT(ret == LZO_E_OK && len <= segment_max(lzo->sector_bytes));
	if (field + FIELD_BYTES + len > out_cap)
		return -ERR_COMPRESS_GREW;
	memset(out + *at, 0, field - *at);
	store32(out + field, (uint32_t)len);
	memcpy(out + field + FIELD_BYTES, lzo->bounce, len);
	*at = field + FIELD_BYTES + len;
	return 0;
}

static int lzo_compress(void *state, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap,
			size_t *ret_len)
{
	struct lzo_state *lzo = state;
	size_t at = FIELD_BYTES;

	for (size_t done = 0; done < in_len; done += lzo->sector_bytes) {
		size_t len = MIN(in_len - done, (size_t)lzo->sector_bytes);

		/* Without a sentence: the front has it. */
		if (segment_write(lzo, in + done, len, out, out_cap, &at) < 0)
			return -ERR_COMPRESS_GREW;
	}
	store32(out, (uint32_t)at);
	*ret_len = at;
	return 0;
}

/*
 * Decompresses one segment to the front of out, at most a sector. A segment that holds more than
 * out takes goes through a buffer, as lzo1x has no half results.
 */
static int segment_read(uint32_t sector_bytes, const uint8_t *in, size_t in_len, uint8_t *out,
			size_t out_len, size_t *ret_len)
{
	SCOPED_MEM uint8_t *bounce = NULL;
	uint8_t *to = out;
	lzo_uint len = sector_bytes;
	int ret;

	if (out_len < sector_bytes) {
		bounce = mem_alloc(sector_bytes);
		if (!bounce)
			return MEM_FAIL("lzo decompression");
		to = bounce;
	}
	ret = lzo1x_decompress_safe(in, in_len, to, &len, NULL);
	/* An empty segment would let a small input run through many rounds for nothing. */
	if (ret != LZO_E_OK || len == 0 || len > sector_bytes)
		return THROW(ERR_DECOMPRESS, "lzo segment of %zu bytes is damaged (lzo error %d)",
			     in_len, ret);
	len = MIN(len, (lzo_uint)out_len);
	if (bounce)
		memcpy(out, bounce, len);
	*ret_len = len;
	return 0;
}

static int lzo_decompress(uint32_t sector_bytes, const uint8_t *in, size_t in_len, uint8_t *out,
			  size_t out_len, size_t *ret_len)
{
	size_t total, at = FIELD_BYTES, filled = 0;

	if (in_len < FIELD_BYTES)
		return THROW(ERR_DECOMPRESS, "lzo data of %zu bytes has no length", in_len);
	total = load32(in);
	if (total < FIELD_BYTES || total > in_len)
		return THROW(ERR_DECOMPRESS, "lzo data says it has %zu bytes, there are %zu", total,
			     in_len);
	while (filled < out_len) {
		size_t field = field_place(at, sector_bytes);
		size_t len, got;

		if (field >= total)
			break;
		if (total - field < FIELD_BYTES)
			return THROW(ERR_DECOMPRESS, "lzo data ends inside a length at %zu", field);
		len = load32(in + field);
		if (len > total - field - FIELD_BYTES)
			return THROW(ERR_DECOMPRESS,
				     "lzo segment at %zu says it has %zu bytes of %zu", field, len,
				     total);
		TRY(segment_read(sector_bytes, in + field + FIELD_BYTES, len, out + filled,
				 out_len - filled, &got));
		filled += got;
		at = field + FIELD_BYTES + len;
	}
	*ret_len = filled;
	return 0;
}

const struct codec_ops lzo_codec_ops = {
	.name = "lzo",
	.level_min = 0,
	.level_max = 0,
	.level_default = 0,
	.new_state = lzo_new_state,
	.free_state = lzo_free_state,
	.compress = lzo_compress,
	.decompress = lzo_decompress,
};
