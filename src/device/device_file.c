/*
 * A device over a regular file or a block device of the host.
 *
 * Owns the descriptor and, when writing, the exclusive lock: flock for a file, O_EXCL for a block
 * device (which also keeps the kernel from mounting it); for a loop device besides flock of the
 * file that it is over, so that nobody writes to that. Takes no lock of ours: positioned I/O is
 * safe from several threads. Interrupted and short calls are continued until all is done. A full
 * host file system keeps its errno (ENOSPC); every other failed call is ERR_DEVICE_IO. Goes through
 * the page cache; does not cache by itself.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "device/device_priv.h"

struct device_file {
	struct device device;
	int fd;
	int backing_fd; /* of what a loop device is over, for its lock; -1: none */
	bool is_block;
	uint32_t sector_bytes; /* of a block device: the grain of a discard */
};

static struct device_file *file_of(struct device *device)
{
	return container_of(device, struct device_file, device);
}

static int file_failed(struct device *device, int saved_errno, const char *verb, uint64_t at,
		       uint64_t len)
{
	char scratch[128];

	if (saved_errno == ENOSPC || saved_errno == EDQUOT || saved_errno == EFBIG)
		return THROW_SYS(saved_errno, "%s: cannot %s %llu bytes at %llu", device->name,
				 verb, (unsigned long long)len, (unsigned long long)at);
	return THROW(ERR_DEVICE_IO, "%s: cannot %s %llu bytes at %llu: %s", device->name, verb,
		     (unsigned long long)len, (unsigned long long)at,
		     strerror_r(saved_errno, scratch, sizeof(scratch)));
}

static int device_file_read(struct device *device, struct phys at, void *data, size_t len)
{
	int fd = file_of(device)->fd;
	uint8_t *to = data;

	while (len) {
		ssize_t done = pread(fd, to, len, (off_t)at.at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return file_failed(device, errno, "read", at.at, len);
		if (!done)
			return THROW(ERR_DEVICE_IO, "%s: shortened by somebody, ends before %llu",
				     device->name, (unsigned long long)at.at);
		to += done;
		at.at += (uint64_t)done;
		len -= (size_t)done;
	}
	return 0;
}

static int write_all(struct device *device, struct phys at, const uint8_t *data, size_t len)
{
	int fd = file_of(device)->fd;

	while (len) {
		ssize_t done = pwrite(fd, data, len, (off_t)at.at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return file_failed(device, done ? errno : EIO, "write", at.at, len);
		data += done;
		at.at += (uint64_t)done;
		len -= (size_t)done;
	}
	return 0;
}

/*
 * The caller's array is never changed or copied: a part that was cut is finished by itself, then
 * the row goes on.
 */
static int device_file_writev(struct device *device, struct phys at, const struct iovec *parts,
			      int nr_parts, size_t len)
{
	int fd = file_of(device)->fd;
	int next = 0;

	while (len) {
		size_t left;
		ssize_t done;

		ASSERT(next < nr_parts);
		done = pwritev(fd, parts + next, MIN(nr_parts - next, IOV_MAX), (off_t)at.at);
		if (done < 0 && errno == EINTR)
			continue;
		/*
		 * A row of empty parts writes nothing; any other zero is a device that takes no
		 * more.
		 */
		if (done < 0)
			return file_failed(device, errno, "write", at.at, len);
		left = (size_t)done;
		at.at += left;
		len -= left;
		while (next < nr_parts && left >= parts[next].iov_len)
			left -= parts[next++].iov_len;
		if (next < nr_parts && len && (left || !done)) {
			size_t rest = parts[next].iov_len - left;

			TRY(write_all(device, at, (uint8_t *)parts[next].iov_base + left, rest));
			at.at += rest;
			len -= rest;
			next++;
		}
	}
	return 0;
}

static int device_file_flush(struct device *device)
{
	while (fdatasync(file_of(device)->fd) < 0) {
		if (errno != EINTR)
			return file_failed(device, errno, "flush", 0, device_size(device));
	}
	return 0;
}

/* A block device takes whole sectors only; what sticks out on both sides just stays. */
static int discard_call(struct device_file *file, uint64_t at, uint64_t len)
{
	uint64_t range[2];

	if (!file->is_block)
		return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
				 (off_t)len);
	range[0] = round_up(at, file->sector_bytes);
	range[1] = round_down(at + len, file->sector_bytes);
	if (range[0] >= range[1])
		return 0;
	range[1] -= range[0];
	return ioctl(file->fd, BLKDISCARD, range);
}

static int device_file_discard(struct device *device, struct phys at, uint64_t len)
{
	while (discard_call(file_of(device), at.at, len) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EOPNOTSUPP || errno == ENOTTY)
			return THROW(ERR_UNSUPPORTED, "%s: discard is not supported there",
				     device->name);
		return file_failed(device, errno, "discard", at.at, len);
	}
	return 0;
}

static int device_file_resize(struct device *device, uint64_t size_bytes)
{
	ASSERT(!file_of(device)->is_block);
	if (size_bytes > INT64_MAX)
		return THROW_SYS(EFBIG, "%s: cannot make it %llu bytes long", device->name,
				 (unsigned long long)size_bytes);
	while (ftruncate(file_of(device)->fd, (off_t)size_bytes) < 0) {
		if (errno != EINTR)
			return THROW_SYS(errno, "%s: cannot make it %llu bytes long", device->name,
					 (unsigned long long)size_bytes);
	}
	return 0;
}

static void device_file_free(struct device *device)
{
	struct device_file *file = file_of(device);

	/* What had to be durable was flushed; the lock goes with the descriptor. */
	close(file->fd);
	if (file->backing_fd >= 0)
		close(file->backing_fd);
	mem_free(file);
}

static int device_file_clone(struct device *device, struct phys at, int from_fd, uint64_t from,
			     uint64_t len)
{
	struct file_clone_range range = {
		.src_fd = from_fd, .src_offset = from, .src_length = len, .dest_offset = at.at
	};

	if (ioctl(file_of(device)->fd, FICLONERANGE, &range) == 0)
		return 0;
	if (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
		return THROW(ERR_UNSUPPORTED,
			     "%s cannot share blocks with the source: both must lie on one "
			     "filesystem that can (btrfs, xfs)",
			     device->name);
	return file_failed(device, errno, "share", at.at, len);
}

static const struct device_ops device_file_ops = {
	.kind = "file",
	.read = device_file_read,
	.writev = device_file_writev,
	.flush = device_file_flush,
	.discard = device_file_discard,
	.resize = device_file_resize,
	.clone = device_file_clone,
	.free = device_file_free,
};

static int refuse_busy(const char *path)
{
	struct device_mount mount;

	if (device_find_mount(path, &mount))
		return THROW(ERR_DEVICE_BUSY, "cannot open %s for writing: it is %s", path,
			     mount.where);
	return THROW(ERR_DEVICE_BUSY, "cannot open %s for writing: it is mounted or in use", path);
}

static int refuse_locked(const char *path)
{
	char who[DEVICE_WHO_MAX];
	unsigned pid;

	return THROW(ERR_DEVICE_BUSY, "cannot open %s for writing: %s has it open for writing",
		     path, device_find_writer(path, who, &pid) ? who : "another process");
}

/* The lock says nothing of a kernel that has the file through a loop device. */
static int check_mounted(const char *path)
{
	struct device_mount mount;

	if (device_find_mount(path, &mount))
		return THROW(ERR_DEVICE_BUSY, "cannot open %s for writing: it is %s", path,
			     mount.where);
	return 0;
}

/*
 * Looks before it opens: opening a fifo would wait, and O_EXCL means something else for a file
 * that is created.
 */
static int open_fd(const char *path, unsigned flags, int *ret_fd)
{
	int how = O_CLOEXEC | (flags & DEVICE_WRITE ? O_RDWR : O_RDONLY);
	struct stat st;
	int fd;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT || !(flags & DEVICE_CREATE))
			return THROW_SYS(errno, "cannot open %s", path);
		how |= O_CREAT;
	} else if (S_ISBLK(st.st_mode)) {
		how |= flags & DEVICE_WRITE ? O_EXCL : 0;
	} else if (!S_ISREG(st.st_mode)) {
		return THROW(ERR_INVALID,
			     "cannot open %s: it is neither a regular file nor a block device",
			     path);
	}
	do {
		fd = open(path, how, 0666);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0 && errno == EBUSY)
		return refuse_busy(path);
	if (fd < 0)
		return THROW_SYS(errno, "cannot open %s", path);
	*ret_fd = fd;
	return 0;
}

static int lock_fd(int fd, const char *path)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			return refuse_locked(path);
		return THROW_SYS(errno, "cannot lock %s", path);
	}
	return 0;
}

static int lock_backing(struct device_file *file, const char *path, dev_t dev)
{
	char who[DEVICE_WHO_MAX], backing[PATH_MAX];
	struct stat st;
	bool whole;
	unsigned pid;

	if (!device_find_backing(dev, backing, &whole))
		return 0;
	/*
	 * What is out of our sight cannot be asked, nor written by those who see no more than we.
	 */
	file->backing_fd = open(backing, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->backing_fd < 0 || fstat(file->backing_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	/* Other parts of it may be other devices. */
	if (flock(file->backing_fd, (whole ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 &&
	    errno == EWOULDBLOCK)
		return THROW(ERR_DEVICE_BUSY,
			     "cannot open %s for writing: %s has %s, which it is over, open for "
			     "writing",
			     path, device_find_writer(backing, who, &pid) ? who : "another process",
			     backing);
	return 0;
}

static int measure_block(struct device_file *file, const char *path, uint64_t *ret_size_bytes)
{
	uint64_t size_bytes;
	int sector_bytes;

	if (ioctl(file->fd, BLKGETSIZE64, &size_bytes) < 0)
		return THROW_SYS(errno, "cannot get the size of %s", path);
	if (ioctl(file->fd, BLKSSZGET, &sector_bytes) < 0 || !is_pow2((uint64_t)sector_bytes))
		sector_bytes = 4096;
	file->sector_bytes = (uint32_t)sector_bytes;
	*ret_size_bytes = size_bytes;
	return 0;
}

/* With the descriptor open: takes the lock, empties the file if asked to, measures. */
static int file_setup(struct device_file *file, const char *path, unsigned flags)
{
	uint64_t size_bytes;
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return THROW_SYS(errno, "cannot open %s", path);
	file->is_block = S_ISBLK(st.st_mode);
	size_bytes = (uint64_t)st.st_size;
	if (file->is_block) {
		TRY(measure_block(file, path, &size_bytes));
		if (flags & DEVICE_WRITE)
			TRY(lock_backing(file, path, st.st_rdev));
	} else if (flags & DEVICE_WRITE) {
		TRY(lock_fd(file->fd, path));
		TRY(check_mounted(path));
	}
	/* Only under the lock: nobody else's image is emptied. */
	if (!file->is_block && (flags & DEVICE_TRUNCATE)) {
		if (ftruncate(file->fd, 0) < 0)
			return THROW_SYS(errno, "cannot empty %s", path);
		size_bytes = 0;
	}
	TRY(device_init(&file->device, &device_file_ops, path, size_bytes));
	file->device.read_only = !(flags & DEVICE_WRITE);
	/* Linux holds the lock of a regular file for each write to it. */
	file->device.one_writer = !file->is_block;
	file->device.resizable = !file->is_block && (flags & DEVICE_WRITE);
	return 0;
}

int device_file_open(const char *path, unsigned flags, struct device **ret_device)
{
	struct device_file *file;
	int err;

	ASSERT((flags & DEVICE_WRITE) || !(flags & (DEVICE_CREATE | DEVICE_TRUNCATE)));
	file = mem_zalloc(sizeof(*file));
	if (!file)
		return MEM_FAIL("a device");
	file->backing_fd = -1;
	err = open_fd(path, flags, &file->fd);
	if (err < 0)
		goto undo_file;
	err = file_setup(file, path, flags);
	if (err < 0)
		goto undo_fd;
	*ret_device = &file->device;
	return 0;

undo_fd:
	if (file->backing_fd >= 0)
		close(file->backing_fd);
	close(file->fd);
undo_file:
	mem_free(file);
	return err;
}
