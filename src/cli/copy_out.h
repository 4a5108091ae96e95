/*
 * Copying out of an image, into the filesystems of this machine.
 *
 * Everything below the destination is reached through descriptors of its directory and never
 * through a symlink, so that no image, however it was made, can have anything written outside of
 * the destination.
 */
#ifndef UBTRFS_CLI_COPY_OUT_H
#define UBTRFS_CLI_COPY_OUT_H

#include <sys/types.h>

#include <ubtrfs/file.h>

#include "base/hash.h"
#include "base/strbuf.h"

#define COPY_BUFFER_BYTES ((size_t)1 << 20)

struct copy_out {
	/* How: set by the caller after copy_out_init. */
	bool recursive; /* -r: directories, and symlinks and special files as such */
	bool archive;	/* -a: and owners, modes, times, xattrs, hard links */
	/* private */
	struct ubtrfs *fs;
	struct strbuf path;	 /* of what is being made, for messages and hard links */
	struct hash_table links; /* archive: nodes with several names -> where the first one is */
	uint8_t *buffer;
	mode_t umask;
	bool is_root;
	unsigned depth;
	uint64_t nr_xattrs_lost; /* could not be set; the first is told */
};

int copy_out_init(struct copy_out *copy) must_check;
void copy_out_fini(struct copy_out *copy);
/* The following nodes are of this filesystem: forgets hard links of another. */
void copy_out_use(struct copy_out *copy, struct ubtrfs *fs);

/* Copies a node to path. by_user: its last part is a name that the user chose, and a symlink
 * there is followed; otherwise it is replaced, since another source may have put it there.
 * Yields 0, or 1 after what failed was told on stderr; what can be copied is. */
int copy_out_node(struct copy_out *copy, struct ubtrfs_node node, const char *path, bool by_user);
/* The contents of a file, written in order to any descriptor. */
int copy_out_stream(struct ubtrfs *fs, struct ubtrfs_node node, uint8_t *buffer, int fd) must_check;

/* copy_attr.c: owner, mode, xattrs, times of what was made at dir_fd/name. fd: the same, open, or
 * -1 (symlinks, special files).
 * 0, or 1 with a message. */
int copy_attrs(struct copy_out *copy, const struct ubtrfs_attr *attr, int dir_fd, const char *name,
	       int fd);

#endif
