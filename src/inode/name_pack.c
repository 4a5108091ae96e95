/*
 * Several named entries in one item: find, append, remove.
 */
#include "base/assert.h"
#include "inode/name_pack.h"

static uint32_t dir_name_len(const uint8_t *entry)
{
	return dir_item_name_len(entry);
}

static uint32_t dir_data_len(const uint8_t *entry)
{
	return dir_item_data_len(entry);
}

static uint32_t ref_name_len(const uint8_t *entry)
{
	return inode_ref_name_len(entry);
}

static uint32_t extref_name_len(const uint8_t *entry)
{
	return inode_extref_name_len(entry);
}

static uint32_t no_data(const uint8_t *entry)
{
	(void)entry;
	return 0;
}

const struct pack_kind pack_dir_item = { "directory or attribute item", DIR_ITEM_SIZE, dir_name_len,
					 dir_data_len };
const struct pack_kind pack_inode_ref = { "inode reference", INODE_REF_SIZE, ref_name_len,
					  no_data };
const struct pack_kind pack_inode_extref = { "extended inode reference", INODE_EXTREF_SIZE,
					     extref_name_len, no_data };

int pack_entry_at(const struct pack_kind *kind, const uint8_t *item, uint32_t item_len, uint32_t at,
		  struct pack_entry *ret_entry)
{
	struct pack_entry entry = { .head = item + at, .at = at };

	CORRUPT_IF(item_len - at < kind->head_len, "a %s of %u bytes is cut off at byte %u",
		   kind->what, item_len, at);
	entry.name_len = kind->name_len(entry.head);
	entry.data_len = kind->data_len(entry.head);
	entry.len = kind->head_len + entry.name_len + entry.data_len;
	CORRUPT_IF(item_len - at < entry.len,
		   "a %s of %u bytes: the entry at byte %u reaches over its end", kind->what,
		   item_len, at);
	entry.name = entry.head + kind->head_len;
	entry.data = entry.name + entry.name_len;
	*ret_entry = entry;
	return 0;
}

int pack_find(const struct pack_kind *kind, const uint8_t *item, uint32_t item_len,
	      const char *name, size_t name_len, struct pack_entry *ret_entry)
{
	struct pack_entry entry;

	for (uint32_t at = 0; at < item_len; at += entry.len) {
		TRY(pack_entry_at(kind, item, item_len, at, &entry));
		if (entry.name_len == name_len && memcmp(entry.name, name, name_len) == 0) {
			*ret_entry = entry;
			return 0;
		}
	}
	return -ERR_KEY_NOT_FOUND;
}

int pack_append(struct inode *inode, uint8_t type, uint64_t offset, const void *entry, uint32_t len)
{
	return pack_replace(inode, type, offset, 0, 0, entry, len);
}

int pack_replace(struct inode *inode, uint8_t type, uint64_t offset, uint32_t at, uint32_t old_len,
		 const void *entry, uint32_t len)
{
	uint8_t *edit = inode->table->edit;
	const uint8_t *old = NULL;
	uint32_t item_len = 0;
	uint32_t kept;
	int err;

	err = delayed_get(inode, type, offset, &old, &item_len);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	ASSERT(at + old_len <= item_len);
	kept = item_len - old_len;
	if (kept + len > geometry_max_item(&inode->table->geometry))
		return THROW(ERR_LIMIT, "inode %llu: an item of %u bytes does not fit into a leaf",
			     (unsigned long long)inode->ino, kept + len);
	if (item_len) {
		memcpy(edit, old, at);
		memcpy(edit + at, old + at + old_len, kept - at);
	}
	memcpy(edit + kept, entry, len);
	return delayed_put(inode, type, offset, edit, kept + len, err == 0);
}

int pack_remove(struct inode *inode, uint8_t type, uint64_t offset, uint32_t at, uint32_t len)
{
	uint8_t *edit = inode->table->edit;
	const uint8_t *old;
	uint32_t old_len;

	TRY(delayed_get(inode, type, offset, &old, &old_len));
	ASSERT(at + len <= old_len);
	if (len == old_len)
		return delayed_remove(inode, type, offset);
	memcpy(edit, old, at);
	memcpy(edit + at, old + at + len, old_len - at - len);
	return delayed_put(inode, type, offset, edit, old_len - len, true);
}
