/*
 * Walking the tree that an argument names, and how its paths are shown.
 */
#include "cli/image_walk.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/entry_list.h"

const char *image_path_joint(const char *argument, const char *path)
{
	size_t len = strlen(argument);

	return *path && len && argument[len - 1] != '/' ? "/" : "";
}

const char *image_walk_joint(const struct image_walk *walk, const struct walk_entry *entry)
{
	return image_path_joint(walk->argument, entry->path);
}

static void print_bytes(const char *name)
{
	fputs(name, stdout);
}

void image_walk_print(const struct image_walk *walk, const struct walk_entry *entry)
{
	void (*print)(const char *name) = walk->to_terminal ? print_name : print_bytes;

	print(walk->argument);
	print(image_walk_joint(walk, entry));
	print(entry->path);
}

/* what NULL: the library says why. */
static void walk_failed(void *ctx, const char *path, const char *what)
{
	struct image_walk *walk = ctx;
	const char *between = image_path_joint(walk->argument, path);

	walk->code = what ? cli_error("%s%s%s: %s", walk->argument, between, path, what) :
			    cli_fail("%s%s%s", walk->argument, between, path);
}

int image_walk_run(struct image_walk *walk, const char *argument, struct walk_ops *ops)
{
	struct ubtrfs_node top;

	walk->argument = argument;
	walk->code = 0;
	walk->to_terminal = isatty(STDOUT_FILENO);
	if (image_view_find(walk->view, argument, false, &top))
		return 1;
	ops->fs = walk->view->fs;
	ops->failed = walk_failed;
	if (!ops->nr_threads)
		ops->nr_threads = cli_nr_processors();
	if (walk_tree(ops, top) < 0)
		return cli_fail("%s", argument);
	return walk->code;
}
