/*
 * Counting what an import would make, between the walk over an archive and import_estimate.c.
 */
#ifndef UBTRFS_TRANSFER_ESTIMATE_H
#define UBTRFS_TRANSFER_ESTIMATE_H

#include "transfer/hardlinks.h"
#include "transfer/unpack.h"

struct estimate {
	struct import *import;
	struct ubtrfs_mkfs_contents *contents;
	struct hardlinks hardlinks; /* of a directory: inodes that were counted */
	char *last_path;	    /* of an archive: the entry before, whose parents are there */
};

/* Counts the current entry; reads its data only when the header has no size. */
int estimate_archive_entry(struct estimate *estimate, struct unpack *unpack) must_check;

/* --- import_archive.c --- */

/* estimate_archive_entry for each entry of the file; import was made without a filesystem. */
int archive_estimate(struct import *import, const char *path, struct estimate *estimate) must_check;

#endif
