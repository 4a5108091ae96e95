/*
 * A set of pairs of 64-bit numbers: what a walk has seen. From any thread.
 */
#ifndef UBTRFS_BASE_PAIR_SET_H
#define UBTRFS_BASE_PAIR_SET_H

#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"

struct pair_set {
	struct mutex lock; /* RANK_LEAF */
	struct hash_table pairs;
};

void pair_set_init(struct pair_set *set);
void pair_set_fini(struct pair_set *set);
void pair_set_clear(struct pair_set *set);
/* 1 when it came in now, 0 when it was there. ERR_NO_MEMORY. */
int pair_set_add(struct pair_set *set, uint64_t a, uint64_t b) must_check;

#endif
