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
		return THROW(
			ERR_LIMIT,
			"inode %llu: attribute %.*s of %zu bytes: name and value hold at most %u",
			(unsigned long long)inode->ino, (int)name_len, name, len, max);
	return 0;
}

static int xattr_find(struct inode *inode, const char *name, size_t name_len,
		      struct pack_entry *ret_entry)
{
	const uint8_t *data;
	uint32_t len;

	TRY(delayed_get(inode, BTRFS_XATTR_ITEM_KEY, name_hash(name, name_len), &data, &len));
	return pack_find(&pack_dir_item, data, len, name, name_len, ret_entry);
}

int xattr_set(struct inode *inode, const char *name, size_t name_len, const void *value, size_t len)
{
	uint32_t entry_len;
	uint64_t hash = name_hash(name, name_len);
	struct pack_entry old = { .at = 0, .len = 0 };
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
	err = xattr_find(inode, name, name_len, &old);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	TRY(pack_replace(inode, BTRFS_XATTR_ITEM_KEY, hash, old.at, old.len, entry, entry_len));
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(inode->table));
	return 0;
}

int xattr_get(struct inode *inode, const char *name, size_t name_len, uint8_t *ret_value,
	      uint32_t *ret_len)
{
	struct pack_entry entry;

	TRY(xattr_find(inode, name, name_len, &entry));
	memcpy(ret_value, entry.data, entry.data_len);
	*ret_len = entry.data_len;
	return 0;
}

/* Calls visit for each attribute in one item, from a copy of it. */
static int xattr_visit_item(const uint8_t *item, uint32_t len,
			    int (*visit)(void *ctx, const char *name, size_t name_len,
					 const void *value, size_t len),
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

int xattr_each(struct inode *inode,
	       int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
			    size_t len),
	       void *ctx)
{
	struct key key = KEY(inode->ino, BTRFS_XATTR_ITEM_KEY, 0);
	SCOPED_MEM uint8_t *item = mem_alloc(inode->table->geometry.nodesize);
	int err = 0;

	if (!item)
		return MEM_FAIL("listing attributes");
	while (err == 0) {
		SCOPED(cursor) struct cursor cursor;
		uint32_t len;
		bool exact;

		cursor_init(&cursor, &inode->root->tree);
		err = cursor_seek(&cursor, &key, &exact);
		if (err < 0)
			break;
		key = cursor_key(&cursor);
		if (key.objectid != inode->ino || key.type != BTRFS_XATTR_ITEM_KEY)
			break;
		len = cursor_len(&cursor);
		memcpy(item, cursor_data(&cursor), len);
		cursor_release(&cursor);
		err = xattr_visit_item(item, len, visit, ctx);
		key = key_next(key);
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}
