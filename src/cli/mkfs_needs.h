/*
 * No room: which size would do.
 */
#ifndef UBTRFS_CLI_MKFS_NEEDS_H
#define UBTRFS_CLI_MKFS_NEEDS_H

#include "cli/mkfs_options.h"

/*
 * After populating failed with -ENOSPC (err; its sentence is current): when the size was given and
 * is smaller than what would do, one sentence that names both; otherwise the failure as it is.
 * Reads the sources again; import is the request's with other callbacks. Returns a negative error.
 */
int mkfs_needs_explain(const struct mkfs_request *request, const struct import_options *import,
		       int err) must_check;

#endif
