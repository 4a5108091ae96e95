/*
 * Inodes as far as they are left: attributes, extended attributes, targets of symlinks.
 *
 * Owns nothing; no locks.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rescue/rescue_priv.h"

int salvage_inode_item(struct tree_view *tree, uint64_t ino, uint8_t ret_item[INODE_ITEM_SIZE],
		       unsigned *ret_state)
{
	struct key key = KEY(ino, BTRFS_INODE_ITEM_KEY, 0);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	int err;

	TRY(tree_cursor_init(&cursor, tree));
	err = tree_cursor_seek(&cursor, &key, &key);
	*ret_state = cursor.state;
	if (err == -ERR_KEY_NOT_FOUND)
		return -ERR_NOT_FOUND;
	TRY(err);
	memcpy(ret_item, tree_cursor_data(&cursor), INODE_ITEM_SIZE);
	return 0;
}

static struct ubtrfs_time time_of(const uint8_t *timespec)
{
	return (struct ubtrfs_time){ (int64_t)timespec_sec(timespec), timespec_nsec(timespec) };
}

/* Linux keeps the minor in the low 20 bits. */
static uint64_t rdev_of(uint64_t rdev)
{
	return makedev((unsigned)(rdev >> 20), (unsigned)rdev & 0xfffff);
}

static void attr_fill(const uint8_t *item, struct ubtrfs_attr *attr)
{
	attr->mode = inode_item_mode(item);
	attr->uid = inode_item_uid(item);
	attr->gid = inode_item_gid(item);
	attr->nlink = inode_item_nlink(item);
	attr->rdev = rdev_of(inode_item_rdev(item));
	attr->size = inode_item_size(item);
	attr->allocated_bytes = inode_item_nbytes(item);
	attr->generation = inode_item_generation(item);
	attr->flags = inode_item_flags(item);
	attr->atime = time_of(inode_item_atime(item));
	attr->mtime = time_of(inode_item_mtime(item));
	attr->ctime = time_of(inode_item_ctime(item));
	attr->otime = time_of(inode_item_otime(item));
}

/* Other items of an inode whose own is gone: does it exist, and what is it? */
static int type_of_items(struct tree_view *tree, uint64_t ino, uint32_t *ret_mode)
{
	struct key from = KEY(ino, 0, 0), to = KEY(ino, UINT8_MAX, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	int err;

	TRY(tree_cursor_init(&cursor, tree));
	*ret_mode = 0;
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;) {
		uint8_t type = tree_cursor_key(&cursor).type;

		if (type == BTRFS_DIR_ITEM_KEY || type == BTRFS_DIR_INDEX_KEY)
			*ret_mode = S_IFDIR;
		if (type == BTRFS_EXTENT_DATA_KEY)
			*ret_mode = S_IFREG;
		if (*ret_mode)
			return 0;
		/* The next type: references and attributes may be many. */
		from = key_next(KEY(ino, type, UINT64_MAX));
		err = tree_cursor_seek(&cursor, &from, &to);
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

int salvage_getattr(struct rescue_view *view, struct ubtrfs_node node, struct ubtrfs_attr *ret_attr,
		    unsigned *ret_state)
{
	uint8_t item[INODE_ITEM_SIZE];
	struct ubtrfs_attr attr = { .node = node };
	struct tree_view *tree;
	unsigned state;
	int err;

	TRY(view_tree(view, node.subvolid, &tree));
	err = salvage_inode_item(tree, node.ino, item, &state);
	if (err == -ERR_NOT_FOUND) {
		if (!state)
			return THROW(ERR_NOT_FOUND, "subvolume %llu has no inode %llu",
				     (unsigned long long)node.subvolid,
				     (unsigned long long)node.ino);
		state |= UBTRFS_RESCUE_NO_INODE;
		TRY(type_of_items(tree, node.ino, &attr.mode));
		if (!attr.mode && node.ino == UBTRFS_ROOT_INO)
			attr.mode = S_IFDIR;
	} else {
		TRY(err);
		attr_fill(item, &attr);
	}
	*ret_attr = attr;
	*ret_state = state;
	return 0;
}

int salvage_listxattr(struct rescue_view *view, struct ubtrfs_node node,
		      int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
				   size_t len),
		      void *ctx, unsigned *ret_state)
{
	struct key from = KEY(node.ino, BTRFS_XATTR_ITEM_KEY, 0);
	struct key to = KEY(node.ino, BTRFS_XATTR_ITEM_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *tree;
	int err;

	TRY(view_tree(view, node.subvolid, &tree));
	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		const uint8_t *item = tree_cursor_data(&cursor);
		uint32_t len = tree_cursor_len(&cursor);

		/* The validator has walked it. */
		for (uint32_t at = 0; at < len;) {
			const uint8_t *entry = item + at;
			uint16_t name_len = dir_item_name_len(entry);
			uint16_t data_len = dir_item_data_len(entry);
			const char *name = (const char *)entry + DIR_ITEM_SIZE;
			int ret = visit(ctx, name, name_len, name + name_len, data_len);

			if (ret)
				return ret;
			at += DIR_ITEM_SIZE + name_len + data_len;
		}
	}
	*ret_state = cursor.state;
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

/* ---- targets of symlinks ---- */

struct target {
	char *text;
	size_t capacity, len;
	bool lost;
};

static int target_data(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct target *target = ctx;

	if (offset != target->len || len > target->capacity - target->len)
		return THROW(ERR_CORRUPT, "the target of a symbolic link is too long");
	memcpy(target->text + target->len, data, len);
	target->len += len;
	return 0;
}

static int target_lost(void *ctx, uint64_t offset, uint64_t len, const char *why)
{
	struct target *target = ctx;

	(void)offset;
	(void)len;
	(void)why;
	target->lost = true;
	return 0;
}

int salvage_readlink(struct rescue_view *view, struct ubtrfs_node node, char *target,
		     size_t capacity, size_t *ret_len, unsigned *ret_state)
{
	struct target to = { .text = target, .capacity = capacity };
	struct ubtrfs_rescue_sink sink = { .data = target_data, .lost = target_lost, .ctx = &to };
	uint64_t end;

	TRY(salvage_read(view, node, &sink, &end, ret_state));
	if (!to.len || to.lost)
		return THROW(ERR_CORRUPT, "the target of symbolic link %llu is lost",
			     (unsigned long long)node.ino);
	*ret_len = to.len;
	return 0;
}
