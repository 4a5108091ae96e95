/*
 * Logs: leveled lines to stderr or to one callback.
 *
 * The level and the sink are process-wide (globals of this folder): both are set at start, before
 * threads, and read without a lock. A line is handed over whole, without a newline. The callback
 * may be called from any thread, with any lock held, and must not call back into the library.
 */
#ifndef UBTRFS_BASE_LOG_H
#define UBTRFS_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_NONE, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_sink {
	void (*line)(void *arg, enum log_level level, const char *text);
	void *arg;
};

/* Lines above this level are dropped before they are formatted; LOG_LEVEL_WARN at start. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
/* NULL: back to stderr. The sink is borrowed until replaced. */
void log_set_sink(const struct log_sink *sink);
/* "error", "warning", "info", "debug" */
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

#define log_at(level, ...)                               \
	do {                                             \
		if (log_wants(level))                    \
			log_write((level), __VA_ARGS__); \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
