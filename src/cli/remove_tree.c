/*
 * Removing a tree of an image. Keeps nothing.
 */
#include "cli/remove_tree.h"

#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/image_tree.h"

struct removal {
	struct change_command *command;
	removed_fn removed;
	void *ctx;
};

static int removed(const struct removal *removal, const struct tree_entry *entry, int ret)
{
	if (ret < 0)
		return change_fail(err_adopt(ret), "cannot remove '%s'", entry->path);
	if (removal->removed)
		removal->removed(removal->ctx, entry->path, entry->type == BTRFS_FT_DIR);
	return 0;
}

static int remove_before(void *ctx, const struct tree_entry *entry, bool *ret_enter)
{
	struct removal *removal = ctx;

	TRY(change_step(removal->command));
	if (entry->is_subvolume && *entry->name)
		return THROW(
			ERR_UNSUPPORTED,
			"cannot remove '%s': it is a subvolume, and removing those is not built",
			entry->path);
	if (*ret_enter)
		return 0;
	return removed(removal, entry,
		       ubtrfs_unlink(change_fs(removal->command), entry->dir, entry->name,
				     strlen(entry->name)));
}

static int remove_after(void *ctx, const struct tree_entry *entry)
{
	struct removal *removal = ctx;

	if (!*entry->name)
		return 0;
	return removed(removal, entry,
		       ubtrfs_rmdir(change_fs(removal->command), entry->dir, entry->name,
				    strlen(entry->name)));
}

/* name "": the top stays. */
static int run(struct removal *removal, const struct place *place, const char *name,
	       const struct ubtrfs_attr *attr)
{
	const struct tree_visitor visitor = { .before = remove_before,
					      .after = remove_after,
					      .ctx = removal };
	const struct tree_entry top = {
		.dir = place->dir,
		.node = attr->node,
		.name = name,
		.type = S_ISDIR(attr->mode) ? BTRFS_FT_DIR : BTRFS_FT_REG_FILE,
		.is_subvolume = S_ISDIR(attr->mode) && attr->node.ino == UBTRFS_ROOT_INO,
		.path = place->text
	};

	return image_tree_visit(change_fs(removal->command), &top, &visitor);
}

int remove_tree(struct change_command *command, const struct place *place,
		const struct ubtrfs_attr *attr, removed_fn removed_one, void *ctx)
{
	struct removal removal = { .command = command, .removed = removed_one, .ctx = ctx };

	return run(&removal, place, place->name, attr);
}

int remove_below(struct change_command *command, const struct place *place,
		 const struct ubtrfs_attr *attr, removed_fn removed_one, void *ctx)
{
	struct removal removal = { .command = command, .removed = removed_one, .ctx = ctx };

	return run(&removal, place, "", attr);
}
