/*
 * Nodes and superblocks as JSON, for `--format json` of dump-tree and dump-super. Safe on any bytes;
 * docs/json.md has the schema.
 */
#ifndef UBTRFS_FORMAT_JSON_NODE_H
#define UBTRFS_FORMAT_JSON_NODE_H

#include "base/json_writer.h"
#include "format/item_ops.h"

/*
 * A whole node (g->nodesize bytes) as an object (name: NULL in an array): its header, and "items" or
 * "ptrs". choices: enum print_choice.
 */
void json_node(struct json *json, const char *name, const struct geometry *g, const uint8_t *node,
	       unsigned choices);

/*
 * Members of an object: the fields of a superblock; full: with the system chunks and the backup
 * roots.
 */
void json_superblock(struct json *json, const uint8_t *super, bool full);

#endif
