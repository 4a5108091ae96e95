/*
 * Memory: the only callers of malloc and free. Every allocation passes the fault point FAULT_ALLOC
 * first, except mem_debug_alloc. A length of zero yields a block that can be freed. Takes no lock.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/mem.h"

void *mem_alloc(size_t len_bytes)
{
	if (fault_hit(FAULT_ALLOC))
		return NULL;
	return malloc(MAX(len_bytes, (size_t)1));
}

void *mem_zalloc(size_t len_bytes)
{
	if (fault_hit(FAULT_ALLOC))
		return NULL;
	return calloc(1, MAX(len_bytes, (size_t)1));
}

void *mem_array(size_t nr, size_t len_bytes)
{
	size_t total;

	if (__builtin_mul_overflow(nr, len_bytes, &total))
		return NULL;
	return mem_zalloc(total);
}

void *mem_resize(void *ptr, size_t len_bytes)
{
	if (fault_hit(FAULT_ALLOC))
		return NULL;
	/* realloc(ptr, 0) would free the block behind the caller's back. */
	return realloc(ptr, MAX(len_bytes, (size_t)1));
}

void *mem_aligned(size_t align_bytes, size_t len_bytes)
{
	void *ptr = NULL;

	ASSERT(is_pow2(align_bytes) && align_bytes >= sizeof(void *));
	if (fault_hit(FAULT_ALLOC))
		return NULL;
	if (posix_memalign(&ptr, align_bytes, MAX(len_bytes, (size_t)1)))
		return NULL;
	return ptr;
}

void *mem_dup(const void *data, size_t len_bytes)
{
	void *copy = mem_alloc(len_bytes);

	if (copy && len_bytes)
		memcpy(copy, data, len_bytes);
	return copy;
}

char *mem_strdup(const char *text)
{
	return mem_dup(text, strlen(text) + 1);
}

char *mem_printf(const char *format, ...)
{
	va_list args, again;
	char *text = NULL;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	ASSERT(len >= 0);
	text = mem_alloc((size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text;
}

void mem_free(void *ptr)
{
	free(ptr);
}

void *mem_debug_alloc(size_t len_bytes)
{
	void *ptr = calloc(1, MAX(len_bytes, (size_t)1));

	ASSERT(ptr);
	return ptr;
}
