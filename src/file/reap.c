/*
 * Reaping: what becomes of a run when its worker is done. It gets space, its extents are noted, its
 * bytes go into a batch.
 *
 * In the order of submission, by who is alone: every decision is made here, so it depends on nothing but
 * that order.
 */
#include <unistd.h>

#include "base/assert.h"
#include "file/range.h"

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
	writeback->disk_bytes += disk_bytes;
	return batch_write(writeback, addr, run->packed, disk_bytes, run);
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
			    uint64_t addr, uint32_t len)
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
	return batch_write(writeback, addr + shared, run->data + at + shared, len - shared, run);
}

/* Over what is there. Nothing is on its way there: runs of a file do not overlap. */
static int reap_in_place(struct writeback *writeback, struct file_run *run, uint32_t at,
			 const struct nocow_place *place)
{
	const struct geometry *geometry = &writeback->geometry;
	uint32_t len = (uint32_t)place->len;

	if (place->is_prealloc)
		TRY(nocow_written(writeback, run->inode, run->offset + at, len));
	if (run->csum)
		TRY(csum_batch_add(writeback, place->addr,
				   run->csums + (size_t)(at / geometry->sectorsize) *
							geometry->csum_size,
				   len / geometry->sectorsize));
	writeback->disk_bytes += len;
	inode_mark_dirty(run->inode);
	return batch_write(writeback, place->addr, run->data + at, len, run);
}

static int reap_plain(struct writeback *writeback, struct file_run *run)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint32_t padded = (uint32_t)round_up(run->len, sectorsize);
	uint32_t at = 0;

	while (at < padded) {
		struct nocow_place place = { .len = padded - at };
		uint64_t addr;

		if (nocow_possible(run->inode))
			TRY(nocow_lookup(writeback, run->inode, run->offset + at, padded - at,
					 &place));
		if (place.addr) {
			TRY(reap_in_place(writeback, run, at, &place));
		} else {
			TRY(data_alloc(writeback, place.len, sectorsize, &addr, &place.len));
			TRY(reap_plain_piece(writeback, run, at, addr, (uint32_t)place.len));
		}
		at += (uint32_t)place.len;
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
	bool in_place = false;

	if (run_is_inline(writeback, run))
		return extent_note_inline(writeback, run->inode,
					  run->packed ? run->packed : run->data,
					  run->packed ? run->packed_len : run->len, run->len,
					  run->packed ? run->compress : COMPRESS_NONE);
	/* What can be written in place, or some of it, is not compressed (Linux). */
	if (run->packed)
		TRY(nocow_any(writeback, run->inode, run->offset, round_up(run->len, sectorsize),
			      &in_place));
	if (in_place) {
		TRY(run_unpack(run));
		return reap_plain(writeback, run);
	}
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

/* The inode has one run less in flight. */
static void run_leaves(struct file_run *run)
{
	run->inode->nr_in_flight--;
}

struct file_run *window_pop(struct writeback *writeback)
{
	struct file_run *run =
		list_entry(list_pop_front(&writeback->in_flight), struct file_run, link);

	writeback->in_flight_bytes -= run->len;
	writeback->nr_in_flight--;
	writeback->nr_small -= run_is_small(run);
	run->reaped = true;
	if (run->inode)
		run_leaves(run);
	return run;
}

void run_written(struct file_run *run)
{
	if (run->count == 1) {
		run->writeback->writing_ram_bytes -= run->ram_bytes;
		if (run->inode)
			writing_remove(run);
	}
	run_put(run);
}

void run_give_up(struct file_run *run)
{
	struct inode *inode = run->inode;

	writing_remove(run);
	if (!run->reaped)
		run_leaves(run);
	run->inode = NULL;
	inode_put(inode);
}

/*
 * Law L6: a run that cannot be stored leaves a hole in a file that its writer believes to be
 * whole.
 */
int reap_oldest(struct writeback *writeback)
{
	struct file_run *run;
	int err;

	TRY(txn_check(writeback->config.txn));
	run = window_pop(writeback);
	err = job_wait(&run->job);
	if (!run->inode)
		err = 0;
	else if (err == 0)
		err = run_finish(writeback, run);
	if (err < 0)
		err = txn_abort(writeback->config.txn, err, "storing file data");
	else if (run->inode)
		writeback->ram_bytes += run->len;
	run_written(run);
	return err;
}
