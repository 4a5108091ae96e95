/*
 * Looking at structures on disk, in the words of btrfs-progs.
 */
#ifndef UBTRFS_INSPECT_H
#define UBTRFS_INSPECT_H

#include <stdio.h>

#include <ubtrfs/ubtrfs.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ubtrfs_dump_super {
	const char *const *devices;
	unsigned nr_devices;
	unsigned copy;	   /* 0..2 */
	bool all;	   /* every copy that the device is large enough for */
	bool other_place;  /* not a copy, but what stands at bytenr */
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

#ifdef __cplusplus
}
#endif

#endif
