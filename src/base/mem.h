/*
 * Memory: the only file that calls malloc. Every allocation is a fault point (FAULT_ALLOC). NULL
 * means out of memory; the caller throws with MEM_FAIL("what for"), so that the message names the
 * place.
 */
#ifndef UBTRFS_BASE_MEM_H
#define UBTRFS_BASE_MEM_H

#include <stddef.h>

#include "base/err.h"

#define MEM_FAIL(what) THROW(ERR_NO_MEMORY, "no memory for %s", (what))

void *mem_alloc(size_t len_bytes) must_check;
void *mem_zalloc(size_t len_bytes) must_check;
/* Zeroed array; NULL also when nr * len overflows. */
void *mem_array(size_t nr, size_t len_bytes) must_check;
/* Grows or shrinks; on NULL the old block stays valid. */
void *mem_resize(void *ptr, size_t len_bytes) must_check;
/*
 * Aligned to align_bytes (a power of two, at least sizeof(void *)); freed with mem_free; not
 * zeroed.
 */
void *mem_aligned(size_t align_bytes, size_t len_bytes) must_check;
void *mem_dup(const void *data, size_t len_bytes) must_check;
char *mem_strdup(const char *text) must_check;
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2))) must_check;
void mem_free(void *ptr);

/*
 * For debugging aids only: zeroed, no fault point (the aid must not shift the n-th failure),
 * aborts without memory.
 */
void *mem_debug_alloc(size_t len_bytes) must_check;

#endif
