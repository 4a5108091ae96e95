/*
 * Private to extent/: extent items as bytes in RAM, and how references stand in and beside them.
 *
 * An item is copied out of its leaf, changed as bytes (struct extent_image), and written back
 * whole: no lock is held between the steps; the runner is the only one who changes the extent
 * tree's items.
 */
#ifndef UBTRFS_EXTENT_EXTENT_PRIV_H
#define UBTRFS_EXTENT_EXTENT_PRIV_H

#include <inttypes.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/mem.h"
#include "extent/extent.h"
#include "format/node_layout.h"

/* An extent item being read or changed. data has room for geometry_max_item bytes (of a new
 * item: for the limit of inline references, and one more reference). */
struct extent_image {
	struct key key;
	uint8_t *data;
	uint32_t len;
};

/* ---- inline_ref.c: references in an image ---- */

/* Bytes up to which Linux and we let an item grow by references. */
uint32_t inline_ref_limit(const struct geometry *geometry);
/* Where the references begin. */
uint32_t inline_ref_first(const struct extent_image *image);
/* What one reference says; ref points at its type. Owner references yield count 0. */
void inline_ref_load(const uint8_t *ref, struct ref_key *ret_key, uint32_t *ret_count);
/* Checks that the references fill the item exactly, and adds up what they count. */
int inline_ref_sum(const struct extent_image *image, uint64_t *ret_sum) must_check;
/* The place of a reference: of the equal one (true), or where it belongs. */
bool inline_ref_find(const struct extent_image *image, const struct ref_key *key, uint32_t *ret_at);
void inline_ref_insert(struct extent_image *image, uint32_t at, const struct ref_key *key,
		       uint32_t count);
/* Count 0 takes it out. */
void inline_ref_set_count(struct extent_image *image, uint32_t at, uint32_t count);

/* ---- keyed_ref.c: references as items of their own ---- */

/* The key's offset; collisions of the hash go to the next free one. */
uint64_t ref_key_sequence(const struct ref_key *key);
/*
 * Adds delta to a reference; a missing one is made (delta > 0) or ERR_EXTENT_MISSING; at zero it
 * is removed.
 */
int keyed_ref_change(struct txn *txn, struct tree *tree, uint64_t addr, const struct ref_key *key,
		     int64_t delta) must_check;
/* The first keyed reference of an extent at or after *from (a key of the tree);
 * ERR_KEY_NOT_FOUND at the end. *from moves behind it. */
int keyed_ref_next(struct tree *tree, uint64_t addr, struct key *from, struct ref_key *ret_key,
		   uint32_t *ret_count) must_check;

/* ---- extent_item.c ---- */

int extent_tree(struct extents *extents, struct tree **ret_tree) must_check;
/*
 * Copies the item of the extent at an address; image->data has geometry_max_item bytes.
 * ERR_EXTENT_MISSING.
 */
int extent_item_read(struct tree *tree, uint64_t addr, struct extent_image *image) must_check;
/* An item without references for a record that is born. */
int extent_item_build(struct extents *extents, struct tree *tree, const struct ref_record *record,
		      struct extent_image *image) must_check;
/* Runs one change: inline while it fits and nothing is keyed yet, else keyed. */
int extent_item_apply(struct txn *txn, struct tree *tree, struct extent_image *image,
		      const struct ref_change *change) must_check;
/* Sets flags in the item on disk. */
int extent_item_add_flags(struct txn *txn, struct tree *tree, const struct key *key,
			  uint64_t flags) must_check;

/* ---- backref_walk.c ---- */

/* What is known of a tree block, by walking. */
struct walked_block {
	struct hash_node hash; /* by address */
	uint64_t addr;
	uint8_t level;
	size_t nr_roots;
	uint64_t roots[];
};

/* Whether a tree block is held by more than one tree, seen from one of its trees. */
struct walked_share {
	struct hash_node hash; /* by tree and address */
	uint64_t root, addr;
	bool shared;
};

struct backref_walk {
	struct extents *extents;
	struct hash_table blocks; /* walked_block */
	struct hash_table shares; /* walked_share */
	size_t memo_bytes;
};

/* Forgets what was found when it has become too much; before a question, not within one. */
void backref_walk_trim(struct backref_walk *walk);
/* The tree that a reference names; NULL for one that is gone or that owns nothing. */
int walk_root(struct backref_walk *walk, uint64_t objectid, struct root **ret_root) must_check;
/* A tree block whose generation is not known; root NULL: of some subvolume. */
int walk_node_get(struct backref_walk *walk, uint64_t addr, uint8_t level, const struct root *root,
		  struct node **ret_node) must_check;
/*
 * The block above a block of a tree: *ret_parent 0 when it is the root itself; *ret_there false
 * when the tree does not hold it.
 */
int walk_parent(struct backref_walk *walk, struct root *root, uint64_t addr, uint8_t level,
		uint64_t *ret_parent, bool *ret_there) must_check;
/* A tree of a deleted subvolume: parts of it may be gone. */
bool root_is_dead(const struct root *root);

/* ---- extent_refs.c ---- */

/* As extent_refs, without waiting for a runner: for who holds a handle, and node locks. ret_key:
 * of the item; type 0 when there is none yet. */
int extent_refs_inside(struct extents *extents, uint64_t addr, bool metadata, int64_t *ret_refs,
		       uint64_t *ret_flags, struct key *ret_key) must_check;

#endif
