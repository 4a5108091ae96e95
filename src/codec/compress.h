/*
 * Compression of file data: one front over the three codecs.
 *
 * Compressing needs a workspace, which belongs to one thread at a time and is reused for many
 * pieces; the result depends on the input, the level and the sector size only. Decompressing
 * allocates what it needs, accepts any bytes, and never writes beyond what it was given.
 * sector_bytes is the filesystem's sector size: the lzo framing depends on it.
 */
#ifndef UBTRFS_CODEC_COMPRESS_H
#define UBTRFS_CODEC_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The numbers are those on disk. */
enum compress_type { COMPRESS_NONE, COMPRESS_ZLIB, COMPRESS_LZO, COMPRESS_ZSTD, COMPRESS_TYPES };

/* The most that one extent holds before and after compression. */
#define COMPRESS_PIECE_MAX ((size_t)128 << 10)

struct compress_workspace;

bool compress_type_known(uint64_t type);
/* "none", "zlib", "lzo", "zstd" */
const char *compress_name(enum compress_type type);

/*
 * type is not COMPRESS_NONE; level one that the type has (0: the default). ERR_UNSUPPORTED for lzo in a
 * build without it.
 */
int compress_new_workspace(enum compress_type type, int level, uint32_t sector_bytes,
			   struct compress_workspace **ret_workspace) must_check;
/* NULL is allowed. */
void compress_free_workspace(struct compress_workspace *workspace);

/*
 * 0 < in_len <= COMPRESS_PIECE_MAX. ERR_COMPRESS_GREW when the result does not fit into out_cap,
 * which is the usual way to say "not worth it"; out is then undefined.
 */
int compress_run(struct compress_workspace *workspace, const void *in, size_t in_len, void *out,
		 size_t out_cap, size_t *ret_len) must_check;

/*
 * Fills out with exactly out_len bytes; a stream that ends early leaves the rest zero, and what it
 * has beyond is not read. in may be padded after the end of the stream. ERR_DECOMPRESS for damaged
 * input, ERR_UNSUPPORTED for lzo in a build without it. On failure out is undefined.
 */
int decompress_run(enum compress_type type, uint32_t sector_bytes, const void *in, size_t in_len,
		   void *out, size_t out_len) must_check;

#endif
