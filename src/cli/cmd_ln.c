/*
 * `ubtrfs ln`: further names, symlinks, and copies that share their data, with the options of ln(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/dest.h"
#include "cli/reflink.h"

enum { OPTION_REFLINK = 0x500 };

struct ln {
	struct change_command command;
	struct dest dest;
	bool symbolic, force, follow, reflink;
};

static const char help_text[] =
	"usage: ubtrfs ln [OPTIONS] IMAGE:/TARGET IMAGE:/NAME\n"
	"       ubtrfs ln [OPTIONS] IMAGE:/TARGET... IMAGE:/DIRECTORY\n"
	"       ubtrfs ln -s [OPTIONS] TEXT IMAGE:/NAME\n"
	"\n"
	"Make names in an image: hard links, with -s symlinks (to any text), with --reflink files of\n"
	"their own that share the data. All of them or none.\n"
	"\n"
	"  -s, --symbolic        symlinks\n"
	"      --reflink         copies that share their data with the original\n"
	"  -f, --force           remove what has the name\n"
	"  -L, --logical         of a symlink: link to what it leads to\n"
	"  -P, --physical        link to the symlink itself (the default)\n"
	"  -n, --no-dereference  a name that is a symlink to a directory is a name like any other\n"
	"  -t, --target-directory DIRECTORY  make all names in it\n"
	"  -T, --no-target-directory  NAME is the name, also when it is a directory\n"
	"  -v, --verbose         say what is made\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "symbolic", no_argument, NULL, 's' },
	{ "reflink", no_argument, NULL, OPTION_REFLINK },
	{ "force", no_argument, NULL, 'f' },
	{ "logical", no_argument, NULL, 'L' },
	{ "physical", no_argument, NULL, 'P' },
	{ "no-dereference", no_argument, NULL, 'n' },
	{ "target-directory", required_argument, NULL, 't' },
	{ "no-target-directory", no_argument, NULL, 'T' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct ln *job = ctx;

	switch (option) {
	case 's':
		job->symbolic = true;
		return 0;
	case OPTION_REFLINK:
		job->reflink = true;
		return 0;
	case 'f':
		job->force = true;
		return 0;
	case 'L':
	case 'P':
		job->follow = option == 'L';
		return 0;
	case 'n':
		job->dest.no_follow = true;
		return 0;
	case 't':
		job->dest.text = optarg;
		job->dest.is_dir = true;
		return 0;
	case 'T':
		job->dest.not_dir = true;
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	struct ln *job = ctx;

	if (job->symbolic && job->reflink)
		return cli_error("ln: --symbolic and --reflink exclude one another");
	job->dest.keeps_text = job->symbolic;
	return dest_take(&job->dest, &job->command);
}

static const char *kind_text(const struct ln *job)
{
	return job->symbolic ? "symbolic link" : job->reflink ? "reflink copy" : "hard link";
}

static int cannot(const struct ln *job, int err, const struct place *place)
{
	return change_fail(err, "failed to create %s '%s'", kind_text(job), place->text);
}

/* With -f what has the name goes. */
static int make_room(struct ln *job, const struct place *place, const struct ubtrfs_attr *source)
{
	struct ubtrfs_attr old;
	int ret = place_attr(&job->command, place, false, &old);

	if (err_to_errno(ret) == ENOENT)
		return 0;
	if (ret < 0)
		return cannot(job, ret, place);
	if (!job->force || !place_has_name(place))
		return THROW_SYS(EEXIST, "failed to create %s '%s'", kind_text(job), place->text);
	if (S_ISDIR(old.mode))
		return THROW(ERR_IS_DIR, "%s: cannot overwrite directory", place->text);
	if (source && source->node.subvolid == old.node.subvolid &&
	    source->node.ino == old.node.ino)
		return THROW(ERR_INVALID, "'%s' is the same file already", place->text);
	ret = ubtrfs_unlink(change_fs(&job->command), place->dir, place->name, strlen(place->name));
	return ret < 0 ? cannot(job, err_adopt(ret), place) : 0;
}

static int make_symlink(struct ln *job, const char *text, const struct place *place)
{
	struct ubtrfs_new what = {
		.attr = { .mode = S_IFLNK | 0777, .uid = geteuid(), .gid = getegid() },
		.inherit = true,
		.umask = job->command.umask,
		.symlink_target = text,
		.symlink_len = strlen(text)
	};
	struct ubtrfs_node node;
	int ret;

	TRY(make_room(job, place, NULL));
	ret = err_adopt(ubtrfs_create(change_fs(&job->command), place->dir, place->name,
				      strlen(place->name), &what, &node));
	return ret < 0 ? cannot(job, ret, place) : 0;
}

static int make_link(struct ln *job, const char *text, const struct place *place)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->command, text, job->follow, &attr);

	if (ret < 0)
		return change_fail(ret, "failed to access '%s'", text);
	if (S_ISDIR(attr.mode))
		return THROW(ERR_IS_DIR, "%s: hard link not allowed for directory", text);
	TRY(make_room(job, place, &attr));
	if (job->reflink)
		ret = reflink_make(&job->command, &attr, place);
	else
		ret = err_adopt(ubtrfs_link(change_fs(&job->command), attr.node, place->dir,
					    place->name, strlen(place->name)));
	return ret < 0 ? cannot(job, ret, place) : 0;
}

static int make_one(void *ctx, const char *text)
{
	SCOPED(place) struct place place = { .name = NULL };
	SCOPED_MEM char *shown = NULL;
	struct ln *job = ctx;

	TRY(dest_place(&job->dest, text, &place, &shown));
	if (place.slash)
		return THROW_SYS(ENOENT, "failed to create %s '%s'", kind_text(job), shown);
	TRY(job->symbolic ? make_symlink(job, text, &place) : make_link(job, text, &place));
	if (job->command.verbose)
		printf("'%s' %s '%s'\n", shown, job->symbolic ? "->" : "=>", text);
	return 0;
}

static int run(void *ctx)
{
	struct ln *job = ctx;

	TRY(dest_find(&job->dest));
	return change_each_operand(&job->command, make_one);
}

int cmd_ln(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "ln",
						 .help = help_text,
						 .short_options = ":D:fLnPst:Tv",
						 .long_options = long_options,
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct ln job = { .symbolic = false };
	int code = change_command_run(&spec, &job, argc, argv);

	dest_release(&job.dest);
	return code;
}
