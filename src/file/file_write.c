/*
 * Writing: bytes from memory become dirty; sources become runs at once.
 *
 * A write that begins or ends inside a sector takes the rest of that sector along (dirty.c). Inline
 * contents are the only extent of their file: a write behind them makes their sector dirty first, so
 * that it is stored anew beside the others.
 */
#include <errno.h>

#include "base/assert.h"
#include "file/file.h"

static void file_grew(struct inode *inode, uint64_t end)
{
	if (end > inode_size(inode))
		inode_set_size(inode, end);
}

int file_check_range(const struct inode *inode, uint64_t offset, uint64_t len)
{
	if (offset + len < offset || offset + len > INT64_MAX)
		return THROW_SYS(EFBIG, "inode %llu: a write behind byte %llu",
				 (unsigned long long)inode->ino, (unsigned long long)INT64_MAX);
	return 0;
}

/*
 * Without a background the writer submits: what is complete, and the oldest of all when there is too
 * much.
 */
static int submit_inline(struct writeback *writeback, struct inode *inode, uint64_t offset)
{
	struct dirty_range *range = dirty_find(inode, offset);

	if (range && range->len == RUN_MAX_BYTES)
		TRY(dirty_submit(writeback, inode, range));
	while (writeback->dirty_ram_bytes > INLINE_DIRTY_BYTES) {
		struct link *oldest = list_first(&writeback->dirty_inodes);

		TRY(file_submit_dirty(writeback, list_entry(oldest, struct inode, dirty_data)));
	}
	return 0;
}

int file_write(struct writeback *writeback, struct inode *inode, uint64_t offset, const void *data,
	       size_t len)
{
	const uint8_t *bytes = data;

	TRY(file_check_range(inode, offset, len));
	/* Which stores what is dirty: only then what is inline becomes dirty, to grow. */
	if (offset + len > inode_size(inode))
		TRY(file_close_gaps(writeback, inode));
	if (len && offset >= writeback->geometry.sectorsize)
		TRY(file_uninline(writeback, inode));
	while (len) {
		uint32_t take = (uint32_t)MIN(len, RUN_MAX_BYTES - offset % RUN_MAX_BYTES);

		TRY(dirty_write(writeback, inode, offset, bytes, take));
		file_grew(inode, offset + take);
		if (!writeback->config.background)
			TRY(submit_inline(writeback, inode, offset));
		bytes += take;
		offset += take;
		len -= take;
	}
	return 0;
}

static int submit_piece(struct writeback *writeback, struct inode *inode,
			struct shared_source *shared, uint64_t offset, uint32_t len,
			bool whole_file)
{
	struct file_run *run;

	TRY(run_new(writeback, inode, offset, len, NULL, 0, &run));
	run->source = shared_source_ref(shared);
	run->whole_file = whole_file;
	return run_submit(writeback, run);
}

int file_write_from(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		    struct shared_source *source)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t end = offset + len;
	uint64_t last;
	bool whole;

	TRY(file_check_range(inode, offset, len));
	if (!is_aligned(offset, sectorsize) ||
	    (end < inode_size(inode) && !is_aligned(end, sectorsize)))
		return THROW(ERR_INVALID,
			     "inode %llu: a source is written in whole sectors, not at %llu",
			     (unsigned long long)inode->ino, (unsigned long long)offset);
	if (end > inode_size(inode))
		TRY(file_close_gaps(writeback, inode));
	if (offset)
		TRY(file_uninline(writeback, inode));
	TRY(file_submit_dirty(writeback, inode));
	TRY(file_wait_range(writeback, inode, offset, end));
	TRY(file_extent_end(inode, &last));
	whole = offset == 0 && len <= RUN_MAX_BYTES && inode_size(inode) <= len &&
		(!last || inode->has_inline) && !inode->nr_in_flight;
	while (offset < end) {
		uint32_t piece =
			(uint32_t)MIN(end - offset, RUN_MAX_BYTES - offset % RUN_MAX_BYTES);

		/* First the size: a run that is reaped early must know that the file goes on. */
		file_grew(inode, whole ? end : offset + piece);
		inode_mark_dirty(inode);
		TRY(submit_piece(writeback, inode, source, offset, piece, whole));
		offset += piece;
	}
	return 0;
}
