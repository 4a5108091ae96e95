/*
 * Progress of an import on a terminal: items, bytes, rate, and the time left once the totals are
 * known.
 *
 * Writes to stderr only. Rates are over the whole run, which is steadier than a window and as good
 * for minutes.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

#define DRAW_EVERY_NS (NSEC_PER_SEC / 5)

void progress_start(struct progress *progress, bool wanted)
{
	progress->on = wanted && isatty(STDERR_FILENO);
	progress->shown = false;
	progress->start_ns = clock_monotonic_ns();
	progress->last_ns = 0;
}

double progress_seconds(const struct progress *progress)
{
	return (double)(clock_monotonic_ns() - progress->start_ns) / (double)NSEC_PER_SEC;
}

static void draw(struct progress *progress, const struct progress_state *state)
{
	char done[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX];
	double seconds = progress_seconds(progress);
	double bytes_per_second = seconds > 0 ? (double)state->bytes_done / seconds : 0;

	fprintf(stderr, "\r\033[K%llu items, %s", (unsigned long long)state->items_done,
		size_text(state->bytes_done, done));
	if (state->total_known)
		fprintf(stderr, " of %s", size_text(state->bytes_total, total));
	fprintf(stderr, ", %s/s", size_text((uint64_t)bytes_per_second, rate));
	if (state->total_known && bytes_per_second > 1 && state->bytes_total >= state->bytes_done)
		fprintf(stderr, ", %.0f s left",
			(double)(state->bytes_total - state->bytes_done) / bytes_per_second);
	fflush(stderr);
	progress->shown = true;
}

void progress_update(struct progress *progress, const struct progress_state *state)
{
	uint64_t now_ns;

	if (!progress->on)
		return;
	now_ns = clock_monotonic_ns();
	if (now_ns - progress->last_ns < DRAW_EVERY_NS)
		return;
	progress->last_ns = now_ns;
	draw(progress, state);
}

void progress_clear(struct progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress->shown = false;
}
