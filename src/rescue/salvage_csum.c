/*
 * Checksums of data, as far as they are left.
 *
 * An item may begin far before the address that is asked for, so the search begins where the
 * longest item that can reach it would. Owns nothing; no locks.
 */
#include "rescue/rescue_priv.h"

static void csums_take(const struct tree_cursor *cursor, const struct geometry *g, uint64_t addr,
		       size_t nr, uint8_t *csums, uint8_t *have, uint8_t kind)
{
	uint64_t start = tree_cursor_key(cursor).offset;
	uint64_t nr_here = tree_cursor_len(cursor) / g->csum_size;
	uint64_t end = start + nr_here * g->sectorsize;

	for (uint64_t at = MAX(start, addr); at < MIN(end, addr + nr * g->sectorsize);
	     at += g->sectorsize) {
		size_t to = (at - addr) / g->sectorsize;

		memcpy(csums + to * g->csum_size,
		       tree_cursor_data(cursor) + (at - start) / g->sectorsize * g->csum_size,
		       g->csum_size);
		have[to] = kind;
	}
}

int csums_find(struct rescue_view *view, uint64_t addr, size_t nr, uint8_t *ret_csums,
	       uint8_t *ret_have)
{
	const struct geometry *g = &view->rescue->geometry;
	uint64_t reach = (uint64_t)(g->nodesize / g->csum_size) * g->sectorsize;
	struct key from = KEY(BTRFS_EXTENT_CSUM_OBJECTID, BTRFS_EXTENT_CSUM_KEY,
			      addr > reach ? addr - reach : 0);
	struct key to = KEY(BTRFS_EXTENT_CSUM_OBJECTID, BTRFS_EXTENT_CSUM_KEY,
			    addr + (nr - 1) * g->sectorsize);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *tree;
	int err = view_tree(view, BTRFS_CSUM_TREE_OBJECTID, &tree);

	memset(ret_have, 0, nr);
	if (err < 0)
		return err_is_fatal(err) ? err : 0;
	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		/* An older checksum may be that of other data: it proves what it fits, and
		 * nothing else. */
		csums_take(&cursor, g, addr, nr, ret_csums, ret_have,
			   cursor.span.certain ? CSUM_CERTAIN : CSUM_OLDER);
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}
