/*
 * Unpacking one archive: the state of it, shared by the files that do it.
 *
 *   import_archive.c  the thread, libarchive's reader, the loop over entries
 *   unpack_entry.c    one entry: what it replaces, creating it, its attributes
 *   unpack_data.c     contents
 *   unpack_path.c     parents: found, made, symlinks followed below dest
 *   unpack_remove.c   recursive removal
 *   whiteout.c        OCI layers
 *   dir_times.c       times of directories, set when all is done
 *   archive_acl.c, archive_flags.c   conversions
 *
 * One thread uses it; no locks.
 */
#ifndef UBTRFS_TRANSFER_UNPACK_H
#define UBTRFS_TRANSFER_UNPACK_H

#include <archive.h>
#include <archive_entry.h>

#include "base/hash.h"
#include "base/list.h"
#include "transfer/transfer_priv.h"

#define UNPACK_DEPTH_MAX 4096
#define UNPACK_SYMLINKS_MAX 40

struct dir_times {
	struct hash_table table; /* by node */
	struct list list;	 /* in the order of first mention */
};

/* The names that the present layer has put into directories. */
struct layer_names {
	struct hash_table table;
};

struct unpack {
	struct import *import;
	struct ubtrfs_node dest;
	struct archive *archive;
	struct archive_entry *entry;
	const char *label; /* the archive, in messages */
	bool is_mtree;	   /* known once the first entry was read */
	struct ubtrfs_time now;
	/* the last parent that was resolved; parent_path NULL: none */
	char *parent_path;
	struct ubtrfs_node parent_node;
	struct ubtrfs_node checked_dir; /* names may be put into it */
	struct dir_times dir_times;
	struct layer_names layer_names;
	bool told_owner, told_flags;
};

/* --- unpack_entry.c --- */
int unpack_entry(struct unpack *unpack) must_check;

/* --- unpack_data.c --- */
/* The data of the current entry into an empty file; its size in the end. path for messages. */
int unpack_data(struct unpack *unpack, const char *path, struct ubtrfs_node node) must_check;
/*
 * A result of libarchive below ARCHIVE_OK: a warning, or the failure (the caller puts the archive's
 * name before it).
 */
int unpack_archive_result(struct unpack *unpack, int result) must_check;

/* --- unpack_path.c --- */
/*
 * The directory that holds the last name of a normalized path, and that name (inside path). Missing
 * parents are made if wanted; otherwise 1 is returned when one is missing.
 */
int unpack_parent(struct unpack *unpack, const char *path, bool make, struct ubtrfs_node *ret_dir,
		  const char **ret_name) must_check;
/* Whatever is remembered of paths no longer holds. */
void unpack_forget_paths(struct unpack *unpack);
/* 0, or 1 when there is no such name. */
int unpack_lookup(struct unpack *unpack, struct ubtrfs_node dir, const char *name,
		  struct ubtrfs_attr *ret_attr) must_check;

/* --- unpack_remove.c --- */
struct name_list {
	char **names;
	size_t nr, capacity;
};
int name_list_read(struct unpack *unpack, struct ubtrfs_node dir,
		   struct name_list *ret_list) must_check;
void name_list_fini(struct name_list *list);
/* A name, and with a directory all below it. */
int unpack_remove(struct unpack *unpack, struct ubtrfs_node dir, const char *name) must_check;

/* --- whiteout.c --- */
void layer_names_init(struct layer_names *names);
void layer_names_fini(struct layer_names *names);
int layer_names_add(struct layer_names *names, struct ubtrfs_node dir, const char *name) must_check;
bool whiteout_is(const char *name);
/*
 * Applies the whiteout `name` (".wh.NAME", ".wh..wh..opq") in dir to what lower layers put there.
 */
int whiteout_apply(struct unpack *unpack, struct ubtrfs_node dir, const char *name) must_check;

/* --- dir_times.c --- */
void dir_times_init(struct dir_times *times);
void dir_times_fini(struct dir_times *times);
int dir_times_set(struct dir_times *times, struct ubtrfs_node node,
		  const struct ubtrfs_attr *attr) must_check;
void dir_times_forget(struct dir_times *times, struct ubtrfs_node node);
int dir_times_apply(struct dir_times *times, struct import *import) must_check;

/* --- archive_acl.c --- */
#define ACL_BYTES_MAX 8192
/*
 * The POSIX ACL of the entry as the value of the xattr system.posix_acl_access or _default (type
 * ARCHIVE_ENTRY_ACL_TYPE_*); *ret_len 0 when the mode says it all. For the access ACL *mode is
 * brought in step with it.
 */
int archive_acl_value(struct import *import, const char *path, struct archive_entry *entry,
		      int type, uint32_t *mode, uint8_t *value, size_t *ret_len) must_check;

/* --- archive_flags.c --- */
/* BTRFS_INODE_* of the entry's file flags; *ret_lost: there were some that btrfs does not have. */
uint32_t archive_flags_of(struct archive_entry *entry, bool *ret_lost);
/* Flags of an inode as FS_*_FL, for archive_entry_set_fflags. */
unsigned long archive_flags_from(uint64_t inode_flags);

#endif
