/*
 * Scoped release by attribute: SCOPED(type) struct type var; calls type_scope_end(&var) when the
 * scope ends. DEFINE_SCOPED(cursor, cursor_fini) defines that function. SCOPED_MEM frees a pointer.
 */
#ifndef UBTRFS_BASE_CLEANUP_H
#define UBTRFS_BASE_CLEANUP_H

#include "base/mem.h"

#define SCOPED(name) __attribute__((cleanup(name##_scope_end)))
#define SCOPED_MEM __attribute__((cleanup(mem_scope_end)))

/* For objects held by value: release(struct name *). */
#define DEFINE_SCOPED(name, release)                             \
	static inline void name##_scope_end(struct name *object) \
	{                                                        \
		release(object);                                 \
	}

/* For objects held by pointer: release(struct type *), skipped when NULL. */
#define DEFINE_SCOPED_PTR(name, type, release)                    \
	static inline void name##_scope_end(struct type **object) \
	{                                                         \
		if (*object)                                      \
			release(*object);                         \
	}

static inline void mem_scope_end(void *ptr_to_ptr)
{
	mem_free(*(void **)ptr_to_ptr);
}

#endif
