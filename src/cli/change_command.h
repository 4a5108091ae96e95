/*
 * The frame of the commands that change what their operands name in one image: mkdir, rm, mv, chmod
 * and their like. Options, opening, the transaction, messages.
 *
 * All operands of a command are in one image, because one transaction is. The first failure ends the
 * command, and nothing of it stays.
 */
#ifndef UBTRFS_CLI_CHANGE_COMMAND_H
#define UBTRFS_CLI_CHANGE_COMMAND_H

#include "base/cleanup.h"
#include "cli/change.h"
#include "cli/cli.h"

struct change_command {
	struct change change;
	const char *name; /* of the command; borrowed */
	char **operands;  /* borrowed from the arguments */
	int nr_operands;
	bool verbose; /* -v */
	uint32_t umask;
};

/* What a command is, for the frame. The callbacks get ctx, which begins with a struct change_command. */
struct change_spec {
	const char *name;
	const char *help;
	/* For cli_option; the long ones begin with IMAGE_LONG_OPTIONS, the short ones with ":D:", and
	 * --help (OPTION_HELP) and -v (verbose, if it is among them) are the frame's. */
	const char *short_options;
	const struct option *long_options;
	int min_operands;
	const char *missing; /* "mkdir needs IMAGE:/PATH" */
	/* An option of its own: 0; 1 after a message; -1: none of them. May be NULL. */
	int (*option)(void *ctx, int option);
	/* Options and operands together: 0, or 1 after a message. May be NULL. */
	int (*check)(void *ctx);
	/* The work: 0 or negative. */
	int (*run)(void *ctx);
};

/* Yields the exit code. ctx is zeroed but for what the command has set of its own. */
int change_command_run(const struct change_spec *spec, void *ctx, int argc, char **argv) must_check;

/*
 * Only the first part of that, for one who needs to know before: options and operands, into a view
 * that is initialized. -1: go on; otherwise the exit code.
 */
int change_command_arguments(const struct change_spec *spec, void *ctx, int argc,
			     char **argv) must_check;

/* Calls one for each operand, until one fails. */
int change_each_operand(struct change_command *command,
			int (*one)(void *ctx, const char *operand)) must_check;
/* ERR_INTERRUPTED when the user wants no more; now and then, at least once for each file. */
int change_step(struct change_command *command) must_check;
struct ubtrfs *change_fs(const struct change_command *command);

/*
 * A failure as coreutils say it: "cannot remove 'x': No such file or directory"; where the reason of
 * the library says more than its errno, that. Returns the code.
 */
int change_fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Opens the image of an operand, if none is open; the path inside it is the caller's (mem_free). */
int change_open(struct change_command *command, const char *text, char **ret_path) must_check;

/* Where a name stands, or is to stand. */
struct place {
	struct ubtrfs_node dir;
	char *name; /* owned; "." for what has no name of its own: the top, a path ending in . or .. */
	const char *text; /* as written; borrowed */
	bool slash;	  /* a slash stands behind it: it can only be a directory */
};

/* The image is opened, the directory is there. Not yet whether the name is. */
int place_find(struct change_command *command, const char *text,
	       struct place *ret_place) must_check;
void place_release(struct place *place);
bool place_has_name(const struct place *place);
/* What stands at the place; follow: behind a symlink. -ENOENT; -ENOTDIR for FILE/. */
int place_attr(struct change_command *command, const struct place *place, bool follow,
	       struct ubtrfs_attr *ret_attr) must_check;
DEFINE_SCOPED(place, place_release)
/* From the place of a symlink to the place that it leads to, where nothing need be. */
int place_follow(struct change_command *command, struct place *place) must_check;

/* The node that an operand names, with its attributes. */
int operand_attr(struct change_command *command, const char *text, bool follow,
		 struct ubtrfs_attr *ret_attr) must_check;

/*
 * Makes a node (mode with its type; permissions under the umask) as a program of the caller would:
 * the caller's owner, what the directory hands down. Regular files, directories.
 */
int place_create(struct change_command *command, const struct place *place, uint32_t mode,
		 struct ubtrfs_node *ret_node) must_check;
#endif
