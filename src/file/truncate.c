/*
 * Changing the size of a file.
 *
 * A file that shrinks into the middle of a sector rewrites that sector with zeroes behind its new
 * end, so that growing again never shows old bytes, unless it holds none. Inline contents are
 * rewritten at their new length.
 */
#include "base/assert.h"
#include "file/file.h"

/* Writes what was taken out of the file a moment ago: without it the file is damaged. */
static int put_back(struct writeback *writeback, struct inode *inode, uint64_t offset,
		    const uint8_t *data, size_t len)
{
	int err = file_write(writeback, inode, offset, data, len);

	return err < 0 ? txn_abort(writeback->config.txn, err, "changing the size of a file") : 0;
}

/* Whether a sector holds nothing that is not zero: in a hole, or preallocated. */
static int sector_is_empty(const struct writeback *writeback, struct inode *inode, uint64_t start,
			   bool *ret_empty)
{
	uint64_t end = start + writeback->geometry.sectorsize;
	SCOPED(file_extent) struct file_extent extent = { 0 };
	const struct dirty_range *dirty = dirty_find(inode, start);
	int err;

	*ret_empty = false;
	if ((dirty && dirty->offset < end) || writing_overlaps(inode, start, end))
		return 0;
	err = file_extent_find(inode, start, &extent);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	/* Without NO_HOLES a hole would need an item that ends where the file does. */
	if (err < 0 || extent.start >= end || extent.is_hole)
		*ret_empty = inode->table->no_holes;
	else
		*ret_empty = extent.is_prealloc && extent.start <= start && extent.end >= end;
	return 0;
}

static int truncate_down(struct writeback *writeback, struct inode *inode, uint64_t size)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t keep = round_down(size, sectorsize);
	size_t tail_len = (size_t)(size - keep);
	SCOPED_MEM uint8_t *tail = NULL;
	bool empty = false;
	size_t got = 0;

	if (tail_len)
		TRY(sector_is_empty(writeback, inode, keep, &empty));
	if (empty) {
		TRY(file_drop_range(writeback, inode, keep + sectorsize, UINT64_MAX));
		inode_set_size(inode, size);
		return 0;
	}

	if (tail_len) {
		tail = mem_alloc(sectorsize);
		if (!tail)
			return MEM_FAIL("the last sector of a file");
		TRY(file_read(writeback, inode, keep, tail, tail_len, &got));
	}
	TRY(file_drop_range(writeback, inode, keep, UINT64_MAX));
	inode_set_size(inode, keep);
	return tail_len ? put_back(writeback, inode, keep, tail, got) : 0;
}

/*
 * The start of the extent that is the nr-th from the end of the file, or *floor when there are not so
 * many behind that.
 */
static int nth_extent_from_end(struct inode *inode, uint64_t floor, unsigned nr,
			       uint64_t *ret_start)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < nr; i++) {
		int err = delayed_last(inode, BTRFS_EXTENT_DATA_KEY, at, &view);

		if (err == -ERR_KEY_NOT_FOUND || (err == 0 && view.key.offset <= floor)) {
			*ret_start = floor;
			return 0;
		}
		TRY(err);
		at = view.key.offset - 1;
	}
	*ret_start = at + 1;
	return 0;
}

int file_shrink_some(struct writeback *writeback, struct inode *inode, uint64_t size,
		     unsigned max_extents, bool *ret_done)
{
	uint64_t sectorsize = writeback->geometry.sectorsize;
	uint64_t floor, start;

	*ret_done = true;
	if (size >= inode_size(inode) || (inode_size(inode) - size) / sectorsize < max_extents)
		return 0;
	floor = round_up(size, sectorsize);
	TRY(nth_extent_from_end(inode, floor, max_extents, &start));
	if (start == floor)
		return 0;
	*ret_done = false;
	TRY(file_drop_range(writeback, inode, start, UINT64_MAX));
	inode_set_size(inode, MIN(start, inode_size(inode)));
	return 0;
}

int file_uninline(struct writeback *writeback, struct inode *inode)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	const struct dirty_range *range = dirty_find(inode, 0);
	uint64_t len = inode_size(inode);
	SCOPED_MEM uint8_t *data = NULL;
	uint64_t last;
	size_t got;

	TRY(file_extent_end(inode, &last));
	/* What stands above it already will not be inline when it is reaped: the file is longer then. */
	if (!inode->has_inline || (range && range->offset == 0) ||
	    writing_overlaps(inode, 0, sectorsize))
		return 0;
	CORRUPT_IF(len > sectorsize, "inode %llu: %llu bytes of inline data",
		   (unsigned long long)inode->ino, (unsigned long long)len);
	if (!len)
		return 0;
	data = mem_alloc(len);
	if (!data)
		return MEM_FAIL("inline data");
	TRY(file_read(writeback, inode, 0, data, len, &got));
	return dirty_write(writeback, inode, 0, data, (uint32_t)len);
}

/* What is preallocated behind the end goes when the size is set, also to what it is (Linux). */
static int drop_behind_end(struct writeback *writeback, struct inode *inode)
{
	uint64_t stop = round_up(inode_size(inode), writeback->geometry.sectorsize), last;

	TRY(file_extent_end(inode, &last));
	return last > stop ? file_drop_range(writeback, inode, stop, UINT64_MAX) : 0;
}

int file_truncate(struct writeback *writeback, struct inode *inode, uint64_t size)
{
	uint64_t old = inode_size(inode);

	if (size > INT64_MAX)
		return THROW(ERR_LIMIT, "inode %llu: a size of %llu",
			     (unsigned long long)inode->ino, (unsigned long long)size);
	if (size < old)
		return truncate_down(writeback, inode, size);
	if (size == old)
		return drop_behind_end(writeback, inode);
	TRY(file_close_gaps(writeback, inode));
	/* What is inline must end with the file. */
	TRY(file_uninline(writeback, inode));
	inode_set_size(inode, size);
	return 0;
}
