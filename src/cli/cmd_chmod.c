/*
 * `ubtrfs chmod`: permissions of files in an image, with the modes and options of chmod(1).
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/attr_tree.h"
#include "cli/entry_list.h"
#include "cli/mode_change.h"

struct chmod {
	struct attr_tree tree;
	struct strbuf mode; /* from options that are modes: -w, -x */
	struct mode_change change;
};

static const char help_text[] =
	"usage: ubtrfs chmod [-Rcv] MODE[,MODE]... IMAGE:/PATH...\n"
	"       ubtrfs chmod [-Rcv] --reference IMAGE:/PATH IMAGE:/PATH...\n"
	"\n"
	"Change the permissions of files in an image, all of them or none. MODE is octal, or of the\n"
	"form [ugoa]*[-+=]([rwxXst]*|[ugo]).\n"
	"\n" ATTR_TREE_HELP IMAGE_HELP "      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	ATTR_TREE_LONG_OPTIONS,
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* Letters and digits that begin a mode: -w is the mode "-w", not an option. */
#define MODE_LETTERS "r::w::x::X::s::t::u::g::o::a::,::+::=::0::1::2::3::4::5::6::7::"

/* The mode that this option begins, with all behind its letter. */
static int take_mode(struct chmod *job, int letter)
{
	if (job->mode.len)
		strbuf_add(&job->mode, ",");
	strbuf_addf(&job->mode, "-%c%s", letter, optarg ? optarg : "");
	return strbuf_status(&job->mode) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int take_option(void *ctx, int option)
{
	struct chmod *job = ctx;

	if (option > 0 && option < 128 && strchr("rwxXstugoa,+=01234567", option))
		return take_mode(job, option);
	return attr_tree_option(&job->tree, option);
}

static int check(void *ctx)
{
	struct chmod *job = ctx;
	struct change_command *command = &job->tree.command;
	const char *mode = strbuf_text(&job->mode);

	if (job->tree.reference) {
		if (*mode)
			return cli_error("chmod: cannot combine mode and --reference options");
		return 0;
	}
	if (!*mode) {
		if (!command->nr_operands)
			return cli_error("chmod: missing operand (see --help)");
		mode = *command->operands++;
		command->nr_operands--;
	}
	if (mode_change_parse(mode, &job->change) < 0)
		return cli_error("chmod: invalid mode: '%s'", mode);
	if (!command->nr_operands)
		return cli_error("chmod: missing operand after '%s' (see --help)", mode);
	return 0;
}

static void tell(const struct chmod *job, const char *path, uint32_t old, uint32_t mode)
{
	char old_text[MODE_TEXT_MAX], text[MODE_TEXT_MAX];
	bool changed = (old ^ mode) & 07777;

	if (!attr_tree_tells(&job->tree, changed))
		return;
	if (changed)
		printf("mode of '%s' changed from %04o (%s) to %04o (%s)\n", path, old & 07777,
		       mode_text(old, old_text) + 1, mode & 07777, mode_text(mode, text) + 1);
	else
		printf("mode of '%s' retained as %04o (%s)\n", path, mode & 07777,
		       mode_text(mode, text) + 1);
}

static int change(void *ctx, const char *path, const struct ubtrfs_attr *attr)
{
	struct chmod *job = ctx;
	struct ubtrfs_attr new = *attr;
	int ret;

	new.mode = (attr->mode & S_IFMT) |
		   mode_change_apply(&job->change, attr->mode, S_ISDIR(attr->mode),
				     job->tree.command.umask, NULL);
	ret = err_adopt(
		ubtrfs_setattr(change_fs(&job->tree.command), attr->node, &new, UBTRFS_ATTR_MODE));
	if (ret < 0)
		return change_fail(ret, "changing permissions of '%s'", path);
	tell(job, path, attr->mode, new.mode);
	return 0;
}

/* The mode of another file, all of it. */
static int take_reference(struct chmod *job)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->tree.command, job->tree.reference, true, &attr);

	if (ret < 0)
		return change_fail(ret, "failed to get attributes of '%s'", job->tree.reference);
	job->change.nr = 1;
	job->change.clauses[0] = (struct mode_clause){
		.op = '=', .who = 07777, .value = attr.mode & 07777, .mentioned = 07777
	};
	return 0;
}

static int run(void *ctx)
{
	struct chmod *job = ctx;

	if (job->tree.reference)
		TRY(take_reference(job));
	job->tree.follow = true;
	job->tree.change = change;
	return attr_tree_run(&job->tree);
}

int cmd_chmod(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "chmod",
						 .help = help_text,
						 .short_options = ":D:Rcv" MODE_LETTERS,
						 .long_options = long_options,
						 .min_operands = 1,
						 .missing = "chmod: missing operand",
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct chmod job = { .change.nr = 0 };
	int code;

	strbuf_init(&job.mode);
	code = change_command_run(&spec, &job, argc, argv);
	strbuf_fini(&job.mode);
	return code;
}
