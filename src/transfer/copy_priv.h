/*
 * What the files of a copy share.
 *
 *   copy_in.c      the session: its sources, one walk for each, what is known across them
 *   copy_target.c  a name that may be there already: what is to become of it
 *   copy_entry.c   making or overwriting one entry
 *   copy_acl.c     what a directory hands down
 *   copy_same.c    contents of a file of the same filesystem
 *   copy_stream.c  contents of what is no regular file (a pipe)
 *   copy_devices.c what a filesystem lies on: is a source the destination
 *
 * One thread uses it; no locks.
 */
#ifndef UBTRFS_TRANSFER_COPY_PRIV_H
#define UBTRFS_TRANSFER_COPY_PRIV_H

#include "transfer/copy_in.h"
#include "transfer/hardlinks.h"
#include "transfer/scan.h"

/* Sources whose readers may still be busy; each has a directory open. */
#define COPY_IMPORTS_MAX 64u

/* What a filesystem lies on. */
struct copy_device {
	uint64_t dev, ino; /* as stat tells; of a block device UINT64_MAX and its number */
};
struct copy_devices {
	uint8_t fsid[16];
	struct copy_device *devices; /* owned */
	unsigned nr, capacity;
};

struct copy_in {
	struct ubtrfs *fs;
	struct copy_devices devices; /* its */
	struct copy_rules rules;
	struct import_options options;
	struct hardlinks links;
	struct hash_table made; /* with several sources: what this copy has made, no directories */
	struct import *imports[COPY_IMPORTS_MAX];
	unsigned nr_imports;
	struct import_stats stats; /* of those that are closed */
	uint64_t items_done, bytes_done;
	uint64_t committed_bytes;
};

#define COPY_ACL_BYTES_MAX 8192u

/* The default ACL of a directory; len 0: none. */
struct copy_acl {
	struct ubtrfs_node dir;
	size_t len;
	uint8_t value[COPY_ACL_BYTES_MAX];
};

/* One source on its way. */
struct copy_walk {
	struct copy_in *copy;
	struct import *import;
	const struct copy_source *source;
	const struct copy_dest *dest;
	struct copy_acl acl;
	bool same_fs;  /* the source is the destination, or that as it was committed */
	int stream_fd; /* the source is no file with a length, and read from here; or -1 */
};

/* --- copy_in.c --- */
bool copy_made_has(const struct copy_in *copy, struct ubtrfs_node node);
int copy_made_add(struct copy_in *copy, struct ubtrfs_node node) must_check;

/* --- copy_target.c --- */
enum copy_what { COPY_MAKE, COPY_OVERWRITE, COPY_MERGE, COPY_SKIP };

/* What stands at the name; for COPY_OVERWRITE and COPY_MERGE it is to be used. */
struct copy_target {
	bool found;
	struct ubtrfs_attr attr; /* behind a symlink that is written through: of its file */
};

/* Looks, refuses as cp does, and takes away what has to go first. */
int copy_target_decide(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		       const struct scan_entry *entry, struct copy_target *ret_target,
		       enum copy_what *ret_what) must_check;
int copy_target_remove(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		       struct copy_target *target) must_check;
/* Refused: flags that forbid a change. */
int copy_check_flags(const struct copy_walk *walk, uint64_t flags, bool is_add,
		     const char *name) must_check;
/* The directory as something to copy into. */
int copy_dest_fill(struct copy_walk *walk, struct ubtrfs_node node,
		   struct scan_dest *ret_dest) must_check;

/* --- copy_entry.c --- */
int copy_entry(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
	       struct scan_entry *entry) must_check;
/* The top of a walk is a directory whose entries go into one that is there. */
int copy_top(struct copy_walk *walk, struct scan_entry *entry) must_check;
/* Everything is in the directory. */
int copy_dir_finish(struct copy_walk *walk, const struct scan_dir *dir) must_check;

/* --- copy_acl.c --- */
/* The mode of something new in a directory: where that hands down an ACL the umask does not count. */
int copy_acl_mode(struct copy_walk *walk, struct ubtrfs_node dir, uint32_t source_mode,
		  uint32_t *mode) must_check;
/* And the ACLs of it; mode is that of copy_acl_mode. */
int copy_acl_hand_down(struct copy_walk *walk, struct ubtrfs_node dir, uint32_t mode,
		       struct ubtrfs_node node) must_check;

/* --- copy_devices.c --- */
int copy_devices_read(struct ubtrfs *fs, struct copy_devices *ret_devices) must_check;
void copy_devices_fini(struct copy_devices *devices);
/* A file of this machine is one of them. */
bool copy_devices_have(const struct copy_devices *devices, uint64_t dev, uint64_t ino);
/* Both are the same filesystem. */
bool copy_devices_meet(const struct copy_devices *a, const struct copy_devices *b);

/* --- copy_same.c --- */
/* Contents of an entry of copy->fs itself, into a file that is empty; attr: of the new file. */
int copy_same_write(struct copy_walk *walk, const struct scan_entry *entry, struct ubtrfs_node node,
		    const struct ubtrfs_attr *attr) must_check;

/* --- copy_stream.c --- */
/* The source, open as stream_fd, as a file at the name. */
int copy_stream(struct copy_walk *walk, const struct scan_dest *dir, const char *name) must_check;
/* Its contents, into a file that is empty. */
int copy_stream_write(struct copy_walk *walk, struct ubtrfs_node node) must_check;

#endif
