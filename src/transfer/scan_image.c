/*
 * One entry of a directory of another filesystem that is open: what scan_entry.c does for this
 * machine's, through the public API. Takes no lock; the API takes its own.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/copy_in.h"
#include "transfer/scan.h"

/* Numbers of devices of this machine do not reach so far. */
#define IMAGE_DEV(nr, subvolid) (1ull << 63 | (uint64_t)(nr) << 48 | (subvolid))

static int image_failed(struct scan_at *at, const struct scan_entry *entry, int ret)
{
	return import_fail(at->import, ret, "%s/%s", at->import->root_path, entry->path);
}

static int image_node(struct scan_at *at, struct scan_entry *entry)
{
	const struct import *import = at->import;
	struct ubtrfs_node dir;
	int ret;

	if (!entry->batch->dir) {
		entry->source_node = import->source_node;
		return 0;
	}
	dir = entry->batch->dir->source_node;
	ret = at->follow ? ubtrfs_resolve(import->source_fs, dir, entry->name, true,
					  &entry->source_node) :
			   ubtrfs_lookup(import->source_fs, dir, entry->name, entry->name_len,
					 &entry->source_node);
	return ret < 0 ? image_failed(at, entry, ret) : 0;
}

static int image_inode(struct scan_at *at, struct scan_entry *entry)
{
	struct ubtrfs_attr attr;
	int ret = ubtrfs_getattr(at->import->source_fs, entry->source_node, &attr);

	if (ret < 0)
		return image_failed(at, entry, ret);
	entry->meta = (struct import_meta){ .mode = attr.mode,
					    .uid = attr.uid,
					    .gid = attr.gid,
					    .rdev = attr.rdev,
					    .atime = attr.atime,
					    .mtime = attr.mtime,
					    .ctime = attr.ctime,
					    .otime = attr.otime };
	entry->dev = IMAGE_DEV(at->import->source_nr, entry->source_node.subvolid);
	entry->ino = entry->source_node.ino;
	entry->size = attr.size;
	entry->nlink = attr.nlink;
	return 0;
}

static int image_symlink(struct scan_at *at, struct scan_entry *entry)
{
	char target[PATH_MAX];
	int ret = ubtrfs_readlink(at->import->source_fs, entry->source_node, target, sizeof(target),
				  &entry->target_len);

	if (ret < 0)
		return image_failed(at, entry, ret);
	entry->target = arena_dup(&entry->batch->arena, target, entry->target_len);
	return entry->target ? 0 : MEM_FAIL("a symlink");
}

static int image_ranges(struct scan_at *at, struct scan_entry *entry)
{
	struct scan_range_list list = { .ranges = NULL };
	uint64_t sector = at->import->sectorsize;
	uint64_t start, end = 0;
	int ret;

	while (end < entry->size) {
		uint64_t from = end;

		ret = ubtrfs_seek_data(at->import->source_fs, entry->source_node, from, &start,
				       &end);
		if (ret == -ENXIO || (ret == 0 && start >= entry->size))
			break;
		if (ret < 0)
			return image_failed(at, entry, ret);
		end = MIN(round_up(end, sector), entry->size);
		if (end <= from)
			return THROW(ERR_CORRUPT, "%s/%s: a range of data ends before it begins",
				     at->import->root_path, entry->path);
		TRY(scan_range_add(entry, &list, round_down(start, sector), end));
	}
	entry->ranges = list.ranges;
	return 0;
}

static int image_contents(struct scan_at *at, struct scan_entry *entry)
{
	enum copy_sparse sparse = at->import->rules->sparse;

	if (sparse == COPY_SPARSE_NEVER) {
		entry->whole = (struct scan_range){ .start = 0, .len = entry->size };
		entry->ranges = &entry->whole;
		entry->nr_ranges = entry->size ? 1 : 0;
		return 0;
	}
	TRY(image_ranges(at, entry));
	return sparse == COPY_SPARSE_ALWAYS ? scan_sparse(at, entry, -1) : 0;
}

/* Extended attributes while they are gathered. */
struct image_xattrs {
	struct scan_at *at;
	struct scan_entry *entry;
	struct import_xattr *xattrs;
	size_t capacity;
	int ret; /* the first failure */
};

static int image_xattr_room(struct image_xattrs *self)
{
	struct arena *arena = &self->entry->batch->arena;
	size_t nr = self->entry->nr_xattrs;
	struct import_xattr *xattrs;

	if (nr < self->capacity)
		return 0;
	self->capacity = nr ? nr * 2 : 8;
	xattrs = arena_alloc(arena, self->capacity * sizeof(*xattrs));
	if (!xattrs)
		return MEM_FAIL("xattrs");
	if (nr)
		memcpy(xattrs, self->xattrs, nr * sizeof(*xattrs));
	self->xattrs = xattrs;
	return 0;
}

static int image_xattr_add(struct image_xattrs *self, const char *name, size_t name_len,
			   const void *value, size_t len)
{
	struct arena *arena = &self->entry->batch->arena;
	char *name_copy = arena_alloc(arena, name_len + 1);
	void *value_copy = arena_dup(arena, value, len);

	if (!name_copy || !value_copy)
		return MEM_FAIL("an xattr");
	memcpy(name_copy, name, name_len);
	name_copy[name_len] = '\0';
	if (!import_xattr_is_known(name_copy))
		return 0;
	TRY(image_xattr_room(self));
	self->xattrs[self->entry->nr_xattrs++] =
		(struct import_xattr){ .name = name_copy, .value = value_copy, .len = len };
	return 0;
}

static int image_xattr_visit(void *ctx, const char *name, size_t name_len, const void *value,
			     size_t len)
{
	struct image_xattrs *self = ctx;

	self->ret = image_xattr_add(self, name, name_len, value, len);
	/* The library would take our codes for its own: any other number stops it. */
	return self->ret < 0 ? 1 : 0;
}

static int image_xattrs(struct scan_at *at, struct scan_entry *entry)
{
	struct image_xattrs self = { .at = at, .entry = entry };
	int ret = ubtrfs_listxattr(at->import->source_fs, entry->source_node, image_xattr_visit,
				   &self);

	TRY(self.ret);
	if (ret < 0)
		return image_failed(at, entry, ret);
	entry->xattrs = self.xattrs;
	return 0;
}

int scan_image_entry(struct scan_at *at, struct scan_entry *entry)
{
	TRY(image_node(at, entry));
	TRY(image_inode(at, entry));
	if (S_ISLNK(entry->meta.mode))
		TRY(image_symlink(at, entry));
	else if (S_ISREG(entry->meta.mode))
		TRY(image_contents(at, entry));
	return image_xattrs(at, entry);
}
