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
#include "cli/copy_out_priv.h"

struct attr_target {
	struct copy_out *copy;
	const struct copy_place *place;
	int fd;
};

static int told(const struct attr_target *target, const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), "set %s", what);
	return copy_told(target->copy, target->place, text);
}

/*
 * An ordinary user cannot give files away, as with cp -a; set-id bits must not pass to another
 * owner then.
 */
static int owner_set(const struct attr_target *target, const struct ubtrfs_attr *attr,
		     bool *ret_owned)
{
	struct stat st;
	int err = target->fd >= 0 ? fchown(target->fd, attr->uid, attr->gid) :
				    fchownat(place_dir_fd(target->place), target->place->name,
					     attr->uid, attr->gid, AT_SYMLINK_NOFOLLOW);

	*ret_owned = err == 0;
	if (err == 0)
		return 0;
	if (target->copy->is_root || errno != EPERM)
		return told(target, "the owner");
	err = target->fd >= 0 ? fstat(target->fd, &st) :
				fstatat(place_dir_fd(target->place), target->place->name, &st,
					AT_SYMLINK_NOFOLLOW);
	if (err < 0)
		return told(target, "the owner");
	*ret_owned = st.st_uid == attr->uid && st.st_gid == attr->gid;
	return 0;
}

static int mode_set(const struct attr_target *target, const struct ubtrfs_attr *attr, bool owned)
{
	mode_t mode = attr->mode & (owned ? 07777u : 01777u);
	int err;

	if (S_ISLNK(attr->mode))
		return 0;
	err = target->fd >= 0 ? fchmod(target->fd, mode) :
				fchmodat(place_dir_fd(target->place), target->place->name, mode, 0);
	return err < 0 ? told(target, "the mode") : 0;
}

static int xattr_set(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct attr_target *target = ctx;
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
		if (place_dir_fd(target->place) == AT_FDCWD)
			snprintf(path, sizeof(path), "%s", target->place->name);
		else
			snprintf(path, sizeof(path), "/proc/self/fd/%d/%s",
				 place_dir_fd(target->place), target->place->name);
		err = lsetxattr(path, text, value, len, 0);
	}
	/* btrfs.compression says how btrfs stores: nothing is lost where nothing is stored so. */
	if (err < 0 && errno == EOPNOTSUPP && strncmp(text, "btrfs.", 6) == 0)
		return 0;
	if (err < 0 && atomic_fetch_add(&target->copy->nr_xattrs_lost, 1) == 0) {
		char what[sizeof(text) + 16];

		snprintf(what, sizeof(what), "set xattr %s", text);
		(void)copy_told(target->copy, target->place, what);
	}
	return 0;
}

static int times_set(const struct attr_target *target, const struct ubtrfs_attr *attr)
{
	const struct timespec times[2] = {
		{ .tv_sec = (time_t)attr->atime.sec, .tv_nsec = attr->atime.nsec },
		{ .tv_sec = (time_t)attr->mtime.sec, .tv_nsec = attr->mtime.nsec }
	};
	int err = target->fd >= 0 ? futimens(target->fd, times) :
				    utimensat(place_dir_fd(target->place), target->place->name,
					      times, AT_SYMLINK_NOFOLLOW);

	return err < 0 ? told(target, "the times") : 0;
}

int copy_attrs(struct copy_out *copy, const struct ubtrfs_attr *attr,
	       const struct copy_place *place, int fd)
{
	struct attr_target target = { .copy = copy, .place = place, .fd = fd };
	bool owned;
	int code = owner_set(&target, attr, &owned);

	if (!attr->no_xattrs && ubtrfs_listxattr(copy->fs, attr->node, xattr_set, &target) < 0)
		code |= copy_failed(copy, place);
	code |= mode_set(&target, attr, owned);
	return code | times_set(&target, attr);
}
