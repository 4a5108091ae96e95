/*
 * Where mv and ln put their sources: to a name, or into a directory under the names they have. The
 * rules are those of coreutils, with -t and -T.
 */
#ifndef UBTRFS_CLI_DEST_H
#define UBTRFS_CLI_DEST_H

#include "cli/change_command.h"

struct dest {
	struct change_command *command;
	/* As the arguments say; set before dest_take. */
	const char *text; /* -t; then also the last operand. Borrowed */
	bool is_dir;	  /* -t */
	bool not_dir;	  /* -T */
	bool no_follow;	  /* a symlink to a directory is a name like any other */
	bool keeps_text;  /* operands are no paths but for the last one (ln -s) */
	/* Found by dest_find. */
	bool into; /* sources go into dir, else to the place */
	struct ubtrfs_node dir;
	struct place place;
};

/*
 * Takes the destination off the operands, of which at least one is left. 0, or 1 after a message.
 */
int dest_take(struct dest *dest, struct change_command *command) must_check;
/* Opens the image, finds it. */
int dest_find(struct dest *dest) must_check;
/*
 * The place of one source: its name there, and the path of that to be shown, which ret_place->text
 * points to (mem_free).
 */
int dest_place(const struct dest *dest, const char *source, struct place *ret_place,
	       char **ret_shown) must_check;
void dest_release(struct dest *dest);

#endif
