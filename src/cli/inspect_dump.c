/*
 * `ubtrfs inspect-internal dump-super` and `dump-tree`, in the words of btrfs-progs.
 */
#include <stdio.h>

#include <ubtrfs/inspect.h>

#include "cli/cli.h"
#include "cli/inspect.h"
#include "cli/tree_name.h"

#define SUPER_COPIES 3u

static const char super_help[] =
	"usage: ubtrfs inspect-internal dump-super [-fFa] [-s COPY] FILE|DEVICE...\n"
	"\n"
	"Print superblocks.\n"
	"\n"
	"  -f, --full        the system chunks and the backup roots too\n"
	"  -a, --all         every copy\n"
	"  -s, --super COPY  this copy: 0 (default), 1 or 2\n"
	"  -F, --force       one that is not valid too\n"
	"      --help        print this\n";

static const char tree_help[] =
	"usage: ubtrfs inspect-internal dump-tree [-edrRu] [-t TREE] [-b BLOCK [--follow]] FILE|DEVICE...\n"
	"\n"
	"Print the trees of a filesystem (all its files or devices are given).\n"
	"\n"
	"  -e, --extents     the extent and device trees\n"
	"  -d, --device      the root, chunk and device trees\n"
	"  -r, --roots       where the roots are\n"
	"  -R, --backups     the same, and the backup roots\n"
	"  -u, --uuid        the uuid tree\n"
	"  -t, --tree TREE   this tree: a number, or a name as fs or extent\n"
	"  -b, --block BLOCK this tree block\n"
	"      --follow      with -b: and what is below it\n"
	"      --help        print this\n";

static int show_help(const char *text)
{
	fputs(text, stdout);
	return cli_finish_output();
}

struct super_wish {
	bool full, force, all;
	uint64_t copy;
};

/* Copies that lie beyond the end of a device are left out when all are wanted. */
static int dump_super_all(const char *path, const struct super_wish *wish)
{
	for (unsigned copy = 0; copy < SUPER_COPIES; copy++) {
		int err = ubtrfs_dump_super(path, copy, wish->full, wish->force, stdout);

		if (copy && err == -ENOENT)
			return 0;
		if (err < 0)
			return cli_error("%s", ubtrfs_error_text());
	}
	return 0;
}

int cmd_dump_super(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "full", no_argument, NULL, 'f' },	    { "all", no_argument, NULL, 'a' },
		{ "super", required_argument, NULL, 's' },  { "force", no_argument, NULL, 'F' },
		{ "help", no_argument, NULL, OPTION_HELP }, { NULL, 0, NULL, 0 },
	};
	struct super_wish wish = { 0 };
	int option, code = 0;

	optind = 0;
	while ((option = cli_option(argc, argv, ":fas:F", long_options)) != -1) {
		switch (option) {
		case 'f':
			wish.full = true;
			break;
		case 'a':
			wish.all = true;
			break;
		case 's':
			if (number_parse(optarg, &wish.copy) < 0 || wish.copy >= SUPER_COPIES)
				return cli_error("option --super: '%s' is not 0, 1 or 2", optarg);
			break;
		case 'F':
			wish.force = true;
			break;
		case OPTION_HELP:
			return show_help(super_help);
		default:
			return 1;
		}
	}
	if (optind == argc)
		return cli_error("dump-super: no file or device given (see --help)");
	for (int i = optind; i < argc; i++) {
		if (wish.all)
			code |= dump_super_all(argv[i], &wish);
		else if (ubtrfs_dump_super(argv[i], (unsigned)wish.copy, wish.full, wish.force,
					   stdout) < 0)
			code |= cli_error("%s", ubtrfs_error_text());
	}
	return code | cli_finish_output();
}

/* -1: go on; otherwise the exit code. */
static int dump_tree_options(int argc, char **argv, struct ubtrfs_dump_tree *what)
{
	static const struct option long_options[] = {
		{ "extents", no_argument, NULL, 'e' },
		{ "device", no_argument, NULL, 'd' },
		{ "roots", no_argument, NULL, 'r' },
		{ "backups", no_argument, NULL, 'R' },
		{ "uuid", no_argument, NULL, 'u' },
		{ "tree", required_argument, NULL, 't' },
		{ "block", required_argument, NULL, 'b' },
		{ "follow", no_argument, NULL, 'F' },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":edrRut:b:", long_options)) != -1) {
		switch (option) {
		case 'e':
			what->extents_only = true;
			break;
		case 'd':
			what->devices_only = true;
			break;
		case 'R':
			what->backups = true;
			what->roots_only = true;
			break;
		case 'r':
			what->roots_only = true;
			break;
		case 'u':
			what->uuid_only = true;
			break;
		case 't':
			if (tree_name_parse(optarg, &what->tree_id) < 0 || !what->tree_id)
				return cli_error(
					"option --tree: '%s' is neither a number nor a tree's name",
					optarg);
			break;
		case 'b':
			if (number_parse(optarg, &what->block) < 0 || !what->block)
				return cli_error("option --block: '%s' is not an address", optarg);
			break;
		case 'F':
			what->follow = true;
			break;
		case OPTION_HELP:
			return show_help(tree_help);
		default:
			return 1;
		}
	}
	if (what->follow && !what->block)
		return cli_error("option --follow must be used with --block");
	if (optind == argc)
		return cli_error("dump-tree: no file or device given (see --help)");
	return -1;
}

int cmd_dump_tree(int argc, char **argv)
{
	struct ubtrfs_dump_tree what = { 0 };
	struct ubtrfs_open_options options;
	struct ubtrfs *fs;
	int code = dump_tree_options(argc, argv, &what);

	if (code >= 0)
		return code;
	ubtrfs_open_options_init(&options);
	options.devices = (const char *const *)argv + optind;
	options.nr_devices = (unsigned)(argc - optind);
	if (ubtrfs_open(&options, &fs) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = ubtrfs_dump_tree(fs, &what, stdout) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
	ubtrfs_abandon(fs);
	return code | cli_finish_output();
}
