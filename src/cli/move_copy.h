/*
 * Moving between subvolumes of one image: a copy that shares its data, and the removal of the original.
 */
#ifndef UBTRFS_CLI_MOVE_COPY_H
#define UBTRFS_CLI_MOVE_COPY_H

#include "cli/change_command.h"

/*
 * source: what stands at `from`. What stands at `place` goes, as with rename(2): a directory that is
 * empty, or a file.
 */
int move_copy(struct change_command *command, const struct place *from,
	      const struct ubtrfs_attr *source, const struct place *place) must_check;

#endif
