/*
 * Flags of inodes, as chattr(1) sets them: FS_*_FL of <linux/fs.h>.
 *
 * Every operation of the library keeps to FS_IMMUTABLE_FL and FS_APPEND_FL (-EPERM). Changes of what
 * has FS_SYNC_FL, and of directories with FS_DIRSYNC_FL, are durable when the operation returns, but
 * for a filesystem opened with explicit_commit. Who may set which is the caller's to decide.
 */
#ifndef UBTRFS_ATTR_H
#define UBTRFS_ATTR_H

#include <ubtrfs/file.h>

#ifdef __cplusplus
extern "C" {
#endif

int ubtrfs_fsflags_get(struct ubtrfs *fs, struct ubtrfs_node node, uint32_t *ret_flags);
/*
 * Sets those flags that mask names; the rules are Linux's: FS_NOCOW_FL changes for empty files and
 * for directories only (of others it stays as it is), FS_COMPR_FL and FS_NOCOMP_FL exclude each
 * other and FS_NOCOW_FL, and the property btrfs.compression follows them. -EOPNOTSUPP another flag,
 * -EINVAL flags that exclude each other.
 */
int ubtrfs_fsflags_set(struct ubtrfs *fs, struct ubtrfs_node node, uint32_t flags, uint32_t mask);

#ifdef __cplusplus
}
#endif

#endif
