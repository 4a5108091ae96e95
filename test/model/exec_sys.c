/*
 * Operations by system calls below a directory; see exec.h. What the filesystem there cannot do
 * is found out by trying.
 */
#include "model/exec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PATH_CAPACITY 8192

struct exec_sys {
	struct exec base;
	char dir[512];
	bool is_fuse;
};

static int sys_path(struct exec *exec, const char *path, char full[PATH_CAPACITY])
{
	int len = snprintf(full, PATH_CAPACITY, "%s%s", ((struct exec_sys *)exec)->dir, path);

	return len < PATH_CAPACITY ? 0 : -ENAMETOOLONG;
}

static int answer(int ret)
{
	return ret < 0 ? -errno : 0;
}

static int sys_make(struct exec *exec, const char *path, uint32_t mode, uint64_t rdev)
{
	char full[PATH_CAPACITY];
	int fd, err = sys_path(exec, path, full);

	if (err)
		return err;
	if (S_ISDIR(mode))
		return answer(mkdir(full, mode & 07777));
	if (!S_ISREG(mode))
		return answer(mknod(full, mode, rdev));
	fd = open(full, O_CREAT | O_EXCL | O_WRONLY, mode & 07777);
	return fd < 0 ? -errno : answer(close(fd));
}

static int sys_symlink(struct exec *exec, const char *target, const char *path)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(symlink(target, full));
}

static int sys_link(struct exec *exec, const char *from, const char *to)
{
	char a[PATH_CAPACITY], b[PATH_CAPACITY];
	int err = sys_path(exec, from, a);

	err = err ? err : sys_path(exec, to, b);
	return err ? err : answer(link(a, b));
}

static int sys_unlink(struct exec *exec, const char *path)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(unlink(full));
}

static int sys_rmdir(struct exec *exec, const char *path)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(rmdir(full));
}

static int sys_rename(struct exec *exec, const char *from, const char *to, unsigned flags)
{
	char a[PATH_CAPACITY], b[PATH_CAPACITY];
	int err = sys_path(exec, from, a);

	err = err ? err : sys_path(exec, to, b);
	return err ? err : answer(renameat2(AT_FDCWD, a, AT_FDCWD, b, flags));
}

static void stat_convert(const struct stat *st, struct exec_stat *ret)
{
	*ret = (struct exec_stat){ .mode = st->st_mode,
				   .uid = st->st_uid,
				   .gid = st->st_gid,
				   .nlink = (uint32_t)st->st_nlink,
				   .ino = st->st_ino,
				   .rdev = st->st_rdev,
				   .size = (uint64_t)st->st_size,
				   .atime_sec = st->st_atim.tv_sec,
				   .mtime_sec = st->st_mtim.tv_sec,
				   .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec };
}

static int sys_stat(struct exec *exec, const char *path, struct exec_stat *ret)
{
	char full[PATH_CAPACITY];
	struct stat st;
	int err = sys_path(exec, path, full);

	err = err ? err : answer(lstat(full, &st));
	if (err == 0)
		stat_convert(&st, ret);
	return err;
}

static int sys_fstat(struct exec *exec, const struct exec_file *file, struct exec_stat *ret)
{
	struct stat st;
	int err = answer(fstat(file->fd, &st));

	(void)exec;
	if (err == 0)
		stat_convert(&st, ret);
	return err;
}

static int sys_readlink(struct exec *exec, const char *path, char *target, size_t capacity,
			size_t *ret_len)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);
	ssize_t len;

	if (err)
		return err;
	len = readlink(full, target, capacity);
	if (len < 0)
		return -errno;
	*ret_len = (size_t)len;
	return 0;
}

static int sys_chmod(struct exec *exec, const char *path, uint32_t mode)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(chmod(full, mode));
}

static int sys_chown(struct exec *exec, const char *path, uint32_t uid, uint32_t gid)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(lchown(full, uid, gid));
}

static int sys_utimes(struct exec *exec, const char *path, int64_t atime_sec, int64_t mtime_sec,
		      uint32_t mtime_nsec)
{
	struct timespec times[2] = { { atime_sec, 0 }, { mtime_sec, mtime_nsec } };
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(utimensat(AT_FDCWD, full, times, AT_SYMLINK_NOFOLLOW));
}

static int sys_setxattr(struct exec *exec, const char *path, const char *name, const void *value,
			size_t len)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(lsetxattr(full, name, value, len, 0));
}

static int sys_removexattr(struct exec *exec, const char *path, const char *name)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	return err ? err : answer(lremovexattr(full, name));
}

static int sys_getxattr(struct exec *exec, const char *path, const char *name, void *value,
			size_t capacity, size_t *ret_len)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);
	ssize_t len;

	if (err)
		return err;
	len = lgetxattr(full, name, value, capacity);
	if (len < 0)
		return -errno;
	*ret_len = (size_t)len;
	return 0;
}

static int sys_listxattr(struct exec *exec, const char *path, exec_name_fn visit, void *ctx)
{
	char full[PATH_CAPACITY], names[65536];
	int err = sys_path(exec, path, full);
	ssize_t len;

	if (err)
		return err;
	len = llistxattr(full, names, sizeof(names));
	if (len < 0)
		return -errno;
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		err = visit(ctx, name, strlen(name), 0);
		if (err)
			return err;
	}
	return 0;
}

static int sys_readdir(struct exec *exec, const char *path, exec_name_fn visit, void *ctx)
{
	char full[PATH_CAPACITY];
	const struct dirent *entry;
	int err = sys_path(exec, path, full);
	DIR *dir;

	if (err)
		return err;
	dir = opendir(full);
	if (!dir)
		return -errno;
	while (err == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = visit(ctx, entry->d_name, strlen(entry->d_name), entry->d_ino);
	}
	if (err == 0 && errno)
		err = -errno;
	closedir(dir);
	return err;
}

static int sys_open(struct exec *exec, const char *path, struct exec_file *ret)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, path, full);

	if (err)
		return err;
	ret->fd = open(full, O_RDWR | O_NOFOLLOW);
	if (ret->fd < 0 && (errno == EISDIR || errno == EROFS))
		ret->fd = open(full, O_RDONLY | O_NOFOLLOW);
	return ret->fd < 0 ? -errno : 0;
}

static int sys_tmpfile(struct exec *exec, const char *dir, uint32_t mode, struct exec_file *ret)
{
	char full[PATH_CAPACITY];
	int err = sys_path(exec, dir, full);

	if (err)
		return err;
	ret->fd = open(full, O_TMPFILE | O_RDWR, mode & 07777);
	return ret->fd < 0 ? -errno : 0;
}

static int sys_link_file(struct exec *exec, const struct exec_file *file, const char *path)
{
	char full[PATH_CAPACITY], self[64];
	int err = sys_path(exec, path, full);

	if (err)
		return err;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
	return answer(linkat(AT_FDCWD, self, AT_FDCWD, full, AT_SYMLINK_FOLLOW));
}

static void sys_close(struct exec *exec, struct exec_file *file)
{
	(void)exec;
	close(file->fd);
	file->fd = -1;
}

static int sys_read(struct exec *exec, const struct exec_file *file, uint64_t offset, void *data,
		    size_t len, size_t *ret_len)
{
	size_t done = 0;

	(void)exec;
	while (done < len) {
		ssize_t nr =
			pread(file->fd, (char *)data + done, len - done, (off_t)(offset + done));

		if (nr < 0)
			return -errno;
		if (nr == 0)
			break;
		done += (size_t)nr;
	}
	*ret_len = done;
	return 0;
}

static int sys_write(struct exec *exec, const struct exec_file *file, uint64_t offset,
		     const void *data, size_t len)
{
	size_t done = 0;

	(void)exec;
	while (done < len) {
		ssize_t nr = pwrite(file->fd, (const char *)data + done, len - done,
				    (off_t)(offset + done));

		if (nr <= 0)
			return nr ? -errno : -EIO;
		done += (size_t)nr;
	}
	return 0;
}

static int sys_truncate(struct exec *exec, const struct exec_file *file, uint64_t size)
{
	(void)exec;
	return answer(ftruncate(file->fd, (off_t)size));
}

static int sys_fallocate(struct exec *exec, const struct exec_file *file, unsigned mode,
			 uint64_t offset, uint64_t len)
{
	(void)exec;
	return answer(fallocate(file->fd, (int)mode, (off_t)offset, (off_t)len));
}

static int sys_clone(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		     const struct exec_file *to, uint64_t to_offset, uint64_t len)
{
	struct file_clone_range range = { .src_fd = from->fd,
					  .src_offset = from_offset,
					  .src_length = len,
					  .dest_offset = to_offset };

	(void)exec;
	return answer(ioctl(to->fd, FICLONERANGE, &range));
}

static int sys_copy(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		    const struct exec_file *to, uint64_t to_offset, uint64_t len, uint64_t *ret_len)
{
	off_t in = (off_t)from_offset, out = (off_t)to_offset;

	(void)exec;
	*ret_len = 0;
	while (len) {
		ssize_t nr = copy_file_range(from->fd, &in, to->fd, &out, len, 0);

		if (nr < 0)
			return -errno;
		if (nr == 0)
			break;
		len -= (uint64_t)nr;
		*ret_len += (uint64_t)nr;
	}
	return 0;
}

static int sys_dedupe(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		      const struct exec_file *to, uint64_t to_offset, uint64_t len, bool *ret_same)
{
	union {
		struct file_dedupe_range range;
		char bytes[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
	} arg = { .range = { .src_offset = from_offset, .src_length = len, .dest_count = 1 } };

	(void)exec;
	arg.range.info[0].dest_fd = to->fd;
	arg.range.info[0].dest_offset = to_offset;
	if (ioctl(from->fd, FIDEDUPERANGE, &arg) < 0)
		return -errno;
	if (arg.range.info[0].status < 0)
		return arg.range.info[0].status;
	*ret_same = arg.range.info[0].status == FILE_DEDUPE_RANGE_SAME;
	return 0;
}

static int sys_seek(struct exec *exec, const struct exec_file *file, bool hole, uint64_t offset,
		    uint64_t *ret_offset)
{
	off_t at;

	/* FUSE asks the server, which has not been told of pages written through a mapping. */
	if (((struct exec_sys *)exec)->is_fuse && fdatasync(file->fd) != 0)
		return -errno;
	at = lseek(file->fd, (off_t)offset, hole ? SEEK_HOLE : SEEK_DATA);
	if (at < 0)
		return -errno;
	*ret_offset = (uint64_t)at;
	return 0;
}

static int sys_map(struct exec *exec, const struct exec_file *file, bool write, uint64_t offset,
		   void *data, size_t len)
{
	size_t whole = (size_t)(offset + len);
	char *map = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);

	(void)exec;
	if (map == MAP_FAILED)
		return -errno;
	if (write)
		memcpy(map + offset, data, len);
	else
		memcpy(data, map + offset, len);
	return answer(munmap(map, whole));
}

static int sys_set_flags(struct exec *exec, const struct exec_file *file, uint32_t flags,
			 uint32_t mask)
{
	int now = 0;

	(void)exec;
	if (ioctl(file->fd, FS_IOC_GETFLAGS, &now) < 0)
		return -errno;
	now = (int)(((uint32_t)now & ~mask) | flags);
	return answer(ioctl(file->fd, FS_IOC_SETFLAGS, &now));
}

static int sys_fsync(struct exec *exec, const struct exec_file *file, bool data_only)
{
	(void)exec;
	return answer(data_only ? fdatasync(file->fd) : fsync(file->fd));
}

static int sys_sync(struct exec *exec)
{
	int fd = open(((struct exec_sys *)exec)->dir, O_RDONLY | O_DIRECTORY), err;

	if (fd < 0)
		return -errno;
	err = answer(syncfs(fd));
	close(fd);
	return err;
}

/* What the kernel keeps of this filesystem and of all others: as root; else nothing. */
static int sys_refresh(struct exec *exec)
{
	int err = sys_sync(exec), fd;

	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (err || fd < 0)
		return err;
	if (write(fd, "3", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

static const struct exec_ops sys_ops = {
	.make = sys_make,
	.symlink = sys_symlink,
	.link = sys_link,
	.unlink = sys_unlink,
	.rmdir = sys_rmdir,
	.rename = sys_rename,
	.stat = sys_stat,
	.readlink = sys_readlink,
	.chmod = sys_chmod,
	.chown = sys_chown,
	.utimes = sys_utimes,
	.setxattr = sys_setxattr,
	.removexattr = sys_removexattr,
	.getxattr = sys_getxattr,
	.listxattr = sys_listxattr,
	.readdir = sys_readdir,
	.open = sys_open,
	.tmpfile = sys_tmpfile,
	.link_file = sys_link_file,
	.close = sys_close,
	.fstat = sys_fstat,
	.read = sys_read,
	.write = sys_write,
	.truncate = sys_truncate,
	.fallocate = sys_fallocate,
	.clone = sys_clone,
	.copy = sys_copy,
	.dedupe = sys_dedupe,
	.seek = sys_seek,
	.map = sys_map,
	.set_flags = sys_set_flags,
	.fsync = sys_fsync,
	.sync = sys_sync,
	.refresh = sys_refresh,
};

/* An access ACL has to show in the mode, a default one in what is made. */
static bool sys_has_acl(struct exec *exec, const char *path)
{
	static const uint8_t wire[] = { 2,   0,	  0,   0,    1,	  0,   7,    0,	  255, 255, 255,
					255, 2,	  0,   7,    0,	  1,   0,    0,	  0,   4,   0,
					4,   0,	  255, 255,  255, 255, 0x10, 0,	  7,   0,   255,
					255, 255, 255, 0x20, 0,	  0,   0,    255, 255, 255, 255 };
	struct exec_stat st;

	bool can = sys_setxattr(exec, path, "system.posix_acl_access", wire, sizeof(wire)) == 0 &&
		   sys_stat(exec, path, &st) == 0 && (st.mode & 07777) == 0770;

	can = can && sys_make(exec, "/.probe-dir", S_IFDIR | 0700, 0) == 0 &&
	      sys_setxattr(exec, "/.probe-dir", "system.posix_acl_default", wire, sizeof(wire)) ==
		      0 &&
	      sys_make(exec, "/.probe-dir/a", S_IFREG | 0666, 0) == 0 &&
	      sys_stat(exec, "/.probe-dir/a", &st) == 0 && (st.mode & 07777) == 0660;
	sys_unlink(exec, "/.probe-dir/a");
	sys_rmdir(exec, "/.probe-dir");
	return can;
}

/* A directory with the set-group-ID bit gives its group. */
static bool sys_inherits(struct exec *exec)
{
	struct exec_stat st = { .gid = 0 };

	if (sys_make(exec, "/.probe-dir", S_IFDIR | 0700, 0) == 0 &&
	    sys_chown(exec, "/.probe-dir", 0, 7) == 0 &&
	    sys_chmod(exec, "/.probe-dir", 02700) == 0 &&
	    sys_make(exec, "/.probe-dir/a", S_IFREG | 0600, 0) == 0)
		sys_stat(exec, "/.probe-dir/a", &st);
	sys_unlink(exec, "/.probe-dir/a");
	sys_rmdir(exec, "/.probe-dir");
	return st.gid == 7;
}

/* Two files of one sector to try things with. */
static void sys_probe(struct exec *exec)
{
	struct exec_file a, b = { .fd = -1 };
	static const char sector[4096] = "probe";
	bool same;

	if (sys_make(exec, "/.probe-a", S_IFREG | 0600, 0) || sys_open(exec, "/.probe-a", &a))
		return;
	exec->can = EXEC_HOLD | EXEC_COPY | EXEC_MMAP | EXEC_SEEK_HOLE;
	if (sys_inherits(exec))
		exec->can |= EXEC_INHERIT;
	if (sys_has_acl(exec, "/.probe-a"))
		exec->can |= EXEC_ACL;
	if (sys_rename(exec, "/.probe-a", "/.probe-c", 0) == 0 &&
	    sys_rename(exec, "/.probe-c", "/.probe-a", EXEC_NOREPLACE) == 0)
		exec->can |= EXEC_RENAME;
	if (sys_rename(exec, "/.probe-a", "/.probe-c", EXEC_WHITEOUT) == 0 &&
	    sys_rename(exec, "/.probe-a", "/.probe-c", EXEC_EXCHANGE) == 0)
		exec->can |= EXEC_RENAME_FLAGS;
	if (sys_fallocate(exec, &a, 0, 0, 4096) == 0 &&
	    sys_fallocate(exec, &a, EXEC_PUNCH_HOLE | EXEC_KEEP_SIZE, 0, 4096) == 0)
		exec->can |= EXEC_FALLOCATE;
	sys_unlink(exec, "/.probe-a");
	sys_unlink(exec, "/.probe-c");
	if (sys_make(exec, "/.probe-b", S_IFREG | 0600, 0) == 0 &&
	    sys_open(exec, "/.probe-b", &b) == 0 && sys_write(exec, &a, 0, sector, 4096) == 0 &&
	    sys_write(exec, &b, 0, sector, 4096) == 0) {
		if (sys_clone(exec, &a, 0, &b, 0, 4096) == 0)
			exec->can |= EXEC_CLONE;
		if (sys_dedupe(exec, &a, 0, &b, 0, 4096, &same) == 0)
			exec->can |= EXEC_DEDUPE;
		if (sys_set_flags(exec, &b, FS_NOATIME_FL, FS_NOATIME_FL) == 0)
			exec->can |= EXEC_FLAGS;
	}
	sys_unlink(exec, "/.probe-b");
	close(a.fd);
	close(b.fd);
	if (sys_tmpfile(exec, "/", 0600, &a) == 0) {
		exec->can |= EXEC_TMPFILE;
		close(a.fd);
	}
	if (sys_make(exec, "/.probe-d", S_IFCHR | 0600, makedev(1, 3)) == 0)
		exec->can |= EXEC_MKNOD;
	sys_unlink(exec, "/.probe-d");
	if (geteuid() == 0)
		exec->can |= EXEC_REFRESH;
}

struct exec *exec_sys_new(const char *dir)
{
	struct exec_sys *sys = calloc(1, sizeof(*sys));
	struct statfs fs;

	if (!sys)
		return NULL;
	sys->base.ops = &sys_ops;
	sys->base.align = 4096;
	snprintf(sys->dir, sizeof(sys->dir), "%s", dir);
	sys->is_fuse = statfs(dir, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
	umask(0);
	sys_probe(&sys->base);
	return &sys->base;
}

void exec_sys_free(struct exec *exec)
{
	free(exec);
}
