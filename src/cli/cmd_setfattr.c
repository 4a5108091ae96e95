/*
 * `ubtrfs setfattr`: extended attributes of files in an image, with the options of setfattr(1).
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/line_file.h"
#include "cli/xattr_text.h"

enum { OPTION_RESTORE = 0x600, OPTION_RAW };

struct setfattr {
	struct change_command command;
	const char *set, *remove; /* -n, -x; NULL */
	const char *value_text;	  /* -v; NULL */
	const char *restore;	  /* --restore; NULL */
	bool raw, no_follow;
	unsigned nr_names; /* -n, -x and --restore */
	struct strbuf value;
	/* --restore: the file that lines are about. */
	struct ubtrfs_attr current;
	bool has_current;
};

static const char help_text[] =
	"usage: ubtrfs setfattr {-n NAME [-v VALUE] | -x NAME} [-h] IMAGE:/PATH...\n"
	"       ubtrfs setfattr --restore FILE\n"
	"\n"
	"Set or remove an extended attribute of files in an image, of all of them or none.\n"
	"\n"
	"  -n, --name NAME       set this attribute\n"
	"  -v, --value VALUE     to this: text (\\\\ \\\" and \\ooo stand for bytes), 0xHEX, 0sBASE64\n"
	"      --raw             to VALUE as it is written\n"
	"  -x, --remove NAME     remove this attribute\n"
	"  -h, --no-dereference  of symlinks themselves\n"
	"      --restore FILE    set what `ubtrfs getfattr --dump` has shown (- for standard input)\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "name", required_argument, NULL, 'n' },
	{ "value", required_argument, NULL, 'v' },
	{ "remove", required_argument, NULL, 'x' },
	{ "no-dereference", no_argument, NULL, 'h' },
	{ "restore", required_argument, NULL, OPTION_RESTORE },
	{ "raw", no_argument, NULL, OPTION_RAW },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct setfattr *job = ctx;

	switch (option) {
	case 'n':
		job->set = optarg;
		job->nr_names++;
		return 0;
	case 'v':
		job->value_text = optarg;
		return 0;
	case 'x':
		job->remove = optarg;
		job->nr_names++;
		return 0;
	case 'h':
		job->no_follow = true;
		return 0;
	case OPTION_RESTORE:
		job->restore = optarg;
		job->nr_names++;
		return 0;
	case OPTION_RAW:
		job->raw = true;
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	struct setfattr *job = ctx;

	if (job->nr_names != 1)
		return cli_error(
			"setfattr: one of -n, -x and --restore is needed, once (see --help)");
	if (job->value_text && !job->set)
		return cli_error("setfattr: -v goes with -n");
	if (job->restore)
		return job->command.nr_operands ?
			       cli_error("setfattr: --restore names the files itself") :
			       0;
	if (!job->command.nr_operands)
		return cli_error("setfattr: no IMAGE:/PATH given (see --help)");
	if (job->value_text && job->raw)
		strbuf_add(&job->value, job->value_text);
	else if (job->value_text && xattr_decode(&job->value, job->value_text) < 0)
		return cli_error("setfattr: bad value: %s", ubtrfs_error_text());
	return strbuf_status(&job->value) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int change_operand(void *ctx, const char *text)
{
	struct setfattr *job = ctx;
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->command, text, !job->no_follow, &attr);
	struct ubtrfs *fs = change_fs(&job->command);

	if (ret < 0)
		return change_fail(ret, "%s", text);
	ret = err_adopt(job->set ? ubtrfs_setxattr(fs, attr.node, job->set,
						   strbuf_text(&job->value), job->value.len) :
				   ubtrfs_removexattr(fs, attr.node, job->remove));
	return ret < 0 ? change_fail(ret, "%s", text) : 0;
}

/* ---- --restore ---- */

static int restore_file(struct setfattr *job, char *path)
{
	int ret;

	xattr_unquote(path);
	ret = operand_attr(&job->command, path, !job->no_follow, &job->current);
	job->has_current = ret == 0;
	return ret < 0 ? change_fail(ret, "%s", path) : 0;
}

static int restore_line(void *ctx, char *text, unsigned number)
{
	static const char file_prefix[] = "# file: ";
	struct setfattr *job = ctx;
	char *value;

	(void)number;
	TRY(change_step(&job->command));
	if (strncmp(text, file_prefix, strlen(file_prefix)) == 0)
		return restore_file(job, text + strlen(file_prefix));
	if (!*text || *text == '#')
		return 0;
	if (!job->has_current)
		return THROW(ERR_INVALID, "no line '# file: IMAGE:/PATH' came before");
	value = strchr(text, '=');
	if (value)
		*value++ = '\0';
	xattr_unquote(text);
	strbuf_clear(&job->value);
	if (value)
		TRY(xattr_decode(&job->value, value));
	return err_adopt(ubtrfs_setxattr(change_fs(&job->command), job->current.node, text,
					 strbuf_text(&job->value), job->value.len));
}

static int run(void *ctx)
{
	struct setfattr *job = ctx;

	if (!job->restore)
		return change_each_operand(&job->command, change_operand);
	TRY(line_file_read(job->restore, restore_line, job));
	return change_fs(&job->command) ? 0 : THROW(ERR_INVALID, "%s names no file", job->restore);
}

int cmd_setfattr(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "setfattr",
						 .help = help_text,
						 .short_options = ":D:n:v:x:h",
						 .long_options = long_options,
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct setfattr job = { .set = NULL };
	int code;

	strbuf_init(&job.value);
	code = change_command_run(&spec, &job, argc, argv);
	strbuf_fini(&job.value);
	return code;
}
