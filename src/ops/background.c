/*
 * The background thread: writing back, and commits every so often, under pressure, on demand.
 *
 *   idle -> flushing (kicked, or a commit is due) -> idle
 *        -> committing: flush in slices, prepare alone, write beside others, finish alone -> idle
 *
 * Commits are counted three times: started, prepared, finished. Who needs everything done so far on the
 * devices waits until the next one to start is finished; who needs memory or wants dirty blocks taken
 * away only until it is prepared. When a commit fails the filesystem is aborted; the thread stays, so
 * that nobody waits for ever, and every commit from then on fails with the cause. While it is paused
 * the thread does nothing, and those who want a commit wait.
 * Locks: background->lock over all fields below it; never held during work.
 */
#include <pthread.h>
#include <signal.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "ops/background.h"

struct background {
	pthread_t thread;
	struct mutex lock;
	struct cond wake;	  /* the thread has something to do */
	struct cond changed;	  /* a commit went on */
	struct err_report result; /* of the last that finished */
	bool stop, kicked;
	bool busy;	    /* the thread works: a commit, or slices */
	unsigned nr_pauses; /* wait for it, or have it idle */
	uint64_t nr_wanted; /* a commit of this number, at least */
	uint64_t nr_started, nr_prepared, nr_finished;
	uint64_t next_ns; /* when the next commit is due */
};

/* ---- what the thread does, under no lock ---- */

/* One bounded piece, alone; tells whether there is more. */
static int flush_slice(struct ubtrfs *fs, size_t keep_bytes, bool *ret_more)
{
	int err;

	fs_lock(fs);
	err = core_flush_slice(&fs->core, keep_bytes, ret_more);
	(void)fs_unlock(fs, 0);
	return err;
}

/*
 * What is delayed goes into the trees, down to keep_bytes; others come in between. They may add as
 * fast as this takes away: bounded, for the commit takes what is left.
 */
static int flush_slices(struct ubtrfs *fs, size_t keep_bytes)
{
	bool more = true;

	for (unsigned i = 0; more && i < FLUSH_MAX_SLICES; i++) {
		TRY(flush_slice(fs, keep_bytes, &more));
		if (more)
			writeback_wait(&fs->core.writeback);
	}
	return 0;
}

/* For one who writes faster than the devices: half of what may be dirty is free. */
static int flush_data(struct ubtrfs *fs)
{
	bool more = true;

	for (unsigned i = 0; more && i < FLUSH_MAX_SLICES; i++) {
		int err;

		fs_lock(fs);
		err = core_flush_data(&fs->core, fs->core.dirty_bytes / 2, &more);
		(void)fs_unlock(fs, 0);
		TRY(err);
		if (more)
			writeback_wait(&fs->core.writeback);
	}
	return 0;
}

/* References that wait become items, as long as there are many. */
static int run_refs_slices(struct ubtrfs *fs)
{
	bool more = true;

	for (unsigned i = 0; more && i < FLUSH_MAX_SLICES; i++) {
		int err;

		fs_lock(fs);
		err = core_run_refs_slice(&fs->core, &more);
		(void)fs_unlock(fs, 0);
		TRY(err);
	}
	return 0;
}

static void commit_step_done(struct background *background, uint64_t *counter, uint64_t nr)
{
	mutex_lock(&background->lock);
	*counter = nr;
	cond_broadcast(&background->changed);
	mutex_unlock(&background->lock);
}

static unsigned ms_since(uint64_t *since_ns)
{
	uint64_t now_ns = clock_monotonic_ns();
	unsigned ms = (unsigned)((now_ns - *since_ns) / 1000000);

	*since_ns = now_ns;
	return ms;
}

static int commit_steps(struct ubtrfs *fs, uint64_t nr)
{
	uint64_t at_ns = clock_monotonic_ns();
	unsigned flush_ms, alone_ms, write_ms;
	struct commit_work *work;
	int err;

	/* What fails here fails again when all of it is flushed. */
	if (flush_slices(fs, 0) < 0 || run_refs_slices(fs) < 0)
		log_debug("%s: %s", fs->core.name, err_last_text());
	flush_ms = ms_since(&at_ns);
	fs_lock(fs);
	err = commit_prepare(&fs->core, &work);
	(void)fs_unlock(fs, 0);
	TRY(err);
	alone_ms = ms_since(&at_ns);
	commit_step_done(fs->background, &fs->background->nr_prepared, nr);
	if (!work)
		return 0;
	err = commit_write(&fs->core, work);
	write_ms = ms_since(&at_ns);
	fs_lock(fs);
	err = commit_finish(&fs->core, work, err);
	(void)fs_unlock(fs, 0);
	log_debug(
		"%s: commit: flushed in %u ms, prepared alone in %u, written in %u, finished alone in %u",
		fs->core.name, flush_ms, alone_ms, write_ms, ms_since(&at_ns));
	return err;
}

static void commit_run(struct ubtrfs *fs, uint64_t nr)
{
	struct background *background = fs->background;
	struct err_report result;

	err_capture(commit_steps(fs, nr), &result);
	mutex_lock(&background->lock);
	background->result = result;
	background->nr_prepared = nr;
	background->nr_finished = nr;
	background->next_ns =
		clock_monotonic_ns() + fs->core.commit_interval_s * (uint64_t)NSEC_PER_SEC;
	cond_broadcast(&background->changed);
	mutex_unlock(&background->lock);
}

/* Kicked: too much of something, but not yet so much that anybody waits. */
static void pressure_run(struct ubtrfs *fs)
{
	if (flush_slices(fs, DELAYED_MAX_BYTES / 4) < 0)
		log_debug("%s: %s", fs->core.name, err_last_text());
}

/* Waits for the next thing to do, with the lock held: the number of a commit, 0 for none. */
static uint64_t background_next(struct background *background)
{
	while (!background->stop &&
	       (background->nr_pauses ||
		(!background->kicked && background->nr_wanted <= background->nr_started)))
		if (!cond_wait_until(&background->wake, &background->lock, background->next_ns)) {
			background->nr_wanted = background->nr_started + 1;
			background->next_ns += NSEC_PER_SEC;
		}
	if (background->stop || background->nr_wanted <= background->nr_started)
		return 0;
	return ++background->nr_started;
}

static void *background_main(void *arg)
{
	struct ubtrfs *fs = arg;
	struct background *background = fs->background;

	mutex_lock(&background->lock);
	while (!background->stop) {
		uint64_t nr = background_next(background);

		if (background->stop)
			break;
		background->kicked = false;
		background->busy = true;
		mutex_unlock(&background->lock);
		if (nr)
			commit_run(fs, nr);
		else
			pressure_run(fs);
		mutex_lock(&background->lock);
		background->busy = false;
		cond_broadcast(&background->changed);
	}
	/* Nobody waits for ever. */
	background->nr_prepared = UINT64_MAX;
	background->nr_finished = UINT64_MAX;
	cond_broadcast(&background->changed);
	mutex_unlock(&background->lock);
	return NULL;
}

/* ---- what others ask for ---- */

/*
 * Waits until a commit that starts from now on has come as far as the counter tells. When it has
 * finished, its result: what was done before it started is as durable as what the last one held.
 */
static int commit_await(struct background *background, const uint64_t *counter)
{
	struct err_report result = { 0 };
	uint64_t nr;

	mutex_lock(&background->lock);
	nr = background->nr_started + 1;
	background->nr_wanted = MAX(background->nr_wanted, nr);
	cond_signal(&background->wake);
	while (*counter < nr)
		cond_wait(&background->changed, &background->lock);
	if (counter == &background->nr_finished)
		result = background->result;
	mutex_unlock(&background->lock);
	return err_rethrow(&result);
}

int background_commit(struct ubtrfs *fs)
{
	return commit_await(fs->background, &fs->background->nr_finished);
}

void background_pause(struct ubtrfs *fs)
{
	struct background *background = fs->background;

	mutex_lock(&background->lock);
	background->nr_pauses++;
	while (background->busy)
		cond_wait(&background->changed, &background->lock);
	mutex_unlock(&background->lock);
}

void background_resume(struct ubtrfs *fs)
{
	struct background *background = fs->background;

	mutex_lock(&background->lock);
	background->nr_pauses--;
	cond_signal(&background->wake);
	mutex_unlock(&background->lock);
}

void background_kick(struct ubtrfs *fs, unsigned kick)
{
	struct background *background = fs->background;

	mutex_lock(&background->lock);
	background->kicked = true;
	if (kick & KICK_COMMIT)
		background->nr_wanted = MAX(background->nr_wanted, background->nr_started + 1);
	cond_signal(&background->wake);
	mutex_unlock(&background->lock);
}

void background_make_room(struct ubtrfs *fs, enum room room)
{
	int err = 0;
	bool more;

	switch (room) {
	case ROOM_DELAYED:
		err = flush_slice(fs, DELAYED_MAX_BYTES / 2, &more);
		break;
	case ROOM_DATA:
		err = flush_data(fs);
		break;
	case ROOM_PENDING:
		err = flush_slices(fs, 0);
		break;
	case ROOM_BLOCKS:
		err = commit_await(fs->background, &fs->background->nr_prepared);
		break;
	case ROOM_COMMIT:
		err = commit_await(fs->background, &fs->background->nr_finished);
		break;
	}
	if (err < 0)
		log_debug("%s: %s", fs->core.name, err_last_text());
}

/* ---- beginning and end ---- */

/* Signals belong to the program's own threads. */
static int thread_start(struct ubtrfs *fs)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&fs->background->thread, NULL, background_main, fs);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return THROW_SYS(ret, "%s: cannot start the background thread", fs->core.name);
	pthread_setname_np(fs->background->thread, "ubtrfs/commit");
	return 0;
}

static void background_free(struct ubtrfs *fs)
{
	cond_fini(&fs->background->wake);
	cond_fini(&fs->background->changed);
	mutex_fini(&fs->background->lock);
	mem_free(fs->background);
	fs->background = NULL;
}

int background_start(struct ubtrfs *fs)
{
	struct background *background = mem_zalloc(sizeof(*background));
	int err;

	if (!background)
		return MEM_FAIL("the background");
	mutex_init(&background->lock, RANK_BACKGROUND, "background");
	cond_init(&background->wake);
	cond_init(&background->changed);
	background->next_ns =
		clock_monotonic_ns() + fs->core.commit_interval_s * (uint64_t)NSEC_PER_SEC;
	fs->background = background;
	err = thread_start(fs);
	if (err < 0)
		background_free(fs);
	return err;
}

void background_stop(struct ubtrfs *fs)
{
	struct background *background = fs->background;

	if (!background)
		return;
	mutex_lock(&background->lock);
	background->stop = true;
	cond_signal(&background->wake);
	mutex_unlock(&background->lock);
	pthread_join(background->thread, NULL);
	background_free(fs);
}
