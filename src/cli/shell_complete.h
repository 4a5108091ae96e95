/*
 * What a word of the shell that is being typed could become: names of commands, paths inside the
 * image, paths of this machine behind "host:".
 */
#ifndef UBTRFS_CLI_SHELL_COMPLETE_H
#define UBTRFS_CLI_SHELL_COMPLETE_H

#include "cli/shell_run.h"

struct completion {
	size_t start; /* of the word in the line */
	char quote;   /* that the word is in; 0 */
	/* Sorted; without quotes. What is before shown_from is the directory that all have in common. */
	char **words;
	size_t nr, capacity;
	size_t shown_from;
};

/* line: up to where the user types. Finding nothing is no error. Released in every case. */
int shell_complete(struct shell *shell, const char *line, struct completion *ret) must_check;
void completion_release(struct completion *completion);
/*
 * What is to stand from start on: all that the words have in common, quoted; with one word also what
 * ends it. Owned by the caller; NULL without memory.
 */
char *completion_text(const struct completion *completion) must_check;

#endif
