/*
 * The frame of the commands that show attributes.
 */
#include "cli/attr_show.h"

#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/image_tree.h"

/* -1: go on; otherwise the exit code. */
static int take_option(const struct attr_show_spec *spec, struct attr_show *job, int option)
{
	int code = spec->option(job, option);

	if (code >= 0)
		return code ? 1 : -1;
	switch (option) {
	case 'R':
		job->recursive = true;
		return -1;
	case 'h':
		job->no_follow = true;
		return -1;
	case 'L':
	case 'P':
		job->logical = option == 'L';
		job->physical = option == 'P';
		return -1;
	case OPTION_HELP:
		fputs(spec->help, stdout);
		return cli_finish_output();
	default:
		return image_view_option(&job->view, option) ? 1 : -1;
	}
}

static int show_all(const struct attr_show_spec *spec, struct attr_show *job, int argc, char **argv)
{
	int option, code = -1;

	optind = 0;
	while (code < 0 &&
	       (option = cli_option(argc, argv, spec->short_options, spec->long_options)) != -1)
		code = take_option(spec, job, option);
	if (code >= 0)
		return code;
	if (job->no_follow && job->logical)
		return cli_error("%s: -h and -L exclude each other", spec->name);
	if (spec->check && spec->check(job))
		return 1;
	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("%s: no IMAGE:/PATH given (see --help)", spec->name);
	code = 0;
	for (int i = optind; i < argc; i++)
		code |= spec->operand(job, argv[i]);
	return code | cli_finish_output();
}

int attr_show_run(const struct attr_show_spec *spec, void *ctx, int argc, char **argv)
{
	struct attr_show *job = ctx;
	int code;

	if (image_view_init(&job->view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = show_all(spec, job, argc, argv);
	image_view_fini(&job->view);
	return code;
}

int attr_show_find(struct attr_show *job, const char *text, struct ubtrfs_attr *ret_attr)
{
	struct ubtrfs_node node;

	if (image_view_find(&job->view, text, !job->no_follow, &node))
		return 1;
	return ubtrfs_getattr(job->view.fs, node, ret_attr) < 0 ? cli_fail("%s", text) : 0;
}

static int met(void *ctx, const struct tree_entry *entry, bool *ret_enter)
{
	struct attr_show *job = ctx;
	struct ubtrfs_node node = entry->node;
	struct ubtrfs_attr attr;

	(void)ret_enter;
	if (entry->type == BTRFS_FT_SYMLINK && !job->no_follow) {
		if (!job->shows_targets && !job->logical)
			return 0;
		if (ubtrfs_resolve(job->view.fs, entry->dir, entry->name, true, &node) < 0) {
			job->code = cli_fail("%s", entry->path);
			return 0;
		}
	}
	if (ubtrfs_getattr(job->view.fs, node, &attr) < 0 || job->show(job, entry->path, &attr) < 0)
		job->code = cli_fail("%s", entry->path);
	return 0;
}

static int link_find(struct attr_show *job, const char *text, bool *ret_is_link)
{
	struct ubtrfs_node node;
	struct ubtrfs_attr attr;

	if (image_view_find(&job->view, text, false, &node))
		return 1;
	if (ubtrfs_getattr(job->view.fs, node, &attr) < 0)
		return cli_fail("%s", text);
	*ret_is_link = S_ISLNK(attr.mode);
	return 0;
}

int attr_show_operand(void *ctx, const char *text)
{
	struct attr_show *job = ctx;
	const struct tree_visitor visitor = { .before = met, .follow = job->logical, .ctx = job };
	struct tree_entry top = { .name = "", .type = BTRFS_FT_DIR, .path = text };
	struct ubtrfs_attr attr;
	bool is_link = false;

	if ((job->physical && link_find(job, text, &is_link)) || attr_show_find(job, text, &attr))
		return 1;
	if (is_link && !job->shows_targets)
		return 0;
	if (!job->recursive || is_link || !S_ISDIR(attr.mode))
		return job->show(job, text, &attr) < 0 ? cli_fail("%s", text) : 0;
	top.node = attr.node;
	job->code = 0;
	if (image_tree_visit(job->view.fs, &top, &visitor) < 0)
		return cli_error("%s", ubtrfs_error_text());
	return job->code;
}
