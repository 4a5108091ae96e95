/*
 * Creating a subvolume: a tree with a root item, a top directory, a name in its parent, references
 * both ways, an entry in the uuid tree.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "subvolume/subvolume.h"

#define TOP_MODE (S_IFDIR | 0755)

static void root_item_fill(uint8_t *item, const struct inode_table *table, uint64_t generation,
			   const uint8_t uuid[16])
{
	struct inode_time now = inode_now(table);
	uint8_t *inode = root_item_inode_mut(item);
	uint8_t *times[] = { root_item_ctime_mut(item), root_item_otime_mut(item) };

	memset(item, 0, ROOT_ITEM_SIZE);
	/*
	 * The inode inside a root item is a leftover of the format: Linux writes these values
	 * and reads none.
	 */
	inode_item_set_generation(inode, 1);
	inode_item_set_size(inode, 3);
	inode_item_set_nlink(inode, 1);
	inode_item_set_nbytes(inode, table->geometry.nodesize);
	inode_item_set_mode(inode, TOP_MODE);
	/* Without it Linux takes the flags of the root item for garbage and clears them. */
	inode_item_set_flags(inode, BTRFS_INODE_ROOT_ITEM_INIT);
	root_item_set_generation(item, generation);
	root_item_set_generation_v2(item, generation);
	root_item_set_root_dirid(item, BTRFS_FIRST_FREE_OBJECTID);
	root_item_set_refs(item, 1);
	root_item_set_ctransid(item, generation);
	root_item_set_otransid(item, generation);
	memcpy(root_item_uuid_mut(item), uuid, 16);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		timespec_set_sec(times[i], (uint64_t)now.sec);
		timespec_set_nsec(times[i], now.nsec);
	}
}

static int top_create(struct txn *txn, struct inode_table *table, struct root *root,
		      struct inode **ret_top)
{
	static const unsigned times[] = { INODE_ITEM_ATIME_AT, INODE_ITEM_CTIME_AT,
					  INODE_ITEM_MTIME_AT, INODE_ITEM_OTIME_AT };
	struct inode_time now = inode_now(table);
	SCOPED(inode) struct inode *top = NULL;

	TRY(inode_new(table, root, BTRFS_FIRST_FREE_OBJECTID, txn->generation, &top));
	inode_item_set_mode(top->item, TOP_MODE);
	inode_item_set_nlink(top->item, 1);
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		inode_set_time(top, times[i], now);
	TRY(inode_ref_add(top, BTRFS_FIRST_FREE_OBJECTID, 0, "..", 2));
	*ret_top = top;
	top = NULL;
	return 0;
}

int subvolume_create(struct txn *txn, struct inode_table *table, struct inode *dir,
		     const char *name, size_t name_len, const uint8_t uuid[16],
		     struct inode **ret_top)
{
	SCOPED(inode) struct inode *top = NULL;
	uint8_t item[ROOT_ITEM_SIZE];
	struct root *root;
	struct key location;
	uint64_t id, index;
	int err;

	TRY(root_next_id(table->roots, &id));
	location = KEY(id, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);
	TRY(dir_add(dir, name, name_len, &location, BTRFS_FT_DIR, &index));
	root_item_fill(item, table, txn->generation, uuid);
	err = root_create(txn, table->roots, id, item, &root);
	if (err == 0)
		err = top_create(txn, table, root, &top);
	if (err == 0)
		err = root_ref_add(txn, table->roots, dir->root->objectid, id, dir->ino, index,
				   name, (uint16_t)name_len);
	if (err == 0)
		err = uuid_tree_add(txn, table->roots, uuid, BTRFS_UUID_KEY_SUBVOL, id);
	/* The name is there and the subvolume only in part: law L6. */
	if (err < 0)
		return txn_abort(txn, err, "creating a subvolume");
	*ret_top = top;
	top = NULL;
	return 0;
}
