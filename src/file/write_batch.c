/*
 * Write batches: neighbouring runs go to the devices in one write, on a worker. (A thread of its own
 * for them was measured: it made plain imports slower.)
 *
 * A batch owns the buffers of its parts. At most BATCHES_MAX are on their way; the oldest is waited
 * for first.
 */
#include "base/assert.h"
#include "file/file.h"

struct write_batch {
	struct job job;
	struct link link;
	struct volume *volume;
	uint64_t addr;
	uint64_t len;
	int nr_parts;
	struct iovec parts[BATCH_MAX_PARTS];
	uint8_t *buffers[BATCH_MAX_PARTS];
};

static int batch_work(struct job *job, unsigned worker)
{
	struct write_batch *batch = container_of(job, struct write_batch, job);

	(void)worker;
	return volume_writev(batch->volume, batch->addr, batch->parts, batch->nr_parts);
}

static void batch_free(struct write_batch *batch)
{
	for (int i = 0; i < batch->nr_parts; i++)
		mem_free(batch->buffers[i]);
	mem_free(batch);
}

static int batch_wait_oldest(struct writeback *writeback)
{
	struct write_batch *batch =
		list_entry(list_pop_front(&writeback->batches), struct write_batch, link);
	int err = job_wait(&batch->job);

	writeback->nr_batches--;
	batch_free(batch);
	/* Law L6: nobody who comes later learns that these bytes are missing. */
	return err < 0 ? txn_abort(writeback->config.txn, err, "writing file data") : 0;
}

static int batch_submit(struct writeback *writeback)
{
	struct write_batch *batch = writeback->batch;

	if (!batch)
		return 0;
	writeback->batch = NULL;
	list_push_back(&writeback->batches, &batch->link);
	writeback->nr_batches++;
	workq_submit(writeback->config.workq, &batch->job);
	while (writeback->nr_batches > BATCHES_MAX)
		TRY(batch_wait_oldest(writeback));
	return 0;
}

static bool batch_takes(const struct write_batch *batch, uint64_t addr, uint32_t len)
{
	return batch->addr + batch->len == addr && batch->nr_parts < BATCH_MAX_PARTS &&
	       batch->len + len <= BATCH_MAX_BYTES;
}

int batch_write(struct writeback *writeback, uint64_t addr, uint8_t *data, uint32_t len,
		uint8_t *buffer)
{
	struct write_batch *batch = writeback->batch;
	int err = 0;

	if (batch && !batch_takes(batch, addr, len))
		err = batch_submit(writeback);
	if (err == 0 && !writeback->batch) {
		writeback->batch = mem_zalloc(sizeof(*batch));
		if (!writeback->batch)
			err = MEM_FAIL("a batch of writes");
	}
	if (err < 0) {
		mem_free(buffer);
		return err;
	}
	batch = writeback->batch;
	if (!batch->nr_parts) {
		job_init(&batch->job, batch_work);
		batch->volume = writeback->volume;
		batch->addr = addr;
	}
	batch->parts[batch->nr_parts] = (struct iovec){ .iov_base = data, .iov_len = len };
	batch->buffers[batch->nr_parts++] = buffer;
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
