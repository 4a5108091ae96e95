/*
 * SIGINT, SIGTERM and SIGHUP while something is made that must not stay behind half done.
 *
 * The signals are blocked in every thread and one thread waits for them, so no handler and no
 * global is needed. After one came, interrupt_asked() is true; who works looks at it now and then,
 * stops, and tidies up. If the work does not end soon (it waits for a pipe), last_resort is called
 * on the waiting thread and the process ends with code 130; not so while the work is held to be
 * beyond that (interrupt_hold).
 */
#ifndef UBTRFS_CLI_INTERRUPT_H
#define UBTRFS_CLI_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

struct interrupt {
	_Atomic bool asked, stopping, held;
	pthread_t waiter;
	sigset_t signals, old_mask;
	void (*last_resort)(void *ctx);
	void *ctx;
};

/* Before any other thread is started: threads inherit the mask. */
int interrupt_start(struct interrupt *interrupt, void (*last_resort)(void *ctx),
		    void *ctx) must_check;
bool interrupt_asked(const struct interrupt *interrupt);
/* From here on the work is completed whatever comes. */
void interrupt_hold(struct interrupt *interrupt);
/* The signals stay blocked when one came: the process is about to end. */
void interrupt_stop(struct interrupt *interrupt);

#endif
