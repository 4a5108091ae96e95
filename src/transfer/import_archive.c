/*
 * Importing an archive: libarchive's reader, the loop over its entries, and the thread that both
 * run in.
 *
 * The thread is there for two things that libarchive takes from its surroundings: the working
 * directory (an mtree manifest's files are opened relative to it) and the locale (names that are
 * not in its character set would be changed; in "C" they stay bytes). Both are set for this thread
 * alone. The caller waits for it. Takes no lock.
 */
#include <fcntl.h>
#include <libgen.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "transfer/estimate.h"
#include "transfer/unpack.h"

#define ARCHIVE_BLOCK_BYTES (256 * 1024)
#define RETRIES_MAX 16

struct archive_import {
	struct unpack unpack;
	const char *path; /* NULL: standard input */
	int fd;
	bool own_cwd;		   /* the working directory is the manifest's */
	struct estimate *estimate; /* entries are counted, not unpacked; or NULL */
	struct err_report result;
};

static int archive_check(struct archive_import *self, int result)
{
	if (result >= ARCHIVE_WARN)
		return 0;
	return err_prefix(unpack_archive_result(&self->unpack, result), "%s", self->unpack.label);
}

static int archive_start(struct archive_import *self)
{
	struct archive *archive = self->unpack.archive;

	TRY(archive_check(self, archive_read_support_filter_all(archive)));
	TRY(archive_check(self, archive_read_support_format_all(archive)));
	/* Contents of what an mtree manifest lists. */
	TRY(archive_check(self, archive_read_set_format_option(archive, "mtree", "checkfs", "1")));
	return archive_check(self, archive_read_open_fd(archive, self->fd, ARCHIVE_BLOCK_BYTES));
}

/* Known with the first entry. */
static int archive_note_format(struct archive_import *self)
{
	int format = archive_format(self->unpack.archive) & ARCHIVE_FORMAT_BASE_MASK;

	if (format == ARCHIVE_FORMAT_EMPTY)
		return THROW(ERR_ARCHIVE, "%s is empty", self->unpack.label);
	self->unpack.is_mtree = format == ARCHIVE_FORMAT_MTREE;
	if (self->unpack.is_mtree && self->path && strchr(self->path, '/') && !self->own_cwd)
		return THROW(
			ERR_UNSUPPORTED,
			"%s: the system refuses a working directory for a thread: run from the manifest's directory",
			self->unpack.label);
	return 0;
}

/* *ret_is_end: no more. */
static int archive_next(struct archive_import *self, bool *ret_is_end)
{
	struct unpack *unpack = &self->unpack;
	int result = ARCHIVE_RETRY;

	for (int i = 0; i < RETRIES_MAX && result == ARCHIVE_RETRY; i++)
		result = archive_read_next_header(unpack->archive, &unpack->entry);
	*ret_is_end = result == ARCHIVE_EOF;
	if (result == ARCHIVE_WARN)
		TRY(unpack_archive_result(unpack, result));
	else if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
		return err_prefix(unpack_archive_result(unpack, result), "%s", unpack->label);
	return archive_note_format(self);
}

static int archive_each_entry(struct archive_import *self)
{
	struct unpack *unpack = &self->unpack;
	bool is_end;

	TRY(archive_start(self));
	for (;;) {
		TRY(archive_next(self, &is_end));
		if (is_end)
			return 0;
		TRY(import_step(unpack->import));
		TRY(self->estimate ? estimate_archive_entry(self->estimate, unpack) :
				     unpack_entry(unpack));
	}
}

static int archive_unpack_all(struct archive_import *self)
{
	struct unpack *unpack = &self->unpack;

	TRY(archive_each_entry(self));
	if (self->estimate)
		return 0;
	TRY(dir_times_apply(&unpack->dir_times, unpack->import));
	return import_finish(unpack->import, unpack->label);
}

/*
 * A working directory of this thread alone, the manifest's. Where that is refused the caller's
 * stays.
 */
static int archive_enter_dir(struct archive_import *self)
{
	char *copy;
	int ret = 0;

	if (!self->path || unshare(CLONE_FS))
		return 0;
	copy = mem_strdup(self->path);
	if (!copy)
		return MEM_FAIL("a path");
	if (chdir(dirname(copy)))
		ret = THROW_SYS(errno, "cannot enter the directory of %s", self->path);
	mem_free(copy);
	self->own_cwd = ret >= 0;
	return ret;
}

static void *archive_main(void *arg)
{
	struct archive_import *self = arg;
	struct unpack *unpack = &self->unpack;
	locale_t bytes = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t before = bytes ? uselocale(bytes) : (locale_t)0;
	int ret = bytes ? archive_enter_dir(self) : MEM_FAIL("a locale");

	pthread_setname_np(pthread_self(), "archive");
	if (ret >= 0) {
		unpack->archive = archive_read_new();
		ret = unpack->archive ? archive_unpack_all(self) : MEM_FAIL("reading an archive");
	}
	err_capture(ret, &self->result);
	if (unpack->archive)
		archive_read_free(unpack->archive);
	if (bytes) {
		uselocale(before);
		freelocale(bytes);
	}
	return NULL;
}

static int archive_run(struct archive_import *self)
{
	sigset_t all, before;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&thread, NULL, archive_main, self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return THROW_SYS(ret, "cannot start a thread for %s", self->unpack.label);
	pthread_join(thread, NULL);
	return err_rethrow(&self->result);
}

static int archive_check_options(const struct import_options *options)
{
	if (options->nr_subvols || options->nr_inode_flags)
		return THROW(ERR_UNSUPPORTED,
			     "--subvol and --inode-flags go with --rootdir, not with archives");
	if (options->reflink)
		return THROW(ERR_UNSUPPORTED, "--reflink goes with --rootdir, not with archives");
	return 0;
}

static void archive_init(struct archive_import *self, struct ubtrfs_node dest, const char *path,
			 const struct import_options *options)
{
	struct clock_time now = clock_wall();
	bool is_stdin = !strcmp(path, "-");

	memset(self, 0, sizeof(*self));
	self->path = is_stdin ? NULL : path;
	self->fd = -1;
	self->unpack.dest = dest;
	self->unpack.label = is_stdin ? "standard input" : path;
	self->unpack.now = options->has_timestamp ? options->timestamp :
						    (struct ubtrfs_time){ now.sec, now.nsec };
	dir_times_init(&self->unpack.dir_times);
	layer_names_init(&self->unpack.layer_names);
}

static int archive_open(struct archive_import *self)
{
	self->fd = self->path ? open(self->path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (self->fd < 0)
		return THROW_SYS(errno, "cannot open %s", self->path);
	return 0;
}

/* And leaves nothing of it behind. */
static int archive_open_and_run(struct archive_import *self)
{
	int ret = archive_open(self);

	if (ret >= 0)
		ret = archive_run(self);
	if (self->path && self->fd >= 0)
		close(self->fd);
	unpack_forget_paths(&self->unpack);
	layer_names_fini(&self->unpack.layer_names);
	dir_times_fini(&self->unpack.dir_times);
	return ret;
}

int import_archive(struct ubtrfs *fs, struct ubtrfs_node dest, const char *path_or_dash,
		   const struct import_options *options, struct import_stats *stats)
{
	struct archive_import self;
	int ret;

	TRY(archive_check_options(options));
	archive_init(&self, dest, path_or_dash, options);
	TRY(import_new(fs, options, NULL, &self.unpack.import));
	if (stats)
		import_go_on(self.unpack.import, stats);
	ret = archive_open_and_run(&self);
	import_close(self.unpack.import, stats);
	return ret;
}

int archive_estimate(struct import *import, const char *path, struct estimate *estimate)
{
	struct archive_import self;

	ASSERT(strcmp(path, "-") != 0);
	archive_init(&self, (struct ubtrfs_node){ 0 }, path, &import->options);
	self.unpack.import = import;
	self.estimate = estimate;
	return archive_open_and_run(&self);
}
