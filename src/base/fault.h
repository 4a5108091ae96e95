/*
 * Fault points: a test asks the n-th hit of a kind to fail; nothing fails otherwise.
 *
 * The table of armed faults is process-wide (one of the few globals): counters are atomic, so that
 * n = 1, 2, 3, ... walks through every allocation or write of a deterministic single-threaded run.
 * The environment variable UBTRFS_FAULT="alloc:123" or "write:7" ("write:7+": every one from the
 * 7th; "write:7!": the process is killed at the 7th, before it is done) arms one at start (fault_arm_from_env) so that the command can be tested whole.
 */
#ifndef UBTRFS_BASE_FAULT_H
#define UBTRFS_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum fault_kind {
	FAULT_ALLOC,
	FAULT_DEVICE_READ,
	FAULT_DEVICE_WRITE,
	FAULT_DEVICE_FLUSH,
	FAULT_KINDS
};

/* The nth hit from now (1 = the next) fails once; 0 disarms. */
void fault_arm(enum fault_kind kind, uint64_t nth);
/* Every hit from the nth on fails (a device that died). */
void fault_arm_from(enum fault_kind kind, uint64_t nth);
/* Hits since the last fault_arm of this kind. */
uint64_t fault_hits(enum fault_kind kind);
/* True when the armed one has fired. */
bool fault_fired(enum fault_kind kind);
int fault_arm_from_env(void) must_check;

/* At the fault point: true means fail now. */
bool fault_hit(enum fault_kind kind);

#endif
