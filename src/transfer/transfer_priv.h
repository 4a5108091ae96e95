/*
 * What the files of this folder share: the context of one import, metadata in the form the API
 * takes, messages.
 *
 * struct import is counted: the call holds one, and so does every batch of scanned entries, because
 * the library may read a source after a failed import returned. `closed` then keeps it from calling
 * back. Lock: import.lock (RANK_LEAF), held during the warning callback, so that closing waits for
 * it.
 */
#ifndef UBTRFS_TRANSFER_PRIV_H
#define UBTRFS_TRANSFER_PRIV_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/ref.h"
#include "transfer/transfer.h"

/* Flags of an inode on disk, by Linux's names. */
#define BTRFS_INODE_NODATASUM (1u << 0)
#define BTRFS_INODE_NODATACOW (1u << 1)
#define BTRFS_INODE_NOCOMPRESS (1u << 3)
#define BTRFS_INODE_SYNC (1u << 5)
#define BTRFS_INODE_IMMUTABLE (1u << 6)
#define BTRFS_INODE_APPEND (1u << 7)
#define BTRFS_INODE_NODUMP (1u << 8)
#define BTRFS_INODE_NOATIME (1u << 9)
#define BTRFS_INODE_DIRSYNC (1u << 10)
#define BTRFS_INODE_COMPRESS (1u << 11)

#define ATTR_TIMES (UBTRFS_ATTR_ATIME | UBTRFS_ATTR_MTIME | UBTRFS_ATTR_CTIME | UBTRFS_ATTR_OTIME)
#define NAME_LEN_MAX 255

/* Of one inode, as the source has it. */
struct import_meta {
	uint32_t mode, uid, gid;
	uint64_t rdev;
	struct ubtrfs_time atime, mtime, ctime, otime;
};

struct import_xattr {
	const char *name;
	const void *value;
	size_t len;
};

struct copy_rules;

struct import {
	struct ref ref;
	struct ref_handle own; /* the call's */
	struct ubtrfs *fs;
	struct import_options options; /* the arrays in it only during the call */
	uint32_t sectorsize;
	uint64_t generation; /* of the last commit when it began */
	uid_t euid;
	int root_fd; /* of a directory; -1 */
	char *root_path;
	/* of a copy (copy_in.h) */
	const struct copy_rules *rules; /* NULL: an import */
	char *top_name;			/* in the root; NULL: the root itself is the top */
	bool follow_top;		/* a symlink as the top is followed */
	struct ubtrfs *source_fs; /* the source is another filesystem, the top in it source_node */
	struct ubtrfs_node source_node;
	unsigned source_nr;
	atomic_uint nr_kept_fds;  /* files that stay open between reads */
	atomic_uint nr_kept_dirs; /* directories that stay open until their files are read */
	atomic_uint_least64_t items_found, bytes_found;
	atomic_bool all_found;
	atomic_bool closed; /* the call is over: readers fail, nobody is called back */
	struct mutex lock;
	struct err_report failure; /* the first of a reader thread; under lock */
	uint64_t nr_warnings;	   /* under lock */
	/* the importing thread's */
	struct import_stats stats;
	uint64_t items_done;
	uint64_t progress_due_ns;
	uint64_t bytes_before;	  /* of the sources before this one */
	uint64_t committed_bytes; /* at the last commit of commit_every, those before included */
};

/* root_path NULL for archives; fs NULL for an estimate, whose caller sets the sectorsize. */
int import_new(struct ubtrfs *fs, const struct import_options *options, const char *root_path,
	       struct import **ret_import) must_check;
/* What came before with the same statistics counts for progress and commit_every. */
void import_go_on(struct import *import, const struct import_stats *stats);
/* The end of the call: adds the statistics, silences callbacks, gives back the call's reference. */
void import_close(struct import *import, struct import_stats *stats);
void import_get(struct import *import, struct ref_handle *ret_handle);
void import_put(struct import *import, struct ref_handle *handle);

/* One more inode of this type. */
void import_stats_count(struct import_stats *stats, uint32_t mode);
void import_stats_add(struct import_stats *stats, const struct import_stats *more);

/* Any thread. 0; with strict the failure. */
int import_warn(struct import *import, const char *format, ...)
	__attribute__((format(printf, 2, 3))) must_check;
/*
 * A reader thread failed with err (its sentence is current): kept for import_fail. Returns minus an
 * errno.
 */
int import_reader_failed(struct import *import, int err);
/*
 * An API call failed with ret: our sentence plus the library's, or the reader's failure that caused
 * it.
 */
int import_fail(struct import *import, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4), cold));
/* What is in the filesystem is read, and committed unless the options say otherwise. */
int import_finish(struct import *import, const char *what) must_check;
/* Counts one item; commits and tells the progress callback when it is time. */
int import_step(struct import *import) must_check;

/* --- import_attr.c --- */

/* What was there before may carry flags that forbid what is about to happen to it. */
int import_check_flags(const struct import *import, const struct ubtrfs_attr *attr, bool is_add,
		       const char *name) must_check;

/* Applies owner and time options; is_top: of the top directory. */
void import_attr_fill(const struct import *import, const struct import_meta *meta, bool is_top,
		      struct ubtrfs_attr *ret_attr);
/* True for the namespaces that btrfs can hold. */
bool import_xattr_is_known(const char *name);
/* system.posix_acl_access or _default */
bool import_xattr_is_acl(const char *name);
int import_set_xattrs(struct import *import, struct ubtrfs_node node, const char *path,
		      const struct import_xattr *xattrs, size_t nr_xattrs) must_check;

#endif
