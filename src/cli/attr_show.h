/*
 * The frame of the commands that show attributes of what their operands name: lsattr, getfattr,
 * getfacl. What cannot be shown is told, and they go on with the rest.
 */
#ifndef UBTRFS_CLI_ATTR_SHOW_H
#define UBTRFS_CLI_ATTR_SHOW_H

#include "cli/cli.h"
#include "cli/image_path.h"

struct attr_show {
	struct image_view view; /* for reading */
	bool recursive;
	bool no_follow; /* an operand that is a symlink is shown itself */
	/* Without no_follow: a symlink that is met is shown as what it leads to, else passed over. */
	bool shows_targets;
	/* -L: and entered. -P: that of an operand neither is, nor is it shown without shows_targets. */
	bool logical, physical;
	/* Shows one: 0, or negative with a sentence of the library. */
	int (*show)(void *ctx, const char *path, const struct ubtrfs_attr *attr);
	int code; /* 1 after a message */
};

/* What a command is, for the frame. The callbacks get ctx, which begins with a struct attr_show. */
struct attr_show_spec {
	const char *name;
	const char *help;
	/* As in struct change_spec; -R (recursive), -h (no_follow), -L and -P, if they are among them,
	 * are the frame's. */
	const char *short_options;
	const struct option *long_options;
	/* An option of its own: 0; 1 after a message; -1: none of them. */
	int (*option)(void *ctx, int option);
	/* Options together: 0, or 1 after a message. May be NULL. */
	int (*check)(void *ctx);
	/* One operand: 0, or 1 after a message. */
	int (*operand)(void *ctx, const char *text);
};

/* Yields the exit code. */
int attr_show_run(const struct attr_show_spec *spec, void *ctx, int argc, char **argv) must_check;
/* An operand with show, and with recursive all below it; an attr_show_spec.operand. */
int attr_show_operand(void *ctx, const char *text);
/* The node of an operand, with its attributes: 0, or 1 after a message. */
int attr_show_find(struct attr_show *job, const char *text,
		   struct ubtrfs_attr *ret_attr) must_check;

#endif
