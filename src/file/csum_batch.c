/*
 * Checksums of neighbouring sectors are gathered and put into the csum tree together: one full item
 * after the other. Who reads meanwhile asks for both.
 */
#include "base/assert.h"
#include "file/file.h"

int csum_batch_flush(struct writeback *writeback)
{
	struct csum_batch *batch = &writeback->csums;
	struct txn *txn = writeback->config.txn;
	struct root *root;
	int err;

	if (!batch->nr)
		return 0;
	err = root_get(writeback->config.inodes->roots, BTRFS_CSUM_TREE_OBJECTID, &root);
	if (err == 0)
		err = csum_insert(txn, &root->tree, batch->addr, batch->csums, batch->nr);
	batch->nr = 0;
	return err < 0 ? txn_abort(txn, err, "adding checksums") : 0;
}

int csum_batch_add(struct writeback *writeback, uint64_t addr, const uint8_t *csums, uint32_t nr)
{
	const struct geometry *geometry = &writeback->geometry;
	struct csum_batch *batch = &writeback->csums;

	if (batch->nr && batch->addr + (uint64_t)batch->nr * geometry->sectorsize != addr)
		TRY(csum_batch_flush(writeback));
	while (nr) {
		uint32_t take = MIN(nr, batch->capacity - batch->nr);

		if (!batch->nr)
			batch->addr = addr;
		memcpy(batch->csums + (size_t)batch->nr * geometry->csum_size, csums,
		       (size_t)take * geometry->csum_size);
		batch->nr += take;
		nr -= take;
		csums += (size_t)take * geometry->csum_size;
		addr += (uint64_t)take * geometry->sectorsize;
		if (batch->nr == batch->capacity)
			TRY(csum_batch_flush(writeback));
	}
	return 0;
}

static uint64_t batch_bytes(const struct writeback *writeback)
{
	return (uint64_t)writeback->csums.nr * writeback->geometry.sectorsize;
}

bool csum_batch_overlaps(const struct writeback *writeback, uint64_t addr, uint64_t len)
{
	const struct csum_batch *batch = &writeback->csums;

	return batch->nr && addr < batch->addr + batch_bytes(writeback) && batch->addr < addr + len;
}

int csum_batch_lookup(struct writeback *writeback, uint64_t addr, uint64_t nr, uint8_t *ret_csums)
{
	const struct geometry *geometry = &writeback->geometry;
	const struct csum_batch *batch = &writeback->csums;
	uint64_t end = addr + nr * geometry->sectorsize;
	struct root *root;

	TRY(root_get(writeback->config.inodes->roots, BTRFS_CSUM_TREE_OBJECTID, &root));
	while (addr < end) {
		bool waits = csum_batch_overlaps(writeback, addr, geometry->sectorsize);
		uint64_t stop = end, part;

		if (waits)
			stop = MIN(end, batch->addr + batch_bytes(writeback));
		else if (csum_batch_overlaps(writeback, addr, end - addr))
			stop = batch->addr;
		part = (stop - addr) / geometry->sectorsize;
		if (waits)
			memcpy(ret_csums,
			       batch->csums + (addr - batch->addr) / geometry->sectorsize *
						      geometry->csum_size,
			       part * geometry->csum_size);
		else
			TRY(csum_lookup(&root->tree, addr, part, ret_csums, NULL));
		ret_csums += part * geometry->csum_size;
		addr = stop;
	}
	return 0;
}
