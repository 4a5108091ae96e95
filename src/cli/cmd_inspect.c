/*
 * `ubtrfs inspect-internal`: the group, and which file has which of its commands.
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/inspect.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} subcommands[] = {
	{ "dump-super", cmd_dump_super, "print superblocks" },
	{ "dump-tree", cmd_dump_tree, "print the trees of a filesystem" },
};

static int show_help(void)
{
	puts("usage: ubtrfs inspect-internal COMMAND [ARGUMENTS]\n");
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
		printf("    %-18s%s\n", subcommands[i].name, subcommands[i].summary);
	puts("\n`ubtrfs inspect-internal COMMAND --help` shows the options of a command.");
	return cli_finish_output();
}

static const char *subcommand_name(unsigned index)
{
	return index < ARRAY_LEN(subcommands) ? subcommands[index].name : NULL;
}

int cmd_inspect_internal(int argc, char **argv)
{
	unsigned index;

	if (argc < 2)
		return cli_error("inspect-internal: no command given (see --help)");
	if (strcmp(argv[1], "--help") == 0)
		return show_help();
	if (cli_match("command inspect-internal", argv[1], subcommand_name, &index) < 0)
		return 1;
	return subcommands[index].run(argc - 1, argv + 1);
}
