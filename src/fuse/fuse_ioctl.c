/*
 * The ioctls that can cross FUSE: those whose size is coded in their number.
 *
 * A table of them, each a function that fills the answer from the public API, and who may. What Linux
 * lets only CAP_SYS_ADMIN do here root with that right and whoever mounted may do. Who may change the
 * flags of an inode the kernel decides before it asks. All others are refused (ENOTTY), as by a filesystem
 * that does not know them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/capability.h>
#include <linux/fs.h>

#include <ubtrfs/admin.h>
#include <ubtrfs/attr.h>
#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "fuse/fuse_ioctl.h"
#include "fuse/fuse_priv.h"

/* Rights in another user namespace are none over what lies outside. Whose we may not see is not told. */
static bool is_of_our_users(const char *caller)
{
	char path[64];
	struct stat his, ours;

	snprintf(path, sizeof(path), "%s/ns/user", caller);
	if (stat(path, &his) < 0)
		return errno == EACCES && geteuid() != 0;
	return stat("/proc/self/ns/user", &ours) == 0 && his.st_dev == ours.st_dev &&
	       his.st_ino == ours.st_ino;
}

/*
 * Who mounted may do everything; root, if he has not given away the right to, as far as that can be seen.
 * It is looked up as late as this, so it is a bar for containers without that right and not for who
 * races with himself.
 */
static uint64_t rights_of(const struct ioctl_call *call)
{
	char caller[32], path[64], line[128];
	unsigned long long rights = 0;
	FILE *status;

	if (call->uid != 0)
		return call->uid == geteuid() ? UINT64_MAX : 0;
	snprintf(caller, sizeof(caller), "/proc/%d", (int)call->pid);
	if (!is_of_our_users(caller))
		return 0;
	snprintf(path, sizeof(path), "%s/status", caller);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &rights) == 1)
			break;
	if (status)
		fclose(status);
	return rights;
}

static bool call_may(const struct ioctl_call *call, unsigned right)
{
	return rights_of(call) >> right & 1;
}

static int check_changes(const struct ioctl_call *call)
{
	return call->front->options->how.writable ? 0 : -EROFS;
}

/* ---- flags of inodes ---- */

static int get_flags(struct ioctl_call *call)
{
	return ubtrfs_fsflags_get(call->front->fs, call->node, call->data);
}

/* The kernel knows nothing of what changes here: its time of change is the old one. */
static int flags_change(struct ioctl_call *call, uint32_t flags, uint32_t mask)
{
	TRY(ubtrfs_fsflags_set(call->front->fs, call->node, flags, mask));
	(void)fuse_lowlevel_notify_inval_inode(call->front->session, call->id, -1, 0);
	return 0;
}

static int set_flags(struct ioctl_call *call)
{
	uint32_t flags;

	memcpy(&flags, call->data, sizeof(flags));
	return flags_change(call, flags, UINT32_MAX);
}

static const struct {
	uint32_t flag, xflag;
} xflags[] = {
	{ FS_SYNC_FL, FS_XFLAG_SYNC },	     { FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE },
	{ FS_APPEND_FL, FS_XFLAG_APPEND },   { FS_NODUMP_FL, FS_XFLAG_NODUMP },
	{ FS_NOATIME_FL, FS_XFLAG_NOATIME },
};

static int get_xflags(struct ioctl_call *call)
{
	struct fsxattr *attr = call->data;
	uint32_t flags;

	TRY(ubtrfs_fsflags_get(call->front->fs, call->node, &flags));
	memset(attr, 0, sizeof(*attr));
	for (size_t i = 0; i < ARRAY_LEN(xflags); i++)
		if (flags & xflags[i].flag)
			attr->fsx_xflags |= xflags[i].xflag;
	return 0;
}

static int set_xflags(struct ioctl_call *call)
{
	const struct fsxattr *attr = call->data;
	uint32_t flags = 0, mask = 0, unknown = attr->fsx_xflags;

	for (size_t i = 0; i < ARRAY_LEN(xflags); i++) {
		mask |= xflags[i].flag;
		if (attr->fsx_xflags & xflags[i].xflag)
			flags |= xflags[i].flag;
		unknown &= ~xflags[i].xflag;
	}
	if (unknown || attr->fsx_extsize || attr->fsx_projid || attr->fsx_cowextsize)
		return -EOPNOTSUPP;
	return flags_change(call, flags, mask);
}

/* An int (lsattr gives us one), although the number says that it is a long. */
static int get_version(struct ioctl_call *call)
{
	struct ubtrfs_attr attr;
	uint32_t generation;

	TRY(ubtrfs_getattr(call->front->fs, call->node, &attr));
	generation = (uint32_t)attr.generation;
	memcpy(call->data, &generation, sizeof(generation));
	call->answer_max = sizeof(generation);
	return 0;
}

/* ---- the filesystem ---- */

static int find_max_devid(void *ctx, const struct ubtrfs_device *device)
{
	uint64_t *max = ctx;

	*max = MAX(*max, device->devid);
	return 0;
}

static uint16_t csum_size(uint16_t type)
{
	static const uint16_t sizes[] = { 4, 8, 32, 32 };

	return type < ARRAY_LEN(sizes) ? sizes[type] : 0;
}

static int fs_info(struct ioctl_call *call)
{
	struct btrfs_ioctl_fs_info_args *args = call->data;
	uint64_t max_devid = 0;
	struct ubtrfs_info info;

	TRY(ubtrfs_info(call->front->fs, &info));
	TRY(ubtrfs_device_each(call->front->fs, find_max_devid, &max_devid));
	memset(args, 0, sizeof(*args));
	args->max_id = max_devid;
	args->num_devices = info.nr_devices;
	memcpy(args->fsid, info.fsid, sizeof(args->fsid));
	args->nodesize = info.nodesize;
	args->sectorsize = info.sectorsize;
	args->clone_alignment = info.sectorsize;
	/* What is asked for in flags does not come along: the number says that nothing is given. */
	args->csum_type = info.csum_type;
	args->csum_size = csum_size(info.csum_type);
	args->generation = info.generation;
	args->flags = BTRFS_FS_INFO_FLAG_CSUM_INFO | BTRFS_FS_INFO_FLAG_GENERATION;
	return 0;
}

struct dev_search {
	struct btrfs_ioctl_dev_info_args *args;
	uint64_t devid;
	uint8_t uuid[16];
	bool found;
};

static int find_device(void *ctx, const struct ubtrfs_device *device)
{
	static const uint8_t none[16];
	struct dev_search *search = ctx;
	struct btrfs_ioctl_dev_info_args *args = search->args;

	if (device->devid != search->devid ||
	    (memcmp(search->uuid, none, 16) != 0 && memcmp(search->uuid, device->uuid, 16) != 0))
		return 0;
	args->devid = device->devid;
	memcpy(args->uuid, device->uuid, sizeof(args->uuid));
	args->bytes_used = device->used_bytes;
	args->total_bytes = device->total_bytes;
	if (device->path)
		strncpy((char *)args->path, device->path, sizeof(args->path) - 1);
	search->found = true;
	return 1;
}

static int dev_info(struct ioctl_call *call)
{
	struct btrfs_ioctl_dev_info_args *args = call->data;
	struct dev_search search = { .args = args, .devid = args->devid };
	int err;

	memcpy(search.uuid, args->uuid, sizeof(search.uuid));
	memset(args, 0, sizeof(*args));
	err = ubtrfs_device_each(call->front->fs, find_device, &search);
	if (err < 0)
		return err;
	return search.found ? 0 : -ENODEV;
}

static int get_features(struct ioctl_call *call)
{
	struct btrfs_ioctl_feature_flags *flags = call->data;
	struct ubtrfs_info info;

	TRY(ubtrfs_info(call->front->fs, &info));
	*flags = (struct btrfs_ioctl_feature_flags){ .compat_ro_flags = info.compat_ro,
						     .incompat_flags = info.incompat };
	return 0;
}

static int get_label(struct ioctl_call *call)
{
	struct ubtrfs_info info;

	TRY(ubtrfs_info(call->front->fs, &info));
	memset(call->data, 0, call->size);
	memcpy(call->data, info.label, MIN(strlen(info.label), call->size - 1));
	return 0;
}

static int set_label(struct ioctl_call *call)
{
	const char *label = call->data;

	if (!memchr(label, '\0', call->size))
		return -EINVAL;
	TRY(check_changes(call));
	TRY(ubtrfs_set_label(call->front->fs, label));
	return ubtrfs_commit(call->front->fs);
}

static int sync_fs(struct ioctl_call *call)
{
	return ubtrfs_commit(call->front->fs);
}

/* ---- subvolumes ---- */

static void time_copy(struct btrfs_ioctl_timespec *to, const struct ubtrfs_time *from)
{
	to->sec = (uint64_t)from->sec;
	to->nsec = from->nsec;
}

static int subvol_info(struct ioctl_call *call)
{
	struct btrfs_ioctl_get_subvol_info_args *args = call->data;
	struct ubtrfs_subvolume subvolume;

	TRY(ubtrfs_subvolume_info(call->front->fs, call->node.subvolid, &subvolume));
	memset(args, 0, sizeof(*args));
	args->treeid = subvolume.id;
	memcpy(args->name, subvolume.name, MIN(strlen(subvolume.name), sizeof(args->name) - 1));
	args->parent_id = subvolume.parent_id;
	args->dirid = subvolume.dir_ino;
	args->generation = subvolume.generation;
	args->flags = subvolume.flags;
	memcpy(args->uuid, subvolume.uuid, sizeof(args->uuid));
	memcpy(args->parent_uuid, subvolume.parent_uuid, sizeof(args->parent_uuid));
	memcpy(args->received_uuid, subvolume.received_uuid, sizeof(args->received_uuid));
	args->ctransid = subvolume.ctransid;
	args->otransid = subvolume.otransid;
	args->stransid = subvolume.stransid;
	args->rtransid = subvolume.rtransid;
	time_copy(&args->ctime, &subvolume.ctime);
	time_copy(&args->otime, &subvolume.otime);
	time_copy(&args->stime, &subvolume.stime);
	time_copy(&args->rtime, &subvolume.rtime);
	return 0;
}

struct rootref_search {
	struct btrfs_ioctl_get_subvol_rootref_args *args;
	uint64_t parent_id, min_id;
	bool more;
};

static int find_child(void *ctx, const struct ubtrfs_subvolume *subvolume)
{
	struct rootref_search *search = ctx;
	struct btrfs_ioctl_get_subvol_rootref_args *args = search->args;

	if (subvolume->parent_id != search->parent_id || subvolume->id < search->min_id)
		return 0;
	if (args->num_items == BTRFS_MAX_ROOTREF_BUFFER_NUM) {
		search->more = true;
		return 1;
	}
	args->rootref[args->num_items].treeid = subvolume->id;
	args->rootref[args->num_items++].dirid = subvolume->dir_ino;
	args->min_treeid = subvolume->id + 1;
	return 0;
}

static int subvol_rootref(struct ioctl_call *call)
{
	struct btrfs_ioctl_get_subvol_rootref_args *args = call->data;
	struct rootref_search search = { .args = args,
					 .parent_id = call->node.subvolid,
					 .min_id = args->min_treeid };
	int err;

	memset(args, 0, sizeof(*args));
	args->min_treeid = search.min_id;
	err = ubtrfs_subvolume_each(call->front->fs, find_child, &search);
	if (err < 0)
		return err;
	/* What there is room for is told with it. */
	call->result = search.more ? -EOVERFLOW : 0;
	return 0;
}

static int subvol_getflags(struct ioctl_call *call)
{
	struct ubtrfs_subvolume subvolume;
	uint64_t flags;

	if (call->node.ino != UBTRFS_ROOT_INO)
		return -EINVAL;
	TRY(ubtrfs_subvolume_info(call->front->fs, call->node.subvolid, &subvolume));
	flags = subvolume.readonly ? BTRFS_SUBVOL_RDONLY : 0;
	memcpy(call->data, &flags, sizeof(flags));
	return 0;
}

static int subvol_setflags(struct ioctl_call *call)
{
	uint64_t flags;

	memcpy(&flags, call->data, sizeof(flags));
	if (call->node.ino != UBTRFS_ROOT_INO)
		return -EINVAL;
	if (flags & ~(uint64_t)BTRFS_SUBVOL_RDONLY)
		return -EOPNOTSUPP;
	return ubtrfs_subvolume_set_readonly(call->front->fs, call->node.subvolid,
					     flags & BTRFS_SUBVOL_RDONLY);
}

static int default_subvol(struct ioctl_call *call)
{
	uint64_t id;

	memcpy(&id, call->data, sizeof(id));
	return ubtrfs_subvolume_set_default(call->front->fs, id ? id : BTRFS_FS_TREE_OBJECTID);
}

static int ino_lookup(struct ioctl_call *call)
{
	struct btrfs_ioctl_ino_lookup_args *args = call->data;
	struct ubtrfs_node node = { args->treeid ? args->treeid : call->node.subvolid,
				    args->objectid };
	size_t len;

	/* The number of the subvolume one is in is everybody's to know; that of others is not looked at. */
	args->treeid = node.subvolid;
	memset(args->name, 0, sizeof(args->name));
	if (node.ino == UBTRFS_ROOT_INO)
		return 0;
	if (!call_may(call, CAP_SYS_ADMIN))
		return -EPERM;
	/* A slash stands behind the path. */
	TRY(ubtrfs_ino_path(call->front->fs, node, args->name, sizeof(args->name) - 1, &len));
	args->name[len] = '/';
	return 0;
}

/* ---- the table ---- */

#define PRIVILEGED 1u
#define CHANGES 2u /* refused on a mount that is read-only */
#define OWNER 4u   /* of the inode, or privileged */

static const struct {
	unsigned long number;
	int (*run)(struct ioctl_call *call);
	unsigned flags;
} calls[] = {
	{ FS_IOC_GETFLAGS, get_flags, 0 },
	{ FS_IOC_SETFLAGS, set_flags, CHANGES },
	{ FS_IOC_FSGETXATTR, get_xflags, 0 },
	{ FS_IOC_FSSETXATTR, set_xflags, CHANGES },
	{ FS_IOC_GETVERSION, get_version, 0 },
	{ BTRFS_IOC_FS_INFO, fs_info, 0 },
	{ BTRFS_IOC_DEV_INFO, dev_info, 0 },
	{ BTRFS_IOC_GET_FEATURES, get_features, 0 },
	{ BTRFS_IOC_GET_FSLABEL, get_label, 0 },
	{ BTRFS_IOC_SET_FSLABEL, set_label, PRIVILEGED },
	{ BTRFS_IOC_SYNC, sync_fs, 0 },
	{ BTRFS_IOC_INO_LOOKUP, ino_lookup, 0 },
	{ BTRFS_IOC_TREE_SEARCH, ioctl_tree_search, PRIVILEGED },
	{ BTRFS_IOC_GET_SUBVOL_INFO, subvol_info, 0 },
	{ BTRFS_IOC_GET_SUBVOL_ROOTREF, subvol_rootref, 0 },
	{ BTRFS_IOC_SUBVOL_GETFLAGS, subvol_getflags, 0 },
	{ BTRFS_IOC_SUBVOL_SETFLAGS, subvol_setflags, CHANGES | OWNER },
	{ BTRFS_IOC_DEFAULT_SUBVOL, default_subvol, CHANGES | PRIVILEGED },
};

/* The owner that is shown, as the kernel compares it. */
static int check_owner(const struct ioctl_call *call)
{
	const struct mount_options *options = call->front->options;
	struct ubtrfs_attr attr;

	TRY(ubtrfs_getattr(call->front->fs, call->node, &attr));
	return call->uid == (options->map_uid ? options->uid : attr.uid) ? 0 : -EPERM;
}

static int call_run(struct ioctl_call *call, unsigned index)
{
	unsigned flags = calls[index].flags;

	if (flags & PRIVILEGED && !call_may(call, CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & OWNER && !call_may(call, CAP_FOWNER))
		TRY(check_owner(call));
	if (flags & CHANGES)
		TRY(check_changes(call));
	return calls[index].run(call);
}

/* data holds what was given, and what is answered behind it. */
static void call_reply(fuse_req_t req, struct ioctl_call *call, unsigned index, size_t out_size)
{
	int err = call_run(call, index);

	if (call->answer_max)
		out_size = MIN(out_size, call->answer_max);
	if (err < 0)
		reply_error(req, err);
	else
		fuse_reply_ioctl(req, call->result, out_size ? call->data : NULL, out_size);
}

void front_ioctl(fuse_req_t req, fuse_ino_t id, unsigned int number, void *arg,
		 struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
		 size_t out_size)
{
	struct ioctl_call call = { .front = front_of(req),
				   .id = id,
				   .uid = fuse_req_ctx(req)->uid,
				   .pid = fuse_req_ctx(req)->pid };
	unsigned index = 0;

	(void)arg;
	(void)file;
	while (index < ARRAY_LEN(calls) && (unsigned)calls[index].number != number)
		index++;
	if (index == ARRAY_LEN(calls) || flags & FUSE_IOCTL_COMPAT) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	if (!request_node(req, id, &call.node))
		return;
	/* The flags of inodes are asked for with 4 bytes, whatever their number says. */
	call.size = MAX(MAX(in_size, out_size), (size_t)_IOC_SIZE(number));
	call.data = mem_zalloc(call.size + 1);
	if (!call.data) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (in_size)
		memcpy(call.data, in, in_size);
	call_reply(req, &call, index, out_size);
	mem_free(call.data);
}
