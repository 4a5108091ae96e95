/*
 * Waiting for signals in a thread of its own.
 *
 * States: waiting -> asked (a signal came) -> stopping (interrupt_stop: the work ended by itself), or the process ends.
 */
#include "cli/interrupt.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

/* How long the work may take to stop by itself: polls of 50 ms. */
#define GRACE_POLL_NS 50000000L
#define GRACE_POLLS 40u

static void *wait_for_signals(void *arg)
{
	struct interrupt *interrupt = arg;
	const struct timespec pause = { .tv_nsec = GRACE_POLL_NS };
	int signal_nr;

	sigwait(&interrupt->signals, &signal_nr);
	if (atomic_load(&interrupt->stopping))
		return NULL;
	atomic_store(&interrupt->asked, true);
	for (unsigned polls = 0; polls < GRACE_POLLS; polls++) {
		nanosleep(&pause, NULL);
		if (atomic_load(&interrupt->stopping) || atomic_load(&interrupt->held))
			return NULL;
	}
	cli_error("interrupted");
	interrupt->last_resort(interrupt->ctx);
	_exit(EXIT_INTERRUPTED);
}

int interrupt_start(struct interrupt *interrupt, void (*last_resort)(void *ctx), void *ctx)
{
	int err;

	atomic_init(&interrupt->asked, false);
	atomic_init(&interrupt->stopping, false);
	atomic_init(&interrupt->held, false);
	interrupt->last_resort = last_resort;
	interrupt->ctx = ctx;
	sigemptyset(&interrupt->signals);
	sigaddset(&interrupt->signals, SIGINT);
	sigaddset(&interrupt->signals, SIGTERM);
	sigaddset(&interrupt->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &interrupt->signals, &interrupt->old_mask);
	err = pthread_create(&interrupt->waiter, NULL, wait_for_signals, interrupt);
	if (!err)
		return 0;
	pthread_sigmask(SIG_SETMASK, &interrupt->old_mask, NULL);
	return THROW_SYS(err, "cannot start a thread");
}

bool interrupt_asked(const struct interrupt *interrupt)
{
	return atomic_load(&interrupt->asked);
}

void interrupt_hold(struct interrupt *interrupt)
{
	atomic_store(&interrupt->held, true);
}

void interrupt_stop(struct interrupt *interrupt)
{
	atomic_store(&interrupt->stopping, true);
	/* The signal is for that thread alone and ends its wait. */
	pthread_kill(interrupt->waiter, SIGTERM);
	pthread_join(interrupt->waiter, NULL);
	/* A second signal may be pending, and would end the process before it has tidied up. */
	if (!interrupt_asked(interrupt))
		pthread_sigmask(SIG_SETMASK, &interrupt->old_mask, NULL);
}
