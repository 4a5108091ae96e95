/*
 * What chmod and chown share.
 */
#include "cli/attr_tree.h"

#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/image_tree.h"

int attr_tree_option(struct attr_tree *job, int option)
{
	switch (option) {
	case 'R':
		job->recursive = true;
		return 0;
	case 'c':
		job->changes_only = true;
		return 0;
	case OPTION_REFERENCE:
		job->reference = optarg;
		return 0;
	case OPTION_PRESERVE_ROOT:
	case OPTION_NO_PRESERVE_ROOT:
		job->preserve_root = option == OPTION_PRESERVE_ROOT;
		return 0;
	default:
		return -1;
	}
}

bool attr_tree_tells(const struct attr_tree *job, bool changed)
{
	return job->command.verbose || (job->changes_only && changed);
}

static int met(void *ctx, const struct tree_entry *entry, bool *ret_enter)
{
	struct attr_tree *job = ctx;
	struct ubtrfs_attr attr;

	(void)ret_enter;
	TRY(change_step(&job->command));
	if (entry->type == BTRFS_FT_SYMLINK && !job->touch_symlinks) {
		if (job->command.verbose)
			printf("neither symbolic link '%s' nor referent has been changed\n",
			       entry->path);
		return 0;
	}
	/* In place of a subvolume that is not part of a snapshot. */
	if (entry->node.ino < UBTRFS_ROOT_INO)
		return 0;
	TRY(err_adopt(ubtrfs_getattr(change_fs(&job->command), entry->node, &attr)));
	return job->change(job, entry->path, &attr);
}

static int change_tree(struct attr_tree *job, const char *text, const struct ubtrfs_attr *attr)
{
	const struct ubtrfs_node root = image_view_top(&job->command.change.view);
	const struct tree_visitor visitor = { .before = met, .ctx = job };
	const struct tree_entry top = {
		.node = attr->node, .name = "", .type = BTRFS_FT_DIR, .path = text
	};

	if (job->preserve_root && attr->node.subvolid == root.subvolid &&
	    attr->node.ino == root.ino)
		return THROW(ERR_INVALID, "it is dangerous to operate recursively on '%s'", text);
	return image_tree_visit(change_fs(&job->command), &top, &visitor);
}

static int change_operand(void *ctx, const char *text)
{
	struct attr_tree *job = ctx;
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->command, text, job->follow, &attr);

	if (ret < 0)
		return change_fail(ret, "cannot access '%s'", text);
	if (job->recursive && S_ISDIR(attr.mode))
		return change_tree(job, text, &attr);
	return job->change(job, text, &attr);
}

int attr_tree_run(struct attr_tree *job)
{
	return change_each_operand(&job->command, change_operand);
}
