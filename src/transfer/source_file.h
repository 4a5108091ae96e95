/*
 * The contents of a scanned file, as the library reads them on its own threads.
 */
#ifndef UBTRFS_TRANSFER_SOURCE_FILE_H
#define UBTRFS_TRANSFER_SOURCE_FILE_H

#include "transfer/scan.h"

/*
 * Hands all data of a regular file's entry to the node, which is new, and sets its size. attr has
 * the times, which are set again where that changed them (of a copy they are left to the caller). The entry's batch stays until the library
 * has released the last source.
 */
int source_file_write(struct import *import, struct scan_entry *entry, struct ubtrfs_node node,
		      const struct ubtrfs_attr *attr) must_check;

#endif
