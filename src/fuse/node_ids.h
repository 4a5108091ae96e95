/*
 * Numbers of nodes towards the kernel: node ids, which are also inode numbers.
 *
 * The id of an inode of the subvolume that is mounted is its own inode number (its top is
 * FUSE_ROOT_ID towards FUSE, and 256 for stat). Inodes of other subvolumes carry the number of
 * their subvolume above the bits of the inode number, because all of a FUSE mount has one device
 * number. So an id can be computed both ways, is the same for as long as the filesystem lives, and
 * needs no memory. Only numbers too large for that (2^43 inodes in one subvolume, 2^20 subvolumes)
 * take a place in a table, for as long as the mount lives. So do the empty directories that stand in
 * place of subvolumes which are not part of a snapshot: they are one inode, which is nowhere on disk,
 * but each is a directory of its own to the kernel.
 *
 * Besides: how often the kernel has been told each id, until it forgets it; a node without a name
 * must live as long. And where the listings of a directory end, as nobody tells us when one is
 * closed: at what was its last entry when one began. Any thread, locks of its own (RANK_LEAF, nothing is taken inside).
 */
#ifndef UBTRFS_FUSE_NODE_IDS_H
#define UBTRFS_FUSE_NODE_IDS_H

#include <stdatomic.h>

#include <ubtrfs/file.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/lock.h"

#define NODE_ID_SHARDS 64u
#define NODE_ID_WIDE_MAX (1u << 20)
/* Of the top; the same as FUSE_ROOT_ID. */
#define NODE_ID_TOP 1u

struct node_ids {
	uint64_t top_subvolid;
	_Atomic uint64_t top_list_end;
	struct node_id_shard {
		struct mutex lock;
		struct hash_table known; /* by id */
	} shards[NODE_ID_SHARDS];
	struct mutex wide_lock;
	struct hash_table wide; /* by a hash of the node */
	struct wide_node **wide_at;
	unsigned nr_wide;
	struct hash_table absent; /* by a hash of directory and name; also under wide_lock */
	unsigned nr_absent;
};

void node_ids_init(struct node_ids *ids, uint64_t top_subvolid);
/* Forgets all; release is called for each node that was kept. */
void node_ids_fini(struct node_ids *ids, void (*release)(void *ctx, struct ubtrfs_node node),
		   void *ctx);

/* ERR_LIMIT, ERR_NO_MEMORY for one of the wide ones. */
int node_id_of(struct node_ids *ids, struct ubtrfs_node node, uint64_t *ret_id) must_check;
/* In place of a subvolume that is not there, by its name in a directory. */
#define NODE_INO_ABSENT 2u
/* The same for one of those; past NODE_ID_WIDE_MAX of them they share one again. */
int node_id_of_absent(struct node_ids *ids, struct ubtrfs_node dir, const char *name,
		      size_t name_len, uint64_t *ret_id) must_check;
/* ERR_NOT_FOUND for an id that was never given out. */
int node_of_id(struct node_ids *ids, uint64_t id, struct ubtrfs_node *ret_node) must_check;
/* What stat shows for an id. */
uint64_t node_id_ino(const struct node_ids *ids, uint64_t id);

/* The kernel is told an id once more. */
int node_id_looked_up(struct node_ids *ids, uint64_t id, struct ubtrfs_node node) must_check;
/*
 * It forgets the id that many times. True when that was the last and the node was kept: the caller
 * releases it.
 */
bool node_id_forget(struct node_ids *ids, uint64_t id, uint64_t nr);
/*
 * The node is held for the kernel, which knows it: to be released when it is forgotten. False when
 * it is held so already, or the kernel does not know it: the caller's hold is one too many.
 */
bool node_id_keep(struct node_ids *ids, uint64_t id);
/* Where listings of a directory end; 0, and not kept, for one that the kernel does not know. */
void node_id_list_begin(struct node_ids *ids, uint64_t id, uint64_t end);
uint64_t node_id_list_end(struct node_ids *ids, uint64_t id);

#endif
