/*
 * Writing: bytes from memory gather in the dirty run of their inode; sources become runs at once.
 *
 * Runs begin at sector boundaries. A write that begins or ends inside a sector which the file has already takes the rest of that sector
 * along: it is read first (the slow way: settle, flush, read).
 */
#include "base/assert.h"
#include "file/file.h"

int file_submit_dirty(struct writeback *writeback, struct inode *inode)
{
	struct file_run *run = inode->dirty_run;
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t last;

	if (!run)
		return 0;
	inode->dirty_run = NULL;
	TRY(file_extent_end(inode, &last));
	memset(run->data + run->len, 0, round_up(run->len, sectorsize) - run->len);
	run->whole_file = run->offset == 0 && inode_size(inode) == run->len &&
			  !inode->nr_in_flight && (!last || inode->has_inline);
	return run_submit(writeback, run);
}

/* Fills part of a run from what the file holds now; bytes behind its end are zero. */
static int run_fill_old(struct writeback *writeback, struct file_run *run, uint64_t offset,
			size_t len)
{
	uint8_t *into = run->data + (offset - run->offset);
	size_t got;

	memset(into, 0, len);
	if (offset >= inode_size(run->inode))
		return 0;
	return file_read(writeback, run->inode, offset, into, len, &got);
}

/* Whether the file may hold something at or behind this offset: cheap, may say yes too often. */
static int file_has_behind(struct inode *inode, uint64_t offset, bool *ret_has)
{
	uint64_t last;

	TRY(file_extent_end(inode, &last));
	*ret_has = last > offset || inode->has_inline ||
		   (inode->nr_in_flight && inode_size(inode) > offset);
	return 0;
}

/* Starts a dirty run for a write at offset; the part of its first sector before offset comes from the file. */
static int dirty_start(struct writeback *writeback, struct inode *inode, uint64_t offset)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t start = round_down(offset, sectorsize);
	struct file_run *run;
	bool has = false;
	int err = 0;

	/* Inline contents become part of the run that starts the file. */
	TRY(file_has_behind(inode, start, &has));
	if (inode->has_inline && !inode->nr_in_flight && offset < RUN_MAX_BYTES &&
	    inode_size(inode) <= offset)
		start = 0;
	TRY(run_new(writeback, inode, start, RUN_MAX_BYTES, &run));
	run->len = (uint32_t)(offset - start);
	memset(run->data, 0, run->len);
	if (run->len && (has || inode->has_inline))
		err = run_fill_old(writeback, run, start, run->len);
	if (err < 0) {
		run_free(run);
		return err;
	}
	inode->dirty_run = run;
	inode_mark_dirty(inode);
	return 0;
}

/* The write ended inside a sector that the file continues: the rest of it is kept. */
static int dirty_finish_sector(struct writeback *writeback, struct inode *inode)
{
	struct file_run *run = inode->dirty_run;
	uint64_t end = run->offset + run->len;
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t stop = MIN(round_up(end, sectorsize), inode_size(inode));

	if (end >= stop)
		return 0;
	inode->dirty_run =
		NULL; /* reading settles the inode: not this run, which is not complete */
	if (run_fill_old(writeback, run, end, stop - end) < 0) {
		run_free(run);
		return THROW(
			ERR_DEVICE_IO,
			"inode %llu: the sector at %llu could not be read before it is written in part",
			(unsigned long long)inode->ino,
			(unsigned long long)round_down(end, sectorsize));
	}
	run->len += (uint32_t)(stop - end);
	inode->dirty_run = run;
	return file_submit_dirty(writeback, inode);
}

static void file_grew(struct inode *inode, uint64_t end)
{
	if (end > inode_size(inode))
		inode_set_size(inode, end);
}

int file_write(struct writeback *writeback, struct inode *inode, uint64_t offset, const void *data,
	       size_t len)
{
	const uint8_t *bytes = data;

	if (offset + len < offset || offset + len > INT64_MAX)
		return THROW(ERR_LIMIT, "inode %llu: a write behind byte %llu",
			     (unsigned long long)inode->ino, (unsigned long long)INT64_MAX);
	while (len) {
		struct file_run *run = inode->dirty_run;
		uint32_t take;

		if (run && (run->offset + run->len != offset || run->len == RUN_MAX_BYTES)) {
			TRY(dirty_finish_sector(writeback, inode));
			TRY(file_submit_dirty(writeback, inode));
		}
		if (!inode->dirty_run)
			TRY(dirty_start(writeback, inode, offset));
		run = inode->dirty_run;
		take = (uint32_t)MIN(len, RUN_MAX_BYTES - run->len);
		memcpy(run->data + run->len, bytes, take);
		run->len += take;
		bytes += take;
		offset += take;
		len -= take;
		if (offset < inode_size(inode) && !len)
			return dirty_finish_sector(writeback, inode);
		file_grew(inode, offset);
	}
	return 0;
}

static int submit_piece(struct writeback *writeback, struct inode *inode,
			struct shared_source *shared, uint64_t offset, uint32_t len,
			bool whole_file)
{
	struct file_run *run;

	TRY(run_new(writeback, inode, offset, len, &run));
	run->source = shared_source_ref(shared);
	run->len = len;
	run->whole_file = whole_file;
	return run_submit(writeback, run);
}

int file_write_from(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		    const struct file_source *source)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	struct shared_source *shared;
	uint64_t end = offset + len;
	uint64_t last;
	bool whole;
	int err = 0;

	if (end < offset || end > INT64_MAX)
		return THROW(ERR_LIMIT, "inode %llu: a write behind byte %llu",
			     (unsigned long long)inode->ino, (unsigned long long)INT64_MAX);
	if (!is_aligned(offset, sectorsize) ||
	    (end < inode_size(inode) && !is_aligned(end, sectorsize)))
		return THROW(ERR_INVALID,
			     "inode %llu: a source is written in whole sectors, not at %llu",
			     (unsigned long long)inode->ino, (unsigned long long)offset);
	TRY(file_submit_dirty(writeback, inode));
	TRY(file_extent_end(inode, &last));
	whole = offset == 0 && len <= RUN_MAX_BYTES && inode_size(inode) <= len && !last &&
		!inode->nr_in_flight;
	file_grew(inode, end);
	inode_mark_dirty(inode);
	TRY(shared_source_new(source, &shared));
	while (err == 0 && offset < end) {
		uint32_t piece =
			(uint32_t)MIN(end - offset, RUN_MAX_BYTES - offset % RUN_MAX_BYTES);

		err = submit_piece(writeback, inode, shared, offset, piece, whole);
		offset += piece;
	}
	shared_source_put(shared);
	return err;
}
