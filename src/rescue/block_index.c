/*
 * The index: every tree block that the chunks of metadata hold, in use or not.
 *
 * Invariants: records are in order of owner, level, first key, and generation (newest first); of a
 * group (an owner's blocks of a level) reach[i] names, of the group's records up to i, the one with
 * the greatest last key, so that a search for overlaps knows where to stop. Bounded by
 * BLOCK_INDEX_MAX; when it is full that is told, and the rest is not found. No locks.
 */
#include <stdlib.h>

#include "rescue/rescue_priv.h"

#define SCAN_PIECE_BYTES ((size_t)1 << 20)

struct scan {
	struct rescue *rescue;
	uint64_t left_bytes; /* all devices hold no more: chunks that say more are damage */
	uint8_t *buffer;     /* SCAN_PIECE_BYTES and one node */
};

static int key_bytes_compare(const uint8_t *a, const uint8_t *b)
{
	struct key other = key_load(b);

	return key_compare_disk(a, &other);
}

static int record_compare(const void *one, const void *other)
{
	const struct block_record *a = one, *b = other;
	int order;

	if (a->owner != b->owner)
		return a->owner < b->owner ? -1 : 1;
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	order = key_bytes_compare(a->first, b->first);
	if (order)
		return order;
	if (a->generation != b->generation)
		return a->generation > b->generation ? -1 : 1;
	return (a->addr > b->addr) - (a->addr < b->addr);
}

/* ---- the scan ---- */

static int index_push(struct rescue *rescue, const uint8_t *block, uint64_t addr)
{
	struct block_index *index = &rescue->index;
	uint32_t nr = node_nritems(block);
	size_t stride = node_key_stride(block);
	struct block_record *record;

	if (!nr || index->is_full)
		return 0;
	if (index->nr == index->capacity) {
		size_t capacity = index->capacity ? index->capacity * 2 : 1024;
		void *grown;

		capacity = MIN(capacity, BLOCK_INDEX_MAX);
		if (index->nr == capacity) {
			index->is_full = true;
			rescue_warn(rescue, "more than %zu tree blocks: the rest is not looked at",
				    BLOCK_INDEX_MAX);
			return 0;
		}
		grown = mem_resize(index->records, capacity * sizeof(*record));
		if (!grown)
			return MEM_FAIL("the index of tree blocks");
		index->records = grown;
		index->capacity = capacity;
	}
	record = &index->records[index->nr++];
	record->addr = addr;
	record->owner = node_owner(block);
	record->generation = node_generation(block);
	record->level = node_level(block);
	memcpy(record->first, block + HEADER_SIZE, KEY_DISK_SIZE);
	memcpy(record->last, block + HEADER_SIZE + (nr - 1) * stride, KEY_DISK_SIZE);
	return 0;
}

/* Looks at one place on every copy from this one on. */
static bool other_copy(struct rescue *rescue, uint64_t addr, unsigned first_mirror,
		       unsigned nr_mirrors)
{
	uint8_t *block = rescue->scratch;

	for (unsigned mirror = first_mirror; mirror <= nr_mirrors; mirror++) {
		/* The header alone tells most of the places where nothing is. */
		if (volume_read(rescue->volume, addr, block, HEADER_SIZE, mirror) < 0 ||
		    !block_looks_right(rescue, block, addr))
			continue;
		if (volume_read(rescue->volume, addr, block, rescue->geometry.nodesize, mirror) ==
			    0 &&
		    block_verify(rescue, block, addr) == 0)
			return true;
	}
	return false;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return !data[0] && memcmp(data, data + 1, len - 1) == 0;
}

/* [addr, end) of one chunk; the buffer holds copy 1 of it, or nothing. */
static int scan_piece(struct scan *scan, uint64_t addr, uint64_t end, uint64_t have_end,
		      bool readable)
{
	struct rescue *rescue = scan->rescue;
	uint32_t nodesize = rescue->geometry.nodesize, step = rescue->geometry.sectorsize;
	unsigned nr_mirrors = volume_nr_mirrors(rescue->volume, addr);
	uint64_t from = addr;

	while (addr < end) {
		const uint8_t *block = scan->buffer + (addr - from);
		bool found = false;

		if (readable && have_end - addr >= nodesize &&
		    block_looks_right(rescue, block, addr) &&
		    block_verify(rescue, block, addr) == 0) {
			TRY(index_push(rescue, block, addr));
			found = true;
		} else if (other_copy(rescue, addr, readable ? 2 : 1, nr_mirrors)) {
			/* Of a piece that cannot be read as a whole most may be there. */
			TRY(index_push(rescue, rescue->scratch, addr));
			found = true;
		}
		addr += found ? nodesize : step;
	}
	return 0;
}

/* All copies of the piece hold nothing: most of a chunk that is not full. */
static bool piece_is_empty(struct scan *scan, uint64_t addr, size_t len)
{
	unsigned nr_mirrors = volume_nr_mirrors(scan->rescue->volume, addr);

	for (unsigned mirror = nr_mirrors; mirror >= 1; mirror--) {
		if (volume_read(scan->rescue->volume, addr, scan->buffer, len, mirror) < 0 ||
		    !is_zero(scan->buffer, len))
			return false;
	}
	return true;
}

static int scan_chunk(struct scan *scan, uint64_t logical, uint64_t len_bytes)
{
	struct rescue *rescue = scan->rescue;
	uint64_t end = logical + MIN(len_bytes, scan->left_bytes);

	if (len_bytes > scan->left_bytes)
		rescue_warn(rescue,
			    "chunk %llu: there are more bytes of metadata than devices have: they "
			    "are not looked at",
			    (unsigned long long)logical);
	scan->left_bytes -= end - logical;
	for (uint64_t addr = logical; addr < end;) {
		uint64_t piece_end = addr + MIN(SCAN_PIECE_BYTES, end - addr);
		uint64_t have_end = MIN(piece_end + rescue->geometry.nodesize, end);
		bool readable;

		if (!piece_is_empty(scan, addr, piece_end - addr)) {
			readable = volume_read(rescue->volume, addr, scan->buffer, have_end - addr,
					       1) == 0;
			TRY(scan_piece(scan, addr, piece_end, have_end, readable));
		}
		addr = piece_end;
	}
	return 0;
}

static int scan_chunks(struct scan *scan)
{
	struct volume *volume = scan->rescue->volume;
	const struct chunk *chunk = chunk_map_next(volume, 0);

	for (; chunk; chunk = chunk_map_next(volume, chunk->logical + chunk->len_bytes)) {
		if (chunk->flags & (BTRFS_BLOCK_GROUP_METADATA | BTRFS_BLOCK_GROUP_SYSTEM))
			TRY(scan_chunk(scan, chunk->logical, chunk->len_bytes));
		if (chunk->logical + chunk->len_bytes < chunk->logical)
			break;
	}
	return 0;
}

/* One that is missing counts like the largest of the others. */
static uint64_t devices_bytes(struct volume *volume)
{
	unsigned nr = volume_nr_devices(volume);
	uint64_t max = 0;

	for (unsigned i = 0; i < nr; i++) {
		const struct volume_device *entry = volume_device_at(volume, i);

		if (entry->device)
			max = MAX(max, entry->device->size_bytes);
	}
	return nr ? MIN(max, UINT64_MAX / nr) * nr : 0;
}

static bool same_group(const struct block_record *a, const struct block_record *b)
{
	return a->owner == b->owner && a->level == b->level;
}

static int index_finish(struct block_index *index)
{
	const struct block_record *records = index->records;

	index->reach = mem_array(index->nr + 1, sizeof(*index->reach));
	if (!index->reach)
		return MEM_FAIL("the index of tree blocks");
	if (index->nr)
		qsort(index->records, index->nr, sizeof(*records), record_compare);
	for (size_t i = 0; i < index->nr; i++) {
		uint32_t best = (uint32_t)i;

		if (i && same_group(&records[i - 1], &records[i]) &&
		    key_bytes_compare(records[index->reach[i - 1]].last, records[i].last) > 0)
			best = index->reach[i - 1];
		index->reach[i] = best;
	}
	return 0;
}

int block_index_build(struct rescue *rescue)
{
	SCOPED_MEM uint8_t *buffer = NULL;
	struct scan scan = { .rescue = rescue, .left_bytes = devices_bytes(rescue->volume) };

	if (rescue->index.built)
		return 0;
	buffer = mem_alloc(SCAN_PIECE_BYTES + rescue->geometry.nodesize);
	if (!buffer)
		return MEM_FAIL("reading tree blocks");
	scan.buffer = buffer;
	TRY(scan_chunks(&scan));
	TRY(index_finish(&rescue->index));
	rescue->index.built = true;
	return 0;
}

void block_index_fini(struct block_index *index)
{
	mem_free(index->records);
	mem_free(index->reach);
}

/* ---- questions ---- */

/* The first record whose (owner, level, first key) is greater than the given. */
static size_t index_after(const struct block_index *index, uint64_t owner, unsigned level,
			  const struct key *first)
{
	size_t low = 0, high = index->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct block_record *record = &index->records[middle];
		bool is_after = record->owner != owner ? record->owner > owner :
				record->level != level ? record->level > level :
							 key_compare_disk(record->first, first) > 0;

		if (is_after)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int block_index_overlaps(const struct block_index *index, uint64_t owner, unsigned level,
			 const struct key *lo, const struct key *hi,
			 int (*visit)(void *ctx, const struct block_record *record), void *ctx)
{
	size_t at = index_after(index, owner, level, hi);

	while (at > 0) {
		const struct block_record *record = &index->records[--at];

		if (record->owner != owner || record->level != level ||
		    key_compare_disk(index->records[index->reach[at]].last, lo) < 0)
			break;
		/* The keys below an internal node reach beyond its last pointer. */
		if (level || key_compare_disk(record->last, lo) >= 0)
			TRY(visit(ctx, record));
	}
	/* So does the node that begins before all that were met. */
	if (level && at > 0 && index->records[at].owner == owner &&
	    index->records[at].level == level &&
	    key_compare_disk(index->records[index->reach[at]].last, lo) < 0)
		TRY(visit(ctx, &index->records[index->reach[at]]));
	return 0;
}

void block_index_owner(const struct block_index *index, uint64_t owner, size_t *ret_from,
		       size_t *ret_to)
{
	*ret_from = owner ? index_after(index, owner - 1, UINT8_MAX, &KEY_MAX) : 0;
	*ret_to = index_after(index, owner, UINT8_MAX, &KEY_MAX);
}

/* What the records of one owner say of a state. */
struct root_facts {
	uint64_t generation; /* the newest there is, up to the one asked for */
	int level;	     /* of the highest block of that state or an older one */
	const struct block_record *root;
	bool has_sibling; /* a block of that level that does not overlap the root: it is none */
};

static struct root_facts facts_levels(const struct block_index *index, size_t from, size_t to,
				      uint64_t generation)
{
	struct root_facts facts = { .level = -1 };

	for (size_t i = from; i < to; i++) {
		uint64_t born = index->records[i].generation;

		if (born <= generation && born > facts.generation)
			facts.generation = born;
	}
	/* The highest level comes last. */
	for (size_t i = to; i > from && facts.level < 0; i--) {
		if (index->records[i - 1].generation <= facts.generation)
			facts.level = index->records[i - 1].level;
	}
	return facts;
}

static bool records_overlap(const struct block_record *a, const struct block_record *b)
{
	return key_bytes_compare(a->first, b->last) <= 0 &&
	       key_bytes_compare(b->first, a->last) <= 0;
}

bool block_index_root(const struct block_index *index, uint64_t owner, uint64_t generation,
		      struct block_record *ret_root)
{
	struct root_facts facts;
	size_t from, to;

	block_index_owner(index, owner, &from, &to);
	facts = facts_levels(index, from, to, generation);
	if (facts.level < 0)
		return false;
	/* Written several times before its commit: the last one, which most often lies highest. */
	for (size_t i = from; i < to; i++) {
		const struct block_record *record = &index->records[i];

		if (record->level == facts.level && record->generation == facts.generation &&
		    (!facts.root || record->addr > facts.root->addr))
			facts.root = record;
	}
	for (size_t i = from; facts.root && i < to; i++) {
		const struct block_record *record = &index->records[i];

		if (record->level == facts.level && record->generation <= facts.generation &&
		    !records_overlap(record, facts.root))
			facts.has_sibling = true;
	}
	if (facts.root && !facts.has_sibling) {
		*ret_root = *facts.root;
		return true;
	}
	memset(ret_root, 0, sizeof(*ret_root));
	ret_root->owner = owner;
	ret_root->generation = facts.generation;
	ret_root->level = (uint8_t)MIN(facts.level + facts.has_sibling, BTRFS_MAX_LEVEL - 1);
	return true;
}
