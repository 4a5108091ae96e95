/*
 * Lines that somebody types: editing, history, completion (libedit).
 */
#ifndef UBTRFS_CLI_SHELL_LINE_H
#define UBTRFS_CLI_SHELL_LINE_H

#include "cli/shell_run.h"

struct shell_line;

int shell_line_new(struct shell *shell, const char *image, struct shell_line **ret_line) must_check;
/* The next line without its end, borrowed until the next call; NULL: there are no more. */
const char *shell_line_next(struct shell_line *line);
/* Writes the history. NULL is allowed. */
void shell_line_free(struct shell_line *line);

#endif
