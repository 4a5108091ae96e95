/*
 * 07 transaction: who is inside. Join, leave, generation, states, abort, reader epochs.
 *
 * One transaction is open at a time. A join only joins (the door in commit/ is what may wait or commit). Law L6: abort is a
 * state: one sticky cause; every later join fails with it, nothing more is written.
 * States: OPEN (txn_manager_new, txn_next) -> BLOCKED (txn_block: no new joins, waits for handles) -> COMMITTING ->
 * OPEN of the next generation (txn_next); any -> ABORTED (txn_abort).
 * Law L4: epochs: a reader of a committed state enters with its generation; txn_epoch_oldest() bounds what may be reused.
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
	uint64_t generation; /* of nodes born in it */
	struct mutex lock;
	struct cond changed;
	/* under lock */
	enum txn_state state;
	unsigned nr_handles;
	struct err_report cause; /* of the abort */
	struct list epochs;	 /* oldest first */
	_Atomic bool aborted;	 /* mirrors state, for a test without the lock */
};

/* A reader of the state that generation committed. */
struct epoch {
	struct link link;
	uint64_t generation;
	_Atomic bool must_stop; /* space is short: the reader is asked to end */
};

/* committed is the generation of the superblock that was read; the first transaction is committed + 1. */
int txn_new(uint64_t committed, struct txn **ret_txn) must_check;
void txn_free(struct txn *txn);

/* Joins; waits while a commit blocks. ERR_TXN_ABORTED with the cause. */
int txn_join(struct txn *txn) must_check;
void txn_leave(struct txn *txn);
/* 0, or ERR_TXN_ABORTED with the sentence of the cause. */
int txn_check(const struct txn *txn) must_check;

/* For the commit: stops new joins and waits for the handles; then committing; then the next generation. */
int txn_block(struct txn *txn) must_check;
void txn_start_commit(struct txn *txn);
void txn_next(struct txn *txn);

/* Records the cause (the first wins) and returns err. what names the operation. */
int txn_abort(struct txn *txn, int err, const char *what);

void txn_epoch_enter(struct txn *txn, struct epoch *epoch);
void txn_epoch_leave(struct txn *txn, struct epoch *epoch);
/* The oldest generation a reader needs, UINT64_MAX when none. */
uint64_t txn_epoch_oldest(struct txn *txn);
/* Asks the oldest reader to end; false when there is none. */
bool txn_epoch_ask_oldest(struct txn *txn);

#endif
