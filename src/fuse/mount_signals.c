/*
 * Signals to a mount.
 *
 * States: waiting -> leaving (one came) -> ended (a second one), or stopping at any time.
 */
#include "fuse/mount_signals.h"

#include <signal.h>
#include <time.h>

#include "base/log.h"
#include "fuse/fuse_priv.h"
#include "fuse/mount_point.h"

#define WAKE_EVERY_NS 20000000L

static void signals_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void mount_signals_block(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	signals_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

static void wake(int signal_nr)
{
	(void)signal_nr;
}

static void *wait_for_signals(void *arg)
{
	struct mount_signals *signals = arg;
	const struct timespec pause = { .tv_nsec = WAKE_EVERY_NS };
	sigset_t set;
	int signal_nr;

	signals_set(&set);
	sigwait(&set, &signal_nr);
	if (atomic_load(&signals->stopping))
		return NULL;
	log_info("%s: signal %d, unmounting", signals->point->path, signal_nr);
	mount_point_leave(signals->point);
	sigwait(&set, &signal_nr);
	if (atomic_load(&signals->stopping))
		return NULL;
	log_warn("%s: a second signal, what is open is not waited for", signals->point->path);
	fuse_session_exit(signals->session);
	/* Who is about to read when the signal comes does not notice: until all has ended. */
	while (!atomic_load(&signals->stopping)) {
		loop_interrupt(signals->loop);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int mount_signals_start(struct mount_signals *signals, struct fuse_session *session,
			struct loop *loop, const struct mount_point *point)
{
	struct sigaction action = { .sa_handler = wake };
	int err;

	*signals = (struct mount_signals){ .loop = loop, .session = session, .point = point };
	sigaction(MOUNT_SIGNAL_WAKE, &action, NULL);
	err = pthread_create(&signals->waiter, NULL, wait_for_signals, signals);
	return err ? THROW_SYS(err, "cannot start a thread") : 0;
}

void mount_signals_stop(struct mount_signals *signals)
{
	atomic_store(&signals->stopping, true);
	pthread_kill(signals->waiter, SIGTERM);
	pthread_join(signals->waiter, NULL);
}
