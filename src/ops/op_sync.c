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

static bool is_draining(const struct inode *inode)
{
	return inode && (inode->dirty.nr || inode->writing.nr);
}

static int drain_ask(struct ubtrfs *fs, struct ubtrfs_node node, bool *ret_more)
{
	SCOPED(inode) struct inode *inode = node_find(fs, node);

	*ret_more = is_draining(inode);
	return 0;
}

static int drain_step(struct ubtrfs *fs, struct ubtrfs_node node, bool *ret_more)
{
	SCOPED(inode) struct inode *inode = node_find(fs, node);

	*ret_more = is_draining(inode);
	return *ret_more ? writeback_step_inode(&fs->core.writeback, inode, ret_more) : 0;
}

void fs_drain_node(struct ubtrfs *fs, struct ubtrfs_node node)
{
	bool more = false;
	int err;

	if (!fs->background || FS_READ(fs, drain_ask(fs, node, &more)) < 0)
		return;
	for (unsigned i = 0; more && i < FLUSH_MAX_SLICES; i++) {
		fs_lock(fs);
		err = drain_step(fs, node, &more);
		if (fs_unlock(fs, err) < 0)
			return;
		if (more)
			writeback_wait(&fs->core.writeback);
	}
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
