/*
 * A line of the shell as words: blanks separate; '...', "..." and \ quote as in sh; # begins a
 * comment. *, ? and [ that are not quoted make a word a pattern.
 */
#ifndef UBTRFS_CLI_SHELL_WORDS_H
#define UBTRFS_CLI_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct shell_word {
	char *text;    /* without quotes */
	char *pattern; /* for fnmatch: what was quoted stands behind a backslash; NULL: no pattern */
	size_t start;  /* where it begins in the line */
};

struct shell_words {
	struct shell_word *words;
	size_t nr, capacity;
	/* Of the last word, for completion: it reaches to the end of the line; the quote it is in. */
	bool open_end;
	char quote;
};

/*
 * partial: the line is not complete, and a quote may be open. ERR_INVALID: an open quote; | > < & ;
 * which mean something to sh and nothing here. To be released in every case.
 */
int shell_words_split(const char *line, bool partial, struct shell_words *ret_words) must_check;
void shell_words_release(struct shell_words *words);
/* text and pattern become the list's. */
int shell_words_add(struct shell_words *words, char *text, char *pattern, size_t start) must_check;
/* The text so that the shell reads it as one word again; in the given quote, or 0. Owned by the caller. */
char *shell_quote(const char *text, char quote) must_check;

#endif
