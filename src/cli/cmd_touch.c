/*
 * `ubtrfs touch`: times of files in an image, with the options of touch(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/time_parse.h"

enum { OPTION_TIME = 0x500 };

struct touch {
	struct change_command command;
	unsigned set;	       /* UBTRFS_ATTR_ATIME and MTIME; 0: both */
	bool has_time;	       /* -d or -t */
	const char *reference; /* -r; NULL */
	bool no_create, no_follow;
	struct ubtrfs_time atime, mtime;
};

static const char help_text[] =
	"usage: ubtrfs touch [-acmh] [-d DATE | -t STAMP | -r IMAGE:/REFERENCE] IMAGE:/PATH...\n"
	"\n"
	"Set the times of files in an image, all of them or none. What is not there is made, empty.\n"
	"\n"
	"  -a                    the access time only\n"
	"  -m                    the modification time only\n"
	"      --time WORD       access, atime, use: as -a; modify, mtime: as -m\n"
	"  -d, --date DATE       not the time of now: YYYY-MM-DD[ HH:MM[:SS[.N]]] [ZONE], @SECONDS\n"
	"  -t STAMP              [[CC]YY]MMDDhhmm[.ss]\n"
	"  -r, --reference PATH  the times of that file\n"
	"  -c, --no-create       leave out what is not there\n"
	"  -h, --no-dereference  of symlinks themselves\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "time", required_argument, NULL, OPTION_TIME },
	{ "date", required_argument, NULL, 'd' },
	{ "reference", required_argument, NULL, 'r' },
	{ "no-create", no_argument, NULL, 'c' },
	{ "no-dereference", no_argument, NULL, 'h' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_word(struct touch *job, const char *word)
{
	if (!strcmp(word, "access") || !strcmp(word, "atime") || !strcmp(word, "use"))
		job->set |= UBTRFS_ATTR_ATIME;
	else if (!strcmp(word, "modify") || !strcmp(word, "mtime"))
		job->set |= UBTRFS_ATTR_MTIME;
	else
		return cli_error("touch: invalid argument '%s' for '--time'", word);
	return 0;
}

static int take_time(struct touch *job, int option, const char *text)
{
	int ret = option == 'd' ? time_parse(text, &job->mtime) :
				  time_parse_stamp(text, &job->mtime);

	if (ret < 0)
		return cli_error("touch: invalid date format '%s'", text);
	if (job->has_time)
		return cli_error("touch: cannot specify times from more than one source");
	job->atime = job->mtime;
	job->has_time = true;
	return 0;
}

static int take_option(void *ctx, int option)
{
	struct touch *job = ctx;

	switch (option) {
	case 'a':
		job->set |= UBTRFS_ATTR_ATIME;
		return 0;
	case 'm':
		job->set |= UBTRFS_ATTR_MTIME;
		return 0;
	case OPTION_TIME:
		return take_word(job, optarg);
	case 'd':
	case 't':
		return take_time(job, option, optarg);
	case 'r':
		job->reference = optarg;
		return 0;
	case 'c':
		job->no_create = true;
		return 0;
	case 'h':
		job->no_follow = true;
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	struct touch *job = ctx;

	if (job->reference && job->has_time)
		return cli_error("touch: cannot specify times from more than one source");
	if (!job->set)
		job->set = UBTRFS_ATTR_ATIME | UBTRFS_ATTR_MTIME;
	return 0;
}

static int touch_path(struct touch *job, const char *text)
{
	SCOPED(place) struct place place = { .name = NULL };
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret;

	TRY(place_find(&job->command, text, &place));
	ret = place_attr(&job->command, &place, !job->no_follow, &attr);
	if (err_to_errno(ret) == ENOENT && !place.slash) {
		/* A symlink itself is not made. */
		if (job->no_create)
			return 0;
		if (job->no_follow)
			return ret;
		TRY(place_follow(&job->command, &place));
		ret = place_create(&job->command, &place, S_IFREG | 0666, &attr.node);
	}
	TRY(ret);
	attr.atime = job->atime;
	attr.mtime = job->mtime;
	return err_adopt(ubtrfs_setattr(change_fs(&job->command), attr.node, &attr, job->set));
}

static int touch_operand(void *ctx, const char *text)
{
	int ret = touch_path(ctx, text);

	return ret < 0 ? change_fail(ret, "cannot touch '%s'", text) : 0;
}

static int read_reference(struct touch *job)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->command, job->reference, !job->no_follow, &attr);

	if (ret < 0)
		return change_fail(ret, "failed to get attributes of '%s'", job->reference);
	job->atime = attr.atime;
	job->mtime = attr.mtime;
	return 0;
}

static int run(void *ctx)
{
	struct touch *job = ctx;

	if (job->reference) {
		TRY(read_reference(job));
	} else if (!job->has_time) {
		job->mtime = time_now();
		job->atime = job->mtime;
	}
	return change_each_operand(&job->command, touch_operand);
}

int cmd_touch(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "touch",
						 .help = help_text,
						 .short_options = ":D:acd:hmr:t:",
						 .long_options = long_options,
						 .min_operands = 1,
						 .missing = "touch: no IMAGE:/PATH given",
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct touch job = { .set = 0 };

	return change_command_run(&spec, &job, argc, argv);
}
