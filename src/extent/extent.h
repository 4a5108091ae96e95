/*
 * 12 extent: references on disk. Run the queue; the copy-on-write policies; walk back from an
 * extent to its owners.
 *
 * Every allocated extent has one item in the extent tree with its references: as inline references
 * while they fit, else as keyed items.
 * Law L3: adds run before drops. The extent tree's own nodes, and those of all trees that are never
 * shared, go through the private policy, which only allocates and queues.
 * References are run only while no handle is inside the transaction (a step of the commit), so that
 * what a policy reads under node locks, disk plus queue, does not change under it.
 * Locks: RANK_REF_RUN: one runner at a time, and those who ask without a handle; RANK_REF_DROP: one
 * dropper of data references.
 */
#ifndef UBTRFS_EXTENT_EXTENT_H
#define UBTRFS_EXTENT_EXTENT_H

#include "csum/csum.h"
#include "store/store.h"

struct extents {
	struct store *store; /* volume, space, roots through it */
	struct mutex run_lock;
	struct mutex drop_lock;
	bool pins_data; /* data that is freed before it had an item: its bytes may be on their way */
	bool skinny;	/* METADATA_ITEM instead of EXTENT_ITEM for tree blocks */
};

void extents_init(struct extents *extents, struct store *store, bool skinny);
void extents_fini(struct extents *extents);

/* cow_policy.c; ctx is struct extents. */
extern const struct tree_policy extent_private_policy;
extern const struct tree_policy extent_shared_policy;

/* Queues the reference of a file extent that was just allocated (space_alloc_data): born. */
int extent_add_data(struct txn *txn, struct extents *extents, uint64_t addr, uint64_t len_bytes,
		    uint64_t root, uint64_t inode, uint64_t offset) must_check;
/* Queues one more, or one less, reference to an existing data extent. offset: file offset minus
 * offset into the extent. The last reference of an extent that has no item yet takes its
 * checksums along: they must have been inserted by then. */
int extent_ref_data(struct txn *txn, struct extents *extents, uint64_t addr, uint64_t len_bytes,
		    uint64_t root, uint64_t inode, uint64_t offset, int delta) must_check;

/* Commit step: runs what is queued, until the queue is empty (bounded): extent items, free-space
 * tree, checksums of freed data, accounting of block groups. *ret_nr how many records ran. */
int extent_run_refs(struct txn *txn, struct extents *extents, uint64_t *ret_nr) must_check;
/* The same for about budget records: what is left waits on. */
int extent_run_some(struct txn *txn, struct extents *extents, uint64_t budget,
		    uint64_t *ret_nr) must_check;

/* References on disk plus pending ones, the one answer that everybody uses: total count, and
 * BTRFS_EXTENT_FLAG_* with BTRFS_BLOCK_FLAG_FULL_BACKREF. Nothing known of the address:
 * ERR_EXTENT_MISSING. */
int extent_refs(struct extents *extents, uint64_t addr, bool metadata, uint8_t level,
		int64_t *ret_refs, uint64_t *ret_flags) must_check;
/*
 * Whether anything but the one reference (which exists, with whatever count) refers to a data
 * extent, disk plus pending. What is shared through a tree block above, by a snapshot, is not seen
 * here: an item older than the last snapshot of its tree may always be shared.
 */
int extent_is_shared(struct extents *extents, uint64_t addr, const struct ref_key *mine,
		     bool *ret_shared) must_check;
/*
 * Whether somebody but the one reference (mine) referred to a data extent (addr, len_bytes: all of
 * it) when the last commit became durable, and let go of it since: what is written over it before
 * the next one is, changes under him when that never comes.
 */
bool extent_was_shared(struct extents *extents, uint64_t addr, uint64_t len_bytes,
		       const struct ref_key *mine);
/*
 * Lists the references of an extent, disk plus pending: key and count, in the order of the keys;
 * nonzero from visit stops. No lock is held while visiting. ERR_EXTENT_MISSING.
 */
int extent_each_ref(struct extents *extents, uint64_t addr,
		    int (*visit)(void *ctx, const struct ref_key *key, uint32_t count),
		    void *ctx) must_check;

/* ---- ref_list.c ---- */

/* The references of one extent, in the order of their keys, each key once, counts above 0. */
struct ref_list {
	uint64_t addr;
	struct key key; /* of the item; type 0: nothing on disk yet */
	uint64_t flags; /* BTRFS_EXTENT_FLAG_*, as on disk */
	uint8_t level;	/* of a tree block, as on disk */
	struct ref_delta *refs;
	size_t nr, capacity;
};
int extent_ref_list(struct extents *extents, uint64_t addr, struct ref_list *ret_list) must_check;
void ref_list_fini(struct ref_list *list);
DEFINE_SCOPED(ref_list, ref_list_fini)

/* The extent that holds a logical address, as the extent tree has it. ERR_NOT_FOUND. */
struct extent_place {
	uint64_t addr, len_bytes;
	bool metadata;
};
int extent_at(struct extents *extents, uint64_t logical, struct extent_place *ret_place) must_check;

/* ---- walking back: backref_walk.c (from a tree block to its trees), owner_walk.c (from data) ---- */

/*
 * Walks go from a block to the blocks that point to it, up to the roots; the level rises with each
 * step, so they end. What was found for a block is kept in the walk, within a bound: ask many
 * questions of one walk, and free it before the filesystem changes. For one thread at a time;
 * nobody may change trees meanwhile.
 * Trees that an unfinished balance left behind (TREE_RELOC) are no owners; neither is a tree that
 * does not exist any more.
 */
struct backref_walk;
int backref_walk_new(struct extents *extents, struct backref_walk **ret_walk) must_check;
void backref_walk_free(struct backref_walk *walk);
DEFINE_SCOPED_PTR(backref_walk, backref_walk, backref_walk_free)

/* The trees that hold the tree block at addr: ascending, each once; borrowed until the next call.
 * ERR_EXTENT_MISSING. */
int backref_walk_block(struct backref_walk *walk, uint64_t addr, uint8_t level,
		       const uint64_t **ret_roots, size_t *ret_nr) must_check;

/* A file extent item that refers to an extent. */
struct extent_owner {
	uint64_t root, inode;
	uint64_t offset;	/* in the file */
	uint64_t extent_offset; /* into the extent, in RAM */
	uint64_t len_bytes;	/* in the file */
	bool encoded;		/* compressed: offsets into it say nothing about addresses */
};
/*
 * Visits every file extent item of every tree that refers to the data extent that begins at addr:
 * ascending by root, inode, offset. Nonzero from visit stops and is returned. ERR_EXTENT_MISSING.
 */
int owner_walk_each(struct backref_walk *walk, uint64_t addr, uint64_t len_bytes,
		    int (*visit)(void *ctx, const struct extent_owner *owner),
		    void *ctx) must_check;
/*
 * Does anybody but this inode of this tree refer to the extent (the sense of FIEMAP_EXTENT_SHARED:
 * another place of the same file counts, too)?
 */
int owner_walk_shared(struct backref_walk *walk, uint64_t addr, uint64_t len_bytes, uint64_t root,
		      uint64_t inode, bool *ret_shared) must_check;

#endif
