/*
 * The codecs behind compress.h: each offers one row of functions. Only compress.c calls them.
 *
 * A row's compress returns 0 and the length, or -ERR_COMPRESS_GREW without a sentence (the front
 * has one); its decompress returns 0 and how many bytes of out it filled (at most out_len), or an
 * error.
 */
#ifndef UBTRFS_CODEC_COMPRESS_PRIV_H
#define UBTRFS_CODEC_COMPRESS_PRIV_H

#include "codec/compress.h"

struct codec_ops {
	const char *name;
	int level_min, level_max, level_default;
	int (*new_state)(int level, uint32_t sector_bytes, void **ret_state);
	void (*free_state)(void *state);
	int (*compress)(void *state, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap,
			size_t *ret_len);
	int (*decompress)(uint32_t sector_bytes, const uint8_t *in, size_t in_len, uint8_t *out,
			  size_t out_len, size_t *ret_len);
};

extern const struct codec_ops zlib_codec_ops;
extern const struct codec_ops zstd_codec_ops;
#ifdef HAVE_LZO
extern const struct codec_ops lzo_codec_ops;
#endif

#endif
