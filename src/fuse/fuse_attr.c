/*
 * Attributes towards the kernel, and replies with errors.
 *
 * Keeps nothing. Compares no permissions: the kernel does (default_permissions).
 */
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <ubtrfs/attr.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "fuse/fuse_priv.h"

/* So many lines about damage, at most, in so long a time. */
#define TOLD_MAX 10u
#define TOLD_EVERY_NS (60 * (uint64_t)1000000000)

void front_errors_init(struct front_errors *errors)
{
	*errors = (struct front_errors){ .nr = 0 };
	mutex_init(&errors->lock, RANK_LEAF, "errors told");
}

void front_errors_fini(struct front_errors *errors)
{
	mutex_fini(&errors->lock);
}

/* How many have been told of late, this one included. */
static unsigned count_error(struct front_errors *errors)
{
	uint64_t now = clock_monotonic_ns();
	unsigned nr;

	mutex_lock(&errors->lock);
	if (!errors->since_ns || now - errors->since_ns > TOLD_EVERY_NS) {
		errors->since_ns = now;
		errors->nr = 0;
	}
	nr = errors->nr = MIN(errors->nr + 1, TOLD_MAX + 1);
	mutex_unlock(&errors->lock);
	return nr;
}

/* A program is told "Input/output error" only; where it is stands in the sentence. */
static void tell_damage(struct front *front, int err, int number)
{
	unsigned nr;

	if (number != EIO && number != EUCLEAN)
		return;
	nr = count_error(&front->errors);
	if (nr <= TOLD_MAX)
		log_error("%s: %s%s", front->image, err_text(err),
			  nr == TOLD_MAX ? " (more of this minute are not told)" : "");
}

void reply_error(fuse_req_t req, int err)
{
	fuse_reply_err(req, err_to_errno(err));
}

void reply_read_error(fuse_req_t req, int err)
{
	int number = err_to_errno(err);

	tell_damage(front_of(req), err, number);
	fuse_reply_err(req, number);
}

void reply_result(fuse_req_t req, int err)
{
	fuse_reply_err(req, err < 0 ? err_to_errno(err) : 0);
}

bool request_node(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node *ret_node)
{
	int err = node_of_id(&front_of(req)->ids, id, ret_node);

	if (err < 0)
		reply_error(req, err);
	return err >= 0;
}

static struct timespec time_to_stat(const struct ubtrfs_time *at)
{
	return (struct timespec){ .tv_sec = (time_t)at->sec, .tv_nsec = at->nsec };
}

static struct ubtrfs_time time_from_stat(const struct timespec *at)
{
	return (struct ubtrfs_time){ .sec = at->tv_sec, .nsec = (uint32_t)at->tv_nsec };
}

void attr_to_stat(const struct front *front, const struct ubtrfs_attr *attr, uint64_t id,
		  struct stat *ret_st)
{
	const struct mount_options *options = front->options;

	*ret_st = (struct stat){
		.st_ino = node_id_ino(&front->ids, id),
		.st_mode = attr->mode,
		.st_nlink = attr->nlink,
		.st_uid = options->map_uid ? options->uid : attr->uid,
		.st_gid = options->map_gid ? options->gid : attr->gid,
		.st_rdev = attr->rdev,
		.st_size = (off_t)MIN(attr->size, (uint64_t)INT64_MAX),
		.st_blocks = (blkcnt_t)(attr->allocated_bytes / 512),
		.st_blksize = (blksize_t)front->block_bytes,
		.st_atim = time_to_stat(&attr->atime),
		.st_mtim = time_to_stat(&attr->mtime),
		.st_ctim = time_to_stat(&attr->ctime),
	};
}

static bool request_is_mapped_user(fuse_req_t req)
{
	const struct mount_options *options = front_of(req)->options;
	uid_t uid = fuse_req_ctx(req)->uid;

	return uid == 0 || uid == geteuid() || (options->map_uid && uid == options->uid);
}

int request_owner(fuse_req_t req, struct ubtrfs_node dir, struct ubtrfs_attr *attr)
{
	const struct mount_options *options = front_of(req)->options;
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct ubtrfs_attr dir_attr;

	attr->uid = ctx->uid;
	attr->gid = ctx->gid;
	/* Others make what is theirs, also where it is shown as somebody else's. */
	if ((!options->map_uid && !options->map_gid) || !request_is_mapped_user(req))
		return 0;
	/* What is shown as somebody's stays whose it is: new files are its owner's too. */
	TRY(ubtrfs_getattr(front_of(req)->fs, dir, &dir_attr));
	if (options->map_uid)
		attr->uid = dir_attr.uid;
	if (options->map_gid)
		attr->gid = dir_attr.gid;
	return 0;
}

/*
 * Where owners are shown as others than they are, a set-id bit would be given by one and be
 * another's: only root gives one there.
 */
static uint32_t setid_refused(fuse_req_t req)
{
	const struct mount_options *options = front_of(req)->options;

	if (fuse_req_ctx(req)->uid == 0)
		return 0;
	return (options->map_uid ? S_ISUID | S_ISGID : 0) | (options->map_gid ? S_ISGID : 0);
}

uint32_t request_new_mode(fuse_req_t req, uint32_t mode)
{
	/* That of a directory gives nobody any right. */
	return S_ISDIR(mode) ? mode : mode & ~setid_refused(req);
}

static int check_setid(fuse_req_t req, struct ubtrfs_node node, uint32_t mode)
{
	uint32_t refused = setid_refused(req);
	struct ubtrfs_attr attr;

	if (!(mode & refused))
		return 0;
	TRY(ubtrfs_getattr(front_of(req)->fs, node, &attr));
	return !S_ISDIR(attr.mode) && mode & refused & ~attr.mode ? -EPERM : 0;
}

static void reply_attr(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node node)
{
	struct front *front = front_of(req);
	struct ubtrfs_attr attr;
	struct stat st;
	int err = ubtrfs_getattr(front->fs, node, &attr);

	if (err < 0) {
		reply_read_error(req, err);
		return;
	}
	attr_to_stat(front, &attr, id, &st);
	fuse_reply_attr(req, &st, FRONT_FOREVER_S);
}

void front_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *file)
{
	struct ubtrfs_node node;

	(void)file;
	if (request_node(req, id, &node))
		reply_attr(req, id, node);
}

static unsigned attr_from_stat(const struct stat *st, int set, struct ubtrfs_attr *ret_attr)
{
	unsigned wanted = 0;

	*ret_attr = (struct ubtrfs_attr){ .mode = st->st_mode,
					  .uid = st->st_uid,
					  .gid = st->st_gid,
					  .size = (uint64_t)st->st_size,
					  .atime = time_from_stat(&st->st_atim),
					  .mtime = time_from_stat(&st->st_mtim),
					  .ctime = time_from_stat(&st->st_ctim) };
	if (set & FUSE_SET_ATTR_MODE)
		wanted |= UBTRFS_ATTR_MODE;
	if (set & FUSE_SET_ATTR_UID)
		wanted |= UBTRFS_ATTR_UID;
	if (set & FUSE_SET_ATTR_GID)
		wanted |= UBTRFS_ATTR_GID;
	if (set & FUSE_SET_ATTR_SIZE)
		wanted |= UBTRFS_ATTR_SIZE;
	if (set & FUSE_SET_ATTR_ATIME_NOW)
		wanted |= UBTRFS_ATTR_ATIME_NOW;
	else if (set & FUSE_SET_ATTR_ATIME)
		wanted |= UBTRFS_ATTR_ATIME;
	if (set & FUSE_SET_ATTR_MTIME_NOW)
		wanted |= UBTRFS_ATTR_MTIME_NOW;
	else if (set & FUSE_SET_ATTR_MTIME)
		wanted |= UBTRFS_ATTR_MTIME;
	if (set & FUSE_SET_ATTR_CTIME)
		wanted |= UBTRFS_ATTR_CTIME;
	return wanted;
}

#define GROUPS_MAX 1024

static bool request_is_of_group(fuse_req_t req, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int nr = fuse_req_ctx(req)->gid == gid ? 0 : fuse_req_getgroups(req, GROUPS_MAX, groups);

	if (fuse_req_ctx(req)->gid == gid)
		return true;
	for (int i = 0; i < MIN(nr, GROUPS_MAX); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* The set-group-ID bit of what the group may not execute only strangers take away. */
static bool setgid_is_strange(fuse_req_t req, const struct ubtrfs_attr *attr)
{
	return attr->mode & S_ISGID && !(attr->mode & S_IXGRP) && !S_ISDIR(attr->mode) &&
	       !request_is_of_group(req, attr->gid);
}

/*
 * The kernel takes away what a file may by itself when it is written, but not through a mapping of
 * memory: there it trusts the owner, who is shown as another than he is.
 */
static int kill_capability(struct front *front, struct ubtrfs_node node)
{
	int err;

	if (!front->options->map_uid && !front->options->map_gid)
		return 0;
	err = ubtrfs_removexattr(front->fs, node, "security.capability");
	/* Sealed files had been opened before. */
	return err_to_errno(err) == ENODATA || err_to_errno(err) == EPERM ? 0 : err;
}

int request_kill_setid(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node node)
{
	struct front *front = front_of(req);
	struct ubtrfs_attr attr;
	unsigned set = UBTRFS_ATTR_KILL_SETID;

	TRY(kill_capability(front, node));
	TRY(ubtrfs_getattr(front->fs, node, &attr));
	if (!(attr.mode & (S_ISUID | S_ISGID)))
		return 0;
	if (setgid_is_strange(req, &attr)) {
		attr.mode &= ~(uint32_t)S_ISGID;
		set |= UBTRFS_ATTR_MODE;
	}
	TRY(ubtrfs_setattr(front->fs, node, &attr, set));
	/* The reply to a write says nothing of the mode; a negative offset means no contents. */
	(void)fuse_lowlevel_notify_inval_inode(front->session, id, -1, 0);
	return 0;
}

bool request_kills_setid(fuse_req_t req, const struct fuse_file_info *file)
{
	const struct mount_options *options = front_of(req)->options;

	if ((unsigned)file->flags & WIRE_KILL_FLAG)
		return true;
	/* What comes from a mapping of memory the kernel sends as its own. */
	return (options->map_uid || options->map_gid) &&
	       (file->writepage || fuse_req_ctx(req)->uid != 0);
}

/* Of all rights the owner's number is what a request tells; without root's the bits go. */
int request_changes(fuse_req_t req, fuse_ino_t id, struct ubtrfs_node node)
{
	return fuse_req_ctx(req)->uid ? request_kill_setid(req, id, node) : 0;
}

int request_kill_setgid(fuse_req_t req, struct ubtrfs_node node)
{
	struct front *front = front_of(req);
	struct ubtrfs_attr attr;

	if (!fuse_req_ctx(req)->uid)
		return 0;
	TRY(ubtrfs_getattr(front->fs, node, &attr));
	if (!(attr.mode & S_ISGID) || request_is_of_group(req, attr.gid))
		return 0;
	attr.mode &= ~(uint32_t)S_ISGID;
	return ubtrfs_setattr(front->fs, node, &attr, UBTRFS_ATTR_MODE);
}

static bool time_is(const struct ubtrfs_time *a, const struct ubtrfs_time *b)
{
	return a->sec == b->sec && a->nsec == b->nsec;
}

/*
 * Times that were refused because of the flags of a file. Where the kernel gathers writes the times
 * are its own: it may be told of what was written before the flags were set, and "now" of an
 * append-only file is a time like another. The kernel names the open file with what was written,
 * and with no times that a program sets; with what it changed itself (a name, an attribute) it
 * names none, and we have that.
 */
static int set_times_late(struct front *front, struct ubtrfs_node node, uint64_t handle,
			  const struct ubtrfs_attr *attr, unsigned wanted)
{
	const unsigned written = UBTRFS_ATTR_MTIME | UBTRFS_ATTR_CTIME;
	const unsigned now = written | UBTRFS_ATTR_ATIME_NOW;
	struct ubtrfs_attr old;
	uint32_t fsflags;
	bool is_written, is_now;

	if (!front->opens || (wanted != written && wanted != now))
		return -EPERM;
	TRY(ubtrfs_getattr(front->fs, node, &old));
	TRY(ubtrfs_fsflags_get(front->fs, node, &fsflags));
	is_written = wanted == written && handle & WIRE_OPEN_HANDLE;
	is_now = wanted == now && !(fsflags & FS_IMMUTABLE_FL) &&
		 time_is(&attr->mtime, &attr->ctime);
	if (is_written || is_now)
		return ubtrfs_setattr(front->fs, node, attr, wanted | UBTRFS_ATTR_OPENED);
	return wanted == written && time_is(&attr->mtime, &old.mtime) ? 0 : -EPERM;
}

/* Whether somebody without a right to set-id bits who cuts the file takes one off. */
static bool cut_kills(fuse_req_t req, const struct ubtrfs_attr *now)
{
	return now->mode & S_ISUID || (now->mode & S_ISGID && now->mode & S_IXGRP) ||
	       setgid_is_strange(req, now);
}

/*
 * A size by a path leaves a file of that size as it is; one by a descriptor does not, nor does
 * O_TRUNC, which looks like a size of 0 by a path.
 */
static int cut_wanted(fuse_req_t req, struct ubtrfs_node node, uint64_t handle,
		      struct ubtrfs_attr *attr, unsigned *wanted)
{
	struct ubtrfs_attr now;

	TRY(ubtrfs_getattr(front_of(req)->fs, node, &now));
	if (!(handle & WIRE_OPEN_HANDLE) && attr->size && attr->size == now.size) {
		*wanted &= ~UBTRFS_ATTR_SIZE;
		if (!cut_kills(req, &now))
			return 0;
	}
	if (!(handle & WIRE_KILL_HANDLE))
		return 0;
	*wanted |= UBTRFS_ATTR_KILL_SETID;
	if (!(*wanted & UBTRFS_ATTR_MODE) && setgid_is_strange(req, &now)) {
		attr->mode = now.mode & ~(uint32_t)S_ISGID;
		*wanted |= UBTRFS_ATTR_MODE;
	}
	return 0;
}

/*
 * Nothing at all: chown(2) to nobody, which is a change, and takes set-id bits away. It looks like
 * what the kernel sends ahead of a stranger's write, which takes them away itself.
 */
static int touch_owner(fuse_req_t req, struct ubtrfs_node node)
{
	const struct mount_options *options = front_of(req)->options;
	struct ubtrfs *fs = front_of(req)->fs;
	uid_t uid = fuse_req_ctx(req)->uid;
	struct ubtrfs_attr now;
	uint32_t flags;

	TRY(ubtrfs_getattr(fs, node, &now));
	if (!S_ISDIR(now.mode) && now.mode & (S_ISUID | S_ISGID) && uid &&
	    uid != (options->map_uid ? options->uid : now.uid))
		return 0;
	TRY(ubtrfs_fsflags_get(fs, node, &flags));
	/* Nobody is refused, but what is sealed stays as it is. */
	if (flags & FS_IMMUTABLE_FL)
		return 0;
	return ubtrfs_setattr(fs, node, &now, UBTRFS_ATTR_KILL_SETID);
}

static int set_attr(fuse_req_t req, struct ubtrfs_node node, uint64_t handle,
		    struct ubtrfs_attr *attr, unsigned wanted)
{
	struct front *front = front_of(req);

	if ((wanted & UBTRFS_ATTR_UID && front->options->map_uid) ||
	    (wanted & UBTRFS_ATTR_GID && front->options->map_gid))
		return -EPERM;
	if (!wanted)
		return touch_owner(req, node);
	if (wanted & UBTRFS_ATTR_MODE)
		TRY(check_setid(req, node, attr->mode));
	if (wanted & UBTRFS_ATTR_SIZE)
		TRY(cut_wanted(req, node, handle, attr, &wanted));
	/* Who gives a file away takes the bits off. */
	if (front->wire.kills_privileges && wanted & (UBTRFS_ATTR_UID | UBTRFS_ATTR_GID))
		wanted |= UBTRFS_ATTR_KILL_SETID;
	return wanted ? ubtrfs_setattr(front->fs, node, attr, wanted) : 0;
}

void front_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int set,
		   struct fuse_file_info *file)
{
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;
	unsigned wanted;
	int err;

	if (!request_node(req, id, &node))
		return;
	wanted = attr_from_stat(st, set, &attr);
	err = set_attr(req, node, file ? file->fh : 0, &attr, wanted);
	if (err == -EPERM)
		err = set_times_late(front_of(req), node, file ? file->fh : 0, &attr, wanted);
	if (err < 0)
		reply_error(req, err);
	else
		reply_attr(req, id, node);
}

void front_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct ubtrfs_statfs from;
	struct statvfs st = { 0 };
	int err = ubtrfs_statfs(front_of(req)->fs, &from);

	(void)id;
	if (err < 0) {
		reply_error(req, err);
		return;
	}
	st.f_bsize = st.f_frsize = from.block_size;
	st.f_blocks = from.blocks;
	st.f_bfree = from.blocks_free;
	st.f_bavail = from.blocks_available;
	st.f_files = from.files;
	st.f_ffree = from.files_free;
	st.f_namemax = from.name_max;
	fuse_reply_statfs(req, &st);
}
