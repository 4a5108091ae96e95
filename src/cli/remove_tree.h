/*
 * Removing a tree of an image: for rm -r, and for mv out of a subvolume.
 */
#ifndef UBTRFS_CLI_REMOVE_TREE_H
#define UBTRFS_CLI_REMOVE_TREE_H

#include "cli/change_command.h"

/* After each name that is gone; may be NULL. */
typedef void (*removed_fn)(void *ctx, const char *path, bool is_dir);

/*
 * What stands at the place, with all below it; subvolumes are refused. What fails says "cannot remove
 * 'PATH': ...".
 */
int remove_tree(struct change_command *command, const struct place *place,
		const struct ubtrfs_attr *attr, removed_fn removed, void *ctx) must_check;
/* All below a directory, but not itself. */
int remove_below(struct change_command *command, const struct place *place,
		 const struct ubtrfs_attr *attr, removed_fn removed, void *ctx) must_check;

#endif
