/*
 * Compressed streams: a byte for the codec, two for the length wanted, the stream. lzo first of
 * all, whose framing is ours.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/log.h"
#include "codec/compress.h"

FUZZ_TARGET(stream)
{
	static const uint32_t sectors[4] = { 4096, 4096, 16384, 65536 };
	size_t out_len;
	uint8_t *out;

	log_set_level(LOG_LEVEL_NONE);
	if (len < 3)
		return 0;
	out_len = 1 + ((size_t)in[1] | (size_t)in[2] << 8) * 2;
	/* Of its own size, so that one byte beyond is seen. */
	out = malloc(out_len);
	if (!out)
		abort();
	(void)!decompress_run(in[0] & 8 ? (enum compress_type)(1 + in[0] % 3) : COMPRESS_LZO,
			      sectors[in[0] >> 4 & 3], in + 3, len - 3, out, out_len);
	free(out);
	return 0;
}
