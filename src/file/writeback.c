/*
 * The ordered writeback: submitting runs, reaping them in order, draining.
 */
#include "base/assert.h"
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "file/file.h"

int writeback_init(struct writeback *writeback, const struct writeback_config *config)
{
	const struct store *store = config->extents->store;

	memset(writeback, 0, sizeof(*writeback));
	writeback->config = *config;
	writeback->geometry = config->inodes->geometry;
	writeback->space = store->space;
	writeback->volume = store->volume;
	list_init(&writeback->filling);
	list_init(&writeback->in_flight);
	list_init(&writeback->batches);
	writeback->nr_scratches = workq_nr_workers(config->workq);
	writeback->scratches = mem_array(writeback->nr_scratches, sizeof(*writeback->scratches));
	writeback->csums.capacity = geometry_max_csums(&writeback->geometry);
	writeback->csums.csums =
		mem_array(writeback->csums.capacity, writeback->geometry.csum_size);
	if (!writeback->scratches || !writeback->csums.csums) {
		mem_free(writeback->scratches);
		mem_free(writeback->csums.csums);
		memset(writeback, 0, sizeof(*writeback));
		return MEM_FAIL("the writeback");
	}
	return 0;
}

static struct file_run *window_pop(struct writeback *writeback)
{
	struct file_run *run =
		list_entry(list_pop_front(&writeback->in_flight), struct file_run, link);

	writeback->in_flight_bytes -= run->len;
	writeback->nr_in_flight--;
	run->inode->nr_in_flight--;
	return run;
}

void writeback_fini(struct writeback *writeback)
{
	while (!list_is_empty(&writeback->in_flight)) {
		struct file_run *run = window_pop(writeback);

		if (job_wait(&run->job) < 0)
			log_debug("a run was given up: %s", err_text(run->job.report.err));
		run_free(run);
	}
	batch_drop_all(writeback);
	file_drop_dirty(writeback);
	for (unsigned i = 0; i < writeback->nr_scratches; i++)
		scratch_fini(&writeback->scratches[i]);
	mem_free(writeback->scratches);
	mem_free(writeback->csums.csums);
}

int data_alloc(struct writeback *writeback, uint64_t len, uint64_t min_len, uint64_t *ret_addr,
	       uint64_t *ret_len)
{
	int err = space_alloc_data(writeback->space, len, min_len, ret_addr, ret_len);
	struct block_group *group;

	if (err != -ERR_NO_SPACE)
		return err;
	TRY(space_grow(writeback->space, SPACE_DATA, min_len, 0, &group));
	return space_alloc_data(writeback->space, len, min_len, ret_addr, ret_len);
}

static int reap_compressed(struct writeback *writeback, struct file_run *run)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint32_t disk_bytes = (uint32_t)round_up(run->packed_len, sectorsize);
	uint64_t padded = round_up(run->len, sectorsize);
	uint8_t *packed = run->packed;
	uint64_t addr, len;

	TRY(data_alloc(writeback, disk_bytes, disk_bytes, &addr, &len));
	TRY(extent_note(writeback, run->inode,
			&(struct extent_note){ .offset = run->offset,
					       .num_bytes = padded,
					       .addr = addr,
					       .disk_bytes = disk_bytes,
					       .ram_bytes = padded,
					       .compress = run->compress }));
	TRY(csum_batch_add(writeback, addr, run->csums, disk_bytes / sectorsize));
	run->packed = NULL;
	writeback->disk_bytes += disk_bytes;
	return batch_write(writeback, addr, packed, disk_bytes, packed);
}

/* Hands a piece of the run's bytes to the devices; the last one takes the buffer along. */
static int plain_write(struct writeback *writeback, struct file_run *run, uint32_t at,
		       uint64_t addr, uint32_t len, bool last)
{
	uint8_t *data = run->data + at;
	uint8_t *buffer;

	if (last) {
		buffer = run->data;
		run->data = NULL;
		return batch_write(writeback, addr, data, len, buffer);
	}
	/*
	 * The buffer stays with the run: a split run is rare, so its pieces but the last are
	 * copied.
	 */
	buffer = mem_dup(data, len);
	if (!buffer)
		return MEM_FAIL("a piece of file data");
	return batch_write(writeback, addr, buffer, len, buffer);
}

/*
 * Whole sectors of the source are shared; *ret_len how many bytes. What is behind them (the end
 * of the file) is written.
 */
static int plain_share(struct writeback *writeback, struct file_run *run, uint32_t at,
		       uint64_t addr, uint32_t len, uint32_t *ret_len)
{
	uint32_t whole =
		(uint32_t)round_down(MIN(run->len - at, len), writeback->geometry.sectorsize);
	int fd, err;

	*ret_len = 0;
	TRY(shared_source_reflink(run->source, &fd));
	if (fd < 0)
		return 0;
	err = volume_clone(writeback->volume, addr, fd, run->offset + at, whole);
	close(fd);
	TRY(err);
	*ret_len = whole;
	return 0;
}

static int reap_plain_piece(struct writeback *writeback, struct file_run *run, uint32_t at,
			    uint64_t addr, uint32_t len, bool last)
{
	const struct geometry *geometry = &writeback->geometry;
	const uint8_t *csums =
		run->csums + (size_t)(at / geometry->sectorsize) * geometry->csum_size;
	uint32_t shared;

	TRY(extent_note(writeback, run->inode,
			&(struct extent_note){ .offset = run->offset + at,
					       .num_bytes = len,
					       .addr = addr,
					       .disk_bytes = len,
					       .ram_bytes = len,
					       .compress = COMPRESS_NONE }));
	if (run->csum)
		TRY(csum_batch_add(writeback, addr, csums, len / geometry->sectorsize));
	writeback->disk_bytes += len;
	TRY(plain_share(writeback, run, at, addr, len, &shared));
	if (shared == len)
		return 0;
	return plain_write(writeback, run, at + shared, addr + shared, len - shared, last);
}

static int reap_plain(struct writeback *writeback, struct file_run *run)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint32_t padded = (uint32_t)round_up(run->len, sectorsize);
	uint32_t at = 0;

	while (at < padded) {
		uint64_t addr, len;

		TRY(data_alloc(writeback, padded - at, sectorsize, &addr, &len));
		TRY(reap_plain_piece(writeback, run, at, addr, (uint32_t)len, at + len == padded));
		at += (uint32_t)len;
	}
	return 0;
}

/* Whether a run that is all of its file is kept inside the tree, as Linux decides it. */
static bool run_is_inline(const struct writeback *writeback, const struct file_run *run)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint32_t stored = run->packed ? run->packed_len : run->len;

	return run->whole_file && run->offset == 0 && run->len <= sectorsize &&
	       stored < sectorsize && stored <= writeback->config.max_inline &&
	       stored <= geometry_max_inline(&writeback->geometry) &&
	       inode_size(run->inode) == run->len;
}

static int run_finish(struct writeback *writeback, struct file_run *run)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;

	if (run_is_inline(writeback, run))
		return extent_note_inline(writeback, run->inode,
					  run->packed ? run->packed : run->data,
					  run->packed ? run->packed_len : run->len, run->len,
					  run->packed ? run->compress : COMPRESS_NONE);
	/* Compressed only to be inline, and the file grew meanwhile: not worth it. */
	if (run->packed && round_up(run->packed_len, sectorsize) < round_up(run->len, sectorsize)) {
		int err = reap_compressed(writeback, run);

		if (err != -ERR_NO_SPACE)
			return err;
		/* The door promised room for the plain sectors, not for so many in one piece. */
		TRY(run_unpack(run));
		return reap_plain(writeback, run);
	}
	if (run->packed)
		TRY(run_unpack(run));
	/* What does not compress at its start is not tried again (Linux). */
	if (run->compress && !run->by_property && run->offset == 0 && run->len > sectorsize) {
		inode_item_set_flags(run->inode->item,
				     inode_item_flags(run->inode->item) | BTRFS_INODE_NOCOMPRESS);
		inode_mark_dirty(run->inode);
	}
	return reap_plain(writeback, run);
}

/*
 * Law L6: a run that cannot be stored leaves a hole in a file that its writer believes to be
 * whole.
 */
static int reap_oldest(struct writeback *writeback)
{
	struct file_run *run;
	int err;

	TRY(txn_check(writeback->config.txn));
	run = window_pop(writeback);
	err = job_wait(&run->job);
	if (err == 0)
		err = run_finish(writeback, run);
	if (err == 0)
		writeback->ram_bytes += run->len;
	else
		err = txn_abort(writeback->config.txn, err, "storing file data");
	run_free(run);
	return err;
}

/*
 * Room for more: sleeps until the run in the middle of the window is done and reaps all up to it,
 * so that a window costs two sleeps, not one for each run, and the workers still have the other
 * half to do.
 */
static int window_make_room(struct writeback *writeback)
{
	struct link *link = list_first(&writeback->in_flight);
	unsigned nr = (writeback->nr_in_flight + 1) / 2;

	for (unsigned i = 1; i < nr; i++)
		link = list_next(&writeback->in_flight, link);
	job_await(&list_entry(link, struct file_run, link)->job);
	for (unsigned i = 0; i < nr; i++)
		TRY(reap_oldest(writeback));
	return 0;
}

#ifdef HAVE_LZO
#define IS_BUILT(type) true
#else
#define IS_BUILT(type) ((type) != COMPRESS_LZO)
#endif

/* Which algorithm is tried, as Linux chooses: the property before the caller's choice. */
static int run_choose(struct writeback *writeback, struct file_run *run)
{
	uint64_t flags = inode_item_flags(run->inode->item);
	int type;

	run->compress = COMPRESS_NONE;
	if (flags & (BTRFS_INODE_NODATASUM | BTRFS_INODE_NOCOMPRESS | BTRFS_INODE_NODATACOW))
		return 0;
	run->compress = writeback->config.compress;
	if (!(flags & BTRFS_INODE_COMPRESS))
		return 0;
	TRY(inode_compress_prop(run->inode, &type));
	if (type && IS_BUILT(type)) {
		run->compress = type;
		run->by_property = true;
	} else if (!run->compress) {
		run->compress = COMPRESS_ZLIB;
	}
	return 0;
}

int run_submit(struct writeback *writeback, struct file_run *run)
{
	uint64_t flags = inode_item_flags(run->inode->item);
	int err = 0;

	ASSERT(run->len);
	while (err == 0 && writeback->nr_in_flight &&
	       (writeback->nr_in_flight >= WINDOW_MAX_RUNS ||
		writeback->in_flight_bytes + run->len > WINDOW_MAX_BYTES))
		err = window_make_room(writeback);
	run->csum = !(flags & BTRFS_INODE_NODATASUM);
	if (err == 0)
		err = run_choose(writeback, run);
	if (err < 0) {
		run_free(run);
		return err;
	}
	list_push_back(&writeback->in_flight, &run->link);
	writeback->in_flight_bytes += run->len;
	writeback->nr_in_flight++;
	run->inode->nr_in_flight++;
	workq_submit(writeback->config.workq, &run->job);
	return 0;
}

int file_settle(struct writeback *writeback, struct inode *inode)
{
	TRY(file_submit_dirty(writeback, inode));
	while (inode->nr_in_flight)
		TRY(reap_oldest(writeback));
	TRY(extent_close(writeback, inode));
	if (S_ISREG(inode_mode(inode)) && !inode->table->no_holes &&
	    link_is_linked(&inode->dirty_link))
		TRY(extent_fill_hole(writeback, inode,
				     round_up(inode_size(inode), writeback->geometry.sectorsize)));
	return 0;
}

int writeback_drain(struct writeback *writeback)
{
	struct list *dirty = &writeback->config.inodes->dirty;

	while (writeback->nr_filling)
		TRY(file_submit_oldest(writeback));
	while (writeback->nr_in_flight)
		TRY(reap_oldest(writeback));
	/*
	 * Reaping may take inodes off the list and put them at its end; settling those that have
	 * nothing in flight does not.
	 */
	for (struct link *link = list_first(dirty); link; link = list_next(dirty, link))
		TRY(file_settle(writeback, list_entry(link, struct inode, dirty_link)));
	TRY(batch_drain(writeback));
	return csum_batch_flush(writeback);
}
