/*
 * `ubtrfs mkdir`: new directories in an image, with the options of mkdir(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/mode_change.h"

struct mkdir {
	struct change_command command;
	bool parents;
	const char *mode; /* NULL: 0777 under the umask */
	struct mode_change change;
};

static const char help_text[] =
	"usage: ubtrfs mkdir [-pv] [-m MODE] IMAGE:/PATH...\n"
	"\n"
	"Make directories in an image, all of them or none.\n"
	"\n"
	"  -m, --mode MODE       permissions as with chmod, instead of rwxrwxrwx under the umask\n"
	"  -p, --parents         and those above that are not there; what is there is no error\n"
	"  -v, --verbose         say what is made\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "mode", required_argument, NULL, 'm' },
	{ "parents", no_argument, NULL, 'p' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct mkdir *job = ctx;

	switch (option) {
	case 'm':
		job->mode = optarg;
		return mode_change_parse(optarg, &job->change) < 0 ?
			       cli_error("mkdir: invalid mode '%s'", optarg) :
			       0;
	case 'p':
		job->parents = true;
		return 0;
	default:
		return -1;
	}
}

static void tell(const struct mkdir *job, const char *path)
{
	if (job->command.verbose)
		printf("mkdir: created directory '%s'\n", path);
}

/*
 * With -m in the way of coreutils: made with the bits that are wanted, whatever the umask, but not
 * open to others while set-id bits are to come; then the bits that MODE names are set right.
 */
static int make_with_mode(struct mkdir *job, const struct place *place,
			  struct ubtrfs_node *ret_node)
{
	struct change_command *command = &job->command;
	uint32_t umask = command->umask, bits;
	uint32_t mode = mode_change_apply(&job->change, 0777, true, umask, &bits);
	struct ubtrfs_attr attr;
	int ret;

	command->umask &= ~mode;
	if (bits & (S_ISUID | S_ISGID) || mode & S_ISVTX)
		command->umask |= S_IWGRP | S_IWOTH;
	ret = place_create(command, place, S_IFDIR | mode, ret_node);
	command->umask = umask;
	TRY(ret);
	TRY(err_adopt(ubtrfs_getattr(change_fs(command), *ret_node, &attr)));
	if (!((attr.mode ^ mode) & bits))
		return 0;
	attr.mode = mode | (attr.mode & ~bits);
	return err_adopt(ubtrfs_setattr(change_fs(command), *ret_node, &attr, UBTRFS_ATTR_MODE));
}

static int make(struct mkdir *job, const struct place *place, bool is_last,
		struct ubtrfs_node *ret_node)
{
	if (job->mode && is_last)
		TRY(make_with_mode(job, place, ret_node));
	else
		TRY(place_create(&job->command, place, S_IFDIR | 0777, ret_node));
	tell(job, place->text);
	return 0;
}

static int make_one(struct mkdir *job, const char *text)
{
	SCOPED(place) struct place place = { .name = NULL };
	struct ubtrfs_node node;

	TRY(place_find(&job->command, text, &place));
	if (!place_has_name(&place))
		return THROW_SYS(EEXIST, "'%s'", text);
	return make(job, &place, true, &node);
}

/* One part of the path: found, or made; then the next one stands in it. */
static int part_make(struct mkdir *job, struct place *place, bool is_last)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	struct ubtrfs_node node;
	int ret = place_attr(&job->command, place, true, &attr);

	if (ret == 0 && !S_ISDIR(attr.mode))
		return THROW_SYS(is_last ? EEXIST : ENOTDIR, "'%s'", place->text);
	if (ret == 0) {
		place->dir = attr.node;
		return 0;
	}
	if (err_to_errno(ret) != ENOENT)
		return ret;
	TRY(make(job, place, is_last, &node));
	place->dir = node;
	return 0;
}

/*
 * Each part in turn. shown: what the user wrote, which ends as the path does; it is cut behind the
 * part for messages.
 */
static int make_parts(struct mkdir *job, struct place *place, char *path, char *shown)
{
	size_t before = strlen(path) > strlen(shown) ? strlen(path) - strlen(shown) : 0;
	size_t shown_from = strlen(shown) > strlen(path) ? strlen(shown) - strlen(path) : 0;
	size_t end, at = strspn(path, "/");

	while (path[at]) {
		char *cut = NULL, kept = '\0';
		char part[256];

		end = at + strcspn(path + at, "/");
		if (end - at >= sizeof(part))
			return THROW_SYS(ENAMETOOLONG, "'%s'", shown);
		memcpy(part, path + at, end - at);
		part[end - at] = '\0';
		place->name = part;
		if (end > before) {
			cut = &shown[shown_from + end - before];
			kept = *cut;
			*cut = '\0';
		}
		TRY(part_make(job, place, !path[end + strspn(path + end, "/")]));
		if (cut)
			*cut = kept;
		at = end + strspn(path + end, "/");
	}
	return 0;
}

static int make_with_parents(struct mkdir *job, const char *text)
{
	SCOPED_MEM char *path = NULL, *shown = mem_strdup(text);
	struct place place = { .text = shown };

	if (!shown)
		return MEM_FAIL("a path");
	TRY(change_open(&job->command, text, &path));
	place.dir = image_view_top(&job->command.change.view);
	return make_parts(job, &place, path, shown);
}

static int make_operand(void *ctx, const char *text)
{
	struct mkdir *job = ctx;
	int ret = job->parents ? make_with_parents(job, text) : make_one(job, text);

	return ret < 0 ? change_fail(ret, "cannot create directory '%s'", text) : 0;
}

static int run(void *ctx)
{
	return change_each_operand(ctx, make_operand);
}

int cmd_mkdir(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "mkdir",
						 .help = help_text,
						 .short_options = ":D:m:pv",
						 .long_options = long_options,
						 .min_operands = 1,
						 .missing = "mkdir: no IMAGE:/PATH given",
						 .option = take_option,
						 .run = run };
	struct mkdir job = { .parents = false };

	return change_command_run(&spec, &job, argc, argv);
}
