/*
 * `ubtrfs chattr`: flags of files in an image, with the modes and options of chattr(1).
 *
 * Letters behind one '-' are flags to take away as well as options (-R, -V, -f), so they are read
 * here, before the others; --device has no short form.
 */
#include <errno.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/attr.h>

#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/entry_list.h"
#include "cli/fsflag_text.h"
#include "cli/image_tree.h"

struct chattr {
	struct change_command command;
	bool recursive, tells, quiet;
	bool has_exact;
	uint32_t add, remove, exact;
};

static const char help_text[] =
	"usage: ubtrfs chattr [-RVf] [-+=AaCcDdimS]... IMAGE:/PATH...\n"
	"\n"
	"Change the flags of files in an image, all of them or none: + adds, - takes away, = sets\n"
	"exactly these.\n"
	"\n"
	"  A  reading does not set the time of access     a  may only be appended to\n"
	"  C  written in place, without checksums         c  compressed\n"
	"  D  (directories) changes are durable at once   d  not for backups\n"
	"  i  immutable                                   m  not compressed\n"
	"  S  changes are durable at once\n"
	"\n"
	"  -R                    and all below directories\n"
	"  -V                    say what is changed\n"
	"  -f                    pass over files that cannot have the flags\n"
	"                        (-D takes a flag away: a further member is --device FILE)\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_letters(const char *letters, uint32_t *flags)
{
	for (; *letters; letters++) {
		uint32_t flag = fsflag_of_letter(*letters);

		if (!flag)
			return cli_error("chattr: there is no flag '%c'", *letters);
		*flags |= flag;
	}
	return 0;
}

static int take_dash(struct chattr *job, const char *letters)
{
	for (; *letters; letters++) {
		uint32_t flag = fsflag_of_letter(*letters);

		if (*letters == 'R')
			job->recursive = true;
		else if (*letters == 'V')
			job->tells = true;
		else if (*letters == 'f')
			job->quiet = true;
		else if (*letters == 'v' || *letters == 'p')
			return cli_error("chattr: btrfs has no %s to set",
					 *letters == 'v' ? "version" : "project");
		else if (!flag)
			return cli_error("chattr: there is no flag '%c'", *letters);
		job->remove |= flag;
	}
	return 0;
}

/* Takes the modes out of the arguments; *ret_nr: what is left of them. */
static int take_modes(struct chattr *job, int argc, char **argv, char **rest, int *ret_nr)
{
	bool options = true;
	int nr = 0;

	for (int i = 0; i < argc; i++) {
		const char *text = argv[i];
		int code = 0;

		if (i && options && text[0] == '-' && text[1] && text[1] != '-')
			code = take_dash(job, text + 1);
		else if (i && options && text[0] == '+')
			code = take_letters(text + 1, &job->add);
		else if (i && options && text[0] == '=')
			code = take_letters(text + 1, &job->exact);
		else
			rest[nr++] = argv[i];
		if (code)
			return code;
		if (i && options && text[0] == '=')
			job->has_exact = true;
		if (strcmp(text, "--") == 0)
			options = false;
	}
	rest[nr] = NULL;
	*ret_nr = nr;
	return 0;
}

static int check(void *ctx)
{
	const struct chattr *job = ctx;

	if (!job->has_exact && !job->add && !job->remove)
		return cli_error("chattr: must use -, = or + with flags (see --help)");
	if (job->has_exact && (job->add || job->remove))
		return cli_error("chattr: = is incompatible with - and +");
	if (job->add & job->remove)
		return cli_error("chattr: can't both set and unset the same flag");
	return 0;
}

static int change(struct chattr *job, const char *path, const struct ubtrfs_attr *attr)
{
	struct ubtrfs *fs = change_fs(&job->command);
	char letters[FSFLAG_LETTERS + 1];
	uint32_t flags, wanted;
	int ret;

	TRY(err_adopt(ubtrfs_fsflags_get(fs, attr->node, &flags)));
	wanted = job->has_exact ? job->exact : (flags & ~job->remove) | job->add;
	ret = err_adopt(ubtrfs_fsflags_set(fs, attr->node, wanted, UINT32_MAX));
	if (job->quiet && (err_to_errno(ret) == EINVAL || err_to_errno(ret) == EOPNOTSUPP))
		return 0;
	if (ret < 0)
		return change_fail(ret, "while setting flags on '%s'", path);
	if (job->tells)
		printf("Flags of %s set as %s\n", path, fsflags_letters(wanted, letters));
	return 0;
}

/* -R leaves out what has no flags. */
static int met(void *ctx, const struct tree_entry *entry, bool *ret_enter)
{
	struct chattr *job = ctx;
	struct ubtrfs_attr attr;

	(void)ret_enter;
	TRY(change_step(&job->command));
	if (entry->node.ino < UBTRFS_ROOT_INO ||
	    (entry->type != BTRFS_FT_REG_FILE && entry->type != BTRFS_FT_DIR))
		return 0;
	TRY(err_adopt(ubtrfs_getattr(change_fs(&job->command), entry->node, &attr)));
	return change(job, entry->path, &attr);
}

static int change_operand(void *ctx, const char *text)
{
	struct chattr *job = ctx;
	const struct tree_visitor visitor = { .before = met, .ctx = job };
	struct ubtrfs_attr attr = { .mode = 0 };
	struct tree_entry top = { .name = "", .type = BTRFS_FT_DIR, .path = text };
	int ret = operand_attr(&job->command, text, false, &attr);

	if (ret < 0)
		return change_fail(ret, "while trying to stat '%s'", text);
	if (!S_ISREG(attr.mode) && !S_ISDIR(attr.mode))
		return THROW(ERR_UNSUPPORTED, "'%s' is neither a file nor a directory", text);
	if (!job->recursive || !S_ISDIR(attr.mode))
		return change(job, text, &attr);
	top.node = attr.node;
	return image_tree_visit(change_fs(&job->command), &top, &visitor);
}

static int run(void *ctx)
{
	struct chattr *job = ctx;

	return change_each_operand(&job->command, change_operand);
}

int cmd_chattr(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "chattr",
						 .help = help_text,
						 .short_options = ":",
						 .long_options = long_options,
						 .min_operands = 1,
						 .missing = "chattr: missing operand",
						 .check = check,
						 .run = run };
	SCOPED_MEM char **rest = mem_array((size_t)argc + 1, sizeof(*rest));
	struct chattr job = { .add = 0 };
	int nr;

	if (!rest)
		return cli_error("no memory for arguments");
	if (take_modes(&job, argc, argv, rest, &nr))
		return 1;
	return change_command_run(&spec, &job, nr, rest);
}
