/*
 * Moving between subvolumes. Keeps nothing.
 */
#include "cli/move_copy.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/remove_tree.h"
#include "transfer/copy_in.h"

static int make_room(struct change_command *command, const struct place *place)
{
	struct ubtrfs *fs = change_fs(command);
	struct ubtrfs_attr old = { .mode = 0 };
	int ret = place_attr(command, place, false, &old);

	if (err_to_errno(ret) == ENOENT)
		return 0;
	TRY(ret);
	return err_adopt(S_ISDIR(old.mode) ?
				 ubtrfs_rmdir(fs, place->dir, place->name, strlen(place->name)) :
				 ubtrfs_unlink(fs, place->dir, place->name, strlen(place->name)));
}

static int copy(struct change_command *command, const struct place *from,
		const struct ubtrfs_attr *source, const struct place *place)
{
	const struct copy_rules rules = { .recursive = true,
					  .follow = COPY_FOLLOW_NEVER,
					  .keep = COPY_KEEP_ALL,
					  .umask = command->umask };
	const struct copy_source what = { .path = from->text,
					  .fs = change_fs(command),
					  .node = source->node };
	const struct copy_dest dest = { .dir = place->dir,
					.name = place->name,
					.path = place->text };
	struct import_options options;
	struct err_report report;
	struct copy_in *copying;
	int ret;

	import_options_init(&options);
	change_import_options(&command->change, &options);
	TRY(copy_in_new(change_fs(command), &rules, &options, &copying));
	ret = copy_in_add(copying, &what, &dest);
	if (ret == 0)
		ret = copy_in_drain(copying);
	err_capture(ret, &report);
	copy_in_free(copying, NULL);
	return err_rethrow(&report);
}

int move_copy(struct change_command *command, const struct place *from,
	      const struct ubtrfs_attr *source, const struct place *place)
{
	TRY(make_room(command, place));
	TRY(copy(command, from, source, place));
	return remove_tree(command, from, source, NULL, NULL);
}
