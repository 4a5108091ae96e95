/*
 * Taking extents out of a file: the whole, the front, the back, or a hole in the middle of each.
 *
 * Items change in the overlay, which is flushed when it has gathered many. An extent that has no item in the
 * extent tree yet gives its space back at once; nothing is on its way to it any more, since runs of
 * a file do not overlap and who drops a range has waited for its runs. With a background nobody waits: such
 * space is pinned (extents->pins_data), and the commit that lets it go has waited for all that was on
 * its way.
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

	/* What stays of an extent stays as old as it was: nocow_lookup asks for that. */
	file_extent_set_generation(item, extent->generation ? extent->generation :
							      writeback->config.txn->generation);
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
		/* With the last reference its checksums go: they must be in the tree by then. */
		if (csum_batch_overlaps(writeback, extent->addr, extent->disk_bytes))
			TRY(csum_batch_flush(writeback));
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

static int drop_steps(struct writeback *writeback, struct inode *inode, uint64_t start,
		      uint64_t end)
{
	uint64_t pos = start;

	for (unsigned nr = 1; pos < end; nr++) {
		SCOPED(file_extent) struct file_extent extent = { 0 };
		int err = file_extent_find(inode, pos, &extent);

		if (err == -ERR_KEY_NOT_FOUND || (err == 0 && extent.start >= end))
			break;
		TRY(err);
		pos = extent.end;
		TRY(drop_one(writeback, inode, &extent, start, end));
		if (nr % DROP_FLUSH_STEPS == 0)
			TRY(inode_flush_noted(writeback->config.txn, inode));
	}
	return 0;
}

int file_drop_noted(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	int err;

	TRY(extent_close(writeback, inode));
	err = drop_steps(writeback, inode, start, end);
	/* What ends behind the range still ends there. */
	if (err < 0 || inode->extent_end <= end)
		inode->extent_end = UINT64_MAX;
	return err < 0 ? txn_abort(writeback->config.txn, err, "taking extents out of a file") : 0;
}

/* Runs that the file does not want any more are given up; the others that overlap are waited for. */
static int writing_cut(struct writeback *writeback, struct inode *inode, uint64_t start,
		       uint64_t end)
{
	uint64_t pos = start;
	struct file_run *run;

	while ((run = writing_find(inode, pos)) && run->offset < end) {
		pos = run->offset + round_up(run->len, writeback->geometry.sectorsize);
		if (run->offset >= start && pos <= end &&
		    (!run->reaped || writeback->config.background))
			run_give_up(run);
	}
	return file_wait_range(writeback, inode, start, end);
}

static int ram_cut(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	TRY(dirty_cut(writeback, inode, start, end));
	return writing_cut(writeback, inode, start, end);
}

/* Where the extent behind max_extents of them begins; end when there are no more. */
static int drop_bound(struct inode *inode, uint64_t start, uint64_t end, unsigned max_extents,
		      uint64_t *ret_pos)
{
	uint64_t pos = start;

	for (unsigned nr = 0; pos < end && nr < max_extents; nr++) {
		SCOPED(file_extent) struct file_extent extent = { 0 };
		int err = file_extent_find(inode, pos, &extent);

		if (err < 0 && err != -ERR_KEY_NOT_FOUND)
			return err;
		pos = err < 0 || extent.start >= end ? end : extent.end;
	}
	*ret_pos = MIN(pos, end);
	return 0;
}

int file_quiesce(struct writeback *writeback, struct inode *inode)
{
	TRY(file_settle(writeback, inode));
	return file_wait_range(writeback, inode, 0, UINT64_MAX);
}

int file_drop_some(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end,
		   unsigned max_extents, uint64_t *ret_pos)
{
	bool is_end = end == UINT64_MAX;
	uint64_t pos;

	/* Of a file that ends here nothing is stored any more, however many steps it takes, and also
	 * when the first of them fails. */
	if (is_end)
		TRY(ram_cut(writeback, inode, start, end));
	TRY(drop_bound(inode, start, end, max_extents, &pos));
	if (!is_end)
		TRY(ram_cut(writeback, inode, start, pos));
	TRY(file_drop_noted(writeback, inode, start, pos));
	*ret_pos = pos;
	return 0;
}

int file_drop_range(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	TRY(ram_cut(writeback, inode, start, end));
	return file_drop_noted(writeback, inode, start, end);
}
