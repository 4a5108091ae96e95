/*
 * zstd frames by libzstd: one frame per piece, content size in its header, no checksum.
 *
 * Invariant: the window is at most 128 KiB, because the kernel reads no frame with a larger one;
 * the same bound holds when reading, so that a frame from disk cannot ask for more memory.
 *
 * Making a context for reading costs as much as reading a short frame, so a few are kept and given to
 * whoever reads next (idle, the one global of this file): a slot holds a context that nobody uses.
 */
#include <stdatomic.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "codec/compress_priv.h"

#define ZSTD_WINDOW_LOG 17
#define ZSTD_LEVEL_MAX 15
#define ZSTD_IDLE_MAX 16

_Static_assert(COMPRESS_PIECE_MAX == (size_t)1 << ZSTD_WINDOW_LOG, "a piece fits into the window");

static int zstd_new_state(int level, uint32_t sector_bytes, void **ret_state)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t failed;

	(void)sector_bytes;
	if (!context)
		return MEM_FAIL("zstd compression");
	failed = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
	ASSERT(!ZSTD_isError(failed));
	failed = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
	ASSERT(!ZSTD_isError(failed));
	*ret_state = context;
	return 0;
}

static void zstd_free_state(void *state)
{
	ZSTD_freeCCtx(state);
}

static int zstd_compress(void *state, const uint8_t *in, size_t in_len, uint8_t *out,
			 size_t out_cap, size_t *ret_len)
{
	size_t len = ZSTD_compress2(state, out, out_cap, in, in_len);

	/* What else can fail is memory: the first piece of a context allocates its tables. */
	if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation)
		return MEM_FAIL("zstd compression");
	if (ZSTD_isError(len))
		return -ERR_COMPRESS_GREW;
	*ret_len = len;
	return 0;
}

static ZSTD_DCtx *_Atomic idle[ZSTD_IDLE_MAX];

static ZSTD_DCtx *reader_take(void)
{
	ZSTD_DCtx *context;
	size_t failed;

	for (unsigned i = 0; i < ZSTD_IDLE_MAX; i++) {
		if (!atomic_load_explicit(&idle[i], memory_order_relaxed))
			continue;
		context = atomic_exchange(&idle[i], NULL);
		if (context)
			return context;
	}
	context = ZSTD_createDCtx();
	if (!context)
		return NULL;
	failed = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	ASSERT(!ZSTD_isError(failed));
	return context;
}

static void reader_give_back(ZSTD_DCtx *context)
{
	size_t failed = ZSTD_DCtx_reset(context, ZSTD_reset_session_only);

	ASSERT(!ZSTD_isError(failed));
	for (unsigned i = 0; i < ZSTD_IDLE_MAX; i++) {
		ZSTD_DCtx *none = NULL;

		if (atomic_compare_exchange_strong(&idle[i], &none, context))
			return;
	}
	ZSTD_freeDCtx(context);
}

/* One frame, or as much of it as out takes; each round takes input or gives output, so it ends. */
static int zstd_read_frame(ZSTD_DCtx *context, ZSTD_inBuffer *in, ZSTD_outBuffer *out)
{
	size_t left, in_before, out_before;

	while (out->pos < out->size) {
		in_before = in->pos;
		out_before = out->pos;
		left = ZSTD_decompressStream(context, out, in);
		if (ZSTD_isError(left))
			return THROW(ERR_DECOMPRESS, "zstd frame of at most %zu bytes: %s",
				     in->size, ZSTD_getErrorName(left));
		if (left == 0)
			return 0;
		if (in->pos == in_before && out->pos == out_before)
			return THROW(ERR_DECOMPRESS, "zstd frame does not end within %zu bytes",
				     in->size);
	}
	return 0;
}

static int zstd_decompress(uint32_t sector_bytes, const uint8_t *in, size_t in_len, uint8_t *out,
			   size_t out_len, size_t *ret_len)
{
	ZSTD_inBuffer from = { in, in_len, 0 };
	ZSTD_outBuffer to = { out, out_len, 0 };
	ZSTD_DCtx *context = reader_take();
	int ret;

	(void)sector_bytes;
	if (!context)
		return MEM_FAIL("zstd decompression");
	ret = zstd_read_frame(context, &from, &to);
	reader_give_back(context);
	if (ret < 0)
		return ret;
	*ret_len = to.pos;
	return 0;
}

const struct codec_ops zstd_codec_ops = {
	.name = "zstd",
	.level_min = -ZSTD_LEVEL_MAX,
	.level_max = ZSTD_LEVEL_MAX,
	.level_default = 3,
	.new_state = zstd_new_state,
	.free_state = zstd_free_state,
	.compress = zstd_compress,
	.decompress = zstd_decompress,
};
