/*
 * Looking at structures on disk, in the words of btrfs-progs, and asking who uses what.
 *
 * What was changed and is not committed counts. A visit that returns nonzero stops, and that is
 * returned; it calls no function of the library on the same filesystem unless it says so.
 */
#ifndef UBTRFS_INSPECT_H
#define UBTRFS_INSPECT_H

#include <stdio.h>

#include <ubtrfs/file.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ubtrfs_dump_super {
	const char *const *devices;
	unsigned nr_devices;
	unsigned copy;	  /* 0..2 */
	bool all;	  /* every copy that the device is large enough for */
	bool other_place; /* not a copy, but what stands at bytenr */
	uint64_t bytenr;
	bool full;  /* the system chunks and the backup roots too */
	bool force; /* also what is not a superblock */
	bool json;  /* docs/json.md */
	/* Told what could not be shown; the others are. NULL: nobody. */
	void (*tell)(void *ctx, const char *sentence);
	void *tell_ctx;
};
/*
 * Prints superblocks; works on a filesystem that cannot be opened. The first of several failures is
 * the result.
 */
int ubtrfs_dump_super(const struct ubtrfs_dump_super *what, FILE *out);

struct ubtrfs_dump_tree {
	uint64_t tree_id; /* 0 = all */
	/* Only the nodes at these addresses (and with follow the trees below them). */
	const uint64_t *blocks;
	unsigned nr_blocks;
	bool follow;
	bool extents_only, devices_only, roots_only, uuid_only; /* -e -d -r -u */
	bool backups;	   /* with roots_only: the backup roots too (-R) */
	bool depth_first;  /* a node, then each child with all below it */
	bool hide_names;   /* names, and values of attributes, as HIDDEN */
	bool csum_headers; /* the checksums of the nodes */
	bool csum_items;   /* the checksums of data */
	bool json;	   /* docs/json.md */
	bool no_header;	   /* without the line that names the program */
};
/*
 * Prints the trees. What cannot be read is told in its place, the rest is printed, and the first
 * failure is the result.
 */
int ubtrfs_dump_tree(struct ubtrfs *fs, const struct ubtrfs_dump_tree *what, FILE *out);

/* ---- names ---- */

/*
 * Every path of an inode, from the top of its subvolume and without a leading slash ("" for the
 * top itself). -ENOENT when the inode is not there.
 */
int ubtrfs_inode_paths(struct ubtrfs *fs, struct ubtrfs_node node,
		       int (*visit)(void *ctx, const char *path), void *ctx);

/*
 * The path of an inode from the top of its subvolume, by its first name and without a leading slash
 * ("" for the top itself), and a zero byte. -ENOENT: it is not there, or has no name; -ENAMETOOLONG:
 * more than capacity bytes.
 */
int ubtrfs_ino_path(struct ubtrfs *fs, struct ubtrfs_node node, char *path, size_t capacity,
		    size_t *ret_len);

/* ---- items ---- */

/*
 * As the ioctl BTRFS_IOC_TREE_SEARCH: items of a tree from one key to another (compared as a whole),
 * of blocks written in these generations. What is delayed and in no tree yet is not found: commit
 * first to see all.
 */
struct ubtrfs_tree_search {
	uint64_t tree_id;
	uint64_t min_objectid, max_objectid;
	uint32_t min_type, max_type;
	uint64_t min_offset, max_offset;
	uint64_t min_transid, max_transid;
};
struct ubtrfs_tree_item {
	uint64_t objectid;
	uint32_t type;
	uint64_t offset;
	uint64_t transid; /* generation of its block */
	const void *data; /* borrowed during the visit; little-endian, as on disk */
	size_t len;
};
/* visit may call the library. -ENOENT: no such tree. */
int ubtrfs_tree_search(struct ubtrfs *fs, const struct ubtrfs_tree_search *range,
		       int (*visit)(void *ctx, const struct ubtrfs_tree_item *item), void *ctx);

/* ---- logical addresses ---- */

/* The extent that holds an address. */
struct ubtrfs_extent {
	uint64_t logical, len_bytes;
	bool metadata;
	unsigned level; /* of a tree block */
};
/* -ENOENT: nothing lies there. */
int ubtrfs_extent_at(struct ubtrfs *fs, uint64_t logical, struct ubtrfs_extent *ret_extent);

/* A place that uses data: a file in a tree (a subvolume, or a tree of the filesystem's own). */
struct ubtrfs_referrer {
	uint64_t tree_id, ino;
	uint64_t offset; /* in the file, of the byte at the address; with any_offset and for
			  * compressed extents: where the file's extent begins */
};
/*
 * All places that use the data at an address, through reflinks and snapshots too, by tree, inode
 * and offset. any_offset: also those that use other parts of the same extent. -ENOENT: nothing
 * lies there; -EINVAL: metadata.
 */
int ubtrfs_logical_referrers(struct ubtrfs *fs, uint64_t logical, bool any_offset,
			     int (*visit)(void *ctx, const struct ubtrfs_referrer *referrer),
			     void *ctx);
/* The ids of all trees that hold the tree block at an address. -EINVAL: data. */
int ubtrfs_block_trees(struct ubtrfs *fs, uint64_t logical,
		       int (*visit)(void *ctx, uint64_t tree_id), void *ctx);

/* ---- trees ---- */

#define UBTRFS_TREE_LEVELS 8

/* How the blocks of a tree lie, in the order of reading them. */
struct ubtrfs_tree_stats {
	uint64_t nr_nodes, total_bytes, inline_bytes;
	uint64_t nr_forward_seeks, nr_backward_seeks, seek_bytes;
	/* Runs of neighbouring blocks that a seek ends; without any: one block at most. */
	uint64_t nr_clusters, cluster_bytes, min_cluster_bytes, max_cluster_bytes;
	uint64_t spread_bytes; /* from the lowest block to the highest */
	unsigned nr_levels;
	uint64_t nr_at_level[UBTRFS_TREE_LEVELS];
	uint64_t elapsed_ns;
	/* Distances and how often each came, ascending; owned: ubtrfs_tree_stats_free. */
	struct ubtrfs_seek {
		uint64_t distance_bytes, nr;
	} * seeks;
	size_t nr_seeks; /* entries of seeks */
};
/* -ENOENT: no such tree. */
int ubtrfs_tree_stats(struct ubtrfs *fs, uint64_t tree_id, struct ubtrfs_tree_stats *ret_stats);
void ubtrfs_tree_stats_free(struct ubtrfs_tree_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
