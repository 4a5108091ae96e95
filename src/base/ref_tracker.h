/*
 * Who holds the counted references: in debug builds each get of a selected type is recorded with
 * its stack.
 *
 * Selected are the types named in UBTRFS_REF_TRACKER at start ("node,inode", "all"), or by
 * ref_tracker_select; a counter belongs to the selection of the moment of its ref_init. A put
 * without its get, or with a handle given back before, aborts with both stacks. ref_tracker_report
 * is called when the domain closes. In release builds there is nothing to track, and selecting is
 * refused.
 */
#ifndef UBTRFS_BASE_REF_TRACKER_H
#define UBTRFS_BASE_REF_TRACKER_H

#include <stddef.h>

#include "base/err.h"
#include "base/ref.h"

/*
 * Comma-separated types, "all", or "" for none; replaces the selection. ERR_UNSUPPORTED in
 * release builds.
 */
int ref_tracker_select(const char *types) must_check;
/* By UBTRFS_REF_TRACKER; nothing when it is not set. */
int ref_tracker_select_from_env(void) must_check;

/*
 * Logs each reference still held in the domain (NULL: in all) with the stack that took it;
 * returns how many.
 */
size_t ref_tracker_report(const void *domain);

#endif
