/*
 * csum_lookup: reading checksums; and how an item is understood.
 *
 * Items do not overlap. Each holds whole checksums, of consecutive sectors from the key's offset
 * on. Locks: a read cursor's only.
 */
#include "csum/csum_priv.h"

int csum_span_of(const struct cursor *cursor, struct csum_span *ret_span)
{
	const struct geometry *geometry = node_cache_geometry(cursor->tree->cache);
	struct key key = cursor_key(cursor);
	struct csum_span span = { 0 };

	if (key_is_csum(&key)) {
		CORRUPT_IF(cursor_len(cursor) == 0 || cursor_len(cursor) % geometry->csum_size,
			   "the checksum item at %" PRIu64 " has %u bytes", key.offset,
			   cursor_len(cursor));
		span.addr = key.offset;
		span.nr = cursor_len(cursor) / geometry->csum_size;
		span.end = span.addr + span.nr * geometry->sectorsize;
	}
	*ret_span = span;
	return 0;
}

int csum_seek_le(struct cursor *cursor, uint64_t addr, struct csum_span *ret_span)
{
	struct key key = csum_key(addr);
	int err = cursor_seek_le(cursor, &key);

	if (err == -ERR_KEY_NOT_FOUND) {
		*ret_span = (struct csum_span){ 0 };
		return 0;
	}
	TRY(err);
	return csum_span_of(cursor, ret_span);
}

int csum_any(struct tree *tree, uint64_t addr, uint64_t len_bytes, bool *ret_any)
{
	SCOPED(cursor) struct cursor cursor;
	struct csum_span span;

	cursor_init(&cursor, tree);
	/* Items do not overlap: the last that begins in or before the range reaches furthest. */
	TRY(csum_seek_le(&cursor, addr + len_bytes - 1, &span));
	*ret_any = span.nr && span.end > addr;
	return 0;
}

/* What is asked for, and how far the answer has come. */
struct csum_query {
	const struct geometry *geometry;
	uint64_t addr, end;
	uint64_t pos; /* everything before is answered */
	uint8_t *csums;
	uint8_t *present; /* may be NULL */
};

static int query_gap(struct csum_query *query, uint64_t until)
{
	if (query->pos < until && !query->present)
		return THROW(ERR_DATA_CSUM, "data at %" PRIu64 " has no checksum", query->pos);
	query->pos = MAX(query->pos, until);
	return 0;
}

/* Copies what one item has of the range. */
static int query_copy(struct csum_query *query, const struct csum_span *span, const uint8_t *data)
{
	uint32_t sector = query->geometry->sectorsize, size = query->geometry->csum_size;
	uint64_t from = MAX(query->pos, span->addr), to = MIN(query->end, span->end);
	uint64_t bit = (from - query->addr) / sector;

	if (from >= to)
		return 0;
	TRY(query_gap(query, from));
	memcpy(query->csums + bit * size, data + (from - span->addr) / sector * size,
	       (to - from) / sector * size);
	for (uint64_t end = (to - query->addr) / sector; query->present && bit < end; bit++)
		query->present[bit / 8] |= (uint8_t)(1u << bit % 8);
	query->pos = to;
	return 0;
}

static int query_run(struct cursor *cursor, struct csum_query *query)
{
	struct key first = csum_key(query->addr);
	struct csum_span span;
	bool exact;
	int err;

	/*
	 * The item before may reach into the range; when there is none, begin with the first one
	 * behind.
	 */
	TRY(csum_seek_le(cursor, query->addr, &span));
	err = cursor->leaf ? 0 : cursor_seek(cursor, &first, &exact);
	while (err == 0) {
		struct key key = cursor_key(cursor);

		if (key_compare(&key, &first) > 0 &&
		    (!key_is_csum(&key) || key.offset >= query->end))
			break;
		TRY(csum_span_of(cursor, &span));
		if (span.nr)
			TRY(query_copy(query, &span, cursor_data(cursor)));
		if (query->pos == query->end)
			return 0;
		err = cursor_next(cursor);
	}
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	return query_gap(query, query->end);
}

int csum_lookup(struct tree *tree, uint64_t addr, uint64_t nr_sectors, uint8_t *ret_csums,
		uint8_t *ret_present)
{
	const struct geometry *geometry = node_cache_geometry(tree->cache);
	SCOPED(cursor) struct cursor cursor;
	struct csum_query query = {
		.geometry = geometry,
		.addr = addr,
		.pos = addr,
		.end = addr + nr_sectors * geometry->sectorsize,
		.csums = ret_csums,
		.present = ret_present,
	};

	cursor_init(&cursor, tree);
	ASSERT(is_aligned(addr, geometry->sectorsize));
	if (ret_present)
		memset(ret_present, 0, div_up(nr_sectors, 8));
	return nr_sectors ? query_run(&cursor, &query) : 0;
}
