/*
 * From a logical address back to who uses it.
 *
 * Takes the lock of the filesystem for a whole walk; visitors run after it, so that they may ask
 * more.
 */
#include <ubtrfs/inspect.h>

#include "base/assert.h"
#include "ops/op_paths.h"

static int find_extent(struct ubtrfs *fs, uint64_t logical, struct ubtrfs_extent *ret_extent)
{
	struct extent_place place;
	SCOPED(ref_list) struct ref_list refs = { 0 };

	TRY(fs_settle(fs));
	TRY(extent_at(&fs->core.extents, logical, &place));
	TRY(extent_ref_list(&fs->core.extents, place.addr, &refs));
	*ret_extent = (struct ubtrfs_extent){ .logical = place.addr,
					      .len_bytes = place.len_bytes,
					      .metadata = place.metadata,
					      .level = refs.level };
	return 0;
}

UBTRFS_API int ubtrfs_extent_at(struct ubtrfs *fs, uint64_t logical,
				struct ubtrfs_extent *ret_extent)
{
	return FS_READ(fs, find_extent(fs, logical, ret_extent));
}

/* ---- data ---- */

struct referrer_list {
	struct ubtrfs_referrer *referrers; /* owned */
	size_t nr, capacity;
	uint64_t into; /* of the address in the extent */
	bool any_offset;
};

static int referrer_add(void *ctx, const struct extent_owner *owner)
{
	struct referrer_list *list = ctx;
	uint64_t offset = owner->offset;

	if (!list->any_offset && !owner->encoded) {
		if (list->into < owner->extent_offset ||
		    list->into - owner->extent_offset >= owner->len_bytes)
			return 0;
		offset += list->into - owner->extent_offset;
	}
	if (list->nr == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		void *grown = mem_resize(list->referrers, capacity * sizeof(*list->referrers));

		if (!grown)
			return MEM_FAIL("the users of an extent");
		list->referrers = grown;
		list->capacity = capacity;
	}
	list->referrers[list->nr++] = (struct ubtrfs_referrer){ owner->root, owner->inode, offset };
	return 0;
}

static int find_referrers(struct ubtrfs *fs, uint64_t logical, struct referrer_list *list)
{
	SCOPED(backref_walk) struct backref_walk *walk = NULL;
	struct extents *extents = &fs->core.extents;
	struct extent_place place;

	TRY(fs_settle(fs));
	TRY(extent_at(extents, logical, &place));
	if (place.metadata)
		return THROW(ERR_INVALID, "logical address %llu is a tree block, not data",
			     (unsigned long long)logical);
	list->into = logical - place.addr;
	TRY(backref_walk_new(extents, &walk));
	return owner_walk_each(walk, place.addr, place.len_bytes, referrer_add, list);
}

UBTRFS_API int ubtrfs_logical_referrers(struct ubtrfs *fs, uint64_t logical, bool any_offset,
					int (*visit)(void *ctx,
						     const struct ubtrfs_referrer *referrer),
					void *ctx)
{
	struct referrer_list list = { .any_offset = any_offset };
	int ret = FS_READ(fs, find_referrers(fs, logical, &list));

	for (size_t i = 0; ret == 0 && i < list.nr; i++)
		ret = visit(ctx, &list.referrers[i]);
	mem_free(list.referrers);
	return ret;
}

/* ---- tree blocks ---- */

static int find_trees(struct ubtrfs *fs, uint64_t logical, uint64_t **ret_ids, size_t *ret_nr)
{
	SCOPED(backref_walk) struct backref_walk *walk = NULL;
	struct ubtrfs_extent extent;
	const uint64_t *roots;
	size_t nr;

	TRY(find_extent(fs, logical, &extent));
	if (!extent.metadata)
		return THROW(ERR_INVALID, "logical address %llu is data, not a tree block",
			     (unsigned long long)logical);
	TRY(backref_walk_new(&fs->core.extents, &walk));
	TRY(backref_walk_block(walk, extent.logical, (uint8_t)extent.level, &roots, &nr));
	*ret_ids = mem_array(nr + 1, sizeof(**ret_ids));
	if (!*ret_ids)
		return MEM_FAIL("the trees of a tree block");
	if (nr)
		memcpy(*ret_ids, roots, nr * sizeof(*roots));
	*ret_nr = nr;
	return 0;
}

UBTRFS_API int ubtrfs_block_trees(struct ubtrfs *fs, uint64_t logical,
				  int (*visit)(void *ctx, uint64_t tree_id), void *ctx)
{
	SCOPED_MEM uint64_t *ids = NULL;
	size_t nr = 0;
	int ret = FS_READ(fs, find_trees(fs, logical, &ids, &nr));

	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = visit(ctx, ids[i]);
	return ret;
}
