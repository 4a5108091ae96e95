/*
 * The kernel's view of an image: mounted on a loop device, for reading, and away again.
 */
#ifndef UBTRFS_TEST_KERNEL_VIEW_H
#define UBTRFS_TEST_KERNEL_VIEW_H

#include <stdbool.h>

struct kernel_view {
	char dir[160]; /* where it is mounted */
};

/* Root, and a kernel that has btrfs. */
bool kernel_can_mount(void);
/* The image is not open. Fails the test when the kernel refuses it. */
void kernel_mount(struct kernel_view *view, const char *image, const char *dir,
		  const char *options);
void kernel_umount(struct kernel_view *view);

#endif
