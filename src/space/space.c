/*
 * space: making and freeing, the totals, and the audit.
 *
 * Owns struct space. The totals per slot are kept in step by whoever changes a group; space_audit
 * counts everything again from the groups, their indexes and the pinned ranges, and compares. Lock:
 * space->lock (RANK_SPACE). The queue has its own, taken before.
 */
#include "base/bytes.h"
#include "space/space_priv.h"

enum space_kind space_slot(const struct space *space, enum space_kind kind)
{
	ASSERT(kind < SPACE_KINDS);
	return space->config.mixed && kind == SPACE_METADATA ? SPACE_DATA : kind;
}

static int compare_groups(const struct rb_node *a, const struct rb_node *b)
{
	const struct block_group *group_a = rb_entry(a, struct block_group, node);
	const struct block_group *group_b = rb_entry(b, struct block_group, node);

	return group_a->start < group_b->start ? -1 : group_a->start > group_b->start;
}

int space_new(const struct space_config *config, struct space **ret_space)
{
	struct space *space;
	int ret;

	ASSERT(config->volume);
	ASSERT(is_pow2(config->sectorsize) && is_pow2(config->nodesize));
	ASSERT(config->nodesize >= config->sectorsize && config->nodesize <= VOLUME_STRIPE_LEN);
	space = mem_zalloc(sizeof(*space));
	if (!space)
		return MEM_FAIL("the space");
	space->config = *config;
	ret = ref_queue_new(space, &space->ref_queue);
	if (ret < 0) {
		mem_free(space);
		return ret;
	}
	mutex_init(&space->lock, RANK_SPACE, "space");
	rbtree_init(&space->groups, compare_groups);
	list_init(&space->pinned);
	*ret_space = space;
	return 0;
}

void space_free_all(struct space *space)
{
	if (!space)
		return;
	ref_queue_free(space->ref_queue);
	pinned_free_all(space);
	group_free_all(space);
	mutex_fini(&space->lock);
	mem_free(space);
}

struct ref_queue *space_ref_queue(struct space *space)
{
	return space->ref_queue;
}

void space_get_policy(struct space *space, struct chunk_policy *ret_policy)
{
	mutex_lock(&space->lock);
	*ret_policy = space->policy;
	mutex_unlock(&space->lock);
}

void space_set_policy(struct space *space, const struct chunk_policy *policy)
{
	mutex_lock(&space->lock);
	space->policy = *policy;
	mutex_unlock(&space->lock);
}

void space_totals_get(struct space *space, enum space_kind kind, struct space_totals *ret_totals)
{
	mutex_lock(&space->lock);
	*ret_totals = space->totals[space_slot(space, kind)];
	mutex_unlock(&space->lock);
}

uint64_t space_used_total(struct space *space)
{
	uint64_t used = 0;

	mutex_lock(&space->lock);
	for (int slot = 0; slot < SPACE_KINDS; slot++)
		used += space->totals[slot].used_bytes;
	mutex_unlock(&space->lock);
	return used;
}

/* ---- the audit ---- */

struct audit {
	struct space *space;
	const struct block_group *group;
	struct space_totals totals[SPACE_KINDS];
};

static int audit_free_extent(void *ctx, uint64_t addr, uint64_t len)
{
	const struct audit *audit = ctx;
	const struct block_group *group = audit->group;
	uint64_t at, at_len;

	CORRUPT_IF(addr < group->start || addr + len > group->start + group->len_bytes,
		   "block group %llu: free space at %llu, length %llu, lies outside",
		   (unsigned long long)group->start, (unsigned long long)addr,
		   (unsigned long long)len);
	CORRUPT_IF(!free_index_next(&group->usable, addr, &at, &at_len) || at > addr ||
			   at + at_len < addr + len,
		   "block group %llu: free space at %llu, length %llu, lies on a superblock copy",
		   (unsigned long long)group->start, (unsigned long long)addr,
		   (unsigned long long)len);
	CORRUPT_IF(pinned_overlaps_locked(audit->space, addr, len),
		   "block group %llu: space at %llu, length %llu, is free and pinned",
		   (unsigned long long)group->start, (unsigned long long)addr,
		   (unsigned long long)len);
	return 0;
}

static int audit_group(struct audit *audit, const struct block_group *group)
{
	struct space_totals *totals = &audit->totals[group_slot(audit->space, group)];
	uint64_t sum = group->free.free_bytes + group->used_bytes + group->reserved_bytes +
		       group->pinned_bytes + group->super_bytes;

	CORRUPT_IF(sum != group->len_bytes,
		   "block group %llu: free %llu + used %llu + reserved %llu + pinned %llu + super "
		   "%llu is not its length %llu",
		   (unsigned long long)group->start, (unsigned long long)group->free.free_bytes,
		   (unsigned long long)group->used_bytes, (unsigned long long)group->reserved_bytes,
		   (unsigned long long)group->pinned_bytes, (unsigned long long)group->super_bytes,
		   (unsigned long long)group->len_bytes);
	CORRUPT_IF(!free_index_invariant(&group->free) || !free_index_invariant(&group->usable),
		   "block group %llu: its index of free space is out of order",
		   (unsigned long long)group->start);
	CORRUPT_IF(pinned_bytes_locked(audit->space, group->start, group->len_bytes) !=
			   group->pinned_bytes,
		   "block group %llu: its pinned ranges are not %llu bytes",
		   (unsigned long long)group->start, (unsigned long long)group->pinned_bytes);
	audit->group = group;
	TRY(free_index_each(&group->free, audit_free_extent, audit));

	totals->total_bytes += group->len_bytes;
	totals->used_bytes += group->used_bytes;
	totals->reserved_bytes += group->reserved_bytes;
	totals->pinned_bytes += group->pinned_bytes;
	totals->super_bytes += group->super_bytes;
	totals->free_bytes += group_gives(group) ? group->free.free_bytes : 0;
	return 0;
}

static bool totals_equal(const struct space_totals *a, const struct space_totals *b)
{
	return a->total_bytes == b->total_bytes && a->used_bytes == b->used_bytes &&
	       a->reserved_bytes == b->reserved_bytes && a->pinned_bytes == b->pinned_bytes &&
	       a->super_bytes == b->super_bytes && a->free_bytes == b->free_bytes;
}

static int audit_locked(struct space *space)
{
	struct audit audit = { .space = space };
	struct rb_node *node = rbtree_first(&space->groups);
	uint64_t end = 0;

	for (; node; node = rb_next(node)) {
		const struct block_group *group = rb_entry(node, struct block_group, node);

		CORRUPT_IF(group->start < end, "block group %llu overlaps the one before",
			   (unsigned long long)group->start);
		end = group->start + group->len_bytes;
		TRY(audit_group(&audit, group));
	}
	for (int slot = 0; slot < SPACE_KINDS; slot++)
		CORRUPT_IF(!totals_equal(&audit.totals[slot], &space->totals[slot]),
			   "the totals of kind %d are not the sum of its block groups", slot);
	return 0;
}

int space_audit(struct space *space)
{
	int ret;

	mutex_lock(&space->lock);
	ret = audit_locked(space);
	mutex_unlock(&space->lock);
	return ret;
}
