/*
 * csum_remove: forgets the checksums of a range.
 *
 * Three steps: the item that reaches in over the left end is cut (when it reaches out over the
 * right end too, its tail becomes an item of its own first); the one that reaches out over the
 * right end loses its front; whole items go. A reader finds at every moment the checksums that
 * stay. Somebody may insert beside the range meanwhile and let an item grow: each step looks again
 * at what it changes. One thread at a time removes from a tree. Locks: cursors' only.
 */
#include "csum/csum_priv.h"

#define SPLIT_RETRY_MAX 1000u

/* The item that begins before addr and reaches over it; nr == 0: none. */
static int csum_straddler(struct tree *tree, uint64_t addr, struct csum_span *ret_span)
{
	SCOPED(cursor) struct cursor cursor;
	struct csum_span span;

	cursor_init(&cursor, tree);
	TRY(csum_seek_le(&cursor, addr - 1, &span));
	if (span.nr && span.end <= addr)
		span.nr = 0;
	*ret_span = span;
	return 0;
}

/* Bytes of checksums between two addresses. */
static uint32_t csum_bytes(const struct tree *tree, uint64_t from, uint64_t to)
{
	const struct geometry *geometry = node_cache_geometry(tree->cache);

	return (uint32_t)((to - from) / geometry->sectorsize) * geometry->csum_size;
}

/* Makes an item of what the straddler has from end on. */
static int csum_copy_tail(struct txn *txn, struct tree *tree, const struct csum_span *span,
			  uint64_t end)
{
	uint32_t len = csum_bytes(tree, end, span->end),
		 whole = csum_bytes(tree, span->addr, span->end), found;
	SCOPED_MEM uint8_t *csums = mem_alloc(whole);
	struct key key = csum_key(span->addr), tail = csum_key(end);

	if (!csums)
		return MEM_FAIL("checksums");
	TRY(tree_lookup(tree, &key, csums, whole, &found));
	return tree_insert(txn, tree, &tail, csums + whole - len, len);
}

/* Cuts an item down to what lies before addr, if it still ends where it did; *ret_done tells. */
static int csum_cut_end(struct txn *txn, struct tree *tree, const struct csum_span *span,
			uint64_t addr, bool *ret_done)
{
	struct key key = csum_key(span->addr);
	SCOPED(cursor) struct cursor cursor;

	cursor_init(&cursor, tree);
	TRY(cursor_seek_write(txn, &cursor, &key));
	*ret_done = cursor_len(&cursor) == csum_bytes(tree, span->addr, span->end);
	return *ret_done ? cursor_resize(&cursor, csum_bytes(tree, span->addr, addr)) : 0;
}

static int csum_join(struct txn *txn, struct tree *tree, uint64_t addr)
{
	struct key key = csum_key(addr);

	return tree_rebalance(txn, tree, &key);
}

/* Takes the range out of the item that begins before it. */
static int csum_remove_left(struct txn *txn, struct tree *tree, uint64_t addr, uint64_t end)
{
	struct key tail = csum_key(end);
	struct csum_span span;
	bool done;

	for (unsigned i = 0; i < SPLIT_RETRY_MAX; i++) {
		TRY(csum_straddler(tree, addr, &span));
		if (!span.nr)
			return 0;
		if (span.end > end)
			TRY(csum_copy_tail(txn, tree, &span, end));
		TRY(csum_cut_end(txn, tree, &span, addr, &done));
		/*
		 * A tail of nearly a leaf took a leaf of its own and leaves this one nearly
		 * empty.
		 */
		if (done)
			return span.end > end ? csum_join(txn, tree, span.addr) : 0;
		/* It has grown since: the tail is not complete. */
		if (span.end > end)
			TRY(tree_remove(txn, tree, &tail));
	}
	return THROW(ERR_LIMIT, "the checksum item at %" PRIu64 " never stops growing", span.addr);
}

/* Moves the begin of an item up to end; its end may have moved since. */
static int csum_cut_front(struct txn *txn, struct tree *tree, uint64_t addr, uint64_t end)
{
	struct key old = csum_key(addr), new = csum_key(end);
	uint32_t front = csum_bytes(tree, addr, end), keep;
	SCOPED(cursor) struct cursor cursor;
	uint8_t *data;

	cursor_init(&cursor, tree);
	TRY(cursor_seek_write(txn, &cursor, &old));
	ASSERT(cursor_len(&cursor) > front);
	keep = cursor_len(&cursor) - front;
	data = cursor_data_mut(&cursor);
	memmove(data, data + front, keep);
	TRY(cursor_resize(&cursor, keep));
	return cursor_rekey(&cursor, &new);
}

int csum_remove(struct txn *txn, struct tree *tree, uint64_t addr, uint64_t len_bytes)
{
	uint64_t end = addr + len_bytes, nr;
	struct key first = csum_key(addr), last = csum_key(end - 1);
	struct csum_span span;

	ASSERT(is_aligned(addr | len_bytes, node_cache_geometry(tree->cache)->sectorsize));
	if (!len_bytes)
		return 0;
	if (addr)
		TRY(csum_remove_left(txn, tree, addr, end));
	/* What began before the range ends there by now. */
	TRY(csum_straddler(tree, end, &span));
	if (span.nr && span.addr >= addr)
		TRY(csum_cut_front(txn, tree, span.addr, end));
	return tree_remove_range(txn, tree, &first, &last, &nr);
}
