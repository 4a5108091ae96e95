/*
 * The walk beside the import: one thread, one queue bounded in memory.
 *
 * Lock: lock (RANK_LEAF) covers ready, ready_bytes, the three flags and failure; it is not held
 * while scanning. State:
 *
 *   scanning --(walk ends or fails: queue_main)--> ended
 *   scanning --(scan_queue_free)--> stopping --(queue_main)--> ended
 *
 * Invariant: ready_bytes is the sum over ready; it exceeds the limit only by the last batch pushed.
 */
#include <sched.h>
#include <signal.h>

#include "base/mem.h"
#include "transfer/scan_queue.h"

#define QUEUE_BYTES_MAX (4 * 1024 * 1024)

struct scan_queue {
	struct scan *scan;
	bool threaded;
	pthread_t thread;
	struct mutex lock;
	struct cond filled;
	struct cond drained;
	struct list ready;
	size_t ready_bytes;
	bool stopping;
	bool ended;
	struct err_report failure;
	struct list taken; /* the taker's: moved out of ready in one go */
};

/* False when the taker wants no more. */
static bool queue_push(struct scan_queue *queue, struct scan_batch *batch)
{
	bool wanted;

	mutex_lock(&queue->lock);
	while (queue->ready_bytes >= QUEUE_BYTES_MAX && !queue->stopping)
		cond_wait(&queue->drained, &queue->lock);
	if (list_is_empty(&queue->ready))
		cond_signal(&queue->filled);
	list_push_back(&queue->ready, &batch->link);
	queue->ready_bytes += batch->bytes;
	wanted = !queue->stopping;
	mutex_unlock(&queue->lock);
	return wanted;
}

static void *queue_main(void *arg)
{
	struct scan_queue *queue = arg;
	struct scan_batch *batch;
	int ret;

	pthread_setname_np(pthread_self(), "scan");
	/*
	 * A working directory of this thread alone makes each xattr call a lookup of one name;
	 * sandboxes may refuse it.
	 */
	if (unshare(CLONE_FS) == 0)
		scan_use_cwd(queue->scan);
	do {
		batch = NULL;
		ret = scan_next(queue->scan, &batch);
	} while (ret >= 0 && batch && queue_push(queue, batch));
	mutex_lock(&queue->lock);
	err_capture(ret, &queue->failure);
	queue->ended = true;
	cond_signal(&queue->filled);
	mutex_unlock(&queue->lock);
	return NULL;
}

/* Signals belong to the program's own threads. */
static int queue_start(struct scan_queue *queue)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&queue->thread, NULL, queue_main, queue);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return THROW_SYS(ret, "cannot start a thread for the walk");
	queue->threaded = true;
	return 0;
}

int scan_queue_new(struct import *import, unsigned threads, struct scan_queue **ret_queue)
{
	struct scan_queue *queue = mem_zalloc(sizeof(*queue));
	int ret;

	if (!queue)
		return MEM_FAIL("the walk");
	mutex_init(&queue->lock, RANK_LEAF, "scan_queue");
	cond_init(&queue->filled);
	cond_init(&queue->drained);
	list_init(&queue->ready);
	list_init(&queue->taken);
	ret = scan_new(import, &queue->scan);
	if (ret >= 0 && threads != 1)
		ret = queue_start(queue);
	if (ret < 0) {
		scan_queue_free(queue);
		return ret;
	}
	*ret_queue = queue;
	return 0;
}

static void queue_drop(struct list *batches)
{
	struct link *link;

	while ((link = list_pop_front(batches))) {
		struct scan_batch *batch = list_entry(link, struct scan_batch, link);

		scan_batch_put(batch, &batch->handle);
	}
}

void scan_queue_free(struct scan_queue *queue)
{
	if (!queue)
		return;
	if (queue->threaded) {
		mutex_lock(&queue->lock);
		queue->stopping = true;
		cond_signal(&queue->drained);
		mutex_unlock(&queue->lock);
		pthread_join(queue->thread, NULL);
	}
	queue_drop(&queue->ready);
	queue_drop(&queue->taken);
	if (queue->scan)
		scan_free(queue->scan);
	cond_fini(&queue->drained);
	cond_fini(&queue->filled);
	mutex_fini(&queue->lock);
	mem_free(queue);
}

/* Takes all that is ready; waits for the first. With nothing left: the walk's result. */
static int queue_take(struct scan_queue *queue)
{
	struct err_report failure = { .err = 0 };

	mutex_lock(&queue->lock);
	while (list_is_empty(&queue->ready) && !queue->ended)
		cond_wait(&queue->filled, &queue->lock);
	if (list_is_empty(&queue->ready))
		failure = queue->failure;
	list_splice_back(&queue->taken, &queue->ready);
	queue->ready_bytes = 0;
	cond_signal(&queue->drained);
	mutex_unlock(&queue->lock);
	return err_rethrow(&failure);
}

int scan_queue_next(struct scan_queue *queue, struct scan_batch **ret_batch)
{
	struct link *link;

	if (!queue->threaded)
		return scan_next(queue->scan, ret_batch);
	if (list_is_empty(&queue->taken))
		TRY(queue_take(queue));
	link = list_pop_front(&queue->taken);
	*ret_batch = link ? list_entry(link, struct scan_batch, link) : NULL;
	return 0;
}
