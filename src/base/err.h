/*
 * Errors: one int, one sentence.
 *
 * A function that can fail returns 0 or more on success and a negative number on failure: minus an
 * errno (1..4095) for a failed system call, minus a private code (ERR_FIRST..) otherwise. The
 * sentence naming what, where and why is kept in the calling thread (thread-local, the one global
 * of this file) until the next THROW in that thread; work done on another thread carries it over
 * with err_capture() and err_rethrow().
 */
#ifndef UBTRFS_BASE_ERR_H
#define UBTRFS_BASE_ERR_H

#include <errno.h>
#include <stddef.h>

#include "base/err_codes.h"

#define ERR_FIRST 4096
#define ERR_TEXT_MAX 512

enum err_code {
	ERR_BEFORE_FIRST = ERR_FIRST - 1,
#define ERR_CODE_ENUM(name, err, sentence) name,
	ERR_CODES(ERR_CODE_ENUM)
#undef ERR_CODE_ENUM
		ERR_AFTER_LAST
};

#define must_check __attribute__((warn_unused_result))

/* An error on its way to another thread or kept for later; zeroed means none. */
struct err_report {
	int err;		 /* 0 or the negative code */
	char text[ERR_TEXT_MAX]; /* the sentence */
};

/*
 * Lets the compiler see that a throw is negative: it warns of outputs left unset on failure
 * otherwise.
 */
#define ERR_NEGATIVE(call)                       \
	({                                       \
		int thrown = (call);             \
		if (thrown >= 0)                 \
			__builtin_unreachable(); \
		thrown;                          \
	})

/*
 * Fails with a private code: THROW(ERR_CORRUPT, "leaf %llu slot %u: ...", ...). Yields the
 * negative code.
 */
#define THROW(code, ...) ERR_NEGATIVE(err_throw(__FILE__, __LINE__, (code), __VA_ARGS__))

/*
 * Fails with the errno of a system call: THROW_SYS(errno, "cannot open %s", path); ":
 * <strerror>" is appended.
 */
#define THROW_SYS(saved_errno, ...) \
	ERR_NEGATIVE(err_throw_sys(__FILE__, __LINE__, (saved_errno), __VA_ARGS__))

/*
 * Returns from the calling function if the call fails; debug builds log file and line of the way
 * up.
 */
#define TRY(call)                                               \
	do {                                                    \
		int try_ret = (call);                           \
		if (__builtin_expect(try_ret < 0, 0)) {         \
			err_trace(__FILE__, __LINE__, try_ret); \
			return try_ret;                         \
		}                                               \
	} while (0)

int err_throw(const char *file, int line, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 4, 5), cold));
int err_throw_sys(const char *file, int line, int saved_errno, const char *format, ...)
	__attribute__((format(printf, 4, 5), cold));
void err_trace(const char *file, int line, int err) __attribute__((cold));

/*
 * Puts words before the current sentence ("importing a/b: " + sentence); returns err for
 * chaining.
 */
int err_prefix(int err, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/*
 * The sentence of the last failure in this thread; never NULL. err is the code returned to the
 * caller.
 */
const char *err_text(int err);
/*
 * The same for the last failure of this thread, whatever its code; "success" when there was
 * none.
 */
const char *err_last_text(void);

/* Maps a negative result of this library to a positive errno. */
int err_to_errno(int err);

/* Copies the current failure for another thread; err may be 0. */
void err_capture(int err, struct err_report *ret_report);

/* Keeps the last failure of this thread, whatever it was, and puts it back: around cleaning up. */
void err_capture_last(struct err_report *ret_report);
void err_restore(const struct err_report *report);

/*
 * A call of the public API yielded err, which is an errno: from here on the current sentence goes
 * with that code. Returns err.
 */
int err_adopt(int err);

/* Makes a captured failure the current one of this thread and returns its code (0 if none). */
int err_rethrow(const struct err_report *report);

#endif
