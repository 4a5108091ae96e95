/*
 * The walk over a source, a directory of this machine or of another filesystem (import.source_fs): batches of entries in an order that depends on names only.
 *
 * First comes a batch without directory whose one entry is the top itself (of a copy: of any type). Then, for each
 * directory: its entries in bytewise order, in one or more batches, the last one marked; then its
 * subdirectories, in the same order.
 *
 * A batch is counted: the taker holds one reference, and each file that is still to be read holds
 * one. Entries, names, xattrs live as long as their batch. What a batch says never changes after
 * scan_next, except the fields marked "taker's" and "readers'".
 */
#ifndef UBTRFS_TRANSFER_SCAN_H
#define UBTRFS_TRANSFER_SCAN_H

#include "base/list.h"
#include "transfer/arena.h"
#include "transfer/transfer_priv.h"

#define SCAN_BATCH_ENTRIES 256
#define SCAN_BATCH_BYTES (256 * 1024)

/* A directory that a copy puts names into. */
struct scan_dest {
	struct ubtrfs_node node;
	bool is_old; /* it was there before, and so may the names be */
	uint32_t mode, gid;
	uint64_t flags;
};

/* A directory of the source: its path, and what the taker knows of it. */
struct scan_dir {
	struct ref ref;
	struct link link; /* of the scanner's list of directories to enter */
	struct ref_handle scan_handle;
	struct import *import; /* outlives it: whoever holds a directory holds the import too */
	struct import_meta meta;
	uint64_t dev, ino;
	struct ubtrfs_node source_node; /* with import.source_fs */
	struct scan_dir *up;		/* where the walk follows symlinks: to tell circles */
	struct ref_handle up_handle;
	unsigned depth;
	int fd; /* open while the directory lives, so that its files are opened by name; or -1 */
	/* taker's */
	struct ubtrfs_node node;
	uint32_t inode_flags; /* inherited by what is created in it */
	bool is_top;
	bool is_stamped;       /* its times are to be set again */
	struct scan_dest dest; /* of a copy */
	size_t path_len;
	char path[]; /* relative to the top, "" for the top itself */
};

struct scan_range {
	uint64_t start;
	uint64_t len;
};

struct scan_entry {
	struct scan_batch *batch;
	const char *path; /* relative to the top */
	const char *name; /* the end of path */
	size_t name_len;
	struct import_meta meta;
	uint64_t dev, ino;
	uint64_t size;
	uint32_t nlink;
	struct ubtrfs_node source_node; /* with import.source_fs */
	const char *target;		/* of a symlink */
	size_t target_len;
	const struct import_xattr *xattrs;
	size_t nr_xattrs;
	const struct scan_range
		*ranges; /* where a regular file has data, aligned outwards to sectors */
	size_t nr_ranges;
	struct scan_dir *dir; /* of a directory */
	struct ref_handle dir_handle;
	/* readers' (source_file.c) */
	struct ref_handle batch_handle;
	atomic_uint nr_open_ranges;
	atomic_int fd;
	atomic_bool warned;
	struct scan_range whole; /* what ranges points to when there are no holes */
};

struct scan_batch {
	struct link link; /* of the queue */
	struct ref ref;
	struct ref_handle handle; /* the taker's */
	struct import *import;
	struct ref_handle import_handle;
	struct scan_dir *dir; /* whose entries these are; NULL for the top itself */
	struct ref_handle dir_handle;
	bool is_last; /* of its directory */
	struct arena arena;
	size_t bytes; /* of memory, about */
	size_t nr_entries;
	struct scan_entry entries[];
};

struct scan;

int scan_new(struct import *import, struct scan **ret_scan) must_check;
void scan_free(struct scan *scan);
/*
 * In the thread that calls scan_next: tells that it has a working directory of its own, which the
 * scanner may change.
 */
void scan_use_cwd(struct scan *scan);
/* *ret_batch NULL at the end. */
int scan_next(struct scan *scan, struct scan_batch **ret_batch) must_check;

void scan_batch_get(struct scan_batch *batch, struct ref_handle *ret_handle);
void scan_batch_put(struct scan_batch *batch, struct ref_handle *handle);

/* --- scan_entry.c --- */

/* A batch with room for nr_entries and none in it. */
int scan_batch_new(struct import *import, struct scan_dir *dir, size_t nr_entries,
		   struct scan_batch **ret_batch) must_check;
void scan_dir_put(struct scan_dir *dir, struct ref_handle *handle);

struct scan_at {
	struct import *import;
	int dir_fd;
	bool own_cwd;	       /* the working directory is dir_fd */
	char *value;	       /* room for one xattr list or value */
	char *access_path;     /* room for a path by which an xattr call can reach the entry */
	bool follow;	       /* symlinks lead to what is copied */
	uint64_t top_dev;      /* of the first entry */
	uint64_t no_xattr_dev; /* the device last found to have no xattrs; 0 = none */
	bool told_xattr;       /* of a namespace that btrfs does not have */
};

#define SCAN_VALUE_BYTES 65536

/* The ranges of an entry while they are found: grows in the arena of its batch. */
struct scan_range_list {
	struct scan_range *ranges;
	size_t capacity;
};

/* One more range, joined with the one before when they touch. Sets nr_ranges of the entry. */
int scan_range_add(struct scan_entry *entry, struct scan_range_list *list, uint64_t start,
		   uint64_t end) must_check;

/*
 * Appends the entry `name` of the batch's directory. 0, or 1 when it has vanished (the warning was
 * given). name "" is the top itself.
 */
int scan_entry_add(struct scan_at *at, struct scan_batch *batch, const char *name,
		   size_t name_len) must_check;

/* --- scan_image.c: the same of an entry of another filesystem --- */
int scan_image_entry(struct scan_at *at, struct scan_entry *entry) must_check;

/* --- scan_sparse.c --- */
/*
 * What the rules of a copy make of the ranges with data: all of the file, or those that hold more
 * than zeros. fd: the file, open; -1 with import.source_fs.
 */
int scan_sparse(struct scan_at *at, struct scan_entry *entry, int fd) must_check;

#endif
