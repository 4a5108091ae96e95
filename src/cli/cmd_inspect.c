/*
 * `ubtrfs inspect-internal`: the group, and which file has which of its commands.
 */
#include "cli/cli.h"
#include "cli/command_group.h"
#include "cli/inspect.h"

static const struct group_command commands[] = {
	{ "dump-super", cmd_dump_super, "print superblocks" },
	{ "dump-tree", cmd_dump_tree, "print the trees of a filesystem" },
	{ "inode-resolve", cmd_inode_resolve, "print the paths of an inode" },
	{ "list-chunks", cmd_list_chunks, "print the chunks on all devices" },
	{ "logical-resolve", cmd_logical_resolve, "print who uses a logical address" },
	{ "min-dev-size", cmd_min_dev_size, "print how small a device could be made" },
	{ "rootid", cmd_rootid, "print the id of the subvolume that holds a path" },
	{ "subvolid-resolve", cmd_subvolid_resolve, "print the path of a subvolume" },
	{ "tree-stats", cmd_tree_stats, "print how trees lie on the disk" },
	{ NULL, NULL, NULL },
};

int cmd_inspect_internal(int argc, char **argv)
{
	return command_group_run("inspect-internal", commands, argc, argv);
}
