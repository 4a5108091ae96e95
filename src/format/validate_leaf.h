/*
 * Private to format: the second half of validate_node, for leaves.
 */
#ifndef UBTRFS_FORMAT_VALIDATE_LEAF_H
#define UBTRFS_FORMAT_VALIDATE_LEAF_H

#include "format/node_layout.h"

/*
 * Order of keys, place of the data, and each item through its row in item_ops. The header has
 * passed.
 */
int validate_leaf(const struct geometry *g, const uint8_t *node, uint64_t addr) must_check;

#endif
