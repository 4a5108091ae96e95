/*
 * Extended attributes: XATTR_ITEM by hash of the name; name and value in a dir_item of type XATTR.
 */
#include "base/mem.h"
#include "codec/name_hash.h"
#include "inode/name_pack.h"

static int xattr_check(const struct inode *inode, const char *name, size_t name_len, size_t len)
{
	uint32_t max = geometry_max_xattr(&inode->table->geometry);

	if (name_len == 0 || name_len > INODE_NAME_MAX)
		return THROW(ERR_INVALID, "inode %llu: an attribute name of %zu bytes",
			     (unsigned long long)inode->ino, name_len);
	if (name_len + len > max)
		return THROW_SYS(ENOSPC,
				 "inode %llu: attribute %.*s: name and value hold at most %u bytes",
				 (unsigned long long)inode->ino, (int)name_len, name, max);
	return 0;
}

/* ret_entry points into the view. */
static int xattr_find(struct inode *inode, const char *name, size_t name_len,
		      struct delayed_view *view, struct pack_entry *ret_entry)
{
	TRY(delayed_view(inode, BTRFS_XATTR_ITEM_KEY, name_hash(name, name_len), view));
	return pack_find(&pack_dir_item, view->data, view->len, name, name_len, ret_entry);
}

/* Where the entry is in its item; of one that is not there nothing. */
static int xattr_place(struct inode *inode, const char *name, size_t name_len, uint32_t *ret_at,
		       uint32_t *ret_len)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	struct pack_entry entry = { .at = 0, .len = 0 };
	int err = xattr_find(inode, name, name_len, &view, &entry);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_at = entry.at;
	*ret_len = entry.len;
	return 0;
}

int xattr_set(struct inode *inode, const char *name, size_t name_len, const void *value, size_t len)
{
	uint32_t entry_len;
	uint64_t hash = name_hash(name, name_len);
	uint32_t old_at, old_len;
	SCOPED_MEM uint8_t *entry = NULL;
	int err;

	TRY(xattr_check(inode, name, name_len, len));
	entry_len = DIR_ITEM_SIZE + (uint32_t)(name_len + len);
	entry = mem_zalloc(entry_len);
	if (!entry)
		return MEM_FAIL("an extended attribute");
	dir_item_set_transid(entry, inode_item_transid(inode->item));
	dir_item_set_name_len(entry, (uint16_t)name_len);
	dir_item_set_data_len(entry, (uint16_t)len);
	dir_item_set_type(entry, BTRFS_FT_XATTR);
	memcpy(entry + DIR_ITEM_SIZE, name, name_len);
	if (len)
		memcpy(entry + DIR_ITEM_SIZE + name_len, value, len);
	TRY(xattr_place(inode, name, name_len, &old_at, &old_len));
	err = pack_replace(inode, BTRFS_XATTR_ITEM_KEY, hash, old_at, old_len, entry, entry_len);
	/* Others of the same hash are in the item too. */
	if (err == -ERR_LIMIT)
		return THROW_SYS(ENOSPC, "inode %llu: no room for attribute %.*s beside others",
				 (unsigned long long)inode->ino, (int)name_len, name);
	TRY(err);
	acl_note(inode, name, name_len, true);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(inode->table));
	return 0;
}

int xattr_remove(struct inode *inode, const char *name, size_t name_len)
{
	uint32_t at, len;

	TRY(xattr_place(inode, name, name_len, &at, &len));
	if (!len)
		return -ERR_KEY_NOT_FOUND;
	TRY(pack_remove(inode, BTRFS_XATTR_ITEM_KEY, name_hash(name, name_len), at, len));
	acl_note(inode, name, name_len, false);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(inode->table));
	return 0;
}

int xattr_get(struct inode *inode, const char *name, size_t name_len, uint8_t *ret_value,
	      uint32_t *ret_len)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	struct pack_entry entry;

	TRY(xattr_find(inode, name, name_len, &view, &entry));
	memcpy(ret_value, entry.data, entry.data_len);
	*ret_len = entry.data_len;
	return 0;
}

int xattr_visit_item(const uint8_t *item, uint32_t len,
		     int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
				  size_t len),
		     void *ctx)
{
	struct pack_entry entry;

	for (uint32_t at = 0; at < len; at += entry.len) {
		int stop;

		TRY(pack_entry_at(&pack_dir_item, item, len, at, &entry));
		stop = visit(ctx, (const char *)entry.name, entry.name_len, entry.data,
			     entry.data_len);
		if (stop)
			return stop;
	}
	return 0;
}

int xattr_next(struct inode *inode, uint64_t *offset, uint8_t *ret_item, uint32_t *ret_len)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };

	TRY(delayed_next(inode, BTRFS_XATTR_ITEM_KEY, *offset, &view));
	*offset = view.key.offset;
	*ret_len = view.len;
	memcpy(ret_item, view.data, view.len);
	return 0;
}
