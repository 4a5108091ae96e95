/*
 * References from an inode to its names: INODE_REF (one item for each parent, several names in it),
 * and INODE_EXTREF (by hash of parent and name) when the former is full.
 */
#include "codec/name_hash.h"
#include "inode/name_pack.h"

static int no_extref(const struct inode *inode, uint64_t parent)
{
	return THROW(
		ERR_TOO_MANY_LINKS,
		"inode %llu has no room for more names in directory %llu (feature extref is off)",
		(unsigned long long)inode->ino, (unsigned long long)parent);
}

static int extref_add(struct inode *inode, uint64_t parent, uint64_t index, const char *name,
		      size_t name_len)
{
	uint8_t entry[INODE_EXTREF_SIZE + INODE_NAME_MAX] = { 0 };

	if (!inode->table->extref)
		return no_extref(inode, parent);
	inode_extref_set_parent_objectid(entry, parent);
	inode_extref_set_index(entry, index);
	inode_extref_set_name_len(entry, (uint16_t)name_len);
	memcpy(entry + INODE_EXTREF_SIZE, name, name_len);
	return pack_append(inode, BTRFS_INODE_EXTREF_KEY, extref_hash(parent, name, name_len),
			   entry, INODE_EXTREF_SIZE + (uint32_t)name_len);
}

int inode_ref_add(struct inode *inode, uint64_t parent, uint64_t index, const char *name,
		  size_t name_len)
{
	uint8_t entry[INODE_REF_SIZE + INODE_NAME_MAX] = { 0 };
	uint32_t len = INODE_REF_SIZE + (uint32_t)name_len;
	const uint8_t *old;
	uint32_t old_len = 0;
	int err;

	err = delayed_get(inode, BTRFS_INODE_REF_KEY, parent, &old, &old_len);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (old_len + len > geometry_max_item(&inode->table->geometry))
		return extref_add(inode, parent, index, name, name_len);
	inode_ref_set_index(entry, index);
	inode_ref_set_name_len(entry, (uint16_t)name_len);
	memcpy(entry + INODE_REF_SIZE, name, name_len);
	return pack_append(inode, BTRFS_INODE_REF_KEY, parent, entry, len);
}

static int ref_find(struct inode *inode, uint64_t parent, const char *name, size_t name_len,
		    struct pack_entry *ret_entry)
{
	const uint8_t *data;
	uint32_t len;

	TRY(delayed_get(inode, BTRFS_INODE_REF_KEY, parent, &data, &len));
	return pack_find(&pack_inode_ref, data, len, name, name_len, ret_entry);
}

/* Bytes in an item that holds names; 0 when there is none. */
static int item_len(struct inode *inode, uint8_t type, uint64_t offset, uint32_t *ret_len)
{
	const uint8_t *data;
	uint32_t len = 0;
	int err = delayed_get(inode, type, offset, &data, &len);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_len = err == 0 ? len : 0;
	return 0;
}

int inode_ref_check_add(struct inode *inode, uint64_t parent, const char *name, size_t name_len,
			const char *leaving, size_t leaving_len)
{
	uint32_t max = geometry_max_item(&inode->table->geometry);
	struct pack_entry entry = { .len = 0 };
	uint32_t len;

	if (leaving_len) {
		int err = ref_find(inode, parent, leaving, leaving_len, &entry);

		if (err < 0 && err != -ERR_KEY_NOT_FOUND)
			return err;
	}
	TRY(item_len(inode, BTRFS_INODE_REF_KEY, parent, &len));
	if (len - entry.len + INODE_REF_SIZE + name_len <= max)
		return 0;
	if (!inode->table->extref)
		return no_extref(inode, parent);
	TRY(item_len(inode, BTRFS_INODE_EXTREF_KEY, extref_hash(parent, name, name_len), &len));
	if (len + INODE_EXTREF_SIZE + name_len > max)
		return THROW(ERR_LIMIT, "inode %llu: an item of its names is full",
			     (unsigned long long)inode->ino);
	return 0;
}

/* An entry of a directory has an index behind those of "." and "..". */
static int index_check(const struct inode *inode, uint64_t index)
{
	CORRUPT_IF(index < 2, "inode %llu has a name with the index %llu",
		   (unsigned long long)inode->ino, (unsigned long long)index);
	return 0;
}

static int extref_find(struct inode *inode, uint64_t parent, const char *name, size_t name_len,
		       struct pack_entry *ret_entry)
{
	const uint8_t *data;
	uint32_t len;

	TRY(delayed_get(inode, BTRFS_INODE_EXTREF_KEY, extref_hash(parent, name, name_len), &data,
			&len));
	for (uint32_t at = 0; at < len; at += ret_entry->len) {
		TRY(pack_entry_at(&pack_inode_extref, data, len, at, ret_entry));
		if (inode_extref_parent_objectid(ret_entry->head) == parent &&
		    ret_entry->name_len == name_len && memcmp(ret_entry->name, name, name_len) == 0)
			return 0;
	}
	return -ERR_KEY_NOT_FOUND;
}

int inode_ref_remove(struct inode *inode, uint64_t parent, const char *name, size_t name_len,
		     uint64_t *ret_index)
{
	struct pack_entry entry;
	uint64_t index;
	int err;

	err = ref_find(inode, parent, name, name_len, &entry);
	if (err == 0) {
		index = inode_ref_index(entry.head);
		TRY(index_check(inode, index));
		TRY(pack_remove(inode, BTRFS_INODE_REF_KEY, parent, entry.at, entry.len));
	} else if (err == -ERR_KEY_NOT_FOUND) {
		err = extref_find(inode, parent, name, name_len, &entry);
		CORRUPT_IF(err == -ERR_KEY_NOT_FOUND,
			   "inode %llu has no reference to its name \"%.*s\" in directory %llu",
			   (unsigned long long)inode->ino, (int)name_len, name,
			   (unsigned long long)parent);
		TRY(err);
		index = inode_extref_index(entry.head);
		TRY(index_check(inode, index));
		TRY(pack_remove(inode, BTRFS_INODE_EXTREF_KEY, extref_hash(parent, name, name_len),
				entry.at, entry.len));
	} else {
		return err;
	}
	*ret_index = index;
	return 0;
}
