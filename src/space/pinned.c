/*
 * Pinned ranges: what was freed, but is still reachable from the last durable superblock or by a
 * reader's epoch. And ranges that were left: still in use, but by fewer than that superblock tells,
 * so that nobody may write over them yet.
 *
 * One set of ranges per generation in which they were freed or left, oldest first; ranges of one
 * generation are disjoint and joined. A set leaves only whole: after the superblock of its
 * generation is durable (law L8), and when no reader entered at or before that generation (law L4).
 * Lock: space->lock.
 */
#include "base/bytes.h"
#include "space/space_priv.h"

/* Of one generation; with more of them all that there is counts as left. */
#define LEFT_MAX_RANGES 65536u

struct pinned_set {
	struct link link;
	uint64_t generation;
	struct free_index ranges;
	struct free_index left;
	bool left_all;
};

static struct pinned_set *pinned_first(struct space *space)
{
	struct link *link = list_first(&space->pinned);

	return link ? list_entry(link, struct pinned_set, link) : NULL;
}

static void pinned_set_free(struct pinned_set *set)
{
	link_remove(&set->link);
	free_index_fini(&set->ranges);
	free_index_fini(&set->left);
	mem_free(set);
}

void pinned_free_all(struct space *space)
{
	struct pinned_set *set;

	while ((set = pinned_first(space)))
		pinned_set_free(set);
}

/* The set of the running generation, made when it is missing. */
static int pinned_current(struct space *space, struct pinned_set **ret_set)
{
	struct link *link = list_last(&space->pinned);
	struct pinned_set *set = link ? list_entry(link, struct pinned_set, link) : NULL;

	if (!set || set->generation != space->generation) {
		ASSERT(!set || set->generation < space->generation);
		set = mem_zalloc(sizeof(*set));
		if (!set)
			return MEM_FAIL("a set of pinned ranges");
		set->generation = space->generation;
		free_index_init(&set->ranges);
		free_index_init(&set->left);
		list_push_back(&space->pinned, &set->link);
	}
	*ret_set = set;
	return 0;
}

int pinned_add_locked(struct space *space, uint64_t addr, uint64_t len)
{
	struct pinned_set *set;

	TRY(pinned_current(space, &set));
	return free_index_add(&set->ranges, addr, len);
}

bool pinned_overlaps_locked(struct space *space, uint64_t addr, uint64_t len)
{
	list_for_each(&space->pinned, link, next) {
		struct pinned_set *set = list_entry(link, struct pinned_set, link);

		if (free_index_overlaps(&set->ranges, addr, len))
			return true;
	}
	return false;
}

uint64_t pinned_bytes_locked(struct space *space, uint64_t addr, uint64_t len)
{
	uint64_t end = addr + len;
	uint64_t bytes = 0;
	uint64_t at, at_len;

	list_for_each(&space->pinned, link, next) {
		struct pinned_set *set = list_entry(link, struct pinned_set, link);

		for (uint64_t from = addr;
		     free_index_next(&set->ranges, from, &at, &at_len) && at < end;
		     from = at + at_len)
			bytes += MIN(at + at_len, end) - MAX(at, addr);
	}
	return bytes;
}

/* The first range of the set, up to the end of its block group, becomes free. */
static int unpin_first_range(struct space *space, struct pinned_set *set, uint64_t addr,
			     uint64_t len)
{
	struct block_group *group = group_of_locked(space, addr);

	/*
	 * Ranges come from held_range, and a group with pinned bytes cannot be removed or
	 * trimmed.
	 */
	ASSERT(group);
	len = MIN(len, group->start + group->len_bytes - addr);
	ASSERT(group->pinned_bytes >= len);
	TRY(group_add_free_locked(space, group, addr, len));
	group->pinned_bytes -= len;
	space->totals[group_slot(space, group)].pinned_bytes -= len;
	/* The front of a range: does not allocate, so free and pinned agree again. */
	return free_index_take(&set->ranges, addr, len);
}

static int unpin_locked(struct space *space, uint64_t generation, uint64_t oldest_epoch)
{
	struct pinned_set *set;
	uint64_t addr, len;

	while ((set = pinned_first(space)) && set->generation <= generation &&
	       set->generation < oldest_epoch) {
		while (free_index_next(&set->ranges, 0, &addr, &len))
			TRY(unpin_first_range(space, set, addr, len));
		pinned_set_free(set);
	}
	return 0;
}

static int unpin_set_group(struct space *space, struct pinned_set *set,
			   const struct block_group *group)
{
	uint64_t end = group->start + group->len_bytes;
	uint64_t addr, len;

	while (free_index_next(&set->ranges, group->start, &addr, &len) && addr < end)
		TRY(unpin_first_range(space, set, addr, len));
	return 0;
}

int space_unpin_group(struct space *space, struct block_group *group)
{
	int ret = 0;

	mutex_lock(&space->lock);
	list_for_each(&space->pinned, link, next) {
		if (ret == 0)
			ret = unpin_set_group(space, list_entry(link, struct pinned_set, link),
					      group);
	}
	mutex_unlock(&space->lock);
	return ret;
}

int space_unpin(struct space *space, uint64_t generation, uint64_t oldest_epoch)
{
	int ret;

	mutex_lock(&space->lock);
	ret = unpin_locked(space, generation, oldest_epoch);
	mutex_unlock(&space->lock);
	return ret;
}

/* ---- left ---- */

static int note_left_locked(struct space *space, uint64_t addr, uint64_t len)
{
	struct pinned_set *set;

	TRY(pinned_current(space, &set));
	if (set->left_all)
		return 0;
	TRY(free_index_cut(&set->left, addr, len));
	if (set->left.nr_extents < LEFT_MAX_RANGES)
		return free_index_add(&set->left, addr, len);
	set->left_all = true;
	free_index_fini(&set->left);
	free_index_init(&set->left);
	return 0;
}

int space_note_left(struct space *space, uint64_t addr, uint64_t len)
{
	int ret;

	mutex_lock(&space->lock);
	ret = note_left_locked(space, addr, len);
	mutex_unlock(&space->lock);
	return ret;
}

bool space_was_left(struct space *space, uint64_t addr, uint64_t len)
{
	bool was_left = false;

	mutex_lock(&space->lock);
	list_for_each(&space->pinned, link, next) {
		const struct pinned_set *set = list_entry(link, struct pinned_set, link);

		was_left |= set->left_all || free_index_overlaps(&set->left, addr, len);
	}
	mutex_unlock(&space->lock);
	return was_left;
}

void space_set_generation(struct space *space, uint64_t generation)
{
	mutex_lock(&space->lock);
	ASSERT(generation >= space->generation);
	space->generation = generation;
	mutex_unlock(&space->lock);
}
