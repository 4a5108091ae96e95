/*
 * One line of the shell: words, patterns, and the command that they name: one of the shell's own
 * (cd, commit, ...), or one of the program's that has a meaning inside an open image.
 */
#ifndef UBTRFS_CLI_SHELL_RUN_H
#define UBTRFS_CLI_SHELL_RUN_H

#include "cli/session.h"

struct shell {
	struct session session;
	bool interactive;
	bool quit;	/* quit or exit was said, or the session was ended by a signal */
	bool discarded; /* quit, and what is not committed goes */
	/* Asks what is to happen to what is not committed: NULL in scripts. */
	bool (*confirm_quit)(struct shell *shell);
};

/* The exit code of the command; 0 for an empty line. Errors are told. */
int shell_run_line(struct shell *shell, const char *line) must_check;

/* Names of commands, the shell's own first; NULL behind the last. */
const char *shell_command_name(unsigned index);

#endif
