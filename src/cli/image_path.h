/*
 * IMAGE:/PATH: naming a file inside an image, and the images opened for it.
 *
 * As in scp the first colon separates, when no '/' stands before it. An image that is named with a
 * directory (out/disk.img, ./disk:1.img) is separated by the first colon that a '/' follows, or
 * else by the first colon. So an image name with a colon in it gets ./ before.
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
/* True for a text that can only mean a place inside an image: for the destination of cp. */
bool image_path_is_inside(const char *text);

/* The image that a command has open: arguments of one image share it. */
struct image_view {
	const char **
		devices; /* [0] is the image, then further members of a filesystem over several; owned array */
	unsigned nr_devices;
	char *image;	    /* what is open; owned */
	struct ubtrfs *fs;  /* NULL: nothing */
	unsigned nr_opened; /* how many were, so that users notice a change */
};

/* max_devices: how often --device can come. */
int image_view_init(struct image_view *view, unsigned max_devices) must_check;
void image_view_add_device(struct image_view *view, const char *path);
/* Closes. */
void image_view_fini(struct image_view *view);
/* Opens the image of the argument (read-only) if another one is open, and finds the node that it
 * names. follow: a symlink as the last part. Errors are told on stderr: 0 or 1. */
int image_view_find(struct image_view *view, const char *text, bool follow,
		    struct ubtrfs_node *ret_node) must_check;

#endif
