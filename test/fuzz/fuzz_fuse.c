/*
 * Any sequence of requests as a kernel sends them, through libfuse to the front end of a mount: what is
 * in the hands of programs (names, offsets, flags, contents, arguments of ioctls) is any bytes; the
 * frame of a request (lengths, node ids that were given out) is as the kernel makes it.
 *
 * A request: a byte each for what it is, for the node and for how many bytes of the input are its
 * own, then these.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/fuse.h>

#include "base/bytes.h"
#include "base/log.h"
#include "fuse/fuse_priv.h"
#include "mutate/mutate.h"

#define REQUESTS_MAX 24u
#define IDS_MAX 8u
#define BODY_MAX 140000u
#define READ_MAX 131072u

struct kernel {
	struct front front;
	struct mount_options options;
	const uint8_t *at; /* of the input */
	size_t left;
	uint64_t ids[IDS_MAX]; /* that the kernel knows; [0] is the top */
	unsigned nr_ids;
	bool wants_entry;
	uint64_t unique;
};

static struct kernel kernel;
static struct {
	struct fuse_in_header header;
	uint8_t body[BODY_MAX];
} request;

/* ---- the other end ---- */

static ssize_t take_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	struct kernel *of = &kernel;
	struct fuse_entry_out entry;
	ssize_t len = 0;

	(void)fd;
	(void)userdata;
	for (int i = 0; i < count; i++)
		len += (ssize_t)iov[i].iov_len;
	if (of->wants_entry && count == 2 && iov[1].iov_len >= sizeof(entry)) {
		memcpy(&entry, iov[1].iov_base, sizeof(entry));
		if (entry.nodeid && of->nr_ids < IDS_MAX)
			of->ids[of->nr_ids++] = entry.nodeid;
	}
	return len;
}

static ssize_t read_nothing(int fd, void *buf, size_t len, void *userdata)
{
	(void)fd;
	(void)buf;
	(void)len;
	(void)userdata;
	return 0;
}

static void request_send(struct kernel *of, uint32_t opcode, uint64_t id, size_t body_len)
{
	struct fuse_buf buf = { .size = sizeof(request.header) + body_len, .mem = &request };

	request.header = (struct fuse_in_header){
		.len = (uint32_t)buf.size, .opcode = opcode, .unique = ++of->unique, .nodeid = id
	};
	fuse_session_process_buf(of->front.session, &buf);
}

/* ---- making requests ---- */

static uint8_t byte_take(struct kernel *of)
{
	if (!of->left)
		return 0;
	of->left--;
	return *of->at++;
}

static void bytes_take(struct kernel *of, void *to, size_t len)
{
	size_t there = len < of->left ? len : of->left;

	memset(to, 0, len);
	memcpy(to, of->at, there);
	of->at += there;
	of->left -= there;
}

static uint64_t id_any(struct kernel *of)
{
	return of->ids[byte_take(of) % of->nr_ids];
}

/* A name as the kernel lets it through; its length with the zero. */
static size_t name_put(struct kernel *of, uint8_t *to)
{
	size_t len = byte_take(of);

	/* As long as they may be, and longer. */
	if (len > 250)
		len = 200 + len * 3;
	len = len ? len : 1;
	bytes_take(of, to, len);
	for (size_t i = 0; i < len; i++)
		if (!to[i] || to[i] == '/')
			to[i] = 'a';
	to[len] = '\0';
	return len + 1;
}

/* A head of any bytes, then names. */
static void send_named(struct kernel *of, uint32_t opcode, size_t head, unsigned nr_names)
{
	size_t len = head;
	uint64_t id = id_any(of);

	bytes_take(of, request.body, head);
	while (nr_names--)
		len += name_put(of, request.body + len);
	request_send(of, opcode, id, len);
}

static void send_plain(struct kernel *of, uint32_t opcode, size_t head)
{
	send_named(of, opcode, head, 0);
}

static void send_rename(struct kernel *of)
{
	struct fuse_rename2_in in = { .newdir = id_any(of), .flags = byte_take(of) };
	uint64_t id = id_any(of);
	size_t len = sizeof(in);

	memcpy(request.body, &in, sizeof(in));
	len += name_put(of, request.body + len);
	len += name_put(of, request.body + len);
	request_send(of, FUSE_RENAME2, id, len);
}

static void send_link(struct kernel *of)
{
	struct fuse_link_in in = { .oldnodeid = id_any(of) };
	uint64_t id = id_any(of);

	memcpy(request.body, &in, sizeof(in));
	request_send(of, FUSE_LINK, id, sizeof(in) + name_put(of, request.body + sizeof(in)));
}

static void send_read(struct kernel *of, uint32_t opcode)
{
	struct fuse_read_in in;
	uint64_t id = id_any(of);

	bytes_take(of, &in, sizeof(in));
	in.size %= READ_MAX;
	in.offset &= INT64_MAX;
	memcpy(request.body, &in, sizeof(in));
	request_send(of, opcode, id, sizeof(in));
}

static void send_write(struct kernel *of)
{
	struct fuse_write_in in;
	uint64_t id = id_any(of);

	bytes_take(of, &in, sizeof(in));
	/* Most of it is what was there before. */
	in.size %= BODY_MAX - sizeof(in);
	in.offset &= INT64_MAX;
	if (in.offset > (uint64_t)INT64_MAX - in.size)
		in.offset = 0;
	memcpy(request.body, &in, sizeof(in));
	request_send(of, FUSE_WRITE, id, sizeof(in) + in.size);
}

static size_t xattr_name_put(struct kernel *of, uint8_t *to)
{
	static const char *const names[] = { "user.a", "btrfs.compression",
					     "system.posix_acl_access", "system.posix_acl_default",
					     "security.capability" };
	const char *name = names[byte_take(of) % ARRAY_LEN(names)];

	if (byte_take(of) & 1)
		return name_put(of, to);
	memcpy(to, name, strlen(name) + 1);
	return strlen(name) + 1;
}

static void send_setxattr(struct kernel *of)
{
	uint64_t id = id_any(of);
	size_t len = FUSE_COMPAT_SETXATTR_IN_SIZE;
	struct fuse_setxattr_in in = { .flags = byte_take(of) % 4 };

	len += xattr_name_put(of, request.body + len);
	in.size = byte_take(of);
	/* A few that are long, and one that is too long. */
	if (in.size > 240)
		in.size = in.size == 255 ? 66000 : (in.size - 240) * 260;
	bytes_take(of, request.body + len, in.size);
	memcpy(request.body, &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
	request_send(of, FUSE_SETXATTR, id, len + in.size);
}

static void send_getxattr(struct kernel *of, uint32_t opcode)
{
	struct fuse_getxattr_in in = { .size = byte_take(of) * 300u };
	uint64_t id = id_any(of);
	size_t len = sizeof(in);

	memcpy(request.body, &in, sizeof(in));
	if (opcode == FUSE_GETXATTR)
		len += xattr_name_put(of, request.body + len);
	request_send(of, opcode, id, len);
}

static void send_removexattr(struct kernel *of)
{
	uint64_t id = id_any(of);

	request_send(of, FUSE_REMOVEXATTR, id, xattr_name_put(of, request.body));
}

static void send_copy(struct kernel *of)
{
	struct fuse_copy_file_range_in in;
	uint64_t id = id_any(of);

	bytes_take(of, &in, sizeof(in));
	in.nodeid_out = id_any(of);
	in.off_in &= INT64_MAX;
	in.off_out &= INT64_MAX;
	in.flags = 0;
	memcpy(request.body, &in, sizeof(in));
	request_send(of, FUSE_COPY_FILE_RANGE, id, sizeof(in));
}

static void send_fallocate(struct kernel *of)
{
	struct fuse_fallocate_in in;
	uint64_t id = id_any(of);

	bytes_take(of, &in, sizeof(in));
	in.offset &= INT64_MAX;
	in.length &= INT64_MAX;
	memcpy(request.body, &in, sizeof(in));
	request_send(of, FUSE_FALLOCATE, id, sizeof(in));
}

/* What is given and answered is as long as the number says. */
static void send_ioctl(struct kernel *of)
{
	static const unsigned long numbers[] = {
		FS_IOC_GETFLAGS,
		FS_IOC_SETFLAGS,
		FS_IOC_FSGETXATTR,
		FS_IOC_FSSETXATTR,
		FS_IOC_GETVERSION,
		BTRFS_IOC_FS_INFO,
		BTRFS_IOC_DEV_INFO,
		BTRFS_IOC_GET_FEATURES,
		BTRFS_IOC_GET_FSLABEL,
		BTRFS_IOC_SET_FSLABEL,
		BTRFS_IOC_SYNC,
		BTRFS_IOC_INO_LOOKUP,
		BTRFS_IOC_TREE_SEARCH,
		BTRFS_IOC_TREE_SEARCH,
		BTRFS_IOC_GET_SUBVOL_INFO,
		BTRFS_IOC_GET_SUBVOL_ROOTREF,
		BTRFS_IOC_SUBVOL_GETFLAGS,
		BTRFS_IOC_SUBVOL_SETFLAGS,
		BTRFS_IOC_DEFAULT_SUBVOL,
		BTRFS_IOC_SNAP_CREATE_V2,
	};
	unsigned long number = numbers[byte_take(of) % ARRAY_LEN(numbers)];
	uint32_t size = number == FS_IOC_GETFLAGS || number == FS_IOC_SETFLAGS ? 4 :
										 _IOC_SIZE(number);
	struct fuse_ioctl_in in = { .cmd = (uint32_t)number,
				    .in_size = _IOC_DIR(number) & _IOC_WRITE ? size : 0,
				    .out_size = _IOC_DIR(number) & _IOC_READ ? size : 0 };
	uint64_t id = id_any(of);

	memcpy(request.body, &in, sizeof(in));
	bytes_take(of, request.body + sizeof(in), in.in_size);
	request_send(of, FUSE_IOCTL, id, sizeof(in) + in.in_size);
}

/* It forgets one that it knows, but the top. */
static void send_forget(struct kernel *of)
{
	struct fuse_forget_in in = { .nlookup = 1 };
	unsigned which = byte_take(of) % of->nr_ids;
	uint64_t id = of->ids[which];

	if (!which)
		return;
	of->ids[which] = of->ids[--of->nr_ids];
	memcpy(request.body, &in, sizeof(in));
	request_send(of, FUSE_FORGET, id, sizeof(in));
}

static void send_making(struct kernel *of, unsigned what)
{
	of->wants_entry = true;
	switch (what) {
	case 0:
		send_named(of, FUSE_LOOKUP, 0, 1);
		break;
	case 1:
		send_named(of, FUSE_MKNOD, sizeof(struct fuse_mknod_in), 1);
		break;
	case 2:
		send_named(of, FUSE_MKDIR, sizeof(struct fuse_mkdir_in), 1);
		break;
	case 3:
		send_named(of, FUSE_SYMLINK, 0, 2);
		break;
	case 4:
		send_named(of, FUSE_CREATE, sizeof(struct fuse_create_in), 1);
		break;
	default:
		send_link(of);
	}
	of->wants_entry = false;
}

static void send_attr(struct kernel *of, unsigned what)
{
	switch (what) {
	case 0:
		send_plain(of, FUSE_GETATTR, sizeof(struct fuse_getattr_in));
		break;
	case 1:
	case 2:
		send_plain(of, FUSE_SETATTR, sizeof(struct fuse_setattr_in));
		break;
	case 3:
		send_setxattr(of);
		break;
	case 4:
		send_getxattr(of, FUSE_GETXATTR);
		break;
	case 5:
		send_getxattr(of, FUSE_LISTXATTR);
		break;
	case 6:
		send_removexattr(of);
		break;
	case 7:
		send_plain(of, FUSE_STATFS, 0);
		break;
	default:
		send_ioctl(of);
	}
}

static void send_data(struct kernel *of, unsigned what)
{
	switch (what) {
	case 0:
		send_read(of, FUSE_READ);
		break;
	case 1:
		send_write(of);
		break;
	case 2:
		send_copy(of);
		break;
	case 3:
		send_fallocate(of);
		break;
	case 4:
		send_plain(of, FUSE_LSEEK, sizeof(struct fuse_lseek_in));
		break;
	default:
		send_plain(of, FUSE_FSYNC, sizeof(struct fuse_fsync_in));
	}
}

static void send_name(struct kernel *of, unsigned what)
{
	switch (what) {
	case 0:
		send_named(of, FUSE_UNLINK, 0, 1);
		break;
	case 1:
		send_named(of, FUSE_RMDIR, 0, 1);
		break;
	case 2:
		send_plain(of, FUSE_READLINK, 0);
		break;
	case 3:
		send_read(of, FUSE_READDIR);
		break;
	case 4:
		send_read(of, FUSE_READDIRPLUS);
		break;
	case 5:
		send_forget(of);
		break;
	default:
		send_rename(of);
	}
}

static void send_any(struct kernel *of)
{
	unsigned what = byte_take(of);

	switch (what & 3) {
	case 0:
		send_making(of, (what >> 2) % 6);
		break;
	case 1:
		send_attr(of, (what >> 2) % 10);
		break;
	case 2:
		send_data(of, (what >> 2) % 6);
		break;
	default:
		send_name(of, (what >> 2) % 7);
	}
}

/* ---- the mount ---- */

static void say_nothing(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
}

static void session_start(struct kernel *of)
{
	static const struct fuse_custom_io io = { .writev = take_reply, .read = read_nothing };
	const struct fuse_init_in init = { .major = FUSE_KERNEL_VERSION,
					   .minor = 31,
					   .max_readahead = 131072,
					   .flags = FUSE_DO_READDIRPLUS | FUSE_POSIX_ACL |
						    FUSE_BIG_WRITES };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	/* libfuse closes it at the end. */
	int fd = dup(STDERR_FILENO);

	fuse_set_log_func(say_nothing);
	if (fd < 0 || fuse_opt_add_arg(&args, "fuzz") < 0)
		abort();
	of->front.session = fuse_session_new(&args, &front_ops, sizeof(front_ops), &of->front);
	fuse_opt_free_args(&args);
	if (!of->front.session || fuse_session_custom_io(of->front.session, &io, fd) < 0)
		abort();
	memcpy(request.body, &init, sizeof(init));
	request_send(of, FUSE_INIT, 0, sizeof(init));
}

static void release_kept(void *ctx, struct ubtrfs_node node)
{
	ubtrfs_release(ctx, node, 1);
}

FUZZ_TARGET(fuse)
{
	struct kernel *of = &kernel;
	struct image *image;
	uint64_t leaf;

	log_set_level(LOG_LEVEL_NONE);
	image = fuzz_image(&leaf);
	*of = (struct kernel){ .at = in, .left = len, .ids = { FUSE_ROOT_ID }, .nr_ids = 1 };
	memset(request.body, 'x', sizeof(request.body));
	if (mount_options_init(&of->options) < 0 || image_open(image, true, &of->front.fs) < 0)
		abort();
	of->front.options = &of->options;
	of->front.image = of->front.mountpoint = "fuzz";
	of->front.top = ubtrfs_top(of->front.fs);
	of->front.block_bytes = 4096;
	node_ids_init(&of->front.ids, of->front.top.subvolid);
	session_start(of);
	for (unsigned i = 0; i < REQUESTS_MAX && of->left; i++)
		send_any(of);
	node_ids_fini(&of->front.ids, release_kept, of->front.fs);
	fuse_session_destroy(of->front.session);
	ubtrfs_abandon(of->front.fs);
	mount_options_fini(&of->options);
	image_reset(image);
	return 0;
}
