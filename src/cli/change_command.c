/*
 * The frame of the commands that change what their operands name.
 */
#include "cli/change_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/entry_list.h"

#define SYMLINKS_MAX 40u

/* ---- options ---- */

/* -1: go on; otherwise the exit code. */
static int take_option(const struct change_spec *spec, struct change_command *command, int option)
{
	int code = spec->option ? spec->option(command, option) : -1;

	if (code < 0 && option == OPTION_HELP) {
		fputs(spec->help, stdout);
		return cli_finish_output();
	}
	if (code < 0 && option == 'v') {
		command->verbose = true;
		code = 0;
	}
	if (code < 0)
		code = image_view_option(&command->change.view, option);
	return code ? 1 : -1;
}

int change_command_arguments(const struct change_spec *spec, void *ctx, int argc, char **argv)
{
	struct change_command *command = ctx;
	int option, code = -1;

	optind = 0;
	while (code < 0 &&
	       (option = cli_option(argc, argv, spec->short_options, spec->long_options)) != -1)
		code = take_option(spec, command, option);
	if (code >= 0)
		return code;
	command->operands = argv + optind;
	command->nr_operands = argc - optind;
	if (spec->check && spec->check(command))
		return 1;
	if (command->nr_operands < spec->min_operands)
		return cli_error("%s (see --help)", spec->missing);
	return -1;
}

int change_command_run(const struct change_spec *spec, void *ctx, int argc, char **argv)
{
	struct change_command *command = ctx;
	int code;

	command->name = spec->name;
	command->umask = umask(0);
	umask((mode_t)command->umask);
	if (change_init(&command->change, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = change_command_arguments(spec, command, argc, argv);
	if (code < 0) {
		code = change_begin(&command->change);
		if (!code)
			code = change_end(&command->change, spec->run(command));
		code |= cli_finish_output();
	}
	change_fini(&command->change);
	return code;
}

int change_each_operand(struct change_command *command, int (*one)(void *ctx, const char *operand))
{
	for (int i = 0; i < command->nr_operands; i++) {
		TRY(change_step(command));
		TRY(one(command, command->operands[i]));
	}
	return 0;
}

int change_step(struct change_command *command)
{
	return change_interrupted(&command->change) ? THROW(ERR_INTERRUPTED, "interrupted") : 0;
}

struct ubtrfs *change_fs(const struct change_command *command)
{
	return command->change.view.fs;
}

/* Of these the errno says it all, in words that everybody knows. */
static bool errno_is_plain(int number)
{
	switch (number) {
	case ENOENT:
	case EEXIST:
	case ENOTDIR:
	case EISDIR:
	case ENOTEMPTY:
	case ENAMETOOLONG:
	case ELOOP:
	case EMLINK:
	case EBUSY:
		return true;
	default:
		return false;
	}
}

int change_fail(int err, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (errno_is_plain(err_to_errno(err)))
		return THROW_SYS(err_to_errno(err), "%s", text);
	return err_prefix(err, "%s", text);
}

/* ---- places ---- */

static int open_image(struct change_command *command, const char *text, const char *image)
{
	struct image_view *view = &command->change.view;

	if (view->image && strcmp(view->image, image) != 0)
		return THROW(ERR_INVALID,
			     "'%s' is in another image than %s: a command changes one image", text,
			     view->image);
	return image_view_open_quiet(view, image);
}

int change_open(struct change_command *command, const char *text, char **ret_path)
{
	struct image_path parsed;
	char *path;
	int err;

	TRY(image_path_parse(text, &parsed));
	err = open_image(command, text, parsed.image);
	path = mem_strdup(parsed.path);
	image_path_release(&parsed);
	if (err == 0 && !path)
		err = MEM_FAIL("a path");
	if (err < 0)
		mem_free(path);
	else
		*ret_path = path;
	return err;
}

/* Cuts a path into the directory's, which stays in path ("" for where paths begin), and the name. */
static int path_cut(char *path, char **ret_name, bool *ret_slash)
{
	size_t len = strlen(path);
	const char *base;
	char *slash, *name;

	*ret_slash = len && path[len - 1] == '/';
	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	base = slash ? slash + 1 : path;
	if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
		name = mem_strdup(".");
	} else {
		name = mem_strdup(base);
		path[base - path] = '\0';
	}
	if (!name)
		return MEM_FAIL("a name");
	*ret_name = name;
	return 0;
}

int place_find(struct change_command *command, const char *text, struct place *ret_place)
{
	struct place place = { .text = text };
	SCOPED_MEM char *path = NULL;
	int err;

	TRY(change_open(command, text, &path));
	TRY(path_cut(path, &place.name, &place.slash));
	err = err_adopt(ubtrfs_resolve(change_fs(command), image_view_top(&command->change.view),
				       path, true, &place.dir));
	if (err < 0) {
		place_release(&place);
		return err;
	}
	*ret_place = place;
	return 0;
}

void place_release(struct place *place)
{
	mem_free(place->name);
	place->name = NULL;
}

bool place_has_name(const struct place *place)
{
	return strcmp(place->name, ".") != 0;
}

int place_attr(struct change_command *command, const struct place *place, bool follow,
	       struct ubtrfs_attr *ret_attr)
{
	struct ubtrfs *fs = change_fs(command);
	struct ubtrfs_node node;
	struct ubtrfs_attr attr;

	TRY(err_adopt(ubtrfs_resolve(fs, place->dir, place->name, follow || place->slash, &node)));
	TRY(err_adopt(ubtrfs_getattr(fs, node, &attr)));
	if (!S_ISDIR(attr.mode) && (place->slash || !place_has_name(place)))
		return THROW_SYS(ENOTDIR, "'%s'", place->text);
	*ret_attr = attr;
	return 0;
}

/* One symlink; place is moved on. */
static int follow_link(struct change_command *command, struct place *place, struct ubtrfs_node link)
{
	SCOPED_MEM char *target = NULL;
	struct ubtrfs_node from = place->dir;
	char *name = NULL;

	TRY(err_adopt(symlink_read(change_fs(command), link, &target)));
	if (target[0] == '/')
		from = ubtrfs_top(change_fs(command));
	TRY(path_cut(target, &name, &place->slash));
	mem_free(place->name);
	place->name = name;
	return err_adopt(ubtrfs_resolve(change_fs(command), from, target, true, &place->dir));
}

int place_follow(struct change_command *command, struct place *place)
{
	struct ubtrfs_attr attr;

	for (unsigned i = 0; i < SYMLINKS_MAX; i++) {
		int ret = place_attr(command, place, false, &attr);

		if (err_to_errno(ret) == ENOENT)
			return 0;
		TRY(ret);
		if (!S_ISLNK(attr.mode))
			return 0;
		TRY(follow_link(command, place, attr.node));
	}
	return THROW_SYS(ELOOP, "'%s'", place->text);
}

int operand_attr(struct change_command *command, const char *text, bool follow,
		 struct ubtrfs_attr *ret_attr)
{
	SCOPED(place) struct place place = { .name = NULL };

	TRY(place_find(command, text, &place));
	return place_attr(command, &place, follow, ret_attr);
}

int place_create(struct change_command *command, const struct place *place, uint32_t mode,
		 struct ubtrfs_node *ret_node)
{
	const struct ubtrfs_new what = {
		.attr = { .mode = mode, .uid = geteuid(), .gid = getegid() },
		.inherit = true,
		.umask = command->umask
	};

	return err_adopt(ubtrfs_create(change_fs(command), place->dir, place->name,
				       strlen(place->name), &what, ret_node));
}
