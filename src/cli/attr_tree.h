/*
 * What chmod and chown share: operands and, with -R, all below them; -v, -c, -f; --reference.
 */
#ifndef UBTRFS_CLI_ATTR_TREE_H
#define UBTRFS_CLI_ATTR_TREE_H

#include "cli/change_command.h"

enum attr_tree_option { OPTION_REFERENCE = 0x500, OPTION_PRESERVE_ROOT, OPTION_NO_PRESERVE_ROOT };

struct attr_tree {
	struct change_command command;
	bool recursive, changes_only, preserve_root;
	const char *reference; /* --reference; NULL */
	/* Set by the command. */
	bool follow;	     /* operands that are symlinks */
	bool touch_symlinks; /* symlinks that are met are changed, else passed over */
	/* Changes one: its attributes are those of now. *ret_changed for -c. */
	int (*change)(void *ctx, const char *path, const struct ubtrfs_attr *attr);
};

/* clang-format off */
#define ATTR_TREE_LONG_OPTIONS                                            \
	{ "recursive", no_argument, NULL, 'R' },                          \
	{ "changes", no_argument, NULL, 'c' },                            \
	{ "verbose", no_argument, NULL, 'v' },                            \
	{ "reference", required_argument, NULL, OPTION_REFERENCE },       \
	{ "preserve-root", no_argument, NULL, OPTION_PRESERVE_ROOT },     \
	{ "no-preserve-root", no_argument, NULL, OPTION_NO_PRESERVE_ROOT }
/* clang-format on */
#define ATTR_TREE_HELP                                                \
	"  -R, --recursive       and all below directories\n"         \
	"  -c, --changes         say what is changed\n"               \
	"  -v, --verbose         and what stays as it is\n"           \
	"      --reference PATH  as that file of the image has it\n"  \
	"      --preserve-root   refuse -R on the top of the image\n" \
	"      --no-preserve-root  do not (the default)\n"

/* One of ATTR_TREE_LONG_OPTIONS: 0, or -1. */
int attr_tree_option(struct attr_tree *job, int option) must_check;
/* All operands. */
int attr_tree_run(struct attr_tree *job) must_check;
/* Whether a line is to be printed about a file. */
bool attr_tree_tells(const struct attr_tree *job, bool changed);

#endif
