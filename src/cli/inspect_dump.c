/*
 * `ubtrfs inspect-internal dump-super` and `dump-tree`, in the words of btrfs-progs.
 *
 * Options are those of btrfs-progs 6.14; dump-tree's -d is the device tree, so that members of a
 * filesystem are named as further FILEs, or found by scanning.
 */
#include <stdio.h>
#include <string.h>

#include <ubtrfs/inspect.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/image_path.h"
#include "cli/inspect.h"
#include "cli/tree_name.h"

#define SUPER_COPIES 3u

enum {
	OPTION_FORMAT = OPTION_HELP + 1,
	OPTION_BYTENR,
	OPTION_FOLLOW,
	OPTION_BFS,
	OPTION_DFS,
	OPTION_HIDE_NAMES,
	OPTION_CSUM_HEADERS,
	OPTION_CSUM_ITEMS,
};

static const char super_help[] =
	"usage: ubtrfs inspect-internal dump-super [OPTIONS] FILE|DEVICE...\n"
	"\n"
	"Print superblocks.\n"
	"\n"
	"  -f, --full            the system chunks and the backup roots too\n"
	"  -a, --all             every copy\n"
	"  -s, -i, --super COPY  this copy: 0 (default), 1 or 2\n"
	"      --bytenr BYTES    what stands at this byte\n"
	"  -F, --force           also what is not a superblock\n"
	"      --format FORMAT   text (default) or json\n"
	"      --help            print this\n";

static const char tree_help[] =
	"usage: ubtrfs inspect-internal dump-tree [OPTIONS] FILE|DEVICE...\n"
	"\n"
	"Print the trees of a filesystem. Several FILEs are members of one filesystem.\n"
	"\n"
	"  -e, --extents         the extent and device trees\n"
	"  -d, --device          the root, chunk and device trees\n"
	"  -r, --roots           where the roots are\n"
	"  -R, --backups         the same, and the backup roots\n"
	"  -u, --uuid            the uuid tree\n"
	"  -t, --tree TREE       this tree: a number, or a name as fs or extent\n"
	"  -b, --block BLOCK     this tree block (may be repeated)\n"
	"      --follow          with -b: and what is below it\n"
	"      --bfs             nodes level by level (default)\n"
	"      --dfs             each node before what is below it\n"
	"      --hide-names      HIDDEN in place of names and of values of attributes\n"
	"      --csum-headers    the checksums of tree blocks\n"
	"      --csum-items      the checksums of data\n"
	"      --format FORMAT   text (default) or json\n"
	"      --noscan          do not look for members in the folder of the first FILE\n"
	"      --partition N     the filesystem lies in this partition of a disk image\n"
	"      --offset BYTES    or at this byte of it\n"
	"      --super N         believe this copy of the superblock: 0, 1 or 2\n"
	"      --help            print this\n";

static int show_help(const char *text)
{
	fputs(text, stdout);
	return cli_finish_output();
}

static void tell_error(void *ctx, const char *sentence)
{
	(void)ctx;
	cli_error("%s", sentence);
}

/*
 * ---- dump-super
 * ---------------------------------------------------------------------------------------------
 */

/* A copy; as btrfs-progs has it, any other number is a place. */
static int super_option(struct ubtrfs_dump_super *what, const char *text)
{
	uint64_t number;

	if (number_parse(text, &number) < 0)
		return cli_error("option --super: '%s' is not 0, 1 or 2", text);
	if (number < SUPER_COPIES) {
		what->copy = (unsigned)number;
		return 0;
	}
	cli_warning("--super %s is no copy (0, 1 or 2): taken as --bytenr %s", text, text);
	what->other_place = true;
	what->bytenr = number;
	return 0;
}

/* -1: go on; otherwise the exit code. */
static int dump_super_option(struct ubtrfs_dump_super *what, int option)
{
	switch (option) {
	case 'f':
		what->full = true;
		return -1;
	case 'a':
		what->all = true;
		return -1;
	case 'i':
		cli_warning("-i is deprecated: --super");
		/* fall through */
	case 's':
		what->all = false;
		return super_option(what, optarg) ? 1 : -1;
	case OPTION_BYTENR:
		what->other_place = true;
		if (number_parse(optarg, &what->bytenr) < 0)
			return cli_error("option --bytenr: '%s' is not a number of bytes", optarg);
		return -1;
	case 'F':
		what->force = true;
		return -1;
	case OPTION_FORMAT:
		return cli_format(optarg, &what->json) ? 1 : -1;
	case OPTION_HELP:
		return show_help(super_help);
	default:
		return 1;
	}
}

int cmd_dump_super(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "full", no_argument, NULL, 'f' },
		{ "all", no_argument, NULL, 'a' },
		{ "super", required_argument, NULL, 's' },
		{ "bytenr", required_argument, NULL, OPTION_BYTENR },
		{ "force", no_argument, NULL, 'F' },
		{ "format", required_argument, NULL, OPTION_FORMAT },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	struct ubtrfs_dump_super what = { .tell = tell_error };
	int option, code;

	optind = 0;
	while ((option = cli_option(argc, argv, ":fas:i:F", long_options)) != -1) {
		code = dump_super_option(&what, option);
		if (code >= 0)
			return code;
	}
	if (optind == argc)
		return cli_error("dump-super: no file or device given (see --help)");
	what.devices = (const char *const *)argv + optind;
	what.nr_devices = (unsigned)(argc - optind);
	code = ubtrfs_dump_super(&what, stdout) < 0;
	return code | cli_finish_output();
}

/*
 * ---- dump-tree
 * ----------------------------------------------------------------------------------------------
 */

struct tree_wish {
	struct ubtrfs_dump_tree what;
	struct image_view view;
	uint64_t *blocks; /* what.blocks, while it is filled; owned */
};

static int block_option(struct tree_wish *wish, const char *text)
{
	uint64_t *block = &wish->blocks[wish->what.nr_blocks];

	if (number_parse(text, block) < 0 || !*block)
		return cli_error("option --block: '%s' is not an address", text);
	wish->what.nr_blocks++;
	return -1;
}

/* What to show; -1: go on; -2: none of these; otherwise the exit code. */
static int tree_choice(struct tree_wish *wish, int option)
{
	struct ubtrfs_dump_tree *what = &wish->what;

	switch (option) {
	case 'e':
		what->extents_only = true;
		return -1;
	case 'd':
		what->devices_only = true;
		return -1;
	case 'R':
		what->backups = true;
		/* fall through */
	case 'r':
		what->roots_only = true;
		return -1;
	case 'u':
		what->uuid_only = true;
		return -1;
	case 't':
		if (tree_name_parse(optarg, &what->tree_id) < 0 || !what->tree_id)
			return cli_error(
				"option --tree: '%s' is neither a number nor a tree's name",
				optarg);
		return -1;
	case 'b':
		return block_option(wish, optarg);
	case OPTION_FOLLOW:
		what->follow = true;
		return -1;
	default:
		return -2;
	}
}

/* How to show it; results as before. */
static int tree_style(struct tree_wish *wish, int option)
{
	struct ubtrfs_dump_tree *what = &wish->what;
	int code;

	switch (option) {
	case OPTION_BFS:
	case OPTION_DFS:
		what->depth_first = option == OPTION_DFS;
		return -1;
	case OPTION_HIDE_NAMES:
		what->hide_names = true;
		return -1;
	case OPTION_CSUM_HEADERS:
		what->csum_headers = true;
		return -1;
	case OPTION_CSUM_ITEMS:
		what->csum_items = true;
		return -1;
	case OPTION_FORMAT:
		return cli_format(optarg, &what->json) ? 1 : -1;
	case OPTION_HELP:
		return show_help(tree_help);
	default:
		code = image_view_option(&wish->view, option);
		return code == 0 ? -1 : 1;
	}
}

/* -1: go on; otherwise the exit code. */
static int dump_tree_options(int argc, char **argv, struct tree_wish *wish)
{
	static const struct option long_options[] = {
		{ "extents", no_argument, NULL, 'e' },
		{ "device", no_argument, NULL, 'd' },
		{ "roots", no_argument, NULL, 'r' },
		{ "backups", no_argument, NULL, 'R' },
		{ "uuid", no_argument, NULL, 'u' },
		{ "tree", required_argument, NULL, 't' },
		{ "block", required_argument, NULL, 'b' },
		{ "follow", no_argument, NULL, OPTION_FOLLOW },
		{ "bfs", no_argument, NULL, OPTION_BFS },
		{ "dfs", no_argument, NULL, OPTION_DFS },
		{ "hide-names", no_argument, NULL, OPTION_HIDE_NAMES },
		{ "csum-headers", no_argument, NULL, OPTION_CSUM_HEADERS },
		{ "csum-items", no_argument, NULL, OPTION_CSUM_ITEMS },
		{ "format", required_argument, NULL, OPTION_FORMAT },
		{ "noscan", no_argument, NULL, OPTION_NOSCAN },
		{ "partition", required_argument, NULL, OPTION_PARTITION },
		{ "offset", required_argument, NULL, OPTION_OFFSET },
		{ "super", required_argument, NULL, OPTION_SUPER },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option, code;

	optind = 0;
	while ((option = cli_option(argc, argv, ":edrRut:b:", long_options)) != -1) {
		code = tree_choice(wish, option);
		if (code == -2)
			code = tree_style(wish, option);
		if (code >= 0)
			return code;
	}
	if (wish->what.follow && !wish->what.nr_blocks)
		return cli_error("option --follow must be used with --block");
	if (optind == argc)
		return cli_error("dump-tree: no file or device given (see --help)");
	return -1;
}

static int dump_tree(int argc, char **argv, struct tree_wish *wish)
{
	int code = dump_tree_options(argc, argv, wish);

	if (code >= 0)
		return code;
	for (int i = optind + 1; i < argc; i++)
		wish->view.devices[wish->view.how.nr_devices++] = argv[i];
	if (image_view_open(&wish->view, argv[optind]))
		return 1;
	wish->what.blocks = wish->blocks;
	if (ubtrfs_dump_tree(wish->view.fs, &wish->what, stdout) < 0)
		code = cli_error("%s", ubtrfs_error_text());
	else
		code = 0;
	return code | cli_finish_output();
}

int cmd_dump_tree(int argc, char **argv)
{
	SCOPED_MEM uint64_t *blocks = mem_array((size_t)argc, sizeof(*blocks));
	struct tree_wish wish = { .blocks = blocks };
	int code;

	if (!blocks || image_view_init(&wish.view, (unsigned)argc) < 0)
		return cli_error("no memory for the arguments");
	code = dump_tree(argc, argv, &wish);
	image_view_fini(&wish.view);
	return code;
}
