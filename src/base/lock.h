/*
 * Ranked locks: mutex, reader-writer lock, condition.
 *
 * Debug builds keep the ranks that each thread holds and abort, naming both locks, when one is
 * taken out of order (lock_rank.h). Within one rank, nesting is allowed only for locks made with an
 * order > 0, in ascending or equal order (tree nodes). Release builds compile to plain pthread
 * calls.
 */
#ifndef UBTRFS_BASE_LOCK_H
#define UBTRFS_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock_rank.h"

struct lock_info {
#ifdef UBTRFS_DEBUG
	enum lock_rank rank;
	uint32_t order;
	const char *name;
#else
	char nothing[0];
#endif
};

struct mutex {
	pthread_mutex_t mutex;
	struct lock_info info;
};

struct rwlock {
	pthread_rwlock_t rwlock;
	struct lock_info info;
};

struct cond {
	pthread_cond_t cond;
};

void mutex_init(struct mutex *mutex, enum lock_rank rank, const char *name);
void mutex_fini(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
/* Debug builds: aborts unless this thread holds it. */
void mutex_assert_held(const struct mutex *mutex);

void rwlock_init(struct rwlock *lock, enum lock_rank rank, const char *name);
/* Changes the order among locks of the same rank; only while nobody holds or waits for it. */
void rwlock_set_order(struct rwlock *lock, uint32_t order);
void rwlock_fini(struct rwlock *lock);
void rwlock_read(struct rwlock *lock);
void rwlock_write(struct rwlock *lock);
bool rwlock_try_write(struct rwlock *lock);
void rwlock_unread(struct rwlock *lock);
void rwlock_unwrite(struct rwlock *lock);

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
/*
 * The mutex may be released and taken again with other locks of higher order held by nobody in
 * this thread.
 */
void cond_wait(struct cond *cond, struct mutex *mutex);
/* The same until deadline_ns (clock_monotonic_ns) at the latest; false when that has passed. */
bool cond_wait_until(struct cond *cond, struct mutex *mutex, uint64_t deadline_ns);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

#endif
