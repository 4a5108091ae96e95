/*
 * The walk beside the import: a thread scans ahead, a bounded queue hands over its batches.
 */
#ifndef UBTRFS_TRANSFER_SCAN_QUEUE_H
#define UBTRFS_TRANSFER_SCAN_QUEUE_H

#include "transfer/scan.h"

struct scan_queue;

/* threads 1: no thread, each batch is scanned when it is asked for. */
int scan_queue_new(struct import *import, unsigned threads,
		   struct scan_queue **ret_queue) must_check;
/* Stops the walk and gives back what was not taken. NULL is allowed. */
void scan_queue_free(struct scan_queue *queue);
/* The next batch, *ret_batch NULL at the end; the walk's failure after the last batch before it. */
int scan_queue_next(struct scan_queue *queue, struct scan_batch **ret_batch) must_check;

#endif
