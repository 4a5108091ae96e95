/*
 * Random numbers from a seed: xoshiro256** started by splitmix64. The state is explicit; equal
 * seeds give equal numbers on every host. Not for secrets.
 */
#ifndef UBTRFS_BASE_RNG_H
#define UBTRFS_BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct rng {
	uint64_t state[4];
};

void rng_init(struct rng *rng, uint64_t seed);

uint64_t rng_next(struct rng *rng);
/* 0..limit-1, each equally likely; limit > 0. */
uint64_t rng_below(struct rng *rng, uint64_t limit);
/* True one time in n. */
bool rng_one_in(struct rng *rng, uint64_t n);
void rng_fill(struct rng *rng, void *data, size_t len_bytes);

#endif
