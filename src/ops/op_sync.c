/*
 * Making durable: all of it, one file. The commit itself is commit/'s, the thread background.c's.
 */
#include <ubtrfs/file.h>

#include "ops/background.h"

UBTRFS_API int ubtrfs_commit(struct ubtrfs *fs)
{
	if (fs->background)
		return fs_errno(background_commit(fs));
	fs_lock(fs);
	return fs_unlock(fs, fs->core.writable ? core_commit(&fs->core) : 0);
}

/* Whether a commit that is complete holds all of an inode. */
static int inode_is_durable(struct ubtrfs *fs, struct ubtrfs_node node, bool *ret_durable)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	if (fs->core.writable)
		TRY(txn_check(fs->core.txn));
	*ret_durable = !fs->core.writable ||
		       (!link_is_linked(&inode->dirty_link) &&
			inode_item_transid(inode->item) <= fs->core.durable_generation);
	return 0;
}

UBTRFS_API int ubtrfs_fsync(struct ubtrfs *fs, struct ubtrfs_node node, bool data_only)
{
	bool durable = false;
	int err = FS_READ(fs, inode_is_durable(fs, node, &durable));

	/* A commit makes names, sizes and times durable together with the contents. */
	(void)data_only;
	return err < 0 || durable ? err : ubtrfs_commit(fs);
}

/* Contents are read and written in the background; what has failed so far shows here. */
UBTRFS_API int ubtrfs_drain(struct ubtrfs *fs)
{
	int err = 0;

	fs_lock(fs);
	if (fs->core.writable)
		err = txn_check(fs->core.txn);
	if (err == 0 && fs->core.writable)
		err = writeback_drain(&fs->core.writeback);
	return fs_unlock(fs, err);
}
