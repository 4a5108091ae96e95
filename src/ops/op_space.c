/*
 * Where the space of a filesystem is: by type and profile, by device, by chunk.
 *
 * Figures that Linux works out at a mount (the global reserve, what df shows) are worked out here
 * by its rules, for a filesystem that nobody uses. Lists are put together under the lock of the
 * filesystem and visited under it.
 */
#include <ubtrfs/admin.h>

#include "base/assert.h"
#include "ops/op_space.h"

/* Linux's order of types. */
static unsigned type_rank(uint64_t flags)
{
	static const uint64_t order[] = { BTRFS_BLOCK_GROUP_DATA, BTRFS_BLOCK_GROUP_SYSTEM,
					  BTRFS_BLOCK_GROUP_METADATA };

	for (unsigned i = 0; i < ARRAY_LEN(order); i++)
		if ((flags & BTRFS_BLOCK_GROUP_TYPE_MASK) == order[i])
			return i;
	return ARRAY_LEN(order);
}

static bool space_before(uint64_t a, uint64_t b)
{
	if (type_rank(a) != type_rank(b))
		return type_rank(a) < type_rank(b);
	return a < b;
}

static int space_list_add(struct space_list *list, const struct block_group *group)
{
	uint64_t flags = group->flags &
			 (BTRFS_BLOCK_GROUP_TYPE_MASK | BTRFS_BLOCK_GROUP_PROFILE_MASK);
	unsigned at = 0;

	while (at < list->nr && space_before(list->spaces[at].flags, flags))
		at++;
	if (at == list->nr || list->spaces[at].flags != flags) {
		CORRUPT_IF(list->nr == SPACES_MAX, "there are block groups of more than %u types",
			   SPACES_MAX);
		memmove(&list->spaces[at + 1], &list->spaces[at],
			(list->nr - at) * sizeof(list->spaces[0]));
		list->spaces[at] = (struct ubtrfs_space){ .flags = flags };
		list->nr++;
	}
	list->spaces[at].total_bytes += group->len_bytes;
	list->spaces[at].used_bytes += group->used_bytes + group->reserved_bytes;
	return 0;
}

int space_list_fill(struct core *core, struct space_list *list)
{
	struct block_group *group;

	list->nr = 0;
	TRY(core_load_groups(core));
	for (group = space_group_next(core->space, 0); group;
	     group = space_group_next(core->space, group->start + group->len_bytes))
		TRY(space_list_add(list, group));
	return 0;
}

/* ---- the global reserve ---- */

#define RESERVE_MAX_BYTES (512 * MIB)
#define UNLINK_ITEMS 6u
/* Bytes that Linux keeps for one item put into a tree: a full path, split at each level. */
static uint64_t item_bytes(const struct core *core)
{
	return (uint64_t)core->geometry.nodesize * BTRFS_MAX_LEVEL * 2;
}

static int add_tree_bytes(struct core *core, uint64_t objectid, uint64_t *bytes, uint64_t *nr)
{
	struct root *root;
	int err = root_get(core->roots, objectid, &root);

	if (err == -ERR_NOT_FOUND)
		return 0;
	TRY(err);
	*bytes += atomic_load(&root->used_bytes);
	(*nr)++;
	return 0;
}

/* What every commit may have to change, or at least what an unlink on a full filesystem takes. */
int global_reserve(struct core *core, uint64_t *ret_bytes)
{
	static const uint64_t trees[] = { BTRFS_EXTENT_TREE_OBJECTID, BTRFS_CSUM_TREE_OBJECTID,
					  BTRFS_FREE_SPACE_TREE_OBJECTID,
					  BTRFS_BLOCK_GROUP_TREE_OBJECTID,
					  BTRFS_RAID_STRIPE_TREE_OBJECTID };
	bool has_free_tree = super_compat_ro_flags(core->super) &
			     BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE;
	uint64_t bytes = 0, nr_items = 1;

	for (unsigned i = 0; i < ARRAY_LEN(trees); i++)
		TRY(add_tree_bytes(core, trees[i], &bytes, &nr_items));
	nr_items += UNLINK_ITEMS + UNLINK_ITEMS * (has_free_tree ? 2 : 1);
	*ret_bytes = MIN(MAX(bytes, nr_items * item_bytes(core)), RESERVE_MAX_BYTES);
	return 0;
}

static int spaces_with_reserve(struct core *core, struct space_list *list)
{
	uint64_t reserve;

	TRY(space_list_fill(core, list));
	TRY(global_reserve(core, &reserve));
	list->spaces[list->nr++] = (struct ubtrfs_space){
		.flags = BTRFS_BLOCK_GROUP_METADATA | UBTRFS_SPACE_GLOBAL_RESERVE,
		.total_bytes = reserve,
	};
	return 0;
}

UBTRFS_API int ubtrfs_space_each(struct ubtrfs *fs,
				 int (*visit)(void *ctx, const struct ubtrfs_space *space),
				 void *ctx)
{
	struct space_list list;
	int ret = FS_READ(fs, spaces_with_reserve(&fs->core, &list));

	for (unsigned i = 0; ret == 0 && i < list.nr; i++)
		ret = visit(ctx, &list.spaces[i]);
	return ret;
}

UBTRFS_API int ubtrfs_used(struct ubtrfs *fs, uint64_t *ret_bytes)
{
	fs_lock_shared(fs);
	*ret_bytes = super_bytes_used(fs->core.super);
	return fs_unlock(fs, 0);
}

/* ---- names ---- */

UBTRFS_API const char *ubtrfs_space_type(uint64_t flags)
{
	if (flags & UBTRFS_SPACE_GLOBAL_RESERVE)
		return "GlobalReserve";
	switch (flags & BTRFS_BLOCK_GROUP_TYPE_MASK) {
	case BTRFS_BLOCK_GROUP_DATA:
		return "Data";
	case BTRFS_BLOCK_GROUP_SYSTEM:
		return "System";
	case BTRFS_BLOCK_GROUP_METADATA:
		return "Metadata";
	case BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_METADATA:
		return "Data+Metadata";
	default:
		return "unknown";
	}
}

UBTRFS_API const char *ubtrfs_space_profile(uint64_t flags)
{
	const struct profile *profile = profile_of(flags);

	return profile ? profile->name : "unknown";
}

UBTRFS_API unsigned ubtrfs_profile_copies(uint64_t flags, unsigned *ret_nr_parity)
{
	const struct profile *profile = profile_of(flags);

	*ret_nr_parity = profile ? profile->parity : 0;
	return space_copies(flags);
}

/* ---- devices and chunks ---- */

static int each_device(struct core *core,
		       int (*visit)(void *ctx, const struct ubtrfs_device *device), void *ctx)
{
	struct volume_device *device;

	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++) {
		struct ubtrfs_device out = {
			.devid = device->devid,
			.total_bytes = device->total_bytes,
			.used_bytes = device->used_bytes,
			.size_bytes = device->device ? device->device->size_bytes : 0,
			.path = device->device ? device->device->name : NULL,
			.seed = device->is_seed,
		};
		int ret;

		memcpy(out.uuid, device->uuid, 16);
		ret = visit(ctx, &out);
		if (ret)
			return ret;
	}
	return 0;
}

UBTRFS_API int ubtrfs_device_each(struct ubtrfs *fs,
				  int (*visit)(void *ctx, const struct ubtrfs_device *device),
				  void *ctx)
{
	return FS_READ(fs, each_device(&fs->core, visit, ctx));
}

static int visit_chunk(struct core *core, const struct chunk *chunk,
		       int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk), void *ctx)
{
	SCOPED_MEM struct ubtrfs_stripe *stripes = mem_array(chunk->nr_stripes, sizeof(*stripes));
	const struct block_group *group = space_group_of(core->space, chunk->logical);
	struct ubtrfs_chunk out = {
		.logical = chunk->logical,
		.len_bytes = chunk->len_bytes,
		.flags = chunk->flags,
		.used_bytes = group ? group->used_bytes + group->reserved_bytes : 0,
		.stripe_bytes = chunk_stripe_bytes(chunk),
		.nr_stripes = chunk->nr_stripes,
		.stripes = stripes,
	};

	if (!stripes)
		return MEM_FAIL("a chunk");
	for (unsigned i = 0; i < chunk->nr_stripes; i++)
		stripes[i] =
			(struct ubtrfs_stripe){ chunk->stripes[i].devid, chunk->stripes[i].at.at };
	return visit(ctx, &out);
}

static int each_chunk(struct core *core, int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk),
		      void *ctx)
{
	const struct chunk *chunk;
	int ret = 0;

	TRY(core_load_groups(core));
	for (chunk = chunk_map_next(core->volume, 0); ret == 0 && chunk;
	     chunk = chunk_map_next(core->volume, chunk->logical + chunk->len_bytes))
		ret = visit_chunk(core, chunk, visit, ctx);
	return ret;
}

UBTRFS_API int ubtrfs_chunk_each(struct ubtrfs *fs,
				 int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk),
				 void *ctx)
{
	return FS_READ(fs, each_chunk(&fs->core, visit, ctx));
}

/* ---- the label ---- */

static int set_label(struct core *core, const char *label)
{
	uint8_t *at = super_label_mut(core->super);

	if (!core->writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", core->name);
	if (strlen(label) >= BTRFS_LABEL_SIZE || strchr(label, '\n'))
		return THROW(ERR_INVALID, "a label has at most %u bytes and no newline",
			     BTRFS_LABEL_SIZE - 1);
	memset(at, 0, BTRFS_LABEL_SIZE);
	memcpy(at, label, strlen(label));
	core->super_dirty = true;
	return 0;
}

UBTRFS_API int ubtrfs_set_label(struct ubtrfs *fs, const char *label)
{
	fs_lock(fs);
	return fs_unlock(fs, set_label(&fs->core, label));
}
