/*
 * Fault points: owns the process-wide table of armed faults, one row per kind, all of it atomic.
 *
 * Invariant: a row that was never armed is not counting, so that an ordinary run pays one load of a
 * shared, unwritten cache line per fault point. Takes no lock.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/fault.h"

struct fault_row {
	atomic_bool counting; /* armed or disarmed by somebody at least once */
	atomic_bool sticky;   /* every hit from nth on fails */
	atomic_bool deadly;   /* the process ends there as if by kill -9 */
	atomic_bool fired;
	atomic_uint_least64_t nth; /* 0: none fails */
	atomic_uint_least64_t hits;
};

static struct fault_row fault_rows[FAULT_KINDS];

static const char *const fault_names[FAULT_KINDS] = {
	[FAULT_ALLOC] = "alloc",
	[FAULT_DEVICE_READ] = "read",
	[FAULT_DEVICE_WRITE] = "write",
	[FAULT_DEVICE_FLUSH] = "flush",
};

static void fault_set(enum fault_kind kind, uint64_t nth, bool sticky)
{
	struct fault_row *row = &fault_rows[kind];

	ASSERT(kind < FAULT_KINDS);
	atomic_store(&row->nth, 0);
	atomic_store(&row->hits, 0);
	atomic_store(&row->fired, false);
	atomic_store(&row->sticky, sticky);
	atomic_store(&row->nth, nth);
	atomic_store(&row->counting, true);
}

void fault_arm(enum fault_kind kind, uint64_t nth)
{
	fault_set(kind, nth, false);
}

void fault_arm_from(enum fault_kind kind, uint64_t nth)
{
	fault_set(kind, nth, true);
}

uint64_t fault_hits(enum fault_kind kind)
{
	ASSERT(kind < FAULT_KINDS);
	return atomic_load(&fault_rows[kind].hits);
}

bool fault_fired(enum fault_kind kind)
{
	ASSERT(kind < FAULT_KINDS);
	return atomic_load(&fault_rows[kind].fired);
}

bool fault_hit(enum fault_kind kind)
{
	struct fault_row *row = &fault_rows[kind];
	uint64_t nth, hit;

	ASSERT_SLOW(kind < FAULT_KINDS);
	if (__builtin_expect(!atomic_load_explicit(&row->counting, memory_order_relaxed), 1))
		return false;
	hit = atomic_fetch_add(&row->hits, 1) + 1;
	nth = atomic_load(&row->nth);
	if (!nth || hit < nth || (hit > nth && !atomic_load(&row->sticky)))
		return false;
	if (atomic_load(&row->deadly))
		kill(getpid(), SIGKILL);
	atomic_store(&row->fired, true);
	return true;
}

int fault_arm_from_env(void)
{
	const char *text = getenv("UBTRFS_FAULT");
	const char *colon;
	char *end;
	uint64_t nth;

	if (!text || !*text)
		return 0;
	colon = strchr(text, ':');
	if (!colon || colon[1] < '0' || colon[1] > '9')
		return THROW(ERR_INVALID,
			     "UBTRFS_FAULT=%s: not KIND:NUMBER, KIND:NUMBER+ or KIND:NUMBER!",
			     text);
	errno = 0;
	nth = strtoull(colon + 1, &end, 10);
	if (errno || (strcmp(end, "") != 0 && strcmp(end, "+") != 0 && strcmp(end, "!") != 0))
		return THROW(ERR_INVALID, "UBTRFS_FAULT=%s: bad number", text);
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++) {
		if (strlen(fault_names[kind]) != (size_t)(colon - text) ||
		    strncmp(text, fault_names[kind], (size_t)(colon - text)) != 0)
			continue;
		fault_set((enum fault_kind)kind, nth, *end == '+');
		atomic_store(&fault_rows[kind].deadly, *end == '!');
		return 0;
	}
	return THROW(ERR_INVALID, "UBTRFS_FAULT=%s: the kinds are alloc, read, write, flush", text);
}
