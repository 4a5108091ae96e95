/*
 * The time of last access: what reading does to it, as the filesystem was opened.
 *
 * Readers share the lock, so the time is set behind the read, alone, and only when the policy wants
 * it: with RELATIME that is once in a while. It becomes durable with the next commit. A time that
 * cannot be set (no space, a read-only subvolume) is no failure of the read. Keeps no state.
 */
#include "base/assert.h"
#include "ops/op_attr.h"

#define DAY_SECONDS 86400
/* Reads that follow each other so closely are one access (Linux: a tick of its clock). */
#define ACCESS_GRAIN_NS 4000000

static bool time_is_later(struct inode_time a, struct inode_time b)
{
	return a.sec != b.sec ? a.sec > b.sec : a.nsec > b.nsec;
}

static bool is_just_now(struct inode_time time, struct inode_time now)
{
	return time.sec == now.sec && time.nsec <= now.nsec &&
	       now.nsec - time.nsec < ACCESS_GRAIN_NS;
}

static bool access_counts(const struct ubtrfs *fs, const struct inode *inode)
{
	struct inode_time atime = inode_get_time(inode, INODE_ITEM_ATIME_AT);
	struct inode_time now = inode_now(&fs->core.inodes);

	if (inode_item_flags(inode->item) & BTRFS_INODE_NOATIME || is_just_now(atime, now))
		return false;
	if (root_item_flags(inode->root->item) & BTRFS_ROOT_SUBVOL_RDONLY)
		return false;
	if (fs->atime == UBTRFS_ATIME_STRICT)
		return true;
	return !time_is_later(atime, inode_get_time(inode, INODE_ITEM_MTIME_AT)) ||
	       !time_is_later(atime, inode_get_time(inode, INODE_ITEM_CTIME_AT)) ||
	       now.sec - atime.sec >= DAY_SECONDS;
}

static int atime_ask(struct ubtrfs *fs, struct ubtrfs_node node, bool *ret_counts)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	*ret_counts = access_counts(fs, inode);
	return 0;
}

static int atime_set(struct ubtrfs *fs, struct ubtrfs_node node)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode_flags(fs, node, &inode));
	TRY(door_enter(&fs->core, INODE_ITEM_SIZE, 1));
	inode_set_time(inode, INODE_ITEM_ATIME_AT, inode_now(&fs->core.inodes));
	return 0;
}

void atime_note_read(struct ubtrfs *fs, struct ubtrfs_node node)
{
	bool counts = false;

	if (fs->atime == UBTRFS_ATIME_NONE || !fs->core.writable)
		return;
	if (FS_READ(fs, atime_ask(fs, node, &counts)) < 0 || !counts)
		return;
	(void)FS_CHANGE(fs, atime_set(fs, node));
}
