/*
 * IMAGE:/PATH: naming a file inside an image, and the images opened for it.
 *
 * As in scp the first colon separates, when no '/' stands before it. An image that is named with a
 * directory (out/disk.img, ./disk:1.img) is separated by the first colon that a '/' follows, or
 * else by the first colon. So an image name with a colon in it gets ./ before.
 *
 * In the shell (session.h) a text without "host:" before it is a path inside the image that is open,
 * which stays open and belongs to the shell.
 */
#ifndef UBTRFS_CLI_IMAGE_PATH_H
#define UBTRFS_CLI_IMAGE_PATH_H

#include <ubtrfs/file.h>

#include "base/err.h"

struct image_path {
	char *image;	  /* owned */
	const char *path; /* as written, behind the colon; borrowed */
};

/* ERR_INVALID when there is no colon, no image or no path. */
int image_path_parse(const char *text, struct image_path *ret_path) must_check;
void image_path_release(struct image_path *path);
/* What stands behind the separator, borrowed; NULL when there is none. */
const char *image_path_inside(const char *text);
/* A path of this machine, without the prefix that it has in the shell. */
const char *image_path_host(const char *text);
/* True for a text that can only mean a place inside an image: for the destination of cp. */
bool image_path_is_inside(const char *text);

/*
 * Options of every command that opens an image: these stand at the front of its table of long
 * options ("D:" among its letters), IMAGE_HELP in its help; what they say goes into the view.
 */
enum image_option {
	OPTION_PARTITION = 0x200,
	OPTION_OFFSET,
	OPTION_SUPER,
	OPTION_SUBVOLID,
	OPTION_NO_VERIFY,
	OPTION_NOSCAN,
};
/* clang-format off */
#define IMAGE_LONG_OPTIONS                                             \
	{ "device", required_argument, NULL, 'D' },                    \
	{ "partition", required_argument, NULL, OPTION_PARTITION },    \
	{ "offset", required_argument, NULL, OPTION_OFFSET },          \
	{ "super", required_argument, NULL, OPTION_SUPER },            \
	{ "subvolid", required_argument, NULL, OPTION_SUBVOLID },      \
	{ "no-verify", no_argument, NULL, OPTION_NO_VERIFY },          \
	{ "noscan", no_argument, NULL, OPTION_NOSCAN }
/* clang-format on */
#define IMAGE_HELP                                                                                 \
	"  -D, --device FILE     a further member of a filesystem over several files or devices\n" \
	"      --noscan          do not look for members in the folder of the image\n"             \
	"      --partition N     the filesystem lies in this partition of a disk image\n"          \
	"      --offset BYTES    or at this byte of it\n"                                          \
	"      --super N         believe this copy of the superblock: 0, 1 or 2\n"                 \
	"      --subvolid N      paths begin at the top of this subvolume\n"                       \
	"      --no-verify       do not compare file contents with their checksums\n"

/* The image that a command has open: arguments of one image share it. */
struct image_view {
	struct ubtrfs_open_options how; /* as the options say; devices is set by opening */
	uint64_t subvolid;		/* where paths begin; 0 = the top of the filesystem */
	const char **devices;		/* [0] is the image, then further members; owned array */
	char *image;			/* what is open; owned */
	struct ubtrfs *fs;		/* NULL: nothing */
	bool borrowed;			/* fs is the shell's (session.h), and stays open */
	unsigned nr_opened;		/* how many were, so that users notice a change */
};

/* max_devices: how often --device can come. */
int image_view_init(struct image_view *view, unsigned max_devices) must_check;
/* Takes one of IMAGE_LONG_OPTIONS (with optarg). 0; 1 after a message; -1: it is none of them. */
int image_view_option(struct image_view *view, int option) must_check;
/* Closes without committing. */
void image_view_fini(struct image_view *view);
/* Opens an image (as view->how says) unless it is the one that is open. Errors are told: 0 or 1. */
int image_view_open(struct image_view *view, const char *image) must_check;
/* The same with the failure for the caller. */
int image_view_open_quiet(struct image_view *view, const char *image) must_check;
/* Closes without committing what is open. */
void image_view_close(struct image_view *view);
/* Makes durable what was done; in the shell that is left to the user. */
int image_view_commit(struct image_view *view) must_check;
/*
 * In the shell a command without operands is about the directory that the user is in: makes "." the
 * operand. Yields the new argc. Behind the last option.
 */
int image_default_here(int argc, char **argv) must_check;
/* The directory that paths begin at. */
struct ubtrfs_node image_view_top(const struct image_view *view);
/* Opens the image of the argument (read-only) if another one is open, and finds the node that it
 * names. follow: a symlink as the last part. Errors are told on stderr: 0 or 1. */
int image_view_find(struct image_view *view, const char *text, bool follow,
		    struct ubtrfs_node *ret_node) must_check;
/* The same for an argument that may also be an image alone, which stands for its top. Symlinks are
 * followed. */
int image_view_find_any(struct image_view *view, const char *text,
			struct ubtrfs_node *ret_node) must_check;

#endif
