/*
 * Reading and answering requests.
 *
 * One thread at a time reads (the reader), answers what it has read by itself, and reads on: a
 * request that is answered in microseconds costs no change of threads, which takes longer than
 * most answers. It gives the reading to a thread that rests before it answers when more requests
 * wait already, or when this one may take long; and when it turns out to take long, the watcher
 * gives it to another. So a request waits for others at most two ticks.
 *
 * Before the reader sleeps in read(2) it looks for the next request for SPIN_NS (40 us), giving the
 * processor to whoever wants it: a program that asks one thing after the other has asked again by
 * then, and waking a thread that sleeps costs more than most answers. After looking in vain it goes to
 * sleep at once for as many requests as it looked in vain for in a row, twice as many each time, up to
 * SPIN_SKIP_MAX. So it costs at most 40 us behind a request, and without requests nothing: all threads
 * sleep, the watcher too after QUIET_TICKS.
 *
 * States of a thread: resting -> reading -> answering, then reading again while it is the reader, and
 * resting otherwise. The lock (RANK_FRONT_END) guards who is what; it is not held while reading or
 * answering. The watcher sleeps while nothing happens: it says so and then looks once more, the
 * reader begins to answer and then looks whether it sleeps, so that one of them sees the other.
 */
#include "fuse/fuse_loop.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <linux/fuse.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/mem.h"
#include "fuse/fuse_priv.h"
#include "fuse/mount_signals.h"

#define TICK_NS 2000000L
/* Ticks without a request after which the watcher sleeps. */
#define QUIET_TICKS 50u
/* Reading more than this may take long. */
#define SMALL_READ_BYTES (32u << 10)
/* The next request is looked for so long before the reader sleeps. */
#define SPIN_NS 40000u
/* After looking in vain this many requests, at most, are not looked for. */
#define SPIN_SKIP_MAX 256u

struct worker {
	struct loop *loop;
	pthread_t thread;
	struct fuse_buf buf;  /* its memory is the C library's, by libfuse */
	_Atomic bool answers; /* as the reader */
	_Atomic uint64_t nr_requests;
	unsigned spin_skip, spin_left; /* requests not to look for: next time, still */
};

struct loop {
	struct fuse_session *session;
	struct mutex lock;
	struct cond rest, watch, ended;
	struct worker *reader; /* NULL: one of those that rest is about to be */
	bool over, running;    /* running: all threads are there, and none is joined */
	_Atomic bool watcher_sleeps;
	pthread_t watcher;
	unsigned nr_workers;
	struct worker workers[];
};

/* ---- who reads ---- */

/* False when all is over. */
static bool become_reader(struct loop *loop, struct worker *worker)
{
	bool over;

	mutex_lock(&loop->lock);
	while (loop->reader && !loop->over)
		cond_wait(&loop->rest, &loop->lock);
	over = loop->over;
	if (!over)
		loop->reader = worker;
	mutex_unlock(&loop->lock);
	return !over;
}

static void give_reading_locked(struct loop *loop, const struct worker *worker)
{
	if (loop->reader != worker)
		return;
	loop->reader = NULL;
	cond_signal(&loop->rest);
}

static void give_reading(struct loop *loop, const struct worker *worker)
{
	mutex_lock(&loop->lock);
	give_reading_locked(loop, worker);
	mutex_unlock(&loop->lock);
}

static bool is_reader(struct loop *loop, const struct worker *worker)
{
	bool reads;

	mutex_lock(&loop->lock);
	reads = loop->reader == worker && !loop->over;
	mutex_unlock(&loop->lock);
	return reads;
}

static void end_all(struct loop *loop)
{
	mutex_lock(&loop->lock);
	loop->over = true;
	cond_broadcast(&loop->rest);
	cond_broadcast(&loop->watch);
	cond_broadcast(&loop->ended);
	mutex_unlock(&loop->lock);
}

/* ---- those who answer ---- */

static bool may_take_long(const struct fuse_buf *buf)
{
	const struct fuse_in_header *header = buf->mem;
	const struct fuse_read_in *read = (const void *)(header + 1);

	switch (header->opcode) {
	case FUSE_READ:
		return read->size > SMALL_READ_BYTES;
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_IOCTL:
		return true;
	default:
		return false;
	}
}

static bool more_wait(const struct loop *loop)
{
	struct pollfd fd = { .fd = fuse_session_fd(loop->session), .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static void answer(struct loop *loop, struct worker *worker)
{
	if (may_take_long(&worker->buf) || more_wait(loop)) {
		give_reading(loop, worker);
		fuse_session_process_buf(loop->session, &worker->buf);
		return;
	}
	atomic_fetch_add(&worker->nr_requests, 1);
	atomic_store(&worker->answers, true);
	if (atomic_load(&loop->watcher_sleeps)) {
		mutex_lock(&loop->lock);
		cond_signal(&loop->watch);
		mutex_unlock(&loop->lock);
	}
	fuse_session_process_buf(loop->session, &worker->buf);
	atomic_store(&worker->answers, false);
}

/*
 * A program that asks one thing after the other asks again in a few microseconds; waking a thread on
 * another processor takes ten times as long. So the reader looks for a while, as long as that finds
 * something.
 */
static void look_for_next(struct loop *loop, struct worker *worker)
{
	uint64_t end;

	if (worker->spin_left) {
		worker->spin_left--;
		return;
	}
	end = clock_monotonic_ns() + SPIN_NS;
	do {
		if (more_wait(loop)) {
			worker->spin_skip = 0;
			return;
		}
		/* Nobody else is to wait for that. */
		sched_yield();
	} while (clock_monotonic_ns() < end);
	worker->spin_skip = MIN(2 * worker->spin_skip + 1, SPIN_SKIP_MAX);
	worker->spin_left = worker->spin_skip;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct loop *loop = worker->loop;

	while (become_reader(loop, worker))
		do {
			int got;

			look_for_next(loop, worker);
			got = fuse_session_receive_buf(loop->session, &worker->buf);
			if (fuse_session_exited(loop->session) || (got <= 0 && got != -EINTR))
				end_all(loop);
			else if (got > 0)
				answer(loop, worker);
		} while (is_reader(loop, worker));
	return NULL;
}

/* ---- who watches ---- */

static void sleep_while_quiet_locked(struct loop *loop)
{
	atomic_store(&loop->watcher_sleeps, true);
	while (!loop->over && !(loop->reader && atomic_load(&loop->reader->answers)) &&
	       atomic_load(&loop->watcher_sleeps)) {
		cond_wait(&loop->watch, &loop->lock);
		atomic_store(&loop->watcher_sleeps, false);
	}
	atomic_store(&loop->watcher_sleeps, false);
}

/* Looks now and then whether the reader answers the same request as before. */
static void *watch(void *arg)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct loop *loop = arg;
	const struct worker *before = NULL;
	uint64_t nr_before = 0;
	unsigned quiet = 0;

	mutex_lock(&loop->lock);
	while (!loop->over) {
		const struct worker *reader;
		uint64_t nr;

		mutex_unlock(&loop->lock);
		nanosleep(&tick, NULL);
		mutex_lock(&loop->lock);
		reader = loop->reader;
		nr = reader ? atomic_load(&reader->nr_requests) : 0;
		quiet = reader == before && nr == nr_before ? quiet + 1 : 0;
		if (quiet && reader && atomic_load(&reader->answers))
			give_reading_locked(loop, reader);
		else if (quiet > QUIET_TICKS)
			sleep_while_quiet_locked(loop);
		before = reader;
		nr_before = nr;
	}
	mutex_unlock(&loop->lock);
	return NULL;
}

/* ---- the whole ---- */

int loop_new(struct fuse_session *session, unsigned nr_threads, struct loop **ret_loop)
{
	struct loop *loop = mem_zalloc(sizeof(*loop) + nr_threads * sizeof(loop->workers[0]));

	if (!loop)
		return MEM_FAIL("the threads of a mount");
	loop->session = session;
	loop->nr_workers = nr_threads;
	mutex_init(&loop->lock, RANK_FRONT_END, "requests");
	cond_init(&loop->rest);
	cond_init(&loop->watch);
	cond_init(&loop->ended);
	*ret_loop = loop;
	return 0;
}

/* How many of the threads could be started; the watcher is the first of all. */
static unsigned start_all(struct loop *loop)
{
	unsigned nr = 0;

	if (pthread_create(&loop->watcher, NULL, watch, loop))
		return 0;
	while (nr < loop->nr_workers) {
		struct worker *worker = &loop->workers[nr];

		worker->loop = loop;
		if (pthread_create(&worker->thread, NULL, work, worker))
			break;
		nr++;
	}
	/* With the watcher alone there is nobody to end it. */
	if (!nr) {
		end_all(loop);
		pthread_join(loop->watcher, NULL);
	}
	return nr;
}

int loop_run(struct loop *loop)
{
	unsigned nr = start_all(loop);

	if (!nr)
		return THROW_SYS(EAGAIN, "no threads can be started");
	mutex_lock(&loop->lock);
	loop->nr_workers = nr;
	loop->running = true;
	while (!loop->over)
		cond_wait(&loop->ended, &loop->lock);
	loop->running = false;
	mutex_unlock(&loop->lock);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(loop->workers[i].thread, NULL);
	pthread_join(loop->watcher, NULL);
	return 0;
}

void loop_interrupt(struct loop *loop)
{
	mutex_lock(&loop->lock);
	for (unsigned i = 0; loop->running && i < loop->nr_workers; i++)
		pthread_kill(loop->workers[i].thread, MOUNT_SIGNAL_WAKE);
	mutex_unlock(&loop->lock);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (unsigned i = 0; i < loop->nr_workers; i++)
		free(loop->workers[i].buf.mem); /* tidy: libc free */
	cond_fini(&loop->rest);
	cond_fini(&loop->watch);
	cond_fini(&loop->ended);
	mutex_fini(&loop->lock);
	mem_free(loop);
}
