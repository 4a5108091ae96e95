/*
 * 07 transaction: who is inside. Join, leave, generation, states, abort, reader epochs.
 *
 * One transaction is open at a time. A join only joins (the door in commit/ is what may wait or
 * commit). Law L6: abort is a state: one sticky cause; every later join fails with it, nothing more
 * is written.
 * States: OPEN (txn_manager_new, txn_next) -> BLOCKED (txn_block: no new joins, waits for handles) -> COMMITTING ->
 * OPEN of the next generation (txn_next); any -> ABORTED (txn_abort), for good.
 * A thread that has joined must not join again (the commit would wait for it, and it for the
 * commit), nor block.
 * Law L4: epochs: a reader of a committed state enters with its generation; txn_epoch_oldest()
 * bounds what may be reused.
 * Locks: RANK_TXN.
 */
#ifndef UBTRFS_TRANSACTION_TRANSACTION_H
#define UBTRFS_TRANSACTION_TRANSACTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/lock.h"
#include "base/list.h"

enum txn_state { TXN_OPEN, TXN_BLOCKED, TXN_COMMITTING, TXN_ABORTED };

/* The running transaction; also what the tree takes as proof that changes are allowed. */
struct txn {
	uint64_t generation; /* of nodes born in it; changes only in txn_next, when nobody is inside */
	struct mutex lock;
	struct cond changed;
	/* under lock */
	enum txn_state state;
	unsigned nr_handles;
	struct err_report cause; /* of the abort */
	struct list epochs;	 /* oldest first */
	_Atomic bool aborted;	 /* mirrors state, for a test without the lock */
};

/* A reader of the state that generation committed. The reader's own object. */
struct epoch {
	struct link link;
	uint64_t generation;	/* filled in by txn_epoch_enter: the last durable one */
	_Atomic bool must_stop; /* space is short: the reader is asked to end */
};

/*
 * committed is the generation of the superblock that was read; the first transaction is
 * committed + 1.
 */
int txn_new(uint64_t committed, struct txn **ret_txn) must_check;
/* Nobody may be inside or reading. NULL is allowed. */
void txn_free(struct txn *txn);

/* Joins; waits while a commit blocks. ERR_TXN_ABORTED with the cause. */
int txn_join(struct txn *txn) must_check;
void txn_leave(struct txn *txn);
/* 0, or ERR_TXN_ABORTED with the sentence of the cause. */
int txn_check(const struct txn *txn) must_check;

/* For the commit, one at a time: stops new joins and waits for the handles, also when one of
 * them aborts, which then is ERR_TXN_ABORTED with the cause. */
int txn_block(struct txn *txn) must_check;
/* The handles are gone and the commit begins to write. After an abort it stays aborted. */
void txn_start_commit(struct txn *txn);
/* The commit is durable: the next generation is open. */
void txn_next(struct txn *txn);

/* Records the cause (the first wins) and returns err. what names the operation. */
int txn_abort(struct txn *txn, int err, const char *what);

/* Enters with the last durable generation. To be called before the roots of that state are
 * looked up: if a commit comes in between, the epoch keeps more than is needed, never less. */
void txn_epoch_enter(struct txn *txn, struct epoch *epoch);
void txn_epoch_leave(struct txn *txn, struct epoch *epoch);
/* For the reader, between two steps: ERR_INTERRUPTED once it was asked to end. */
int epoch_check(const struct epoch *epoch) must_check;
/* The oldest generation a reader needs, UINT64_MAX when none. */
uint64_t txn_epoch_oldest(struct txn *txn);
/* Asks the readers of the oldest generation to end; false when there is none. */
bool txn_epoch_ask_oldest(struct txn *txn);

#endif
