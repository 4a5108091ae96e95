/*
 * --compress ALG[:LEVEL], for every command that stores new data. Keeps nothing.
 */
#include <string.h>

#include <ubtrfs/ubtrfs.h>

#include "base/bytes.h"
#include "cli/cli.h"

static const struct {
	const char *name;
	int id;
	unsigned max_level;
} known[] = {
	{ "no", UBTRFS_COMPRESS_NONE, 0 },    { "none", UBTRFS_COMPRESS_NONE, 0 },
	{ "zlib", UBTRFS_COMPRESS_ZLIB, 9 },  { "lzo", UBTRFS_COMPRESS_LZO, 0 },
	{ "zstd", UBTRFS_COMPRESS_ZSTD, 15 },
};

static int level_parse(const char *algorithm, const char *level, unsigned max, int *ret_level)
{
	uint64_t number;

	if (!max)
		return cli_error("option --compress: %s has no levels", algorithm);
	if (number_parse(level, &number) < 0 || number < 1 || number > max)
		return cli_error("option --compress: level '%s' of %s is not within 1..%u", level,
				 algorithm, max);
	*ret_level = (int)number;
	return 0;
}

int compress_option(const char *text, int *ret_compress, int *ret_level)
{
	size_t len = strcspn(text, ":");

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strlen(known[i].name) != len || strncmp(known[i].name, text, len) != 0)
			continue;
		*ret_compress = known[i].id;
		*ret_level = 0;
		return text[len] ? level_parse(known[i].name, text + len + 1, known[i].max_level,
					       ret_level) :
				   0;
	}
	return cli_error("option --compress: '%s' is not one of no, zlib, lzo, zstd, with an "
			 "optional :LEVEL",
			 text);
}
