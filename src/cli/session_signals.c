/*
 * Signals of a session, waited for by a thread of their own. It is also the one that gives a terminal
 * back its modes when it ends the process, because the line editor changes them while it reads.
 */
#include "cli/session_signals.h"

#include <pthread.h>
#include <stdatomic.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

#define GRACE_POLL_NS 50000000L
#define GRACE_POLLS 40u
#define INTERRUPTS_MAX 3u

struct session_signals {
	_Atomic bool running, asked, terminated, held, lent, stopping;
	_Atomic unsigned nr_interrupts; /* of the command that runs */
	bool interactive;
	bool has_terminal;
	struct termios terminal;
	pthread_t waiter;
	sigset_t signals, old_mask;
};

static void leave(struct session_signals *signals)
{
	const struct timespec pause = { .tv_nsec = GRACE_POLL_NS };

	while (atomic_load(&signals->held))
		nanosleep(&pause, NULL);
	if (atomic_load(&signals->stopping))
		return;
	if (signals->has_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &signals->terminal);
	cli_error("ended by a signal: what was not committed is not in the image");
	_exit(EXIT_INTERRUPTED);
}

/* Waits for the session to end by itself. */
static void give_time(struct session_signals *signals)
{
	const struct timespec pause = { .tv_nsec = GRACE_POLL_NS };

	for (unsigned polls = 0; polls < GRACE_POLLS; polls++) {
		/* Nobody but us ends the wait of one who types. */
		if (signals->interactive && !atomic_load(&signals->running))
			break;
		nanosleep(&pause, NULL);
		if (atomic_load(&signals->stopping))
			return;
	}
	leave(signals);
}

static void interrupted(struct session_signals *signals)
{
	if ((!atomic_load(&signals->running) && signals->interactive) ||
	    atomic_load(&signals->lent))
		return;
	atomic_store(&signals->asked, true);
	if (!signals->interactive) {
		atomic_store(&signals->terminated, true);
		give_time(signals);
	} else if (atomic_fetch_add(&signals->nr_interrupts, 1) + 1 >= INTERRUPTS_MAX) {
		leave(signals);
	}
}

static void *wait_for_signals(void *arg)
{
	struct session_signals *signals = arg;
	int signal_nr;

	for (;;) {
		sigwait(&signals->signals, &signal_nr);
		if (atomic_load(&signals->stopping))
			return NULL;
		if (signal_nr == SIGINT) {
			interrupted(signals);
			continue;
		}
		atomic_store(&signals->asked, true);
		atomic_store(&signals->terminated, true);
		give_time(signals);
	}
}

int session_signals_start(bool interactive, struct session_signals **ret_signals)
{
	struct session_signals *signals = mem_zalloc(sizeof(*signals));
	int err;

	if (!signals)
		return MEM_FAIL("signals");
	signals->interactive = interactive;
	signals->has_terminal = interactive && tcgetattr(STDIN_FILENO, &signals->terminal) == 0;
	sigemptyset(&signals->signals);
	sigaddset(&signals->signals, SIGINT);
	sigaddset(&signals->signals, SIGTERM);
	sigaddset(&signals->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals->signals, &signals->old_mask);
	err = pthread_create(&signals->waiter, NULL, wait_for_signals, signals);
	if (err) {
		pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
		mem_free(signals);
		return THROW_SYS(err, "cannot start a thread");
	}
	*ret_signals = signals;
	return 0;
}

void session_signals_stop(struct session_signals *signals)
{
	if (!signals)
		return;
	atomic_store(&signals->stopping, true);
	/* The signal is for that thread alone and ends its wait. */
	pthread_kill(signals->waiter, SIGTERM);
	pthread_join(signals->waiter, NULL);
	/* One more may be pending, and would end the process in its last steps. */
	if (!atomic_load(&signals->terminated))
		pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
	mem_free(signals);
}

void session_signals_arm(struct session_signals *signals, bool running)
{
	if (!atomic_load(&signals->terminated))
		atomic_store(&signals->asked, false);
	atomic_store(&signals->nr_interrupts, 0);
	atomic_store(&signals->running, running);
}

void session_signals_hold(struct session_signals *signals, bool held)
{
	atomic_store(&signals->held, held);
}

void session_signals_lend(struct session_signals *signals, bool lent)
{
	atomic_store(&signals->lent, lent);
}

bool session_signals_asked(const struct session_signals *signals)
{
	return atomic_load(&signals->asked);
}

bool session_signals_terminated(const struct session_signals *signals)
{
	return atomic_load(&signals->terminated);
}

void session_signals_old(const struct session_signals *signals, sigset_t *ret_set)
{
	*ret_set = signals->old_mask;
}
