/*
 * Signals of a session: SIGINT ends the command that runs, SIGTERM and SIGHUP end the session. They
 * are blocked in every thread, and one thread waits for them.
 *
 * A command that does not end soon after a signal that ends the session, or after the third SIGINT, is
 * left: the process ends with 130, and what was not committed is not there. Not so during a commit.
 */
#ifndef UBTRFS_CLI_SESSION_SIGNALS_H
#define UBTRFS_CLI_SESSION_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

struct session_signals;

/* interactive: somebody types: SIGINT is no reason to end the session. */
int session_signals_start(bool interactive, struct session_signals **ret_signals) must_check;
/* NULL is allowed. */
void session_signals_stop(struct session_signals *signals);
/* A command runs from here on; or no more. */
void session_signals_arm(struct session_signals *signals, bool running);
/* A commit is under way. */
void session_signals_hold(struct session_signals *signals, bool held);
/* Somebody else has the terminal: SIGINT is for him. */
void session_signals_lend(struct session_signals *signals, bool lent);
bool session_signals_asked(const struct session_signals *signals);
bool session_signals_terminated(const struct session_signals *signals);
/* What was blocked before. */
void session_signals_old(const struct session_signals *signals, sigset_t *ret_set);

#endif
