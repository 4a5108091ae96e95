/*
 * 11 csum: checksums of data on disk: look up, insert, remove ranges in the csum tree.
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
 * without it a missing one is ERR_NOT_FOUND.
 */
int csum_lookup(struct tree *tree, uint64_t addr, uint64_t nr_sectors, uint8_t *ret_csums,
		uint8_t *ret_present) must_check;
/*
 * Removes all checksums in the range; items reaching over its ends are cut or split. One thread
 * at a time removes.
 */
int csum_remove(struct txn *txn, struct tree *tree, uint64_t addr, uint64_t len_bytes) must_check;

#endif
