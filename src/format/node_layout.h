/*
 * Tree nodes as bytes: header, items of a leaf, pointers of an internal node; search in one node,
 * and the edits of a leaf.
 *
 * Leaf: headers of items grow up from byte 101, their data grow down from the end; the data of item
 * i end where those of item i - 1 begin (item 0: at the end of the node), without gaps. Internal
 * node: pointers only.
 *
 * Nothing here allocates, locks or does I/O. The functions trust the node: it has passed
 * validate_node, or was made by node_init and these edits. Slots and space are the caller's duty
 * (ASSERT in the edits, ASSERT_SLOW in the accessors). Not here: choosing where to split,
 * copy-on-write, parents (tree/).
 */
#ifndef UBTRFS_FORMAT_NODE_LAYOUT_H
#define UBTRFS_FORMAT_NODE_LAYOUT_H

#include "base/assert.h"
#include "format/geometry.h"
#include "format/key.h"

/*
 * ---- header
 * --------------------------------------------------------------------------------------------------
 */

static inline uint32_t node_nritems(const uint8_t *node)
{
	return header_nritems(node);
}

static inline void node_set_nritems(uint8_t *node, uint32_t nr)
{
	header_set_nritems(node, nr);
}

static inline uint8_t node_level(const uint8_t *node)
{
	return header_level(node);
}

static inline void node_set_level(uint8_t *node, uint8_t level)
{
	header_set_level(node, level);
}

static inline uint64_t node_addr(const uint8_t *node)
{
	return header_bytenr(node);
}

static inline void node_set_addr(uint8_t *node, uint64_t addr)
{
	header_set_bytenr(node, addr);
}

static inline uint64_t node_generation(const uint8_t *node)
{
	return header_generation(node);
}

static inline void node_set_generation(uint8_t *node, uint64_t generation)
{
	header_set_generation(node, generation);
}

static inline uint64_t node_owner(const uint8_t *node)
{
	return header_owner(node);
}

static inline void node_set_owner(uint8_t *node, uint64_t owner)
{
	header_set_owner(node, owner);
}

static inline bool node_has_flag(const uint8_t *node, uint64_t flag)
{
	return (header_flags(node) & flag) != 0;
}

static inline void node_add_flag(uint8_t *node, uint64_t flag)
{
	header_set_flags(node, header_flags(node) | flag);
}

static inline void node_remove_flag(uint8_t *node, uint64_t flag)
{
	header_set_flags(node, header_flags(node) & ~flag);
}

/*
 * ---- leaf: reading
 * -------------------------------------------------------------------------------------------
 */

/* The item's header; no check of the slot, so that one past the last can be named. */
static inline const uint8_t *leaf_item(const uint8_t *node, unsigned slot)
{
	return node + HEADER_SIZE + (size_t)slot * ITEM_SIZE;
}

static inline uint8_t *leaf_item_mut(uint8_t *node, unsigned slot)
{
	return node + HEADER_SIZE + (size_t)slot * ITEM_SIZE;
}

static inline struct key leaf_key(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return key_load(leaf_item(node, slot));
}

static inline void leaf_set_key(uint8_t *node, unsigned slot, const struct key *key)
{
	ASSERT_SLOW(slot < node_nritems(node));
	key_store(leaf_item_mut(node, slot), key);
}

static inline uint32_t leaf_item_len(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return item_size(leaf_item(node, slot));
}

/* From the end of the header, as on disk. */
static inline uint32_t leaf_item_offset(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return item_offset(leaf_item(node, slot));
}

static inline const uint8_t *leaf_item_data(const uint8_t *node, unsigned slot)
{
	return node + HEADER_SIZE + leaf_item_offset(node, slot);
}

static inline uint8_t *leaf_item_data_mut(uint8_t *node, unsigned slot)
{
	return node + HEADER_SIZE + leaf_item_offset(node, slot);
}

/* Where the data begin, from the end of the header; with no items: the end of the node. */
static inline uint32_t leaf_data_start(const struct geometry *g, const uint8_t *node)
{
	uint32_t nr = node_nritems(node);

	return nr ? item_offset(leaf_item(node, nr - 1)) : geometry_leaf_bytes(g);
}

/* Bytes of items and data together, without the header. */
static inline uint32_t leaf_used_bytes(const struct geometry *g, const uint8_t *node)
{
	return node_nritems(node) * ITEM_SIZE + geometry_leaf_bytes(g) - leaf_data_start(g, node);
}

static inline uint32_t leaf_free_bytes(const struct geometry *g, const uint8_t *node)
{
	return leaf_data_start(g, node) - node_nritems(node) * ITEM_SIZE;
}

/*
 * ---- internal node
 * -------------------------------------------------------------------------------------------
 */

static inline const uint8_t *node_ptr(const uint8_t *node, unsigned slot)
{
	return node + HEADER_SIZE + (size_t)slot * KEY_PTR_SIZE;
}

static inline uint8_t *node_ptr_mut(uint8_t *node, unsigned slot)
{
	return node + HEADER_SIZE + (size_t)slot * KEY_PTR_SIZE;
}

static inline struct key node_key(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return key_load(node_ptr(node, slot));
}

static inline void node_set_key(uint8_t *node, unsigned slot, const struct key *key)
{
	ASSERT_SLOW(slot < node_nritems(node));
	key_store(node_ptr_mut(node, slot), key);
}

static inline uint64_t node_child_addr(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return key_ptr_blockptr(node_ptr(node, slot));
}

static inline uint64_t node_child_generation(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return key_ptr_generation(node_ptr(node, slot));
}

/* Writes a whole pointer; does not touch nritems. */
static inline void node_set_ptr(uint8_t *node, unsigned slot, const struct key *key, uint64_t addr,
				uint64_t generation)
{
	uint8_t *p = node_ptr_mut(node, slot);

	key_store(p, key);
	key_ptr_set_blockptr(p, addr);
	key_ptr_set_generation(p, generation);
}

/*
 * ---- any level
 * -----------------------------------------------------------------------------------------------
 */

/* Bytes from one key to the next. */
static inline size_t node_key_stride(const uint8_t *node)
{
	return node_level(node) ? KEY_PTR_SIZE : ITEM_SIZE;
}

static inline struct key node_slot_key(const uint8_t *node, unsigned slot)
{
	ASSERT_SLOW(slot < node_nritems(node));
	return key_load(node + HEADER_SIZE + slot * node_key_stride(node));
}

/* Finds the slot of the first key >= key (nritems when there is none); true when it is equal. */
static inline bool node_search(const uint8_t *node, const struct key *key, unsigned *ret_slot)
{
	const uint8_t *keys = node + HEADER_SIZE;
	size_t stride = node_key_stride(node);
	unsigned low = 0, high = node_nritems(node);

	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = key_compare_disk(keys + middle * stride, key);

		if (order == 0) {
			*ret_slot = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_slot = low;
	return false;
}

/*
 * The slot of the child to follow for a key in an internal node that is not empty: the last key
 * <= key, or slot 0.
 */
static inline unsigned node_child_slot(const uint8_t *node, const struct key *key)
{
	unsigned slot;

	if (node_search(node, key, &slot))
		return slot;
	return slot ? slot - 1 : 0;
}

/*
 * ---- edits (node_layout.c)
 * -----------------------------------------------------------------------------------
 */

/*
 * Zeroes the node and writes an empty header (flags: revision of back references only; not yet
 * WRITTEN).
 */
void node_init(const struct geometry *g, uint8_t *node, uint64_t addr, uint8_t level,
	       uint64_t owner, uint64_t generation);

/*
 * Zeroes the bytes that no item or pointer uses; done before a node is written, so that images
 * are reproducible.
 */
void node_clear_unused(const struct geometry *g, uint8_t *node);

/* The checksum field, over bytes 32 to the node's end; the field's unused bytes become zero. */
void node_csum_update(const struct geometry *g, uint8_t *node);
bool node_csum_ok(const struct geometry *g, const uint8_t *node);

/*
 * Internal nodes: opens or closes a gap of nr pointers at a slot; the new pointers are the
 * caller's to write.
 */
void node_insert_ptrs_raw(const struct geometry *g, uint8_t *node, unsigned slot, unsigned nr);
void node_remove_ptrs_raw(uint8_t *node, unsigned slot, unsigned nr);
/* Copies nr pointers into a gap opened at to_slot of another node; the source stays. */
void node_move_ptrs_raw(const struct geometry *g, const uint8_t *from, unsigned from_slot,
			unsigned nr, uint8_t *to, unsigned to_slot);

/*
 * Inserts one item of len_bytes before slot; returns its data, not initialised. The caller has made
 * sure of ITEM_SIZE + len_bytes free bytes and of the order of keys.
 */
uint8_t *leaf_insert_raw(const struct geometry *g, uint8_t *node, unsigned slot,
			 const struct key *key, uint32_t len_bytes);

/*
 * Inserts nr items before slot with one move of the rest. Returns where the data of the last of
 * them begin (those of item slot + i are found with leaf_item_data_mut).
 */
uint8_t *leaf_insert_many_raw(const struct geometry *g, uint8_t *node, unsigned slot,
			      const struct key *keys, const uint32_t *lens_bytes, unsigned nr);

/* Removes nr items from slot on. */
void leaf_remove_raw(const struct geometry *g, uint8_t *node, unsigned slot, unsigned nr);

/*
 * Changes the length of an item. Bytes are added or cut at the end of the data, or with at_front at
 * their beginning (then the last bytes stay); added bytes are not initialised. Growth needs the
 * free bytes.
 */
void leaf_resize_raw(const struct geometry *g, uint8_t *node, unsigned slot, uint32_t new_len_bytes,
		     bool at_front);

/*
 * Copies nr items from one leaf into another before to_slot; the source stays (leaf_remove_raw
 * takes them out there).
 */
void leaf_move_raw(const struct geometry *g, const uint8_t *from, unsigned from_slot, unsigned nr,
		   uint8_t *to, unsigned to_slot);

#endif
