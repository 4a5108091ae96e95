/*
 * 11 csum: checksums of data on disk: look up, insert, remove ranges in the csum tree; reading data
 * that is as they say.
 *
 * An item (EXTENT_CSUM objectid -10, key EXTENT_CSUM, offset = first logical address) holds
 * checksums of consecutive sectors.
 */
#ifndef UBTRFS_CSUM_CSUM_H
#define UBTRFS_CSUM_CSUM_H

#include "tree/tree.h"

/* Inserts the checksums of nr sectors from addr on. Extends the item to the left when it touches
 * and has room (no more than geometry_max_csums), else new items. Sectors that have one already:
 * ERR_KEY_EXISTS. */
int csum_insert(struct txn *txn, struct tree *tree, uint64_t addr, const uint8_t *csums,
		uint64_t nr_sectors) must_check;
/*
 * Copies the checksums of nr sectors; ret_present (nr bits, may be NULL) tells which exist;
 * without it a missing one is ERR_DATA_CSUM.
 */
int csum_lookup(struct tree *tree, uint64_t addr, uint64_t nr_sectors, uint8_t *ret_csums,
		uint8_t *ret_present) must_check;
/* Whether any sector of the range has a checksum. */
int csum_any(struct tree *tree, uint64_t addr, uint64_t len_bytes, bool *ret_any) must_check;
/* Whole sectors, and what is known of their checksums. */
struct csum_range {
	struct volume *volume;
	const struct geometry *geometry;
	uint64_t addr, nr_sectors;
	const uint8_t *csums;	/* NULL: nothing is verified */
	const uint8_t *present; /* a bit for each that has a checksum; NULL: all have */
};
/*
 * Reads them into data, each from a mirror on which its checksum is right. When there is none: with
 * ret_bad (a bit for each sector) it is marked there, and its data is zero; without, ERR_DATA_CSUM
 * names it, or what kept it from being read. From any thread.
 */
int csum_read(const struct csum_range *range, uint8_t *data, uint8_t *ret_bad) must_check;
/*
 * Removes all checksums in the range; items reaching over its ends are cut or split. One thread
 * at a time removes.
 */
int csum_remove(struct txn *txn, struct tree *tree, uint64_t addr, uint64_t len_bytes) must_check;

#endif
