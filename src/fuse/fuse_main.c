/*
 * A mount from its beginning to its end: opening, mounting, serving, the end by umount or signal.
 *
 * States: opening -> mounted -> leaving (no mount point any more; who has something open goes on)
 * -> closed (committed). umount and the first SIGINT, SIGTERM or SIGHUP lead to leaving, the last
 * user that goes away to closed; a second signal does not wait for the users.
 *
 * Signals are blocked in every thread and waited for by one (mount_signals.c). In the background the
 * process that serves is a child, made before any thread is; what went wrong before the mount stood
 * goes through a pipe to the caller.
 */
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <ubtrfs/admin.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "fuse/control.h"
#include "fuse/fuse_priv.h"
#include "fuse/mount_signals.h"

/* ---- opening ---- */

static void tell_warning(void *ctx, const char *sentence)
{
	(void)ctx;
	log_warn("%s", sentence);
}

/* The subvolume whose top is shown. */
static int find_top(struct front *front)
{
	const struct mount_options *options = front->options;
	struct ubtrfs_node top = ubtrfs_top(front->fs);

	if (options->subvol)
		TRY(ubtrfs_resolve(front->fs, top, options->subvol, true, &top));
	else if (options->subvolid)
		top = (struct ubtrfs_node){ options->subvolid, UBTRFS_ROOT_INO };
	else if (!options->is_top)
		top = ubtrfs_default_top(front->fs);
	if (top.ino != UBTRFS_ROOT_INO)
		return THROW(ERR_INVALID, "%s is no subvolume", options->subvol);
	if (options->subvol && options->subvolid && options->subvolid != top.subvolid)
		return THROW(ERR_INVALID, "subvol=%s is subvolume %llu, not %llu", options->subvol,
			     (unsigned long long)top.subvolid,
			     (unsigned long long)options->subvolid);
	front->top = top;
	return 0;
}

static int find_missing(void *ctx, const struct ubtrfs_device *device)
{
	uint64_t *devid = ctx;

	if (device->path)
		return 0;
	*devid = device->devid;
	return 1;
}

/* As Linux has it: who wants to go without a device says so. */
static int check_members(const struct front *front)
{
	uint64_t devid;
	int missing = ubtrfs_device_each(front->fs, find_missing, &devid);

	TRY(missing);
	if (missing && !front->options->degraded)
		return THROW(ERR_INVALID, "%s: device %llu is missing: see the option degraded",
			     front->image, (unsigned long long)devid);
	return 0;
}

static int open_image(struct front *front, const struct mount_request *request)
{
	struct mount_options *options = request->options;
	const char *devices[MOUNT_DEVICES_MAX];
	struct ubtrfs_open_options how = options->how;
	struct ubtrfs_attr attr;
	struct ubtrfs_info info;

	for (unsigned i = 1; i < how.nr_devices; i++)
		devices[i] = options->devices[i];
	devices[0] = front->image;
	how.devices = devices;
	how.warn = tell_warning;
	how.background = how.writable;
	mount_wait_for_last(front->image);
	TRY(ubtrfs_open(&how, &front->fs));
	TRY(check_members(front));
	TRY(find_top(front));
	TRY(ubtrfs_getattr(front->fs, front->top, &attr));
	TRY(ubtrfs_info(front->fs, &info));
	front->block_bytes = info.sectorsize;
	node_ids_init(&front->ids, front->top.subvolid);
	front->has_ids = true;
	return 0;
}

static void release_kept(void *ctx, struct ubtrfs_node node)
{
	struct front *front = ctx;

	ubtrfs_release(front->fs, node, 1);
}

/* ---- the log ---- */

static void line_to_syslog(void *arg, enum log_level level, const char *text)
{
	static const int priorities[] = { [LOG_LEVEL_ERROR] = LOG_ERR,
					  [LOG_LEVEL_WARN] = LOG_WARNING,
					  [LOG_LEVEL_INFO] = LOG_NOTICE,
					  [LOG_LEVEL_DEBUG] = LOG_DEBUG };

	(void)arg;
	syslog(priorities[level], "%s", text);
}

static const struct log_sink syslog_sink = { .line = line_to_syslog };

/* ---- in the background ---- */

/* From the process that serves to the one that was called: how mounting went. */
struct background {
	int pipe[2];
	bool is_child, told;
};

static void background_tell(struct background *background, int err)
{
	struct err_report report;

	if (!background->is_child || background->told)
		return;
	background->told = true;
	err_capture(err, &report);
	if (write(background->pipe[1], &report, sizeof(report)) < 0)
		log_warn("nobody waits for the mount any more");
	close(background->pipe[1]);
}

/* From here on the terminal is the caller's again; he still waits for how it went. */
static void background_detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	openlog("ubtrfs", LOG_PID, LOG_DAEMON);
	log_set_sink(&syslog_sink);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	/* Nobody's directory is kept in use; all files are open by now. */
	if (chdir("/") < 0)
		log_debug("cannot leave the directory: %s", strerror(errno));
}

static int background_wait(const struct background *background)
{
	struct err_report report;
	ssize_t len;

	close(background->pipe[1]);
	do
		len = read(background->pipe[0], &report, sizeof(report));
	while (len < 0 && errno == EINTR);
	close(background->pipe[0]);
	if (len != (ssize_t)sizeof(report))
		return THROW(ERR_MOUNT, "the process that serves the mount has ended");
	return err_rethrow(&report);
}

/* ---- serving ---- */

/* Commits, unless nothing was opened or it is given up. */
static int front_close(struct front *front)
{
	int err;

	session_unmount(front);
	if (front->has_ids)
		node_ids_fini(&front->ids, release_kept, front);
	err = err_adopt(ubtrfs_close(front->fs));
	front_errors_fini(&front->errors);
	loop_free(front->loop);
	if (front->session)
		fuse_session_destroy(front->session);
	return err;
}

/*
 * What is done when the first request has been answered: whoever was told that the mount stands finds
 * it in nobody's use.
 */
struct first_request {
	struct front *front;
	struct background *background;
	pthread_t thread;
	bool is_started;
	_Atomic bool serving_failed;
};

/*
 * The kernel reads ahead no more than 128 KiB of a FUSE filesystem unless root says otherwise; a
 * user's mount stays at that. It says so when it has our reply to INIT, so that comes first.
 */
static void readahead_raise(const struct statx *st)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", st->stx_dev_major,
		 st->stx_dev_minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (dprintf(fd, "%u", FRONT_REQUEST_BYTES >> 10) < 0)
		log_info("%s: %s", path, strerror(errno));
	close(fd);
}

static void *first_request(void *arg)
{
	struct first_request *first = arg;
	const char *mountpoint = first->front->mountpoint;
	struct statx st;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_FORCE_SYNC, STATX_MODE, &st) == 0 &&
	    geteuid() == 0)
		readahead_raise(&st);
	if (!atomic_load(&first->serving_failed))
		background_tell(first->background, 0);
	return NULL;
}

/* What needs the device number of the mount. Without it the mount is as good. */
static void mounted_start(struct front *front)
{
	struct statx st;

	/* What the kernel knows of the top, without asking us: nobody answers yet. */
	if (statx(AT_FDCWD, front->mountpoint, AT_STATX_DONT_SYNC, 0, &st) < 0) {
		log_warn("no control channel: %s: %s", front->mountpoint, strerror(errno));
		return;
	}
	if (control_server_start(front->fs, makedev(st.stx_dev_major, st.stx_dev_minor),
				 &front->control) < 0)
		log_warn("no control channel: %s", err_last_text());
}

static int front_serve(struct front *front, struct background *background)
{
	struct first_request first = { .front = front, .background = background };
	struct mount_signals signals;
	int err;

	err = session_loop_new(front);
	if (err == 0)
		err = mount_signals_start(&signals, front->session, front->loop, &front->point);
	if (err == 0) {
		mounted_start(front);
		if (background->is_child)
			background_detach();
		first.is_started = pthread_create(&first.thread, NULL, first_request, &first) == 0;
		if (!first.is_started)
			background_tell(background, 0);
		err = loop_run(front->loop);
		atomic_store(&first.serving_failed, err < 0);
		control_server_stop(front->control);
		mount_signals_stop(&signals);
	}
	session_unmount(front);
	/* Whatever it waits for is answered by the end of the connection. */
	if (first.is_started)
		pthread_join(first.thread, NULL);
	return err;
}

/*
 * Any thread answers, and tree blocks are freed by others than those who made them: with an arena for
 * each, the process kept three times what it uses (445 instead of 140 MiB after 500,000 new files).
 */
#define MALLOC_ARENAS 2

static void memory_limit_arenas(void)
{
#ifdef __GLIBC__
	if (!mallopt(M_ARENA_MAX, MALLOC_ARENAS))
		log_debug("the C library does not take the number of its arenas");
#endif
}

/* FUSE would show the top as whatever it is mounted on. The helper of users says what else is wrong. */
static int check_mountpoint(const char *mountpoint)
{
	struct stat st;

	if (stat(mountpoint, &st) == 0 && !S_ISDIR(st.st_mode))
		return THROW_SYS(ENOTDIR, "%s", mountpoint);
	return 0;
}

static int mount_and_serve(const struct mount_request *request, struct background *background)
{
	struct front front = { .options = request->options };
	/* What the mount is called as long as it stands, wherever it was called from. */
	SCOPED_MEM char *image = realpath(request->image, NULL);
	SCOPED_MEM char *mountpoint = realpath(request->mountpoint, NULL);
	struct err_report report;
	int err, close_err;

	if (!mountpoint)
		return THROW_SYS(errno, "%s", request->mountpoint);
	TRY(check_mountpoint(mountpoint));
	front.mountpoint = mountpoint;
	front.image = image ? image : request->image;
	front_errors_init(&front.errors);
	memory_limit_arenas();
	mount_signals_block();
	err = open_image(&front, request);
	if (err == 0)
		err = session_mount(&front, request);
	if (err == 0)
		err = wire_start(&front);
	if (err == 0)
		err = front_serve(&front, background);
	err_capture(err, &report);
	close_err = front_close(&front);
	return err < 0 ? err_rethrow(&report) : close_err;
}

int fuse_mount_run(const struct mount_request *request)
{
	struct background background = { .is_child = false };
	pid_t child;
	int err;

	if (request->debug)
		log_set_level(LOG_LEVEL_INFO);
	if (request->foreground || request->debug)
		return mount_and_serve(request, &background);
	if (pipe2(background.pipe, O_CLOEXEC) < 0)
		return THROW_SYS(errno, "cannot make a pipe");
	child = fork();
	if (child < 0)
		return THROW_SYS(errno, "cannot start a process");
	if (child > 0)
		return background_wait(&background);
	background.is_child = true;
	close(background.pipe[0]);
	setsid();
	err = mount_and_serve(request, &background);
	/* That it aborted has been told when it did. */
	if (background.told && err < 0 && err != -EROFS)
		log_error("%s: %s", request->image, err_text(err));
	background_tell(&background, err);
	/* What the caller has not printed yet is the caller's to print. */
	_exit(err < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
