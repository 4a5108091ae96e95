/*
 * Validation of a tree block, the same before each write and after each read.
 *
 * Passing means: every accessor of node_layout.h and every walk over the items' inner parts stays
 * inside the node, and nothing in it contradicts itself. It says nothing about other blocks:
 * expected owner, level, generation, first key are the cache's to compare; checksum and fsid too.
 * Allocates nothing; the sentence names block, slot, key and reason.
 */
#ifndef UBTRFS_FORMAT_VALIDATE_NODE_H
#define UBTRFS_FORMAT_VALIDATE_NODE_H

#include "base/err.h"
#include "format/node_layout.h"

/* A node as it is on disk, or about to be (flag WRITTEN set). ERR_NODE_BAD. */
int validate_node(const struct geometry *g, const uint8_t *node, uint64_t addr) must_check;

/* The same for a node in RAM that has not been written: WRITTEN is not asked for. ERR_NODE_BAD. */
int validate_node_content(const struct geometry *g, const uint8_t *node, uint64_t addr) must_check;

#endif
