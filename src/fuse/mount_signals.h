/*
 * SIGINT, SIGTERM and SIGHUP to a mount: the first one unmounts, as umount(8) would, and whoever has
 * files open may go on with them until he closes them; the second one does not wait for that.
 *
 * The signals are blocked in every thread and one thread waits for them.
 */
#ifndef UBTRFS_FUSE_MOUNT_SIGNALS_H
#define UBTRFS_FUSE_MOUNT_SIGNALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

struct fuse_session;

struct mount_signals {
	pthread_t waiter, loop; /* loop: the thread that waits for the end of the session */
	struct fuse_session *session;
	const char *mountpoint;
	_Atomic bool stopping;
};

/* Before any thread is started: they inherit it. */
void mount_signals_block(void);
/* By the thread that will wait for the session. Session and mountpoint are borrowed. */
int mount_signals_start(struct mount_signals *signals, struct fuse_session *session,
			const char *mountpoint) must_check;
void mount_signals_stop(struct mount_signals *signals);
/* Takes the mount point away, for those who come. Tells in the log what goes wrong. */
void mountpoint_leave(const char *mountpoint);

#endif
