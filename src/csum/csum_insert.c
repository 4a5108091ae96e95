/*
 * csum_insert: new checksums.
 *
 * Data is written in rising order, so most insertions touch the item on their left: that one grows
 * until it is full, then new items begin. Nothing is joined to the right. The whole range is
 * checked to be empty before the first change.
 * Locks: cursors' only. Whoever inserts owns the range, so that nobody inserts into it meanwhile.
 */
#include "csum/csum_priv.h"

struct csum_insertion {
	struct txn *txn;
	struct tree *tree;
	const struct geometry *geometry;
	uint64_t addr;
	const uint8_t *csums;
	uint64_t nr;
};

static int csum_exists(uint64_t addr)
{
	return THROW(ERR_KEY_EXISTS, "data at %" PRIu64 " has a checksum already", addr);
}

/* The item on the left of the range; the range itself must be empty. */
static int insertion_look(const struct csum_insertion *in, struct csum_span *ret_left)
{
	uint64_t end = in->addr + in->nr * in->geometry->sectorsize;
	struct key first = csum_key(in->addr);
	SCOPED(cursor) struct cursor cursor;
	struct csum_span span;
	bool exact;
	int err;

	cursor_init(&cursor, in->tree);
	TRY(csum_seek_le(&cursor, in->addr, &span));
	if (span.nr && span.end > in->addr)
		return csum_exists(in->addr);
	*ret_left = span;
	err = cursor.leaf ? cursor_next(&cursor) : cursor_seek(&cursor, &first, &exact);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	TRY(csum_span_of(&cursor, &span));
	return span.nr && span.addr < end ? csum_exists(span.addr) : 0;
}

static void insertion_advance(struct csum_insertion *in, uint64_t nr)
{
	in->addr += nr * in->geometry->sectorsize;
	in->csums += nr * in->geometry->csum_size;
	in->nr -= nr;
}

/*
 * Lets the item on the left grow. Somebody may have changed it since it was looked at: then it
 * is left alone.
 */
static int insertion_extend(struct csum_insertion *in, const struct csum_span *left)
{
	uint32_t size = in->geometry->csum_size, max = geometry_max_csums(in->geometry);
	uint64_t nr = left->nr < max ? MIN(in->nr, max - left->nr) : 0;
	struct key key = csum_key(left->addr), found;
	SCOPED(cursor) struct cursor cursor;
	uint32_t len = (uint32_t)left->nr * size;
	int err;

	cursor_init(&cursor, in->tree);
	if (!nr)
		return 0;
	err = cursor_seek_le_write(in->txn, &cursor, &key, (uint32_t)nr * size);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	found = cursor_key(&cursor);
	if (!key_equal(&found, &key) || cursor_len(&cursor) != len)
		return 0;
	TRY(cursor_resize(&cursor, len + (uint32_t)nr * size));
	memcpy(cursor_data_mut(&cursor) + len, in->csums, nr * size);
	insertion_advance(in, nr);
	return 0;
}

int csum_insert(struct txn *txn, struct tree *tree, uint64_t addr, const uint8_t *csums,
		uint64_t nr_sectors)
{
	const struct geometry *geometry = node_cache_geometry(tree->cache);
	struct csum_insertion in = { txn, tree, geometry, addr, csums, nr_sectors };
	struct csum_span left;

	ASSERT(is_aligned(addr, geometry->sectorsize));
	if (!nr_sectors)
		return 0;
	TRY(insertion_look(&in, &left));
	if (left.nr && left.end == addr)
		TRY(insertion_extend(&in, &left));
	while (in.nr) {
		uint64_t nr = MIN(in.nr, geometry_max_csums(geometry));
		struct key key = csum_key(in.addr);

		TRY(tree_insert(txn, tree, &key, in.csums, (uint32_t)nr * geometry->csum_size));
		insertion_advance(&in, nr);
	}
	return 0;
}
