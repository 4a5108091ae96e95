/*
 * Writing: bytes from memory gather in the dirty run of their inode; sources become runs at once.
 *
 * Runs begin at sector boundaries. A write that begins or ends inside a sector which the file has
 * already takes the rest of that sector along: it is read first (the slow way: settle, flush,
 * read). Between two calls every dirty run may be submitted as it is: dirty runs are on the list
 * `filling` of the writeback, oldest first, at most FILLING_MAX_RUNS. Inline contents are the only
 * extent of their file: a write behind them makes them a run first.
 */
#include "base/assert.h"
#include "file/file.h"

static void dirty_set(struct writeback *writeback, struct inode *inode, struct file_run *run)
{
	ASSERT(!inode->dirty_run);
	inode->dirty_run = run;
	list_push_back(&writeback->filling, &run->link);
	writeback->nr_filling++;
	inode_mark_dirty(inode);
}

static struct file_run *dirty_take(struct writeback *writeback, struct inode *inode)
{
	struct file_run *run = inode->dirty_run;

	link_remove(&run->link);
	writeback->nr_filling--;
	inode->dirty_run = NULL;
	return run;
}

int file_submit_dirty(struct writeback *writeback, struct inode *inode)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	struct file_run *run;
	uint64_t last;

	if (!inode->dirty_run)
		return 0;
	TRY(file_extent_end(inode, &last));
	run = dirty_take(writeback, inode);
	memset(run->data + run->len, 0, round_up(run->len, sectorsize) - run->len);
	run->whole_file = run->offset == 0 && inode_size(inode) == run->len &&
			  !inode->nr_in_flight && (!last || inode->has_inline);
	return run_submit(writeback, run);
}

int file_submit_oldest(struct writeback *writeback)
{
	struct file_run *oldest =
		list_entry(list_first(&writeback->filling), struct file_run, link);

	return file_submit_dirty(writeback, oldest->inode);
}

void file_drop_dirty(struct writeback *writeback)
{
	while (!list_is_empty(&writeback->filling)) {
		struct link *oldest = list_first(&writeback->filling);
		struct inode *inode = list_entry(oldest, struct file_run, link)->inode;

		run_free(dirty_take(writeback, inode));
	}
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

/*
 * Starts a dirty run for a write at offset; the part of its first sector before offset comes
 * from the file.
 */
static int dirty_start(struct writeback *writeback, struct inode *inode, uint64_t offset)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t start = round_down(offset, sectorsize);
	struct file_run *run;
	bool has = false;
	int err = 0;

	while (writeback->nr_filling >= FILLING_MAX_RUNS)
		TRY(file_submit_oldest(writeback));
	if (offset >= RUN_MAX_BYTES)
		TRY(file_uninline(writeback, inode, offset));
	TRY(file_has_behind(inode, start, &has));
	/* Inline contents become part of the run that starts the file. */
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
	dirty_set(writeback, inode, run);
	return 0;
}

/* The write ended inside a sector that the file continues: the rest of it is kept. */
static int dirty_finish_sector(struct writeback *writeback, struct inode *inode)
{
	struct file_run *run = inode->dirty_run;
	uint64_t end = run->offset + run->len;
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t stop = MIN(round_up(end, sectorsize), inode_size(inode));
	int err;

	if (end >= stop)
		return 0;
	/* Reading settles the inode: not this run, which is not complete. */
	dirty_take(writeback, inode);
	err = run_fill_old(writeback, run, end, stop - end);
	if (err < 0) {
		/* Bytes that the caller was told are written are lost with the run. */
		err = txn_abort(writeback->config.txn, err, "keeping the rest of a sector");
		run_free(run);
		return err;
	}
	run->len += (uint32_t)(stop - end);
	dirty_set(writeback, inode, run);
	return file_submit_dirty(writeback, inode);
}

static void file_grew(struct inode *inode, uint64_t end)
{
	if (end > inode_size(inode))
		inode_set_size(inode, end);
}

int file_check_range(const struct inode *inode, uint64_t offset, uint64_t len)
{
	if (offset + len < offset || offset + len > INT64_MAX)
		return THROW(ERR_LIMIT, "inode %llu: a write behind byte %llu",
			     (unsigned long long)inode->ino, (unsigned long long)INT64_MAX);
	return 0;
}

/* A dirty run that does not go on at offset is complete. */
static int dirty_turn(struct writeback *writeback, struct inode *inode, uint64_t offset)
{
	struct file_run *run = inode->dirty_run;

	if (!run || (run->offset + run->len == offset && run->len < RUN_MAX_BYTES))
		return 0;
	TRY(dirty_finish_sector(writeback, inode));
	return file_submit_dirty(writeback, inode);
}

int file_write(struct writeback *writeback, struct inode *inode, uint64_t offset, const void *data,
	       size_t len)
{
	const uint8_t *bytes = data;

	TRY(file_check_range(inode, offset, len));
	while (len) {
		struct file_run *run;
		uint32_t take;

		TRY(dirty_turn(writeback, inode, offset));
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

	TRY(run_new(writeback, inode, offset, 0, &run));
	run->source = shared_source_ref(shared);
	run->len = len;
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
	TRY(file_submit_dirty(writeback, inode));
	if (offset)
		TRY(file_uninline(writeback, inode, end));
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
