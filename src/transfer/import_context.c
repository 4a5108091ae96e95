/*
 * The context of one import: its life, its messages, its progress.
 *
 * Invariants: `failure` holds the first failure of a reader and is never replaced; nr_warnings
 * counts every warning, also those that strict turns into failures. Lock: import.lock (RANK_LEAF).
 * Does not touch the filesystem.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "transfer/copy_in.h"
#include "transfer/transfer_priv.h"

#define PROGRESS_EVERY_ITEMS 64
#define PROGRESS_EVERY_NS (100 * 1000000ULL)

void import_options_init(struct import_options *options)
{
	memset(options, 0, sizeof(*options));
}

static int import_check_options(const struct import_options *options)
{
	if (options->clamp_mtime && !options->has_timestamp)
		return THROW(ERR_INVALID, "--clamp-mtime needs --timestamp or SOURCE_DATE_EPOCH");
	return 0;
}

static int import_open_root(struct import *import, const char *root_path)
{
	import->root_path = mem_strdup(root_path);
	if (!import->root_path)
		return MEM_FAIL("a path");
	import->root_fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->root_fd < 0)
		return THROW_SYS(errno, "cannot open directory %s", root_path);
	return 0;
}

static void import_free(struct import *import)
{
	if (import->root_fd >= 0)
		close(import->root_fd);
	mutex_fini(&import->lock);
	mem_free(import->root_path);
	mem_free(import->top_name);
	mem_free(import);
}

static void import_note_info(struct import *import, const struct ubtrfs_info *info)
{
	import->sectorsize = info->sectorsize;
	import->generation = info->generation;
}

int import_new(struct ubtrfs *fs, const struct import_options *options, const char *root_path,
	       struct import **ret_import)
{
	struct import *import;
	struct ubtrfs_info info;
	int ret;

	TRY(import_check_options(options));
	import = mem_zalloc(sizeof(*import));
	if (!import)
		return MEM_FAIL("an import");
	ref_init(&import->ref, "import", fs);
	ref_get_first(&import->ref, &import->own);
	mutex_init(&import->lock, RANK_LEAF, "import");
	import->fs = fs;
	import->options = *options;
	import->euid = geteuid();
	import->root_fd = -1;
	ret = root_path ? import_open_root(import, root_path) : 0;
	if (ret >= 0 && fs) {
		ret = ubtrfs_info(fs, &info);
		if (ret < 0)
			ret = import_fail(import, ret, "cannot ask the filesystem");
		else
			import_note_info(import, &info);
	}
	if (ret < 0) {
		import_put(import, &import->own);
		return ret;
	}
	*ret_import = import;
	return 0;
}

void import_stats_add(struct import_stats *stats, const struct import_stats *more)
{
	stats->files += more->files;
	stats->dirs += more->dirs;
	stats->symlinks += more->symlinks;
	stats->others += more->others;
	stats->hardlinks += more->hardlinks;
	stats->bytes += more->bytes;
	stats->xattrs += more->xattrs;
	stats->warnings += more->warnings;
}

void import_stats_count(struct import_stats *stats, uint32_t mode)
{
	if (S_ISREG(mode))
		stats->files++;
	else if (S_ISDIR(mode))
		stats->dirs++;
	else if (S_ISLNK(mode))
		stats->symlinks++;
	else
		stats->others++;
}

void import_go_on(struct import *import, const struct import_stats *stats)
{
	import->items_done = stats->items_done;
	import->bytes_before = stats->bytes;
	import->committed_bytes = stats->committed_bytes;
}

void import_close(struct import *import, struct import_stats *stats)
{
	mutex_lock(&import->lock);
	atomic_store(&import->closed, true);
	import->stats.warnings = import->nr_warnings;
	mutex_unlock(&import->lock);
	if (stats) {
		import_stats_add(stats, &import->stats);
		stats->items_done = import->items_done;
		stats->committed_bytes = import->committed_bytes;
	}
	import_put(import, &import->own);
}

void import_get(struct import *import, struct ref_handle *ret_handle)
{
	ref_get(&import->ref, ret_handle);
}

void import_put(struct import *import, struct ref_handle *handle)
{
	if (ref_put(&import->ref, handle))
		import_free(import);
}

int import_warn(struct import *import, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mutex_lock(&import->lock);
	import->nr_warnings++;
	if (!import->options.strict && !atomic_load(&import->closed) && import->options.warning)
		import->options.warning(import->options.ctx, text);
	mutex_unlock(&import->lock);
	return import->options.strict ? THROW(ERR_SOURCE_CHANGED, "%s", text) : 0;
}

int import_reader_failed(struct import *import, int err)
{
	ASSERT(err < 0);
	mutex_lock(&import->lock);
	if (!import->failure.err)
		err_capture(err, &import->failure);
	mutex_unlock(&import->lock);
	return -err_to_errno(err);
}

int import_fail(struct import *import, int ret, const char *format, ...)
{
	struct err_report report = { .err = ret };
	va_list args;
	size_t len;

	ASSERT(ret < 0);
	mutex_lock(&import->lock);
	if (import->failure.err) {
		report = import->failure;
		mutex_unlock(&import->lock);
		return err_rethrow(&report);
	}
	mutex_unlock(&import->lock);
	va_start(args, format);
	vsnprintf(report.text, sizeof(report.text), format, args);
	va_end(args);
	len = strlen(report.text);
	snprintf(report.text + len, sizeof(report.text) - len, ": %s", ubtrfs_error_text());
	return err_rethrow(&report);
}

int import_finish(struct import *import, const char *what)
{
	int ret = import->options.no_commit ? ubtrfs_drain(import->fs) : ubtrfs_commit(import->fs);

	return ret < 0 ? import_fail(import, ret, "importing %s", what) : 0;
}

static void progress_fill(struct import *import, struct import_progress *ret_progress)
{
	ret_progress->items_done = import->items_done;
	ret_progress->bytes_done = import->bytes_before + import->stats.bytes;
	ret_progress->total_known = atomic_load(&import->all_found) &&
				    !(import->rules && import->rules->several_sources);
	ret_progress->items_total = atomic_load(&import->items_found);
	ret_progress->bytes_total = atomic_load(&import->bytes_found);
}

/* commit_every: between two items, when it is time. */
static int step_commit(struct import *import)
{
	uint64_t every = import->options.commit_every_bytes;
	struct import_progress progress;
	int ret;

	if (!every || import->bytes_before + import->stats.bytes - import->committed_bytes < every)
		return 0;
	ret = ubtrfs_commit(import->fs);
	if (ret < 0)
		return import_fail(import, ret, "committing what was copied so far");
	import->committed_bytes = import->bytes_before + import->stats.bytes;
	progress_fill(import, &progress);
	if (import->options.committed)
		import->options.committed(import->options.ctx, &progress);
	return 0;
}

int import_step(struct import *import)
{
	struct import_progress progress;
	uint64_t now_ns;

	TRY(step_commit(import));
	if (import->items_done++ % PROGRESS_EVERY_ITEMS || !import->options.progress)
		return 0;
	now_ns = clock_monotonic_ns();
	if (now_ns < import->progress_due_ns)
		return 0;
	import->progress_due_ns = now_ns + PROGRESS_EVERY_NS;
	progress_fill(import, &progress);
	if (import->options.progress(import->options.ctx, &progress) < 0)
		return THROW(ERR_INTERRUPTED, "the import was interrupted");
	return 0;
}
