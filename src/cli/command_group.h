/*
 * Commands that are groups of commands: `ubtrfs filesystem df`.
 */
#ifndef UBTRFS_CLI_COMMAND_GROUP_H
#define UBTRFS_CLI_COMMAND_GROUP_H

#include <stddef.h>

struct group_command {
	const char *name; /* NULL ends the table */
	int (*run)(int argc, char **argv);
	const char *summary;
};

/* Runs the command of the group that argv[1] names (or may abbreviate); the exit code. */
int command_group_run(const char *group, const struct group_command *commands, int argc,
		      char **argv);

#endif
