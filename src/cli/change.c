/*
 * Changing an image as one transaction, for the commands that do.
 *
 * Nothing is removed when the work is interrupted or the process is killed: what was not committed
 * is in space that the last commit does not use.
 */
#include "cli/change.h"

#include <string.h>

#include "cli/cli.h"
#include "cli/session.h"

int change_init(struct change *change, unsigned max_devices)
{
	memset(change, 0, sizeof(*change));
	TRY(image_view_init(&change->view, max_devices));
	change->view.how.writable = true;
	change->view.how.explicit_commit = true;
	return 0;
}

void change_fini(struct change *change)
{
	image_view_fini(&change->view);
}

static int take_commit_every(struct change *change)
{
	if (size_parse(optarg, &change->commit_every_bytes) < 0 || !change->commit_every_bytes)
		return cli_error("option --commit-every: '%s' is not a size above 0", optarg);
	return 0;
}

int change_option(struct change *change, int option)
{
	int code = image_view_option(&change->view, option);

	if (code >= 0)
		return code;
	if (session_current() &&
	    (option == OPTION_COMPRESS || option == OPTION_COMMIT_EVERY || option == 'j'))
		return cli_error("options -j, --compress and --commit-every belong to the shell");
	switch (option) {
	case OPTION_COMPRESS:
		code = compress_option(optarg, &change->view.how.compress,
				       &change->view.how.compress_level);
		break;
	case OPTION_COMMIT_EVERY:
		code = take_commit_every(change);
		break;
	case 'j':
		return cli_threads(optarg, &change->view.how.threads);
	case OPTION_STRICT_SOURCE:
		change->strict = true;
		code = 0;
		break;
	case OPTION_QUIET:
		change->quiet = true;
		code = 0;
		break;
	default:
		return -1;
	}
	change->has_option = true;
	return code;
}

/* There is nothing to tidy up. */
static void no_last_resort(void *ctx)
{
	(void)ctx;
}

int change_begin(struct change *change)
{
	change->in_session = session_current();
	if (!change->in_session && interrupt_start(&change->interrupt, no_last_resort, NULL) < 0)
		return cli_error("%s", ubtrfs_error_text());
	progress_start(&change->progress, !change->quiet);
	return 0;
}

bool change_interrupted(const struct change *change)
{
	return change->in_session ? session_interrupted() : interrupt_asked(&change->interrupt);
}

static int on_progress(void *ctx, const struct import_progress *state)
{
	struct change *change = ctx;
	struct progress_state drawn = { .items_done = state->items_done,
					.bytes_done = state->bytes_done,
					.items_total = state->items_total,
					.bytes_total = state->bytes_total,
					.total_known = state->total_known };

	if (change_interrupted(change))
		return THROW(ERR_INTERRUPTED, "interrupted");
	progress_update(&change->progress, &drawn);
	return 0;
}

static void on_warning(void *ctx, const char *text)
{
	struct change *change = ctx;

	progress_clear(&change->progress);
	cli_warning("%s", text);
}

static void on_committed(void *ctx, const struct import_progress *progress)
{
	struct change *change = ctx;

	change->committed = true;
	change->committed_at = *progress;
}

void change_import_options(struct change *change, struct import_options *options)
{
	options->threads = change->view.how.threads;
	options->strict = change->strict;
	options->no_commit = true;
	options->commit_every_bytes = change->commit_every_bytes;
	options->committed = on_committed;
	options->progress = on_progress;
	options->warning = on_warning;
	options->ctx = change;
}

/* In the shell the image stays open, and what was done waits for the user's commit. */
static int change_close(struct change *change, int err)
{
	struct ubtrfs *fs = change->view.fs;

	if (err == 0 && change_interrupted(change))
		err = THROW(ERR_INTERRUPTED, "interrupted");
	if (!fs || change->view.borrowed)
		return err;
	change->view.fs = NULL;
	if (err < 0) {
		ubtrfs_abandon(fs);
		return err;
	}
	if (!change->in_session)
		interrupt_hold(&change->interrupt);
	return err_adopt(ubtrfs_close(fs));
}

static void tell_what_stays(const struct change *change)
{
	char size[SIZE_TEXT_MAX];

	if (change->committed)
		cli_error("%llu items, %s of contents were committed before that and stay",
			  (unsigned long long)change->committed_at.items_done,
			  size_text(change->committed_at.bytes_done, size));
}

int change_end(struct change *change, int err)
{
	bool interrupted;

	err = change_close(change, err);
	interrupted = err == -ERR_INTERRUPTED || change_interrupted(change);
	progress_clear(&change->progress);
	if (!change->in_session)
		interrupt_stop(&change->interrupt);
	if (err == 0)
		return 0;
	cli_error("%s", ubtrfs_error_text());
	tell_what_stays(change);
	if (change->view.borrowed && ubtrfs_drain(change->view.fs) < 0)
		cli_warning("nothing that is not committed can be committed any more: `discard` goes "
			    "back to the last commit");
	return interrupted ? EXIT_INTERRUPTED : 1;
}
