/*
 * fuse: a filesystem of the library on a mount point, through FUSE (libfuse 3, low-level API).
 *
 * A customer of the public API like any other: what mounting means, what the options are called,
 * how nodes are numbered, and the control channel by which the command reaches a mounted
 * filesystem.
 */
#ifndef UBTRFS_FUSE_FUSE_H
#define UBTRFS_FUSE_FUSE_H

#include <sys/types.h>

#include <ubtrfs/file.h>

#include "base/err.h"
#include "base/strbuf.h"

/* ---- mount_options.c ---- */

#define MOUNT_DEVICES_MAX 256u

struct mount_options {
	/* What is opened: devices[0] is the image, then those of device=. */
	struct ubtrfs_open_options how;
	char *devices[MOUNT_DEVICES_MAX]; /* owned */
	char *subvol;	   /* path of the subvolume to show; owned; NULL: not given */
	uint64_t subvolid; /* 0: not given */
	bool is_top;	   /* subvolid=0: the top of the filesystem */
	/* Everything is shown as theirs. */
	bool map_uid, map_gid;
	uid_t uid;
	gid_t gid;
	bool no_permissions; /* the kernel compares no modes: everybody who may enter may do all */
	bool degraded;	     /* members may be missing */
	bool writeback_cache;
	unsigned max_threads;  /* of the front end; 0 = default */
	struct strbuf to_fuse; /* options that libfuse and the kernel understand: "a,b=c" */
	bool allow_other, no_allow_other;
	bool sloppy; /* unknown options are left out */
};

int mount_options_init(struct mount_options *options) must_check;
void mount_options_fini(struct mount_options *options);
/* The argument of one -o: "a,b=c,...". ERR_INVALID or ERR_UNSUPPORTED names the option. */
int mount_options_parse(struct mount_options *options, const char *text) must_check;
/* As FUSE wants a value in a list of options: commas and backslashes with a backslash before. */
void mount_option_add_escaped(struct strbuf *text, const char *value);
/* For the help of the command. */
extern const char mount_options_help[];

/* ---- fuse_main.c ---- */

struct mount_request {
	const char *image;
	const char *mountpoint;
	struct mount_options *options;
	bool foreground; /* stays with the caller's terminal; messages go to stderr */
	bool debug;	 /* every request is told on stderr */
};
/*
 * Opens, mounts, serves until it is unmounted, commits and closes. In the background: returns in
 * the caller's process when the mount stands (or does not), and the process that serves ends by
 * itself. 0, or a code with its sentence.
 */
int fuse_mount_run(const struct mount_request *request) must_check;

#endif
