/*
 * One entry of a directory as the source has it: its inode, symlink target, xattrs, holes; and the
 * batches that entries live in.
 *
 * An entry is filled here and nowhere else; when something of it cannot be read it is not in the
 * batch. Takes no lock.
 */
#include <fcntl.h>
#include <linux/stat.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/copy_in.h"
#include "transfer/scan.h"

#define SCAN_STATX_FLAGS (AT_NO_AUTOMOUNT | AT_EMPTY_PATH)
/* The system allocates what it is offered: a large buffer is slow. */
#define SCAN_VALUE_USUAL_BYTES 2048
#define SCAN_ENTRY_BYTES (sizeof(struct scan_entry))

int scan_batch_new(struct import *import, struct scan_dir *dir, size_t nr_entries,
		   struct scan_batch **ret_batch)
{
	struct scan_batch *batch = mem_alloc(sizeof(*batch) + nr_entries * SCAN_ENTRY_BYTES);

	if (!batch)
		return MEM_FAIL("entries of a directory");
	memset(batch, 0, sizeof(*batch));
	ref_init(&batch->ref, "scan_batch", import);
	ref_get_first(&batch->ref, &batch->handle);
	batch->import = import;
	import_get(import, &batch->import_handle);
	batch->dir = dir;
	if (dir)
		ref_get(&dir->ref, &batch->dir_handle);
	arena_init(&batch->arena);
	batch->bytes = sizeof(*batch) + nr_entries * SCAN_ENTRY_BYTES;
	*ret_batch = batch;
	return 0;
}

void scan_batch_get(struct scan_batch *batch, struct ref_handle *ret_handle)
{
	ref_get(&batch->ref, ret_handle);
}

void scan_batch_put(struct scan_batch *batch, struct ref_handle *handle)
{
	if (!ref_put(&batch->ref, handle))
		return;
	for (size_t i = 0; i < batch->nr_entries; i++) {
		if (batch->entries[i].dir)
			scan_dir_put(batch->entries[i].dir, &batch->entries[i].dir_handle);
	}
	if (batch->dir)
		scan_dir_put(batch->dir, &batch->dir_handle);
	arena_fini(&batch->arena);
	import_put(batch->import, &batch->import_handle);
	mem_free(batch);
}

void scan_dir_put(struct scan_dir *dir, struct ref_handle *handle)
{
	if (!ref_put(&dir->ref, handle))
		return;
	if (dir->fd >= 0) {
		close(dir->fd);
		atomic_fetch_sub(&dir->import->nr_kept_dirs, 1);
	}
	if (dir->up)
		scan_dir_put(dir->up, &dir->up_handle);
	mem_free(dir);
}

/* Directories nest this deep at most: an image may hold one inside itself. */
#define SCAN_DEPTH_MAX 4096u

/* Where symlinks are followed a directory may be found below itself. */
static int scan_check_circle(const struct scan_at *at, const struct scan_entry *entry)
{
	unsigned depth = entry->batch->dir ? entry->batch->dir->depth : 0;

	if (at->import->source_fs && depth >= SCAN_DEPTH_MAX)
		return THROW(ERR_LIMIT, "%s/%s: directories are nested deeper than %u",
			     at->import->root_path, entry->path, SCAN_DEPTH_MAX);
	if (!at->follow)
		return 0;
	for (const struct scan_dir *up = entry->batch->dir; up; up = up->up)
		if (up->dev == entry->dev && up->ino == entry->ino)
			return THROW_SYS(ELOOP, "%s/%s leads back to a directory that it is in",
					 at->import->root_path, entry->path);
	return 0;
}

static int scan_dir_new(const struct scan_at *at, struct scan_entry *entry)
{
	size_t path_len = strlen(entry->path);
	struct scan_dir *dir;

	TRY(scan_check_circle(at, entry));
	dir = mem_zalloc(sizeof(*dir) + path_len + 1);
	if (!dir)
		return MEM_FAIL("a directory");
	ref_init(&dir->ref, "scan_dir", entry->batch->import);
	ref_get_first(&dir->ref, &entry->dir_handle);
	dir->import = entry->batch->import;
	dir->fd = -1;
	dir->meta = entry->meta;
	dir->dev = entry->dev;
	dir->ino = entry->ino;
	dir->source_node = entry->source_node;
	dir->depth = entry->batch->dir ? entry->batch->dir->depth + 1 : 0;
	if (at->follow && entry->batch->dir) {
		dir->up = entry->batch->dir;
		ref_get(&dir->up->ref, &dir->up_handle);
	}
	dir->is_top = path_len == 0;
	dir->path_len = path_len;
	memcpy(dir->path, entry->path, path_len + 1);
	entry->dir = dir;
	return 0;
}

static struct ubtrfs_time time_of(const struct statx_timestamp *time)
{
	return (struct ubtrfs_time){ .sec = time->tv_sec, .nsec = time->tv_nsec };
}

/* "a/b" is told as "<root>/a/b". */
static int scan_vanished(struct scan_at *at, const struct scan_entry *entry)
{
	TRY(import_warn(at->import, "%s/%s vanished while it was read", at->import->root_path,
			entry->path));
	return 1;
}

static int scan_failed(struct scan_at *at, const struct scan_entry *entry, int saved_errno,
		       const char *what)
{
	if (saved_errno == ENOENT || saved_errno == ESTALE)
		return scan_vanished(at, entry);
	return THROW_SYS(saved_errno, "cannot read %s of %s/%s", what, at->import->root_path,
			 entry->path);
}

static int scan_entry_path(struct scan_batch *batch, struct scan_entry *entry, const char *name,
			   size_t name_len)
{
	size_t dir_len = batch->dir && batch->dir->path_len ? batch->dir->path_len + 1 : 0;
	char *path = arena_alloc(&batch->arena, dir_len + name_len + 1);

	if (!path)
		return MEM_FAIL("a path");
	if (dir_len) {
		memcpy(path, batch->dir->path, dir_len - 1);
		path[dir_len - 1] = '/';
	}
	memcpy(path + dir_len, name, name_len);
	path[dir_len + name_len] = '\0';
	entry->path = path;
	entry->name = path + dir_len;
	entry->name_len = name_len;
	return 0;
}

/* A symlink that is to be followed and leads nowhere is an error, as in cp. */
static int scan_no_inode(struct scan_at *at, const struct scan_entry *entry, int saved_errno)
{
	struct stat st;

	if (at->follow && saved_errno == ENOENT &&
	    fstatat(at->dir_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return THROW_SYS(ENOENT, "%s/%s is a symlink that leads nowhere",
				 at->import->root_path, entry->path);
	return scan_failed(at, entry, saved_errno, "the inode");
}

static int scan_inode(struct scan_at *at, struct scan_entry *entry, uint64_t *ret_allocated)
{
	struct statx stx;

	int flags = SCAN_STATX_FLAGS | (at->follow ? 0 : AT_SYMLINK_NOFOLLOW);

	if (statx(at->dir_fd, entry->name, flags, STATX_BASIC_STATS, &stx))
		return scan_no_inode(at, entry, errno);
	entry->meta.mode = stx.stx_mode;
	entry->meta.uid = stx.stx_uid;
	entry->meta.gid = stx.stx_gid;
	if (S_ISCHR(stx.stx_mode) || S_ISBLK(stx.stx_mode))
		entry->meta.rdev = makedev(stx.stx_rdev_major, stx.stx_rdev_minor);
	entry->meta.atime = time_of(&stx.stx_atime);
	entry->meta.mtime = time_of(&stx.stx_mtime);
	entry->meta.ctime = time_of(&stx.stx_ctime);
	entry->meta.otime = entry->meta.ctime;
	entry->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	entry->ino = stx.stx_ino;
	entry->size = stx.stx_size;
	entry->nlink = stx.stx_nlink;
	*ret_allocated = stx.stx_blocks * 512;
	return 0;
}

static int scan_symlink(struct scan_at *at, struct scan_entry *entry)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(at->dir_fd, entry->name, target, sizeof(target));

	if (len < 0 && errno == EINVAL)
		return scan_vanished(at, entry);
	if (len < 0)
		return scan_failed(at, entry, errno, "the symlink");
	if (len == 0 || len == sizeof(target))
		return THROW(ERR_LIMIT, "the target of symlink %s/%s is too long",
			     at->import->root_path, entry->path);
	entry->target = arena_dup(&entry->batch->arena, target, len);
	entry->target_len = len;
	return entry->target ? 0 : MEM_FAIL("a symlink");
}

/*
 * The path for the xattr calls, which take no directory: the bare name where the scanner may set
 * the working directory, which is also the fastest; otherwise the whole path, or the descriptor's
 * when that is too long.
 */
static const char *scan_access_path(struct scan_at *at, const struct scan_entry *entry)
{
	int len;

	if (at->own_cwd)
		return *entry->name ? entry->name : ".";
	len = snprintf(at->access_path, PATH_MAX, "%s/%s", at->import->root_path, entry->path);
	if (len >= PATH_MAX)
		snprintf(at->access_path, PATH_MAX, "/proc/self/fd/%d/%s", at->dir_fd, entry->name);
	return at->access_path;
}

static ssize_t get_xattr(struct scan_at *at, const char *path, const char *name, size_t capacity)
{
	return at->follow ? getxattr(path, name, at->value, capacity) :
			    lgetxattr(path, name, at->value, capacity);
}

static ssize_t list_xattrs(struct scan_at *at, const char *path, char *list, size_t capacity)
{
	return at->follow ? listxattr(path, list, capacity) : llistxattr(path, list, capacity);
}

static int scan_xattr(struct scan_at *at, struct scan_entry *entry, const char *access_path,
		      const char *name, struct import_xattr *xattr)
{
	struct arena *arena = &entry->batch->arena;
	ssize_t len = get_xattr(at, access_path, name, SCAN_VALUE_USUAL_BYTES);

	if (len < 0 && errno == ERANGE)
		len = get_xattr(at, access_path, name, SCAN_VALUE_BYTES);
	if (len < 0 && errno == ENODATA)
		return 1;
	if (len < 0)
		return scan_failed(at, entry, errno, name);
	xattr->name = arena_dup(arena, name, strlen(name) + 1);
	xattr->value = arena_dup(arena, at->value, len);
	xattr->len = len;
	return xattr->name && xattr->value ? 0 : MEM_FAIL("an xattr");
}

static int xattr_name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * The names in a list as the system gives it, sorted: its order is the source filesystem's affair.
 */
static int scan_xattr_names(struct scan_at *at, struct scan_entry *entry, const char *list,
			    size_t list_len, const char ***ret_names, size_t *ret_nr)
{
	struct arena *arena = &entry->batch->arena;
	const char **names;
	size_t nr = 0;

	for (size_t i = 0; i < list_len; i += strlen(list + i) + 1)
		nr++;
	names = arena_alloc(arena, nr * sizeof(*names));
	if (!names)
		return MEM_FAIL("names of xattrs");
	nr = 0;
	for (size_t i = 0; i < list_len; i += strlen(list + i) + 1) {
		if (import_xattr_is_known(list + i)) {
			names[nr++] = list + i;
		} else if (!at->told_xattr) {
			at->told_xattr = true;
			TRY(import_warn(
				at->import,
				"%s/%s: btrfs cannot hold xattr %s; it and its like are left out",
				at->import->root_path, entry->path, list + i));
		}
	}
	qsort(names, nr, sizeof(*names), xattr_name_compare);
	*ret_names = names;
	*ret_nr = nr;
	return 0;
}

static int scan_xattrs(struct scan_at *at, struct scan_entry *entry)
{
	struct arena *arena = &entry->batch->arena;
	const char *access_path, *list;
	const char **names;
	struct import_xattr *xattrs;
	ssize_t list_len;
	size_t nr;
	int ret;

	if (at->no_xattr_dev && at->no_xattr_dev == entry->dev)
		return 0;
	access_path = scan_access_path(at, entry);
	/* Asking for the length alone spares the system a buffer; nearly always the answer is 0. */
	list_len = list_xattrs(at, access_path, NULL, 0);
	if (list_len > 0)
		list_len = list_xattrs(at, access_path, at->value, SCAN_VALUE_BYTES);
	if (list_len < 0 && errno == ENOTSUP) {
		at->no_xattr_dev = entry->dev;
		return 0;
	}
	if (list_len < 0)
		return scan_failed(at, entry, errno, "the xattrs");
	if (list_len == 0)
		return 0;
	list = arena_dup(arena, at->value, list_len);
	if (!list)
		return MEM_FAIL("names of xattrs");
	TRY(scan_xattr_names(at, entry, list, list_len, &names, &nr));
	xattrs = arena_alloc(arena, nr * sizeof(*xattrs));
	if (!xattrs)
		return MEM_FAIL("xattrs");
	entry->xattrs = xattrs;
	for (size_t i = 0; i < nr; i++) {
		ret = scan_xattr(at, entry, access_path, names[i], &xattrs[entry->nr_xattrs]);
		TRY(ret);
		if (ret == 0)
			entry->nr_xattrs++;
	}
	return 0;
}

/* The array doubles; the arena keeps the old ones. */
int scan_range_add(struct scan_entry *entry, struct scan_range_list *list, uint64_t start,
		   uint64_t end)
{
	struct scan_range *ranges = list->ranges;
	size_t nr = entry->nr_ranges;

	if (nr && ranges[nr - 1].start + ranges[nr - 1].len >= start) {
		ranges[nr - 1].len = end - ranges[nr - 1].start;
		return 0;
	}
	if (nr == list->capacity) {
		list->capacity = nr ? nr * 2 : 16;
		ranges = arena_alloc(&entry->batch->arena, list->capacity * sizeof(*ranges));
		if (!ranges)
			return MEM_FAIL("the holes of a file");
		if (nr)
			memcpy(ranges, list->ranges, nr * sizeof(*ranges));
		list->ranges = ranges;
	}
	ranges[nr].start = start;
	ranges[nr].len = end - start;
	entry->nr_ranges++;
	return 0;
}

static int scan_ranges(struct scan_at *at, struct scan_entry *entry, int fd)
{
	struct scan_range_list list = { .ranges = NULL };
	uint64_t sector = at->import->sectorsize;
	uint64_t data_end = 0;
	off_t start, end = 0;

	while ((uint64_t)end < entry->size) {
		start = lseek(fd, end, SEEK_DATA);
		if (start < 0 && errno == ENXIO)
			break;
		end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			return scan_failed(at, entry, errno, "the holes");
		if ((uint64_t)start >= entry->size)
			break;
		end = MIN(round_up(end, sector), entry->size);
		TRY(scan_range_add(entry, &list, round_down(start, sector), end));
		data_end = end;
	}
	/* Less than a sector is no hole: whether it is one in the source is up to the source's filesystem. */
	if (data_end < entry->size && entry->size - data_end < sector)
		TRY(scan_range_add(entry, &list, data_end, entry->size));
	entry->ranges = list.ranges;
	return 0;
}

static int scan_contents(struct scan_at *at, struct scan_entry *entry, uint64_t allocated)
{
	enum copy_sparse sparse = at->import->rules ? at->import->rules->sparse : COPY_SPARSE_AUTO;
	int fd, ret;

	if (sparse == COPY_SPARSE_NEVER ||
	    (allocated >= entry->size && sparse == COPY_SPARSE_AUTO)) {
		entry->whole = (struct scan_range){ .start = 0, .len = entry->size };
		entry->ranges = &entry->whole;
		entry->nr_ranges = entry->size ? 1 : 0;
		return 0;
	}
	fd = openat(at->dir_fd, entry->name,
		    O_RDONLY | (at->follow ? 0 : O_NOFOLLOW) | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return scan_failed(at, entry, errno, "the contents");
	ret = scan_ranges(at, entry, fd);
	if (ret == 0 && sparse == COPY_SPARSE_ALWAYS)
		ret = scan_sparse(at, entry, fd);
	close(fd);
	return ret;
}

/* 0, or 1 when it has vanished. */
static int scan_host_entry(struct scan_at *at, struct scan_entry *entry)
{
	uint64_t allocated;
	int ret = scan_inode(at, entry, &allocated);

	if (ret == 0 && S_ISLNK(entry->meta.mode))
		ret = scan_symlink(at, entry);
	else if (ret == 0 && S_ISREG(entry->meta.mode))
		ret = scan_contents(at, entry, allocated);
	return ret == 0 ? scan_xattrs(at, entry) : ret;
}

int scan_entry_add(struct scan_at *at, struct scan_batch *batch, const char *name, size_t name_len)
{
	struct scan_entry *entry = &batch->entries[batch->nr_entries];
	int ret;

	memset(entry, 0, sizeof(*entry));
	entry->batch = batch;
	atomic_init(&entry->fd, -1);
	TRY(scan_entry_path(batch, entry, name, name_len));
	ret = at->import->source_fs ? scan_image_entry(at, entry) : scan_host_entry(at, entry);
	if (!batch->dir)
		at->top_dev = entry->dev;
	if (ret == 0 && S_ISDIR(entry->meta.mode))
		ret = scan_dir_new(at, entry);
	if (ret == 0)
		batch->nr_entries++;
	return ret;
}
