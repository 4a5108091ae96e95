/*
 * Headers and internal nodes; leaves go on to validate_leaf.c.
 */
#include "format/validate_node.h"

#include <inttypes.h>

#include "format/validate_leaf.h"

#define NODE_REFUSE_IF(cond, ...)                                \
	do {                                                     \
		if (__builtin_expect(!!(cond), 0))               \
			return THROW(ERR_NODE_BAD, __VA_ARGS__); \
	} while (0)

static int validate_ptrs(const struct geometry *g, const uint8_t *node, uint64_t addr)
{
	uint32_t nr = node_nritems(node);
	struct key key, prev = KEY_MIN;

	NODE_REFUSE_IF(nr == 0 || nr > geometry_node_ptrs(g),
		       "tree block %" PRIu64 ": %u pointers in a node of level %u", addr, nr,
		       node_level(node));
	for (unsigned slot = 0; slot < nr; slot++) {
		uint64_t child = node_child_addr(node, slot);

		key = node_key(node, slot);
		NODE_REFUSE_IF(slot && key_compare(&prev, &key) >= 0,
			       "tree block %" PRIu64 " slot %u key (%" PRIu64 " %u %" PRIu64
			       "): not after the key before, (%" PRIu64 " %u %" PRIu64 ")",
			       addr, slot, key.objectid, key.type, key.offset, prev.objectid,
			       prev.type, prev.offset);
		NODE_REFUSE_IF(child == 0 || !is_aligned(child, g->sectorsize),
			       "tree block %" PRIu64 " slot %u key (%" PRIu64 " %u %" PRIu64
			       "): the pointer %" PRIu64 " is 0 or not aligned",
			       addr, slot, key.objectid, key.type, key.offset, child);
		prev = key;
	}
	return 0;
}

int validate_node_content(const struct geometry *g, const uint8_t *node, uint64_t addr)
{
	uint64_t revision = header_flags(node) >> BTRFS_BACKREF_REV_SHIFT;

	NODE_REFUSE_IF(node_addr(node) != addr,
		       "tree block %" PRIu64 ": its header names address %" PRIu64, addr,
		       node_addr(node));
	NODE_REFUSE_IF(node_level(node) >= BTRFS_MAX_LEVEL, "tree block %" PRIu64 ": level %u",
		       addr, node_level(node));
	NODE_REFUSE_IF(revision > BTRFS_MIXED_BACKREF_REV,
		       "tree block %" PRIu64 ": back references of revision %" PRIu64, addr,
		       revision);
	if (node_level(node))
		return validate_ptrs(g, node, addr);
	return validate_leaf(g, node, addr);
}

int validate_node(const struct geometry *g, const uint8_t *node, uint64_t addr)
{
	TRY(validate_node_content(g, node, addr));
	NODE_REFUSE_IF(!node_has_flag(node, BTRFS_HEADER_FLAG_WRITTEN),
		       "tree block %" PRIu64 ": not marked as written", addr);
	return 0;
}
