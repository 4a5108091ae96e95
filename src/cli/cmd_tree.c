/*
 * `ubtrfs tree`: the names of an image drawn as a tree, as tree(1) does.
 *
 * Lines are drawn with box characters when the locale is UTF-8, in ASCII otherwise.
 */
#include <langinfo.h>
#include <linux/btrfs_tree.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"
#include "cli/session.h"

/* What stands before a name and before the names below it. */
struct tree_lines {
	const char *entry, *entry_last, *below, *below_last;
};

struct tree_job {
	struct image_view view;
	const struct tree_lines *lines;
	struct strbuf indent;
	struct pair_set met; /* directories of an argument */
	bool all, dirs_only;
	uint64_t max_depth; /* 0: any */
	uint64_t nr_dirs, nr_files;
};

static const char help_text[] = "usage: ubtrfs tree [-ad] [-L DEPTH] IMAGE:/PATH...\n"
				"\n"
				"Draw the tree of names of an image.\n"
				"\n"
				"  -a, --all             names that begin with a dot too\n"
				"  -d                    directories only\n"
				"  -L DEPTH              no deeper than DEPTH\n" IMAGE_HELP
				"      --help            print this\n";

static bool shown(const struct tree_job *job, const struct entry *entry)
{
	return (job->all || entry->name[0] != '.') && (!job->dirs_only || entry_is_dir(entry));
}

static int draw_dir(struct tree_job *job, struct ubtrfs_node dir, const char *name, unsigned depth);

static int draw_entry(struct tree_job *job, const struct entry *entry, bool last, unsigned depth)
{
	size_t indent_len = job->indent.len;
	char *target;
	int code = 0;

	printf("%s%s", strbuf_text(&job->indent),
	       last ? job->lines->entry_last : job->lines->entry);
	print_name(entry->name);
	if (entry->type == BTRFS_FT_SYMLINK) {
		if (symlink_read(job->view.fs, entry->node, &target) < 0) {
			putchar('\n');
			return cli_fail("%s", entry->name);
		}
		fputs(" -> ", stdout);
		print_name(target);
		mem_free(target);
	}
	putchar('\n');
	if (!entry_is_dir(entry)) {
		job->nr_files++;
		return 0;
	}
	job->nr_dirs++;
	if (job->max_depth && depth >= job->max_depth)
		return 0;
	strbuf_add(&job->indent, last ? job->lines->below_last : job->lines->below);
	code = draw_dir(job, entry->node, entry->name, depth + 1);
	/* Back to the indent of this level. */
	job->indent.len = indent_len;
	if (job->indent.text)
		job->indent.text[indent_len] = '\0';
	return code;
}

static int draw_dir(struct tree_job *job, struct ubtrfs_node dir, const char *name, unsigned depth)
{
	struct entry_list list;
	size_t nr_left = 0;
	int code = 0;

	if (depth > WALK_MAX_DEPTH)
		return cli_error("%s is deeper than %u directories", name, WALK_MAX_DEPTH);
	if (dir_meet(&job->met, dir, name))
		return 1;
	if (entry_list_read(job->view.fs, dir, &list) < 0)
		code = cli_fail("%s", name);
	for (size_t i = 0; i < list.nr; i++)
		nr_left += shown(job, &list.entries[i]);
	for (size_t i = 0; i < list.nr && !session_interrupted(); i++)
		if (shown(job, &list.entries[i]))
			code |= draw_entry(job, &list.entries[i], --nr_left == 0, depth);
	entry_list_release(&list);
	return code;
}

static int draw_argument(struct tree_job *job, const char *text)
{
	struct ubtrfs_node node;

	if (image_view_find(&job->view, text, true, &node))
		return 1;
	pair_set_clear(&job->met);
	print_name(text);
	putchar('\n');
	return draw_dir(job, node, text, 1);
}

static const struct tree_lines *choose_lines(void)
{
	static const struct tree_lines ascii = { "|-- ", "`-- ", "|   ", "    " };
	static const struct tree_lines box = { "\u251c\u2500\u2500 ", "\u2514\u2500\u2500 ",
					       "\u2502   ", "    " };

	setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? &box : &ascii;
}

/* -1: go on; otherwise the exit code. */
static int tree_options(struct tree_job *job, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "all", no_argument, NULL, 'a' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:adL:", long_options)) != -1) {
		switch (option) {
		case 'a':
			job->all = true;
			break;
		case 'd':
			job->dirs_only = true;
			break;
		case 'L':
			if (number_parse(optarg, &job->max_depth) < 0 || !job->max_depth)
				return cli_error("option -L: '%s' is not a depth of 1 or more",
						 optarg);
			break;
		case OPTION_HELP:
			fputs(help_text, stdout);
			return cli_finish_output();
		default:
			if (image_view_option(&job->view, option))
				return 1;
		}
	}
	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("tree: no IMAGE:/PATH given (see --help)");
	return -1;
}

static void print_totals(const struct tree_job *job)
{
	printf("\n%llu director%s", (unsigned long long)job->nr_dirs,
	       job->nr_dirs == 1 ? "y" : "ies");
	if (!job->dirs_only)
		printf(", %llu file%s", (unsigned long long)job->nr_files,
		       job->nr_files == 1 ? "" : "s");
	putchar('\n');
}

int cmd_tree(int argc, char **argv)
{
	struct tree_job job = { .lines = choose_lines() };
	int code;

	if (image_view_init(&job.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	strbuf_init(&job.indent);
	pair_set_init(&job.met);
	code = tree_options(&job, argc, argv);
	if (code < 0) {
		code = 0;
		argc = image_default_here(argc, argv);
		for (int i = optind; i < argc; i++)
			code |= draw_argument(&job, argv[i]);
		if (session_interrupted())
			code = cli_error("interrupted");
		else
			print_totals(&job);
		code |= cli_finish_output();
	}
	pair_set_fini(&job.met);
	strbuf_fini(&job.indent);
	image_view_fini(&job.view);
	return code;
}
