/*
 * Promises: bytes that the door has promised to operations before they allocate. Law L9.
 *
 * A promise only counts; it holds no address. It is granted while all promises together fit into
 * what is free, so that whoever allocates under its promise finds space. What is allocated stays
 * promised until the operation takes its promise back, so the count errs on the safe side.
 */
#include "space/space_priv.h"

int space_promise(struct space *space, enum space_kind kind, uint64_t bytes)
{
	struct space_totals *totals = &space->totals[space_slot(space, kind)];
	int ret = 0;

	mutex_lock(&space->lock);
	if (totals->promised_bytes > totals->free_bytes ||
	    bytes > totals->free_bytes - totals->promised_bytes)
		ret = -ERR_NO_SPACE;
	else
		totals->promised_bytes += bytes;
	mutex_unlock(&space->lock);
	return ret;
}

void space_unpromise(struct space *space, enum space_kind kind, uint64_t bytes)
{
	struct space_totals *totals = &space->totals[space_slot(space, kind)];

	mutex_lock(&space->lock);
	ASSERT(totals->promised_bytes >= bytes);
	totals->promised_bytes -= bytes;
	mutex_unlock(&space->lock);
}
