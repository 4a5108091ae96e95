/*
 * One row of operations per key type: its name, how to validate an item, how to print it.
 *
 * Owns nothing; the table is const. Validators live in item_<subject>.c, printers in
 * print_<subject>_items.c. A type without a row is legal on disk (a newer Linux may have it): it
 * passes, and prints as unknown.
 */
#ifndef UBTRFS_FORMAT_ITEM_OPS_H
#define UBTRFS_FORMAT_ITEM_OPS_H

#include "base/err.h"
#include "base/strbuf.h"
#include "format/node_layout.h"

/* How a printer may be asked to show more or less. */
enum print_choice {
	PRINT_HIDE_NAMES = 1,	/* names and values of attributes are HIDDEN */
	PRINT_CSUM_HEADERS = 2, /* the checksum of each node */
	PRINT_CSUM_ITEMS = 4,	/* the checksums in csum items */
};

/*
 * One item as its operations see it. [data, data + len) lies inside the node. When slot > 0, prev
 * is the key of the item before, whose bounds have been checked too. The contents are anything.
 */
struct item_view {
	const struct geometry *geometry;
	const uint8_t *node;
	uint64_t addr;	/* where the node is said to be: for sentences */
	uint64_t owner; /* the node's tree */
	unsigned slot;
	uint32_t len;
	const uint8_t *data;
	struct key key, prev;
	unsigned choices; /* for printers: enum print_choice */
};

struct item_ops {
	const char *name; /* "INODE_ITEM"; NULL: no row */
	int (*validate)(const struct item_view *item);
	void (*print)(struct strbuf *out,
		      const struct item_view *item); /* NULL: nothing below the headline */
};

/* Never NULL. */
const struct item_ops *item_ops_of(uint8_t type);

/* The type's name for sentences; NULL when it has none. */
const char *item_type_name(uint8_t type);

#endif
