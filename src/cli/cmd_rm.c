/*
 * `ubtrfs rm` and `ubtrfs rmdir`: removing names in an image, with the options of rm(1) and rmdir(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/remove_tree.h"

enum { OPTION_PRESERVE_ROOT = 0x500, OPTION_NO_PRESERVE_ROOT, OPTION_IGNORE_NON_EMPTY };

struct rm {
	struct change_command command;
	bool force, recursive, dirs;
	bool no_preserve_root;
	bool is_rmdir, parents, ignore_non_empty;
};

static const char rm_help[] =
	"usage: ubtrfs rm [-rfdv] IMAGE:/PATH...\n"
	"\n"
	"Remove files of an image, all of them or none. Nothing is asked.\n"
	"\n"
	"  -r, -R, --recursive   directories and all below them\n"
	"  -f, --force           what is not there is no error\n"
	"  -d, --dir             empty directories too\n"
	"      --preserve-root   the top directory is not emptied (the default)\n"
	"      --no-preserve-root  with -r also what is in the top directory is removed\n"
	"  -v, --verbose         say what is removed\n" IMAGE_HELP
	"      --help            print this\n";

static const char rmdir_help[] = "usage: ubtrfs rmdir [-pv] IMAGE:/PATH...\n"
				 "\n"
				 "Remove empty directories of an image, all of them or none.\n"
				 "\n"
				 "  -p, --parents         and those above, as the path names them\n"
				 "      --ignore-fail-on-non-empty  leave alone what is not empty\n"
				 "  -v, --verbose         say what is removed\n" IMAGE_HELP
				 "      --help            print this\n";

static const struct option rm_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "recursive", no_argument, NULL, 'r' },
	{ "force", no_argument, NULL, 'f' },
	{ "dir", no_argument, NULL, 'd' },
	{ "preserve-root", no_argument, NULL, OPTION_PRESERVE_ROOT },
	{ "no-preserve-root", no_argument, NULL, OPTION_NO_PRESERVE_ROOT },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static const struct option rmdir_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "parents", no_argument, NULL, 'p' },
	{ "ignore-fail-on-non-empty", no_argument, NULL, OPTION_IGNORE_NON_EMPTY },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct rm *job = ctx;

	switch (option) {
	case 'r':
	case 'R':
		job->recursive = true;
		return 0;
	case 'f':
		job->force = true;
		return 0;
	case 'd':
		job->dirs = true;
		return 0;
	case 'p':
		job->parents = true;
		return 0;
	case OPTION_PRESERVE_ROOT:
		job->no_preserve_root = false;
		return 0;
	case OPTION_NO_PRESERVE_ROOT:
		job->no_preserve_root = true;
		return 0;
	case OPTION_IGNORE_NON_EMPTY:
		job->ignore_non_empty = true;
		return 0;
	default:
		return -1;
	}
}

/* rm -f without operands has nothing to do, which is no error. */
static int check_rm(void *ctx)
{
	struct rm *job = ctx;

	return job->command.nr_operands || job->force ? 0 :
							cli_error("rm: no IMAGE:/PATH given (see "
								  "--help)");
}

static void tell(void *ctx, const char *path, bool is_dir)
{
	const struct rm *job = ctx;

	if (job->command.verbose && job->is_rmdir)
		printf("rmdir: removing directory, '%s'\n", path);
	else if (job->command.verbose)
		printf("removed %s'%s'\n", is_dir ? "directory " : "", path);
}

static int remove_file(struct rm *job, struct ubtrfs_node dir, const char *name, const char *path)
{
	TRY(err_adopt(ubtrfs_unlink(change_fs(&job->command), dir, name, strlen(name))));
	tell(job, path, false);
	return 0;
}

static int remove_dir(struct rm *job, struct ubtrfs_node dir, const char *name, const char *path)
{
	TRY(err_adopt(ubtrfs_rmdir(change_fs(&job->command), dir, name, strlen(name))));
	tell(job, path, true);
	return 0;
}

/* ---- operands ---- */

static bool same_node(struct ubtrfs_node a, struct ubtrfs_node b)
{
	return a.subvolid == b.subvolid && a.ino == b.ino;
}

/* What has no name of its own: the top of the image, or a path that ends in . or .. */
static int remove_nameless(struct rm *job, const struct place *place,
			   const struct ubtrfs_attr *attr)
{
	struct ubtrfs_node top = image_view_top(&job->command.change.view);

	if (!job->recursive)
		return THROW_SYS(EISDIR, "cannot remove '%s'", place->text);
	if (!same_node(attr->node, top))
		return THROW(ERR_INVALID, "refusing to remove '.' or '..' directory: skipping '%s'",
			     place->text);
	if (!job->no_preserve_root)
		return THROW(ERR_INVALID,
			     "it is dangerous to operate recursively on '%s' (use "
			     "--no-preserve-root to override this failsafe)",
			     place->text);
	return remove_below(&job->command, place, attr, tell, job);
}

static int remove_found(struct rm *job, const struct place *place, const struct ubtrfs_attr *attr)
{
	int ret;

	if (!place_has_name(place))
		return remove_nameless(job, place, attr);
	if (S_ISDIR(attr->mode) && job->recursive)
		return remove_tree(&job->command, place, attr, tell, job);
	if (S_ISDIR(attr->mode) && !job->dirs)
		return THROW_SYS(EISDIR, "cannot remove '%s'", place->text);
	ret = S_ISDIR(attr->mode) ? remove_dir(job, place->dir, place->name, place->text) :
				    remove_file(job, place->dir, place->name, place->text);
	return ret < 0 ? change_fail(ret, "cannot remove '%s'", place->text) : 0;
}

/* rm does not follow a symlink, with a slash behind it neither. */
static int rm_attr(struct rm *job, const char *text, struct place *place, struct ubtrfs_attr *attr)
{
	bool slash;
	int ret;

	TRY(place_find(&job->command, text, place));
	slash = place->slash;
	place->slash = false;
	ret = place_attr(&job->command, place, false, attr);
	if (ret == 0 && slash && !S_ISDIR(attr->mode))
		return THROW_SYS(ENOTDIR, "'%s'", text);
	return ret;
}

static int rm_operand(void *ctx, const char *text)
{
	SCOPED(place) struct place place = { .name = NULL };
	struct ubtrfs_attr attr = { .mode = 0 };
	struct rm *job = ctx;
	int ret = rm_attr(job, text, &place, &attr), number = err_to_errno(ret);

	if (job->force && (number == ENOENT || number == ENOTDIR) && job->command.change.view.fs)
		return 0;
	return ret < 0 ? change_fail(ret, "cannot remove '%s'", text) :
			 remove_found(job, &place, &attr);
}

static int run_rm(void *ctx)
{
	return change_each_operand(ctx, rm_operand);
}

/* 1: it is not empty, and that is no error. */
static int rmdir_path(struct rm *job, const char *text)
{
	SCOPED(place) struct place place = { .name = NULL };
	int ret = place_find(&job->command, text, &place);

	if (ret == 0 && !place_has_name(&place))
		return THROW_SYS(EINVAL, "failed to remove '%s'", text);
	if (ret == 0)
		ret = remove_dir(job, place.dir, place.name, text);
	if (job->ignore_non_empty && err_to_errno(ret) == ENOTEMPTY)
		return 1;
	return ret < 0 ? change_fail(ret, "failed to remove '%s'", text) : 0;
}

/* Cuts the last name off what stands behind the colon; false when nothing is left. */
static bool text_cut(char *text)
{
	char *inside = (char *)(uintptr_t)image_path_inside(text);
	size_t len = strlen(inside);

	while (len && inside[len - 1] == '/')
		len--;
	while (len && inside[len - 1] != '/')
		len--;
	while (len && inside[len - 1] == '/')
		len--;
	inside[len] = '\0';
	return len;
}

static int rmdir_operand(void *ctx, const char *operand)
{
	SCOPED_MEM char *text = mem_strdup(operand);
	struct rm *job = ctx;
	int ret;

	if (!text)
		return MEM_FAIL("a path");
	do {
		ret = rmdir_path(job, text);
		TRY(ret);
	} while (ret == 0 && job->parents && text_cut(text));
	return 0;
}

static int run_rmdir(void *ctx)
{
	return change_each_operand(ctx, rmdir_operand);
}

int cmd_rm(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "rm",
						 .help = rm_help,
						 .short_options = ":D:dfrRv",
						 .long_options = rm_options,
						 .check = check_rm,
						 .option = take_option,
						 .run = run_rm };
	struct rm job = { .force = false };

	return change_command_run(&spec, &job, argc, argv);
}

int cmd_rmdir(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "rmdir",
						 .help = rmdir_help,
						 .short_options = ":D:pv",
						 .long_options = rmdir_options,
						 .min_operands = 1,
						 .missing = "rmdir: no IMAGE:/PATH given",
						 .option = take_option,
						 .run = run_rmdir };
	struct rm job = { .is_rmdir = true };

	return change_command_run(&spec, &job, argc, argv);
}
