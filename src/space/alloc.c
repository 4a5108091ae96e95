/*
 * Allocation: which address is given out, and the states that it passes through afterwards.
 *
 * The lowest address that fits is given out, always: nothing depends on time, pointers or threads
 * beyond the order of the calls. Per slot the space remembers below which address no unit (sector
 * of data, node) is free; it is raised here and lowered when space becomes free (block_group.c), so
 * that full groups are not searched again and again. Growing is not done here: ERR_NO_SPACE goes up
 * to the door. Lock: space->lock.
 */
#include "base/bytes.h"
#include "space/space_priv.h"

static uint64_t slot_unit(const struct space *space, enum space_kind slot)
{
	return slot == SPACE_DATA ? space->config.sectorsize : space->config.nodesize;
}

/* A group of the slot from which space may be given out, at or behind addr. */
static struct block_group *slot_group_from(struct space *space, enum space_kind slot, uint64_t addr)
{
	struct block_group *group = group_of_locked(space, addr);
	struct rb_node *node;

	if (!group)
		group = group_next_locked(space, addr);
	while (group && (group_slot(space, group) != slot || !group_gives(group))) {
		node = rb_next(&group->node);
		group = node ? rb_entry(node, struct block_group, node) : NULL;
	}
	return group;
}

static struct block_group *slot_group_next(struct space *space, const struct block_group *group)
{
	return slot_group_from(space, group_slot(space, group), group->start + group->len_bytes);
}

/* The lowest fitting address at or behind from, over the groups of a slot. */
static bool slot_find(struct space *space, enum space_kind slot, uint64_t from, uint64_t len,
		      uint64_t align, struct block_group **ret_group, uint64_t *ret_addr)
{
	struct block_group *group = slot_group_from(space, slot, from);

	for (; group; group = slot_group_next(space, group)) {
		if (free_index_find(&group->free, from, len, align, ret_addr)) {
			*ret_group = group;
			return true;
		}
	}
	return false;
}

/* Raises first_free to the first free unit of the slot; false when there is none. */
static bool slot_advance(struct space *space, enum space_kind slot)
{
	uint64_t *first_free = &space->first_free[slot];
	uint64_t unit = slot_unit(space, slot);
	struct block_group *group;

	if (slot_find(space, slot, *first_free, unit, unit, &group, first_free))
		return true;
	*first_free = UINT64_MAX;
	return false;
}

/* Free becomes reserved. */
static int group_reserve(struct space *space, struct block_group *group, uint64_t addr,
			 uint64_t len)
{
	TRY(group_take_free_locked(space, group, addr, len));
	group->reserved_bytes += len;
	space->totals[group_slot(space, group)].reserved_bytes += len;
	return 0;
}

static int alloc_node_locked(struct space *space, enum space_kind slot, uint64_t hint,
			     uint64_t *ret_addr)
{
	uint64_t len = space->config.nodesize;
	struct block_group *group = hint ? group_of_locked(space, hint) : NULL;
	uint64_t addr;

	/*
	 * Stripes begin at multiples of their length, which nodesize divides: an aligned node is
	 * in one.
	 */
	if (group && group_slot(space, group) == slot && group_gives(group) &&
	    free_index_find(&group->free, group->start, len, len, &addr))
		goto found;
	if (slot_advance(space, slot) &&
	    slot_find(space, slot, space->first_free[slot], len, len, &group, &addr))
		goto found;
	return THROW(ERR_NO_SPACE, "no block group of kind %d has %llu bytes for a tree block",
		     (int)slot, (unsigned long long)len);
found:
	TRY(group_reserve(space, group, addr, len));
	*ret_addr = addr;
	return 0;
}

int space_alloc_node(struct space *space, enum space_kind kind, uint64_t hint, uint64_t *ret_addr)
{
	int ret;

	ASSERT(kind == SPACE_METADATA || kind == SPACE_SYSTEM);
	mutex_lock(&space->lock);
	ret = alloc_node_locked(space, space_slot(space, kind), hint, ret_addr);
	mutex_unlock(&space->lock);
	return ret;
}

/* The longest extent of all data groups; the lowest of equals. */
static bool data_longest(struct space *space, struct block_group **ret_group, uint64_t *ret_addr,
			 uint64_t *ret_len)
{
	struct block_group *group = slot_group_from(space, SPACE_DATA, 0);
	uint64_t longest = 0;
	uint64_t addr, len;

	for (; group; group = slot_group_next(space, group)) {
		if (!free_index_longest(&group->free, &addr, &len) || len <= longest)
			continue;
		longest = len;
		*ret_group = group;
		*ret_addr = addr;
		*ret_len = len;
	}
	return longest > 0;
}

static int alloc_data_locked(struct space *space, uint64_t len, uint64_t min_len,
			     uint64_t *ret_addr, uint64_t *ret_len)
{
	struct block_group *group;
	uint64_t addr;
	uint64_t found_len = 0;

	if (slot_advance(space, SPACE_DATA)) {
		if (slot_find(space, SPACE_DATA, space->first_free[SPACE_DATA], len,
			      space->config.sectorsize, &group, &addr))
			found_len = len;
		else if (!data_longest(space, &group, &addr, &found_len))
			found_len = 0;
	}
	if (found_len < min_len)
		return THROW(ERR_NO_SPACE, "no block group has %llu contiguous bytes for data",
			     (unsigned long long)min_len);
	TRY(group_reserve(space, group, addr, found_len));
	*ret_addr = addr;
	*ret_len = found_len;
	return 0;
}

int space_alloc_data(struct space *space, uint64_t len, uint64_t min_len, uint64_t *ret_addr,
		     uint64_t *ret_len)
{
	int ret;

	ASSERT(min_len > 0 && min_len <= len);
	ASSERT(is_aligned(len | min_len, space->config.sectorsize));
	mutex_lock(&space->lock);
	ret = alloc_data_locked(space, len, min_len, ret_addr, ret_len);
	mutex_unlock(&space->lock);
	return ret;
}

/* ---- the states after allocation ---- */

/*
 * The group of a range that somebody holds; have_bytes tells how much of the expected state the
 * group has.
 */
static int held_range(struct space *space, uint64_t addr, uint64_t len, size_t bytes_at,
		      struct block_group **ret_group)
{
	struct block_group *group;
	uint64_t have_bytes;

	TRY(group_of_range_locked(space, addr, len, &group));
	have_bytes = *(const uint64_t *)((const char *)group + bytes_at);
	CORRUPT_IF(free_index_overlaps(&group->free, addr, len),
		   "space at %llu, length %llu, is in use but free in its block group",
		   (unsigned long long)addr, (unsigned long long)len);
	CORRUPT_IF(pinned_overlaps_locked(space, addr, len),
		   "space at %llu, length %llu, was freed already", (unsigned long long)addr,
		   (unsigned long long)len);
	CORRUPT_IF(have_bytes < len, "block group %llu counts %llu bytes %s, less than %llu",
		   (unsigned long long)group->start, (unsigned long long)have_bytes,
		   bytes_at == offsetof(struct block_group, used_bytes) ? "used" : "reserved",
		   (unsigned long long)len);
	*ret_group = group;
	return 0;
}

#define HELD_USED offsetof(struct block_group, used_bytes)
#define HELD_RESERVED offsetof(struct block_group, reserved_bytes)

static int give_back_locked(struct space *space, uint64_t addr, uint64_t len)
{
	struct block_group *group;

	TRY(held_range(space, addr, len, HELD_RESERVED, &group));
	TRY(group_add_free_locked(space, group, addr, len));
	group->reserved_bytes -= len;
	space->totals[group_slot(space, group)].reserved_bytes -= len;
	return 0;
}

static int account_used_locked(struct space *space, uint64_t addr, uint64_t len)
{
	struct space_totals *totals;
	struct block_group *group;

	TRY(held_range(space, addr, len, HELD_RESERVED, &group));
	totals = &space->totals[group_slot(space, group)];
	group->reserved_bytes -= len;
	group->used_bytes += len;
	group->dirty = true;
	totals->reserved_bytes -= len;
	totals->used_bytes += len;
	return 0;
}

static int account_freed_locked(struct space *space, uint64_t addr, uint64_t len)
{
	struct space_totals *totals;
	struct block_group *group;

	TRY(held_range(space, addr, len, HELD_USED, &group));
	TRY(pinned_add_locked(space, addr, len));
	totals = &space->totals[group_slot(space, group)];
	group->used_bytes -= len;
	group->pinned_bytes += len;
	group->dirty = true;
	totals->used_bytes -= len;
	totals->pinned_bytes += len;
	return 0;
}

static int pin_reserved_locked(struct space *space, uint64_t addr, uint64_t len)
{
	struct space_totals *totals;
	struct block_group *group;

	TRY(held_range(space, addr, len, HELD_RESERVED, &group));
	TRY(pinned_add_locked(space, addr, len));
	totals = &space->totals[group_slot(space, group)];
	group->reserved_bytes -= len;
	group->pinned_bytes += len;
	totals->reserved_bytes -= len;
	totals->pinned_bytes += len;
	return 0;
}

int space_give_back(struct space *space, uint64_t addr, uint64_t len)
{
	int ret;

	mutex_lock(&space->lock);
	ret = give_back_locked(space, addr, len);
	mutex_unlock(&space->lock);
	return ret;
}

int space_account_used(struct space *space, uint64_t addr, uint64_t len)
{
	int ret;

	mutex_lock(&space->lock);
	ret = account_used_locked(space, addr, len);
	mutex_unlock(&space->lock);
	return ret;
}

int space_account_freed(struct space *space, uint64_t addr, uint64_t len)
{
	int ret;

	mutex_lock(&space->lock);
	ret = account_freed_locked(space, addr, len);
	mutex_unlock(&space->lock);
	return ret;
}

int space_pin_reserved(struct space *space, uint64_t addr, uint64_t len)
{
	int ret;

	mutex_lock(&space->lock);
	ret = pin_reserved_locked(space, addr, len);
	mutex_unlock(&space->lock);
	return ret;
}
