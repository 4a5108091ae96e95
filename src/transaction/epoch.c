/*
 * Epochs: readers of a committed state. Law L4.
 *
 * Owns the list of readers, oldest generation first. Generations only grow, and a reader enters
 * with the last durable one, so that the order of entry is the order of generations.
 *
 *   epoch: outside -> inside (txn_epoch_enter) -> asked to end (txn_epoch_ask_oldest) -> outside (txn_epoch_leave)
 *
 * Lock: txn->lock. A reader holds no lock of this file while it reads.
 */
#include "base/assert.h"
#include "transaction/transaction.h"

static struct epoch *epoch_of(struct link *link)
{
	return link ? list_entry(link, struct epoch, link) : NULL;
}

void txn_epoch_enter(struct txn *txn, struct epoch *epoch)
{
	struct epoch *last;

	mutex_lock(&txn->lock);
	epoch->generation = txn->generation - 1;
	atomic_init(&epoch->must_stop, false);
	last = epoch_of(list_last(&txn->epochs));
	ASSERT(!last || last->generation <= epoch->generation);
	list_push_back(&txn->epochs, &epoch->link);
	mutex_unlock(&txn->lock);
}

void txn_epoch_leave(struct txn *txn, struct epoch *epoch)
{
	mutex_lock(&txn->lock);
	ASSERT(link_is_linked(&epoch->link));
	link_remove(&epoch->link);
	mutex_unlock(&txn->lock);
}

int epoch_check(const struct epoch *epoch)
{
	if (!atomic_load(&epoch->must_stop))
		return 0;
	return THROW(
		ERR_INTERRUPTED,
		"reading the state of generation %llu was stopped: writers need the space that "
		"it keeps",
		(unsigned long long)epoch->generation);
}

uint64_t txn_epoch_oldest(struct txn *txn)
{
	const struct epoch *oldest;
	uint64_t generation;

	mutex_lock(&txn->lock);
	oldest = epoch_of(list_first(&txn->epochs));
	generation = oldest ? oldest->generation : UINT64_MAX;
	mutex_unlock(&txn->lock);
	return generation;
}

bool txn_epoch_ask_oldest(struct txn *txn)
{
	struct epoch *oldest, *epoch;

	mutex_lock(&txn->lock);
	oldest = epoch_of(list_first(&txn->epochs));
	/* Those of the same generation keep the same space. */
	for (epoch = oldest; epoch && epoch->generation == oldest->generation;
	     epoch = epoch_of(list_next(&txn->epochs, &epoch->link)))
		atomic_store(&epoch->must_stop, true);
	mutex_unlock(&txn->lock);
	return oldest != NULL;
}
