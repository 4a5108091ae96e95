/*
 * An ioctl on its way to its function. See fuse_ioctl.c.
 */
#ifndef UBTRFS_FUSE_FUSE_IOCTL_H
#define UBTRFS_FUSE_FUSE_IOCTL_H

#include "fuse/fuse_priv.h"

struct ioctl_call {
	struct front *front;
	fuse_ino_t id;
	struct ubtrfs_node node;
	uid_t uid; /* who asks */
	pid_t pid;
	void *data; /* what was given, zeroes behind it; becomes the answer */
	size_t size;
	size_t answer_max; /* no more is answered, although more is asked for; 0: all */
	int result;	   /* of the ioctl, with its answer; negative: an errno */
};

/* ioctl_search.c */
int ioctl_tree_search(struct ioctl_call *call) must_check;

#endif
