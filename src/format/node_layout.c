/*
 * Edits of nodes as bytes: each is at most one move of data and one of headers, plus the rewriting
 * of data offsets.
 *
 * Invariant kept: the data of the items are dense and in the order of slots (see node_layout.h).
 * Does not validate: a node that has not passed validate_node must not come here.
 */
#include "format/node_layout.h"

/*
 * ---- whole nodes
 * ---------------------------------------------------------------------------------------------
 */

void node_init(const struct geometry *g, uint8_t *node, uint64_t addr, uint8_t level,
	       uint64_t owner, uint64_t generation)
{
	ASSERT(level < BTRFS_MAX_LEVEL);
	memset(node, 0, g->nodesize);
	node_set_addr(node, addr);
	node_set_level(node, level);
	node_set_owner(node, owner);
	node_set_generation(node, generation);
	header_set_flags(node, (uint64_t)BTRFS_MIXED_BACKREF_REV << BTRFS_BACKREF_REV_SHIFT);
}

void node_clear_unused(const struct geometry *g, uint8_t *node)
{
	uint32_t nr = node_nritems(node);
	uint32_t from, to;

	if (node_level(node)) {
		from = nr * KEY_PTR_SIZE;
		to = geometry_leaf_bytes(g);
	} else {
		from = nr * ITEM_SIZE;
		to = leaf_data_start(g, node);
	}
	ASSERT(from <= to && to <= geometry_leaf_bytes(g));
	memset(node + HEADER_SIZE + from, 0, to - from);
}

void node_csum_update(const struct geometry *g, uint8_t *node)
{
	uint8_t csum[BTRFS_CSUM_SIZE] = { 0 };

	csum_compute(g->csum_type, node + BTRFS_CSUM_SIZE, g->nodesize - BTRFS_CSUM_SIZE, csum);
	memset(node, 0, BTRFS_CSUM_SIZE);
	memcpy(node, csum, g->csum_size);
}

bool node_csum_ok(const struct geometry *g, const uint8_t *node)
{
	uint8_t csum[BTRFS_CSUM_SIZE] = { 0 };

	csum_compute(g->csum_type, node + BTRFS_CSUM_SIZE, g->nodesize - BTRFS_CSUM_SIZE, csum);
	return memcmp(node, csum, g->csum_size) == 0;
}

/*
 * ---- internal nodes
 * ------------------------------------------------------------------------------------------
 */

void node_insert_ptrs_raw(const struct geometry *g, uint8_t *node, unsigned slot, unsigned nr)
{
	uint32_t old = node_nritems(node);

	ASSERT(slot <= old);
	ASSERT(nr <= geometry_node_ptrs(g) - old);
	memmove(node_ptr_mut(node, slot + nr), node_ptr(node, slot),
		(size_t)(old - slot) * KEY_PTR_SIZE);
	node_set_nritems(node, old + nr);
}

void node_remove_ptrs_raw(uint8_t *node, unsigned slot, unsigned nr)
{
	uint32_t old = node_nritems(node);

	ASSERT(slot <= old && nr <= old - slot);
	memmove(node_ptr_mut(node, slot), node_ptr(node, slot + nr),
		(size_t)(old - slot - nr) * KEY_PTR_SIZE);
	node_set_nritems(node, old - nr);
}

void node_move_ptrs_raw(const struct geometry *g, const uint8_t *from, unsigned from_slot,
			unsigned nr, uint8_t *to, unsigned to_slot)
{
	ASSERT(from != to);
	ASSERT(from_slot <= node_nritems(from) && nr <= node_nritems(from) - from_slot);
	node_insert_ptrs_raw(g, to, to_slot, nr);
	memcpy(node_ptr_mut(to, to_slot), node_ptr(from, from_slot), (size_t)nr * KEY_PTR_SIZE);
}

/*
 * ---- leaves
 * --------------------------------------------------------------------------------------------------
 */

/* Where the data of the items before slot begin: the end of the data of slot. */
static uint32_t data_end(const struct geometry *g, const uint8_t *node, unsigned slot)
{
	return slot ? item_offset(leaf_item(node, slot - 1)) : geometry_leaf_bytes(g);
}

/* Adds delta to the data offsets of the items from slot up to end. */
static void shift_offsets(uint8_t *node, unsigned slot, unsigned end, uint32_t delta)
{
	uint8_t *p = leaf_item_mut(node, slot);

	for (; slot < end; slot++, p += ITEM_SIZE)
		item_set_offset(p, item_offset(p) + delta);
}

/*
 * Makes room before slot for nr headers and total_bytes of data; returns the end of the new data.
 * The new headers are the caller's to write.
 */
static uint32_t leaf_open(const struct geometry *g, uint8_t *node, unsigned slot, unsigned nr,
			  uint32_t total_bytes)
{
	uint32_t old = node_nritems(node);
	uint32_t start = leaf_data_start(g, node);
	uint32_t end = data_end(g, node, slot);
	uint8_t *data = node + HEADER_SIZE;

	ASSERT(slot <= old);
	ASSERT((uint64_t)nr * ITEM_SIZE + total_bytes <= leaf_free_bytes(g, node));
	if (slot < old) {
		memmove(data + start - total_bytes, data + start, end - start);
		shift_offsets(node, slot, old, -total_bytes);
		memmove(leaf_item_mut(node, slot + nr), leaf_item(node, slot),
			(size_t)(old - slot) * ITEM_SIZE);
	}
	node_set_nritems(node, old + nr);
	return end;
}

static void write_item(uint8_t *node, unsigned slot, const struct key *key, uint32_t offset,
		       uint32_t len_bytes)
{
	uint8_t *p = leaf_item_mut(node, slot);

	key_store(p, key);
	item_set_offset(p, offset);
	item_set_size(p, len_bytes);
}

uint8_t *leaf_insert_raw(const struct geometry *g, uint8_t *node, unsigned slot,
			 const struct key *key, uint32_t len_bytes)
{
	uint32_t end = leaf_open(g, node, slot, 1, len_bytes);

	write_item(node, slot, key, end - len_bytes, len_bytes);
	return node + HEADER_SIZE + end - len_bytes;
}

uint8_t *leaf_insert_many_raw(const struct geometry *g, uint8_t *node, unsigned slot,
			      const struct key *keys, const uint32_t *lens_bytes, unsigned nr)
{
	uint64_t total_bytes = 0;
	uint32_t end;

	for (unsigned i = 0; i < nr; i++)
		total_bytes += lens_bytes[i];
	ASSERT(total_bytes <= geometry_leaf_bytes(g));
	end = leaf_open(g, node, slot, nr, (uint32_t)total_bytes);
	for (unsigned i = 0; i < nr; i++) {
		end -= lens_bytes[i];
		write_item(node, slot + i, &keys[i], end, lens_bytes[i]);
	}
	return node + HEADER_SIZE + end;
}

void leaf_remove_raw(const struct geometry *g, uint8_t *node, unsigned slot, unsigned nr)
{
	uint32_t old = node_nritems(node);
	uint32_t start = leaf_data_start(g, node);
	uint32_t end = data_end(g, node, slot);
	uint32_t gone_start, gone_bytes;
	uint8_t *data = node + HEADER_SIZE;

	ASSERT(slot <= old && nr <= old - slot);
	if (!nr)
		return;
	gone_start = item_offset(leaf_item(node, slot + nr - 1));
	gone_bytes = end - gone_start;
	if (slot + nr < old) {
		memmove(data + start + gone_bytes, data + start, gone_start - start);
		shift_offsets(node, slot + nr, old, gone_bytes);
		memmove(leaf_item_mut(node, slot), leaf_item(node, slot + nr),
			(size_t)(old - slot - nr) * ITEM_SIZE);
	}
	node_set_nritems(node, old - nr);
}

void leaf_resize_raw(const struct geometry *g, uint8_t *node, unsigned slot, uint32_t new_len_bytes,
		     bool at_front)
{
	uint32_t nr = node_nritems(node);
	uint32_t start = leaf_data_start(g, node);
	uint32_t offset = leaf_item_offset(node, slot);
	uint32_t len = leaf_item_len(node, slot);
	uint32_t grow =
		new_len_bytes - len; /* modulo 2^32: a shrinking item grows by a negative amount */
	uint8_t *data = node + HEADER_SIZE;
	uint32_t kept;

	ASSERT(slot < nr);
	ASSERT(new_len_bytes <= len || grow <= leaf_free_bytes(g, node));
	/*
	 * What lies below the place of the change moves: the later items, and of this item the
	 * bytes that keep their distance from its beginning (all that are kept, unless the change
	 * is at the front).
	 */
	kept = at_front ? 0 : MIN(len, new_len_bytes);
	memmove(data + (start - grow), data + start, offset - start + kept);
	shift_offsets(node, slot, nr, -grow);
	item_set_size(leaf_item_mut(node, slot), new_len_bytes);
}

void leaf_move_raw(const struct geometry *g, const uint8_t *from, unsigned from_slot, unsigned nr,
		   uint8_t *to, unsigned to_slot)
{
	uint32_t from_start, from_end, end;

	ASSERT(from != to);
	ASSERT(from_slot <= node_nritems(from) && nr <= node_nritems(from) - from_slot);
	if (!nr)
		return;
	from_end = data_end(g, from, from_slot);
	from_start = item_offset(leaf_item(from, from_slot + nr - 1));
	end = leaf_open(g, to, to_slot, nr, from_end - from_start);
	memcpy(to + HEADER_SIZE + end - (from_end - from_start), from + HEADER_SIZE + from_start,
	       from_end - from_start);
	memcpy(leaf_item_mut(to, to_slot), leaf_item(from, from_slot), (size_t)nr * ITEM_SIZE);
	shift_offsets(to, to_slot, to_slot + nr, end - from_end);
}
