/*
 * Random numbers: splitmix64 spreads the seed, xoshiro256** (Blackman and Vigna) runs. Owns
 * nothing, locks nothing.
 *
 * Invariant: the state is never all zero (splitmix64 yields zero for one of its inputs only).
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/rng.h"

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t rotate_left64(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

void rng_init(struct rng *rng, uint64_t seed)
{
	for (unsigned i = 0; i < ARRAY_LEN(rng->state); i++)
		rng->state[i] = splitmix64(&seed);
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t *s = rng->state;
	uint64_t result = rotate_left64(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left64(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
	uint64_t v, threshold;

	ASSERT(limit > 0);
	/*
	 * 2^64 mod limit values at the low end would make some results likelier: they are drawn
	 * again.
	 */
	threshold = -limit % limit;
	do {
		v = rng_next(rng);
	} while (v < threshold);
	return v % limit;
}

bool rng_one_in(struct rng *rng, uint64_t n)
{
	return rng_below(rng, n) == 0;
}

void rng_fill(struct rng *rng, void *data, size_t len_bytes)
{
	uint8_t *out = data;
	uint8_t word[8];

	for (size_t done = 0; done < len_bytes; done += sizeof(word)) {
		store64(word, rng_next(rng));
		memcpy(out + done, word, MIN(sizeof(word), len_bytes - done));
	}
}
