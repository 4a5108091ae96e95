/*
 * The text of dump-tree for one item and for one node. Safe on any bytes: for a leaf that is not
 * valid what can be shown is shown. Deeper nodes are the caller's walk.
 */
#ifndef UBTRFS_FORMAT_PRINT_NODE_H
#define UBTRFS_FORMAT_PRINT_NODE_H

#include "base/strbuf.h"
#include "format/item_ops.h"

/*
 * Headline and body of the item in a slot below nritems; a remark in place of the body when its data
 * leave the node. choices: enum print_choice.
 */
void print_item(struct strbuf *out, const struct geometry *g, const uint8_t *node, unsigned slot,
		unsigned choices);

/* A whole node (g->nodesize bytes): its four headlines, then items or pointers. */
void print_node(struct strbuf *out, const struct geometry *g, const uint8_t *node,
		unsigned choices);

#endif
