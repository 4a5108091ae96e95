/*
 * Abort is a state. Law L6.
 *
 * Owns the transition to ABORTED and its cause, which is written once, before the flag `aborted` is
 * set (release), and never again: whoever sees the flag (acquire) may read the cause without the
 * lock. It writes nothing and frees nothing: the disk stays at the last commit, and RAM is thrown
 * away when the filesystem is closed.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "transaction/txn_priv.h"

int txn_throw_cause(const struct txn *txn)
{
	ASSERT(txn->cause.err < 0);
	return THROW(ERR_TXN_ABORTED, "%s", txn->cause.text);
}

static void abort_locked(struct txn *txn, int err, const char *what, const char *text)
{
	txn->cause.err = err;
	snprintf(txn->cause.text, sizeof(txn->cause.text), "generation %llu was aborted: %s: %s",
		 (unsigned long long)txn->generation, what, text);
	txn->state = TXN_ABORTED;
	atomic_store_explicit(&txn->aborted, true, memory_order_release);
	/* Joins that wait for the commit would wait for ever. */
	cond_broadcast(&txn->changed);
}

int txn_abort(struct txn *txn, int err, const char *what)
{
	bool first;

	ASSERT(err < 0 && what);
	mutex_lock(&txn->lock);
	first = txn->state != TXN_ABORTED;
	if (first)
		abort_locked(txn, err, what, err_text(err));
	mutex_unlock(&txn->lock);
	if (first)
		log_info("%s", txn->cause.text); /* the caller gets the sentence as an error */
	return err;
}
