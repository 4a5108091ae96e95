/*
 * `ubtrfs find`: names of an image by their properties, as find(1) finds them.
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/find_expr.h"
#include "cli/session.h"

#define OUTPUT_BYTES ((size_t)64 << 10)

static const char help_text[] =
	"usage: ubtrfs find [OPTION...] IMAGE:/PATH... [EXPRESSION]\n"
	"\n"
	"Find files of an image. Tests: -name -iname -path -ipath PATTERN (-path: of the path inside the\n"
	"image), -type [fdlbcps], -size N[bcwkMG], -mtime -atime -ctime N (days), -mmin -amin -cmin N\n"
	"(minutes), -newer /PATH (in the same image), -uid -gid -user -group N, -perm [-/]MODE, -links N,\n"
	"-inum N, -empty, -true, -false; N may be +N (more) or -N (less). Actions: -print, -print0,\n"
	"-printf FORMAT, -prune, -quit. Operators: ( ), ! -not, -a -and, -o -or. Everywhere: -maxdepth N,\n"
	"-mindepth N, -xdev (do not enter other subvolumes).\n"
	"\n"
	"  -j, --jobs N          threads; as many as processors when not given\n" IMAGE_HELP
	"      --help            print this\n";

static int find_visit(void *ctx, const struct walk_entry *entry, bool *ret_enter)
{
	struct find *find = ctx;

	TRY(session_check());
	if (entry->depth >= find->min_depth)
		(void)find_matches(find, entry, ret_enter);
	if (find->one_subvolume && entry->is_subvolume && entry->depth)
		*ret_enter = false;
	return find->quit;
}

static int find_argument(struct find *find, const char *argument)
{
	struct walk_ops ops = { .want_attrs = find->want_attrs,
				.max_depth = (unsigned)MIN(find->max_depth, UINT32_MAX),
				.nr_threads = find->nr_threads,
				.visit = find_visit,
				.ctx = find };

	return image_walk_run(&find->walk, argument, &ops);
}

static bool begins_expression(const char *word)
{
	return word[0] == '-' || strcmp(word, "(") == 0 || strcmp(word, "!") == 0;
}

/*
 * Options stand before the first argument; -1: go on; otherwise the exit code. A '+' keeps getopt from
 * taking parts of the expression for options.
 */
static int find_options(struct find *find, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "jobs", required_argument, NULL, 'j' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, "+:D:j:", long_options)) != -1) {
		switch (option) {
		case 'j':
			if (cli_threads(optarg, &find->nr_threads))
				return 1;
			break;
		case OPTION_HELP:
			fputs(help_text, stdout);
			return cli_finish_output();
		default:
			if (image_view_option(&find->view, option))
				return 1;
		}
	}
	/* In the shell it is about the directory that the user is in. */
	if (!session_current() && (optind == argc || begins_expression(argv[optind])))
		return cli_error("find: no IMAGE:/PATH given (see --help)");
	return -1;
}

static int find_all(struct find *find, int argc, char **argv)
{
	struct clock_time wall;
	int nr_paths = 0, code = 0;

	find->args = argv + optind;
	find->nr_args = argc - optind;
	while (nr_paths < find->nr_args && !begins_expression(find->args[nr_paths]))
		nr_paths++;
	find->at = nr_paths;
	wall = clock_wall();
	find->now = (struct ubtrfs_time){ wall.sec, wall.nsec };
	if (find_parse(find))
		return 1;
	(void)setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	if (!nr_paths)
		code = find_argument(find, ".");
	for (int i = 0; i < nr_paths && !find->quit; i++)
		code |= find_argument(find, find->args[i]);
	return code | cli_finish_output();
}

int cmd_find(int argc, char **argv)
{
	struct find find = { .max_depth = UINT32_MAX };
	int code;

	if (image_view_init(&find.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	find.walk.view = &find.view;
	code = find_options(&find, argc, argv);
	if (code < 0)
		code = find_all(&find, argc, argv);
	mem_free(find.terms);
	image_view_fini(&find.view);
	return code;
}
