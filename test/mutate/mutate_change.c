/*
 * How a mutant is made: one to five changes of fields, bytes, items, pointers and whole blocks;
 * then the checksum is repaired and the copies are written.
 *
 * Edits that need a sound block (inserting, removing and resizing items) are done while it still
 * passes the validator; afterwards only bytes change.
 */
#include "mutate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "format/format.h"

#define CHANGES_MAX 5u

struct change {
	struct image *image;
	struct rng *rng;
	struct story *story;
	const struct image_block *block;
	uint8_t *data; /* nodesize */
};

__attribute__((format(printf, 2, 3))) static void tell(struct story *story, const char *format, ...)
{
	va_list args;
	int len;

	if (story->len >= sizeof(story->text))
		return;
	va_start(args, format);
	len = vsnprintf(story->text + story->len, sizeof(story->text) - story->len, format, args);
	va_end(args);
	if (len > 0)
		story->len += (size_t)len;
}

/* ---- values ---- */

static uint64_t value_load(const uint8_t *at, unsigned width)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < width; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static void value_store(uint8_t *at, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t value_of_image(const struct image *image, struct rng *rng)
{
	const struct image_block *block = &image->blocks[rng_below(rng, image->nr_blocks)];

	switch (rng_below(rng, 8)) {
	case 0:
		return block->addr;
	case 1:
		return block->generation;
	case 2:
		return block->owner;
	case 3:
		return image->geometry.nodesize;
	case 4:
		return image->geometry.sectorsize;
	case 5:
		return super_generation(image->super) + rng_below(rng, 3);
	case 6:
		return super_total_bytes(image->super) - rng_below(rng, 2);
	default:
		return image->subvolumes[rng_below(rng, image->nr_subvolumes)];
	}
}

static uint64_t value_interesting(const struct change *change, uint64_t old, unsigned width)
{
	static const uint64_t some[] = { 0,
					 1,
					 2,
					 3,
					 4,
					 5,
					 6,
					 7,
					 9,
					 10,
					 11,
					 12,
					 16,
					 84,
					 96,
					 108,
					 128,
					 132,
					 168,
					 169,
					 192,
					 204,
					 228,
					 255,
					 256,
					 257,
					 4095,
					 4096,
					 4097,
					 65535,
					 65536,
					 0x7fffffff,
					 0x80000000,
					 0xffffffff,
					 0x100000000,
					 1ull << 40,
					 1ull << 62,
					 INT64_MAX,
					 1ull << 63,
					 UINT64_MAX,
					 UINT64_MAX - 1,
					 UINT64_MAX - 4095,
					 UINT64_MAX - 255 };
	struct rng *rng = change->rng;

	switch (rng_below(rng, 12)) {
	case 0:
	case 1:
	case 2:
		return some[rng_below(rng, sizeof(some) / sizeof(some[0]))];
	case 3:
		return old + 1;
	case 4:
		return old - 1;
	case 5:
	case 6:
		return old ^ 1ull << rng_below(rng, 8 * width);
	case 7:
		return old + change->image->geometry.sectorsize;
	case 8:
		return old - change->image->geometry.sectorsize;
	case 9:
		return rng_next(rng);
	default:
		return value_of_image(change->image, rng);
	}
}

/* ---- fields and bytes ---- */

static void field_change(const struct change *change, uint8_t *base, const struct field *field)
{
	uint64_t old = value_load(base + field->at, field->width);
	uint64_t value = value_interesting(change, old, field->width);

	value_store(base + field->at, field->width, value);
	tell(change->story, " %s %#llx -> %#llx;", field->name, (unsigned long long)old,
	     (unsigned long long)value_load(base + field->at, field->width));
}

static const struct field *field_any(struct rng *rng, const struct field *fields)
{
	unsigned nr = 0;

	while (fields[nr].width)
		nr++;
	return &fields[rng_below(rng, nr)];
}

/* Any 1, 2, 4 or 8 bytes of a stretch. */
static void bytes_change(const struct change *change, uint8_t *base, size_t from, size_t len)
{
	struct field field = { .width = (uint8_t)(1u << rng_below(change->rng, 4)) };
	char name[32];

	if (field.width > len)
		field.width = 1;
	if (!len)
		return;
	field.at = (uint16_t)(from + rng_below(change->rng, len - field.width + 1));
	snprintf(name, sizeof(name), "bytes at %u", field.at);
	field.name = name;
	field_change(change, base, &field);
}

/* ---- items ---- */

static bool is_sound(const struct change *change)
{
	return validate_node(&change->image->geometry, change->data, change->block->addr) >= 0;
}

static unsigned slot_any(const struct change *change)
{
	return (unsigned)rng_below(change->rng, node_nritems(change->data));
}

static void tell_slot(const struct change *change, const char *what, unsigned slot)
{
	struct key key = node_slot_key(change->data, slot);

	tell(change->story, " %s slot %u (%llu %u %llu)", what, slot,
	     (unsigned long long)key.objectid, key.type, (unsigned long long)key.offset);
}

static void item_body_change(const struct change *change)
{
	unsigned slot = slot_any(change);
	const struct field *fields = fields_of_item(leaf_key(change->data, slot).type);
	uint8_t *data = leaf_item_data_mut(change->data, slot);
	uint32_t len = leaf_item_len(change->data, slot);

	tell_slot(change, "in", slot);
	if (fields && !rng_one_in(change->rng, 3)) {
		const struct field *field = field_any(change->rng, fields);

		if ((uint32_t)field->at + field->width <= len) {
			field_change(change, data, field);
			return;
		}
	}
	bytes_change(change, data, 0, len);
}

static void item_header_change(const struct change *change)
{
	unsigned slot = slot_any(change);

	tell_slot(change, "header of", slot);
	field_change(change, change->data + HEADER_SIZE + slot * node_key_stride(change->data),
		     field_any(change->rng,
			       node_level(change->data) ? key_ptr_fields : item_fields));
}

/* A key that keeps its place in the order: what only the meaning of keys can find. */
static void item_key_nudge(const struct change *change)
{
	unsigned slot = slot_any(change);
	struct key key = node_slot_key(change->data, slot);

	tell_slot(change, "key of", slot);
	key.offset += rng_one_in(change->rng, 2) ? 1 : change->image->geometry.sectorsize;
	key_store(change->data + HEADER_SIZE + slot * node_key_stride(change->data), &key);
	tell(change->story, " offset -> %llu;", (unsigned long long)key.offset);
}

static void items_swap(const struct change *change)
{
	size_t stride = node_key_stride(change->data);
	unsigned a = slot_any(change), b = slot_any(change);
	uint8_t kept[KEY_PTR_SIZE];
	uint8_t *at_a = change->data + HEADER_SIZE + a * stride;
	uint8_t *at_b = change->data + HEADER_SIZE + b * stride;
	/* Only the keys, or all of the headers. */
	size_t len = rng_one_in(change->rng, 2) ? KEY_DISK_SIZE : stride;

	memcpy(kept, at_a, len);
	memmove(at_a, at_b, len);
	memcpy(at_b, kept, len);
	tell(change->story, " swapped slots %u and %u;", a, b);
}

static void item_remove(const struct change *change)
{
	unsigned slot = slot_any(change);

	tell_slot(change, "removed", slot);
	if (node_level(change->data))
		node_remove_ptrs_raw(change->data, slot, 1);
	else
		leaf_remove_raw(&change->image->geometry, change->data, slot, 1);
}

static void item_resize(const struct change *change)
{
	unsigned slot = slot_any(change);
	uint32_t len = leaf_item_len(change->data, slot);
	uint32_t free_bytes = leaf_free_bytes(&change->image->geometry, change->data);
	uint32_t to = (uint32_t)rng_below(change->rng, len + MIN(free_bytes, 64u) + 1);

	if (rng_one_in(change->rng, 2))
		to = len ? len - 1 : 0;
	tell_slot(change, "length of", slot);
	leaf_resize_raw(&change->image->geometry, change->data, slot, to,
			rng_one_in(change->rng, 2));
	if (to > len)
		rng_fill(change->rng, leaf_item_data_mut(change->data, slot) + len, to - len);
	tell(change->story, " %u -> %u;", len, to);
}

/* An item once more, under the next free key. */
static void item_repeat(const struct change *change)
{
	unsigned slot = slot_any(change);
	struct key key = leaf_key(change->data, slot);
	uint32_t len = leaf_item_len(change->data, slot);
	uint8_t *copy;

	key.offset++;
	if (leaf_free_bytes(&change->image->geometry, change->data) < len + ITEM_SIZE)
		return;
	copy = malloc(len + 1);
	memcpy(copy, leaf_item_data(change->data, slot), len);
	memcpy(leaf_insert_raw(&change->image->geometry, change->data, slot + 1, &key, len), copy,
	       len);
	free(copy);
	tell_slot(change, "repeated", slot);
}

/* The contents of one item over those of another. */
static void item_copy(const struct change *change)
{
	unsigned from = slot_any(change), to = slot_any(change);
	uint32_t len = MIN(leaf_item_len(change->data, from), leaf_item_len(change->data, to));

	memmove(leaf_item_data_mut(change->data, to), leaf_item_data(change->data, from), len);
	tell(change->story, " contents of slot %u over slot %u;", from, to);
}

/* A pointer to another block, as that block would have it: cycles, shared and foreign subtrees. */
static void pointer_change(const struct change *change)
{
	const struct image *image = change->image;
	const struct image_block *to = &image->blocks[rng_below(change->rng, image->nr_blocks)];
	unsigned slot = slot_any(change);
	uint8_t *ptr = node_ptr_mut(change->data, slot);

	tell_slot(change, "pointer of", slot);
	if (rng_one_in(change->rng, 3))
		to = change->block;
	key_ptr_set_blockptr(ptr, to->addr);
	if (!rng_one_in(change->rng, 4))
		key_ptr_set_generation(ptr, to->generation);
	tell(change->story, " -> %llu;", (unsigned long long)to->addr);
}

/* All of another block, under this one's address. */
static void block_replace(const struct change *change)
{
	const struct image *image = change->image;
	const struct image_block *from = &image->blocks[rng_below(change->rng, image->nr_blocks)];

	memcpy(change->data, image->devices[from->copies[0].device].map + from->copies[0].at,
	       image->geometry.nodesize);
	node_set_addr(change->data, change->block->addr);
	if (!rng_one_in(change->rng, 3))
		node_set_generation(change->data, change->block->generation);
	if (!rng_one_in(change->rng, 3))
		node_set_owner(change->data, change->block->owner);
	tell(change->story, " became block %llu;", (unsigned long long)from->addr);
}

/* ---- blocks ---- */

static void leaf_change_sound(const struct change *change)
{
	switch (rng_below(change->rng, 12)) {
	case 0:
		item_remove(change);
		break;
	case 1:
		item_resize(change);
		break;
	case 2:
		item_repeat(change);
		break;
	case 3:
		item_copy(change);
		break;
	case 4:
		item_key_nudge(change);
		break;
	case 5:
		item_header_change(change);
		break;
	case 6:
		items_swap(change);
		break;
	default:
		item_body_change(change);
	}
}

static void inner_change_sound(const struct change *change)
{
	switch (rng_below(change->rng, 6)) {
	case 0:
		item_remove(change);
		break;
	case 1:
	case 2:
		pointer_change(change);
		break;
	case 3:
		item_key_nudge(change);
		break;
	case 4:
		items_swap(change);
		break;
	default:
		item_header_change(change);
	}
}

static void block_change(const struct change *change)
{
	unsigned what = (unsigned)rng_below(change->rng, 20);

	if (what == 0)
		field_change(change, change->data, field_any(change->rng, header_fields));
	else if (what == 1)
		bytes_change(change, change->data, 32, change->image->geometry.nodesize - 32);
	else if (what == 2)
		block_replace(change);
	else if (!is_sound(change) || !node_nritems(change->data))
		bytes_change(change, change->data, 32, change->image->geometry.nodesize - 32);
	else if (node_level(change->data))
		inner_change_sound(change);
	else
		leaf_change_sound(change);
}

/* Sometimes only one copy is damaged, and the others are good. */
static void block_write(const struct change *change)
{
	const struct image_block *block = change->block;
	bool one = block->nr_copies > 1 && rng_one_in(change->rng, 6);

	node_csum_update(&change->image->geometry, change->data);
	for (unsigned i = 0; i < block->nr_copies; i++) {
		if (one && i)
			continue;
		image_write(change->image, block->copies[i].device, block->copies[i].at,
			    change->data, change->image->geometry.nodesize);
	}
	if (one)
		tell(change->story, " (one copy)");
}

static void block_mutate(struct change *change, unsigned nr_changes)
{
	const struct image *image = change->image;
	const struct image_copy *place;

	/* The small trees that everything hangs on as often as the large ones. */
	for (unsigned i = 0; i < 3; i++) {
		change->block = &image->blocks[rng_below(change->rng, image->nr_blocks)];
		if (change->block->owner < BTRFS_FIRST_FREE_OBJECTID)
			break;
	}
	place = &change->block->copies[0];
	memcpy(change->data, image->devices[place->device].map + place->at,
	       image->geometry.nodesize);
	tell(change->story,
	     "block %llu (tree %llu, level %u):", (unsigned long long)change->block->addr,
	     (unsigned long long)change->block->owner, change->block->level);
	for (unsigned i = 0; i < nr_changes; i++)
		block_change(change);
	block_write(change);
}

/* ---- superblocks ---- */

static void super_copies_write(const struct change *change, uint8_t *super)
{
	const struct image *image = change->image;
	bool all = !rng_one_in(change->rng, 4);

	for (unsigned device = 0; device < image->nr_devices; device++) {
		for (unsigned copy = 0; copy < IMAGE_SUPERS; copy++) {
			uint64_t at = super_mirror_offset((int)copy);

			if (at + SUPER_SIZE > image->devices[device].size_bytes ||
			    (!all && (copy || device)))
				continue;
			memcpy(super + SUPER_DEV_ITEM_AT,
			       device ? image->devices[device].map + at + SUPER_DEV_ITEM_AT :
					super + SUPER_DEV_ITEM_AT,
			       DEV_ITEM_SIZE);
			if (super_bytenr(super) == super_mirror_offset(0) || copy)
				super_set_bytenr(super, at);
			if (csum_type_known(super_csum_type(super)))
				super_csum_update(super);
			image_write(change->image, device, at, super, SUPER_SIZE);
		}
	}
}

static void super_mutate(const struct change *change, unsigned nr_changes)
{
	uint8_t super[SUPER_SIZE];

	memcpy(super, change->image->super, SUPER_SIZE);
	tell(change->story, "superblock:");
	for (unsigned i = 0; i < nr_changes; i++) {
		if (rng_one_in(change->rng, 4))
			bytes_change(change, super, 32,
				     SUPER_SYS_CHUNK_ARRAY_AT +
					     super_sys_chunk_array_size(change->image->super) - 32);
		else
			field_change(change, super, field_any(change->rng, super_fields));
	}
	super_copies_write(change, super);
}

void image_mutate(struct image *image, struct rng *rng, struct story *story)
{
	struct change change = { .image = image, .rng = rng, .story = story };
	unsigned nr_places = rng_one_in(rng, 4) ? 1 + (unsigned)rng_below(rng, 4) : 1;

	story->len = 0;
	story->text[0] = '\0';
	change.data = malloc(image->geometry.nodesize);
	for (unsigned i = 0; i < nr_places; i++) {
		unsigned nr_changes =
			rng_one_in(rng, 4) ? 1 + (unsigned)rng_below(rng, CHANGES_MAX) : 1;

		if (rng_one_in(rng, 8))
			super_mutate(&change, nr_changes);
		else
			block_mutate(&change, nr_changes);
		tell(story, i + 1 < nr_places ? " | " : "");
	}
	free(change.data);
}
