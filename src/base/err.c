/*
 * Errors: owns the sentence of the last failure of each thread (thread-local) and the mapping of
 * codes to errno.
 *
 * Invariant: last.text is always terminated; last.err is 0 or the negative code that the text
 * belongs to. Nothing here allocates, so that running out of memory can be told. Takes no lock.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"

struct err_row {
	const char *name;
	int errno_class;
	const char *sentence;
};

#define ERR_ROW(name, errno_class, sentence) { #name, errno_class, sentence },
static const struct err_row err_rows[] = { ERR_CODES(ERR_ROW) };
#undef ERR_ROW

_Static_assert(ARRAY_LEN(err_rows) == ERR_AFTER_LAST - ERR_FIRST, "one row per private code");

static _Thread_local struct err_report last;

static const struct err_row *err_row(int err)
{
	if (err > -ERR_FIRST || err <= -(int)ERR_AFTER_LAST)
		return NULL;
	return &err_rows[-err - ERR_FIRST];
}

/* The general sentence of a code, for a failure whose own sentence is gone. */
static const char *err_sentence(int err, char *scratch, size_t scratch_len)
{
	const struct err_row *row = err_row(err);

	if (row)
		return row->sentence;
	if (err > -ERR_FIRST)
		return strerror_r(-err, scratch, scratch_len);
	return "unknown error";
}

int err_throw(const char *file, int line, enum err_code code, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	const struct err_row *row = err_row(-(int)code);
	va_list args;

	ASSERT(row);
	/* Formatted aside first: an argument may be the current sentence itself. */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(last.text, text, strlen(text) + 1);
	last.err = -(int)code;
	log_debug("%s:%d: %s: %s", file, line, row->name, text);
	return last.err;
}

int err_throw_sys(const char *file, int line, int saved_errno, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	char scratch[128];
	va_list args;
	size_t len;

	ASSERT(saved_errno > 0 && saved_errno < ERR_FIRST);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, ": %s",
		 strerror_r(saved_errno, scratch, sizeof(scratch)));
	memcpy(last.text, text, strlen(text) + 1);
	last.err = -saved_errno;
	log_debug("%s:%d: %s", file, line, text);
	return last.err;
}

void err_trace(const char *file, int line, int err)
{
#ifdef UBTRFS_DEBUG
	log_debug("%s:%d: passes on error %d", file, line, err);
#else
	(void)file;
	(void)line;
	(void)err;
#endif
}

int err_prefix(int err, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	const char *sentence = err_text(err);
	va_list args;
	size_t len;

	ASSERT(err < 0);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = strlen(text);
	snprintf(text + len, sizeof(text) - len, "%s%s", len && text[len - 1] != ' ' ? ": " : "",
		 sentence);
	memcpy(last.text, text, strlen(text) + 1);
	last.err = err;
	return err;
}

/* The failure that the thread has a sentence for, under its own code or as the public API returns it. */
static bool is_last(int err)
{
	return last.err == err || (last.err <= -ERR_FIRST && -err_to_errno(last.err) == err);
}

const char *err_text(int err)
{
	char scratch[ERR_TEXT_MAX];
	const char *sentence;

	if (err >= 0)
		return "success";
	if (!is_last(err)) {
		sentence = err_sentence(err, scratch, sizeof(scratch));
		snprintf(last.text, sizeof(last.text), "%s", sentence);
		last.err = err;
	}
	return last.text;
}

const char *err_last_text(void)
{
	return err_text(last.err);
}

int err_adopt(int err)
{
	if (err < 0)
		last.err = err;
	return err;
}

int err_to_errno(int err)
{
	const struct err_row *row = err_row(err);

	if (err >= 0)
		return 0;
	if (row)
		return row->errno_class;
	return err > -ERR_FIRST ? -err : EIO;
}

void err_capture(int err, struct err_report *ret_report)
{
	/* The text is long and the usual case is success: only its first byte is touched then. */
	if (err >= 0) {
		ret_report->err = 0;
		ret_report->text[0] = '\0';
		return;
	}
	snprintf(ret_report->text, sizeof(ret_report->text), "%s", err_text(err));
	ret_report->err = err;
}

void err_capture_last(struct err_report *ret_report)
{
	ret_report->err = last.err;
	snprintf(ret_report->text, sizeof(ret_report->text), "%s", last.text);
}

void err_restore(const struct err_report *report)
{
	last.err = report->err;
	snprintf(last.text, sizeof(last.text), "%s", report->text);
}

int err_rethrow(const struct err_report *report)
{
	if (report->err >= 0)
		return 0;
	memcpy(last.text, report->text, sizeof(last.text));
	last.err = report->err;
	return last.err;
}
