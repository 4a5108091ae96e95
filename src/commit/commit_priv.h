/*
 * Private to commit/: what a commit takes along from its preparation to its end.
 */
#ifndef UBTRFS_COMMIT_COMMIT_PRIV_H
#define UBTRFS_COMMIT_COMMIT_PRIV_H

#include "commit/commit.h"

/* The superblock of one device, as the commit leaves it. */
struct super_image {
	struct device *device; /* borrowed */
	uint64_t total_bytes;
	uint8_t super[SUPER_SIZE];
};

struct commit_work {
	uint64_t generation;
	uint64_t data_barrier; /* contents on their way that this commit tells of */
	struct cache_write *nodes;
	struct super_image *supers;
	unsigned nr_supers;
};

/* commit_super.c */
/* The superblocks say what this commit makes true; one for each device that is written. */
int commit_supers_set(struct core *core, struct commit_work *work) must_check;
/* Writes them, and flushes. */
int commit_supers_write(struct core *core, const struct commit_work *work) must_check;

/* reclaim.c */
/* Block groups that nobody needs any more lose their chunks in this commit. */
int reclaim_empty(struct core *core) must_check;
/* Whether the next commit would do so. */
bool reclaim_wanted(struct core *core);

/* door.c */
/* Whether so many bytes of a kind are free beside all that is pending and kept back. */
bool door_fits(struct core *core, enum space_kind kind, uint64_t bytes);

#endif
