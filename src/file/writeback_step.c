/*
 * Writeback in steps, for a thread in the background that must not wait while it has the filesystem
 * for itself.
 *
 * A step reaps what is done and submits what is dirty, oldest inodes first; between steps
 * writeback_wait sleeps without the lock of ops/. Workers tell that they are done by done_lock; the
 * waiter is woken when half of what was on its way is done, not by each.
 * Locks: RANK_WRITEBACK (done_lock), never held around anything else.
 */
#include "base/assert.h"
#include "file/file.h"

void writeback_started(struct writeback *writeback)
{
	mutex_lock(&writeback->done_lock);
	writeback->nr_started++;
	mutex_unlock(&writeback->done_lock);
}

void writeback_finished(struct writeback *writeback, _Atomic bool *finished)
{
	mutex_lock(&writeback->done_lock);
	atomic_store(finished, true);
	writeback->nr_finished++;
	if (writeback->nr_finished >= writeback->wake_at)
		cond_broadcast(&writeback->done);
	mutex_unlock(&writeback->done_lock);
}

void writeback_wait(struct writeback *writeback)
{
	mutex_lock(&writeback->done_lock);
	while (writeback->nr_finished < writeback->nr_started &&
	       writeback->nr_finished < writeback->wake_at)
		cond_wait(&writeback->done, &writeback->done_lock);
	mutex_unlock(&writeback->done_lock);
}

static void step_ends(struct writeback *writeback)
{
	mutex_lock(&writeback->done_lock);
	writeback->wake_at =
		writeback->nr_finished + (writeback->nr_started - writeback->nr_finished + 1) / 2;
	mutex_unlock(&writeback->done_lock);
}

static int reap_done(struct writeback *writeback)
{
	while (writeback->nr_in_flight && writeback->nr_batches < BATCHES_MAX) {
		struct link *oldest = list_first(&writeback->in_flight);

		if (!atomic_load(&list_entry(oldest, struct file_run, link)->finished))
			break;
		TRY(reap_oldest(writeback));
	}
	return 0;
}

/* Ranges of one inode, as far as they may go; *ret_left: none, the budget or the window is used up. */
static int submit_inode(struct writeback *writeback, struct inode *inode, size_t *budget_bytes)
{
	SCOPED(inode) struct inode *held = inode_ref(inode);
	struct dirty_range *range;

	while ((range = dirty_find(held, 0))) {
		uint32_t len = range->len;

		if (!*budget_bytes || !window_has_room(writeback, len) ||
		    writing_overlaps(held, range->offset, range->offset + len))
			return 0;
		TRY(dirty_submit(writeback, held, range));
		*budget_bytes -= MIN(*budget_bytes, len);
	}
	return 0;
}

/* An inode that has to wait for its own runs lets the others go first. */
static int submit_some(struct writeback *writeback, size_t budget_bytes)
{
	struct list tried;
	struct link *oldest;

	list_init(&tried);
	while (budget_bytes && (oldest = list_first(&writeback->dirty_inodes))) {
		struct inode *inode = list_entry(oldest, struct inode, dirty_data);
		const struct dirty_range *range = dirty_find(inode, 0);
		int err;

		if (!window_has_room(writeback, range->len))
			break;
		err = submit_inode(writeback, inode, &budget_bytes);
		if (err < 0) {
			list_splice_back(&tried, &writeback->dirty_inodes);
			list_splice_back(&writeback->dirty_inodes, &tried);
			return err;
		}
		if (list_first(&writeback->dirty_inodes) != oldest)
			continue;
		if (!budget_bytes)
			break;
		link_remove(oldest);
		list_push_back(&tried, oldest);
	}
	list_splice_back(&tried, &writeback->dirty_inodes);
	list_splice_back(&writeback->dirty_inodes, &tried);
	return 0;
}

static int step(struct writeback *writeback, size_t budget_bytes)
{
	TRY(batch_reap_done(writeback));
	TRY(reap_done(writeback));
	TRY(submit_some(writeback, budget_bytes));
	/* Nothing will come that could make it longer, or not soon. */
	if (!writeback->nr_in_flight)
		TRY(batch_submit(writeback));
	return 0;
}

static int step_inode(struct writeback *writeback, struct inode *inode)
{
	size_t budget_bytes = SIZE_MAX;

	TRY(batch_reap_done(writeback));
	TRY(reap_done(writeback));
	TRY(submit_inode(writeback, inode, &budget_bytes));
	/* What is left of it is in the batch that is being filled. */
	if (!inode->dirty.nr && !inode->nr_in_flight && inode->writing.nr)
		TRY(batch_submit(writeback));
	return 0;
}

int writeback_step_inode(struct writeback *writeback, struct inode *inode, bool *ret_more)
{
	int err;

	TRY(txn_check(writeback->config.txn));
	writeback->stepping = true;
	err = step_inode(writeback, inode);
	writeback->stepping = false;
	step_ends(writeback);
	TRY(err);
	*ret_more = inode->dirty.nr || inode->writing.nr;
	return 0;
}

int writeback_step(struct writeback *writeback, size_t budget_bytes, bool *ret_more)
{
	int err;

	TRY(txn_check(writeback->config.txn));
	writeback->stepping = true;
	err = step(writeback, budget_bytes);
	writeback->stepping = false;
	step_ends(writeback);
	TRY(err);
	*ret_more = writeback->nr_dirty || writeback->nr_in_flight || writeback->batch ||
		    writeback->nr_batches;
	if (!*ret_more)
		buffers_trim(writeback);
	return 0;
}
