/*
 * Leaves: the frame (order of keys, data dense from the node's end down, no item over the headers),
 * then each item by the operations of its type. Owns the sentence about an item; ERR_NODE_BAD is
 * thrown here for items, in validate_node.c for headers.
 */
#include "format/validate_leaf.h"

#include <stdarg.h>
#include <stdio.h>

#include "format/item_validate.h"

#define REASON_MAX 256

int item_bad(const struct item_view *item, const char *format, ...)
{
	const char *type = item_type_name(item->key.type);
	char reason[REASON_MAX];
	char number[8];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	snprintf(number, sizeof(number), "%u", item->key.type);
	return THROW(ERR_NODE_BAD,
		     "tree block %" PRIu64 " slot %u key (%" PRIu64 " %s %" PRIu64 "): %s",
		     item->addr, item->slot, item->key.objectid, type ? type : number,
		     item->key.offset, reason);
}

/*
 * These trees always have items. A leaf of a relocation tree carries its subvolume's owner, and
 * may be empty.
 */
static bool owner_may_be_empty(const uint8_t *node)
{
	if (node_has_flag(node, BTRFS_HEADER_FLAG_RELOC))
		return true;
	switch (node_owner(node)) {
	case 0:
	case BTRFS_ROOT_TREE_OBJECTID:
	case BTRFS_CHUNK_TREE_OBJECTID:
	case BTRFS_DEV_TREE_OBJECTID:
	case BTRFS_FS_TREE_OBJECTID:
	case BTRFS_DATA_RELOC_TREE_OBJECTID:
		return false;
	default:
		return true;
	}
}

/* The item's frame; its data end at `end`. Fills the view's data and len. */
static int validate_frame(struct item_view *item, uint32_t nr, uint32_t end)
{
	const uint8_t *head = leaf_item(item->node, item->slot);
	uint32_t offset = item_offset(head);

	item->len = item_size(head);
	item->data = item->node + HEADER_SIZE + offset;
	REFUSE_IF(item, item->slot && key_compare(&item->prev, &item->key) >= 0,
		  "not after the key before, (%" PRIu64 " %u %" PRIu64 ")", item->prev.objectid,
		  item->prev.type, item->prev.offset);
	REFUSE_IF(item, (uint64_t)offset + item->len != end,
		  "data at %u of %u bytes do not end at %u", offset, item->len, end);
	REFUSE_IF(item, offset < nr * ITEM_SIZE, "data at %u lie over the %u item headers", offset,
		  nr);
	return 0;
}

int validate_leaf(const struct geometry *g, const uint8_t *node, uint64_t addr)
{
	uint32_t nr = node_nritems(node);
	uint32_t end = geometry_leaf_bytes(g);
	struct item_view item = {
		.geometry = g, .node = node, .addr = addr, .owner = node_owner(node)
	};

	if (nr == 0 && !owner_may_be_empty(node))
		return THROW(ERR_NODE_BAD, "tree block %" PRIu64 ": an empty leaf in tree %" PRIu64,
			     addr, node_owner(node));
	if (nr > end / ITEM_SIZE)
		return THROW(ERR_NODE_BAD, "tree block %" PRIu64 ": %u items in a leaf", addr, nr);
	for (; item.slot < nr; item.slot++) {
		const struct item_ops *ops;

		item.key = leaf_key(node, item.slot);
		TRY(validate_frame(&item, nr, end));
		end -= item.len;
		ops = item_ops_of(item.key.type);
		if (ops->validate)
			TRY(ops->validate(&item));
		item.prev = item.key;
	}
	return 0;
}
