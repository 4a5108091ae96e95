/*
 * The sizes that shape every tree of a filesystem, and what follows from them. By value, never
 * changes after open.
 */
#ifndef UBTRFS_FORMAT_GEOMETRY_H
#define UBTRFS_FORMAT_GEOMETRY_H

#include <stdint.h>

#include "codec/csum_algo.h"
#include "format/disk_structs.h"

struct geometry {
	uint32_t nodesize, sectorsize;
	enum csum_type csum_type;
	uint32_t csum_size;
};

/* Bytes of a leaf for items and their data. */
static inline uint32_t geometry_leaf_bytes(const struct geometry *g)
{
	return g->nodesize - HEADER_SIZE;
}

/* The largest item that a leaf can hold. */
static inline uint32_t geometry_max_item(const struct geometry *g)
{
	return geometry_leaf_bytes(g) - ITEM_SIZE;
}

/* Pointers in an internal node. */
static inline uint32_t geometry_node_ptrs(const struct geometry *g)
{
	return geometry_leaf_bytes(g) / KEY_PTR_SIZE;
}

/* The largest inline file extent, in bytes as stored. */
static inline uint32_t geometry_max_inline(const struct geometry *g)
{
	return geometry_max_item(g) - FILE_EXTENT_INLINE_AT;
}

/* Name plus value of the largest extended attribute. */
static inline uint32_t geometry_max_xattr(const struct geometry *g)
{
	return geometry_max_item(g) - DIR_ITEM_SIZE;
}

/*
 * Checksums in one csum item: two items always fit a leaf's headers, one checksum of slack, at
 * most 4096 as Linux.
 */
static inline uint32_t geometry_max_csums(const struct geometry *g)
{
	return MIN((geometry_leaf_bytes(g) - 2 * ITEM_SIZE) / g->csum_size - 1, 4096u);
}

#endif
