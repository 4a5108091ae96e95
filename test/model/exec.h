/*
 * Who carries out the operations of a random sequence: the library in this process (exec_lib.c),
 * or system calls on a directory (exec_sys.c): our mount, or a kernel's filesystem, which tells
 * whether the model is right.
 *
 * Paths begin with '/', at the top of what is tested. Every call gives 0 or a negative errno.
 * Calls may come from several threads, but for refresh.
 */
#ifndef UBTRFS_TEST_EXEC_H
#define UBTRFS_TEST_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <ubtrfs/file.h>

/* What an executor can do. */
#define EXEC_RENAME 0x1u
#define EXEC_RENAME_FLAGS 0x2u
#define EXEC_HOLD 0x4u
#define EXEC_TMPFILE 0x8u
#define EXEC_FALLOCATE 0x10u
#define EXEC_CLONE 0x20u
#define EXEC_COPY 0x40u
#define EXEC_DEDUPE 0x80u
#define EXEC_FLAGS 0x100u
#define EXEC_ACL 0x200u
#define EXEC_MMAP 0x400u
#define EXEC_SEEK_HOLE 0x800u
#define EXEC_REFRESH 0x1000u
#define EXEC_MKNOD 0x2000u
#define EXEC_INHERIT 0x4000u

/* Values of Linux, for renaming and fallocate. */
#define EXEC_NOREPLACE 1u
#define EXEC_EXCHANGE 2u
#define EXEC_WHITEOUT 4u
#define EXEC_KEEP_SIZE 1u
#define EXEC_PUNCH_HOLE 2u
#define EXEC_ZERO_RANGE 0x10u

struct exec_stat {
	uint32_t mode, uid, gid, nlink;
	uint64_t ino, rdev, size;
	int64_t atime_sec, mtime_sec;
	uint32_t mtime_nsec;
};

/* An open file. */
struct exec_file {
	struct ubtrfs_node node;
	int fd;
};

struct exec {
	const struct exec_ops *ops;
	unsigned can;	/* EXEC_* */
	bool no_caller; /* nobody owns what is made without an owner being told */
	uint32_t align; /* of ranges that are shared */
};

typedef int (*exec_name_fn)(void *ctx, const char *name, size_t name_len, uint64_t ino);

struct exec_ops {
	/* A file, directory, pipe, socket or device, by the type in mode. */
	int (*make)(struct exec *exec, const char *path, uint32_t mode, uint64_t rdev);
	int (*symlink)(struct exec *exec, const char *target, const char *path);
	int (*link)(struct exec *exec, const char *from, const char *to);
	int (*unlink)(struct exec *exec, const char *path);
	int (*rmdir)(struct exec *exec, const char *path);
	int (*rename)(struct exec *exec, const char *from, const char *to, unsigned flags);

	/* Of the name itself, never of what a symlink leads to. */
	int (*stat)(struct exec *exec, const char *path, struct exec_stat *ret);
	int (*readlink)(struct exec *exec, const char *path, char *target, size_t capacity,
			size_t *ret_len);
	int (*chmod)(struct exec *exec, const char *path, uint32_t mode);
	int (*chown)(struct exec *exec, const char *path, uint32_t uid, uint32_t gid);
	int (*utimes)(struct exec *exec, const char *path, int64_t atime_sec, int64_t mtime_sec,
		      uint32_t mtime_nsec);
	int (*setxattr)(struct exec *exec, const char *path, const char *name, const void *value,
			size_t len);
	int (*removexattr)(struct exec *exec, const char *path, const char *name);
	int (*getxattr)(struct exec *exec, const char *path, const char *name, void *value,
			size_t capacity, size_t *ret_len);
	int (*listxattr)(struct exec *exec, const char *path, exec_name_fn visit, void *ctx);
	int (*readdir)(struct exec *exec, const char *path, exec_name_fn visit, void *ctx);

	int (*open)(struct exec *exec, const char *path, struct exec_file *ret);
	int (*tmpfile)(struct exec *exec, const char *dir, uint32_t mode, struct exec_file *ret);
	int (*link_file)(struct exec *exec, const struct exec_file *file, const char *path);
	void (*close)(struct exec *exec, struct exec_file *file);

	int (*fstat)(struct exec *exec, const struct exec_file *file, struct exec_stat *ret);
	int (*read)(struct exec *exec, const struct exec_file *file, uint64_t offset, void *data,
		    size_t len, size_t *ret_len);
	int (*write)(struct exec *exec, const struct exec_file *file, uint64_t offset,
		     const void *data, size_t len);
	int (*truncate)(struct exec *exec, const struct exec_file *file, uint64_t size);
	int (*fallocate)(struct exec *exec, const struct exec_file *file, unsigned mode,
			 uint64_t offset, uint64_t len);
	int (*clone)(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		     const struct exec_file *to, uint64_t to_offset, uint64_t len);
	/* *ret_len: how far it came, also when it fails. */
	int (*copy)(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		    const struct exec_file *to, uint64_t to_offset, uint64_t len,
		    uint64_t *ret_len);
	int (*dedupe)(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		      const struct exec_file *to, uint64_t to_offset, uint64_t len, bool *ret_same);
	/* -ENXIO as lseek. */
	int (*seek)(struct exec *exec, const struct exec_file *file, bool hole, uint64_t offset,
		    uint64_t *ret_offset);
	/* Reads or writes through a mapping of the whole file. */
	int (*map)(struct exec *exec, const struct exec_file *file, bool write, uint64_t offset,
		   void *data, size_t len);
	/* FS_*_FL of <linux/fs.h>. */
	int (*set_flags)(struct exec *exec, const struct exec_file *file, uint32_t flags,
			 uint32_t mask);
	int (*fsync)(struct exec *exec, const struct exec_file *file, bool data_only);
	int (*sync)(struct exec *exec);
	/* Closed and opened again, or caches dropped. Nothing is open. */
	int (*refresh)(struct exec *exec);
};

/* On a directory; freed with exec_sys_free. */
struct exec *exec_sys_new(const char *dir);
void exec_sys_free(struct exec *exec);

struct fs_fixture;
/* On the filesystem that is open; reopens it with fixture_reopen. */
struct exec *exec_lib_new(struct fs_fixture *fx);
void exec_lib_free(struct exec *exec);

#endif
