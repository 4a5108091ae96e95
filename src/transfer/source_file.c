/*
 * The contents of scanned files: opened when the library asks for them, compared with the scan,
 * zeros where the source fell short.
 *
 * Runs on the library's threads, several for one entry at a time. Shared per entry: fd (a file of
 * more than one piece stays open between reads; taken by compare and swap), nr_open_ranges (the
 * last release closes and lets go of the batch), warned (one warning per file). Takes import.lock
 * through import_warn only.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "transfer/copy_in.h"
#include "transfer/source_file.h"
#include "transfer/source_path.h"

/* At most this many files stay open between reads, whatever the library has in flight. */
#define KEPT_FDS_MAX 128

static int source_warn(struct scan_entry *entry, const char *what)
{
	struct import *import = entry->batch->import;

	if (atomic_exchange(&entry->warned, true))
		return 0;
	return import_warn(import, "%s/%s %s while it was read", import->root_path, entry->path,
			   what);
}

/* A descriptor or minus an errno. */
static int source_openat(const struct scan_entry *entry, int flags)
{
	const struct scan_dir *dir = entry->batch->dir;
	int fd;

	if (!dir || dir->fd < 0)
		return source_path_open(entry->batch->import->root_fd, entry->path, flags);
	fd = openat(dir->fd, entry->name, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* *ret_fd -1 when the file is not there any more. */
static int source_open(struct scan_entry *entry, int *ret_fd)
{
	struct import *import = entry->batch->import;
	bool follow = import->rules && (import->rules->follow == COPY_FOLLOW_ALWAYS ||
					(import->follow_top && !entry->batch->dir));
	int flags = O_RDONLY | (follow ? 0 : O_NOFOLLOW) | O_NONBLOCK;
	bool owned = import->euid == 0 || import->euid == entry->meta.uid;
	int fd = source_openat(entry, flags | (owned ? O_NOATIME : 0));

	if (fd == -EPERM && owned)
		fd = source_openat(entry, flags);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ESTALE) {
		TRY(source_warn(entry, "vanished"));
		fd = -1;
	} else if (fd == -ELOOP || fd == -ENXIO) {
		/* A symlink, a socket or a device by now. */
		TRY(source_warn(entry, "changed"));
		fd = -1;
	} else if (fd < 0) {
		return THROW_SYS(-fd, "cannot open %s/%s", import->root_path, entry->path);
	}
	*ret_fd = fd;
	return 0;
}

/* Leaves the descriptor for the next read when there will be one. */
static void source_keep_or_close(struct scan_entry *entry, int fd, size_t len)
{
	struct import *import = entry->batch->import;
	int none = -1;

	if (len < entry->size) {
		if (atomic_fetch_add(&import->nr_kept_fds, 1) < KEPT_FDS_MAX &&
		    atomic_compare_exchange_strong(&entry->fd, &none, fd))
			return;
		atomic_fetch_sub(&import->nr_kept_fds, 1);
	}
	close(fd);
}

/* *ret_len: what there was. */
static int source_pread(struct scan_entry *entry, int fd, uint64_t offset, void *data, size_t len,
			size_t *ret_len)
{
	struct import *import = entry->batch->import;
	size_t done = 0;
	ssize_t nr;

	while (done < len) {
		nr = pread(fd, (char *)data + done, len - done, offset + done);
		if (nr < 0 && errno == EINTR)
			continue;
		if (nr < 0 && (errno == EISDIR || errno == ESPIPE))
			nr = 0;
		if (nr < 0)
			return THROW_SYS(errno, "cannot read %s/%s", import->root_path,
					 entry->path);
		if (nr == 0)
			break;
		done += nr;
	}
	*ret_len = done;
	return 0;
}

/* Asked after the data was read: a change before or meanwhile shows. */
static int source_check(struct scan_entry *entry, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return THROW_SYS(errno, "cannot read the inode of %s/%s",
				 entry->batch->import->root_path, entry->path);
	if (st.st_ino == entry->ino && st.st_dev == entry->dev &&
	    (uint64_t)st.st_size == entry->size && st.st_mtim.tv_sec == entry->meta.mtime.sec &&
	    st.st_mtim.tv_nsec == entry->meta.mtime.nsec)
		return 0;
	return source_warn(entry, "changed");
}

static int source_read_piece(struct scan_entry *entry, uint64_t offset, void *data, size_t len)
{
	int fd = atomic_load(&entry->fd);
	bool is_kept = fd >= 0;
	size_t got = 0;
	int ret = 0;

	if (!is_kept)
		TRY(source_open(entry, &fd));
	if (fd >= 0) {
		ret = source_pread(entry, fd, offset, data, len, &got);
		if (ret >= 0)
			ret = source_check(entry, fd);
		if (ret >= 0 && got < len)
			ret = source_warn(entry, "changed");
		if (!is_kept)
			source_keep_or_close(entry, fd, len);
	}
	TRY(ret);
	memset((char *)data + got, 0, len - got);
	return 0;
}

/* Of another filesystem, which nobody changes meanwhile. */
static int source_read_node(struct scan_entry *entry, uint64_t offset, void *data, size_t len)
{
	struct import *import = entry->batch->import;
	size_t got;
	int ret = err_adopt(
		ubtrfs_read(import->source_fs, entry->source_node, offset, data, len, &got));

	if (ret < 0)
		return err_prefix(ret, "%s/%s", import->root_path, entry->path);
	memset((char *)data + got, 0, len - got);
	return 0;
}

/* What the library calls, for tests: ctx is the entry. */
static int source_file_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct scan_entry *entry = ctx;
	struct import *import = entry->batch->import;
	int ret;

	if (atomic_load_explicit(&import->closed, memory_order_relaxed))
		return -ECANCELED;
	ASSERT(offset + len <= entry->size);
	ret = import->source_fs ? source_read_node(entry, offset, data, len) :
				  source_read_piece(entry, offset, data, len);
	return ret < 0 ? import_reader_failed(import, ret) : 0;
}

/* For sharing: a descriptor of its own, which the library closes. */
static int source_file_reflink_fd(void *ctx)
{
	struct scan_entry *entry = ctx;
	int fd, ret;

	ret = source_open(entry, &fd);
	if (ret < 0)
		return import_reader_failed(entry->batch->import, ret);
	return fd < 0 ? -ENOENT : fd;
}

static void source_let_go(struct scan_entry *entry, unsigned nr_ranges)
{
	struct ref_handle handle;
	struct scan_batch *batch = entry->batch;
	int fd;

	if (atomic_fetch_sub(&entry->nr_open_ranges, nr_ranges) != nr_ranges)
		return;
	fd = atomic_exchange(&entry->fd, -1);
	if (fd >= 0) {
		close(fd);
		atomic_fetch_sub(&batch->import->nr_kept_fds, 1);
	}
	handle = entry->batch_handle;
	scan_batch_put(batch, &handle);
}

static void source_file_release(void *ctx)
{
	source_let_go(ctx, 1);
}

/*
 * Ranges that were not handed over are taken off; the library releases what it was given, also when
 * it fails.
 */
static int source_write_ranges(struct import *import, struct scan_entry *entry,
			       struct ubtrfs_node node)
{
	const struct ubtrfs_source source = { .read = source_file_read,
					      .release = source_file_release,
					      .reflink_fd = import->options.reflink ?
								    source_file_reflink_fd :
								    NULL,
					      .ctx = entry,
					      .name = entry->path };
	int ret;

	if (!entry->nr_ranges)
		return 0;
	scan_batch_get(entry->batch, &entry->batch_handle);
	atomic_store(&entry->nr_open_ranges, entry->nr_ranges);
	for (size_t i = 0; i < entry->nr_ranges; i++) {
		const struct scan_range *range = &entry->ranges[i];

		ret = ubtrfs_write_from(import->fs, node, range->start, range->len, &source);
		if (ret < 0) {
			ret = import_fail(import, ret, "%s/%s", import->root_path, entry->path);
			if (i + 1 < entry->nr_ranges)
				source_let_go(entry, entry->nr_ranges - i - 1);
			return ret;
		}
		import->stats.bytes += range->len;
	}
	return 0;
}

int source_file_write(struct import *import, struct scan_entry *entry, struct ubtrfs_node node,
		      const struct ubtrfs_attr *attr)
{
	const struct scan_range *last = entry->nr_ranges ? &entry->ranges[entry->nr_ranges - 1] :
							   NULL;
	struct ubtrfs_attr with_size = *attr;
	int ret;

	TRY(source_write_ranges(import, entry, node));
	if ((last ? last->start + last->len : 0) >= entry->size)
		return 0;
	with_size.size = entry->size;
	ret = ubtrfs_setattr(import->fs, node, &with_size,
			     UBTRFS_ATTR_SIZE | (import->rules ? 0 : ATTR_TIMES));
	return ret < 0 ? import_fail(import, ret, "%s/%s", import->root_path, entry->path) : 0;
}
