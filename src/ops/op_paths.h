/*
 * For the files of ops/ that answer questions about the whole filesystem: everything in the trees,
 * and paths.
 */
#ifndef UBTRFS_OPS_OP_PATHS_H
#define UBTRFS_OPS_OP_PATHS_H

#include "ops/ops.h"

/*
 * What is delayed goes into the trees (nothing is committed), so that they tell everything. The
 * caller holds the lock of the filesystem. First thing under FS_READ: ERR_WANTS_ALONE (no THROW
 * text) while the lock is shared and the filesystem is open for writing.
 */
int fs_settle(struct ubtrfs *fs) must_check;

#endif
