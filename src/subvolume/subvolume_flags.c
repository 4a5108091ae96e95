/*
 * Properties of subvolumes: read-only, and which one is the default.
 */
#include "base/assert.h"
#include "base/cleanup.h"
#include "codec/name_hash.h"
#include "subvolume/subvolume.h"

#define DEFAULT_NAME "default"

int subvolume_set_readonly(struct inode_table *table, uint64_t subvolid, bool readonly)
{
	struct root *root;
	uint64_t flags;

	TRY(root_get(table->roots, subvolid, &root));
	flags = root_item_flags(root->item);
	flags = readonly ? flags | BTRFS_ROOT_SUBVOL_RDONLY :
			   flags & ~(uint64_t)BTRFS_ROOT_SUBVOL_RDONLY;
	root_item_set_flags(root->item, flags);
	root->item_dirty = true;
	return 0;
}

static int default_read(struct inode_table *table, struct key *ret_key, uint8_t *item,
			uint32_t *ret_len, struct root **ret_root)
{
	int err;

	*ret_key = KEY(BTRFS_ROOT_TREE_DIR_OBJECTID, BTRFS_DIR_ITEM_KEY,
		       name_hash(DEFAULT_NAME, strlen(DEFAULT_NAME)));
	TRY(root_get(table->roots, BTRFS_ROOT_TREE_OBJECTID, ret_root));
	err = tree_lookup(&(*ret_root)->tree, ret_key, item, table->geometry.nodesize, ret_len);
	if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_NOT_FOUND, "the root tree has no entry \"default\"");
	TRY(err);
	CORRUPT_IF(*ret_len < DIR_ITEM_SIZE, "the entry \"default\" of the root tree has %u bytes",
		   *ret_len);
	return 0;
}

int subvolume_set_default(struct txn *txn, struct inode_table *table, uint64_t subvolid)
{
	struct root *roots, *root;
	struct key key;
	uint32_t len;
	int err;

	TRY(root_get(table->roots, subvolid, &root));
	TRY(default_read(table, &key, table->edit, &len, &roots));
	key_store(dir_item_location_mut(table->edit),
		  &KEY(subvolid, BTRFS_ROOT_ITEM_KEY, UINT64_MAX));
	err = tree_replace(txn, &roots->tree, &key, table->edit, len);
	/* A tree that was changed by half. */
	return err < 0 ? txn_abort(txn, err, "setting the default subvolume") : 0;
}

int subvolume_get_default(struct inode_table *table, uint64_t *ret_subvolid)
{
	SCOPED_MEM uint8_t *item = mem_alloc(table->geometry.nodesize);
	struct root *roots;
	struct key key;
	uint32_t len;

	if (!item)
		return MEM_FAIL("the default subvolume");
	TRY(default_read(table, &key, item, &len, &roots));
	*ret_subvolid = key_load(dir_item_location(item)).objectid;
	return 0;
}
