/*
 * 09 root: many trees. Find, create and delete trees; root items, root references, the uuid tree.
 *
 * The root table holds the core trees (root, extent, chunk, dev, csum, uuid, free space, block
 * group, data relocation) and every subvolume tree that was asked for. A root item in RAM (struct
 * root) is the truth while loaded; root_table_save writes those of changed trees. The roots of the
 * root tree and the chunk tree live in the superblock, not in items.
 * Locks: RANK_ROOT_TABLE.
 */
#ifndef UBTRFS_ROOT_ROOT_H
#define UBTRFS_ROOT_ROOT_H

#include <stdatomic.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/rbtree.h"
#include "format/disk_structs.h"
#include "tree/tree.h"

struct root {
	struct rb_node node; /* by objectid, in the table */
	struct tree tree;
	uint64_t objectid;
	uint8_t item[ROOT_ITEM_SIZE]; /* all but bytenr, generation, level, which the tree knows */
	uint64_t item_offset; /* offset of the ROOT_ITEM key (0, or the generation of a snapshot) */
	bool item_dirty;      /* item changed: must be written even if the tree did not change */
	bool has_item;	      /* false: root and chunk tree */
	bool orphans_seen;    /* of ops/: what a death left in this subvolume was looked for */
	_Atomic uint64_t
		used_bytes; /* of nodes that this tree holds: kept by the policies, written as bytes_used */
};

/* The root that a tree of the table is part of: trees given to the policies are always such. */
static inline struct root *root_of_tree(struct tree *tree)
{
	return container_of(tree, struct root, tree);
}

struct root_table;

struct root_table_config {
	struct node_cache *cache;
	/*
	 * For trees that snapshots may share (subvolumes), and for those never shared. ctx is
	 * passed to both.
	 */
	const struct tree_policy *shared_policy;
	const struct tree_policy *private_policy;
	void *policy_ctx;
};
int root_table_new(const struct root_table_config *config,
		   struct root_table **ret_table) must_check;
void root_table_free(struct root_table *table);
/*
 * Sets root and chunk tree from a superblock; other trees are read from the root tree when asked
 * for.
 */
int root_table_load(struct root_table *table, const uint8_t *super) must_check;

/*
 * The tree with this id: loaded, or read from its root item. ERR_NOT_FOUND naming the tree.
 * Borrowed; lives as long as the table.
 */
int root_get(struct root_table *table, uint64_t objectid, struct root **ret_root) must_check;
/*
 * Only if loaded; NULL otherwise. Takes no lock for core trees (ids below 16), so that policies
 * may ask under node locks.
 */
struct root *root_peek(struct root_table *table, uint64_t objectid);
/*
 * A new tree: an empty leaf and a root item (inserted at once). item: 439 bytes to start from,
 * or NULL for zeroes. The caller fills the tree.
 */
int root_create(struct txn *txn, struct root_table *table, uint64_t objectid, const uint8_t *item,
		struct root **ret_root) must_check;
/*
 * Takes a tree whose nodes have been given up (tree_destroy) out of the table and removes its
 * root item. The root is freed.
 */
int root_drop(struct txn *txn, struct root_table *table, struct root *root) must_check;
/* The next free subvolume id (>= 256). */
int root_next_id(struct root_table *table, uint64_t *ret_objectid) must_check;
/* Lists all subvolume tree ids in order: calls visit; nonzero stops. */
int root_each_subvolume(struct root_table *table, int (*visit)(void *ctx, uint64_t objectid),
			void *ctx) must_check;

/*
 * Commit step: writes the root items of all trees that changed (tree.dirty or item_dirty),
 * clears the marks. *ret_changed tells whether any.
 */
int root_table_save(struct txn *txn, struct root_table *table, bool *ret_changed) must_check;
/*
 * Puts root, chunk_root, their levels and generations, and uuid_tree/cache generations into a
 * superblock.
 */
void root_table_fill_super(struct root_table *table, uint8_t *super);

/* ROOT_REF and ROOT_BACKREF between a parent subvolume and its child. ERR_KEY_EXISTS. */
int root_ref_add(struct txn *txn, struct root_table *table, uint64_t parent, uint64_t child,
		 uint64_t dirid, uint64_t index, const char *name, uint16_t name_len) must_check;
/*
 * Whether this name of this directory leads to the child: in a snapshot, the names of subvolumes
 * that the snapshotted tree held lead nowhere.
 */
int root_ref_leads(struct root_table *table, uint64_t parent, uint64_t child, uint64_t dirid,
		   const char *name, size_t name_len, bool *ret_leads) must_check;
/*
 * The parent of a subvolume by its backref: parent id, directory and name (name into a buffer of
 * 255+1). ERR_NOT_FOUND.
 */
int root_ref_find_parent(struct root_table *table, uint64_t child, uint64_t *ret_parent,
			 uint64_t *ret_dirid, char *ret_name) must_check;
/*
 * Takes both away; they must name this directory and this name. *ret_index: of the name in the
 * directory. ERR_NOT_FOUND when the name does not lead to the child.
 */
int root_ref_remove(struct txn *txn, struct root_table *table, uint64_t parent, uint64_t child,
		    uint64_t dirid, const char *name, size_t name_len,
		    uint64_t *ret_index) must_check;

/* orphan.c: what a tree holds without a name, by number: what is to be deleted when nobody uses it */
/* ERR_KEY_EXISTS. */
int orphan_add(struct txn *txn, struct tree *tree, uint64_t objectid) must_check;
/* ERR_KEY_NOT_FOUND. */
int orphan_remove(struct txn *txn, struct tree *tree, uint64_t objectid) must_check;
/* The first orphan with a number of at least *objectid; *ret_found. */
int orphan_next(struct tree *tree, uint64_t *objectid, bool *ret_found) must_check;
/* UUID tree: uuid -> subvolume id; type BTRFS_UUID_KEY_SUBVOL or BTRFS_UUID_KEY_RECEIVED_SUBVOL.
 * A filesystem without the tree gets one; a pair that is there already stays as it is. */
int uuid_tree_add(struct txn *txn, struct root_table *table, const uint8_t uuid[16], uint8_t type,
		  uint64_t subvolid) must_check;

#endif
