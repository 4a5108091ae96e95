/*
 * What is known of subvolumes: their root items, their names, what quotas count for them.
 */
#include <ubtrfs/subvolume.h>

#include "base/assert.h"
#include "ops/op_paths.h"

static struct ubtrfs_time time_load(const uint8_t *timespec)
{
	return (struct ubtrfs_time){ (int64_t)timespec_sec(timespec), timespec_nsec(timespec) };
}

static void subvolume_load(const struct root *root, struct ubtrfs_subvolume *ret)
{
	const uint8_t *item = root->item;

	*ret = (struct ubtrfs_subvolume){
		.id = root->objectid,
		.generation = root->tree.root_generation,
		.flags = root_item_flags(item),
		.readonly = root_item_flags(item) & BTRFS_ROOT_SUBVOL_RDONLY,
		.deleted = !root_item_refs(item),
		.snapshot = root->item_offset != 0,
		.bytes_used = atomic_load(&root->used_bytes),
		.ctransid = root_item_ctransid(item),
		.otransid = root_item_otransid(item) ? root_item_otransid(item) : root->item_offset,
		.stransid = root_item_stransid(item),
		.rtransid = root_item_rtransid(item),
		.ctime = time_load(root_item_ctime(item)),
		.otime = time_load(root_item_otime(item)),
		.stime = time_load(root_item_stime(item)),
		.rtime = time_load(root_item_rtime(item)),
	};
	memcpy(ret->uuid, root_item_uuid(item), 16);
	memcpy(ret->parent_uuid, root_item_parent_uuid(item), 16);
	memcpy(ret->received_uuid, root_item_received_uuid(item), 16);
}

static int subvolume_info(struct ubtrfs *fs, uint64_t subvolid, struct ubtrfs_subvolume *ret)
{
	struct ubtrfs_subvolume subvolume;
	struct core *core = &fs->core;
	struct root *root;
	int err;

	TRY(fs_settle(fs));
	TRY(subvolume_id_check(subvolid));
	TRY(root_get(core->roots, subvolid, &root));
	subvolume_load(root, &subvolume);
	if (subvolid != BTRFS_FS_TREE_OBJECTID) {
		err = root_ref_find_parent(core->roots, subvolid, &subvolume.parent_id,
					   &subvolume.dir_ino, subvolume.name);
		if (err == -ERR_NOT_FOUND)
			subvolume.deleted = true;
		else
			TRY(err);
	}
	*ret = subvolume;
	return 0;
}

UBTRFS_API int ubtrfs_subvolume_info(struct ubtrfs *fs, uint64_t subvolid,
				     struct ubtrfs_subvolume *ret_subvolume)
{
	return FS_READ(fs, subvolume_info(fs, subvolid, ret_subvolume));
}

/* ---- all of them ---- */

struct id_list {
	uint64_t *ids; /* owned */
	size_t nr, capacity;
};

static int id_list_add(void *ctx, uint64_t objectid)
{
	struct id_list *list = ctx;

	if (list->nr == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		uint64_t *ids = mem_resize(list->ids, capacity * sizeof(*ids));

		if (!ids)
			return MEM_FAIL("the subvolumes");
		list->ids = ids;
		list->capacity = capacity;
	}
	list->ids[list->nr++] = objectid;
	return 0;
}

static int list_ids(struct ubtrfs *fs, struct id_list *list)
{
	TRY(fs_settle(fs));
	TRY(id_list_add(list, BTRFS_FS_TREE_OBJECTID));
	return root_each_subvolume(fs->core.roots, id_list_add, list);
}

UBTRFS_API int ubtrfs_subvolume_each(struct ubtrfs *fs,
				     int (*visit)(void *ctx,
						  const struct ubtrfs_subvolume *subvolume),
				     void *ctx)
{
	struct ubtrfs_subvolume subvolume;
	struct id_list list = { 0 };
	int ret = FS_READ(fs, list_ids(fs, &list));

	/* Visited without the lock: the visitor may ask more. */
	for (size_t i = 0; ret == 0 && i < list.nr; i++) {
		if (i && list.ids[i] == BTRFS_FS_TREE_OBJECTID)
			continue;
		ret = ubtrfs_subvolume_info(fs, list.ids[i], &subvolume);
		if (ret == 0)
			ret = visit(ctx, &subvolume);
	}
	mem_free(list.ids);
	return ret;
}

UBTRFS_API int ubtrfs_subvolume_get_default(struct ubtrfs *fs, uint64_t *ret_subvolid)
{
	return FS_READ(fs, subvolume_get_default(&fs->core.inodes, ret_subvolid));
}

/* ---- quotas ---- */

static int quota_item(struct core *core, uint8_t type, uint64_t qgroupid, uint8_t *item,
		      uint32_t len)
{
	struct key key = KEY(0, type, qgroupid);
	uint32_t got = 0;
	struct root *root;
	int err;

	TRY(root_get(core->roots, BTRFS_QUOTA_TREE_OBJECTID, &root));
	err = tree_lookup(&root->tree, &key, item, len, &got);
	if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_NOT_FOUND, "there is no quota group of subvolume %llu",
			     (unsigned long long)qgroupid);
	TRY(err);
	CORRUPT_IF(got != len, "quota group %llu: an item of %u bytes",
		   (unsigned long long)qgroupid, got);
	return 0;
}

static int subvolume_quota(struct core *core, uint64_t subvolid, struct ubtrfs_quota *ret)
{
	uint8_t info[QGROUP_INFO_SIZE], limit[QGROUP_LIMIT_SIZE];

	TRY(subvolume_id_check(subvolid));
	TRY(quota_item(core, BTRFS_QGROUP_INFO_KEY, subvolid, info, sizeof(info)));
	TRY(quota_item(core, BTRFS_QGROUP_LIMIT_KEY, subvolid, limit, sizeof(limit)));
	*ret = (struct ubtrfs_quota){
		.qgroupid = subvolid,
		.referenced_bytes = qgroup_info_rfer(info),
		.exclusive_bytes = qgroup_info_excl(info),
		.max_referenced_bytes = qgroup_limit_flags(limit) & BTRFS_QGROUP_LIMIT_MAX_RFER ?
						qgroup_limit_max_rfer(limit) :
						UINT64_MAX,
		.max_exclusive_bytes = qgroup_limit_flags(limit) & BTRFS_QGROUP_LIMIT_MAX_EXCL ?
					       qgroup_limit_max_excl(limit) :
					       UINT64_MAX,
	};
	return 0;
}

UBTRFS_API int ubtrfs_subvolume_quota(struct ubtrfs *fs, uint64_t subvolid,
				      struct ubtrfs_quota *ret_quota)
{
	return FS_READ(fs, subvolume_quota(&fs->core, subvolid, ret_quota));
}
