/*
 * Attributes between an inode and the public API; for the files of this folder that make, show and
 * change them.
 */
#ifndef UBTRFS_OPS_OP_ATTR_H
#define UBTRFS_OPS_OP_ATTR_H

#include "ops/ops.h"

/* ERR_INVALID for a time that is none. */
int attr_times_check(const struct ubtrfs_attr *attr, unsigned set) must_check;
/* The times that set names. */
void attr_times_apply(struct inode *inode, const struct ubtrfs_attr *attr, unsigned set);
/* BTRFS_INODE_* flags; ERR_INVALID for unknown ones and for those that the contents forbid. */
int attr_flags_apply(struct inode *inode, uint64_t flags) must_check;
void attr_rdev_apply(struct inode *inode, uint64_t rdev);

/* What an inode item tells; no_xattrs is not known. */
void attr_from_item(const struct ubtrfs *fs, const uint8_t *item, struct ubtrfs_node node,
		    struct ubtrfs_attr *ret_attr);
/* ubtrfs_getattr under the lock. */
int getattr_node(struct ubtrfs *fs, struct ubtrfs_node node,
		 struct ubtrfs_attr *ret_attr) must_check;

/* op_atime.c. Without the lock: what was just read. */
void atime_note_read(struct ubtrfs *fs, struct ubtrfs_node node);

#endif
