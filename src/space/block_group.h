/*
 * Block groups: the model of what is used and free in each chunk.
 *
 * Always, for each group: free + used + reserved + pinned + super = length (space_audit). The
 * fields are guarded by the lock of the space. Other layers read them, and set dirty, is_new and
 * fst_*; the rest changes only through functions.
 *
 *   state of a byte:  free -> reserved (alloc) -> used (space_account_used) -> pinned (space_account_freed) -> free (space_unpin)
 *                     reserved -> free (space_give_back), reserved -> pinned (space_pin_reserved)
 */
#ifndef UBTRFS_SPACE_BLOCK_GROUP_H
#define UBTRFS_SPACE_BLOCK_GROUP_H

#include "base/rbtree.h"
#include "space/free_index.h"
#include "volume/volume.h"

struct block_group {
	struct rb_node node; /* by start */
	uint64_t start;
	uint64_t len_bytes;
	uint64_t flags;		 /* BTRFS_BLOCK_GROUP_* */
	uint64_t used_bytes;	 /* has extent items (or will, at the run that is under way) */
	uint64_t reserved_bytes; /* given out, item not yet inserted */
	uint64_t pinned_bytes;	 /* freed in this transaction, or needed by an epoch */
	uint64_t super_bytes;	 /* under superblock copies */
	struct free_index free;
	struct free_index usable;  /* the group without what is under superblock copies */
	bool read_only;		   /* nothing is allocated from it: space_set_read_only */
	bool dirty;		   /* its item must be written (used_bytes changed or new) */
	bool is_new;		   /* no item on disk yet: store/ inserts all of them */
	bool removed;		   /* store/ removes its items: space_mark_removed */
	bool fst_bitmaps;	   /* free_tree: this group uses bitmaps */
	uint32_t fst_extent_count; /* free_tree: extents in its info item */
};

struct space;

/*
 * Adds a block group over an existing chunk: used as its item says, nothing free yet (the loader
 * then adds free ranges with space_load_free), superblock ranges excluded. No chunk, other bounds
 * or types: ERR_CORRUPT; there already: ERR_EXISTS.
 */
int space_add_group(struct space *space, uint64_t start, uint64_t len, uint64_t flags,
		    uint64_t used, struct block_group **ret_group) must_check;
/* What is under superblock copies is left out; outside the group or free already: ERR_CORRUPT. */
int space_load_free(struct space *space, struct block_group *group, uint64_t addr,
		    uint64_t len) must_check;
/*
 * A brand-new group (is_new, dirty) over a chunk in the map: everything but superblock ranges is
 * free.
 */
int space_create_group(struct space *space, const struct chunk *chunk,
		       struct block_group **ret_group) must_check;
/*
 * Forgets an empty group; ERR_INVALID when something is used, reserved or pinned in it. The
 * chunk stays.
 */
int space_remove_group(struct space *space, uint64_t start) must_check;

/* Borrowed, valid until the group is removed. NULL: none there. */
struct block_group *space_group_of(struct space *space, uint64_t addr);
/* First group starting at or after start; NULL at the end. */
struct block_group *space_group_next(struct space *space, uint64_t start);

/* Length from the start up to the last byte that is used, reserved or pinned. */
uint64_t space_group_busy_len(struct space *space, struct block_group *group);
/* Cuts the free tail of a group: new_len >= what is busy, else ERR_INVALID; model only. */
int space_trim_group(struct space *space, struct block_group *group, uint64_t new_len) must_check;

/*
 * From now on nothing is (or again may be) allocated from it; its free bytes leave (or join) the
 * totals.
 */
void space_set_read_only(struct space *space, struct block_group *group, bool read_only);
/*
 * An empty group on its way out: nothing is allocated from it any more. ERR_INVALID when not
 * empty.
 */
int space_mark_removed(struct space *space, struct block_group *group) must_check;

#endif
