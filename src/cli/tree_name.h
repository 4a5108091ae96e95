/*
 * Trees by name, for dump-tree -t: the ids of the trees that every btrfs has. Subvolumes go by
 * number.
 */
#ifndef UBTRFS_CLI_TREE_NAME_H
#define UBTRFS_CLI_TREE_NAME_H

#include <stdint.h>

#include "base/err.h"

/*
 * A number, or a name as dump-tree prints it, in either case, with or without BTRFS_ and _TREE: "fs",
 * "EXTENT_TREE". -EINVAL.
 */
int tree_name_parse(const char *text, uint64_t *ret_tree_id) must_check;

#endif
