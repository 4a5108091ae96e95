/*
 * Write batches: neighbouring runs go to the devices in one write, on a worker. (A thread of its own
 * for them was measured: it made plain imports slower.)
 *
 * A batch holds a reference on the run of each of its parts, whose bytes stay in RAM until they are
 * written. At most BATCHES_MAX are on their way; the oldest is waited for first. They share a lane
 * of as many as the devices take at once: into a regular file Linux writes one after the other,
 * and workers that wait for its lock spin there.
 */
#include "base/assert.h"
#include "file/file.h"

struct write_batch {
	struct job job;
	struct link link;
	struct link unwritten; /* under done_lock */
	uint64_t seq;
	struct writeback *writeback;
	_Atomic bool finished; /* by its worker */
	uint64_t addr;
	uint64_t len;
	int nr_parts;
	struct iovec parts[BATCH_MAX_PARTS];
	struct file_run *runs[BATCH_MAX_PARTS];
};

/* From its worker: those who wait for all that was submitted before them look again. */
static void batch_written(struct write_batch *batch, int err)
{
	struct writeback *writeback = batch->writeback;

	mutex_lock(&writeback->done_lock);
	link_remove(&batch->unwritten);
	if (err < 0 && !writeback->write_failure.err)
		err_capture(err, &writeback->write_failure);
	if (writeback->nr_barriers)
		cond_broadcast(&writeback->done);
	mutex_unlock(&writeback->done_lock);
}

uint64_t batch_barrier(const struct writeback *writeback)
{
	return writeback->nr_batches_ever;
}

int batch_barrier_wait(struct writeback *writeback, uint64_t barrier)
{
	struct err_report failure;
	struct link *first;

	mutex_lock(&writeback->done_lock);
	writeback->nr_barriers++;
	while ((first = list_first(&writeback->unwritten)) &&
	       list_entry(first, struct write_batch, unwritten)->seq <= barrier)
		cond_wait(&writeback->done, &writeback->done_lock);
	writeback->nr_barriers--;
	failure = writeback->write_failure;
	mutex_unlock(&writeback->done_lock);
	return err_rethrow(&failure);
}

static int batch_work(struct job *job, unsigned worker)
{
	struct write_batch *batch = container_of(job, struct write_batch, job);
	int err =
		volume_writev(batch->writeback->volume, batch->addr, batch->parts, batch->nr_parts);

	(void)worker;
	batch_written(batch, err);
	writeback_finished(batch->writeback, &batch->finished);
	return err;
}

static void batch_free(struct write_batch *batch)
{
	for (int i = 0; i < batch->nr_parts; i++)
		run_written(batch->runs[i]);
	mem_free(batch);
}

int batch_wait_oldest(struct writeback *writeback)
{
	struct write_batch *batch =
		list_entry(list_pop_front(&writeback->batches), struct write_batch, link);
	int err = job_wait(&batch->job);

	writeback->nr_batches--;
	batch_free(batch);
	/* Law L6: nobody who comes later learns that these bytes are missing. */
	return err < 0 ? txn_abort(writeback->config.txn, err, "writing file data") : 0;
}

int batch_reap_done(struct writeback *writeback)
{
	while (writeback->nr_batches) {
		struct link *oldest = list_first(&writeback->batches);

		if (!atomic_load(&list_entry(oldest, struct write_batch, link)->finished))
			break;
		TRY(batch_wait_oldest(writeback));
	}
	return 0;
}

int batch_submit(struct writeback *writeback)
{
	struct write_batch *batch = writeback->batch;

	if (!batch)
		return 0;
	writeback->batch = NULL;
	list_push_back(&writeback->batches, &batch->link);
	writeback->nr_batches++;
	batch->seq = ++writeback->nr_batches_ever;
	mutex_lock(&writeback->done_lock);
	list_push_back(&writeback->unwritten, &batch->unwritten);
	mutex_unlock(&writeback->done_lock);
	writeback_started(writeback);
	workq_submit(writeback->config.workq, &batch->job);
	while (writeback->nr_batches > BATCHES_MAX && !writeback->stepping)
		TRY(batch_wait_oldest(writeback));
	return 0;
}

static bool batch_takes(const struct write_batch *batch, uint64_t addr, uint32_t len)
{
	return batch->addr + batch->len == addr && batch->nr_parts < BATCH_MAX_PARTS &&
	       batch->len + len <= BATCH_MAX_BYTES;
}

static int batch_begin(struct writeback *writeback, uint64_t addr)
{
	struct write_batch *batch = mem_zalloc(sizeof(*batch));

	if (!batch)
		return MEM_FAIL("a batch of writes");
	job_init(&batch->job, batch_work);
	batch->job.lane = &writeback->writers;
	atomic_init(&batch->finished, false);
	batch->writeback = writeback;
	batch->addr = addr;
	writeback->batch = batch;
	return 0;
}

int batch_write(struct writeback *writeback, uint64_t addr, uint8_t *data, uint32_t len,
		struct file_run *run)
{
	struct write_batch *batch;

	if (writeback->batch && !batch_takes(writeback->batch, addr, len))
		TRY(batch_submit(writeback));
	if (!writeback->batch)
		TRY(batch_begin(writeback, addr));
	batch = writeback->batch;
	batch->parts[batch->nr_parts] = (struct iovec){ .iov_base = data, .iov_len = len };
	batch->runs[batch->nr_parts++] = run_ref(run);
	batch->len += len;
	return 0;
}

int batch_drain(struct writeback *writeback)
{
	TRY(batch_submit(writeback));
	while (writeback->nr_batches)
		TRY(batch_wait_oldest(writeback));
	return 0;
}

void batch_drop_all(struct writeback *writeback)
{
	while (writeback->nr_batches)
		if (batch_wait_oldest(writeback) < 0)
			continue; /* the first failure was reported already; here everything is given up */
	if (writeback->batch)
		batch_free(writeback->batch);
	writeback->batch = NULL;
}
