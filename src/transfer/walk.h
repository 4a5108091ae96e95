/*
 * A walk over a tree of an image in one order, read ahead by several threads.
 *
 * Directories are entered as they are met, entries come in the order of their index, which is that of
 * their creation: the order of readdir on a mounted btrfs. A directory that is met again (a damaged
 * image) is an error and not entered. What the walk cannot read it tells and passes over.
 */
#ifndef UBTRFS_TRANSFER_WALK_H
#define UBTRFS_TRANSFER_WALK_H

#include <ubtrfs/file.h>

#include "base/err.h"

/* Deeper trees are not entered. */
#define WALK_DEPTH_MAX 2000u
/* Contents of files up to this are read ahead. */
#define WALK_SMALL_BYTES ((uint64_t)256 << 10)

struct read_ahead;

struct walk_xattr {
	const char *name; /* terminated */
	const void *value;
	size_t len;
};

/* What the visitor sees; everything is borrowed during the call. */
struct walk_entry {
	struct ubtrfs_node node;
	uint8_t type; /* BTRFS_FT_* */
	bool is_subvolume;
	const char *name; /* "" for the top */
	const char *path; /* from the top: "" for it, "a/b" below */
	unsigned depth;	  /* of the top 0 */
	/* With want_attrs. */
	struct ubtrfs_attr attr;
	/* With want_contents. */
	const char *target; /* of a symlink; NULL when it could not be read */
	const struct walk_xattr *xattrs;
	size_t nr_xattrs;
	const void *data;	  /* all of a small file without holes; NULL: read it yourself */
	struct read_ahead *ahead; /* of the walk: for more of the contents */
};

struct walk_ops {
	struct ubtrfs *fs;
	bool want_attrs, want_contents; /* contents: and attributes */
	unsigned max_depth; /* entries below this depth are not met; UINT32_MAX: all are */
	unsigned nr_threads;
	/* Negative or positive ends the walk and is returned. *ret_enter (preset true): of a directory. */
	int (*visit)(void *ctx, const struct walk_entry *entry, bool *ret_enter);
	/* Behind all that is in a directory, also one that was not entered. May be NULL. */
	int (*leave)(void *ctx, const struct walk_entry *entry);
	/* Something could not be read (the sentence is the current one) or is not right. */
	void (*failed)(void *ctx, const char *path, const char *what);
	void *ctx;
};

int walk_tree(const struct walk_ops *ops, struct ubtrfs_node top) must_check;

#endif
