/*
 * 17 commit: the order of all. The door, the commit, space flushing.
 *
 * struct core gathers the layers below. The door (door.c) is where an operation asks for space
 * before it changes anything (law L9); when there is not enough it flushes delayed inodes, makes a
 * new chunk, commits, in this order. The commit (commit.c) lists its steps (law L8): data and nodes,
 * flush, superblocks, flush; only then are freed blocks given out again.
 * Locks: serialised by ops/ (RANK_OPS).
 */
#ifndef UBTRFS_COMMIT_COMMIT_H
#define UBTRFS_COMMIT_COMMIT_H

#include "file/file.h"
#include "subvolume/subvolume.h"

/* Delayed items above this are flushed, oldest inodes first, down to half of it. */
#define DELAYED_MAX_BYTES (12 * MIB)
/* Dirty tree blocks above this are committed, or spilled. */
#define DIRTY_MAX_BYTES (64 * MIB)
/* Contents that are not yet with the devices, when the caller does not say. */
#define DIRTY_DEFAULT_BYTES ((size_t)(64 * MIB))
#define COMMIT_INTERVAL_S 30u
/* So often the door asks for room for one operation. */
#define ROOM_MAX_ROUNDS 8u
/* A slice of flushing: delayed bytes, and inodes that have nothing else than themselves. */
#define FLUSH_SLICE_BYTES ((size_t)MIB)
#define FLUSH_SLICE_INODES 256u
/* Of contents that begin their way in a slice. */
#define FLUSH_SLICE_DATA_BYTES ((size_t)(8 * MIB))
/*
 * Contents begin their way when there is this part of what may be dirty, and come down to that
 * one: the more there is of a file, the larger its extents.
 */
#define DATA_KICK_DIVISOR 2u
#define DATA_KEEP_DIVISOR 4u
/* References that are run in a slice. */
#define REFS_SLICE 4096u
/* Slices that a commit takes before it takes all at once. */
#define FLUSH_MAX_SLICES 64u
/* A commit that does not settle in so many rounds has a bug. */
#define COMMIT_MAX_ROUNDS 64u

/* What the door of a filesystem with a background found too much or too little of. */
enum room {
	ROOM_DELAYED, /* items that are not in the trees yet */
	ROOM_DATA,    /* contents that are not with the devices yet */
	ROOM_PENDING, /* free space, beside what is delayed in any way */
	ROOM_BLOCKS,  /* dirty tree blocks that no commit has taken */
	ROOM_COMMIT,  /* free space: a commit gives some back */
};

/* What the background is to begin with before anybody waits for it. */
#define KICK_FLUSH 1u
#define KICK_COMMIT 2u

struct core {
	char *name; /* for messages: the first device */
	struct geometry geometry;
	struct workq *workq; /* reading sources, compressing, checksumming, writing data */
	struct volume *volume;
	struct node_cache *cache;
	struct space *space;
	struct txn *txn;
	struct root_table *roots;
	struct store store;
	struct extents extents;
	struct inode_table inodes;
	struct writeback writeback;
	uint8_t super[SUPER_SIZE]; /* of the last commit, with what the next one will change */
	bool super_dirty; /* something in it changed that no tree tells (label, flags, magic) */
	bool writable;
	bool changed;		     /* something happened since the last commit (was prepared) */
	uint64_t durable_generation; /* of the last commit that is complete on the devices */
	/* A block group that goes within this commit, as soon as its last block has moved
	 * (shrink.c); 0 = none. Nothing is allocated from then on but what is free in the other
	 * groups, and the devices end behind what is left. */
	uint64_t leaving_start;
	/* Nothing commits by itself: what is too much for memory is spilled (spill.c). */
	bool explicit_commit;
	/* The door does not wait under the lock of ops/: it says ERR_WANTS_ROOM. */
	bool background;
	enum room room_wanted; /* behind ERR_WANTS_ROOM */
	unsigned kick;	       /* KICK_*: to be told to the background when the lock is given up */
	unsigned kicked;       /* told, and not begun yet */
	unsigned room_round;   /* how often room was made for the operation that runs; of ops/ */
	unsigned space_round;  /* and of these, on the devices */
	unsigned commit_interval_s;
	size_t dirty_bytes;	  /* contents that are not yet with the devices, at most */
	size_t dirty_max_bytes;	  /* DIRTY_MAX_BYTES, or what a test sets */
	struct mutex groups_lock; /* RANK_LOAD: loading block groups when somebody asks for them */
	bool groups_loaded;
	bool reclaims;	    /* empty block groups are given back */
	bool metadata_full; /* the devices had no room for another chunk of metadata */
	bool needs_chunks;  /* the devices are full: they are given back at once */
	bool tight;	    /* space is counted out: a commit makes no new chunks (shrink.c) */
};

/*
 * door.c. With a background each door may say ERR_WANTS_ROOM (no THROW text): nothing has changed, and
 * core->room_wanted tells what would help.
 */
/*
 * An operation is about to add at most item_bytes of items to at most nr_inodes inodes.
 * ERR_NO_SPACE changes nothing.
 */
int door_enter(struct core *core, uint64_t item_bytes, unsigned nr_inodes) must_check;
/*
 * The same for an operation that also stores data_bytes of contents, counted plain and in whole
 * sectors.
 */
int door_enter_data(struct core *core, uint64_t data_bytes, uint64_t item_bytes,
		    unsigned nr_inodes) must_check;
/* The same for an operation that takes away: it may use what is kept back from the others. */
int door_enter_remove(struct core *core, unsigned nr_inodes) must_check;
/* The same, with a few sectors that replace as many. */
int door_enter_shrink(struct core *core, unsigned nr_sectors, unsigned nr_inodes) must_check;
/* Space for a commit of what is pending now, found or made. */
int door_ensure_metadata(struct core *core) must_check;
/*
 * A bounded piece of the same: what is delayed comes down to keep_bytes, or near to it; *ret_more says
 * whether there is more.
 */
int core_flush_slice(struct core *core, size_t keep_bytes, bool *ret_more) must_check;
/*
 * A bounded piece of writing contents back, which waits for nothing; they come down to keep_bytes.
 * *ret_more: writeback_wait, without the lock of ops/, and come again.
 */
int core_flush_data(struct core *core, size_t keep_bytes, bool *ret_more) must_check;
/* All contents are with the devices (with a background: or on their way), all that is delayed is in the trees. */
int core_flush_all(struct core *core) must_check;

/* A bounded piece of the references that wait, when there are many: less for the commit to do alone. */
int core_run_refs_slice(struct core *core, bool *ret_more) must_check;

/* commit.c */
/*
 * Makes everything durable; nothing to do is nothing done. On failure the transaction is aborted
 * (law L6).
 */
int core_commit(struct core *core) must_check;
/*
 * The same in three parts, one commit at a time. Prepare and finish are for who is alone; in between
 * others may read and change. *ret_work NULL: nothing to do.
 */
struct commit_work;
int commit_prepare(struct core *core, struct commit_work **ret_work) must_check;
int commit_write(struct core *core, struct commit_work *work) must_check;
/* err: what commit_write said. Frees work. */
int commit_finish(struct core *core, struct commit_work *work, int err) must_check;

/* commit_super.c */

/*
 * Writes the superblocks of the last commit once more, with the magic that core->super has now:
 * everything else of it is durable.
 */
int core_rewrite_supers(struct core *core) must_check;
/* Cuts every device behind its last chunk: its item and its size in RAM. */
int devices_cut(struct core *core) must_check;

/* cache_v1.c */
/* Commit step: files of a version 1 space cache go, since nobody keeps them true. */
int cache_v1_drop(struct core *core) must_check;

/* spill.c */
/*
 * Writes what is dirty without a superblock, so that memory is free for more of the same
 * transaction. On failure the transaction is aborted.
 */
int core_spill(struct core *core) must_check;

/* shrink.c */
/* Packs all metadata into as little as it needs behind the data, gives back empty and half-empty
 * chunks, and cuts the devices: the smallest filesystem that holds what is there. Commits.
 * ERR_TOO_SMALL when a device would need more than limit_bytes (0: no limit). */
int core_shrink(struct core *core, uint64_t limit_bytes) must_check;
/* Regular files become as long as their devices. */
int core_cut_files(struct core *core) must_check;

#endif
