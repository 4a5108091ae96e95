/*
 * Dirty ranges: bytes that were written and that no worker has yet.
 *
 * Invariants: ranges of an inode are disjoint and do not touch within a piece of RUN_MAX_BYTES; each
 * is of whole sectors, within one piece; behind the end of the file its bytes are zero. An inode
 * with ranges is in writeback->dirty_inodes and on the table's dirty list, and a reference is held on it.
 * Rewriting what is dirty costs a copy and nothing else; a write that touches ranges joins them.
 */
#include "base/assert.h"
#include "file/file.h"

static int dirty_compare(const struct rb_node *a, const struct rb_node *b)
{
	uint64_t left = rb_entry(a, struct dirty_range, node)->offset;
	uint64_t right = rb_entry(b, struct dirty_range, node)->offset;

	return (left > right) - (left < right);
}

static int dirty_key_compare(const void *key, const struct rb_node *node)
{
	uint64_t pos = *(const uint64_t *)key;
	uint64_t offset = rb_entry(node, struct dirty_range, node)->offset;

	return (pos > offset) - (pos < offset);
}

static uint64_t range_end(const struct dirty_range *range)
{
	return range->offset + range->len;
}

struct dirty_range *dirty_find(const struct inode *inode, uint64_t pos)
{
	struct rb_node *node = rbtree_find_le(&inode->dirty, &pos, dirty_key_compare);

	if (!node)
		node = rbtree_first(&inode->dirty);
	else if (range_end(rb_entry(node, struct dirty_range, node)) <= pos)
		node = rb_next(node);
	return node ? rb_entry(node, struct dirty_range, node) : NULL;
}

/* What the totals know of a range: added, or taken away with the same content. */
static void account(struct writeback *writeback, const struct dirty_range *range, int sign)
{
	bool small = range->offset == 0 && range->len <= writeback->geometry.sectorsize;

	writeback->nr_dirty += (unsigned)sign;
	writeback->nr_overwrites += range->overwrites ? (unsigned)sign : 0;
	writeback->nr_small += small ? (unsigned)sign : 0;
	writeback->dirty_bytes += (uint64_t)((int64_t)range->len * sign);
	writeback->dirty_ram_bytes += (size_t)((int64_t)(range->capacity + sizeof(*range)) * sign);
}

static void range_link(struct writeback *writeback, struct inode *inode, struct dirty_range *range)
{
	struct rb_node *clash;

	if (!inode->dirty.nr) {
		rbtree_init(&inode->dirty, dirty_compare);
		list_push_back(&writeback->dirty_inodes, &inode_ref(inode)->dirty_data);
	}
	clash = rbtree_insert(&inode->dirty, &range->node);
	ASSERT(!clash);
	account(writeback, range, 1);
}

/* The caller holds a reference on the inode. */
static void range_unlink(struct writeback *writeback, struct inode *inode,
			 struct dirty_range *range)
{
	rbtree_remove(&inode->dirty, &range->node);
	account(writeback, range, -1);
	if (inode->dirty.nr)
		return;
	link_remove(&inode->dirty_data);
	inode_put(inode);
}

/* Memory for contents; NULL when there is none. */
static uint8_t *buffer_get(struct writeback *writeback, uint32_t capacity)
{
	if (capacity == RUN_MAX_BYTES && writeback->nr_buffers)
		return writeback->buffers[--writeback->nr_buffers];
	return mem_alloc(capacity);
}

void buffer_put(struct writeback *writeback, uint8_t *data, uint32_t capacity)
{
	if (data && capacity == RUN_MAX_BYTES && writeback->nr_buffers < BUFFERS_KEPT_MAX)
		writeback->buffers[writeback->nr_buffers++] = data;
	else
		mem_free(data);
}

void buffers_trim(struct writeback *writeback)
{
	while (writeback->nr_buffers)
		mem_free(writeback->buffers[--writeback->nr_buffers]);
}

static void range_free(struct writeback *writeback, struct dirty_range *range)
{
	buffer_put(writeback, range->data, range->capacity);
	mem_free(range);
}

static struct dirty_range *range_new(struct writeback *writeback, uint64_t offset, uint32_t len,
				     uint32_t capacity)
{
	struct dirty_range *range = mem_alloc(sizeof(*range));

	if (!range)
		return NULL;
	range->data = buffer_get(writeback, capacity);
	if (!range->data) {
		mem_free(range);
		return NULL;
	}
	range->offset = offset;
	range->len = len;
	range->capacity = capacity;
	range->overwrites = false;
	return range;
}

static void dirty_drop(struct writeback *writeback, struct inode *inode)
{
	struct rb_node *node;

	inode_ref(inode);
	while ((node = rbtree_first(&inode->dirty))) {
		struct dirty_range *range = rb_entry(node, struct dirty_range, node);

		range_unlink(writeback, inode, range);
		range_free(writeback, range);
	}
	inode_put(inode);
}

void dirty_drop_all(struct writeback *writeback)
{
	struct link *oldest;

	while ((oldest = list_first(&writeback->dirty_inodes)))
		dirty_drop(writeback, list_entry(oldest, struct inode, dirty_data));
}

/* ---- writing ---- */

/* What a write is about: whole sectors within a piece. */
struct dirty_span {
	uint64_t piece;	     /* where the piece begins */
	uint64_t start, end; /* the sectors */
};

/* The ranges that overlap a span or touch it, first to last; NULL: none. */
static struct dirty_range *touching_first(const struct inode *inode, const struct dirty_span *span)
{
	uint64_t before = MAX(span->piece, span->start - (span->start > span->piece));
	struct dirty_range *range = dirty_find(inode, before);

	return range && range->offset <= span->end && range->offset < span->piece + RUN_MAX_BYTES ?
		       range :
		       NULL;
}

static struct dirty_range *touching_next(const struct dirty_range *range,
					 const struct dirty_span *span)
{
	struct rb_node *node = rb_next(&range->node);
	struct dirty_range *next = node ? rb_entry(node, struct dirty_range, node) : NULL;

	return next && next->offset <= span->end && next->offset < span->piece + RUN_MAX_BYTES ?
		       next :
		       NULL;
}

/* Room for more of a range that grows: doubled, so that appending costs two copies at most. */
static int range_reserve(struct writeback *writeback, struct dirty_range *range, uint32_t len,
			 const struct dirty_span *span)
{
	uint32_t most = (uint32_t)(span->piece + RUN_MAX_BYTES - range->offset);
	uint32_t capacity = MIN(MAX(len, 2 * range->capacity), most);
	uint8_t *data;

	if (len <= range->capacity)
		return 0;
	data = mem_resize(range->data, capacity);
	if (!data)
		return MEM_FAIL("contents of a file");
	writeback->dirty_ram_bytes += capacity - range->capacity;
	range->data = data;
	range->capacity = capacity;
	return 0;
}

/* The last of the ranges grows to the end of the span. */
static int range_extend(struct writeback *writeback, struct dirty_range *range,
			const struct dirty_span *span)
{
	uint32_t len = (uint32_t)(span->end - range->offset);

	if (span->end <= range_end(range))
		return 0;
	TRY(range_reserve(writeback, range, len, span));
	account(writeback, range, -1);
	range->len = len;
	account(writeback, range, 1);
	return 0;
}

/* A file that is written from front to end gets whole pieces at once. */
static uint32_t first_capacity(const struct inode *inode, const struct dirty_span *span)
{
	uint32_t len = (uint32_t)(span->end - span->start);
	struct dirty_range *before;

	if (span->start != span->piece || !span->piece)
		return len;
	before = dirty_find(inode, span->piece - 1);
	return before && range_end(before) == span->piece ? RUN_MAX_BYTES : len;
}

/* One range in place of all that the span touches; their bytes are kept. */
static int range_join(struct writeback *writeback, struct inode *inode, struct dirty_range *first,
		      const struct dirty_span *span, struct dirty_range **ret_range)
{
	uint64_t start = first ? MIN(first->offset, span->start) : span->start;
	uint64_t end = span->end;
	struct dirty_range *range, *next;
	uint32_t capacity;

	for (range = first; range; range = touching_next(range, span))
		end = MAX(end, range_end(range));
	capacity = first ? (uint32_t)(end - start) : first_capacity(inode, span);
	range = range_new(writeback, start, (uint32_t)(end - start), capacity);
	if (!range)
		return MEM_FAIL("contents of a file");
	for (; first; first = next) {
		next = touching_next(first, span);
		memcpy(range->data + (first->offset - start), first->data, first->len);
		range->overwrites |= first->overwrites;
		range_unlink(writeback, inode, first);
		range_free(writeback, first);
	}
	range_link(writeback, inode, range);
	*ret_range = range;
	return 0;
}

/* The range of the span, whose new bytes are to be filled. */
static int range_make(struct writeback *writeback, struct inode *inode,
		      const struct dirty_span *span, struct dirty_range **ret_range)
{
	struct dirty_range *first = touching_first(inode, span);

	if (!first || first->offset > span->start || touching_next(first, span))
		return range_join(writeback, inode, first, span, ret_range);
	TRY(range_extend(writeback, first, span));
	*ret_range = first;
	return 0;
}

/* What the file holds in a sector that is not dirty; zero behind the end. */
static int sector_old(struct writeback *writeback, struct inode *inode, uint64_t at, uint8_t *into)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t size = inode_size(inode);
	size_t got;

	memset(into, 0, sectorsize);
	return at < size ? file_read(writeback, inode, at, into, MIN(sectorsize, size - at), &got) :
			   0;
}

static bool is_dirty(const struct inode *inode, uint64_t pos)
{
	const struct dirty_range *range = dirty_find(inode, pos);

	return range && range->offset <= pos;
}

/* The first and the last sector of a write, as far as they are not dirty and not wholly written. */
struct dirty_edges {
	const uint8_t *head, *tail; /* NULL: nothing to keep */
};

static int edges_read(struct writeback *writeback, struct inode *inode, uint64_t offset,
		      uint64_t end, const struct dirty_span *span, struct dirty_edges *ret_edges)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t last = span->end - sectorsize;

	*ret_edges = (struct dirty_edges){ NULL, NULL };
	if (offset > span->start && !is_dirty(inode, span->start)) {
		TRY(sector_old(writeback, inode, span->start, writeback->sector[0]));
		ret_edges->head = writeback->sector[0];
	}
	if (end < span->end && !(ret_edges->head && last == span->start) &&
	    !is_dirty(inode, last)) {
		TRY(sector_old(writeback, inode, last, writeback->sector[1]));
		ret_edges->tail = writeback->sector[1];
	}
	return 0;
}

static int note_overwriting(struct inode *inode, uint64_t start, bool *ret_overwrites)
{
	uint64_t last;

	TRY(file_extent_end(inode, &last));
	*ret_overwrites = start < last;
	return 0;
}

int dirty_write(struct writeback *writeback, struct inode *inode, uint64_t offset,
		const uint8_t *data, uint32_t len)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	struct dirty_span span = { .piece = round_down(offset, RUN_MAX_BYTES),
				   .start = round_down(offset, sectorsize),
				   .end = round_up(offset + len, sectorsize) };
	struct dirty_edges edges;
	struct dirty_range *range;
	bool overwrites;

	ASSERT(len && offset + len <= span.piece + RUN_MAX_BYTES);
	TRY(edges_read(writeback, inode, offset, offset + len, &span, &edges));
	TRY(note_overwriting(inode, span.start, &overwrites));
	TRY(range_make(writeback, inode, &span, &range));
	if (overwrites && !range->overwrites) {
		account(writeback, range, -1);
		range->overwrites = true;
		account(writeback, range, 1);
	}
	if (edges.head)
		memcpy(range->data + (span.start - range->offset), edges.head, sectorsize);
	if (edges.tail)
		memcpy(range->data + (span.end - sectorsize - range->offset), edges.tail,
		       sectorsize);
	memcpy(range->data + (offset - range->offset), data, len);
	inode_mark_dirty(inode);
	return 0;
}

/* ---- taking away ---- */

/* What is left of a range behind a cut. */
static int range_split(struct writeback *writeback, struct inode *inode,
		       const struct dirty_range *range, uint64_t from)
{
	uint32_t len = (uint32_t)(range_end(range) - from);
	struct dirty_range *back = range_new(writeback, from, len, len);

	if (!back)
		return MEM_FAIL("contents of a file");
	memcpy(back->data, range->data + (from - range->offset), len);
	back->overwrites = range->overwrites;
	range_link(writeback, inode, back);
	return 0;
}

static void range_shorten(struct writeback *writeback, struct dirty_range *range, uint64_t end)
{
	account(writeback, range, -1);
	range->len = (uint32_t)(end - range->offset);
	account(writeback, range, 1);
}

int dirty_cut(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	SCOPED(inode) struct inode *held = inode_ref(inode);
	struct dirty_range *range = dirty_find(held, end);

	/* First what may fail. */
	if (range && range->offset < end) {
		TRY(range_split(writeback, held, range, end));
		range_shorten(writeback, range, end);
	}
	while ((range = dirty_find(held, start)) && range->offset < end) {
		if (range->offset < start) {
			range_shorten(writeback, range, start);
			continue;
		}
		range_unlink(writeback, held, range);
		range_free(writeback, range);
	}
	return 0;
}

/* ---- submitting ---- */

int dirty_submit(struct writeback *writeback, struct inode *inode, struct dirty_range *range)
{
	SCOPED(inode) struct inode *held = inode_ref(inode);
	uint64_t end = MIN(range_end(range), inode_size(inode));
	struct file_run *run;
	uint64_t last;
	int err;

	ASSERT(end > range->offset);
	TRY(file_wait_range(writeback, held, range->offset, range_end(range)));
	TRY(file_extent_end(held, &last));
	TRY(run_new(writeback, held, range->offset, (uint32_t)(end - range->offset), range->data,
		    range->capacity, &run));
	range->data = NULL;
	range_unlink(writeback, held, range);
	range_free(writeback, range);
	run->whole_file = run->offset == 0 && inode_size(held) == run->len && !held->dirty.nr &&
			  !held->nr_in_flight && (!last || held->has_inline);
	err = run_submit(writeback, run);
	/* Bytes that the caller was told are written are lost with the run: law L6. */
	return err < 0 ? txn_abort(writeback->config.txn, err, "storing file data") : 0;
}
