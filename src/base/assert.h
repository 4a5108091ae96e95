/*
 * Assertions: ASSERT is our own mistake and stays on in release builds; ASSERT_SLOW only in debug
 * builds; CORRUPT_IF is a bad disk and returns an error from the calling function. Disk data is
 * never asserted.
 */
#ifndef UBTRFS_BASE_ASSERT_H
#define UBTRFS_BASE_ASSERT_H

#include "base/err.h"

#define ASSERT(cond)                                                        \
	do {                                                                \
		if (__builtin_expect(!(cond), 0))                           \
			assert_failed(__FILE__, __LINE__, __func__, #cond); \
	} while (0)

#ifdef UBTRFS_DEBUG
#define ASSERT_SLOW(cond) ASSERT(cond)
#else
#define ASSERT_SLOW(cond) ((void)sizeof(!(cond)))
#endif

/* CORRUPT_IF(cond, "leaf %llu ...", ...): throws ERR_CORRUPT and returns it. */
#define CORRUPT_IF(cond, ...)                                   \
	do {                                                    \
		if (__builtin_expect(!!(cond), 0))              \
			return THROW(ERR_CORRUPT, __VA_ARGS__); \
	} while (0)

void assert_failed(const char *file, int line, const char *func, const char *cond)
	__attribute__((noreturn, cold));

#endif
