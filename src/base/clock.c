/*
 * Time: thin wrappers that cannot fail. Nothing else in the engine asks the system for the time, so
 * that a given timestamp can stand for it. Owns nothing.
 */
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

uint64_t clock_monotonic_ns(void)
{
	struct timespec now;
	int ret = clock_gettime(CLOCK_MONOTONIC, &now);

	ASSERT(ret == 0);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

struct clock_time clock_wall(void)
{
	struct timespec now;
	int ret = clock_gettime(CLOCK_REALTIME, &now);

	ASSERT(ret == 0);
	return (struct clock_time){ .sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec };
}
