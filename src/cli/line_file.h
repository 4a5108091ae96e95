/*
 * Files of lines, or standard input ("-"): scripts of the shell, and what --restore, -M and -X of setfattr and
 * setfacl read.
 */
#ifndef UBTRFS_CLI_LINE_FILE_H
#define UBTRFS_CLI_LINE_FILE_H

#include <stdio.h>

#include "base/strbuf.h"

/* Longer lines are refused. */
#define LINE_BYTES_MAX ((size_t)1 << 20)

/*
 * The next line, without its newline, in the place of what the buffer holds. 1; 0 when there are no more, or
 * the file cannot be read (ferror); ERR_INVALID for what is no line of text.
 */
int line_read(FILE *file, struct strbuf *line) must_check;

/*
 * Calls line for each line, without its newline; it may change the text. number counts from 1. The
 * first failure ends it, with the file and the number before its sentence.
 */
int line_file_read(const char *path, int (*line)(void *ctx, char *text, unsigned number),
		   void *ctx) must_check;

#endif
