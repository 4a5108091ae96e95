/*
 * The superblock of an empty filesystem. Owns the values only; address of the copy and checksum
 * are super_write's.
 *
 * cache_generation stays 0, also without a free-space tree (mkfs.btrfs has all ones there): the
 * kernel then keeps no free-space cache of version 1, and does not warn that it is deprecated. The
 * uuid tree is complete, so its generation is told and the kernel need not search.
 */
#include "base/assert.h"
#include "mkfs/mkfs_priv.h"

static const struct mkfs_node *root_of(const struct mkfs_build *build, enum mkfs_tree_nr nr)
{
	const struct mkfs_node *root = mkfs_tree_root(&build->trees[nr]);

	ASSERT(root);
	return root;
}

static uint64_t total_bytes(const struct mkfs_plan *plan)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < plan->nr_devices; i++)
		total += plan->devices[i].total_bytes;
	return total;
}

/* What the superblock's backup remembers of the commit before: here, of this one. */
static void fill_backup(const struct mkfs_build *build, uint8_t *backup)
{
#define BACKUP_ROOT(name, nr)                                                      \
	do {                                                                       \
		root_backup_set_##name(backup, root_of(build, nr)->addr);          \
		root_backup_set_##name##_gen(backup, MKFS_GENERATION);             \
		root_backup_set_##name##_level(backup, root_of(build, nr)->level); \
	} while (0)
	BACKUP_ROOT(tree_root, MKFS_TREE_ROOT);
	BACKUP_ROOT(chunk_root, MKFS_TREE_CHUNK);
	BACKUP_ROOT(extent_root, MKFS_TREE_EXTENT);
	BACKUP_ROOT(fs_root, MKFS_TREE_FS);
	BACKUP_ROOT(dev_root, MKFS_TREE_DEV);
	BACKUP_ROOT(csum_root, MKFS_TREE_CSUM);
#undef BACKUP_ROOT
	root_backup_set_total_bytes(backup, total_bytes(build->plan));
	root_backup_set_bytes_used(backup, mkfs_build_used_bytes(build));
	root_backup_set_num_devices(backup, build->plan->nr_devices);
}

static void fill_sys_chunk_array(const struct mkfs_build *build, uint8_t *super)
{
	const struct mkfs_chunk *chunk = &build->layout.chunks[MKFS_CHUNK_SYSTEM];
	struct key key = KEY(BTRFS_FIRST_CHUNK_TREE_OBJECTID, BTRFS_CHUNK_ITEM_KEY, chunk->logical);
	uint32_t size_bytes = KEY_DISK_SIZE + chunk_size_bytes(chunk->nr_stripes);
	uint8_t *array = super_sys_chunk_array_mut(super);

	ASSERT(size_bytes <= BTRFS_SYSTEM_CHUNK_ARRAY_SIZE);
	key_store(array, &key);
	mkfs_chunk_item_fill(build->plan, chunk, array + KEY_DISK_SIZE);
	super_set_sys_chunk_array_size(super, size_bytes);
}

static void fill_geometry(const struct geometry *g, uint8_t *super)
{
	super_set_sectorsize(super, g->sectorsize);
	super_set_nodesize(super, g->nodesize);
	super_set_leafsize(super, g->nodesize);
	super_set_stripesize(super, g->sectorsize);
	super_set_csum_type(super, (uint16_t)g->csum_type);
}

void mkfs_super_fill(const struct mkfs_build *build, unsigned device_index, uint8_t *super)
{
	const struct mkfs_plan *plan = build->plan;
	const struct mkfs_node *root = root_of(build, MKFS_TREE_ROOT);
	const struct mkfs_node *chunk_root = root_of(build, MKFS_TREE_CHUNK);

	memset(super, 0, SUPER_SIZE);
	memcpy(super_fsid_mut(super), plan->fsid, BTRFS_FSID_SIZE);
	memcpy(super_label_mut(super), plan->label, strnlen(plan->label, BTRFS_LABEL_SIZE - 1));
	super_set_flags(super, BTRFS_HEADER_FLAG_WRITTEN);
	super_set_magic(super, plan->magic);
	super_set_generation(super, MKFS_GENERATION);
	super_set_root(super, root->addr);
	super_set_root_level(super, root->level);
	super_set_chunk_root(super, chunk_root->addr);
	super_set_chunk_root_level(super, chunk_root->level);
	super_set_chunk_root_generation(super, MKFS_GENERATION);
	super_set_total_bytes(super, total_bytes(plan));
	super_set_bytes_used(super, mkfs_build_used_bytes(build));
	super_set_root_dir_objectid(super, BTRFS_ROOT_TREE_DIR_OBJECTID);
	super_set_num_devices(super, plan->nr_devices);
	super_set_compat_ro_flags(super, plan->compat_ro);
	super_set_incompat_flags(super, plan->incompat);
	super_set_uuid_tree_generation(super, MKFS_GENERATION);
	fill_geometry(&plan->geometry, super);
	mkfs_dev_item_fill(build, device_index, super_dev_item_mut(super));
	fill_sys_chunk_array(build, super);
	fill_backup(build, super_root_backup_mut(super, 0));
}
