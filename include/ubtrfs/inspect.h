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

/*
 * Prints the superblock copy (0..2) of a device; works on a filesystem that cannot be opened.
 * force: also when it is not valid.
 */
int ubtrfs_dump_super(const char *path, unsigned copy, bool full, bool force, FILE *out);

struct ubtrfs_dump_tree {
	uint64_t tree_id; /* 0 = all */
	uint64_t block;	  /* != 0: only the node at this address (and with follow its subtree) */
	bool follow;
	bool extents_only, devices_only, roots_only, uuid_only; /* -e -d -r -u */
	bool backups;	/* with roots_only: the backup roots too (-R) */
	bool no_header; /* --noscan and friends do not apply; omits the first line */
};
int ubtrfs_dump_tree(struct ubtrfs *fs, const struct ubtrfs_dump_tree *what, FILE *out);

#ifdef __cplusplus
}
#endif

#endif
