/*
 * `ubtrfs ls`: names in an image, with attributes (-l), hidden ones (-a), and what is below (-R).
 *
 * Owners are numbers, because the names of this machine mean nothing for an image. Times are local
 * (TZ), to the minute.
 */
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"
#include "cli/session.h"

struct ls {
	struct image_view view;
	struct pair_set met; /* directories of an argument, with -R */
	bool all, detailed, recursive;
	bool headed;  /* directories have a line with their name before them */
	bool printed; /* something stands above: an empty line goes before the next directory */
};

static const char help_text[] =
	"usage: ubtrfs ls [-laR] IMAGE:/PATH...\n"
	"\n"
	"List directories and files of an image, by name.\n"
	"\n"
	"  -l                    mode, links, owner and group (numbers), size or device, time, name, target\n"
	"  -a, --all             names that begin with a dot too\n"
	"  -R, --recursive       directories below too\n" IMAGE_HELP
	"      --help            print this\n";

static void print_details(const struct ubtrfs_attr *attr)
{
	time_t seconds = (time_t)attr->mtime.sec;
	char mode[MODE_TEXT_MAX], when[64] = "?", size[48];
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
		snprintf(size, sizeof(size), "%u, %u", major(attr->rdev), minor(attr->rdev));
	else
		snprintf(size, sizeof(size), "%llu", (unsigned long long)attr->size);
	printf("%s %3u %5u %5u %10s %s ", mode_text(attr->mode, mode), attr->nlink, attr->uid,
	       attr->gid, size, when);
}

static int list_node(struct ls *ls, struct ubtrfs_node node, const char *name)
{
	SCOPED_MEM char *target = NULL;
	struct ubtrfs_attr attr;

	if (ls->detailed) {
		TRY(ubtrfs_getattr(ls->view.fs, node, &attr));
		if (S_ISLNK(attr.mode))
			TRY(symlink_read(ls->view.fs, node, &target));
		print_details(&attr);
	}
	print_name(name);
	if (target) {
		fputs(" -> ", stdout);
		print_name(target);
	}
	putchar('\n');
	ls->printed = true;
	return 0;
}

static int list_dir(struct ls *ls, struct ubtrfs_node dir, const char *path, unsigned depth);

static int list_below(struct ls *ls, const struct entry_list *list, const char *path,
		      unsigned depth)
{
	int code = 0;

	for (size_t i = 0; i < list->nr; i++) {
		const struct entry *entry = &list->entries[i];
		SCOPED_MEM char *below = NULL;

		if (!entry_is_dir(entry) || (entry->name[0] == '.' && !ls->all))
			continue;
		below = path_join(path, entry->name);
		if (!below)
			return cli_error("no memory for a path");
		code |= list_dir(ls, entry->node, below, depth + 1);
	}
	return code;
}

/* 0, or 1 after something was told on stderr; goes on with the rest. */
static int list_dir(struct ls *ls, struct ubtrfs_node dir, const char *path, unsigned depth)
{
	struct entry_list list;
	int code = 0;

	if (session_interrupted())
		return 1;
	if (depth > WALK_MAX_DEPTH)
		return cli_error("%s is deeper than %u directories", path, WALK_MAX_DEPTH);
	if (ls->recursive && dir_meet(&ls->met, dir, path))
		return 1;
	if (ls->headed) {
		if (ls->printed)
			putchar('\n');
		print_name(path);
		puts(":");
		ls->printed = true;
	}
	if (entry_list_read(ls->view.fs, dir, &list) < 0)
		code = cli_fail("%s", path);
	for (size_t i = 0; i < list.nr && !session_interrupted(); i++) {
		const struct entry *entry = &list.entries[i];

		if ((entry->name[0] != '.' || ls->all) &&
		    list_node(ls, entry->node, entry->name) < 0)
			code = cli_fail("%s/%s", path, entry->name);
	}
	if (ls->recursive)
		code |= list_below(ls, &list, path, depth);
	entry_list_release(&list);
	return code;
}

/* A symlink is shown itself with -l, as ls does, unless a '/' stands behind it. */
static bool wants_follow(const struct ls *ls, const char *text)
{
	size_t len = strlen(text);

	return !ls->detailed || (len && text[len - 1] == '/');
}

static int list_argument(struct ls *ls, const char *text)
{
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;

	if (image_view_find(&ls->view, text, wants_follow(ls, text), &node))
		return 1;
	if (ubtrfs_getattr(ls->view.fs, node, &attr) < 0)
		return cli_fail("%s", text);
	pair_set_clear(&ls->met);
	if (S_ISDIR(attr.mode))
		return list_dir(ls, node, text, 0);
	return list_node(ls, node, text) < 0 ? cli_fail("%s", text) : 0;
}

/* -1: go on; otherwise the exit code. */
static int ls_options(struct ls *ls, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "recursive", no_argument, NULL, 'R' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:laR", long_options)) != -1) {
		switch (option) {
		case 'l':
			ls->detailed = true;
			break;
		case 'a':
			ls->all = true;
			break;
		case 'R':
			ls->recursive = true;
			break;
		case OPTION_HELP:
			fputs(help_text, stdout);
			return cli_finish_output();
		default:
			if (image_view_option(&ls->view, option))
				return 1;
		}
	}
	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("ls: no IMAGE:/PATH given (see --help)");
	return -1;
}

int cmd_ls(int argc, char **argv)
{
	struct ls ls = { 0 };
	int code;

	if (image_view_init(&ls.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	pair_set_init(&ls.met);
	code = ls_options(&ls, argc, argv);
	if (code < 0) {
		code = 0;
		argc = image_default_here(argc, argv);
		ls.headed = ls.recursive || argc - optind > 1;
		for (int i = optind; i < argc; i++)
			code |= list_argument(&ls, argv[i]);
		code |= cli_finish_output();
		if (session_interrupted())
			code = cli_error("interrupted");
	}
	pair_set_fini(&ls.met);
	image_view_fini(&ls.view);
	return code;
}
