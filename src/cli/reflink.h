/*
 * Copies that share their data with the original, inside one filesystem.
 */
#ifndef UBTRFS_CLI_REFLINK_H
#define UBTRFS_CLI_REFLINK_H

#include "cli/change_command.h"

/*
 * A new file with the contents of another, of which nothing is copied, and its permissions under the
 * umask. Regular files only.
 */
int reflink_make(struct change_command *command, const struct ubtrfs_attr *source,
		 const struct place *place) must_check;

#endif
