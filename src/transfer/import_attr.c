/*
 * Attributes on their way into the filesystem: owner and time options, xattrs. Keeps no state,
 * takes no lock.
 */
#include <errno.h>
#include <string.h>

#include "transfer/transfer_priv.h"

static bool time_is_later(struct ubtrfs_time a, struct ubtrfs_time b)
{
	return a.sec != b.sec ? a.sec > b.sec : a.nsec > b.nsec;
}

static struct ubtrfs_time import_clamp(const struct import *import, struct ubtrfs_time time)
{
	const struct import_options *options = &import->options;

	if (options->clamp_mtime && time_is_later(time, options->timestamp))
		return options->timestamp;
	return time;
}

void import_attr_fill(const struct import *import, const struct import_meta *meta, bool is_top,
		      struct ubtrfs_attr *ret_attr)
{
	const struct import_options *options = &import->options;

	memset(ret_attr, 0, sizeof(*ret_attr));
	ret_attr->mode = meta->mode;
	ret_attr->uid = options->has_owner ? options->owner_uid : meta->uid;
	ret_attr->gid = options->has_owner ? options->owner_gid : meta->gid;
	if (is_top && options->has_root_owner) {
		ret_attr->uid = options->root_uid;
		ret_attr->gid = options->root_gid;
	}
	ret_attr->rdev = meta->rdev;
	ret_attr->mtime = import_clamp(import, meta->mtime);
	if (options->has_timestamp) {
		/*
		 * The other times change by mere reading and copying: a reproducible result must
		 * not know them.
		 */
		ret_attr->atime = ret_attr->mtime;
		ret_attr->ctime = ret_attr->mtime;
		ret_attr->otime = ret_attr->mtime;
	} else {
		ret_attr->atime = meta->atime;
		ret_attr->ctime = meta->ctime;
		ret_attr->otime = meta->otime;
	}
}

int import_check_flags(const struct import *import, const struct ubtrfs_attr *attr, bool is_add,
		       const char *name)
{
	/* What the import itself has made is still being made. */
	if (attr->generation > import->generation)
		return 0;
	if (attr->flags & BTRFS_INODE_IMMUTABLE)
		return THROW_SYS(EPERM, "%s is immutable", name);
	if (attr->flags & BTRFS_INODE_APPEND && !is_add)
		return THROW_SYS(EPERM, "%s may only be appended to", name);
	return 0;
}

bool import_xattr_is_known(const char *name)
{
	static const char *const spaces[] = { "user.", "security.", "trusted.", "btrfs." };

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		if (!strncmp(name, spaces[i], strlen(spaces[i])) && name[strlen(spaces[i])])
			return true;
	}
	return import_xattr_is_acl(name);
}

bool import_xattr_is_acl(const char *name)
{
	return !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

/* What the file that is there cannot have, or nobody: it is left out. */
static bool xattr_is_refused(const char *name, int ret)
{
	if (ret == -EPERM)
		return true;
	return (ret == -EINVAL || ret == -EACCES || ret == -EOPNOTSUPP) &&
	       (import_xattr_is_acl(name) || !strncmp(name, "btrfs.", strlen("btrfs.")));
}

int import_set_xattrs(struct import *import, struct ubtrfs_node node, const char *path,
		      const struct import_xattr *xattrs, size_t nr_xattrs)
{
	int ret;

	for (size_t i = 0; i < nr_xattrs; i++) {
		ret = ubtrfs_setxattr(import->fs, node, xattrs[i].name, xattrs[i].value,
				      xattrs[i].len);
		if (xattr_is_refused(xattrs[i].name, ret)) {
			TRY(import_warn(import, "%s: xattr %s is left out: %s", path,
					xattrs[i].name, ubtrfs_error_text()));
			continue;
		}
		if (ret < 0)
			return import_fail(import, ret, "%s: cannot set xattr %s", path,
					   xattrs[i].name);
		import->stats.xattrs++;
	}
	return 0;
}
