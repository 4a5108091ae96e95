/*
 * free_index: a set of disjoint free extents, kept joined.
 *
 * One balanced tree by address; each node knows the longest extent below it, so that the lowest and
 * the highest extent that hold a length are found on one way down. Owns its extents, locks nothing.
 */
#ifndef UBTRFS_SPACE_FREE_INDEX_H
#define UBTRFS_SPACE_FREE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct free_extent;

struct free_index {
	struct free_extent *root;
	uint64_t free_bytes;
	size_t nr_extents;
};

void free_index_init(struct free_index *index);
void free_index_fini(struct free_index *index);

/* Adds a free range; joins neighbours. Overlap with free space, or an empty range: ERR_CORRUPT. */
int free_index_add(struct free_index *index, uint64_t addr, uint64_t len) must_check;
/*
 * Takes exactly this range out. Not wholly free: ERR_CORRUPT. Allocates only when the range has
 * free space on both sides.
 */
int free_index_take(struct free_index *index, uint64_t addr, uint64_t len) must_check;
/* Takes out whatever is free in the range; ERR_NO_MEMORY leaves a part of it in. */
int free_index_cut(struct free_index *index, uint64_t addr, uint64_t len) must_check;

/*
 * Lowest address >= from, aligned to align (a power of two), with len free bytes; false when
 * none.
 */
bool free_index_find(const struct free_index *index, uint64_t from, uint64_t len, uint64_t align,
		     uint64_t *ret_addr);
/* Highest aligned address with len free bytes; false when none. */
bool free_index_find_last(const struct free_index *index, uint64_t len, uint64_t align,
			  uint64_t *ret_addr);
/* The longest free extent, the lowest of equals; false when empty. */
bool free_index_longest(const struct free_index *index, uint64_t *ret_addr, uint64_t *ret_len);
/* The first extent that ends behind from; false when none. */
bool free_index_next(const struct free_index *index, uint64_t from, uint64_t *ret_addr,
		     uint64_t *ret_len);
/* The last extent that starts before before; false when none. */
bool free_index_prev(const struct free_index *index, uint64_t before, uint64_t *ret_addr,
		     uint64_t *ret_len);
/* True when a byte of the range is free. */
bool free_index_overlaps(const struct free_index *index, uint64_t addr, uint64_t len);
/* In order of address; visit returns nonzero to stop, which is then the result. */
int free_index_each(const struct free_index *index,
		    int (*visit)(void *ctx, uint64_t addr, uint64_t len), void *ctx);

/* Order, gaps, balance and sums; for tests, audits and debug builds. */
bool free_index_invariant(const struct free_index *index);

#endif
