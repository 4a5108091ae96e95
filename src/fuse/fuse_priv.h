/*
 * What the files of fuse share: the mount, replies, and the operations of each file.
 */
#ifndef UBTRFS_FUSE_FUSE_PRIV_H
#define UBTRFS_FUSE_FUSE_PRIV_H

#define FUSE_USE_VERSION 312

#include <stdatomic.h>

#include <fuse_lowlevel.h>

#include "base/lock.h"
#include "fuse/fuse.h"
#include "fuse/fuse_loop.h"
#include "fuse/fuse_wire.h"
#include "fuse/mount_point.h"
#include "fuse/node_ids.h"

/* We are the only writer: what the kernel knows stays true until it changes it itself. */
#define FRONT_FOREVER_S 1e9
#define FRONT_REQUEST_BYTES (1u << 20)

/* Damage that a program meets is told in the log too, some of it. */
struct front_errors {
	struct mutex lock;
	uint64_t since_ns; /* when the first of these was told; 0: none */
	unsigned nr;
};

struct front {
	struct ubtrfs *fs;
	const struct mount_options *options;
	const char *image, *mountpoint; /* absolute */
	struct mount_point point;
	struct fuse_session *session;
	struct ubtrfs_node top;
	struct node_ids ids;
	uint32_t block_bytes; /* st_blksize */
	bool has_ids;
	bool opens; /* the kernel gathers writes: what may be written is asked when a file is opened */
	struct control_server *control;
	struct loop *loop;
	struct wire wire;
	struct front_errors errors;
};

static inline struct front *front_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* ---- fuse_session.c ---- */

struct mount_request;
/* Which function answers what; the userdata of a session is the front. */
extern const struct fuse_lowlevel_ops front_ops;
int session_mount(struct front *front, const struct mount_request *request) must_check;
/*
 * Ends the connection, and the mount if that is still there. Behind the loop; may be called without
 * a mount, and again.
 */
void session_unmount(struct front *front);
/* front->loop */
int session_loop_new(struct front *front) must_check;

/* ---- mount_wait.c ---- */

/* For the process that had the image mounted before and has not ended yet; for five seconds at most. */
void mount_wait_for_last(const char *image);

/* ---- fuse_attr.c ---- */

void front_errors_init(struct front_errors *errors);
void front_errors_fini(struct front_errors *errors);
/* Replies with an errno for a negative result of the library. */
void reply_error(fuse_req_t req, int err);
/* The same of a request that only reads: damage is told in the log. (Others abort, and that is told.) */
void reply_read_error(fuse_req_t req, int err);
/* Replies 0, or the error. */
void reply_result(fuse_req_t req, int err);
/* The node of an id; false after a reply. */
bool request_node(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node *ret_node);
void attr_to_stat(const struct front *front, const struct ubtrfs_attr *attr, uint64_t id,
		  struct stat *ret_st);
/* The owner of what a request makes in a directory. */
int request_owner(fuse_req_t req, struct ubtrfs_node dir, struct ubtrfs_attr *attr) must_check;
/* The mode of what a request makes: without the set-id bits that it may not give. */
uint32_t request_new_mode(fuse_req_t req, uint32_t mode);
/* A regular file's handle of the kernel carries nothing. */
void front_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file);
void front_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int set,
		   struct fuse_file_info *file);
/* Whether a write takes set-id bits away. */
bool request_kills_setid(fuse_req_t req, const struct fuse_file_info *file);
/* Somebody without a right to set-id bits has written. */
int request_kill_setid(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node node) must_check;
/* Before contents change by a request in which the kernel says nothing of such rights. */
int request_changes(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node node) must_check;
/* Before an access ACL is set: only who is of the group keeps the set-group-ID bit. */
int request_kill_setgid(fuse_req_t req, struct ubtrfs_node node) must_check;
void front_statfs(fuse_req_t req, fuse_ino_t id);

/* ---- fuse_name.c ---- */

/* A node for the kernel, by its name there, counted as looked up; attr may be NULL. */
struct entry_place {
	struct ubtrfs_node dir;
	const char *name;
	size_t name_len;
};
int entry_fill(struct front *front, const struct entry_place *place, struct ubtrfs_node node,
	       const struct ubtrfs_attr *attr, struct fuse_entry_param *ret_entry) must_check;
/* It was not told after all; or it forgets. */
void entry_forget(struct front *front, fuse_ino_t id, uint64_t nr);
void front_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void front_forget(fuse_req_t req, fuse_ino_t id, uint64_t nr);
void front_forget_multi(fuse_req_t req, size_t nr, struct fuse_forget_data *forgets);
void front_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void front_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void front_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void front_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		  struct fuse_file_info *file);
void front_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent, const char *name);
void front_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void front_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void front_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		  const char *new_name, unsigned int flags);
void front_readlink(fuse_req_t req, fuse_ino_t id);

/* ---- fuse_dir.c ---- */

void front_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t cookie,
		   struct fuse_file_info *file);
void front_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t cookie,
		       struct fuse_file_info *file);

/* ---- fuse_file.c ---- */

/* Opening and closing mean nothing here: the kernel is told not to ask. */
/* EPERM: not for writing, or only for appending, as its flags are; and how it is opened then. */
int open_check(const struct front *front, struct ubtrfs_node node,
	       struct fuse_file_info *file) must_check;
void front_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file);
void front_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file);
void front_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file);
void front_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file);
void front_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset,
		struct fuse_file_info *file);
void front_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
		 struct fuse_file_info *file);
void front_fsync(fuse_req_t req, fuse_ino_t id, int data_only, struct fuse_file_info *file);
void front_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence,
		 struct fuse_file_info *file);

void front_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t offset, off_t len,
		     struct fuse_file_info *file);
void front_copy_file_range(fuse_req_t req, fuse_ino_t src, off_t src_offset,
			   struct fuse_file_info *src_file, fuse_ino_t dst, off_t dst_offset,
			   struct fuse_file_info *dst_file, size_t len, int flags);

/* ---- fuse_ioctl.c ---- */

void front_ioctl(fuse_req_t req, fuse_ino_t id, unsigned int number, void *arg,
		 struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
		 size_t out_size);

/* ---- fuse_xattr.c ---- */

void front_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size,
		    int flags);
void front_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size);
void front_listxattr(fuse_req_t req, fuse_ino_t id, size_t size);
void front_removexattr(fuse_req_t req, fuse_ino_t id, const char *name);

#endif
