/*
 * Ranked locks over pthread.
 *
 * Debug builds own, per thread, the list of locks that it holds (thread-local) and check it before
 * a lock blocks, so that a deadlock that needs bad luck is found without it. A try-lock cannot
 * wait, so it is recorded but not checked.
 * Invariant: held.nr <= HELD_MAX, and a lock is in the list exactly while the thread has it.
 * Readers do not overtake a waiting writer, so a second read lock on one lock by one thread could
 * wait for ever and is refused like any other.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/lock.h"

#ifdef UBTRFS_DEBUG

#define HELD_MAX 64

struct held_locks {
	const struct lock_info *info[HELD_MAX];
	unsigned nr;
};

static _Thread_local struct held_locks held;

/* May a thread that holds `have` wait for `want`? */
static bool order_allowed(const struct lock_info *have, const struct lock_info *want)
{
	if (have == want)
		return false;
	if (have->rank != want->rank)
		return have->rank < want->rank;
	return have->order > 0 && want->order >= have->order;
}

static void held_check(const struct lock_info *want)
{
	for (unsigned i = 0; i < held.nr; i++) {
		const struct lock_info *have = held.info[i];

		if (order_allowed(have, want))
			continue;
		fprintf(stderr,
			"ubtrfs: lock order: takes %s (rank %d, order %u) while holding %s (rank %d, order %u)\n",
			want->name, (int)want->rank, want->order, have->name, (int)have->rank,
			have->order);
		ASSERT(!"locks are taken in the order of their ranks");
	}
}

static void held_add(const struct lock_info *info)
{
	ASSERT(held.nr < HELD_MAX);
	held.info[held.nr++] = info;
}

static bool held_has(const struct lock_info *info)
{
	for (unsigned i = 0; i < held.nr; i++) {
		if (held.info[i] == info)
			return true;
	}
	return false;
}

static void held_remove(const struct lock_info *info)
{
	/* Most often the last taken is the first released. */
	for (unsigned i = held.nr; i-- > 0;) {
		if (held.info[i] != info)
			continue;
		held.nr--;
		for (; i < held.nr; i++)
			held.info[i] = held.info[i + 1];
		return;
	}
	fprintf(stderr, "ubtrfs: lock: %s is released by a thread that does not hold it\n",
		info->name);
	ASSERT(!"a lock is released by the thread that holds it");
}

static void info_init(struct lock_info *info, enum lock_rank rank, const char *name)
{
	info->rank = rank;
	info->order = 0;
	info->name = name;
}

#else

static void held_check(const struct lock_info *want)
{
	(void)want;
}

static void held_add(const struct lock_info *info)
{
	(void)info;
}

static void held_remove(const struct lock_info *info)
{
	(void)info;
}

static void info_init(struct lock_info *info, enum lock_rank rank, const char *name)
{
	(void)info;
	(void)rank;
	(void)name;
}

#endif

void mutex_init(struct mutex *mutex, enum lock_rank rank, const char *name)
{
	int ret = pthread_mutex_init(&mutex->mutex, NULL);

	ASSERT(ret == 0);
	info_init(&mutex->info, rank, name);
}

void mutex_fini(struct mutex *mutex)
{
	int ret = pthread_mutex_destroy(&mutex->mutex);

	ASSERT(ret == 0);
}

void mutex_lock(struct mutex *mutex)
{
	int ret;

	held_check(&mutex->info);
	ret = pthread_mutex_lock(&mutex->mutex);
	ASSERT(ret == 0);
	held_add(&mutex->info);
}

bool mutex_trylock(struct mutex *mutex)
{
	int ret = pthread_mutex_trylock(&mutex->mutex);

	ASSERT(ret == 0 || ret == EBUSY);
	if (ret)
		return false;
	held_add(&mutex->info);
	return true;
}

void mutex_unlock(struct mutex *mutex)
{
	int ret;

	held_remove(&mutex->info);
	ret = pthread_mutex_unlock(&mutex->mutex);
	ASSERT(ret == 0);
}

void mutex_assert_held(const struct mutex *mutex)
{
#ifdef UBTRFS_DEBUG
	ASSERT(held_has(&mutex->info));
#else
	(void)mutex;
#endif
}

void rwlock_init(struct rwlock *lock, enum lock_rank rank, const char *name)
{
	pthread_rwlockattr_t attr;
	int ret = pthread_rwlockattr_init(&attr);

	ASSERT(ret == 0);
#ifdef __GLIBC__
	/* A stream of readers (of a tree's root, say) must not starve a writer. */
	ret = pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	ASSERT(ret == 0);
#endif
	ret = pthread_rwlock_init(&lock->rwlock, &attr);
	ASSERT(ret == 0);
	pthread_rwlockattr_destroy(&attr);
	info_init(&lock->info, rank, name);
}

void rwlock_set_order(struct rwlock *lock, uint32_t order)
{
#ifdef UBTRFS_DEBUG
	ASSERT(!held_has(&lock->info));
	lock->info.order = order;
#else
	(void)lock;
	(void)order;
#endif
}

void rwlock_fini(struct rwlock *lock)
{
	int ret = pthread_rwlock_destroy(&lock->rwlock);

	ASSERT(ret == 0);
}

void rwlock_read(struct rwlock *lock)
{
	int ret;

	held_check(&lock->info);
	ret = pthread_rwlock_rdlock(&lock->rwlock);
	ASSERT(ret == 0);
	held_add(&lock->info);
}

void rwlock_write(struct rwlock *lock)
{
	int ret;

	held_check(&lock->info);
	ret = pthread_rwlock_wrlock(&lock->rwlock);
	ASSERT(ret == 0);
	held_add(&lock->info);
}

bool rwlock_try_write(struct rwlock *lock)
{
	int ret = pthread_rwlock_trywrlock(&lock->rwlock);

	ASSERT(ret == 0 || ret == EBUSY || ret == EDEADLK);
	if (ret)
		return false;
	held_add(&lock->info);
	return true;
}

void rwlock_unread(struct rwlock *lock)
{
	int ret;

	held_remove(&lock->info);
	ret = pthread_rwlock_unlock(&lock->rwlock);
	ASSERT(ret == 0);
}

void rwlock_unwrite(struct rwlock *lock)
{
	rwlock_unread(lock);
}

void cond_init(struct cond *cond)
{
	pthread_condattr_t attr;
	int ret = pthread_condattr_init(&attr);

	ASSERT(ret == 0);
	/* Deadlines do not jump with the wall clock. */
	ret = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ASSERT(ret == 0);
	ret = pthread_cond_init(&cond->cond, &attr);
	ASSERT(ret == 0);
	pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *cond)
{
	int ret = pthread_cond_destroy(&cond->cond);

	ASSERT(ret == 0);
}

void cond_wait(struct cond *cond, struct mutex *mutex)
{
	int ret;

	/*
	 * Waking takes the mutex again: it must still be in order with everything else that is
	 * held.
	 */
	held_remove(&mutex->info);
	held_check(&mutex->info);
	ret = pthread_cond_wait(&cond->cond, &mutex->mutex);
	ASSERT(ret == 0);
	held_add(&mutex->info);
}

bool cond_wait_until(struct cond *cond, struct mutex *mutex, uint64_t deadline_ns)
{
	struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / NSEC_PER_SEC),
				     .tv_nsec = (long)(deadline_ns % NSEC_PER_SEC) };
	int ret;

	held_remove(&mutex->info);
	held_check(&mutex->info);
	ret = pthread_cond_timedwait(&cond->cond, &mutex->mutex, &deadline);
	ASSERT(ret == 0 || ret == ETIMEDOUT);
	held_add(&mutex->info);
	return ret == 0;
}

void cond_signal(struct cond *cond)
{
	int ret = pthread_cond_signal(&cond->cond);

	ASSERT(ret == 0);
}

void cond_broadcast(struct cond *cond)
{
	int ret = pthread_cond_broadcast(&cond->cond);

	ASSERT(ret == 0);
}
