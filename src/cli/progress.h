/*
 * One line of progress on a terminal, and nothing anywhere else.
 */
#ifndef UBTRFS_CLI_PROGRESS_H
#define UBTRFS_CLI_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;	    /* stderr is a terminal and the user wants to see it */
	_Atomic bool shown; /* a warning of another thread takes the line away */
	uint64_t start_ns, last_ns;
};

/* What is known of a job; totals are 0 while nobody knows them. */
struct progress_state {
	uint64_t items_done, bytes_done;
	uint64_t items_total, bytes_total;
	bool total_known;
};

void progress_start(struct progress *progress, bool wanted);
/* Draws at most five times a second. */
void progress_update(struct progress *progress, const struct progress_state *state);
/* Takes the line away, before anything else is printed. */
void progress_clear(struct progress *progress);
double progress_seconds(const struct progress *progress);

#endif
