/*
 * Private to ops: what the files of dump-tree share.
 *
 *   inspect_tree   which trees, in which order
 *   dump_walk      reading nodes, walking trees
 *   dump_emit      what is written: text as btrfs-progs has it, or JSON
 */
#ifndef UBTRFS_OPS_DUMP_H
#define UBTRFS_OPS_DUMP_H

#include <ubtrfs/inspect.h>

#include "base/json_writer.h"
#include "format/key.h"
#include "ops/ops.h"

struct dump {
	struct core *core;
	const struct ubtrfs_dump_tree *what;
	FILE *out;
	struct strbuf text; /* emptied after each node */
	struct json json;
	uint64_t nodes_left;	       /* of the walk that runs */
	struct err_report first_error; /* the dump goes on; this is its result */
};

/* The node that something points to. */
struct node_pointer {
	uint64_t addr, generation; /* 0: any generation */
	uint8_t level;
	const struct key *first_key; /* NULL: not known */
};

typedef int (*node_visit)(struct dump *dump, const uint8_t *node, void *ctx);

/* ---- dump_walk.c ---- */

/* The node at an address, whatever it is. */
int dump_block_load(struct dump *dump, uint64_t addr, uint8_t *ret_node) must_check;
/* Slots that lie within the node, whatever its header says. */
uint32_t dump_nr_slots(const struct dump *dump, const uint8_t *node);
/*
 * Visits the nodes of one level below (or at) a pointer, left to right. Damage is told where the
 * level is met; with tell_all also on the way there.
 */
int dump_walk_level(struct dump *dump, const struct node_pointer *root, uint8_t level,
		    bool tell_all, node_visit visit, void *ctx) must_check;
/* A whole tree, written in the order that was asked for. */
int dump_walk_tree(struct dump *dump, const struct node_pointer *root) must_check;

/* ---- dump_emit.c ---- */

int dump_begin(struct dump *dump) must_check;
int dump_end(struct dump *dump) must_check;
/* A tree: title "fs"; key: of its root item, NULL for those of the superblock. */
int dump_tree_begin(struct dump *dump, const char *title, const struct key *key,
		    const struct node_pointer *root) must_check;
int dump_tree_end(struct dump *dump, const struct key *key) must_check;
/* More than its title: with -r only where -e asks for it. */
bool dump_shows_nodes(const struct dump *dump, const struct key *key);
int dump_node(struct dump *dump, const uint8_t *node) must_check;
/* What cannot be shown is told in its place, and once more as the result. addr: of the node. */
void dump_damage(struct dump *dump, uint64_t addr, int err);
/* The backup roots, and the totals behind everything else. */
int dump_totals(struct dump *dump) must_check;
/* Titles without the key of the root item, as btrfs-progs does for trees it has at hand. */
bool dump_asked_barely(const struct ubtrfs_dump_tree *what);

#endif
