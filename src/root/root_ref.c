/*
 * root_ref: which directory entry of which subvolume leads to a subvolume.
 *
 * ROOT_REF (parent, child) and ROOT_BACKREF (child, parent) carry the same bytes: directory, index,
 * name. Always both or none. Locks: none of its own.
 */
#include <inttypes.h>

#include "root/root_priv.h"

int root_ref_add(struct txn *txn, struct root_table *table, uint64_t parent, uint64_t child,
		 uint64_t dirid, uint64_t index, const char *name, uint16_t name_len)
{
	struct key ref = KEY(parent, BTRFS_ROOT_REF_KEY, child);
	struct key backref = KEY(child, BTRFS_ROOT_BACKREF_KEY, parent);
	uint8_t item[ROOT_REF_SIZE + BTRFS_NAME_LEN];
	uint32_t len = ROOT_REF_SIZE + name_len;
	int err;

	ASSERT(name_len > 0 && name_len <= BTRFS_NAME_LEN);
	root_ref_set_dirid(item, dirid);
	root_ref_set_sequence(item, index);
	root_ref_set_name_len(item, name_len);
	memcpy(item + ROOT_REF_SIZE, name, name_len);
	TRY(tree_insert(txn, root_tree_of(table), &backref, item, len));
	err = tree_insert(txn, root_tree_of(table), &ref, item, len);
	if (err == -ERR_KEY_EXISTS)
		TRY(tree_remove(txn, root_tree_of(table), &backref));
	return err;
}

int root_ref_leads(struct root_table *table, uint64_t parent, uint64_t child, uint64_t dirid,
		   const char *name, size_t name_len, bool *ret_leads)
{
	struct key ref = KEY(parent, BTRFS_ROOT_REF_KEY, child);
	uint8_t item[ROOT_REF_SIZE + BTRFS_NAME_LEN];
	uint32_t len;
	int err = tree_lookup(root_tree_of(table), &ref, item, sizeof(item), &len);

	if (err == -ERR_KEY_NOT_FOUND) {
		*ret_leads = false;
		return 0;
	}
	TRY(err);
	CORRUPT_IF(len < ROOT_REF_SIZE || len > sizeof(item),
		   "the reference of subvolume %" PRIu64 " to %" PRIu64 " has %u bytes", parent,
		   child, len);
	*ret_leads = root_ref_dirid(item) == dirid && root_ref_name_len(item) == name_len &&
		     len == ROOT_REF_SIZE + name_len &&
		     memcmp(item + ROOT_REF_SIZE, name, name_len) == 0;
	return 0;
}

int root_ref_remove(struct txn *txn, struct root_table *table, uint64_t parent, uint64_t child,
		    uint64_t dirid, const char *name, size_t name_len, uint64_t *ret_index)
{
	struct key ref = KEY(parent, BTRFS_ROOT_REF_KEY, child);
	struct key backref = KEY(child, BTRFS_ROOT_BACKREF_KEY, parent);
	uint8_t item[ROOT_REF_SIZE + BTRFS_NAME_LEN];
	uint32_t len;
	bool leads;

	TRY(root_ref_leads(table, parent, child, dirid, name, name_len, &leads));
	if (!leads)
		return THROW(ERR_NOT_FOUND, "\"%.*s\" in subvolume %" PRIu64 " leads nowhere",
			     (int)name_len, name, parent);
	TRY(tree_lookup(root_tree_of(table), &ref, item, sizeof(item), &len));
	CORRUPT_IF(root_ref_sequence(item) < 2,
		   "subvolume %" PRIu64 " has a name with the index %" PRIu64, child,
		   root_ref_sequence(item));
	TRY(tree_remove(txn, root_tree_of(table), &ref));
	TRY(tree_remove(txn, root_tree_of(table), &backref));
	*ret_index = root_ref_sequence(item);
	return 0;
}

int root_ref_find_parent(struct root_table *table, uint64_t child, uint64_t *ret_parent,
			 uint64_t *ret_dirid, char *ret_name)
{
	struct key first = KEY(child, BTRFS_ROOT_BACKREF_KEY, 0);
	SCOPED(cursor) struct cursor cursor;
	const uint8_t *item;
	struct key key = KEY_MIN;
	uint16_t name_len;
	bool exact;
	int err;

	cursor_init(&cursor, root_tree_of(table));
	err = cursor_seek(&cursor, &first, &exact);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0)
		key = cursor_key(&cursor);
	if (err < 0 || key.objectid != child || key.type != BTRFS_ROOT_BACKREF_KEY)
		return THROW(ERR_NOT_FOUND, "subvolume %" PRIu64 " has no parent", child);
	item = cursor_data(&cursor);
	CORRUPT_IF(cursor_len(&cursor) < ROOT_REF_SIZE, "short backref of subvolume %" PRIu64,
		   child);
	name_len = root_ref_name_len(item);
	CORRUPT_IF(name_len > BTRFS_NAME_LEN || name_len > cursor_len(&cursor) - ROOT_REF_SIZE,
		   "the backref of subvolume %" PRIu64 " has a name of %u bytes", child, name_len);
	*ret_parent = key.offset;
	*ret_dirid = root_ref_dirid(item);
	memcpy(ret_name, item + ROOT_REF_SIZE, name_len);
	ret_name[name_len] = '\0';
	return 0;
}
