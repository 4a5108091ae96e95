/*
 * Opening below a directory by a path of any length.
 */
#ifndef UBTRFS_TRANSFER_SOURCE_PATH_H
#define UBTRFS_TRANSFER_SOURCE_PATH_H

#include <stddef.h>

/*
 * openat() without the limit of PATH_MAX; path is relative, without "..". The descriptor, or minus
 * an errno (no sentence).
 */
int source_path_open(int root_fd, const char *path, int flags);

#endif
