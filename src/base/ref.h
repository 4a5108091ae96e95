/*
 * Counted references: the one counter type.
 *
 * A get hands out a handle, which the matching put gives back. In release builds a handle has no
 * bytes and the counter is a bare atomic; in debug builds a handle names the get in the tracker
 * (ref_tracker.h), for the types selected at run time. A reference held across calls keeps its
 * handle in the object that holds it, a short one on the stack.
 *
 * A counter starts at 0: nobody holds the object. What 0 means is the owner's law: an object that
 * is freed then (the put that returned true frees it), or one that may rest in a table and be found
 * again under the table's lock (ref_get_first). Getting and putting are safe from any thread; the
 * last put sees everything done before the others.
 */
#ifndef UBTRFS_BASE_REF_H
#define UBTRFS_BASE_REF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

#ifdef UBTRFS_DEBUG
struct ref {
	atomic_uint count;
	bool tracked;	    /* fixed at ref_init */
	const char *type;   /* "node", "inode", ... */
	const void *domain; /* whose leak report it belongs to */
};

struct ref_handle {
	uint64_t id; /* of the get; 0: none */
};
#else
struct ref {
	atomic_uint count;
};

struct ref_handle {
	char nothing[0];
};

_Static_assert(sizeof(struct ref_handle) == 0, "tracking costs no byte in release builds");
_Static_assert(sizeof(struct ref) == sizeof(atomic_uint),
	       "tracking costs no byte in release builds");
#endif

#define REF_COUNT_MAX (UINT32_MAX / 2)

/* The tracker's ends; use the functions below. */
void ref_track_init(struct ref *ref, const char *type, const void *domain);
void ref_track_get(struct ref *ref, struct ref_handle *ret_handle);
void ref_track_put(struct ref *ref, struct ref_handle *handle);

/*
 * Count 0. type is a constant string, the name for selecting; domain is the object whose closing
 * reports the leak (compared as a pointer only), may be NULL.
 */
static inline void ref_init(struct ref *ref, const char *type, const void *domain)
{
	atomic_init(&ref->count, 0);
#ifdef UBTRFS_DEBUG
	ref_track_init(ref, type, domain);
#else
	(void)type;
	(void)domain;
#endif
}

/* For questions whose answer other threads may change at once, unless a lock forbids it. */
static inline uint32_t ref_count(const struct ref *ref)
{
	return atomic_load_explicit(&ref->count, memory_order_acquire);
}

/*
 * From any count, zero too: the caller created the object or holds the lock under which it would
 * be freed.
 */
static inline void ref_get_first(struct ref *ref, struct ref_handle *ret_handle)
{
	uint32_t before = atomic_fetch_add_explicit(&ref->count, 1, memory_order_relaxed);

	ASSERT(before < REF_COUNT_MAX);
#ifdef UBTRFS_DEBUG
	ref_track_get(ref, ret_handle);
#else
	(void)ret_handle;
#endif
}

/* One more; the caller has one already. */
static inline void ref_get(struct ref *ref, struct ref_handle *ret_handle)
{
	uint32_t before = atomic_fetch_add_explicit(&ref->count, 1, memory_order_relaxed);

	ASSERT(before > 0 && before < REF_COUNT_MAX);
#ifdef UBTRFS_DEBUG
	ref_track_get(ref, ret_handle);
#else
	(void)ret_handle;
#endif
}

/* One more unless nobody has one; false then, and no handle. */
static inline bool ref_get_unless_zero(struct ref *ref, struct ref_handle *ret_handle)
{
	uint32_t count = atomic_load_explicit(&ref->count, memory_order_relaxed);

	do {
		if (count == 0)
			return false;
		ASSERT(count < REF_COUNT_MAX);
	} while (!atomic_compare_exchange_weak_explicit(
		&ref->count, &count, count + 1, memory_order_acquire, memory_order_relaxed));
#ifdef UBTRFS_DEBUG
	ref_track_get(ref, ret_handle);
#else
	(void)ret_handle;
#endif
	return true;
}

/* Gives one back; true when it was the last. */
static inline bool ref_put(struct ref *ref, struct ref_handle *handle)
{
	uint32_t before;

	/* Before the count drops: afterwards another thread may free the object. */
#ifdef UBTRFS_DEBUG
	ref_track_put(ref, handle);
#else
	(void)handle;
#endif
	before = atomic_fetch_sub_explicit(&ref->count, 1, memory_order_acq_rel);
	ASSERT(before > 0);
	return before == 1;
}

#endif
