/*
 * Features of a new filesystem by name, as mkfs.btrfs names them.
 */
#ifndef UBTRFS_OPS_MKFS_FEATURES_H
#define UBTRFS_OPS_MKFS_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct mkfs_features {
	uint64_t incompat;
	uint64_t compat_ro;
};

/*
 * Starts from the defaults; applies "name,^name,..." (NULL: nothing). ERR_INVALID for an unknown
 * one, ERR_UNSUPPORTED for one not built yet.
 */
int mkfs_features_parse(const char *list, struct mkfs_features *ret_features) must_check;

#endif
