/*
 * Looking for holes: what no item tells of, items of holes, and what is preallocated (Linux).
 */
#include "base/assert.h"
#include "file/range.h"

int file_seek_hole(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t *ret_offset)
{
	uint64_t size = inode_size(inode), pos = offset;

	ASSERT(offset < size);
	TRY(file_sync_inode(writeback, inode));
	while (pos < size) {
		SCOPED(file_extent) struct file_extent extent = { 0 };
		int err = file_extent_find(inode, pos, &extent);

		if (err == -ERR_KEY_NOT_FOUND)
			break;
		TRY(err);
		if (extent.start > pos || extent.is_hole || extent.is_prealloc)
			break;
		pos = extent.end;
	}
	*ret_offset = MIN(pos, size);
	return 0;
}
