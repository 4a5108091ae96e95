/*
 * A file of lines, or standard input ("-"): what --restore, -M and -X of setfattr and setfacl read.
 */
#ifndef UBTRFS_CLI_LINE_FILE_H
#define UBTRFS_CLI_LINE_FILE_H

#include <stddef.h>

#include "base/err.h"

/* Longer lines are refused. */
#define LINE_BYTES_MAX ((size_t)1 << 20)

/*
 * Calls line for each line, without its newline; it may change the text. number counts from 1. The
 * first failure ends it, with the file and the number before its sentence.
 */
int line_file_read(const char *path, int (*line)(void *ctx, char *text, unsigned number),
		   void *ctx) must_check;

#endif
