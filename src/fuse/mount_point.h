/*
 * The place where we are mounted, and taking us away from there and nobody else. See mount_point.c.
 */
#ifndef UBTRFS_FUSE_MOUNT_POINT_H
#define UBTRFS_FUSE_MOUNT_POINT_H

#include <stdbool.h>
#include <stdint.h>

struct mount_point {
	const char *path; /* borrowed; NULL: not mounted yet */
	uint32_t dev_major, dev_minor;
	bool has_dev;
};

/* Right after mounting there. */
void mount_point_note(struct mount_point *point, const char *path);
/* False when the place is another mount's by now, or no mount's. Asks nobody who serves it. */
bool mount_point_is_ours(const struct mount_point *point);
/* Takes the place away for those who come; who has something open keeps it. */
void mount_point_leave(const struct mount_point *point);

#endif
