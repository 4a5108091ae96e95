/*
 * Extended attributes: which names there may be, setting, asking, listing.
 *
 * Names, limits and errors are Linux's. ACLs (acl.c) and properties (inode_prop.c) are attributes
 * that mean something: they are checked, and the inode follows them. Keeps no state.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/op_attr.h"

/* Linux takes no larger value of any attribute. */
#define XATTR_VALUE_MAX 65536u

/* What an attribute is by its name. */
enum xattr_space { XATTR_PLAIN, XATTR_USER, XATTR_PROPERTY, XATTR_ACL };
struct xattr_name {
	const char *text;
	size_t len;
	enum xattr_space space;
	enum acl_kind acl;
};

static int name_parse(const char *text, struct xattr_name *ret_name)
{
	static const struct {
		const char *prefix;
		enum xattr_space space;
	} spaces[] = { { "user.", XATTR_USER },
		       { "security.", XATTR_PLAIN },
		       { "trusted.", XATTR_PLAIN },
		       { "btrfs.", XATTR_PROPERTY } };
	struct xattr_name name = { .text = text, .len = strlen(text) };

	if (!name.len || name.len > INODE_NAME_MAX)
		return THROW_SYS(ERANGE, "an attribute name of %zu bytes", name.len);
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		size_t len = strlen(spaces[i].prefix);

		if (strncmp(text, spaces[i].prefix, len) != 0)
			continue;
		if (name.len == len)
			return THROW(ERR_INVALID, "attribute %s has no name behind the dot", text);
		name.space = spaces[i].space;
		*ret_name = name;
		return 0;
	}
	name.space = XATTR_ACL;
	if (!acl_xattr_is(text, name.len, &name.acl))
		return THROW(ERR_UNSUPPORTED, "there are no attributes like %s", text);
	*ret_name = name;
	return 0;
}

static bool has_user_attributes(const struct inode *inode)
{
	return S_ISREG(inode_mode(inode)) || S_ISDIR(inode_mode(inode));
}

static int no_attribute(const struct inode *inode, const char *name)
{
	return THROW_SYS(ENODATA, "inode %llu: attribute %s", (unsigned long long)inode->ino, name);
}

/* What the inode allows to be changed. */
static int change_check(const struct inode *inode, const struct xattr_name *name)
{
	TRY(inode_check_not_append(inode));
	if (name->space == XATTR_USER && !has_user_attributes(inode))
		return THROW_SYS(EPERM,
				 "inode %llu: only files and directories have attributes of users",
				 (unsigned long long)inode->ino);
	return 0;
}

/* ---- setting ---- */

static int flags_check(struct inode *inode, const struct xattr_name *name, unsigned flags)
{
	SCOPED_MEM uint8_t *value = NULL;
	uint32_t len;
	int err;

	if (!flags)
		return 0;
	value = mem_alloc(inode->table->geometry.nodesize);
	if (!value)
		return MEM_FAIL("an attribute");
	err = xattr_get(inode, name->text, name->len, value, &len);
	if (err == -ERR_KEY_NOT_FOUND)
		return flags & UBTRFS_XATTR_REPLACE ? no_attribute(inode, name->text) : 0;
	TRY(err);
	if (flags & UBTRFS_XATTR_CREATE)
		return THROW(ERR_EXISTS, "inode %llu has attribute %s already",
			     (unsigned long long)inode->ino, name->text);
	return 0;
}

/* No value: the property is taken away. */
static int property_set(struct inode *inode, const struct xattr_name *name, const void *value,
			size_t len)
{
	int err;

	if (len) {
		TRY(xattr_set(inode, name->text, name->len, value, len));
	} else {
		err = xattr_remove(inode, name->text, name->len);
		if (err < 0 && err != -ERR_KEY_NOT_FOUND)
			return err;
	}
	prop_apply(inode, value, len);
	return 0;
}

static int value_set(struct inode *inode, const struct xattr_name *name, const void *value,
		     size_t len, unsigned flags)
{
	if (name->space == XATTR_ACL)
		return acl_set(inode, name->acl, value, len);
	TRY(flags_check(inode, name, flags));
	if (name->space == XATTR_PROPERTY)
		return property_set(inode, name, value, len);
	return xattr_set(inode, name->text, name->len, value, len);
}

/* Also when what is taken away was not there (Linux). */
static void changed_now(struct ubtrfs *fs, struct inode *inode)
{
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
}

static int setxattr(struct ubtrfs *fs, struct ubtrfs_node node, const struct xattr_name *name,
		    const void *value, size_t len, unsigned flags)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode_write(fs, node, &inode));
	TRY(change_check(inode, name));
	if (name->space == XATTR_PROPERTY) {
		TRY(prop_check(inode, name->text, value, len));
		/* Of anything else it would mean nothing (Linux). */
		if (!has_user_attributes(inode))
			return 0;
	}
	TRY(door_enter(&fs->core, DIR_ITEM_SIZE + name->len + len, 1));
	inode_begin_change(fs, inode);
	TRY(value_set(inode, name, value, len, flags));
	changed_now(fs, inode);
	return 0;
}

static int setxattr_parse(const char *text, size_t len, unsigned flags, struct xattr_name *ret_name)
{
	if (flags & ~(UBTRFS_XATTR_CREATE | UBTRFS_XATTR_REPLACE))
		return THROW(ERR_INVALID, "unknown flags 0x%x", flags);
	TRY(name_parse(text, ret_name));
	if (len > XATTR_VALUE_MAX)
		return THROW_SYS(E2BIG, "attribute %s of %zu bytes", text, len);
	return 0;
}

UBTRFS_API int ubtrfs_setxattr_flags(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
				     const void *value, size_t len, unsigned flags)
{
	struct xattr_name parsed;
	int err = setxattr_parse(name, len, flags, &parsed);

	if (err < 0)
		return fs_errno(err);
	return FS_CHANGE(fs, setxattr(fs, node, &parsed, value, len, flags));
}

UBTRFS_API int ubtrfs_setxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
			       const void *value, size_t len)
{
	return ubtrfs_setxattr_flags(fs, node, name, value, len, 0);
}

static int removexattr(struct ubtrfs *fs, struct ubtrfs_node node, const struct xattr_name *name)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	TRY(node_inode_write(fs, node, &inode));
	TRY(change_check(inode, name));
	if (name->space == XATTR_ACL && S_ISLNK(inode_mode(inode)))
		return THROW(ERR_UNSUPPORTED, "inode %llu: a symbolic link has no ACL",
			     (unsigned long long)inode->ino);
	if (name->space == XATTR_PROPERTY) {
		TRY(prop_check(inode, name->text, NULL, 0));
		if (!has_user_attributes(inode))
			return 0;
	}
	TRY(door_enter_remove(&fs->core, 1));
	err = xattr_remove(inode, name->text, name->len);
	/* An ACL that is not there may be taken away (Linux). */
	if (err == -ERR_KEY_NOT_FOUND && name->space != XATTR_ACL)
		return no_attribute(inode, name->text);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (name->space == XATTR_PROPERTY)
		prop_apply(inode, NULL, 0);
	inode_begin_change(fs, inode);
	changed_now(fs, inode);
	return 0;
}

UBTRFS_API int ubtrfs_removexattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name)
{
	struct xattr_name parsed;
	int err = name_parse(name, &parsed);

	if (err < 0)
		return fs_errno(err);
	return FS_CHANGE(fs, removexattr(fs, node, &parsed));
}

/* ---- asking ---- */

static int getxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name, void *value,
		    size_t capacity, size_t *ret_len)
{
	SCOPED_MEM uint8_t *found = mem_alloc(fs->core.geometry.nodesize);
	SCOPED(inode) struct inode *inode = NULL;
	uint32_t len;
	int err;

	if (!found)
		return MEM_FAIL("an attribute");
	TRY(node_inode(fs, node, &inode));
	err = xattr_get(inode, name, strlen(name), found, &len);
	if (err == -ERR_KEY_NOT_FOUND)
		return no_attribute(inode, name);
	TRY(err);
	if (capacity && capacity < len)
		return THROW_SYS(ERANGE, "attribute %s has %u bytes", name, len);
	if (capacity)
		memcpy(value, found, len);
	*ret_len = len;
	return 0;
}

/* Whatever is there can be asked for, also what could not be set. */
UBTRFS_API int ubtrfs_getxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
			       void *value, size_t capacity, size_t *ret_len)
{
	struct xattr_name parsed;
	int err = FS_READ(fs, getxattr(fs, node, name, value, capacity, ret_len));
	int unknown = err == -ENODATA ? name_parse(name, &parsed) : 0;

	return unknown < 0 ? fs_errno(unknown) : err;
}

/* The end of the list is no failure. */
static int xattr_or_none(int err, bool *ret_none)
{
	*ret_none = err == -ERR_KEY_NOT_FOUND;
	return *ret_none ? 0 : err;
}

static int listxattr(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t *offset, uint8_t *item,
		     uint32_t *ret_len)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	return xattr_next(inode, offset, item, ret_len);
}

/* Item by item: the visitor is called with no lock held. */
UBTRFS_API int ubtrfs_listxattr(struct ubtrfs *fs, struct ubtrfs_node node,
				int (*visit)(void *ctx, const char *name, size_t name_len,
					     const void *value, size_t len),
				void *ctx)
{
	SCOPED_MEM uint8_t *item = mem_alloc(fs->core.geometry.nodesize);
	uint64_t offset = 0;
	uint32_t len;

	if (!item)
		return fs_errno(MEM_FAIL("listing attributes"));
	for (;;) {
		bool none = false;
		int err =
			FS_READ(fs, xattr_or_none(listxattr(fs, node, &offset, item, &len), &none));

		if (err < 0 || none)
			return err;
		err = fs_errno(xattr_visit_item(item, len, visit, ctx));
		if (err)
			return err;
		if (offset++ == UINT64_MAX)
			return 0;
	}
}
