/*
 * Private to csum/: one item as its files see it.
 */
#ifndef UBTRFS_CSUM_CSUM_PRIV_H
#define UBTRFS_CSUM_CSUM_PRIV_H

#include <inttypes.h>

#include "base/assert.h"
#include "base/mem.h"
#include "csum/csum.h"

static inline struct key csum_key(uint64_t addr)
{
	return KEY(BTRFS_EXTENT_CSUM_OBJECTID, BTRFS_EXTENT_CSUM_KEY, addr);
}

static inline bool key_is_csum(const struct key *key)
{
	return key->objectid == BTRFS_EXTENT_CSUM_OBJECTID && key->type == BTRFS_EXTENT_CSUM_KEY;
}

/* Where an item stands and how many checksums it holds; nr == 0: none. */
struct csum_span {
	uint64_t addr, end;
	uint64_t nr;
};

/* The span of the item that a cursor stands on; no checksum item: an empty one. */
int csum_span_of(const struct cursor *cursor, struct csum_span *ret_span) must_check;
/* The last item that begins at or before addr; none: an empty span. The cursor stays on it. */
int csum_seek_le(struct cursor *cursor, uint64_t addr, struct csum_span *ret_span) must_check;

#endif
