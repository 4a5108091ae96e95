/*
 * The ordered writeback: submitting runs, waiting for them, draining.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "file/range.h"

int writeback_init(struct writeback *writeback, const struct writeback_config *config)
{
	const struct store *store = config->extents->store;

	memset(writeback, 0, sizeof(*writeback));
	writeback->config = *config;
	writeback->geometry = config->inodes->geometry;
	writeback->space = store->space;
	writeback->volume = store->volume;
	list_init(&writeback->dirty_inodes);
	list_init(&writeback->in_flight);
	list_init(&writeback->batches);
	list_init(&writeback->unwritten);
	writeback->nr_scratches = workq_nr_workers(config->workq);
	writeback->scratches = mem_array(writeback->nr_scratches, sizeof(*writeback->scratches));
	writeback->csums.capacity = geometry_max_csums(&writeback->geometry);
	writeback->csums.csums =
		mem_array(writeback->csums.capacity, writeback->geometry.csum_size);
	writeback->sector[0] = mem_alloc(writeback->geometry.sectorsize);
	writeback->sector[1] = mem_alloc(writeback->geometry.sectorsize);
	if (!writeback->scratches || !writeback->csums.csums || !writeback->sector[0] ||
	    !writeback->sector[1]) {
		mem_free(writeback->scratches);
		mem_free(writeback->csums.csums);
		mem_free(writeback->sector[0]);
		mem_free(writeback->sector[1]);
		memset(writeback, 0, sizeof(*writeback));
		return MEM_FAIL("the writeback");
	}
	job_lane_init(&writeback->writers, volume_nr_writers(writeback->volume));
	mutex_init(&writeback->done_lock, RANK_WRITEBACK, "writeback");
	cond_init(&writeback->done);
	return 0;
}

void writeback_fini(struct writeback *writeback)
{
	while (!list_is_empty(&writeback->in_flight)) {
		struct file_run *run = window_pop(writeback);

		if (job_wait(&run->job) < 0)
			log_debug("a run was given up: %s", err_text(run->job.report.err));
		run_written(run);
	}
	batch_drop_all(writeback);
	dirty_drop_all(writeback);
	buffers_trim(writeback);
	for (unsigned i = 0; i < writeback->nr_scratches; i++)
		scratch_fini(&writeback->scratches[i]);
	mem_free(writeback->scratches);
	mem_free(writeback->csums.csums);
	mem_free(writeback->sector[0]);
	mem_free(writeback->sector[1]);
	mutex_fini(&writeback->done_lock);
	cond_fini(&writeback->done);
}

bool window_has_room(const struct writeback *writeback, uint32_t len)
{
	return !writeback->nr_in_flight || (writeback->nr_in_flight < WINDOW_MAX_RUNS &&
					    writeback->in_flight_bytes + len <= WINDOW_MAX_BYTES);
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
	if (flags & (BTRFS_INODE_NODATASUM | BTRFS_INODE_NODATACOW))
		return 0;
	run->by_property = writeback->config.compress_force;
	if (flags & BTRFS_INODE_NOCOMPRESS && !writeback->config.compress_force)
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

static void window_push(struct writeback *writeback, struct file_run *run)
{
	list_push_back(&writeback->in_flight, &run->link);
	writeback->in_flight_bytes += run->len;
	writeback->nr_in_flight++;
	writeback->nr_small += run_is_small(run);
	writeback->writing_ram_bytes += run->ram_bytes;
	run->inode->nr_in_flight++;
	writing_add(run);
	writeback_started(writeback);
	workq_submit(writeback->config.workq, &run->job);
}

/* So that no worker compresses in vain what will be written in place. */
static int run_choose_plain(struct writeback *writeback, struct file_run *run)
{
	uint64_t padded = round_up(run->len, writeback->geometry.sectorsize);
	bool in_place = false;

	if (run->compress)
		TRY(nocow_any(writeback, run->inode, run->offset, padded, &in_place));
	if (in_place)
		run->compress = COMPRESS_NONE;
	return 0;
}

int run_submit(struct writeback *writeback, struct file_run *run)
{
	uint64_t flags = inode_item_flags(run->inode->item);
	int err = 0;

	while (err == 0 && !window_has_room(writeback, run->len))
		err = window_make_room(writeback);
	run->csum = !(flags & BTRFS_INODE_NODATASUM);
	if (err == 0)
		err = run_choose(writeback, run);
	if (err == 0)
		err = run_choose_plain(writeback, run);
	if (err < 0) {
		run_put(run);
		return err;
	}
	window_push(writeback, run);
	return 0;
}

int file_wait_range(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	SCOPED(inode) struct inode *held = inode_ref(inode);
	struct file_run *run;

	while ((run = writing_find(held, start)) && run->offset < end) {
		if (!run->reaped) {
			TRY(reap_oldest(writeback));
			continue;
		}
		/* It is part of a batch: of one on its way, or of the one being filled. */
		if (!writeback->nr_batches)
			TRY(batch_submit(writeback));
		TRY(batch_wait_oldest(writeback));
	}
	return 0;
}

int file_submit_dirty(struct writeback *writeback, struct inode *inode)
{
	SCOPED(inode) struct inode *held = inode_ref(inode);
	struct dirty_range *range;

	while ((range = dirty_find(held, 0)))
		TRY(dirty_submit(writeback, held, range));
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

static int note_all(struct writeback *writeback)
{
	struct list *dirty = &writeback->config.inodes->dirty;
	struct link *oldest;

	while ((oldest = list_first(&writeback->dirty_inodes)))
		TRY(file_submit_dirty(writeback, list_entry(oldest, struct inode, dirty_data)));
	while (writeback->nr_in_flight)
		TRY(reap_oldest(writeback));
	/*
	 * Reaping may take inodes off the list and put them at its end; settling those that have
	 * nothing in flight does not.
	 */
	for (struct link *link = list_first(dirty); link; link = list_next(dirty, link))
		TRY(file_settle(writeback, list_entry(link, struct inode, dirty_link)));
	return csum_batch_flush(writeback);
}

int writeback_note(struct writeback *writeback)
{
	int err;

	writeback->stepping = true;
	err = note_all(writeback);
	if (err == 0)
		err = batch_submit(writeback);
	writeback->stepping = false;
	return err;
}

int writeback_drain(struct writeback *writeback)
{
	TRY(note_all(writeback));
	TRY(batch_drain(writeback));
	buffers_trim(writeback);
	return 0;
}
