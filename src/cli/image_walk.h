/*
 * Commands that walk trees of images: what du and find share.
 */
#ifndef UBTRFS_CLI_IMAGE_WALK_H
#define UBTRFS_CLI_IMAGE_WALK_H

#include "cli/image_path.h"
#include "transfer/walk.h"

/* Paths are shown as the argument was written, and what is below it. */
struct image_walk {
	struct image_view *view;
	const char *argument; /* IMAGE:/PATH */
	int code;	      /* 1 after an error was told */
	bool to_terminal;     /* control characters in names are not shown */
};

/*
 * Walks the tree that the argument names; ops: all but fs and failed are set by the caller, whose ctx
 * begins with a struct image_walk. A symlink that the argument names is not followed. Positive results
 * of the visitor end it. Yields 0 or 1, after messages.
 */
int image_walk_run(struct image_walk *walk, const char *argument, struct walk_ops *ops);
/* What stands between an argument and a path below it: "" or "/". */
const char *image_path_joint(const char *argument, const char *path);
/* What stands before the path of an entry: "", or "/" when the argument does not end with one. */
const char *image_walk_joint(const struct image_walk *walk, const struct walk_entry *entry);
/* The path of an entry, to stdout. */
void image_walk_print(const struct image_walk *walk, const struct walk_entry *entry);

#endif
