/*
 * SIGINT, SIGTERM and SIGHUP to a mount: the first one unmounts, as umount(8) would, and whoever has
 * files open may go on with them until he closes them; the second one does not wait for that.
 *
 * The signals are blocked in every thread and one thread waits for them.
 */
#ifndef UBTRFS_FUSE_MOUNT_SIGNALS_H
#define UBTRFS_FUSE_MOUNT_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

struct fuse_session;

/* Interrupts a thread that reads requests, and does nothing else. */
#define MOUNT_SIGNAL_WAKE SIGUSR2

struct loop;
struct mount_point;

struct mount_signals {
	pthread_t waiter;
	struct loop *loop;
	struct fuse_session *session;
	const struct mount_point *point;
	_Atomic bool stopping;
};

/* Before any thread is started: they inherit it. */
void mount_signals_block(void);
/* All are borrowed until it is stopped. */
int mount_signals_start(struct mount_signals *signals, struct fuse_session *session,
			struct loop *loop, const struct mount_point *point) must_check;
void mount_signals_stop(struct mount_signals *signals);

#endif
