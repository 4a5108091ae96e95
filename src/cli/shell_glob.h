/*
 * Patterns of the shell: names of an image, or with "host:" of this machine, that match.
 */
#ifndef UBTRFS_CLI_SHELL_GLOB_H
#define UBTRFS_CLI_SHELL_GLOB_H

#include "cli/session.h"
#include "cli/shell_words.h"

/*
 * Adds what matches the pattern to the words, in bytewise order; nothing when nothing does. Names
 * that begin with a dot match a dot that is written only. ERR_LIMIT for too many.
 */
int shell_glob(struct session *session, const struct shell_word *word,
	       struct shell_words *words) must_check;

#endif
