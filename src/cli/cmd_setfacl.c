/*
 * `ubtrfs setfacl`: POSIX ACLs of files in an image, with the options of setfacl(1).
 */
#include <errno.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/acl_edit.h"
#include "cli/change_command.h"
#include "cli/image_tree.h"
#include "cli/line_file.h"
#include "cli/xattr_text.h"

enum { OPTION_SET = 0x600, OPTION_SET_FILE, OPTION_MASK, OPTION_RESTORE, OPTION_TEST };

struct setfacl {
	struct change_command command;
	struct acl_ops ops;
	bool all_default, recursive, test;
	bool logical, physical; /* -L, -P */
	const char *restore;	/* --restore; NULL */
	/* --restore: the file that lines are about. */
	char *file; /* owned; NULL before the first */
	bool has_uid, has_gid;
	uint32_t uid, gid, flags; /* flags: S_ISUID, ... */
};

static const char help_text[] =
	"usage: ubtrfs setfacl [-bkdRLPn] {-m|-x|--set ACL | -M|-X|--set-file FILE}... IMAGE:/PATH...\n"
	"       ubtrfs setfacl --restore FILE\n"
	"\n"
	"Change the POSIX ACLs of files in an image, of all of them or none.\n"
	"\n"
	"  -m, --modify ACL      set these entries: [default:]{user|group|mask|other}:[NAME]:rwxX,...\n"
	"  -M, --modify-file F   the entries of a file (- for standard input)\n"
	"  -x, --remove ACL      remove these entries (without permissions)\n"
	"  -X, --remove-file F   the entries of a file\n"
	"      --set ACL         these entries and no others\n"
	"      --set-file F      the entries of a file\n"
	"  -b, --remove-all      leave what the mode says\n"
	"  -k, --remove-default  remove the default ACL\n"
	"  -d, --default         entries are of the default ACL\n"
	"      --mask            make the mask anew also when one is given\n"
	"  -n, --no-mask         leave the mask as it is\n"
	"  -R, --recursive       and all below directories\n"
	"  -L, --logical         with -R: symlinks are followed\n"
	"  -P, --physical        symlinks are passed over, that of a PATH too\n"
	"      --restore FILE    set what `ubtrfs getfacl` has shown, owners and set-id bits too\n"
	"      --test            show what the ACLs would be, change nothing\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "modify", required_argument, NULL, 'm' },
	{ "modify-file", required_argument, NULL, 'M' },
	{ "remove", required_argument, NULL, 'x' },
	{ "remove-file", required_argument, NULL, 'X' },
	{ "set", required_argument, NULL, OPTION_SET },
	{ "set-file", required_argument, NULL, OPTION_SET_FILE },
	{ "remove-all", no_argument, NULL, 'b' },
	{ "remove-default", no_argument, NULL, 'k' },
	{ "default", no_argument, NULL, 'd' },
	{ "mask", no_argument, NULL, OPTION_MASK },
	{ "no-mask", no_argument, NULL, 'n' },
	{ "recursive", no_argument, NULL, 'R' },
	{ "logical", no_argument, NULL, 'L' },
	{ "physical", no_argument, NULL, 'P' },
	{ "restore", required_argument, NULL, OPTION_RESTORE },
	{ "test", no_argument, NULL, OPTION_TEST },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* ---- options ---- */

struct parse {
	struct acl_list list;
	bool wants_perm;
};

static int parse_line(void *ctx, char *text, unsigned number)
{
	struct parse *parse = ctx;

	(void)number;
	return acl_list_parse(&parse->list, text, parse->wants_perm);
}

/* --set: an ACL that is named is gone first. */
static int clear_named(struct setfacl *job, const struct acl_list *list)
{
	bool named[ACL_KINDS] = { false, false };

	for (size_t i = 0; i < list->nr; i++)
		named[list->entries[i].is_default || job->all_default ? ACL_KIND_DEFAULT :
									ACL_KIND_ACCESS] = true;
	for (enum acl_kind kind = ACL_KIND_ACCESS; kind < ACL_KINDS; kind++)
		if (named[kind])
			TRY(acl_ops_add(&job->ops, ACL_OP_CLEAR, kind));
	return 0;
}

static int list_check(const struct setfacl *job, const struct acl_list *list)
{
	if (!list->nr)
		return THROW(ERR_INVALID, "no entry is named");
	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].is_default && job->all_default)
			return THROW(ERR_INVALID, "-d and 'default:' go not together");
	return 0;
}

static int add_entries(struct setfacl *job, enum acl_op_what what, const char *text, bool is_file,
		       bool is_set)
{
	struct parse parse = { .wants_perm = what == ACL_OP_MODIFY };
	int err = is_file ? line_file_read(text, parse_line, &parse) :
			    acl_list_parse(&parse.list, text, parse.wants_perm);

	if (err == 0)
		err = list_check(job, &parse.list);
	if (err == 0 && is_set)
		err = clear_named(job, &parse.list);
	if (err == 0)
		err = acl_ops_add_list(&job->ops, what, &parse.list, job->all_default);
	acl_list_fini(&parse.list);
	return err;
}

static int take(struct setfacl *job, enum acl_op_what what, bool is_file, bool is_set)
{
	return add_entries(job, what, optarg, is_file, is_set) < 0 ?
		       cli_error("setfacl: '%s': %s", optarg, ubtrfs_error_text()) :
		       0;
}

static int take_op(struct setfacl *job, enum acl_op_what what, enum acl_kind kind)
{
	return acl_ops_add(&job->ops, what, kind) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int take_option(void *ctx, int option)
{
	struct setfacl *job = ctx;

	switch (option) {
	case 'm':
	case 'M':
		return take(job, ACL_OP_MODIFY, option == 'M', false);
	case 'x':
	case 'X':
		return take(job, ACL_OP_REMOVE, option == 'X', false);
	case OPTION_SET:
	case OPTION_SET_FILE:
		return take(job, ACL_OP_MODIFY, option == OPTION_SET_FILE, true);
	case 'b':
		return take_op(job, ACL_OP_STRIP, ACL_KIND_ACCESS) |
		       take_op(job, ACL_OP_CLEAR, ACL_KIND_DEFAULT);
	case 'k':
		return take_op(job, ACL_OP_CLEAR, ACL_KIND_DEFAULT);
	case 'd':
		job->all_default = true;
		return 0;
	case OPTION_MASK:
	case 'n':
		job->ops.mask = option == 'n' ? -1 : 1;
		return 0;
	case 'R':
		job->recursive = true;
		return 0;
	case 'L':
	case 'P':
		job->logical = option == 'L';
		job->physical = option == 'P';
		return 0;
	case OPTION_RESTORE:
		job->restore = optarg;
		return 0;
	case OPTION_TEST:
		job->test = true;
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	const struct setfacl *job = ctx;

	if (job->restore)
		return job->ops.nr || job->command.nr_operands ?
			       cli_error("setfacl: --restore names entries and files itself") :
			       0;
	if (!job->ops.nr)
		return cli_error("setfacl: nothing to change was given (see --help)");
	if (!job->command.nr_operands)
		return cli_error("setfacl: no IMAGE:/PATH given (see --help)");
	return 0;
}

/* ---- a file ---- */

static int acl_write(struct ubtrfs *fs, const struct ubtrfs_attr *attr, const char *name,
		     const struct acl_list *list)
{
	struct strbuf value;
	int err;

	if (!list->nr)
		return err_adopt(ubtrfs_removexattr(fs, attr->node, name));
	strbuf_init(&value);
	err = acl_list_to_value(list, &value);
	if (err == 0)
		err = err_adopt(
			ubtrfs_setxattr(fs, attr->node, name, strbuf_text(&value), value.len));
	strbuf_fini(&value);
	return err;
}

static void print_test(const char *path, const struct acl_pair *pair)
{
	struct acl_style style = { .prefix = "", .is_short = true };

	printf("%s: ", path);
	if (pair->changed[ACL_KIND_ACCESS])
		acl_list_print(&pair->lists[ACL_KIND_ACCESS], &style);
	else
		putchar('*');
	putchar(',');
	style.prefix = "d:";
	if (pair->changed[ACL_KIND_DEFAULT])
		acl_list_print(&pair->lists[ACL_KIND_DEFAULT], &style);
	else
		putchar('*');
	putchar('\n');
}

static int pair_write(struct setfacl *job, const char *path, const struct ubtrfs_attr *attr,
		      const struct acl_pair *pair)
{
	struct ubtrfs *fs = change_fs(&job->command);
	bool is_dir = S_ISDIR(attr->mode);

	if (job->test) {
		print_test(path, pair);
		return 0;
	}
	if (pair->changed[ACL_KIND_ACCESS])
		TRY(acl_write(fs, attr, ACL_XATTR_ACCESS, &pair->lists[ACL_KIND_ACCESS]));
	if (!pair->changed[ACL_KIND_DEFAULT])
		return 0;
	if (is_dir)
		return acl_write(fs, attr, ACL_XATTR_DEFAULT, &pair->lists[ACL_KIND_DEFAULT]);
	return THROW(ERR_INVALID, "only directories can have default ACLs");
}

static int change(struct setfacl *job, const char *path, const struct ubtrfs_attr *attr)
{
	struct ubtrfs *fs = change_fs(&job->command);
	struct acl_pair pair = { .changed = { false } };
	int err = acl_list_read(fs, attr->node, ACL_XATTR_ACCESS, &pair.lists[ACL_KIND_ACCESS]);

	if (err == 0 && !pair.lists[ACL_KIND_ACCESS].nr)
		err = acl_list_from_mode(&pair.lists[ACL_KIND_ACCESS], attr->mode);
	if (err == 0 && S_ISDIR(attr->mode))
		err = acl_list_read(fs, attr->node, ACL_XATTR_DEFAULT,
				    &pair.lists[ACL_KIND_DEFAULT]);
	if (err == 0)
		err = acl_ops_apply(&job->ops, &pair, S_ISDIR(attr->mode));
	/* -R: what is meant for directories is no fault of a file. */
	if (job->recursive && !S_ISDIR(attr->mode))
		pair.changed[ACL_KIND_DEFAULT] = false;
	if (err == 0)
		err = pair_write(job, path, attr, &pair);
	acl_pair_fini(&pair);
	return err < 0 ? change_fail(err, "%s", path) : 0;
}

/* ---- operands ---- */

static int met(void *ctx, const struct tree_entry *entry, bool *ret_enter)
{
	struct setfacl *job = ctx;
	struct ubtrfs_attr attr;

	(void)ret_enter;
	TRY(change_step(&job->command));
	if (entry->type == BTRFS_FT_SYMLINK && job->logical)
		return THROW_SYS(ENOENT, "%s", entry->path);
	if (entry->node.ino < UBTRFS_ROOT_INO || entry->type == BTRFS_FT_SYMLINK)
		return 0;
	TRY(err_adopt(ubtrfs_getattr(change_fs(&job->command), entry->node, &attr)));
	return change(job, entry->path, &attr);
}

static int change_operand(void *ctx, const char *text)
{
	struct setfacl *job = ctx;
	const struct tree_visitor visitor = { .before = met, .follow = job->logical, .ctx = job };
	struct tree_entry top = { .name = "", .type = BTRFS_FT_DIR, .path = text };
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->command, text, !job->physical, &attr);

	if (ret < 0)
		return change_fail(ret, "%s", text);
	if (S_ISLNK(attr.mode))
		return 0;
	if (!job->recursive || !S_ISDIR(attr.mode))
		return change(job, text, &attr);
	top.node = attr.node;
	return image_tree_visit(change_fs(&job->command), &top, &visitor);
}

/* ---- --restore ---- */

static int owner_restore(struct setfacl *job, const struct ubtrfs_attr *attr)
{
	struct ubtrfs_attr new = *attr;
	unsigned set = 0;

	if (job->has_uid && job->uid != attr->uid)
		set |= UBTRFS_ATTR_UID;
	if (job->has_gid && job->gid != attr->gid)
		set |= UBTRFS_ATTR_GID;
	if ((attr->mode & 07000) != job->flags)
		set |= UBTRFS_ATTR_MODE;
	new.uid = job->uid;
	new.gid = job->gid;
	new.mode = (attr->mode & ~07000u) | job->flags;
	if (!set || job->test)
		return 0;
	return err_adopt(ubtrfs_setattr(change_fs(&job->command), attr->node, &new, set));
}

/* All lines about a file were read. */
static int restore_end(struct setfacl *job)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret;

	if (!job->file)
		return 0;
	ret = operand_attr(&job->command, job->file, true, &attr);
	if (ret < 0)
		return change_fail(ret, "%s", job->file);
	TRY(change(job, job->file, &attr));
	TRY(err_adopt(ubtrfs_getattr(change_fs(&job->command), attr.node, &attr)));
	TRY(owner_restore(job, &attr));
	mem_free(job->file);
	job->file = NULL;
	return 0;
}

static int restore_begin(struct setfacl *job, char *path)
{
	TRY(restore_end(job));
	xattr_unquote(path);
	job->file = mem_strdup(path);
	if (!job->file)
		return MEM_FAIL("a path");
	job->has_uid = job->has_gid = false;
	job->flags = 0;
	job->ops.nr = 0;
	TRY(acl_ops_add(&job->ops, ACL_OP_CLEAR, ACL_KIND_ACCESS));
	return acl_ops_add(&job->ops, ACL_OP_CLEAR, ACL_KIND_DEFAULT);
}

static int restore_flags(struct setfacl *job, const char *text)
{
	static const uint32_t bits[] = { S_ISUID, S_ISGID, S_ISVTX };
	static const char letters[] = "sst";

	for (unsigned i = 0; i < 3; i++) {
		if (text[i] != letters[i] && text[i] != '-')
			return THROW(ERR_INVALID, "'%s' are no flags", text);
		if (text[i] != '-')
			job->flags |= bits[i];
	}
	return 0;
}

static const char *behind(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int restore_comment(struct setfacl *job, char *text)
{
	const char *value;

	if (behind(text, "# file: "))
		return restore_begin(job, text + strlen("# file: "));
	if ((value = behind(text, "# owner: "))) {
		job->has_uid = true;
		return owner_id(value, false, &job->uid);
	}
	if ((value = behind(text, "# group: "))) {
		job->has_gid = true;
		return owner_id(value, true, &job->gid);
	}
	value = behind(text, "# flags: ");
	return value ? restore_flags(job, value) : 0;
}

static int restore_line(void *ctx, char *text, unsigned number)
{
	struct setfacl *job = ctx;

	(void)number;
	TRY(change_step(&job->command));
	if (*text == '#')
		return restore_comment(job, text);
	if (!text[strspn(text, " \t\r")])
		return 0;
	if (!job->file)
		return THROW(ERR_INVALID, "no line '# file: IMAGE:/PATH' came before");
	return add_entries(job, ACL_OP_MODIFY, text, false, false);
}

static int run(void *ctx)
{
	struct setfacl *job = ctx;

	if (!job->restore)
		return change_each_operand(&job->command, change_operand);
	/* A mask is set as it was. */
	job->ops.mask = -1;
	TRY(line_file_read(job->restore, restore_line, job));
	TRY(restore_end(job));
	return change_fs(&job->command) ? 0 : THROW(ERR_INVALID, "%s names no file", job->restore);
}

int cmd_setfacl(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "setfacl",
						 .help = help_text,
						 .short_options = ":D:m:M:x:X:bkdnRLP",
						 .long_options = long_options,
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct setfacl job = { .restore = NULL };
	int code = change_command_run(&spec, &job, argc, argv);

	acl_ops_fini(&job.ops);
	mem_free(job.file);
	return code;
}
