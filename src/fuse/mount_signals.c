/*
 * Signals to a mount.
 *
 * States: waiting -> leaving (one came) -> ended (a second one), or stopping at any time.
 */
#include "fuse/mount_signals.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "fuse/fuse_priv.h"

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

/* As a user only the helper with set-user-ID may unmount. */
static void unmount_by_helper(const char *mountpoint)
{
	char *argv[] = { (char[]){ "fusermount3" },
			 (char[]){ "-u" },
			 (char[]){ "-q" },
			 (char[]){ "-z" },
			 (char[]){ "--" },
			 (char *)mountpoint,
			 NULL };
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t child;
	int err, status = 0;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	err = posix_spawnp(&child, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (err == 0 && waitpid(child, &status, 0) < 0)
		err = errno;
	if (err)
		log_error("%s cannot be unmounted: %s", mountpoint, strerror(err));
	else if (!WIFEXITED(status) || WEXITSTATUS(status))
		log_error("%s cannot be unmounted: fusermount3 failed", mountpoint);
}

/* What the kernel knows of the mount point, without asking those who serve it. */
static bool mountpoint_look(const char *mountpoint, struct statx *ret_st)
{
	int flags = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW;

	return statx(AT_FDCWD, mountpoint, flags, 0, ret_st) == 0;
}

/* Takes the mount point away for those who come, unless it is another mount's by now. */
static void mountpoint_leave(const struct mount_signals *signals)
{
	struct statx st;

	if (signals->has_dev && mountpoint_look(signals->mountpoint, &st) &&
	    (st.stx_dev_major != signals->dev_major || st.stx_dev_minor != signals->dev_minor))
		return;
	if (umount2(signals->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno == EPERM)
		unmount_by_helper(signals->mountpoint);
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
	log_info("%s: signal %d, unmounting", signals->mountpoint, signal_nr);
	mountpoint_leave(signals);
	sigwait(&set, &signal_nr);
	if (atomic_load(&signals->stopping))
		return NULL;
	log_warn("%s: a second signal, what is open is not waited for", signals->mountpoint);
	fuse_session_exit(signals->session);
	/* Who is about to read when the signal comes does not notice: until all has ended. */
	while (!atomic_load(&signals->stopping)) {
		loop_interrupt(signals->loop);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int mount_signals_start(struct mount_signals *signals, struct fuse_session *session,
			struct loop *loop, const char *mountpoint)
{
	struct sigaction action = { .sa_handler = wake };
	struct statx st;
	int err;

	*signals = (struct mount_signals){ .loop = loop,
					   .session = session,
					   .mountpoint = mountpoint };
	signals->has_dev = mountpoint_look(mountpoint, &st);
	if (signals->has_dev) {
		signals->dev_major = st.stx_dev_major;
		signals->dev_minor = st.stx_dev_minor;
	}
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
