/*
 * Private to transaction/: the transitions of the state that more than one file makes.
 */
#ifndef UBTRFS_TRANSACTION_TXN_PRIV_H
#define UBTRFS_TRANSACTION_TXN_PRIV_H

#include "transaction/transaction.h"

/* Throws the recorded cause as ERR_TXN_ABORTED. Only after the abort. */
int txn_throw_cause(const struct txn *txn) must_check;

#endif
