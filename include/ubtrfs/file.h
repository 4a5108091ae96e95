/*
 * Files and directories by node: look up, create, read, write, attributes, names.
 *
 * A node is (subvolume id, inode number). Names are bytes with a length, at most 255, without '/'
 * and NUL. Looking up the name of a subvolume yields its top directory (inode 256 of that
 * subvolume).
 */
#ifndef UBTRFS_FILE_H
#define UBTRFS_FILE_H

#include <sys/types.h>

#include <ubtrfs/ubtrfs.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ubtrfs_node {
	uint64_t subvolid;
	uint64_t ino;
};

#define UBTRFS_ROOT_INO 256

/* Bits for what an ubtrfs_attr sets. */
#define UBTRFS_ATTR_MODE 0x01u
#define UBTRFS_ATTR_UID 0x02u
#define UBTRFS_ATTR_GID 0x04u
#define UBTRFS_ATTR_SIZE 0x08u
#define UBTRFS_ATTR_ATIME 0x10u
#define UBTRFS_ATTR_MTIME 0x20u
#define UBTRFS_ATTR_CTIME 0x40u
#define UBTRFS_ATTR_OTIME 0x80u
#define UBTRFS_ATTR_FLAGS 0x100u
/* The library's now, which is allowed where a time of choice is not (append-only files). */
#define UBTRFS_ATTR_ATIME_NOW 0x200u
#define UBTRFS_ATTR_MTIME_NOW 0x400u
/*
 * What a file may do by itself goes, as when a program writes it or gives it away: the set-user-ID
 * bit, the set-group-ID bit of what its group may execute, security.capability. Not of directories.
 * After the mode, when both are named.
 */
#define UBTRFS_ATTR_KILL_SETID 0x800u
/* With nothing but times, which a write of who has opened the file left: as ubtrfs_write_opened. */
#define UBTRFS_ATTR_OPENED 0x1000u

struct ubtrfs_attr {
	struct ubtrfs_node node;
	uint32_t mode; /* type and permissions, as st_mode */
	uint32_t uid, gid;
	uint32_t nlink;
	uint64_t rdev; /* as st_rdev of devices */
	uint64_t size;
	uint64_t allocated_bytes; /* on disk, as st_blocks * 512 */
	uint64_t generation;
	uint64_t flags; /* BTRFS_INODE_* */
	struct ubtrfs_time atime, mtime, ctime, otime;
	bool no_xattrs; /* surely; only ubtrfs_readdir_plus tells, and not always */
};

/* The top directory of the whole filesystem (subvolume 5), or of the default subvolume. */
struct ubtrfs_node ubtrfs_top(struct ubtrfs *fs);
struct ubtrfs_node ubtrfs_default_top(struct ubtrfs *fs);

int ubtrfs_lookup(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t name_len,
		  struct ubtrfs_node *ret_node);
/*
 * Follows a path from a directory; symlinks inside are followed within the filesystem (at most
 * 40), the last one only if follow. Crosses subvolumes.
 */
int ubtrfs_resolve(struct ubtrfs *fs, struct ubtrfs_node from, const char *path, bool follow,
		   struct ubtrfs_node *ret_node);
/*
 * The directory that the last name of a path is in, and where in path that name stands (borrowed;
 * slashes behind it do not count): for what makes, moves or removes names. Links before the last
 * name are followed. -EINVAL for a path that ends in no name ("/", "", ".", "..").
 */
int ubtrfs_resolve_parent(struct ubtrfs *fs, struct ubtrfs_node from, const char *path,
			  struct ubtrfs_node *ret_dir, const char **ret_name, size_t *ret_name_len);
int ubtrfs_getattr(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_attr *ret_attr);

/*
 * Holding a node, as an open file or a kernel that knows it does: while it is held, it stays when
 * its last name goes, and can be read and written; with the last hold such a node is deleted. Should
 * the process die before, the next opening for writing deletes it. One more hold with each call;
 * -ENOENT for a node that is not there.
 */
int ubtrfs_hold(struct ubtrfs *fs, struct ubtrfs_node node);
/* Takes nr holds back. What is still held when the filesystem is closed is released by that. */
void ubtrfs_release(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t nr);

/* What a new node is made of. Times not named in `set` are the library's now. */
struct ubtrfs_new {
	struct ubtrfs_attr attr; /* mode (with type), uid, gid, rdev, flags; times as named in set */
	unsigned set;		 /* UBTRFS_ATTR_*TIME, UBTRFS_ATTR_FLAGS */
	const char *symlink_target; /* for symlinks */
	size_t symlink_len;
	/*
	 * As a program's open(O_CREAT), mkdir or mknod: the permissions of mode are what it asks
	 * for, less umask, or what the default ACL of the directory makes of them; in a directory
	 * with the set-group-ID bit the group is the directory's, and so is the bit of a new
	 * directory.
	 */
	bool inherit;
	uint32_t umask;
};
int ubtrfs_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t name_len,
		  const struct ubtrfs_new *what, struct ubtrfs_node *ret_node);
/*
 * A regular file without a name, in the subvolume of dir, which hands down to it what it hands down
 * to new files. It is held once for the caller; ubtrfs_link gives it a name.
 */
int ubtrfs_tmpfile(struct ubtrfs *fs, struct ubtrfs_node dir, const struct ubtrfs_new *what,
		   struct ubtrfs_node *ret_node);
/* -ENOENT for a node that has lost its last name; one from ubtrfs_tmpfile gets its first so. */
int ubtrfs_link(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_node dir,
		const char *name, size_t name_len);
/* As renameat2(2), with Linux's values: */
#define UBTRFS_RENAME_NOREPLACE 1u /* -EEXIST when the new name is there */
#define UBTRFS_RENAME_EXCHANGE 2u  /* both are there, and change places */
#define UBTRFS_RENAME_WHITEOUT 4u  /* in the old place comes a character device 0/0 */
/*
 * Moves a name; what had the new one loses it, if it may: a directory that is not empty and a
 * subvolume may not (-ENOTEMPTY). Subvolumes move as directories do, also to other subvolumes; all
 * else stays in its own (-EXDEV). Two names of one file: nothing happens. A whiteout belongs to who
 * owns the directory.
 */
int ubtrfs_rename(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t name_len,
		  struct ubtrfs_node new_dir, const char *new_name, size_t new_name_len,
		  unsigned flags);
/* Files of any kind but directories. */
int ubtrfs_unlink(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t name_len);
int ubtrfs_rmdir(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t name_len);
/*
 * Sets what `set` names. A change of names or contents afterwards stamps the times again, so set
 * times last.
 */
int ubtrfs_setattr(struct ubtrfs *fs, struct ubtrfs_node node, const struct ubtrfs_attr *attr,
		   unsigned set);

/* Writes from memory (copied). */
int ubtrfs_write(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, const void *data,
		 size_t len);
/*
 * The same for who has opened the file for writing and was not refused then: that the file has
 * become immutable or append-only since is nothing to him (as on Linux, which asks when a file is
 * opened).
 */
int ubtrfs_write_opened(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
			const void *data, size_t len);
/* Writes what a source yields: read is called on worker threads, for pieces of the range, each
 * once, in any order, before the next ubtrfs_commit returns at the latest. It must fill all of
 * len or return a negative errno; release is called once after the last read. This is how data
 * moves without passing through the caller. *_failed of a source surfaces at the operation that
 * meets it. */
struct ubtrfs_source {
	int (*read)(void *ctx, uint64_t offset, void *data, size_t len);
	void (*release)(void *ctx);
	/* NULL: data is copied. Else data that is stored as it is shares the blocks of the
	 * source: a descriptor of it, in which the bytes have the offsets of the file; the
	 * library closes it. Negative errno. Called by the thread that makes calls of the
	 * library. read is used too, for checksums. */
	int (*reflink_fd)(void *ctx);
	void *ctx;
	const char *name; /* for messages; borrowed until release */
};
int ubtrfs_write_from(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, uint64_t len,
		      const struct ubtrfs_source *source);
/* Up to len bytes; *ret_len is short only at the end of the file. Checksums are verified. */
int ubtrfs_read(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data, size_t len,
		size_t *ret_len);
/*
 * The same, and the time of last access stays, whatever the filesystem was opened with (O_NOATIME).
 */
int ubtrfs_read_quietly(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
			size_t len, size_t *ret_len);
/*
 * The next range of data at or after offset: -ENXIO when there is none before the end of the
 * file.
 */
int ubtrfs_seek_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_start, uint64_t *ret_end);
/* The next byte at or after offset that no data covers (a hole, or preallocated); at the latest the
 * end of the file. -ENXIO when offset is not in the file. */
int ubtrfs_seek_hole(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_offset);
/*
 * The next data at or after offset, holes and preallocated ranges passed over: as much of it as lies
 * together and fits into capacity bytes. *ret_start: where it begins in the file, *ret_len > 0. What
 * is behind *ret_len in the buffer is undefined. -ENXIO when there is none before the end of the
 * file. The fastest way to read all of a file is a buffer of 128 KiB or more.
 */
int ubtrfs_read_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data,
		     size_t capacity, uint64_t *ret_start, size_t *ret_len);

/* What ubtrfs_fallocate does with a range; the values are Linux's FALLOC_FL_*. 0: space for all of it
 * is allocated, what is a hole reads as zeroes from then on without being one. */
#define UBTRFS_FALLOC_KEEP_SIZE 0x01u  /* a range behind the end does not make the file longer */
#define UBTRFS_FALLOC_PUNCH_HOLE 0x02u /* a hole; only with KEEP_SIZE */
#define UBTRFS_FALLOC_ZERO_RANGE 0x10u /* reads as zeroes, and space is allocated */
/*
 * -ENOSPC before anything changes when there is no space for all of the range; -EOPNOTSUPP for other
 * modes. -EFBIG, -EINVAL (len 0), -EISDIR.
 */
int ubtrfs_fallocate(struct ubtrfs *fs, struct ubtrfs_node node, unsigned mode, uint64_t offset,
		     uint64_t len);
/*
 * dst shares what src has: the range of dst has the same contents afterwards, and nothing is copied
 * (but contents that are inline). len 0: up to the end of src. Across subvolumes, or within one
 * file. -EINVAL: offsets and len are no multiples of the sector size (len may reach the end of src
 * instead, when it reaches the end of dst too), the ranges overlap, src ends before, or only one of
 * the files has checksums.
 */
int ubtrfs_clone_range(struct ubtrfs *fs, struct ubtrfs_node src, uint64_t src_offset,
		       struct ubtrfs_node dst, uint64_t dst_offset, uint64_t len);
/*
 * As ubtrfs_clone_range for ranges that hold the same bytes already; *ret_same false when they do
 * not (what comes before the difference may be shared then). No time changes. -EINVAL also when dst
 * ends before.
 */
int ubtrfs_dedupe_range(struct ubtrfs *fs, struct ubtrfs_node src, uint64_t src_offset,
			struct ubtrfs_node dst, uint64_t dst_offset, uint64_t len, bool *ret_same);
/*
 * Copies, sharing what can be shared. *ret_len is less than len at the end of src, or when much has
 * to be copied: call again. -EINVAL when the ranges overlap.
 */
int ubtrfs_copy_range(struct ubtrfs *fs, struct ubtrfs_node src, uint64_t src_offset,
		      struct ubtrfs_node dst, uint64_t dst_offset, uint64_t len, uint64_t *ret_len);
int ubtrfs_readlink(struct ubtrfs *fs, struct ubtrfs_node node, char *target, size_t capacity,
		    size_t *ret_len);

/*
 * What was done to the node, and its names, is durable afterwards. (data_only: what is needed to read
 * its contents would do; there is no cheaper way yet.)
 */
int ubtrfs_fsync(struct ubtrfs *fs, struct ubtrfs_node node, bool data_only);

struct ubtrfs_dirent {
	uint64_t cookie;	 /* pass to ubtrfs_readdir to go on behind this entry */
	struct ubtrfs_node node; /* of a subvolume: its top */
	uint8_t type; /* BTRFS_FT_*: 1 file, 2 dir, 3 chr, 4 blk, 5 fifo, 6 sock, 7 symlink */
	bool is_subvolume;
	const char *name; /* borrowed during the call; not terminated */
	size_t name_len;
};
/*
 * Calls visit for each entry behind cookie (0 = from the start), without "." and ".."; nonzero
 * from visit stops and is returned. visit may call the library. A listing ends with what was the
 * last entry when the call began, so that it ends although visit moves each entry to a new name.
 */
int ubtrfs_readdir(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie,
		   int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx);
/*
 * The same with the attributes of each entry, which cost far less so than with ubtrfs_getattr. attr
 * is borrowed during the call, and NULL when it could not be read: ubtrfs_getattr tells why.
 */
int ubtrfs_readdir_plus(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie,
			int (*visit)(void *ctx, const struct ubtrfs_dirent *entry,
				     const struct ubtrfs_attr *attr),
			void *ctx);

/*
 * The cookie of what is the last entry now (1: there is none): where a listing of several calls
 * that begins now is to end.
 */
int ubtrfs_readdir_end(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t *ret_cookie);

/*
 * Extended attributes, with the names and limits of Linux: user. (of files and directories only),
 * security., trusted., btrfs. (properties: btrfs.compression), and the ACLs system.posix_acl_access
 * and system.posix_acl_default in the form of setxattr(2), with which the mode is kept in step.
 * -EOPNOTSUPP another name, -ERANGE one too long, -E2BIG, -ENOSPC a value too large.
 */
int ubtrfs_setxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name, const void *value,
		    size_t len);
/* -EEXIST with _CREATE, -ENODATA with _REPLACE; the values are Linux's. */
#define UBTRFS_XATTR_CREATE 1u
#define UBTRFS_XATTR_REPLACE 2u
int ubtrfs_setxattr_flags(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
			  const void *value, size_t len, unsigned flags);
/* -ENODATA. */
int ubtrfs_removexattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name);
/*
 * *ret_len: the true length; -ERANGE when capacity is smaller (capacity 0 asks for the length).
 * -ENODATA.
 */
int ubtrfs_getxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name, void *value,
		    size_t capacity, size_t *ret_len);
/* Calls visit for each attribute; nonzero from visit stops and is returned. It may call the library. */
int ubtrfs_listxattr(struct ubtrfs *fs, struct ubtrfs_node node,
		     int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
				  size_t len),
		     void *ctx);

#ifdef __cplusplus
}
#endif

#endif
