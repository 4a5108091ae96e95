/*
 * Subvolumes: create, flags, the default.
 */
#ifndef UBTRFS_SUBVOLUME_H
#define UBTRFS_SUBVOLUME_H

#include <ubtrfs/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A new empty subvolume named in a directory. uuid NULL = random. *ret_top is its top directory. */
int ubtrfs_subvolume_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			    size_t name_len, const uint8_t *uuid, struct ubtrfs_node *ret_top);
int ubtrfs_subvolume_set_readonly(struct ubtrfs *fs, uint64_t subvolid, bool readonly);
int ubtrfs_subvolume_set_default(struct ubtrfs *fs, uint64_t subvolid);

#ifdef __cplusplus
}
#endif

#endif
