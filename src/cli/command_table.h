/*
 * The table of commands (main.c), for those who find one by name.
 */
#ifndef UBTRFS_CLI_COMMAND_TABLE_H
#define UBTRFS_CLI_COMMAND_TABLE_H

#include <stdbool.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

/* NULL behind the last. */
const struct command *command_at(unsigned index);
/* It has a meaning inside an image that is open: it is a command of the shell too. */
bool command_is_inside(const struct command *command);

#endif
