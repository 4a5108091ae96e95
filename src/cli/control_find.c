/*
 * Which socket is the control channel of the mount that a path lies in, and whether it is believed.
 *
 * Who has mounted is the kernel's word (user_id= in /proc/self/mountinfo). The socket stands in a
 * directory that is this user's and that nobody else can write to, and at its other end is this user.
 * So nobody can answer for somebody else's mount, whatever he puts into a place that is looked at; root
 * does not believe him either, and is not led by a link of his to a mount of root's own. Keeps nothing.
 */
#include "cli/control_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "fuse/control.h"

/* Of the table of mounts; more is not looked at. */
#define MOUNTS_MAX 100000u

/* ---- who has mounted ---- */

/* "36 35 0:32 / /mnt rw,noatime shared:1 - fuse.ubtrfs SOURCE rw,user_id=0,..."; no blanks in names. */
static bool line_is_ours(const char *line, dev_t dev, uid_t *ret_uid)
{
	static const char type[] = " - fuse.ubtrfs ", key[] = ",user_id=";
	const char *rest = strstr(line, type), *options;
	unsigned dev_major, dev_minor;

	if (!rest || sscanf(line, "%*u %*u %u:%u", &dev_major, &dev_minor) != 2 ||
	    dev_major != major(dev) || dev_minor != minor(dev))
		return false;
	options = strchr(rest + sizeof(type) - 1, ' ');
	options = options ? strstr(options, key) : NULL;
	if (!options)
		return false;
	*ret_uid = (uid_t)strtoul(options + sizeof(key) - 1, NULL, 10);
	return true;
}

static int find_mounter(dev_t dev, bool *ret_found, uid_t *ret_uid)
{
	static const char table[] = "/proc/self/mountinfo";
	FILE *mounts = fopen(table, "re");
	size_t capacity = 0;
	bool found = false;
	char *line = NULL;

	if (!mounts)
		return THROW_SYS(errno, "%s", table);
	for (unsigned i = 0; !found && i < MOUNTS_MAX && getline(&line, &capacity, mounts) >= 0;
	     i++)
		found = line_is_ours(line, dev, ret_uid);
	fclose(mounts);
	free(line); /* tidy: libc free */
	*ret_found = found;
	return 0;
}

/* What the path is instead. */
static int no_mount_of_ours(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC)
		return THROW(ERR_NOT_FOUND, "%s is mounted by the kernel: ask btrfs(8)", path);
	return THROW(ERR_NOT_FOUND, "%s is neither an image nor a mount of ubtrfs", path);
}

/* ---- the socket ---- */

/* Only there can nobody else have put a socket. */
static bool dir_is_of(const char *dir, uid_t uid)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid &&
	       !(st.st_mode & 0022);
}

static int check_peer(const char *socket_path, int fd, uid_t uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return THROW_SYS(errno, "%s", socket_path);
	if (peer.uid != uid)
		return THROW(ERR_MOUNT, "%s is answered by user %u, the mount is user %u's",
			     socket_path, peer.uid, uid);
	return 0;
}

static int connect_to(const char *socket_path, uid_t uid, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return THROW_SYS(errno, "%s", socket_path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err = THROW_SYS(errno, "%s", socket_path);
	else
		err = check_peer(socket_path, fd, uid);
	if (err < 0) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* Asked for nothing but that, a filesystem tells it also to those whom it does not let in. */
static int find_dev(const char *path, dev_t *ret_dev)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, 0, &st) < 0)
		return THROW_SYS(errno, "%s", path);
	*ret_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int control_find(const char *path, int *ret_fd)
{
	char dir[CONTROL_PATH_MAX], socket_path[CONTROL_PATH_MAX];
	int err = -ENOENT;
	bool found;
	dev_t dev;
	uid_t uid;

	TRY(find_dev(path, &dev));
	TRY(find_mounter(dev, &found, &uid));
	if (!found)
		return no_mount_of_ours(path);
	if (geteuid() != 0 && geteuid() != uid)
		return THROW_SYS(EACCES, "%s: its control channel is its owner's", path);
	for (unsigned n = 0; err < 0 && control_dir(uid, n, dir); n++) {
		if (!dir[0] || !dir_is_of(dir, uid) ||
		    control_socket_path(dir, dev, socket_path) < 0)
			continue;
		err = connect_to(socket_path, uid, ret_fd);
		/* What is there and is not believed is said; it may be tried no other way. */
		if (err < 0 && err != -ENOENT)
			return THROW(ERR_MOUNT, "%s: no control channel: %s", path,
				     err_last_text());
	}
	return err == -ENOENT ? THROW(ERR_MOUNT, "%s: its mount has no control channel", path) :
				err;
}
