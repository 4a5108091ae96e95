/*
 * The attributes that cp -a keeps: owner, xattrs, mode, times, in this order. A change of owner takes
 * away set-id bits and security.capability, and everything takes away times. An ACL comes before the
 * mode: its mask looks like the permissions of the group, which must not have them for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/file_attr.h"

static int told(const struct file_target *target, const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), "set %s", what);
	return target->told(target->ctx, text);
}

/*
 * An ordinary user cannot give files away, as with cp -a; set-id bits must not pass to another
 * owner then.
 */
static int owner_set(const struct file_target *target, const struct ubtrfs_attr *attr,
		     bool *ret_owned)
{
	struct stat st;
	int err = target->fd >= 0 ? fchown(target->fd, attr->uid, attr->gid) :
				    fchownat(target->dir_fd, target->name, attr->uid, attr->gid,
					     AT_SYMLINK_NOFOLLOW);

	*ret_owned = err == 0;
	if (err == 0)
		return 0;
	if (target->is_root || errno != EPERM)
		return told(target, "the owner");
	err = target->fd >= 0 ? fstat(target->fd, &st) :
				fstatat(target->dir_fd, target->name, &st, AT_SYMLINK_NOFOLLOW);
	if (err < 0)
		return told(target, "the owner");
	*ret_owned = st.st_uid == attr->uid && st.st_gid == attr->gid;
	return 0;
}

static int mode_set(const struct file_target *target, const struct ubtrfs_attr *attr, bool owned)
{
	mode_t mode = attr->mode & (owned ? 07777u : 01777u);
	int err;

	if (S_ISLNK(attr->mode))
		return 0;
	err = target->fd >= 0 ? fchmod(target->fd, mode) :
				fchmodat(target->dir_fd, target->name, mode, 0);
	return err < 0 ? told(target, "the mode") : 0;
}

static int xattr_set(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	const struct file_target *target = ctx;
	char text[256], path[PATH_MAX];
	int err;

	if (name_len >= sizeof(text))
		return 0;
	memcpy(text, name, name_len);
	text[name_len] = '\0';
	if (target->fd >= 0) {
		err = fsetxattr(target->fd, text, value, len, 0);
	} else {
		/* There is no lsetxattrat; the link in /proc stands for the directory. */
		if (target->dir_fd == AT_FDCWD)
			snprintf(path, sizeof(path), "%s", target->name);
		else
			snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", target->dir_fd,
				 target->name);
		err = lsetxattr(path, text, value, len, 0);
	}
	/* btrfs.compression says how btrfs stores: nothing is lost where nothing is stored so. */
	if (err < 0 && errno == EOPNOTSUPP && strncmp(text, "btrfs.", 6) == 0)
		return 0;
	if (err < 0 && atomic_fetch_add(target->nr_xattrs_lost, 1) == 0) {
		char what[sizeof(text) + 16];

		snprintf(what, sizeof(what), "set xattr %s", text);
		(void)target->told(target->ctx, what);
	}
	return 0;
}

static int times_set(const struct file_target *target, const struct ubtrfs_attr *attr)
{
	const struct timespec times[2] = {
		{ .tv_sec = (time_t)attr->atime.sec, .tv_nsec = attr->atime.nsec },
		{ .tv_sec = (time_t)attr->mtime.sec, .tv_nsec = attr->mtime.nsec }
	};
	int err = target->fd >= 0 ?
			  futimens(target->fd, times) :
			  utimensat(target->dir_fd, target->name, times, AT_SYMLINK_NOFOLLOW);

	return err < 0 ? told(target, "the times") : 0;
}

int file_attrs_set(const struct file_target *target, const struct ubtrfs_attr *attr)
{
	bool owned;
	int code = owner_set(target, attr, &owned);

	/* The visitor only reads it. */
	if (target->xattrs && target->xattrs(target->ctx, xattr_set, (void *)(uintptr_t)target) < 0)
		code = 1;
	code |= mode_set(target, attr, owned);
	return code | times_set(target, attr);
}
