/*
 * 16 subvolume: create, flags, the default subvolume.
 */
#ifndef UBTRFS_SUBVOLUME_SUBVOLUME_H
#define UBTRFS_SUBVOLUME_SUBVOLUME_H

#include "inode/inode.h"

/*
 * A new empty subvolume named in dir; its top directory (inode 256) is in the table, dirty.
 * ERR_EXISTS.
 */
int subvolume_create(struct txn *txn, struct inode_table *table, struct inode *dir,
		     const char *name, size_t name_len, const uint8_t uuid[16],
		     struct inode **ret_top) must_check;
int subvolume_set_readonly(struct inode_table *table, uint64_t subvolid, bool readonly) must_check;
/* The entry "default" of the root tree's directory. */
int subvolume_set_default(struct txn *txn, struct inode_table *table, uint64_t subvolid) must_check;
int subvolume_get_default(struct inode_table *table, uint64_t *ret_subvolid) must_check;

#endif
