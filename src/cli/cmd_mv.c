/*
 * `ubtrfs mv`: renaming and moving inside an image, with the options of mv(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/dest.h"
#include "cli/move_copy.h"

enum { OPTION_EXCHANGE = 0x500 };

enum mv_overwrite { MV_ALWAYS, MV_ASK, MV_NEVER };

struct mv {
	struct change_command command;
	struct dest dest;
	enum mv_overwrite overwrite;
	bool update, exchange;
};

static const char help_text[] =
	"usage: ubtrfs mv [OPTIONS] IMAGE:/SOURCE IMAGE:/NAME\n"
	"       ubtrfs mv [OPTIONS] IMAGE:/SOURCE... IMAGE:/DIRECTORY\n"
	"\n"
	"Rename or move inside an image, all of it or nothing.\n"
	"\n"
	"  -f, --force           replace what exists (the default)\n"
	"  -i, --interactive     ask before something is replaced\n"
	"  -n, --no-clobber      leave alone what exists\n"
	"  -u, --update          replace only what is older\n"
	"      --exchange        exchange the two names\n"
	"  -t, --target-directory DIRECTORY  move all sources into it\n"
	"  -T, --no-target-directory  NAME is the name, also when it is a directory\n"
	"  -v, --verbose         say what is moved\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "force", no_argument, NULL, 'f' },
	{ "interactive", no_argument, NULL, 'i' },
	{ "no-clobber", no_argument, NULL, 'n' },
	{ "update", no_argument, NULL, 'u' },
	{ "exchange", no_argument, NULL, OPTION_EXCHANGE },
	{ "target-directory", required_argument, NULL, 't' },
	{ "no-target-directory", no_argument, NULL, 'T' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct mv *job = ctx;

	switch (option) {
	case 'f':
		job->overwrite = MV_ALWAYS;
		return 0;
	case 'i':
		job->overwrite = MV_ASK;
		return 0;
	case 'n':
		job->overwrite = MV_NEVER;
		return 0;
	case 'u':
		job->update = true;
		return 0;
	case OPTION_EXCHANGE:
		job->exchange = true;
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
	struct mv *job = ctx;

	return dest_take(&job->dest, &job->command);
}

static bool is_older(const struct ubtrfs_attr *a, const struct ubtrfs_attr *b)
{
	return a->mtime.sec != b->mtime.sec ? a->mtime.sec < b->mtime.sec :
					      a->mtime.nsec < b->mtime.nsec;
}

static bool same_node(const struct ubtrfs_attr *a, const struct ubtrfs_attr *b)
{
	return a->node.subvolid == b->node.subvolid && a->node.ino == b->node.ino;
}

/* On standard input, as coreutils do; its end means no. */
static bool asked_yes(const struct place *place)
{
	char answer[64];
	bool yes;

	fflush(stdout);
	fprintf(stderr, "mv: overwrite '%s'? ", place->text);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	yes = *answer == 'y' || *answer == 'Y';
	/* The rest of a long line is no answer to the next question. */
	while (!strchr(answer, '\n') && fgets(answer, sizeof(answer), stdin))
		;
	return yes;
}

/* 1: what exists stays, and that is all. */
static int check_existing(const struct mv *job, const char *text, const struct ubtrfs_attr *source,
			  const struct place *place, const struct ubtrfs_attr *old)
{
	if (job->overwrite == MV_NEVER)
		return 1;
	if (job->update && !S_ISDIR(old->mode) && !is_older(old, source))
		return 1;
	if (same_node(source, old))
		return THROW(ERR_INVALID, "'%s' and '%s' are the same file", text, place->text);
	if (job->exchange)
		return 0;
	if (S_ISDIR(source->mode) && !S_ISDIR(old->mode))
		return THROW(ERR_NOT_DIR, "cannot overwrite non-directory '%s' with directory '%s'",
			     place->text, text);
	if (!S_ISDIR(source->mode) && S_ISDIR(old->mode))
		return THROW(ERR_IS_DIR, "cannot overwrite directory '%s' with non-directory",
			     place->text);
	if (job->overwrite == MV_ASK && !asked_yes(place))
		return 1;
	return 0;
}

static int cannot(int err, const char *text, const struct place *place)
{
	return change_fail(err, "cannot move '%s' to '%s'", text, place->text);
}

static int rename_it(struct mv *job, const struct place *from, const struct ubtrfs_attr *source,
		     const struct place *place)
{
	struct ubtrfs_attr old = { .mode = 0 };
	int ret = place_attr(&job->command, place, false, &old);

	if (ret < 0 && err_to_errno(ret) != ENOENT)
		return cannot(ret, from->text, place);
	if (ret < 0 && place->slash && !S_ISDIR(source->mode))
		return cannot(THROW_SYS(ENOTDIR, "a file"), from->text, place);
	ret = ret < 0 ? 0 : check_existing(job, from->text, source, place, &old);
	if (ret)
		return ret;
	ret = err_adopt(ubtrfs_rename(
		change_fs(&job->command), from->dir, from->name, strlen(from->name), place->dir,
		place->name, strlen(place->name), job->exchange ? UBTRFS_RENAME_EXCHANGE : 0));
	/* Between subvolumes nothing but subvolumes can be renamed. */
	if (err_to_errno(ret) == EXDEV && !job->exchange)
		ret = move_copy(&job->command, from, source, place);
	return ret < 0 ? cannot(ret, from->text, place) : 0;
}

static int find_source(struct mv *job, const char *text, struct place *from,
		       struct ubtrfs_attr *source)
{
	bool slash;

	TRY(place_find(&job->command, text, from));
	if (!place_has_name(from))
		return THROW_SYS(EBUSY, "a directory by what it holds");
	slash = from->slash;
	from->slash = false;
	TRY(place_attr(&job->command, from, false, source));
	return slash && !S_ISDIR(source->mode) ? THROW_SYS(ENOTDIR, "a file") : 0;
}

static int move_one(void *ctx, const char *text)
{
	SCOPED(place) struct place from = { .name = NULL };
	SCOPED(place) struct place place = { .name = NULL };
	SCOPED_MEM char *shown = NULL;
	struct ubtrfs_attr source = { .mode = 0 };
	struct mv *job = ctx;
	int ret = find_source(job, text, &from, &source);

	if (ret < 0)
		return change_fail(ret, "cannot stat '%s'", text);
	TRY(dest_place(&job->dest, text, &place, &shown));
	if (!place_has_name(&place))
		return THROW_SYS(EBUSY, "cannot move '%s' to '%s'", text, shown);
	ret = rename_it(job, &from, &source, &place);
	TRY(ret);
	if (ret == 0 && job->command.verbose)
		printf("%s '%s' %s '%s'\n", job->exchange ? "exchanged" : "renamed", text,
		       job->exchange ? "<->" : "->", shown);
	return 0;
}

static int run(void *ctx)
{
	struct mv *job = ctx;

	TRY(dest_find(&job->dest));
	return change_each_operand(&job->command, move_one);
}

int cmd_mv(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "mv",
						 .help = help_text,
						 .short_options = ":D:fint:Tuv",
						 .long_options = long_options,
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct mv job = { .overwrite = MV_ALWAYS };
	int code = change_command_run(&spec, &job, argc, argv);

	dest_release(&job.dest);
	return code;
}
