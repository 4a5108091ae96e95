/*
 * The attributes that cp -a keeps, from a filesystem that is open: see file_attr.h.
 */
#include <fcntl.h>

#include "cli/copy_out_priv.h"
#include "cli/file_attr.h"

struct copied {
	struct copy_out *copy;
	const struct copy_place *place;
	const struct ubtrfs_attr *attr;
};

static int told(void *ctx, const char *what)
{
	const struct copied *copied = ctx;

	return copy_told(copied->copy, copied->place, what);
}

static int xattrs(void *ctx, xattr_visit_fn visit, void *visit_ctx)
{
	const struct copied *copied = ctx;

	if (ubtrfs_listxattr(copied->copy->fs, copied->attr->node, visit, visit_ctx) == 0)
		return 0;
	copy_failed(copied->copy, copied->place);
	return -1;
}

int copy_attrs(struct copy_out *copy, const struct ubtrfs_attr *attr,
	       const struct copy_place *place, int fd)
{
	struct copied copied = { .copy = copy, .place = place, .attr = attr };
	const struct file_target target = { .dir_fd = place_dir_fd(place),
					    .name = place->name,
					    .fd = fd,
					    .is_root = copy->is_root,
					    .nr_xattrs_lost = &copy->nr_xattrs_lost,
					    .told = told,
					    .xattrs = attr->no_xattrs ? NULL : xattrs,
					    .ctx = &copied };

	return file_attrs_set(&target, attr);
}
