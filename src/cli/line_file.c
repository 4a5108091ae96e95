/*
 * A file of lines, read one by one into one buffer. Keeps no state.
 */
#include "cli/line_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/image_path.h"
#include "cli/session.h"

static int read_lines(FILE *file, const char *path,
		      int (*line)(void *ctx, char *text, unsigned number), void *ctx)
{
	char *text = NULL;
	size_t capacity = 0;
	unsigned number = 0;
	ssize_t len;
	int err = 0;

	while (err >= 0 && (len = getline(&text, &capacity, file)) > 0) {
		number++;
		if (text[len - 1] == '\n')
			text[--len] = '\0';
		if ((size_t)len > LINE_BYTES_MAX || strlen(text) != (size_t)len)
			err = THROW(ERR_INVALID, "this is no line of text");
		else
			err = line(ctx, text, number);
		if (err < 0)
			err = err_prefix(err, "%s:%u: ", path, number);
	}
	if (err >= 0 && ferror(file))
		err = THROW_SYS(errno, "reading %s", path);
	free(text); /* tidy: libc free */
	return err;
}

int line_file_read(const char *path, int (*line)(void *ctx, char *text, unsigned number), void *ctx)
{
	FILE *file = stdin;
	int err;

	if (strcmp(path, "-") == 0 && session_current())
		return THROW(ERR_INVALID,
			     "in the shell standard input is not for this; host:FILE is");
	if (strcmp(path, "-") != 0)
		file = fopen(image_path_host(path), "re");
	if (!file)
		return THROW_SYS(errno, "cannot open %s", path);
	err = read_lines(file, path, line, ctx);
	if (file != stdin)
		fclose(file);
	return err;
}
