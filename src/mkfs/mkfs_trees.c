/*
 * What stands in each tree of an empty filesystem, item by item, as mkfs.btrfs 6.14 leaves it
 * (generation 1 for all).
 *
 * Reads the layout and the nodes of the round before, fills the items. Free space and block groups
 * tell the truth about the tree blocks of that round; mkfs_build.c repeats until that is also the
 * truth about the round itself.
 */
#include "base/assert.h"
#include "codec/name_hash.h"
#include "mkfs/mkfs_priv.h"

#define DEFAULT_NAME "default"
#define DEFAULT_NAME_LEN 7u
#define DOTS_LEN 2u

static void timespec_fill(const struct mkfs_plan *plan, uint8_t *timespec)
{
	timespec_set_sec(timespec, (uint64_t)plan->time_sec);
	timespec_set_nsec(timespec, plan->time_nsec);
}

/* A directory without entries. */
static int add_directory(struct mkfs_tree *tree, const struct mkfs_plan *plan, uint64_t inode,
			 uint64_t parent)
{
	uint8_t *data;

	TRY(mkfs_tree_add(tree, KEY(inode, BTRFS_INODE_ITEM_KEY, 0), INODE_ITEM_SIZE, &data));
	inode_item_set_generation(data, MKFS_GENERATION);
	inode_item_set_nbytes(data, plan->geometry.nodesize);
	inode_item_set_nlink(data, 1);
	inode_item_set_mode(data, 040755);
	timespec_fill(plan, inode_item_atime_mut(data));
	timespec_fill(plan, inode_item_ctime_mut(data));
	timespec_fill(plan, inode_item_mtime_mut(data));
	timespec_fill(plan, inode_item_otime_mut(data));

	TRY(mkfs_tree_add(tree, KEY(inode, BTRFS_INODE_REF_KEY, parent), INODE_REF_SIZE + DOTS_LEN,
			  &data));
	inode_ref_set_name_len(data, DOTS_LEN);
	memcpy(data + INODE_REF_SIZE, "..", DOTS_LEN);
	return 0;
}

/* ---- root tree ---- */

static bool is_file_tree(uint64_t owner)
{
	return owner == BTRFS_FS_TREE_OBJECTID || owner == BTRFS_DATA_RELOC_TREE_OBJECTID;
}

static int add_root_item(struct mkfs_build *build, const struct mkfs_tree *of)
{
	const struct mkfs_plan *plan = build->plan;
	const struct mkfs_node *root = mkfs_tree_root(of);
	uint8_t *data, *inode;

	TRY(mkfs_tree_add(&build->trees[MKFS_TREE_ROOT], KEY(of->owner, BTRFS_ROOT_ITEM_KEY, 0),
			  ROOT_ITEM_SIZE, &data));
	inode = root_item_inode_mut(data);
	inode_item_set_generation(inode, MKFS_GENERATION);
	inode_item_set_size(inode, 3);
	inode_item_set_nbytes(inode, plan->geometry.nodesize);
	inode_item_set_nlink(inode, 1);
	inode_item_set_mode(inode, 040755);
	if (is_file_tree(of->owner))
		inode_item_set_flags(inode, BTRFS_INODE_ROOT_ITEM_INIT);
	root_item_set_generation(data, MKFS_GENERATION);
	root_item_set_generation_v2(data, MKFS_GENERATION);
	root_item_set_root_dirid(data, is_file_tree(of->owner) ? BTRFS_FIRST_FREE_OBJECTID : 0);
	root_item_set_bytenr(data, root ? root->addr : 0);
	root_item_set_level(data, root ? root->level : 0);
	root_item_set_bytes_used(data, of->nr_nodes * plan->geometry.nodesize);
	root_item_set_refs(data, 1);
	if (of->owner == BTRFS_FS_TREE_OBJECTID) {
		memcpy(root_item_uuid_mut(data), plan->fs_tree_uuid, BTRFS_UUID_SIZE);
		timespec_fill(plan, root_item_ctime_mut(data));
		timespec_fill(plan, root_item_otime_mut(data));
	}
	return 0;
}

/* The directory of the root tree, in which "default" names the subvolume to mount. */
static int add_default_subvolume(struct mkfs_build *build)
{
	struct mkfs_tree *tree = &build->trees[MKFS_TREE_ROOT];
	uint64_t dir = BTRFS_ROOT_TREE_DIR_OBJECTID;
	struct key location = KEY(BTRFS_FS_TREE_OBJECTID, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);
	uint64_t hash = name_hash(DEFAULT_NAME, DEFAULT_NAME_LEN);
	uint8_t *data;

	TRY(add_directory(tree, build->plan, dir, dir));
	TRY(mkfs_tree_add(tree, KEY(dir, BTRFS_DIR_ITEM_KEY, hash),
			  DIR_ITEM_SIZE + DEFAULT_NAME_LEN, &data));
	key_store(dir_item_location_mut(data), &location);
	dir_item_set_transid(data, MKFS_GENERATION);
	dir_item_set_name_len(data, DEFAULT_NAME_LEN);
	dir_item_set_type(data, BTRFS_FT_DIR);
	memcpy(data + DIR_ITEM_SIZE, DEFAULT_NAME, DEFAULT_NAME_LEN);

	TRY(mkfs_tree_add(tree, KEY(BTRFS_FS_TREE_OBJECTID, BTRFS_INODE_REF_KEY, dir),
			  INODE_REF_SIZE + DEFAULT_NAME_LEN, &data));
	inode_ref_set_name_len(data, DEFAULT_NAME_LEN);
	memcpy(data + INODE_REF_SIZE, DEFAULT_NAME, DEFAULT_NAME_LEN);
	return 0;
}

static int fill_root_tree(struct mkfs_build *build)
{
	for (unsigned i = 0; i < MKFS_NR_TREES; i++)
		if (build->trees[i].present && i != MKFS_TREE_ROOT && i != MKFS_TREE_CHUNK)
			TRY(add_root_item(build, &build->trees[i]));
	return add_default_subvolume(build);
}

/* ---- chunks and devices ---- */

void mkfs_dev_item_fill(const struct mkfs_build *build, unsigned device_index, uint8_t *item)
{
	const struct mkfs_plan *plan = build->plan;
	const struct mkfs_device *device = &plan->devices[device_index];

	ASSERT(device_index < plan->nr_devices);
	dev_item_set_devid(item, device_index + 1);
	dev_item_set_total_bytes(item, device->total_bytes);
	dev_item_set_bytes_used(item, mkfs_layout_used_bytes(&build->layout, device_index));
	dev_item_set_io_align(item, plan->geometry.sectorsize);
	dev_item_set_io_width(item, plan->geometry.sectorsize);
	dev_item_set_sector_size(item, plan->geometry.sectorsize);
	memcpy(dev_item_uuid_mut(item), device->uuid, BTRFS_UUID_SIZE);
	memcpy(dev_item_fsid_mut(item), plan->fsid, BTRFS_FSID_SIZE);
}

void mkfs_chunk_item_fill(const struct mkfs_plan *plan, const struct mkfs_chunk *chunk,
			  uint8_t *item)
{
	chunk_set_length(item, chunk->len_bytes);
	chunk_set_owner(item, BTRFS_EXTENT_TREE_OBJECTID);
	chunk_set_stripe_len(item, BTRFS_STRIPE_LEN);
	chunk_set_type(item, chunk->flags);
	chunk_set_io_align(item, BTRFS_STRIPE_LEN);
	chunk_set_io_width(item, BTRFS_STRIPE_LEN);
	chunk_set_sector_size(item, plan->geometry.sectorsize);
	chunk_set_num_stripes(item, chunk->nr_stripes);
	chunk_set_sub_stripes(item, chunk->sub_stripes);
	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		uint8_t *stripe = chunk_stripe_mut(item, i);

		stripe_set_devid(stripe, chunk->stripes[i].devid);
		stripe_set_offset(stripe, chunk->stripes[i].at.at);
		memcpy(stripe_dev_uuid_mut(stripe), chunk->stripes[i].dev_uuid, BTRFS_UUID_SIZE);
	}
}

static int fill_chunk_tree(struct mkfs_build *build)
{
	struct mkfs_tree *tree = &build->trees[MKFS_TREE_CHUNK];
	uint8_t *data;

	for (unsigned i = 0; i < build->plan->nr_devices; i++) {
		TRY(mkfs_tree_add(tree, KEY(BTRFS_DEV_ITEMS_OBJECTID, BTRFS_DEV_ITEM_KEY, i + 1),
				  DEV_ITEM_SIZE, &data));
		mkfs_dev_item_fill(build, i, data);
	}
	for (unsigned i = 0; i < build->layout.nr_chunks; i++) {
		const struct mkfs_chunk *chunk = &build->layout.chunks[i];
		struct key key =
			KEY(BTRFS_FIRST_CHUNK_TREE_OBJECTID, BTRFS_CHUNK_ITEM_KEY, chunk->logical);

		TRY(mkfs_tree_add(tree, key, chunk_size_bytes(chunk->nr_stripes), &data));
		mkfs_chunk_item_fill(build->plan, chunk, data);
	}
	return 0;
}

static int add_dev_extents(struct mkfs_build *build, const struct mkfs_chunk *chunk)
{
	uint8_t *data;

	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		const struct stripe *stripe = &chunk->stripes[i];

		TRY(mkfs_tree_add(&build->trees[MKFS_TREE_DEV],
				  KEY(stripe->devid, BTRFS_DEV_EXTENT_KEY, stripe->at.at),
				  DEV_EXTENT_SIZE, &data));
		dev_extent_set_chunk_tree(data, BTRFS_CHUNK_TREE_OBJECTID);
		dev_extent_set_chunk_objectid(data, BTRFS_FIRST_CHUNK_TREE_OBJECTID);
		dev_extent_set_chunk_offset(data, chunk->logical);
		dev_extent_set_length(data, chunk->stripe_bytes);
		memcpy(dev_extent_chunk_tree_uuid_mut(data), build->plan->chunk_tree_uuid,
		       BTRFS_UUID_SIZE);
	}
	return 0;
}

static int fill_dev_tree(struct mkfs_build *build)
{
	struct mkfs_tree *tree = &build->trees[MKFS_TREE_DEV];
	uint8_t *data;

	for (unsigned i = 0; i < build->plan->nr_devices; i++)
		TRY(mkfs_tree_add(tree,
				  KEY(BTRFS_DEV_STATS_OBJECTID, BTRFS_PERSISTENT_ITEM_KEY, i + 1),
				  DEV_STATS_SIZE, &data));
	for (unsigned i = 0; i < build->layout.nr_chunks; i++)
		TRY(add_dev_extents(build, &build->layout.chunks[i]));
	return 0;
}

/* ---- extents, block groups, free space ---- */

static int add_extent(struct mkfs_build *build, uint64_t owner, const struct mkfs_node *node)
{
	bool skinny = build->plan->incompat & BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA;
	struct key key =
		skinny ? KEY(node->addr, BTRFS_METADATA_ITEM_KEY, node->level) :
			 KEY(node->addr, BTRFS_EXTENT_ITEM_KEY, build->plan->geometry.nodesize);
	uint32_t info_bytes = skinny ? 0 : TREE_BLOCK_INFO_SIZE;
	uint8_t *data;

	TRY(mkfs_tree_add(&build->trees[MKFS_TREE_EXTENT], key,
			  EXTENT_ITEM_SIZE + info_bytes + INLINE_REF_SIZE, &data));
	extent_item_set_refs(data, 1);
	extent_item_set_generation(data, MKFS_GENERATION);
	extent_item_set_flags(data, BTRFS_EXTENT_FLAG_TREE_BLOCK);
	if (!skinny) {
		key_store(tree_block_info_key_mut(data + EXTENT_ITEM_SIZE), &node->first_key);
		tree_block_info_set_level(data + EXTENT_ITEM_SIZE, node->level);
	}
	inline_ref_set_type(data + EXTENT_ITEM_SIZE + info_bytes, BTRFS_TREE_BLOCK_REF_KEY);
	inline_ref_set_offset(data + EXTENT_ITEM_SIZE + info_bytes, owner);
	return 0;
}

static int fill_extent_tree(struct mkfs_build *build)
{
	for (unsigned i = 0; i < MKFS_NR_TREES; i++)
		for (size_t n = 0; n < build->trees[i].nr_nodes; n++)
			TRY(add_extent(build, build->trees[i].owner, &build->trees[i].nodes[n]));
	return 0;
}

/* Into the tree of their own, or among the extents. */
static int fill_block_groups(struct mkfs_build *build)
{
	struct mkfs_tree *own = &build->trees[MKFS_TREE_BLOCK_GROUP];
	struct mkfs_tree *tree = own->present ? own : &build->trees[MKFS_TREE_EXTENT];
	uint8_t *data;

	for (unsigned i = 0; i < build->layout.nr_chunks; i++) {
		const struct mkfs_chunk *chunk = &build->layout.chunks[i];
		struct key key = KEY(chunk->logical, BTRFS_BLOCK_GROUP_ITEM_KEY, chunk->len_bytes);

		TRY(mkfs_tree_add(tree, key, BLOCK_GROUP_ITEM_SIZE, &data));
		block_group_item_set_used(data, build->spaces[i].used_bytes);
		block_group_item_set_chunk_objectid(data, BTRFS_FIRST_CHUNK_TREE_OBJECTID);
		block_group_item_set_flags(data, chunk->flags);
	}
	return 0;
}

/* The gaps between what is used; superblock copies lie in them, as the kernel has it. */
static int add_free_space(struct mkfs_tree *tree, const struct mkfs_space *space)
{
	uint64_t end = space->chunk->logical + space->chunk->len_bytes;
	uint64_t at = space->chunk->logical;
	uint32_t nr_extents = 0;
	uint8_t *data;

	for (size_t i = 0; i <= space->nr_used; i++) {
		uint64_t next = i < space->nr_used ? space->used[i].at : end;

		ASSERT(next >= at);
		if (next > at) {
			TRY(mkfs_tree_add(tree, KEY(at, BTRFS_FREE_SPACE_EXTENT_KEY, next - at), 0,
					  &data));
			nr_extents++;
		}
		at = i < space->nr_used ? next + space->used[i].len_bytes : end;
	}
	TRY(mkfs_tree_add(tree,
			  KEY(space->chunk->logical, BTRFS_FREE_SPACE_INFO_KEY,
			      space->chunk->len_bytes),
			  FREE_SPACE_INFO_SIZE, &data));
	free_space_info_set_extent_count(data, nr_extents);
	return 0;
}

static int fill_free_space_tree(struct mkfs_build *build)
{
	for (unsigned i = 0; i < build->layout.nr_chunks; i++)
		TRY(add_free_space(&build->trees[MKFS_TREE_FREE_SPACE], &build->spaces[i]));
	return 0;
}

/* ---- all ---- */

static int fill_uuid_tree(struct mkfs_build *build)
{
	const uint8_t *uuid = build->plan->fs_tree_uuid;
	uint8_t *data;

	TRY(mkfs_tree_add(&build->trees[MKFS_TREE_UUID],
			  KEY(load64(uuid), BTRFS_UUID_KEY_SUBVOL, load64(uuid + 8)),
			  sizeof(uint64_t), &data));
	store64(data, BTRFS_FS_TREE_OBJECTID);
	return 0;
}

int mkfs_trees_fill(struct mkfs_build *build)
{
	uint64_t top = BTRFS_FIRST_FREE_OBJECTID;

	for (unsigned i = 0; i < MKFS_NR_TREES; i++)
		mkfs_tree_clear(&build->trees[i]);
	TRY(fill_chunk_tree(build));
	TRY(fill_root_tree(build));
	TRY(fill_extent_tree(build));
	TRY(fill_block_groups(build));
	TRY(fill_dev_tree(build));
	TRY(add_directory(&build->trees[MKFS_TREE_FS], build->plan, top, top));
	TRY(add_directory(&build->trees[MKFS_TREE_DATA_RELOC], build->plan, top, top));
	TRY(fill_uuid_tree(build));
	if (build->trees[MKFS_TREE_FREE_SPACE].present)
		TRY(fill_free_space_tree(build));
	return 0;
}
