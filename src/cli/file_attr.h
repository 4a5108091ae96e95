/*
 * The attributes of a file that was made on this machine: owner, xattrs, mode, times.
 *
 * Shared by everything that copies out of an image; who copies says where the attributes come from
 * and how a failure is told.
 */
#ifndef UBTRFS_CLI_FILE_ATTR_H
#define UBTRFS_CLI_FILE_ATTR_H

#include <stdatomic.h>

#include <ubtrfs/file.h>

typedef int (*xattr_visit_fn)(void *ctx, const char *name, size_t name_len, const void *value,
			      size_t len);

struct file_target {
	int dir_fd; /* or AT_FDCWD: name is a path */
	const char *name;
	int fd; /* the same, open, or -1 (symlinks, special files) */
	bool is_root;
	_Atomic uint64_t *nr_xattrs_lost; /* could not be set; the first of all is told */
	/* "PATH: cannot WHAT: strerror(errno)". Yields 1. */
	int (*told)(void *ctx, const char *what);
	/* Calls visit for each extended attribute of the original; negative after a failure, which
	 * it has told. NULL: there are none. */
	int (*xattrs)(void *ctx, xattr_visit_fn visit, void *visit_ctx);
	void *ctx;
};

/* 0, or 1 after something was told. */
int file_attrs_set(const struct file_target *target, const struct ubtrfs_attr *attr);

#endif
