/*
 * The attributes that cp -a keeps: owner, mode, xattrs, times, in this order, since a change of
 * owner takes away set-id bits and security.capability, and everything takes away times.
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
#include "cli/copy_out.h"

struct place {
	struct copy_out *copy;
	int dir_fd;
	const char *name;
	int fd;
};

static int told(const struct place *place, const char *what)
{
	return cli_error("%s: cannot set %s: %s", strbuf_text(&place->copy->path), what,
			 strerror(errno));
}

/*
 * An ordinary user cannot give files away, as with cp -a; set-id bits must not pass to another
 * owner then.
 */
static int owner_set(const struct place *place, const struct ubtrfs_attr *attr, bool *ret_owned)
{
	struct stat st;
	int err = place->fd >= 0 ? fchown(place->fd, attr->uid, attr->gid) :
				   fchownat(place->dir_fd, place->name, attr->uid, attr->gid,
					    AT_SYMLINK_NOFOLLOW);

	*ret_owned = err == 0;
	if (err == 0)
		return 0;
	if (place->copy->is_root || errno != EPERM)
		return told(place, "the owner");
	err = place->fd >= 0 ? fstat(place->fd, &st) :
			       fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW);
	if (err < 0)
		return told(place, "the owner");
	*ret_owned = st.st_uid == attr->uid && st.st_gid == attr->gid;
	return 0;
}

static int mode_set(const struct place *place, const struct ubtrfs_attr *attr, bool owned)
{
	mode_t mode = attr->mode & (owned ? 07777u : 01777u);
	int err;

	if (S_ISLNK(attr->mode))
		return 0;
	err = place->fd >= 0 ? fchmod(place->fd, mode) :
			       fchmodat(place->dir_fd, place->name, mode, 0);
	return err < 0 ? told(place, "the mode") : 0;
}

static int xattr_set(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct place *place = ctx;
	char text[256], path[PATH_MAX];
	int err;

	if (name_len >= sizeof(text))
		return 0;
	memcpy(text, name, name_len);
	text[name_len] = '\0';
	if (place->fd >= 0) {
		err = fsetxattr(place->fd, text, value, len, 0);
	} else {
		/* There is no lsetxattrat; the link in /proc stands for the directory. */
		if (place->dir_fd == AT_FDCWD)
			snprintf(path, sizeof(path), "%s", place->name);
		else
			snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", place->dir_fd,
				 place->name);
		err = lsetxattr(path, text, value, len, 0);
	}
	/* btrfs.compression says how btrfs stores: nothing is lost where nothing is stored so. */
	if (err < 0 && errno == EOPNOTSUPP && strncmp(text, "btrfs.", 6) == 0)
		return 0;
	if (err < 0 && place->copy->nr_xattrs_lost++ == 0)
		cli_error("%s: cannot set xattr %s: %s", strbuf_text(&place->copy->path), text,
			  strerror(errno));
	return 0;
}

static int times_set(const struct place *place, const struct ubtrfs_attr *attr)
{
	const struct timespec times[2] = {
		{ .tv_sec = (time_t)attr->atime.sec, .tv_nsec = attr->atime.nsec },
		{ .tv_sec = (time_t)attr->mtime.sec, .tv_nsec = attr->mtime.nsec }
	};
	int err = place->fd >= 0 ?
			  futimens(place->fd, times) :
			  utimensat(place->dir_fd, place->name, times, AT_SYMLINK_NOFOLLOW);

	return err < 0 ? told(place, "the times") : 0;
}

int copy_attrs(struct copy_out *copy, const struct ubtrfs_attr *attr, int dir_fd, const char *name,
	       int fd)
{
	struct place place = { .copy = copy, .dir_fd = dir_fd, .name = name, .fd = fd };
	bool owned;
	int code = owner_set(&place, attr, &owned);

	code |= mode_set(&place, attr, owned);
	if (ubtrfs_listxattr(copy->fs, attr->node, xattr_set, &place) < 0)
		code |= cli_fail("%s", strbuf_text(&copy->path));
	return code | times_set(&place, attr);
}
