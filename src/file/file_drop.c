/*
 * Taking extents out of a file: the whole, the front, the back, or a hole in the middle of each.
 */
#include "base/assert.h"
#include "file/range.h"

/*
 * Reference of an extent as the extent tree counts it: by the offset that the start of the whole
 * extent would have in the file.
 */
static int extent_ref(struct writeback *writeback, struct inode *inode,
		      const struct file_extent *extent, int delta)
{
	if (extent->is_hole || extent->is_inline)
		return 0;
	return extent_ref_data(writeback->config.txn, writeback->config.extents, extent->addr,
			       extent->disk_bytes, inode->root->objectid, inode->ino,
			       extent->start - extent->offset, delta);
}

/* So many items are taken out before what changed goes to the tree. */
#define DROP_FLUSH_STEPS 4096u

int extent_put_part(struct writeback *writeback, struct inode *inode,
		    const struct file_extent *extent, uint64_t start, uint64_t end, bool exists)
{
	uint8_t item[FILE_EXTENT_SIZE] = { 0 };

	file_extent_set_generation(item, writeback->config.txn->generation);
	file_extent_set_ram_bytes(item, extent->ram_bytes);
	file_extent_set_compression(item, (uint8_t)extent->compress);
	file_extent_set_type(item, extent->is_prealloc ? BTRFS_FILE_EXTENT_PREALLOC :
							 BTRFS_FILE_EXTENT_REG);
	file_extent_set_disk_bytenr(item, extent->addr);
	file_extent_set_disk_num_bytes(item, extent->disk_bytes);
	file_extent_set_offset(item,
			       extent->is_hole ? 0 : extent->offset + (start - extent->start));
	file_extent_set_num_bytes(item, end - start);
	if (extent->is_hole)
		file_extent_set_ram_bytes(item, end - start);
	return delayed_put(inode, BTRFS_EXTENT_DATA_KEY, start, item, FILE_EXTENT_SIZE, exists);
}

/* Makes the part [start, end) of an extent an item of its own. */
static int extent_keep(struct writeback *writeback, struct inode *inode,
		       const struct file_extent *extent, uint64_t start, uint64_t end)
{
	return extent_put_part(writeback, inode, extent, start, end, start == extent->start);
}

static int drop_one(struct writeback *writeback, struct inode *inode,
		    const struct file_extent *extent, uint64_t start, uint64_t end)
{
	uint64_t from = MAX(start, extent->start);
	uint64_t to = MIN(end, extent->end);
	bool front = extent->start < from;
	bool back = to < extent->end;

	if (extent->is_inline) {
		CORRUPT_IF(front || back, "inode %llu: inline data cannot be cut",
			   (unsigned long long)inode->ino);
		inode_add_nbytes(inode, -(int64_t)extent->ram_bytes);
		inode->has_inline = false;
	} else if (!extent->is_hole) {
		inode_add_nbytes(inode, -(int64_t)(to - from));
	}
	if (front)
		TRY(extent_keep(writeback, inode, extent, extent->start, from));
	else
		TRY(delayed_remove(inode, BTRFS_EXTENT_DATA_KEY, extent->start));
	if (back)
		TRY(extent_keep(writeback, inode, extent, to, extent->end));
	if (!front && !back)
		return extent_ref(writeback, inode, extent, -1);
	return front && back ? extent_ref(writeback, inode, extent, 1) : 0;
}

/* At most max_extents items; *ret_pos is how far it came. */
static int drop_steps(struct writeback *writeback, struct inode *inode, uint64_t start,
		      uint64_t end, uint64_t max_extents, uint64_t *ret_pos)
{
	uint64_t pos = start;

	for (uint64_t nr = 1; pos < end && nr <= max_extents; nr++) {
		SCOPED(file_extent) struct file_extent extent = { 0 };
		int err = file_extent_find(inode, pos, &extent);

		if (err == -ERR_KEY_NOT_FOUND || (err == 0 && extent.start >= end)) {
			pos = end;
			break;
		}
		TRY(err);
		pos = extent.end;
		TRY(drop_one(writeback, inode, &extent, start, end));
		if (nr % DROP_FLUSH_STEPS == 0)
			TRY(inode_flush_noted(writeback->config.txn, inode));
	}
	*ret_pos = MIN(pos, end);
	return 0;
}

int file_drop_noted(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	struct txn *txn = writeback->config.txn;
	uint64_t pos;
	int err;

	TRY(inode_flush_noted(txn, inode));
	/*
	 * Extents of this very transaction give their space back at once: what is on its way to
	 * them must have arrived.
	 */
	TRY(batch_drain(writeback));
	TRY(csum_batch_flush(writeback));
	err = drop_steps(writeback, inode, start, end, UINT64_MAX, &pos);
	inode->extent_end = UINT64_MAX;
	return err < 0 ? txn_abort(txn, err, "taking extents out of a file") : 0;
}

int file_quiesce(struct writeback *writeback, struct inode *inode)
{
	TRY(file_settle(writeback, inode));
	TRY(batch_drain(writeback));
	return csum_batch_flush(writeback);
}

int file_drop_some(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end,
		   unsigned max_extents, uint64_t *ret_pos)
{
	int err;

	TRY(file_quiesce(writeback, inode));
	err = drop_steps(writeback, inode, start, end, max_extents, ret_pos);
	inode->extent_end = UINT64_MAX;
	return err < 0 ? txn_abort(writeback->config.txn, err, "taking extents out of a file") : 0;
}

int file_drop_range(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	TRY(file_settle(writeback, inode));
	return file_drop_noted(writeback, inode, start, end);
}
