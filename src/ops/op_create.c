/*
 * Creating: files of every kind, links, subvolumes.
 */
#include <sys/stat.h>

#include <ubtrfs/subvolume.h>

#include "base/assert.h"
#include "ops/op_attr.h"
#include "ops/op_names.h"

/* Items of a new name: DIR_ITEM, DIR_INDEX, INODE_REF, INODE_ITEM. */
static uint64_t create_bytes(const struct ubtrfs_new *what, size_t name_len)
{
	return 2 * (DIR_ITEM_SIZE + name_len) + INODE_REF_SIZE + name_len + INODE_ITEM_SIZE +
	       FILE_EXTENT_SIZE + what->symlink_len + PROP_ITEM_BYTES;
}

/* And what a default ACL hands down. */
static int inherited_bytes(struct inode *dir, const struct ubtrfs_new *what, uint64_t *ret_bytes)
{
	uint32_t acl = 0;

	if (what->inherit && !S_ISLNK(what->attr.mode))
		TRY(acl_bytes(dir, ACL_DEFAULT, &acl));
	*ret_bytes = (S_ISDIR(what->attr.mode) ? 2 : 1) * (uint64_t)acl;
	return 0;
}

static int create_check(const struct ubtrfs *fs, const struct ubtrfs_new *what)
{
	uint32_t mode = what->attr.mode;

	TRY(attr_times_check(&what->attr, what->set));
	if (inode_dir_type(mode) == BTRFS_FT_UNKNOWN)
		return THROW(ERR_INVALID, "a mode of 0%o names no type of file", mode);
	if (S_ISLNK(mode) &&
	    (!what->symlink_len || what->symlink_len > geometry_max_inline(&fs->core.geometry) ||
	     what->symlink_len >= fs->core.geometry.sectorsize))
		return THROW(ERR_NAME_TOO_LONG, "a symbolic link of %zu bytes", what->symlink_len);
	return 0;
}

/* New files have what Linux lets them inherit from their directory, and what the options say. */
static uint64_t flags_of_new(const struct ubtrfs *fs, const struct inode *dir, uint32_t mode)
{
	uint64_t flags = inode_item_flags(dir->item) &
			 (BTRFS_INODE_NOCOMPRESS | BTRFS_INODE_COMPRESS | BTRFS_INODE_NODATACOW);

	if (flags & BTRFS_INODE_NOCOMPRESS)
		flags &= ~(uint64_t)BTRFS_INODE_COMPRESS;
	if (!S_ISREG(mode))
		return flags;
	if (fs->nodatacow)
		flags |= BTRFS_INODE_NODATACOW;
	if (fs->nodatasum || flags & BTRFS_INODE_NODATACOW)
		flags |= BTRFS_INODE_NODATASUM;
	return flags;
}

static void times_of_new(struct ubtrfs *fs, struct inode *inode, const struct ubtrfs_new *what)
{
	static const unsigned times[] = { INODE_ITEM_ATIME_AT, INODE_ITEM_CTIME_AT,
					  INODE_ITEM_MTIME_AT, INODE_ITEM_OTIME_AT };
	const unsigned all_times = UBTRFS_ATTR_ATIME | UBTRFS_ATTR_CTIME | UBTRFS_ATTR_MTIME |
				   UBTRFS_ATTR_OTIME;

	if ((what->set & all_times) != all_times) {
		struct inode_time now = inode_now(&fs->core.inodes);

		for (size_t i = 0; i < ARRAY_LEN(times); i++)
			inode_set_time(inode, times[i], now);
	}
	attr_times_apply(inode, &what->attr, what->set);
}

/* Owner and permissions. */
static int owner_of_new(struct inode *dir, struct inode *inode, const struct ubtrfs_new *what)
{
	uint32_t mode = what->attr.mode;
	bool dir_group = what->inherit && inode_mode(dir) & S_ISGID;

	if (dir_group && S_ISDIR(mode))
		mode |= S_ISGID;
	inode_item_set_mode(inode->item, mode);
	inode_item_set_uid(inode->item, what->attr.uid);
	inode_item_set_gid(inode->item, dir_group ? inode_item_gid(dir->item) : what->attr.gid);
	return what->inherit ? acl_inherit(dir, inode, what->umask) : 0;
}

/* Everything of a new inode but its names and the target of a symlink. */
static int inode_fill_new(struct ubtrfs *fs, struct inode *dir, struct inode *inode,
			  const struct ubtrfs_new *what)
{
	uint32_t mode = what->attr.mode;

	inode_item_set_nlink(inode->item, 1);
	TRY(owner_of_new(dir, inode, what));
	if (S_ISCHR(mode) || S_ISBLK(mode))
		attr_rdev_apply(inode, what->attr.rdev);
	inode_item_set_flags(inode->item, flags_of_new(fs, dir, mode));
	if (what->set & UBTRFS_ATTR_FLAGS)
		TRY(attr_flags_apply(inode, what->attr.flags));
	TRY(prop_inherit(dir, inode));
	/* Attributes stamp. */
	times_of_new(fs, inode, what);
	return 0;
}

/*
 * Takes back the name that dir_add has just added, when what follows fails; before: the item of
 * the directory.
 */
static int name_undo(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
		     uint64_t index, const uint8_t *before, int err)
{
	struct dir_entry entry = { .index = index, .name_len = (uint16_t)name_len };
	struct err_report report;

	err_capture(err, &report);
	memcpy(entry.name, name, name_len);
	err = dir_remove(dir, &entry);
	if (err < 0)
		return txn_abort(fs->core.txn, err, "taking a name back");
	memcpy(dir->item, before, INODE_ITEM_SIZE);
	return err_rethrow(&report);
}

static int symlink_fill(struct ubtrfs *fs, struct inode *inode, const struct ubtrfs_new *what)
{
	if (!S_ISLNK(what->attr.mode))
		return 0;
	inode_set_size(inode, what->symlink_len);
	return extent_note_inline(&fs->core.writeback, inode, what->symlink_target,
				  (uint32_t)what->symlink_len, (uint32_t)what->symlink_len,
				  COMPRESS_NONE);
}

static int new_fill(struct ubtrfs *fs, struct inode *dir, struct inode *inode,
		    const struct ubtrfs_new *what)
{
	TRY(inode_fill_new(fs, dir, inode, what));
	return symlink_fill(fs, inode, what);
}

int inode_new_in(struct ubtrfs *fs, struct inode *dir, const struct ubtrfs_new *what,
		 struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	TRY(inode_new(&fs->core.inodes, dir->root, 0, fs->core.txn->generation, &inode));
	err = new_fill(fs, dir, inode, what);
	if (err < 0) {
		inode_drop_dirty(inode);
		return err;
	}
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

static int name_add(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
		    struct inode *inode)
{
	struct key location = KEY(inode->ino, BTRFS_INODE_ITEM_KEY, 0);
	uint8_t before[INODE_ITEM_SIZE];
	uint64_t index;
	int err;

	memcpy(before, dir->item, INODE_ITEM_SIZE);
	inode_begin_change(fs, dir);
	TRY(dir_add(dir, name, name_len, &location, inode_dir_type(inode_mode(inode)), &index));
	err = inode_ref_add(inode, dir->ino, index, name, name_len);
	return err < 0 ? name_undo(fs, dir, name, name_len, index, before, err) : 0;
}

static int create(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name, size_t name_len,
		  const struct ubtrfs_new *what, struct ubtrfs_node *ret_node)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(inode) struct inode *inode = NULL;
	uint64_t inherited;
	int err;

	TRY(create_check(fs, what));
	TRY(node_dir_write(fs, dir_node, &dir));
	TRY(inherited_bytes(dir, what, &inherited));
	TRY(door_enter(&fs->core, create_bytes(what, name_len) + inherited, 2));
	TRY(inode_new_in(fs, dir, what, &inode));
	err = name_add(fs, dir, name, name_len, inode);
	if (err < 0) {
		/* Nothing names it yet and nothing of it is in the tree. */
		inode_drop_dirty(inode);
		return err;
	}
	*ret_node = (struct ubtrfs_node){ dir_node.subvolid, inode->ino };
	return 0;
}

UBTRFS_API int ubtrfs_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			     size_t name_len, const struct ubtrfs_new *what,
			     struct ubtrfs_node *ret_node)
{
	return FS_CHANGE(fs, create(fs, dir, name, name_len, what, ret_node));
}

static int tmpfile_new(struct ubtrfs *fs, struct ubtrfs_node dir_node,
		       const struct ubtrfs_new *what, struct ubtrfs_node *ret_node)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(inode) struct inode *inode = NULL;
	uint64_t inherited;

	if (!S_ISREG(what->attr.mode))
		return THROW(ERR_INVALID, "a file without a name of mode 0%o: it must be regular",
			     what->attr.mode);
	TRY(create_check(fs, what));
	TRY(node_dir_write(fs, dir_node, &dir));
	TRY(inherited_bytes(dir, what, &inherited));
	TRY(door_enter(&fs->core, create_bytes(what, 0) + inherited, 3));
	TRY(inode_new_in(fs, dir, what, &inode));
	inode_item_set_nlink(inode->item, 0);
	inode_add_orphan(inode);
	inode->linkable = true;
	inode_hold(inode);
	*ret_node = (struct ubtrfs_node){ dir_node.subvolid, inode->ino };
	return 0;
}

UBTRFS_API int ubtrfs_tmpfile(struct ubtrfs *fs, struct ubtrfs_node dir,
			      const struct ubtrfs_new *what, struct ubtrfs_node *ret_node)
{
	return FS_CHANGE(fs, tmpfile_new(fs, dir, what, ret_node));
}

static int link_check(const struct inode *dir, const struct inode *inode)
{
	uint32_t nlink = inode_item_nlink(inode->item);

	if (S_ISDIR(inode_mode(inode)))
		return THROW_SYS(EPERM, "inode %llu is a directory: it has one name",
				 (unsigned long long)inode->ino);
	TRY(inode_check_names(inode));
	if (dir->root != inode->root)
		return THROW_SYS(EXDEV, "a link from subvolume %llu to %llu",
				 (unsigned long long)dir->root->objectid,
				 (unsigned long long)inode->root->objectid);
	if (nlink >= INODE_LINKS_MAX)
		return THROW(ERR_TOO_MANY_LINKS, "inode %llu has %u names",
			     (unsigned long long)inode->ino, nlink);
	if (!nlink && !inode->linkable)
		return THROW(ERR_NOT_FOUND, "inode %llu has lost its last name",
			     (unsigned long long)inode->ino);
	return 0;
}

static int link_node(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_node dir_node,
		     const char *name, size_t name_len)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(inode) struct inode *inode = NULL;

	TRY(door_enter(&fs->core, 2 * (DIR_ITEM_SIZE + name_len) + INODE_EXTREF_SIZE + name_len,
		       3));
	TRY(node_dir_write(fs, dir_node, &dir));
	TRY(node_inode(fs, node, &inode));
	TRY(link_check(dir, inode));
	TRY(name_add(fs, dir, name, name_len, inode));
	TRY(inode_drop_orphan(fs, inode));
	inode->linkable = false;
	inode_begin_change(fs, inode);
	inode_item_set_nlink(inode->item, inode_item_nlink(inode->item) + 1);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
	return 0;
}

UBTRFS_API int ubtrfs_link(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_node dir,
			   const char *name, size_t name_len)
{
	return FS_CHANGE(fs, link_node(fs, node, dir, name, name_len));
}

static int subvolume_new(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name,
			 size_t name_len, const uint8_t *uuid, struct ubtrfs_node *ret_top)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(inode) struct inode *top = NULL;
	uint8_t own[16];

	/* A new tree, its items, and an entry in four others. */
	TRY(door_enter(&fs->core, 2 * ROOT_ITEM_SIZE, 8));
	TRY(node_dir_write(fs, dir_node, &dir));
	if (!uuid) {
		TRY(fs_new_uuid(fs, own));
		uuid = own;
	}
	inode_begin_change(fs, dir);
	TRY(subvolume_create(fs->core.txn, &fs->core.inodes, dir, name, name_len, uuid, &top));
	*ret_top = (struct ubtrfs_node){ top->root->objectid, UBTRFS_ROOT_INO };
	return 0;
}

UBTRFS_API int ubtrfs_subvolume_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
				       size_t name_len, const uint8_t *uuid,
				       struct ubtrfs_node *ret_top)
{
	return FS_CHANGE(fs, subvolume_new(fs, dir, name, name_len, uuid, ret_top));
}

static int set_readonly(struct ubtrfs *fs, uint64_t subvolid, bool readonly)
{
	TRY(subvolume_id_check(subvolid));
	TRY(door_enter(&fs->core, ROOT_ITEM_SIZE, 1));
	return subvolume_set_readonly(&fs->core.inodes, subvolid, readonly);
}

UBTRFS_API int ubtrfs_subvolume_set_readonly(struct ubtrfs *fs, uint64_t subvolid, bool readonly)
{
	return FS_CHANGE(fs, set_readonly(fs, subvolid, readonly));
}

static int set_default(struct ubtrfs *fs, uint64_t subvolid)
{
	TRY(subvolume_id_check(subvolid));
	TRY(door_enter(&fs->core, DIR_ITEM_SIZE, 1));
	TRY(subvolume_set_default(fs->core.txn, &fs->core.inodes, subvolid));
	super_set_incompat_flags(fs->core.super, super_incompat_flags(fs->core.super) |
							 BTRFS_FEATURE_INCOMPAT_DEFAULT_SUBVOL);
	fs->core.super_dirty = true;
	return 0;
}

UBTRFS_API int ubtrfs_subvolume_set_default(struct ubtrfs *fs, uint64_t subvolid)
{
	return FS_CHANGE(fs, set_default(fs, subvolid));
}
