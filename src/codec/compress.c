/*
 * The front of compression: names and levels, workspaces, the padding with zeros. Owns the
 * workspace and the state of its codec; takes no lock.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static bool word_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

static int type_by_name(const char *text, size_t len, enum compress_type *ret_type)
{
	if (word_is(text, len, "no")) {
		*ret_type = COMPRESS_NONE;
		return 0;
	}
	for (unsigned type = 0; type < COMPRESS_TYPES; type++) {
		if (!word_is(text, len, compress_names[type]))
			continue;
		*ret_type = (enum compress_type)type;
		return 0;
	}
	return THROW(ERR_INVALID, "unknown compression %s: there are zlib, lzo, zstd, none", text);
}

/* text is the whole of "zstd:5", digits what follows the colon. */
static int level_parse(const char *text, const char *digits, const struct codec_ops *ops,
		       int *ret_level)
{
	char *end;
	long level;

	if (ops->level_min == ops->level_max)
		return THROW(ERR_INVALID, "compression %s: %s has no levels", text, ops->name);
	errno = 0;
	level = strtol(digits, &end, 10);
	if (errno || end == digits || *end || level < ops->level_min || level > ops->level_max)
		return THROW(ERR_INVALID, "compression %s: the levels of %s are %d to %d", text,
			     ops->name, ops->level_min, ops->level_max);
	*ret_level = level ? (int)level : ops->level_default;
	return 0;
}

int compress_parse(const char *text, enum compress_type *ret_type, int *ret_level)
{
	const char *colon = strchrnul(text, ':');
	const struct codec_ops *ops;
	enum compress_type type;
	int level;

	TRY(type_by_name(text, (size_t)(colon - text), &type));
	if (type == COMPRESS_NONE) {
		if (*colon)
			return THROW(ERR_INVALID, "compression %s: no compression has no levels",
				     text);
		level = 0;
	} else {
		TRY(codec_find(type, &ops));
		level = ops->level_default;
		if (*colon)
			TRY(level_parse(text, colon + 1, ops, &level));
	}
	*ret_type = type;
	*ret_level = level;
	return 0;
}

int compress_new_workspace(enum compress_type type, int level, uint32_t sector_bytes,
			   struct compress_workspace **ret_workspace)
{
	struct compress_workspace *workspace;
	const struct codec_ops *ops;
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
	const struct codec_ops *ops;
	size_t filled = 0;

	ASSERT(is_pow2(sector_bytes) && sector_bytes >= 512);
	TRY(codec_find(type, &ops));
	TRY(ops->decompress(sector_bytes, in, in_len, out, out_len, &filled));
	ASSERT(filled <= out_len);
	memset((uint8_t *)out + filled, 0, out_len - filled);
	return 0;
}
