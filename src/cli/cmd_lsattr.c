/*
 * `ubtrfs lsattr`: flags of files in an image, in the form of lsattr(1).
 */
#include <stdio.h>
#include <sys/stat.h>

#include <ubtrfs/attr.h>

#include "base/cleanup.h"
#include "cli/attr_show.h"
#include "cli/entry_list.h"
#include "cli/fsflag_text.h"

struct lsattr {
	struct attr_show show;
	bool all, dirs_themselves, words, project, generation;
	struct pair_set met; /* directories of an operand */
};

static const char help_text[] =
	"usage: ubtrfs lsattr [-RadlpvV] IMAGE:/PATH...\n"
	"\n"
	"Show the flags of files of an image, and of what is in directories, by name.\n"
	"\n"
	"  -R                    and what is below them\n"
	"  -a                    names that begin with a dot too, . and ..\n"
	"  -d                    directories themselves, not what is in them\n"
	"  -l                    words instead of letters\n"
	"  -p                    the project too (btrfs has none: 0)\n"
	"  -v                    the generation too\n"
	"  -V                    the version of this program first\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct lsattr *job = ctx;

	switch (option) {
	case 'a':
		job->all = true;
		return 0;
	case 'd':
		job->dirs_themselves = true;
		return 0;
	case 'l':
		job->words = true;
		return 0;
	case 'p':
		job->project = true;
		return 0;
	case 'v':
		job->generation = true;
		return 0;
	case 'V':
		fputs("ubtrfs v" UBTRFS_VERSION "\n", stderr);
		return 0;
	default:
		return -1;
	}
}

static int show(void *ctx, const char *path, const struct ubtrfs_attr *attr)
{
	const struct lsattr *job = ctx;
	char letters[FSFLAG_LETTERS + 1];
	uint32_t flags;

	TRY(ubtrfs_fsflags_get(job->show.view.fs, attr->node, &flags));
	if (job->project)
		printf("%5u ", 0u);
	if (job->generation)
		printf("%-10llu ", (unsigned long long)attr->generation);
	if (job->words) {
		printf("%-28s ", path);
		fsflags_print_words(flags);
		putchar('\n');
		return 0;
	}
	printf("%s ", fsflags_letters(flags, letters));
	print_name(path);
	putchar('\n');
	return 0;
}

static int show_dir(struct lsattr *job, struct ubtrfs_node dir, const char *path, unsigned depth);

/* lsattr knows files and directories only. */
static int show_entry(struct lsattr *job, const struct entry *entry, const char *path,
		      unsigned depth)
{
	struct ubtrfs_attr attr;
	int code;

	if (ubtrfs_getattr(job->show.view.fs, entry->node, &attr) < 0)
		return cli_fail("%s", path);
	if (!S_ISREG(attr.mode) && !S_ISDIR(attr.mode))
		return 0;
	if (show(job, path, &attr) < 0)
		return cli_fail("%s", path);
	if (!job->show.recursive || !S_ISDIR(attr.mode))
		return 0;
	putchar('\n');
	print_name(path);
	puts(":");
	code = show_dir(job, attr.node, path, depth + 1);
	putchar('\n');
	return code;
}

/* The directory itself, or the one above it, as -a shows them. */
static int show_dot(struct lsattr *job, struct ubtrfs_node dir, const char *path, const char *dots)
{
	SCOPED_MEM char *below = path_join(path, dots);
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;

	if (!below)
		return cli_error("no memory for a path");
	if (ubtrfs_resolve(job->show.view.fs, dir, dots, false, &node) < 0 ||
	    ubtrfs_getattr(job->show.view.fs, node, &attr) < 0 || show(job, below, &attr) < 0)
		return cli_fail("%s", below);
	return 0;
}

static int show_dir(struct lsattr *job, struct ubtrfs_node dir, const char *path, unsigned depth)
{
	struct entry_list list;
	int code = 0;

	if (depth > WALK_MAX_DEPTH)
		return cli_error("%s is deeper than %u directories", path, WALK_MAX_DEPTH);
	if (dir_meet(&job->met, dir, path))
		return 1;
	if (entry_list_read(job->show.view.fs, dir, &list) < 0)
		code = cli_fail("%s", path);
	if (job->all)
		code |= show_dot(job, dir, path, ".") | show_dot(job, dir, path, "..");
	for (size_t i = 0; i < list.nr; i++) {
		SCOPED_MEM char *below = NULL;

		if (list.entries[i].name[0] == '.' && !job->all)
			continue;
		below = path_join(path, list.entries[i].name);
		code |= below ? show_entry(job, &list.entries[i], below, depth) :
				cli_error("no memory for a path");
	}
	entry_list_release(&list);
	return code;
}

static int operand(void *ctx, const char *text)
{
	struct lsattr *job = ctx;
	struct ubtrfs_attr attr;

	if (attr_show_find(&job->show, text, &attr))
		return 1;
	if (!S_ISREG(attr.mode) && !S_ISDIR(attr.mode))
		return cli_error("'%s' is neither a file nor a directory", text);
	pair_set_clear(&job->met);
	if (S_ISDIR(attr.mode) && !job->dirs_themselves)
		return show_dir(job, attr.node, text, 0);
	return show(job, text, &attr) < 0 ? cli_fail("%s", text) : 0;
}

int cmd_lsattr(int argc, char **argv)
{
	static const struct attr_show_spec spec = { .name = "lsattr",
						    .help = help_text,
						    .short_options = ":D:RadlpvV",
						    .long_options = long_options,
						    .option = take_option,
						    .operand = operand };
	struct lsattr job = { .show = { .no_follow = true } };
	int code;

	pair_set_init(&job.met);
	code = attr_show_run(&spec, &job, argc, argv);
	pair_set_fini(&job.met);
	return code;
}
