/*
 * Errors of libubtrfs.
 *
 * Every function that can fail returns 0 (or a count) on success and a negative errno on failure.
 * The sentence that names what failed, where and why is kept per thread until the next failing call
 * of that thread.
 */
#ifndef UBTRFS_ERROR_H
#define UBTRFS_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* The sentence of the last failure in this thread; never NULL, borrowed until the next call. */
const char *ubtrfs_error_text(void);

#ifdef __cplusplus
}
#endif

#endif
