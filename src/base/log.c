/*
 * Logs: owns the level and the sink of the process, both atomic. A line is written with one call,
 * so that lines of several threads do not mix. errno survives a log line. Takes no lock of ours.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/log.h"

#define LOG_LINE_MAX 1024

static atomic_int log_level = LOG_LEVEL_WARN;
static _Atomic(const struct log_sink *) log_sink;

static const char *const log_level_names[] = {
	[LOG_LEVEL_NONE] = "none", [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARN] = "warning",
	[LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	ASSERT(level <= LOG_LEVEL_DEBUG);
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void log_set_sink(const struct log_sink *sink)
{
	ASSERT(!sink || sink->line);
	atomic_store(&log_sink, sink);
}

const char *log_level_name(enum log_level level)
{
	ASSERT(level < ARRAY_LEN(log_level_names));
	return log_level_names[level];
}

void log_write(enum log_level level, const char *format, ...)
{
	const struct log_sink *sink = atomic_load(&log_sink);
	int saved_errno = errno;
	char line[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (sink)
		sink->line(sink->arg, level, line);
	else
		fprintf(stderr, "ubtrfs: %s: %s\n", log_level_name(level), line);
	errno = saved_errno;
}
