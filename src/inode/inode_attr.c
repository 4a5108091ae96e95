/*
 * The inode item by meaning: size, bytes on disk, times, type.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "inode/inode.h"

void inode_set_size(struct inode *inode, uint64_t size)
{
	inode_item_set_size(inode->item, size);
	inode_mark_dirty(inode);
}

void inode_add_nbytes(struct inode *inode, int64_t bytes)
{
	uint64_t now = inode_item_nbytes(inode->item);

	/* A damaged inode may have more in its extents than it says; they must go all the same. */
	if (bytes < 0 && now < (uint64_t)-bytes)
		now = (uint64_t)-bytes;
	inode_item_set_nbytes(inode->item, now + (uint64_t)bytes);
	inode_mark_dirty(inode);
}

void inode_set_time(struct inode *inode, unsigned at, struct inode_time time)
{
	ASSERT(at == INODE_ITEM_ATIME_AT || at == INODE_ITEM_CTIME_AT ||
	       at == INODE_ITEM_MTIME_AT || at == INODE_ITEM_OTIME_AT);
	timespec_set_sec(inode->item + at, (uint64_t)time.sec);
	timespec_set_nsec(inode->item + at, time.nsec);
	inode_mark_dirty(inode);
}

struct inode_time inode_get_time(const struct inode *inode, unsigned at)
{
	return (struct inode_time){ (int64_t)timespec_sec(inode->item + at),
				    timespec_nsec(inode->item + at) };
}

void inode_touch(struct inode *inode)
{
	struct inode_time now = inode_now(inode->table);

	inode_item_set_sequence(inode->item, inode_item_sequence(inode->item) + 1);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, now);
	inode_set_time(inode, INODE_ITEM_MTIME_AT, now);
}

uint8_t inode_dir_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return BTRFS_FT_DIR;
	case S_IFCHR:
		return BTRFS_FT_CHRDEV;
	case S_IFBLK:
		return BTRFS_FT_BLKDEV;
	case S_IFIFO:
		return BTRFS_FT_FIFO;
	case S_IFSOCK:
		return BTRFS_FT_SOCK;
	case S_IFLNK:
		return BTRFS_FT_SYMLINK;
	case S_IFREG:
		return BTRFS_FT_REG_FILE;
	default:
		return BTRFS_FT_UNKNOWN;
	}
}
