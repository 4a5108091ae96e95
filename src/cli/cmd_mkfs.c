/*
 * `ubtrfs mkfs`: make a filesystem, fill it, say what came out.
 *
 * A filesystem that is filled carries the unfinished magic until the last step, so that whatever ends this program leaves nothing
 * that looks complete. What we created ourselves is removed when it fails.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/mkfs_needs.h"
#include "cli/mkfs_summary.h"
#include "cli/progress.h"

struct mkfs_job {
	struct mkfs_request request;
	struct mkfs_result result;
	struct interrupt interrupt;
	struct progress progress;
	bool *is_new; /* for each target: it was not there before */
};

/* ---- targets ------------------------------------------------------------------------------------------------- */

static int targets_note(struct mkfs_job *job)
{
	const struct ubtrfs_mkfs_options *fs = &job->request.fs;
	struct stat st;

	job->is_new = mem_array(fs->nr_devices, sizeof(*job->is_new));
	if (!job->is_new)
		return MEM_FAIL("the targets");
	/* A symlink to nowhere is there: not ours to remove. */
	for (unsigned i = 0; i < fs->nr_devices; i++)
		job->is_new[i] = lstat(fs->devices[i], &st) < 0 && errno == ENOENT;
	return 0;
}

/* Also called when the work hangs and the process is about to end: touches nothing that the work may be changing. */
static void targets_remove(void *ctx)
{
	struct mkfs_job *job = ctx;

	for (unsigned i = 0; i < job->request.fs.nr_devices; i++)
		if (job->is_new[i])
			unlink(job->request.fs.devices[i]);
}

/* ---- filling ------------------------------------------------------------------------------------------------- */

static int on_progress(void *ctx, const struct import_progress *state)
{
	struct mkfs_job *job = ctx;
	struct progress_state drawn = { .items_done = state->items_done,
					.bytes_done = state->bytes_done,
					.items_total = state->items_total,
					.bytes_total = state->bytes_total,
					.total_known = state->total_known };

	if (interrupt_asked(&job->interrupt))
		return THROW(ERR_INTERRUPTED, "interrupted");
	progress_update(&job->progress, &drawn);
	return 0;
}

static void on_warning(void *ctx, const char *text)
{
	struct mkfs_job *job = ctx;

	progress_clear(&job->progress);
	cli_warning("%s", text);
}

static int import_all(struct mkfs_job *job, struct ubtrfs *fs)
{
	const struct mkfs_request *request = &job->request;
	struct import_options options = request->import;

	options.progress = on_progress;
	options.warning = on_warning;
	options.ctx = job;
	if (request->rootdir)
		return import_directory(fs, ubtrfs_top(fs), request->rootdir, &options,
					&job->result.stats);
	for (unsigned i = 0; i < request->nr_archives; i++)
		TRY(import_archive(fs, ubtrfs_top(fs), request->archives[i], &options,
				   &job->result.stats));
	return 0;
}

static int make_populated(struct mkfs_job *job)
{
	const struct mkfs_request *request = &job->request;
	struct ubtrfs *fs;
	int err;

	TRY(ubtrfs_mkfs_open(&request->fs, &request->open, &fs));
	err = import_all(job, fs);
	if (err == 0 && interrupt_asked(&job->interrupt))
		err = THROW(ERR_INTERRUPTED, "interrupted");
	if (err < 0) {
		struct err_report report;

		err_capture(err, &report);
		ubtrfs_abandon(fs);
		return err_rethrow(&report);
	}
	interrupt_hold(&job->interrupt);
	return ubtrfs_mkfs_finish(fs, &job->result.info);
}

/* While the source is looked through once more there is nothing to draw. */
static int on_estimate(void *ctx, const struct import_progress *state)
{
	struct mkfs_job *job = ctx;

	(void)state;
	return interrupt_asked(&job->interrupt) ? THROW(ERR_INTERRUPTED, "interrupted") : 0;
}

/* No room: the sentence becomes one that says what would do, when that can be told. */
static int explain_failure(struct mkfs_job *job, int err)
{
	struct import_options options = job->request.import;

	if (err != -ENOSPC || interrupt_asked(&job->interrupt))
		return err;
	options.progress = on_estimate;
	options.ctx = job;
	return mkfs_needs_explain(&job->request, &options, err);
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static int job_run(struct mkfs_job *job)
{
	const struct mkfs_request *request = &job->request;
	int err;

	TRY(targets_note(job));
	TRY(interrupt_start(&job->interrupt, targets_remove, job));
	job->result.populated = request->rootdir || request->nr_archives;
	progress_start(&job->progress, !request->quiet);
	err = job->result.populated ? explain_failure(job, make_populated(job)) :
				      ubtrfs_mkfs(&request->fs, &job->result.info);
	job->result.seconds = progress_seconds(&job->progress);
	progress_clear(&job->progress);
	interrupt_stop(&job->interrupt);
	return err;
}

static int job_report(const struct mkfs_job *job)
{
	if (job->request.quiet)
		return 0;
	return job->request.json ? mkfs_summary_json(&job->request, &job->result) :
				   mkfs_summary_text(&job->request, &job->result);
}

static int job_main(struct mkfs_job *job)
{
	int code, err;

	if (job->request.verbose)
		log_set_level(job->request.verbose > 1 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	err = job_run(job);
	if (err < 0) {
		bool interrupted = err == -ERR_INTERRUPTED && interrupt_asked(&job->interrupt);

		code = cli_error("%s", ubtrfs_error_text());
		if (job->is_new)
			targets_remove(job);
		return interrupted ? EXIT_INTERRUPTED : code;
	}
	return job_report(job);
}

int cmd_mkfs(int argc, char **argv)
{
	struct mkfs_job job = { 0 };
	enum mkfs_parsed parsed = mkfs_options_parse(argc, argv, &job.request);
	int code = parsed == MKFS_BAD;

	if (parsed == MKFS_DONE)
		code = cli_finish_output();
	if (parsed == MKFS_RUN)
		code = job_main(&job);
	mem_free(job.is_new);
	mkfs_options_release(&job.request);
	return code;
}
