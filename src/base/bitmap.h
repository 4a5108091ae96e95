/*
 * A dense array of bits, in words of 64. Ranges outside the bitmap are our own mistake (asserted).
 * Locks nothing.
 *
 * Invariant: the bits of the last word beyond nr_bits are zero.
 */
#ifndef UBTRFS_BASE_BITMAP_H
#define UBTRFS_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bitmap {
	uint64_t *words;
	size_t nr_bits;
};

/* All zero. */
int bitmap_init(struct bitmap *bitmap, size_t nr_bits) must_check;
void bitmap_fini(struct bitmap *bitmap);

bool bitmap_test(const struct bitmap *bitmap, size_t bit);
void bitmap_set(struct bitmap *bitmap, size_t first, size_t nr);
void bitmap_clear(struct bitmap *bitmap, size_t first, size_t nr);

/* The first set (zero) bit at or after from; nr_bits when there is none. from may be nr_bits. */
size_t bitmap_next_set(const struct bitmap *bitmap, size_t from);
size_t bitmap_next_zero(const struct bitmap *bitmap, size_t from);

/* True for an empty range. */
bool bitmap_all_set(const struct bitmap *bitmap, size_t first, size_t nr);
bool bitmap_all_zero(const struct bitmap *bitmap, size_t first, size_t nr);

/* Number of set bits in the range. */
size_t bitmap_count(const struct bitmap *bitmap, size_t first, size_t nr);

/* Start of the first run of nr zero bits at or after from; nr_bits when there is none. nr > 0. */
size_t bitmap_find_zeros(const struct bitmap *bitmap, size_t from, size_t nr);

bool bitmap_invariant(const struct bitmap *bitmap);

#endif
