/*
 * `ubtrfs filesystem` and `ubtrfs subvolume`: the groups, and which file has which of their commands.
 */
#include "cli/cli.h"
#include "cli/command_group.h"
#include "cli/filesystem.h"

static const struct group_command filesystem_commands[] = {
	{ "df", cmd_filesystem_df, "print space by type and profile" },
	{ "du", cmd_filesystem_du, "print what files take, alone and shared" },
	{ "label", cmd_filesystem_label, "print or set the label" },
	{ "show", cmd_filesystem_show, "print devices and how much of them is used" },
	{ "sync", cmd_filesystem_sync, "make everything done on a mount durable" },
	{ "usage", cmd_filesystem_usage, "print where space is, in detail" },
	{ NULL, NULL, NULL },
};

static const struct group_command subvolume_commands[] = {
	{ "get-default", cmd_subvolume_get_default, "print the default subvolume" },
	{ "list", cmd_subvolume_list, "list subvolumes and snapshots" },
	{ "show", cmd_subvolume_show, "print everything about a subvolume" },
	{ NULL, NULL, NULL },
};

int cmd_filesystem(int argc, char **argv)
{
	return command_group_run("filesystem", filesystem_commands, argc, argv);
}

int cmd_subvolume(int argc, char **argv)
{
	return command_group_run("subvolume", subvolume_commands, argc, argv);
}
