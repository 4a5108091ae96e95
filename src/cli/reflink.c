/*
 * Copies that share their data. Keeps nothing.
 */
#include "cli/reflink.h"

#include <sys/stat.h>

int reflink_make(struct change_command *command, const struct ubtrfs_attr *source,
		 const struct place *place)
{
	struct ubtrfs_node node;

	if (!S_ISREG(source->mode))
		return THROW(ERR_INVALID, "only regular files have data that can be shared");
	TRY(place_create(command, place, S_IFREG | (source->mode & 0777), &node));
	if (!source->size)
		return 0;
	return err_adopt(
		ubtrfs_clone_range(change_fs(command), source->node, 0, node, 0, source->size));
}
