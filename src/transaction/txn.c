/*
 * The transaction: joining, leaving, and the states of the commit.
 *
 *          txn_block            txn_start_commit             txn_next
 *   OPEN -----------> BLOCKED ------------------> COMMITTING ---------> OPEN, generation + 1
 *     |                  |                             |
 *     +------------------+-------- txn_abort ----------+--------------> ABORTED (txn_abort.c), for
 *     good
 *
 * Invariants: handles exist only in OPEN, BLOCKED and ABORTED; in BLOCKED and COMMITTING joins
 * wait; the generation changes only without handles. Lock: txn->lock (RANK_TXN).
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "transaction/txn_priv.h"

int txn_new(uint64_t committed, struct txn **ret_txn)
{
	struct txn *txn = mem_zalloc(sizeof(*txn));

	if (!txn)
		return MEM_FAIL("the transaction");
	txn->generation = committed + 1;
	txn->state = TXN_OPEN;
	mutex_init(&txn->lock, RANK_TXN, "txn");
	cond_init(&txn->changed);
	list_init(&txn->epochs);
	atomic_init(&txn->aborted, false);
	*ret_txn = txn;
	return 0;
}

void txn_free(struct txn *txn)
{
	if (!txn)
		return;
	ASSERT(txn->nr_handles == 0);
	ASSERT(list_is_empty(&txn->epochs));
	cond_fini(&txn->changed);
	mutex_fini(&txn->lock);
	mem_free(txn);
}

int txn_join(struct txn *txn)
{
	int ret = 0;

	mutex_lock(&txn->lock);
	while (txn->state == TXN_BLOCKED || txn->state == TXN_COMMITTING)
		cond_wait(&txn->changed, &txn->lock);
	if (txn->state == TXN_ABORTED)
		ret = txn_throw_cause(txn);
	else
		txn->nr_handles++;
	mutex_unlock(&txn->lock);
	return ret;
}

void txn_leave(struct txn *txn)
{
	mutex_lock(&txn->lock);
	ASSERT(txn->nr_handles > 0);
	ASSERT(txn->state != TXN_COMMITTING);
	txn->nr_handles--;
	if (txn->nr_handles == 0)
		cond_broadcast(&txn->changed);
	mutex_unlock(&txn->lock);
}

int txn_check(const struct txn *txn)
{
	if (!atomic_load_explicit(&txn->aborted, memory_order_acquire))
		return 0;
	return txn_throw_cause(txn);
}

int txn_block(struct txn *txn)
{
	int ret = 0;

	mutex_lock(&txn->lock);
	ASSERT(txn->state == TXN_OPEN || txn->state == TXN_ABORTED);
	if (txn->state == TXN_OPEN)
		txn->state = TXN_BLOCKED;
	if (txn->nr_handles > 0)
		log_debug("the commit of generation %llu waits for %u operations",
			  (unsigned long long)txn->generation, txn->nr_handles);
	/* Also after an abort: whoever is told that it failed may take things apart. */
	while (txn->nr_handles > 0)
		cond_wait(&txn->changed, &txn->lock);
	if (txn->state == TXN_ABORTED)
		ret = txn_throw_cause(txn);
	mutex_unlock(&txn->lock);
	return ret;
}

void txn_start_commit(struct txn *txn)
{
	mutex_lock(&txn->lock);
	ASSERT(txn->nr_handles == 0);
	ASSERT(txn->state == TXN_BLOCKED || txn->state == TXN_ABORTED);
	if (txn->state == TXN_BLOCKED)
		txn->state = TXN_COMMITTING;
	mutex_unlock(&txn->lock);
}

void txn_next(struct txn *txn)
{
	mutex_lock(&txn->lock);
	ASSERT(txn->nr_handles == 0);
	ASSERT(txn->state == TXN_COMMITTING || txn->state == TXN_ABORTED);
	if (txn->state == TXN_COMMITTING) {
		txn->state = TXN_OPEN;
		txn->generation++;
		cond_broadcast(&txn->changed);
	}
	mutex_unlock(&txn->lock);
}
