/*
 * Lines, read one by one into one buffer. Keeps no state.
 */
#include "cli/line_file.h"

#include <errno.h>
#include <string.h>

#include "cli/image_path.h"
#include "cli/session.h"

int line_read(FILE *file, struct strbuf *line)
{
	int byte;

	strbuf_clear(line);
	strbuf_add(line, "");
	while ((byte = getc(file)) != EOF && byte != '\n') {
		const char text = (char)byte;

		if (!byte)
			return THROW(ERR_INVALID, "a zero byte");
		if (line->len == LINE_BYTES_MAX)
			return THROW(ERR_INVALID, "a line of more than %zu bytes", LINE_BYTES_MAX);
		strbuf_add_bytes(line, &text, 1);
	}
	TRY(strbuf_status(line));
	return byte == '\n' || line->len;
}

static int read_lines(FILE *file, const char *path,
		      int (*line)(void *ctx, char *text, unsigned number), void *ctx)
{
	struct strbuf text;
	unsigned number = 0;
	int ret = 1, err;

	strbuf_init(&text);
	while (ret > 0) {
		number++;
		ret = line_read(file, &text);
		err = ret > 0 ? line(ctx, text.text, number) : ret;
		if (err < 0)
			ret = err_prefix(err, "%s:%u: ", path, number);
	}
	if (ret == 0 && ferror(file))
		ret = THROW_SYS(errno, "reading %s", path);
	strbuf_fini(&text);
	return ret;
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
