/*
 * The connection to the kernel: what is asked for when it is made, which function answers which
 * request, and mounting.
 *
 * Requests are read and answered in fuse_loop.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/mem.h"
#include "fuse/fuse_priv.h"

#define THREADS_DEFAULT 16u
#define BACKGROUND_REQUESTS 64u

static void front_init(void *userdata, struct fuse_conn_info *conn)
{
	struct front *front = userdata;
	unsigned wanted =
		FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
		FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA |
		FUSE_CAP_IOCTL_DIR | FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_DONT_MASK;

	if (!front->options->no_permissions)
		wanted |= FUSE_CAP_POSIX_ACL;
	if (front->options->writeback_cache)
		wanted |= FUSE_CAP_WRITEBACK_CACHE;
	/*
	 * Attributes never change behind the kernel's back; it truncates before it opens, as it
	 * opens by itself; who takes set-id bits away is agreed on in fuse_wire.c.
	 */
	conn->want &=
		~(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_HANDLE_KILLPRIV);
	conn->want |= wanted & conn->capable;
	front->opens = conn->want & FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = FRONT_REQUEST_BYTES;
	conn->max_read = FRONT_REQUEST_BYTES;
	conn->max_background = BACKGROUND_REQUESTS;
	conn->congestion_threshold = BACKGROUND_REQUESTS * 3 / 4;
}

const struct fuse_lowlevel_ops front_ops = {
	.init = front_init,
	.lookup = front_lookup,
	.forget = front_forget,
	.forget_multi = front_forget_multi,
	.getattr = front_getattr,
	.setattr = front_setattr,
	.statfs = front_statfs,
	.mknod = front_mknod,
	.mkdir = front_mkdir,
	.symlink = front_symlink,
	.create = front_create,
	.link = front_link,
	.rename = front_rename,
	.unlink = front_unlink,
	.rmdir = front_rmdir,
	.readlink = front_readlink,
	.readdir = front_readdir,
	.readdirplus = front_readdirplus,
	.open = front_open,
	.opendir = front_opendir,
	.release = front_release,
	.releasedir = front_release,
	.flush = front_flush,
	.read = front_read,
	.write = front_write,
	.fsync = front_fsync,
	.fsyncdir = front_fsync,
	.lseek = front_lseek,
	.fallocate = front_fallocate,
	.ioctl = front_ioctl,
	.copy_file_range = front_copy_file_range,
	.setxattr = front_setxattr,
	.getxattr = front_getxattr,
	.listxattr = front_listxattr,
	.removexattr = front_removexattr,
};

static int fuse_options(const struct front *front, const struct mount_request *request,
			struct strbuf *text)
{
	const struct mount_options *options = request->options;
	bool is_true = !options->map_uid && !options->map_gid && !options->no_permissions;
	bool is_root = geteuid() == 0;

	strbuf_addf(text, "subtype=ubtrfs,max_read=%u,fsname=", FRONT_REQUEST_BYTES);
	mount_option_add_escaped(text, front->image);
	strbuf_add(text, front->options->how.writable ? ",rw" : ",ro");
	if (!options->no_permissions)
		strbuf_add(text, ",default_permissions");
	/*
	 * A filesystem mounted by root is everybody's, with devices, as any other; but where owners are
	 * not those that are shown, or nobody asks for them, set-id bits give no rights, and where nobody
	 * asks, others may not enter, unless that is said.
	 */
	if (is_root)
		strbuf_add(text, is_true ? ",suid,dev" : ",nosuid,nodev");
	if (((is_root && !options->no_permissions) || options->allow_other) &&
	    !options->no_allow_other)
		strbuf_add(text, ",allow_other");
	if (request->debug)
		strbuf_add(text, ",debug");
	strbuf_add(text, strbuf_text(&options->to_fuse));
	return strbuf_status(text);
}

/* One line of libfuse, without its end and its beginning. */
static const char *line_of_fuse(char line[ERR_TEXT_MAX], const char *format, va_list args)
{
	static const char start[] = "fuse: ";

	vsnprintf(line, ERR_TEXT_MAX, format, args);
	line[strcspn(line, "\n")] = '\0';
	return strncmp(line, start, strlen(start)) == 0 ? line + strlen(start) : line;
}

/* Before the mount stands: why it does not, behind the sentence that says so. */
static void fuse_tells_why(enum fuse_log_level level, const char *format, va_list args)
{
	char line[ERR_TEXT_MAX];

	if (level > FUSE_LOG_ERR)
		return;
	(void)THROW(ERR_MOUNT, "%s: %s", err_last_text(), line_of_fuse(line, format, args));
}

static void fuse_tells_log(enum fuse_log_level level, const char *format, va_list args)
{
	char line[ERR_TEXT_MAX];

	/* Told only when it is asked for. */
	if (level == FUSE_LOG_DEBUG) {
		vfprintf(stderr, format, args);
		return;
	}
	log_warn("FUSE: %s", line_of_fuse(line, format, args));
}

static int session_new(struct front *front, const struct mount_request *request,
		       struct fuse_args *args)
{
	int err = THROW(ERR_MOUNT, "%s cannot be mounted on %s", request->image, front->mountpoint);

	fuse_set_log_func(fuse_tells_why);
	front->session = fuse_session_new(args, &front_ops, sizeof(front_ops), front);
	if (front->session && fuse_session_mount(front->session, front->mountpoint) == 0)
		err = 0;
	fuse_set_log_func(fuse_tells_log);
	return err;
}

int session_mount(struct front *front, const struct mount_request *request)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct strbuf text;
	int err;

	strbuf_init(&text);
	err = fuse_options(front, request, &text);
	if (err == 0 &&
	    (fuse_opt_add_arg(&args, "ubtrfs") < 0 || fuse_opt_add_arg(&args, "-o") < 0 ||
	     fuse_opt_add_arg(&args, strbuf_text(&text)) < 0))
		err = MEM_FAIL("the arguments of a mount");
	if (err == 0)
		err = session_new(front, request, &args);
	fuse_opt_free_args(&args);
	strbuf_fini(&text);
	if (err == 0)
		mount_point_note(&front->point, front->mountpoint);
	return err;
}

/*
 * Ends the connection alone. What stands in its place says POLLERR, as a connection that is over does:
 * libfuse then knows that there is nothing to unmount.
 */
static bool connection_end(struct front *front)
{
	int ends[2];
	bool is_over;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	close(ends[0]);
	is_over = dup3(ends[1], fuse_session_fd(front->session), O_CLOEXEC) >= 0;
	close(ends[1]);
	return is_over;
}

/* libfuse unmounts by the path, whatever is mounted there. */
void session_unmount(struct front *front)
{
	if (!front->point.path)
		return;
	if (mount_point_is_ours(&front->point) || connection_end(front))
		fuse_session_unmount(front->session);
	front->point.path = NULL;
}

int session_loop_new(struct front *front)
{
	unsigned nr_threads = front->options->max_threads;

	return loop_new(front->session, nr_threads ? nr_threads : THREADS_DEFAULT, &front->loop);
}
