/*
 * `ubtrfs chown` and `ubtrfs chgrp`: owners of files in an image, with the options of chown(1).
 *
 * Names are those of this machine; a number, or +NUMBER, is taken as it is. As in Linux a change of
 * owner takes from a file what it may do by itself: set-id bits and security.capability.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/attr_tree.h"

struct chown {
	struct attr_tree tree;
	bool is_chgrp, no_dereference, dereference;
	bool has_from;
	bool has_uid, has_gid;		 /* what is to be set */
	bool from_has_uid, from_has_gid; /* --from: only what belongs to these */
	uint32_t uid, gid, from_uid, from_gid;
};

enum { OPTION_FROM = 0x580, OPTION_DEREFERENCE };

static const char chown_help[] =
	"usage: ubtrfs chown [-Rhcv] [OWNER][:[GROUP]] IMAGE:/PATH...\n"
	"       ubtrfs chown [-Rhcv] --reference IMAGE:/PATH IMAGE:/PATH...\n"
	"\n"
	"Change the owner and the group of files in an image, all of them or none. Numbers, or names\n"
	"of this machine; 'OWNER:' means the login group too.\n"
	"\n"
	"  -h, --no-dereference  symlinks themselves; with -R always so\n"
	"      --dereference     what symlinks lead to (the default without -R)\n"
	"      --from OWNER:GROUP  only files that belong to these\n" ATTR_TREE_HELP IMAGE_HELP
	"      --help            print this\n";

static const char chgrp_help[] =
	"usage: ubtrfs chgrp [-Rhcv] GROUP IMAGE:/PATH...\n"
	"       ubtrfs chgrp [-Rhcv] --reference IMAGE:/PATH IMAGE:/PATH...\n"
	"\n"
	"Change the group of files in an image, all of them or none. A number, or a name of this\n"
	"machine.\n"
	"\n"
	"  -h, --no-dereference  symlinks themselves; with -R always so\n"
	"      --dereference     what symlinks lead to (the default without -R)\n" ATTR_TREE_HELP
		IMAGE_HELP "      --help            print this\n";

static const struct option chown_options[] = {
	IMAGE_LONG_OPTIONS,
	ATTR_TREE_LONG_OPTIONS,
	{ "no-dereference", no_argument, NULL, 'h' },
	{ "dereference", no_argument, NULL, OPTION_DEREFERENCE },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static const struct option chgrp_options[] = {
	IMAGE_LONG_OPTIONS,
	ATTR_TREE_LONG_OPTIONS,
	{ "no-dereference", no_argument, NULL, 'h' },
	{ "dereference", no_argument, NULL, OPTION_DEREFERENCE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* ---- names ---- */

/* All ones means to leave it, and is nobody's number. */
static bool id_parse(const char *text, uint32_t *ret_id)
{
	uint64_t id;

	if (*text == '+')
		text++;
	if (number_parse(text, &id) < 0 || id >= UINT32_MAX || strncasecmp(text, "0x", 2) == 0)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

static int user_parse(const char *text, uint32_t *ret_uid, uint32_t *ret_login_gid, bool *ret_named)
{
	const struct passwd *user = *text == '+' ? NULL : getpwnam(text);

	*ret_named = user;
	if (user) {
		*ret_uid = user->pw_uid;
		*ret_login_gid = user->pw_gid;
		return 0;
	}
	return id_parse(text, ret_uid) ? 0 : cli_error("invalid user: '%s'", text);
}

static int group_parse(const char *text, uint32_t *ret_gid)
{
	const struct group *group = *text == '+' ? NULL : getgrnam(text);

	if (group) {
		*ret_gid = group->gr_gid;
		return 0;
	}
	return id_parse(text, ret_gid) ? 0 : cli_error("invalid group: '%s'", text);
}

struct owner {
	bool has_uid, has_gid;
	uint32_t uid, gid;
};

/* [OWNER][:[GROUP]] */
static int take_owner(const char *text, struct owner *ret_owner)
{
	SCOPED_MEM char *user = mem_strdup(text);
	struct owner owner = { .has_uid = false };
	uint32_t login_gid = 0;
	bool named = false;
	char *colon;

	if (!user)
		return cli_error("no memory");
	colon = strchr(user, ':');
	if (colon)
		*colon++ = '\0';
	owner.has_uid = *user;
	if (*user && user_parse(user, &owner.uid, &login_gid, &named))
		return 1;
	if (colon && *colon) {
		owner.has_gid = true;
		if (group_parse(colon, &owner.gid))
			return 1;
	} else if (colon && *user) {
		if (!named)
			return cli_error("invalid spec: '%s': a number has no login group", text);
		owner.has_gid = true;
		owner.gid = login_gid;
	}
	*ret_owner = owner;
	return 0;
}

/* ---- options ---- */

static int take_from(struct chown *job, const char *text)
{
	struct owner owner;

	if (take_owner(text, &owner))
		return 1;
	job->has_from = true;
	job->from_has_uid = owner.has_uid;
	job->from_has_gid = owner.has_gid;
	job->from_uid = owner.uid;
	job->from_gid = owner.gid;
	return 0;
}

static int take_option(void *ctx, int option)
{
	struct chown *job = ctx;

	switch (option) {
	case 'h':
		job->no_dereference = true;
		job->dereference = false;
		return 0;
	case OPTION_DEREFERENCE:
		job->dereference = true;
		job->no_dereference = false;
		return 0;
	case OPTION_FROM:
		return take_from(job, optarg);
	default:
		return attr_tree_option(&job->tree, option);
	}
}

static int take_spec(struct chown *job, const char *text)
{
	struct owner owner = { .has_uid = false };

	if (job->is_chgrp) {
		owner.has_gid = *text;
		if (*text && group_parse(text, &owner.gid))
			return 1;
	} else if (take_owner(text, &owner)) {
		return 1;
	}
	job->has_uid = owner.has_uid;
	job->has_gid = owner.has_gid;
	job->uid = owner.uid;
	job->gid = owner.gid;
	return 0;
}

static int check(void *ctx)
{
	struct chown *job = ctx;
	struct change_command *command = &job->tree.command;
	const char *spec;

	if (job->tree.recursive && job->dereference)
		return cli_error("%s: -R --dereference would need symlinks to be followed, which "
				 "is not built",
				 command->name);
	if (job->tree.reference)
		return 0;
	if (!command->nr_operands)
		return cli_error("%s: missing operand (see --help)", command->name);
	spec = *command->operands++;
	command->nr_operands--;
	if (take_spec(job, spec))
		return 1;
	if (!command->nr_operands)
		return cli_error("%s: missing operand after '%s' (see --help)", command->name,
				 spec);
	return 0;
}

/* ---- the work ---- */

static void tell(const struct chown *job, const char *path, const struct ubtrfs_attr *old,
		 const struct ubtrfs_attr *new)
{
	bool changed = old->uid != new->uid || old->gid != new->gid;

	if (!attr_tree_tells(&job->tree, changed))
		return;
	if (job->is_chgrp && changed)
		printf("changed group of '%s' from %u to %u\n", path, old->gid, new->gid);
	else if (job->is_chgrp)
		printf("group of '%s' retained as %u\n", path, old->gid);
	else if (changed)
		printf("changed ownership of '%s' from %u:%u to %u:%u\n", path, old->uid, old->gid,
		       new->uid, new->gid);
	else
		printf("ownership of '%s' retained as %u:%u\n", path, old->uid, old->gid);
}

/* What a file may do by itself does not pass to another owner. */
static int drop_privileges(struct chown *job, struct ubtrfs_attr *attr, unsigned *set)
{
	int ret;

	if (S_ISDIR(attr->mode))
		return 0;
	if (attr->mode & (S_ISUID | S_ISGID)) {
		attr->mode &= ~(uint32_t)S_ISUID;
		if (attr->mode & S_IXGRP)
			attr->mode &= ~(uint32_t)S_ISGID;
		*set |= UBTRFS_ATTR_MODE;
	}
	ret = ubtrfs_removexattr(change_fs(&job->tree.command), attr->node, "security.capability");
	return ret < 0 && ret != -ENODATA ? err_adopt(ret) : 0;
}

static int change_owner(struct chown *job, const struct ubtrfs_attr *attr, struct ubtrfs_attr *new)
{
	unsigned set = 0;

	if (job->has_uid) {
		new->uid = job->uid;
		set |= UBTRFS_ATTR_UID;
	}
	if (job->has_gid) {
		new->gid = job->gid;
		set |= UBTRFS_ATTR_GID;
	}
	if (!set)
		return 0;
	TRY(drop_privileges(job, new, &set));
	return err_adopt(ubtrfs_setattr(change_fs(&job->tree.command), attr->node, new, set));
}

static int change(void *ctx, const char *path, const struct ubtrfs_attr *attr)
{
	struct chown *job = ctx;
	struct ubtrfs_attr new = *attr;
	int ret = 0;

	if ((!job->from_has_uid || attr->uid == job->from_uid) &&
	    (!job->from_has_gid || attr->gid == job->from_gid))
		ret = change_owner(job, attr, &new);
	if (ret < 0)
		return change_fail(ret, "changing %s of '%s'",
				   job->is_chgrp ? "group" : "ownership", path);
	tell(job, path, attr, &new);
	return 0;
}

static int take_reference(struct chown *job)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret = operand_attr(&job->tree.command, job->tree.reference, true, &attr);

	if (ret < 0)
		return change_fail(ret, "failed to get attributes of '%s'", job->tree.reference);
	job->has_uid = !job->is_chgrp;
	job->has_gid = true;
	job->uid = attr.uid;
	job->gid = attr.gid;
	return 0;
}

static int run(void *ctx)
{
	struct chown *job = ctx;

	if (job->tree.reference)
		TRY(take_reference(job));
	job->tree.follow = !job->no_dereference && !job->tree.recursive;
	job->tree.touch_symlinks = true;
	job->tree.change = change;
	return attr_tree_run(&job->tree);
}

int cmd_chown(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "chown",
						 .help = chown_help,
						 .short_options = ":D:Rchv",
						 .long_options = chown_options,
						 .min_operands = 1,
						 .missing = "chown: missing operand",
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct chown job = { .is_chgrp = false };

	return change_command_run(&spec, &job, argc, argv);
}

int cmd_chgrp(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "chgrp",
						 .help = chgrp_help,
						 .short_options = ":D:Rchv",
						 .long_options = chgrp_options,
						 .min_operands = 1,
						 .missing = "chgrp: missing operand",
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct chown job = { .is_chgrp = true };

	return change_command_run(&spec, &job, argc, argv);
}
