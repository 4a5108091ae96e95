/*
 * Time: a monotonic clock for durations, the wall clock for what is written to disk.
 */
#ifndef UBTRFS_BASE_CLOCK_H
#define UBTRFS_BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL

/* Seconds since 1970, before it negative; nsec 0..999999999 counts forward from sec. */
struct clock_time {
	int64_t sec;
	uint32_t nsec;
};

/* Nanoseconds since some fixed moment of this run; never goes back. */
uint64_t clock_monotonic_ns(void);
struct clock_time clock_wall(void);

#endif
