/*
 * The end of a failed assertion: one line naming the place, the stack, abort. Owns nothing, takes
 * no lock, allocates nothing of ours.
 */
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

#define ASSERT_FRAMES_MAX 48

void assert_failed(const char *file, int line, const char *func, const char *cond)
{
	void *frames[ASSERT_FRAMES_MAX];
	int nr_frames;

	fprintf(stderr, "ubtrfs: assertion failed: %s:%d: %s: %s\n", file, line, func, cond);
	fflush(stderr);
	nr_frames = backtrace(frames, ASSERT_FRAMES_MAX);
	backtrace_symbols_fd(frames, nr_frames, STDERR_FILENO);
	abort();
}
