/*
 * Sample data for tests of compression: each a function of its kind, seed and length.
 */
#ifndef UBTRFS_TEST_COMPRESS_SAMPLES_H
#define UBTRFS_TEST_COMPRESS_SAMPLES_H

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"

enum sample { SAMPLE_ZEROS, SAMPLE_TEXT, SAMPLE_RANDOM, SAMPLE_MIXED, SAMPLES };

static inline void sample_text(struct rng *rng, uint8_t *data, size_t len)
{
	static const char *const words[] = { "static ", "int ",	   "return ", "struct ",
					     "node",	"(",	   ")",	      ";\n\t",
					     "while ",	"buffer ", "->",      "len",
					     " = ",	"0x",	   "/* ",     " */" };
	size_t done = 0;

	while (done < len) {
		const char *word = words[rng_below(rng, ARRAY_LEN(words))];
		size_t take = MIN(strlen(word), len - done);

		memcpy(data + done, word, take);
		done += take;
		/* Names and numbers: what does not repeat. */
		if (done < len && rng_one_in(rng, 8))
			data[done++] = (uint8_t)('a' + rng_below(rng, 26));
	}
}

static inline void sample_fill(enum sample kind, uint64_t seed, uint8_t *data, size_t len)
{
	struct rng rng;
	size_t part;

	rng_init(&rng, seed);
	memset(data, 0, len);
	switch (kind) {
	case SAMPLE_TEXT:
		sample_text(&rng, data, len);
		return;
	case SAMPLE_RANDOM:
		rng_fill(&rng, data, len);
		return;
	case SAMPLE_MIXED:
		/* Pieces of random length of all kinds, zeros included. */
		for (size_t done = 0; done < len; done += part) {
			part = MIN(1 + rng_below(&rng, 3000), len - done);
			if (rng_one_in(&rng, 2))
				rng_fill(&rng, data + done, part);
			else if (rng_one_in(&rng, 2))
				sample_text(&rng, data + done, part);
		}
		return;
	case SAMPLE_ZEROS:
	case SAMPLES:
		return;
	}
}

#endif
