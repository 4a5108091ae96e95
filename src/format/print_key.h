/*
 * Names of trees, object ids and keys, as dump-tree prints them. Safe on any value.
 */
#ifndef UBTRFS_FORMAT_PRINT_KEY_H
#define UBTRFS_FORMAT_PRINT_KEY_H

#include "base/strbuf.h"
#include "format/disk_structs.h"
#include "format/key.h"

/*
 * "ROOT_TREE", "DATA_RELOC_TREE"; a number without a name in decimal. The owner of a node, a
 * root in a reference.
 */
void print_tree_name(struct strbuf *out, uint64_t objectid);

/*
 * The same beside a key type, which changes some: DEV_ITEMS, FIRST_CHUNK_TREE, DEV_STATS, 1/256
 * of a quota group.
 */
void print_objectid(struct strbuf *out, uint64_t objectid, uint8_t type);

/* "key (FS_TREE ROOT_ITEM 0)" */
void print_key(struct strbuf *out, const struct key *key);

#endif
