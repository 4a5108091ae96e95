/*
 * The front of compression: names, workspaces, the padding with zeros. Owns the
 * workspace and the state of its codec; takes no lock.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "codec/compress.h"
#include "codec/compress_priv.h"

struct compress_workspace {
	const struct codec_ops *ops;
	void *state;
};

/* In the order of the numbers on disk; a codec that was not built in has no row. */
static const struct codec_ops *const codecs[COMPRESS_TYPES] = {
	[COMPRESS_ZLIB] = &zlib_codec_ops,
#ifdef HAVE_LZO
	[COMPRESS_LZO] = &lzo_codec_ops,
#endif
	[COMPRESS_ZSTD] = &zstd_codec_ops,
};

static const char *const compress_names[COMPRESS_TYPES] = {
	[COMPRESS_NONE] = "none",
	[COMPRESS_ZLIB] = "zlib",
	[COMPRESS_LZO] = "lzo",
	[COMPRESS_ZSTD] = "zstd",
};

bool compress_type_known(uint64_t type)
{
	return type < COMPRESS_TYPES;
}

const char *compress_name(enum compress_type type)
{
	ASSERT(type < COMPRESS_TYPES);
	return compress_names[type];
}

static int codec_find(enum compress_type type, const struct codec_ops **ret_ops)
{
	ASSERT(type > COMPRESS_NONE && type < COMPRESS_TYPES);
	if (!codecs[type])
		return THROW(ERR_UNSUPPORTED, "%s compression: not in this build",
			     compress_names[type]);
	*ret_ops = codecs[type];
	return 0;
}

int compress_new_workspace(enum compress_type type, int level, uint32_t sector_bytes,
			   struct compress_workspace **ret_workspace)
{
	struct compress_workspace *workspace;
	const struct codec_ops *ops = NULL;
	int ret;

	ASSERT(is_pow2(sector_bytes) && sector_bytes >= 512);
	TRY(codec_find(type, &ops));
	if (!level)
		level = ops->level_default;
	ASSERT(level >= ops->level_min && level <= ops->level_max);
	workspace = mem_zalloc(sizeof(*workspace));
	if (!workspace)
		return MEM_FAIL("a compression workspace");
	ret = ops->new_state(level, sector_bytes, &workspace->state);
	if (ret < 0) {
		mem_free(workspace);
		return ret;
	}
	workspace->ops = ops;
	*ret_workspace = workspace;
	return 0;
}

void compress_free_workspace(struct compress_workspace *workspace)
{
	if (!workspace)
		return;
	workspace->ops->free_state(workspace->state);
	mem_free(workspace);
}

int compress_run(struct compress_workspace *workspace, const void *in, size_t in_len, void *out,
		 size_t out_cap, size_t *ret_len)
{
	const struct codec_ops *ops = workspace->ops;
	size_t len = 0;
	int ret;

	ASSERT(in_len > 0 && in_len <= COMPRESS_PIECE_MAX);
	ret = ops->compress(workspace->state, in, in_len, out, out_cap, &len);
	if (ret == -ERR_COMPRESS_GREW)
		return THROW(ERR_COMPRESS_GREW, "%s does not bring %zu bytes into %zu", ops->name,
			     in_len, out_cap);
	if (ret < 0)
		return ret;
	ASSERT(len > 0 && len <= out_cap);
	*ret_len = len;
	return 0;
}

int decompress_run(enum compress_type type, uint32_t sector_bytes, const void *in, size_t in_len,
		   void *out, size_t out_len)
{
	const struct codec_ops *ops = NULL;
	size_t filled = 0;

	ASSERT(is_pow2(sector_bytes) && sector_bytes >= 512);
	TRY(codec_find(type, &ops));
	TRY(ops->decompress(sector_bytes, in, in_len, out, out_len, &filled));
	ASSERT(filled <= out_len);
	memset((uint8_t *)out + filled, 0, out_len - filled);
	return 0;
}
