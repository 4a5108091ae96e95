/*
 * Memory that is given back all at once: what belongs to one batch of scanned entries. Not for
 * several threads at a time.
 */
#ifndef UBTRFS_TRANSFER_ARENA_H
#define UBTRFS_TRANSFER_ARENA_H

#include <stddef.h>

#include "base/err.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	size_t used;		    /* of the newest */
	size_t total_bytes;	    /* given out */
};

void arena_init(struct arena *arena);
void arena_fini(struct arena *arena);
/* Aligned for any object, not zeroed; NULL without memory. */
void *arena_alloc(struct arena *arena, size_t len_bytes) must_check;
void *arena_dup(struct arena *arena, const void *data, size_t len_bytes) must_check;

#endif
