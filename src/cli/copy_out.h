/*
 * Copying out of an image, into the filesystems of this machine.
 *
 * Everything below the destination is reached through descriptors of its directory and never
 * through a symlink, so that no image, however it was made, can have anything written outside of
 * the destination. Several threads work on one tree; what comes out does not depend on their number.
 */
#ifndef UBTRFS_CLI_COPY_OUT_H
#define UBTRFS_CLI_COPY_OUT_H

#include <stdatomic.h>
#include <sys/types.h>

#include <ubtrfs/file.h>

#include "base/hash.h"
#include "base/lock.h"
#include "base/pair_set.h"
#include "base/task_pool.h"

#define COPY_BUFFER_BYTES ((size_t)1 << 20)

struct copy_out {
	/* How: set by the caller after copy_out_init. */
	bool recursive;	     /* -r: directories, and symlinks and special files as such */
	bool archive;	     /* -a: and owners, modes, times, xattrs, hard links */
	unsigned nr_threads; /* 0: one for each processor */
	/* private */
	struct ubtrfs *fs;
	struct task_pool *pool;	 /* NULL: nothing was copied yet */
	uint8_t **buffers;	 /* of the workers, made when first needed */
	struct mutex links_lock; /* RANK_LEAF: links */
	struct hash_table links; /* archive: nodes with several names -> where the first one is */
	struct pair_set dirs;	 /* that this walk has met */
	_Atomic int code;	 /* of the node being copied: 1 after an error was told */
	_Atomic uint64_t nr_xattrs_lost; /* could not be set; the first is told */
	mode_t umask;
	bool is_root;
};

void copy_out_init(struct copy_out *copy);
void copy_out_fini(struct copy_out *copy);
/* The following nodes are of this filesystem: forgets hard links of another. */
void copy_out_use(struct copy_out *copy, struct ubtrfs *fs);

/* Copies a node to path. by_user: its last part is a name that the user chose, and a symlink
 * there is followed; otherwise it is replaced, since another source may have put it there.
 * Yields 0, or 1 after what failed was told on stderr; what can be copied is. */
int copy_out_node(struct copy_out *copy, struct ubtrfs_node node, const char *path, bool by_user);
/* The contents of a file, written in order to any descriptor. */
int copy_out_stream(struct ubtrfs *fs, struct ubtrfs_node node, uint8_t *buffer, int fd) must_check;

#endif
