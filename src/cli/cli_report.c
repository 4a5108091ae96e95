/*
 * What the user is told: errors and warnings, one sentence each, on stderr.
 *
 * A line is written with one call, so that lines of several threads do not mix. Keeps nothing.
 */
#include <stdarg.h>
#include <stdio.h>

#include <ubtrfs/error.h>

#include "base/strbuf.h"
#include "cli/cli.h"

static void say(const char *kind, const char *format, va_list args, const char *reason)
{
	char text[2 * ERR_TEXT_MAX];

	vsnprintf(text, sizeof(text), format, args);
	fflush(stdout);
	fprintf(stderr, "%s: %s%s%s\n", kind, text, reason ? ": " : "", reason ? reason : "");
}

int cli_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("ERROR", format, args, NULL);
	va_end(args);
	return 1;
}

int cli_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("ERROR", format, args, ubtrfs_error_text());
	va_end(args);
	return 1;
}

void cli_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("WARNING", format, args, NULL);
	va_end(args);
}

int cli_finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return cli_error("cannot write to standard output");
}
