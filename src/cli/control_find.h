/*
 * The socket of the mount that a path lies in. See control_find.c.
 */
#ifndef UBTRFS_CLI_CONTROL_FIND_H
#define UBTRFS_CLI_CONTROL_FIND_H

#include "base/err.h"

/*
 * Connects. ERR_NOT_FOUND when the path lies in no mount of ours: the sentence says what it lies in;
 * EACCES when the mount is somebody else's; ERR_MOUNT when nobody is there who can be believed.
 */
int control_find(const char *path, int *ret_fd) must_check;

#endif
