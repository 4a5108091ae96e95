/*
 * What the folder base offers: everything that is not about btrfs. It includes nothing of the
 * project but itself.
 *
 *   err, err_codes    one int, one sentence; THROW, TRY, the table of codes
 *   assert            ASSERT (our mistake), ASSERT_SLOW (debug builds), CORRUPT_IF (a bad disk)
 *   mem, cleanup      the only malloc; scoped release
 *   bytes             little-endian loads and stores, rounding, MIN, container_of
 *   list, rbtree      intrusive list, ordered tree
 *   hash              intrusive table keyed by 64 bits
 *   strbuf            a growing string
 *   lock, lock_rank   ranked mutex, reader-writer lock, condition
 *   workq             worker threads over one queue of jobs
 *   ref, ref_tracker  counted references; in debug builds who holds each
 *   clock, rng        monotonic and wall time; seeded random numbers
 *   log               leveled lines to stderr or a callback
 *   fault             the n-th allocation or device access fails
 *
 * Nothing here does I/O except log lines. Process-wide state: the level and sink of log, the table
 * of fault, the table of ref_tracker (debug builds); per thread: the last error, the ranks held
 * (debug builds).
 */
#ifndef UBTRFS_BASE_BASE_H
#define UBTRFS_BASE_BASE_H

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rbtree.h"
#include "base/ref.h"
#include "base/ref_tracker.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "base/workq.h"

#endif
