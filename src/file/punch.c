/*
 * Holes: making them, and the items that tell of them on filesystems without NO_HOLES.
 *
 * Without NO_HOLES every sector below the end of the last extent, and below the end of the file, has
 * an item: what is taken out leaves an item of a hole, joined with the holes beside it.
 */
#include "base/assert.h"
#include "file/range.h"

/* Zeroes one part of a sector that holds data. */
static int zero_write(struct writeback *writeback, struct inode *inode, uint64_t offset,
		      uint64_t len)
{
	SCOPED_MEM uint8_t *zeroes = mem_zalloc(len);

	if (!zeroes)
		return MEM_FAIL("zeroes");
	return file_write(writeback, inode, offset, zeroes, len);
}

int file_zero_part(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	SCOPED(file_extent) struct file_extent extent = { 0 };
	uint64_t size = inode_size(inode);
	int err;

	ASSERT(offset % sectorsize + len <= sectorsize);
	if (!len || offset >= size)
		return 0;
	TRY(file_quiesce(writeback, inode));
	err = file_extent_find(inode, offset, &extent);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	if (extent.start > offset || extent.is_hole || extent.is_prealloc)
		return 0;
	return zero_write(writeback, inode, offset, MIN(len, size - offset));
}

/* ---- items of holes ---- */

/* Takes the item of a hole that begins or ends at a place; *ret_bound becomes its other end. */
static int hole_take(struct inode *inode, uint64_t pos, bool before, uint64_t *ret_bound)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err = file_extent_find(inode, before ? pos - 1 : pos, &extent);

	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	if (!extent.is_hole || (before ? extent.end : extent.start) != pos)
		return 0;
	TRY(delayed_remove(inode, BTRFS_EXTENT_DATA_KEY, extent.start));
	*ret_bound = before ? extent.start : extent.end;
	return 0;
}

static int hole_insert(struct writeback *writeback, struct inode *inode, uint64_t start,
		       uint64_t end)
{
	struct file_extent hole = { .is_hole = true };

	if (start)
		TRY(hole_take(inode, start, true, &start));
	TRY(hole_take(inode, end, false, &end));
	hole.start = start;
	hole.end = end;
	return extent_put_part(writeback, inode, &hole, start, end, false);
}

int file_note_hole(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	int err;

	if (inode->table->no_holes || start >= end)
		return 0;
	err = hole_insert(writeback, inode, start, end);
	inode->extent_end = UINT64_MAX;
	return err < 0 ? txn_abort(writeback->config.txn, err, "noting a hole") : 0;
}

int file_fill_gaps(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	uint64_t pos = start;

	if (inode->table->no_holes)
		return 0;
	TRY(file_quiesce(writeback, inode));
	while (pos < end) {
		SCOPED(file_extent) struct file_extent extent = { 0 };
		int err = file_extent_find(inode, pos, &extent);

		if (err < 0 && err != -ERR_KEY_NOT_FOUND)
			return err;
		if (err < 0 || extent.start >= end)
			return file_note_hole(writeback, inode, pos, end);
		TRY(file_note_hole(writeback, inode, pos, extent.start));
		pos = extent.end;
	}
	return 0;
}

int file_close_gaps(struct writeback *writeback, struct inode *inode)
{
	uint64_t stop = round_up(inode_size(inode), writeback->geometry.sectorsize), last;

	if (inode->table->no_holes || inode->gaps_filled)
		return 0;
	TRY(file_extent_end(inode, &last));
	if (last > stop)
		TRY(file_fill_gaps(writeback, inode, stop, last));
	/* Here nobody makes new ones. */
	inode->gaps_filled = true;
	return 0;
}

/* ---- punching ---- */

int file_punch_step(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end,
		    uint64_t *ret_pos)
{
	uint64_t last, pos;

	/* So that there is an item for all that lies before. */
	if (!inode->table->no_holes)
		TRY(file_settle(writeback, inode));
	TRY(file_drop_some(writeback, inode, start, end, RANGE_STEP_EXTENTS, &pos));
	TRY(file_extent_end(inode, &last));
	/* Behind the end of the file there need be none, but before another extent. */
	last = MAX(last, round_up(inode_size(inode), writeback->geometry.sectorsize));
	TRY(file_note_hole(writeback, inode, start, MIN(pos, last)));
	*ret_pos = pos;
	return 0;
}

/* ---- inline contents ---- */

int file_uninline_here(struct writeback *writeback, struct inode *inode)
{
	uint64_t size = inode_size(inode), last;
	int err;

	TRY(file_extent_end(inode, &last));
	if (!inode->has_inline)
		return 0;
	TRY(file_uninline(writeback, inode));
	/* A file that goes on behind its first sector is not inline: so it does for a moment. */
	inode_set_size(inode, (uint64_t)writeback->geometry.sectorsize + 1);
	err = file_quiesce(writeback, inode);
	inode_set_size(inode, size);
	return err;
}
