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
	bool skinny; /* METADATA_ITEM instead of EXTENT_ITEM for tree blocks */
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

/* References on disk plus pending ones, the one answer that everybody uses: total count, and
 * BTRFS_EXTENT_FLAG_* with BTRFS_BLOCK_FLAG_FULL_BACKREF. Nothing known of the address:
 * ERR_EXTENT_MISSING. */
int extent_refs(struct extents *extents, uint64_t addr, bool metadata, uint8_t level,
		int64_t *ret_refs, uint64_t *ret_flags) must_check;
/*
 * Lists the references of an extent on disk: key and count; nonzero from visit stops. No lock is
 * held while visiting. ERR_EXTENT_MISSING.
 */
int extent_each_ref(struct extents *extents, uint64_t addr,
		    int (*visit)(void *ctx, const struct ref_key *key, uint32_t count),
		    void *ctx) must_check;

#endif
