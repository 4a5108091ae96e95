/*
 * The names of an inode, from the references in its tree: INODE_REF (key: the directory), then
 * INODE_EXTREF. For all names what is still delayed is flushed by the caller; an item is copied out
 * before its names are visited, so that nothing is locked meanwhile. The first name is also found
 * while it is delayed.
 */
#include "base/assert.h"
#include "inode/name_pack.h"

struct name_item {
	struct key key;
	uint32_t len;
	uint8_t *data; /* nodesize */
};

/* The first reference item of the inode at or after *from; ERR_KEY_NOT_FOUND. */
static int name_item_next(struct root *root, uint64_t ino, struct key *from,
			  struct name_item *ret_item)
{
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	cursor_init(&cursor, &root->tree);
	err = cursor_seek(&cursor, from, &exact);
	if (err < 0)
		return err;
	ret_item->key = cursor_key(&cursor);
	if (ret_item->key.objectid != ino || ret_item->key.type > BTRFS_INODE_EXTREF_KEY)
		return -ERR_KEY_NOT_FOUND;
	ret_item->len = cursor_len(&cursor);
	memcpy(ret_item->data, cursor_data(&cursor), ret_item->len);
	*from = key_next(ret_item->key);
	return 0;
}

static int each_name_in(const struct name_item *item, inode_name_fn visit, void *ctx)
{
	bool is_extref = item->key.type == BTRFS_INODE_EXTREF_KEY;
	const struct pack_kind *kind = is_extref ? &pack_inode_extref : &pack_inode_ref;
	struct pack_entry entry;

	for (uint32_t at = 0; at < item->len; at += entry.len) {
		uint64_t parent;
		int ret;

		TRY(pack_entry_at(kind, item->data, item->len, at, &entry));
		parent = is_extref ? inode_extref_parent_objectid(entry.head) : item->key.offset;
		ret = visit(ctx, parent, (const char *)entry.name, entry.name_len);
		if (ret)
			return ret;
	}
	return 0;
}

int inode_each_name(struct inode_table *table, struct root *root, uint64_t ino, inode_name_fn visit,
		    void *ctx)
{
	struct key from = KEY(ino, BTRFS_INODE_REF_KEY, 0);
	SCOPED_MEM uint8_t *data = mem_alloc(table->geometry.nodesize);
	struct name_item item = { .data = data };
	int err, ret;

	if (!data)
		return MEM_FAIL("the names of an inode");
	while ((err = name_item_next(root, ino, &from, &item)) == 0) {
		ret = each_name_in(&item, visit, ctx);
		if (ret)
			return ret;
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int name_take(const struct pack_kind *kind, const struct delayed_view *view,
		     struct inode_name *ret_name)
{
	bool is_extref = kind == &pack_inode_extref;
	struct pack_entry entry;

	TRY(pack_entry_at(kind, view->data, view->len, 0, &entry));
	CORRUPT_IF(!entry.name_len || entry.name_len > INODE_NAME_MAX,
		   "a reference has a name of %u bytes", entry.name_len);
	ret_name->parent = is_extref ? inode_extref_parent_objectid(entry.head) : view->key.offset;
	ret_name->len = entry.name_len;
	memcpy(ret_name->text, entry.name, entry.name_len);
	return 0;
}

int inode_first_name(struct inode *inode, struct inode_name *ret_name)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	int err = delayed_next(inode, BTRFS_INODE_REF_KEY, 0, &view);

	if (err == 0)
		return name_take(&pack_inode_ref, &view, ret_name);
	if (err == -ERR_KEY_NOT_FOUND) {
		TRY(delayed_next(inode, BTRFS_INODE_EXTREF_KEY, 0, &view));
		return name_take(&pack_inode_extref, &view, ret_name);
	}
	return err;
}
