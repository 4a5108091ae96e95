/*
 * Batches of a walk: some entries of one directory, with what was asked for of each. Private to walk.c
 * and walk_batch.c.
 */
#ifndef UBTRFS_TRANSFER_WALK_BATCH_H
#define UBTRFS_TRANSFER_WALK_BATCH_H

#include "transfer/read_ahead.h"
#include "transfer/walk.h"

#define BATCH_ENTRIES_MAX 128u
/* Contents in one batch: a file that would go beyond is left to the visitor. */
#define BATCH_CONTENT_BYTES ((size_t)4 << 20)

struct batch_entry {
	struct ubtrfs_node node;
	struct ubtrfs_attr attr;
	bool has_attr, is_subvolume;
	uint8_t type;
	char name[UINT8_MAX + 1];
	char *target;		   /* owned */
	struct walk_xattr *xattrs; /* owned, with their names and values */
	size_t nr_xattrs;
	void *data;		    /* owned */
	struct batch *below;	    /* the first entries of this directory; owned */
	struct err_report *failure; /* owned; what was asked for is not complete */
};

struct batch {
	struct ahead_job job;
	const struct walk_ops *ops;
	struct read_ahead *ahead;
	struct ubtrfs_node dir;
	uint64_t cookie; /* behind which it begins; after it ran: of the last entry */
	unsigned depth;	 /* of its entries */
	/* results */
	struct batch *drop_link;
	struct batch *next;	   /* of the same directory; owned; NULL: there is no more */
	struct err_report failure; /* what ended the listing early */
	unsigned nr_insane;	   /* entries whose names no file can have: left out */
	size_t nr;
	struct batch_entry entries[BATCH_ENTRIES_MAX];
};

/* Queued when it comes back. */
int batch_new(const struct walk_ops *ops, struct read_ahead *ahead, struct ubtrfs_node dir,
	      unsigned depth, struct batch **ret_batch) must_check;
/* With all that hangs on it; it was taken. */
void batch_free(struct batch *batch);
/* Does not want it any more: dropped and freed. NULL is allowed. */
void batch_drop(struct batch *batch);
/* Reads what want_contents asks for: of the top; for the others the batch has done it. */
void batch_entry_fill(const struct walk_ops *ops, struct batch_entry *entry, size_t *bytes);
void batch_entry_release(struct batch_entry *entry);

#endif
