/*
 * Block groups: adding, loading, looking up, trimming, removing.
 *
 * Owns the groups of a space (rbtree by start) and keeps totals and first_free in step with them.
 *
 *   loading -> writable     space_add_group, then space_load_free for each free range
 *   new     -> writable     space_create_group
 *   writable <-> read-only  space_set_read_only
 *   empty   -> removed      space_mark_removed; gone after space_remove_group
 *
 * Lock: space->lock. Nothing here changes the chunk map.
 */
#include "base/bytes.h"
#include "space/space_priv.h"

/* ---- looking up ---- */

static int compare_addr(const void *key, const struct rb_node *node)
{
	uint64_t addr = *(const uint64_t *)key;
	const struct block_group *group = rb_entry(node, struct block_group, node);

	return addr < group->start ? -1 : addr > group->start;
}

struct block_group *group_of_locked(struct space *space, uint64_t addr)
{
	struct rb_node *node = rbtree_find_le(&space->groups, &addr, compare_addr);
	struct block_group *group = node ? rb_entry(node, struct block_group, node) : NULL;

	return group && addr - group->start < group->len_bytes ? group : NULL;
}

struct block_group *group_next_locked(struct space *space, uint64_t start)
{
	struct rb_node *node = rbtree_find_ge(&space->groups, &start, compare_addr);

	return node ? rb_entry(node, struct block_group, node) : NULL;
}

int group_of_range_locked(struct space *space, uint64_t addr, uint64_t len,
			  struct block_group **ret_group)
{
	struct block_group *group = group_of_locked(space, addr);

	CORRUPT_IF(!group || len == 0 || len > group->len_bytes - (addr - group->start),
		   "space at %llu, length %llu, is in no block group", (unsigned long long)addr,
		   (unsigned long long)len);
	*ret_group = group;
	return 0;
}

struct block_group *space_group_of(struct space *space, uint64_t addr)
{
	struct block_group *group;

	mutex_lock(&space->lock);
	group = group_of_locked(space, addr);
	mutex_unlock(&space->lock);
	return group;
}

struct block_group *space_group_next(struct space *space, uint64_t start)
{
	struct block_group *group;

	mutex_lock(&space->lock);
	group = group_next_locked(space, start);
	mutex_unlock(&space->lock);
	return group;
}

enum space_kind group_slot(const struct space *space, const struct block_group *group)
{
	if (group->flags & BTRFS_BLOCK_GROUP_SYSTEM)
		return SPACE_SYSTEM;
	if (group->flags & BTRFS_BLOCK_GROUP_DATA)
		return SPACE_DATA;
	return space_slot(space, SPACE_METADATA);
}

/* May space be given out from it? */
bool group_gives(const struct block_group *group)
{
	return !group->read_only && !group->removed;
}

/* ---- free space in and out ---- */

/* Free space appeared at addr: the search for free space may have to begin there again. */
static void group_lower_first_free(struct space *space, const struct block_group *group,
				   uint64_t addr)
{
	uint64_t *first_free = &space->first_free[group_slot(space, group)];
	uint64_t at, at_len;

	/* The extent that the new space was joined to may begin further down. */
	if (free_index_next(&group->free, addr, &at, &at_len))
		*first_free = MIN(*first_free, at);
}

int group_add_free_locked(struct space *space, struct block_group *group, uint64_t addr,
			  uint64_t len)
{
	TRY(free_index_add(&group->free, addr, len));
	if (group_gives(group)) {
		space->totals[group_slot(space, group)].free_bytes += len;
		group_lower_first_free(space, group, addr);
	}
	return 0;
}

int group_take_free_locked(struct space *space, struct block_group *group, uint64_t addr,
			   uint64_t len)
{
	ASSERT(group_gives(group));
	TRY(free_index_take(&group->free, addr, len));
	space->totals[group_slot(space, group)].free_bytes -= len;
	return 0;
}

/* Its free bytes join (or leave) what can be given out. */
static void group_set_gives(struct space *space, struct block_group *group, bool *flag, bool value)
{
	struct space_totals *totals = &space->totals[group_slot(space, group)];
	bool gave = group_gives(group);

	*flag = value;
	if (gave && !group_gives(group)) {
		totals->free_bytes -= group->free.free_bytes;
	} else if (!gave && group_gives(group)) {
		totals->free_bytes += group->free.free_bytes;
		group_lower_first_free(space, group, group->start);
	}
}

void space_set_read_only(struct space *space, struct block_group *group, bool read_only)
{
	mutex_lock(&space->lock);
	group_set_gives(space, group, &group->read_only, read_only);
	mutex_unlock(&space->lock);
}

/* ---- making ---- */

static void group_free(struct block_group *group)
{
	free_index_fini(&group->free);
	free_index_fini(&group->usable);
	mem_free(group);
}

void group_free_all(struct space *space)
{
	struct rb_node *node;

	while ((node = rbtree_first(&space->groups))) {
		rbtree_remove(&space->groups, node);
		group_free(rb_entry(node, struct block_group, node));
	}
}

/*
 * Another visit may have taken a part already: mirrors have their copies at the same logical
 * addresses.
 */
static int cut_super_range(void *ctx, uint64_t logical, uint64_t len_bytes)
{
	struct block_group *group = ctx;

	return free_index_cut(&group->usable, logical, len_bytes);
}

/*
 * What a group may hold beside its used bytes is only known once its chunk was searched for
 * superblock copies.
 */
static int group_init(struct space *space, struct block_group *group, const struct chunk *chunk)
{
	free_index_init(&group->free);
	free_index_init(&group->usable);
	group->start = chunk->logical;
	group->len_bytes = chunk->len_bytes;
	group->flags = chunk->flags;
	TRY(free_index_add(&group->usable, group->start, group->len_bytes));
	TRY(volume_super_ranges(space->config.volume, chunk, cut_super_range, group));
	group->super_bytes = group->len_bytes - group->usable.free_bytes;
	return 0;
}

/* Checks that a space of this configuration can have the group. */
static int group_check(struct space *space, const struct block_group *group)
{
	uint64_t types = group->flags & BTRFS_BLOCK_GROUP_TYPE_MASK;
	bool shared = types == (BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_METADATA);
	struct block_group *other;

	CORRUPT_IF(!is_pow2(types) && !(shared && space->config.mixed),
		   "block group %llu has the flags 0x%llx", (unsigned long long)group->start,
		   (unsigned long long)group->flags);
	CORRUPT_IF(!is_aligned(group->start | group->len_bytes, space->config.sectorsize) ||
			   group->len_bytes == 0,
		   "block group %llu, length %llu, does not consist of sectors",
		   (unsigned long long)group->start, (unsigned long long)group->len_bytes);
	other = group_next_locked(space, group->start);
	if (group_of_locked(space, group->start) ||
	    (other && other->start < group->start + group->len_bytes))
		return THROW(ERR_EXISTS, "block group %llu is there already",
			     (unsigned long long)group->start);
	return 0;
}

static int group_new(struct space *space, const struct chunk *chunk, struct block_group **ret_group)
{
	struct block_group *group = mem_zalloc(sizeof(*group));
	int ret;

	if (!group)
		return MEM_FAIL("a block group");
	ret = group_init(space, group, chunk);
	if (ret == 0)
		ret = group_check(space, group);
	if (ret < 0) {
		group_free(group);
		return ret;
	}
	*ret_group = group;
	return 0;
}

static void group_link(struct space *space, struct block_group *group)
{
	struct space_totals *totals = &space->totals[group_slot(space, group)];
	struct rb_node *there = rbtree_insert(&space->groups, &group->node);

	ASSERT(!there);
	totals->total_bytes += group->len_bytes;
	totals->super_bytes += group->super_bytes;
	totals->used_bytes += group->used_bytes;
	totals->free_bytes += group_gives(group) ? group->free.free_bytes : 0;
	group_lower_first_free(space, group, group->start);
}

static int group_add_locked(struct space *space, const struct block_group *item,
			    struct block_group **ret_group)
{
	const struct chunk *chunk = chunk_map_find(space->config.volume, item->start);
	struct block_group *group;

	CORRUPT_IF(!chunk || chunk->logical != item->start || chunk->len_bytes != item->len_bytes,
		   "block group %llu, length %llu, has no chunk of its bounds",
		   (unsigned long long)item->start, (unsigned long long)item->len_bytes);
	CORRUPT_IF(chunk->flags != item->flags,
		   "block group %llu has the flags 0x%llx, its chunk 0x%llx",
		   (unsigned long long)item->start, (unsigned long long)item->flags,
		   (unsigned long long)chunk->flags);
	CORRUPT_IF(item->used_bytes > item->len_bytes,
		   "block group %llu of length %llu uses %llu bytes",
		   (unsigned long long)item->start, (unsigned long long)item->len_bytes,
		   (unsigned long long)item->used_bytes);
	TRY(group_new(space, chunk, &group));
	group->used_bytes = item->used_bytes;
	group_link(space, group);
	*ret_group = group;
	return 0;
}

int space_add_group(struct space *space, uint64_t start, uint64_t len, uint64_t flags,
		    uint64_t used, struct block_group **ret_group)
{
	const struct block_group item = {
		.start = start, .len_bytes = len, .flags = flags, .used_bytes = used
	};
	int ret;

	mutex_lock(&space->lock);
	ret = group_add_locked(space, &item, ret_group);
	mutex_unlock(&space->lock);
	return ret;
}

/*
 * A free-space tree knows nothing of superblock copies: only the usable part is given to the
 * index.
 */
static int load_free_locked(struct space *space, struct block_group *group, uint64_t addr,
			    uint64_t len)
{
	uint64_t end = addr + len;
	struct block_group *owner;
	uint64_t at, at_len;

	TRY(group_of_range_locked(space, addr, len, &owner));
	CORRUPT_IF(owner != group, "free space at %llu is not in block group %llu",
		   (unsigned long long)addr, (unsigned long long)group->start);
	CORRUPT_IF(!is_aligned(addr | len, space->config.sectorsize),
		   "free space at %llu, length %llu, does not consist of sectors",
		   (unsigned long long)addr, (unsigned long long)len);
	while (addr < end && free_index_next(&group->usable, addr, &at, &at_len) && at < end) {
		uint64_t from = MAX(at, addr);
		uint64_t to = MIN(at + at_len, end);

		TRY(group_add_free_locked(space, group, from, to - from));
		addr = to;
	}
	return 0;
}

int space_load_free(struct space *space, struct block_group *group, uint64_t addr, uint64_t len)
{
	int ret;

	mutex_lock(&space->lock);
	ret = load_free_locked(space, group, addr, len);
	mutex_unlock(&space->lock);
	return ret;
}

int group_create_locked(struct space *space, const struct chunk *chunk,
			struct block_group **ret_group)
{
	struct block_group *group;
	uint64_t addr, len;
	int ret = 0;

	TRY(group_new(space, chunk, &group));
	group->is_new = true;
	group->dirty = true;
	for (uint64_t at = group->start; free_index_next(&group->usable, at, &addr, &len);
	     at = addr + len) {
		ret = free_index_add(&group->free, addr, len);
		if (ret < 0) {
			group_free(group);
			return ret;
		}
	}
	group_link(space, group);
	*ret_group = group;
	return 0;
}

int space_create_group(struct space *space, const struct chunk *chunk,
		       struct block_group **ret_group)
{
	int ret;

	mutex_lock(&space->lock);
	ret = group_create_locked(space, chunk, ret_group);
	mutex_unlock(&space->lock);
	return ret;
}

/* ---- removing and trimming ---- */

static int group_check_empty(const struct block_group *group)
{
	if (group->used_bytes || group->reserved_bytes || group->pinned_bytes)
		return THROW(ERR_INVALID,
			     "block group %llu is not empty: %llu bytes used, %llu reserved, %llu "
			     "pinned",
			     (unsigned long long)group->start,
			     (unsigned long long)group->used_bytes,
			     (unsigned long long)group->reserved_bytes,
			     (unsigned long long)group->pinned_bytes);
	return 0;
}

int space_mark_removed(struct space *space, struct block_group *group)
{
	int ret;

	mutex_lock(&space->lock);
	ret = group_check_empty(group);
	if (ret == 0) {
		group_set_gives(space, group, &group->removed, true);
		group->dirty = true;
	}
	mutex_unlock(&space->lock);
	return ret;
}

static int remove_group_locked(struct space *space, uint64_t start)
{
	struct block_group *group = group_of_locked(space, start);
	struct space_totals *totals;

	if (!group || group->start != start)
		return THROW(ERR_NOT_FOUND, "there is no block group %llu",
			     (unsigned long long)start);
	TRY(group_check_empty(group));
	group_set_gives(space, group, &group->removed, true);
	totals = &space->totals[group_slot(space, group)];
	totals->total_bytes -= group->len_bytes;
	totals->super_bytes -= group->super_bytes;
	rbtree_remove(&space->groups, &group->node);
	group_free(group);
	return 0;
}

int space_remove_group(struct space *space, uint64_t start)
{
	int ret;

	mutex_lock(&space->lock);
	ret = remove_group_locked(space, start);
	mutex_unlock(&space->lock);
	return ret;
}

/* Steps down from the end over free extents and over what lies under superblock copies. */
static uint64_t group_busy_len(const struct block_group *group)
{
	uint64_t end = group->start + group->len_bytes;
	uint64_t at, len;

	while (end > group->start) {
		if (free_index_prev(&group->free, end, &at, &len) && at + len >= end)
			end = at;
		else if (!free_index_prev(&group->usable, end, &at, &len))
			end = group->start;
		else if (at + len < end)
			end = at + len;
		else
			break;
	}
	return end - group->start;
}

uint64_t space_group_busy_len(struct space *space, struct block_group *group)
{
	uint64_t len;

	mutex_lock(&space->lock);
	len = group_busy_len(group);
	mutex_unlock(&space->lock);
	return len;
}

static int trim_group_locked(struct space *space, struct block_group *group, uint64_t new_len)
{
	struct space_totals *totals = &space->totals[group_slot(space, group)];
	uint64_t cut = group->len_bytes - new_len;
	uint64_t free_before = group->free.free_bytes;
	uint64_t usable_before = group->usable.free_bytes;
	uint64_t super_cut;

	/* Tails are cut without splitting an extent, so none of this allocates. */
	TRY(free_index_cut(&group->usable, group->start + new_len, cut));
	TRY(free_index_cut(&group->free, group->start + new_len, cut));
	super_cut = cut - (usable_before - group->usable.free_bytes);
	if (group_gives(group))
		totals->free_bytes -= free_before - group->free.free_bytes;
	totals->total_bytes -= cut;
	totals->super_bytes -= super_cut;
	group->super_bytes -= super_cut;
	group->len_bytes = new_len;
	group->dirty = true;
	return 0;
}

int space_trim_group(struct space *space, struct block_group *group, uint64_t new_len)
{
	int ret;

	mutex_lock(&space->lock);
	if (new_len == 0 || new_len > group->len_bytes || new_len < group_busy_len(group) ||
	    !is_aligned(new_len, space->config.sectorsize))
		ret = THROW(ERR_INVALID,
			    "block group %llu of length %llu, busy up to %llu, cannot become %llu",
			    (unsigned long long)group->start, (unsigned long long)group->len_bytes,
			    (unsigned long long)group_busy_len(group), (unsigned long long)new_len);
	else
		ret = trim_group_locked(space, group, new_len);
	mutex_unlock(&space->lock);
	return ret;
}
