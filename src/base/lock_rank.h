/*
 * The one list of lock ranks, in the order of acquisition: a thread may take a lock only of a rank
 * greater than every rank it holds. Ranks follow the layers from the top down (calls go down, so do
 * locks).
 *
 * Tree nodes share one rank; among them the order is by tree class, then from the root down, then
 * left to right.
 */
#ifndef UBTRFS_BASE_LOCK_RANK_H
#define UBTRFS_BASE_LOCK_RANK_H

enum lock_rank {
	RANK_NONE = 0,
	/* front ends: held around calls of the library */
	RANK_FRONT_END = 5,
	/* 20 ops */
	RANK_BACKGROUND = 8, /* what is asked of the background thread; held for moments */
	RANK_OPS = 10,
	RANK_LOAD = 15, /* what opening for reading left out */
	/* 17 commit */
	RANK_COMMIT = 20,
	/* 15 file */
	RANK_WRITEBACK = 30,
	/* 14 inode */
	RANK_INODE_TABLE = 40,
	RANK_INODE = 42,
	/* 12 extent */
	RANK_REF_RUN = 50,
	RANK_REF_DROP = 52,
	/* 09 root */
	RANK_ROOT_TABLE = 60,
	/* 08 tree */
	RANK_NODE =
		72, /* the locks of root pointers too, first in the order of their class of trees */
	/* 07 transaction */
	RANK_TXN = 80,
	/* 06 space */
	RANK_REF_QUEUE = 90,
	RANK_SPACE = 92,
	RANK_BLOCK_GROUP = 94,
	RANK_PINNED = 96,
	/* 05 cache */
	RANK_CACHE_DIRTY = 100,
	RANK_CACHE_SHARD = 102,
	/* 04 volume */
	RANK_CHUNK_MAP = 110,
	RANK_DEVICE_SET = 112,
	/* 03 device */
	RANK_DEVICE = 120,
	/* 00 base */
	RANK_WORKQ = 130,
	RANK_LEAF = 140,	/* locks inside of which no other lock is taken */
	RANK_REF_TRACKER = 150, /* debug builds: a get or put of a reference, under any lock */
};

#endif
