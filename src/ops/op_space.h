/*
 * For the files of ops/ that tell where space is.
 */
#ifndef UBTRFS_OPS_OP_SPACE_H
#define UBTRFS_OPS_OP_SPACE_H

#include <ubtrfs/admin.h>

#include "ops/ops.h"

#define SPACES_MAX 64u
/* One more for the global reserve. */
struct space_list {
	struct ubtrfs_space spaces[SPACES_MAX + 1];
	unsigned nr;
};

/* op_space.c */
/* Block groups by type and profile, in the order of Linux. */
int space_list_fill(struct core *core, struct space_list *list) must_check;
/* What every commit may have to change, or at least what an unlink on a full filesystem takes. */
int global_reserve(struct core *core, uint64_t *ret_bytes) must_check;

/* op_statfs.c */
unsigned space_copies(uint64_t flags);

#endif
