/*
 * The place where we are mounted.
 *
 * Keeps the device number of our mount, because a path is not enough: umount -l frees the place
 * while files are open, and somebody else may mount there before we end. No locks: written once,
 * before there are threads.
 */
#include "fuse/mount_point.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* What the kernel knows of the place, without asking those who serve it. */
static bool look(const char *path, struct statx *ret_st)
{
	int flags = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW;

	return statx(AT_FDCWD, path, flags, 0, ret_st) == 0;
}

void mount_point_note(struct mount_point *point, const char *path)
{
	struct statx st;

	*point = (struct mount_point){ .path = path, .has_dev = look(path, &st) };
	if (point->has_dev) {
		point->dev_major = st.stx_dev_major;
		point->dev_minor = st.stx_dev_minor;
	}
}

bool mount_point_is_ours(const struct mount_point *point)
{
	struct statx st;

	return point->path &&
	       (!point->has_dev || !look(point->path, &st) ||
		(st.stx_dev_major == point->dev_major && st.stx_dev_minor == point->dev_minor));
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

void mount_point_leave(const struct mount_point *point)
{
	if (!mount_point_is_ours(point)) {
		log_warn("%s: what is mounted there is not this any more", point->path);
		return;
	}
	if (umount2(point->path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno == EPERM)
		unmount_by_helper(point->path);
}
