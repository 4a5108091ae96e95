/*
 * Visiting a tree of an image in one order while it is being changed: what was met may be removed,
 * or changed, by the visitor. (For reading alone transfer/walk.h is faster.)
 *
 * Symlinks are met, and followed when the visitor wants it. Entries come in the order of their creation, in pieces, so that
 * a directory of any size takes little memory. Neither callback needs the other.
 */
#ifndef UBTRFS_CLI_IMAGE_TREE_H
#define UBTRFS_CLI_IMAGE_TREE_H

#include <ubtrfs/file.h>

#include "base/err.h"

/* Directories inside each other: a damaged image may hold one inside itself. */
#define IMAGE_TREE_DEPTH_MAX 65536u

struct tree_entry {
	struct ubtrfs_node dir; /* in which it has its name */
	struct ubtrfs_node node;
	const char *name;
	uint8_t type; /* BTRFS_FT_* */
	bool is_subvolume;
	const char *path; /* as to be shown; borrowed during the call */
};

struct tree_visitor {
	/* Before what is in a directory; *ret_enter is preset to true for directories. */
	int (*before)(void *ctx, const struct tree_entry *entry, bool *ret_enter);
	/* Behind all that is in a directory that was entered. */
	int (*after)(void *ctx, const struct tree_entry *entry);
	/* A symlink below the top is met as what it leads to, if that is there; a directory that the
	 * walk is already in is not entered again. */
	bool follow;
	void *ctx;
};

/* The top is met too. The first negative result ends it and is returned. */
int image_tree_visit(struct ubtrfs *fs, const struct tree_entry *top,
		     const struct tree_visitor *visitor) must_check;

#endif
