/*
 * Dispatch within a group of commands, and its help. Keeps nothing.
 */
#include "cli/command_group.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int show_help(const char *group, const struct group_command *commands)
{
	printf("usage: ubtrfs %s COMMAND [ARGUMENTS]\n\n", group);
	for (; commands->name; commands++)
		printf("    %-18s%s\n", commands->name, commands->summary);
	printf("\n`ubtrfs %s COMMAND --help` shows the options of a command.\n", group);
	return cli_finish_output();
}

int command_group_run(const char *group, const struct group_command *commands, int argc,
		      char **argv)
{
	const struct group_command *found = NULL;
	unsigned nr_found = 0;

	if (argc < 2)
		return cli_error("%s: no command given (see --help)", group);
	if (strcmp(argv[1], "--help") == 0)
		return show_help(group, commands);
	for (const struct group_command *at = commands; at->name; at++) {
		size_t len = strlen(argv[1]);

		if (!len || strncmp(at->name, argv[1], len) != 0)
			continue;
		found = at;
		nr_found++;
		if (!at->name[len]) {
			nr_found = 1;
			break;
		}
	}
	if (!nr_found)
		return cli_error("unknown command %s '%s'", group, argv[1]);
	if (nr_found > 1)
		return cli_error("command %s '%s' is ambiguous", group, argv[1]);
	return found->run(argc - 1, argv + 1);
}
