/*
 * Attributes of inodes: reading and setting, extended ones too.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/assert.h"
#include "ops/op_attr.h"

/* Linux's encoding of device numbers in rdev: 20 bits of minor, then major. */
static uint64_t rdev_to_disk(uint64_t rdev)
{
	return (uint64_t)major(rdev) << 20 | minor(rdev);
}

static uint64_t rdev_from_disk(uint64_t disk)
{
	return makedev((unsigned)(disk >> 20), (unsigned)(disk & 0xfffff));
}

static struct ubtrfs_time time_out(const uint8_t *item, unsigned at)
{
	return (struct ubtrfs_time){ (int64_t)timespec_sec(item + at), timespec_nsec(item + at) };
}

/* Linux rounds what is inline up to a sector. */
static uint64_t allocated_bytes(const struct ubtrfs *fs, const uint8_t *item)
{
	uint64_t bytes = inode_item_nbytes(item);

	return bytes > UINT64_MAX - fs->core.geometry.sectorsize ?
		       bytes :
		       round_up(bytes, fs->core.geometry.sectorsize);
}

void attr_from_item(const struct ubtrfs *fs, const uint8_t *item, struct ubtrfs_node node,
		    struct ubtrfs_attr *ret_attr)
{
	*ret_attr = (struct ubtrfs_attr){ .node = node,
					  .mode = inode_item_mode(item),
					  .uid = inode_item_uid(item),
					  .gid = inode_item_gid(item),
					  .nlink = inode_item_nlink(item),
					  .rdev = rdev_from_disk(inode_item_rdev(item)),
					  .size = inode_item_size(item),
					  .allocated_bytes = allocated_bytes(fs, item),
					  .generation = inode_item_generation(item),
					  .flags = inode_item_flags(item),
					  .atime = time_out(item, INODE_ITEM_ATIME_AT),
					  .mtime = time_out(item, INODE_ITEM_MTIME_AT),
					  .ctime = time_out(item, INODE_ITEM_CTIME_AT),
					  .otime = time_out(item, INODE_ITEM_OTIME_AT) };
}

int getattr_node(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_attr *ret_attr)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	if (S_ISREG(inode_mode(inode)) && (inode->dirty_run || inode->nr_in_flight)) {
		if (!fs->alone)
			return -ERR_WANTS_ALONE;
		TRY(file_settle(&fs->core.writeback, inode));
	}
	attr_from_item(fs, inode->item, node, ret_attr);
	return 0;
}

UBTRFS_API int ubtrfs_getattr(struct ubtrfs *fs, struct ubtrfs_node node,
			      struct ubtrfs_attr *ret_attr)
{
	return FS_READ(fs, getattr_node(fs, node, ret_attr));
}

int attr_times_check(const struct ubtrfs_attr *attr, unsigned set)
{
	const struct ubtrfs_time *times[] = { set & UBTRFS_ATTR_ATIME ? &attr->atime : NULL,
					      set & UBTRFS_ATTR_MTIME ? &attr->mtime : NULL,
					      set & UBTRFS_ATTR_CTIME ? &attr->ctime : NULL,
					      set & UBTRFS_ATTR_OTIME ? &attr->otime : NULL };

	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (times[i] && times[i]->nsec >= 1000000000u)
			return THROW(ERR_INVALID, "a time of %u nanoseconds", times[i]->nsec);
	return 0;
}

void attr_times_apply(struct inode *inode, const struct ubtrfs_attr *attr, unsigned set)
{
	const struct {
		unsigned bit, at;
		const struct ubtrfs_time *time;
	} times[] = {
		{ UBTRFS_ATTR_ATIME, INODE_ITEM_ATIME_AT, &attr->atime },
		{ UBTRFS_ATTR_MTIME, INODE_ITEM_MTIME_AT, &attr->mtime },
		{ UBTRFS_ATTR_CTIME, INODE_ITEM_CTIME_AT, &attr->ctime },
		{ UBTRFS_ATTR_OTIME, INODE_ITEM_OTIME_AT, &attr->otime },
	};

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		if (!(set & times[i].bit))
			continue;
		inode_set_time(inode, times[i].at,
			       (struct inode_time){ times[i].time->sec, times[i].time->nsec });
	}
}

int attr_flags_apply(struct inode *inode, uint64_t flags)
{
	if (flags & ~(uint64_t)BTRFS_INODE_FLAG_MASK)
		return THROW(ERR_INVALID, "unknown inode flags 0x%llx", (unsigned long long)flags);
	/* Data without copy-on-write has no checksums (Linux). */
	if (flags & BTRFS_INODE_NODATACOW && S_ISREG(inode_mode(inode)))
		flags |= BTRFS_INODE_NODATASUM;
	if ((flags & BTRFS_INODE_NODATASUM) !=
		    (inode_item_flags(inode->item) & BTRFS_INODE_NODATASUM) &&
	    S_ISREG(inode_mode(inode)) && inode_size(inode))
		return THROW(ERR_INVALID,
			     "inode %llu holds data: checksums cannot be switched any more",
			     (unsigned long long)inode->ino);
	/* What seals a file stays: it cannot be set, and nothing that it seals has changed. */
	flags |= inode_item_flags(inode->item) & BTRFS_INODE_RO_FLAG_MASK;
	inode_item_set_flags(inode->item, flags);
	inode_mark_dirty(inode);
	return 0;
}

void attr_rdev_apply(struct inode *inode, uint64_t rdev)
{
	inode_item_set_rdev(inode->item, rdev_to_disk(rdev));
}

/*
 * A size may need sectors: what is inline, or the last one, is written anew; to cut everything
 * off needs none.
 */
static int setattr_enter(struct ubtrfs *fs, const struct ubtrfs_attr *attr, unsigned set)
{
	if (set & UBTRFS_ATTR_SIZE && attr->size)
		return door_enter_data(&fs->core, 3 * (uint64_t)fs->core.geometry.sectorsize,
				       INODE_ITEM_SIZE + 4 * FILE_EXTENT_SIZE, 2);
	if (set & UBTRFS_ATTR_SIZE)
		return door_enter_remove(&fs->core, 4);
	return door_enter(&fs->core, INODE_ITEM_SIZE, 1);
}

/* All that can be refused is refused before anything changes. */
static int setattr_check(const struct inode *inode, const struct ubtrfs_attr *attr, unsigned set)
{
	if (set & UBTRFS_ATTR_MODE && attr->mode & S_IFMT &&
	    (attr->mode & S_IFMT) != (inode_mode(inode) & S_IFMT))
		return THROW(ERR_INVALID, "inode %llu: the type of a file cannot change",
			     (unsigned long long)inode->ino);
	if (set & UBTRFS_ATTR_SIZE && !S_ISREG(inode_mode(inode)))
		return THROW(ERR_INVALID, "inode %llu is not a regular file",
			     (unsigned long long)inode->ino);
	if (set & UBTRFS_ATTR_SIZE)
		TRY(inode_check_unsealed(inode));
	return attr_times_check(attr, set);
}

static int setattr(struct ubtrfs *fs, struct ubtrfs_node node, const struct ubtrfs_attr *attr,
		   unsigned set)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(setattr_enter(fs, attr, set));
	TRY(node_inode_write(fs, node, &inode));
	TRY(setattr_check(inode, attr, set));
	if (set & UBTRFS_ATTR_FLAGS)
		TRY(attr_flags_apply(inode, attr->flags));
	inode_begin_change(fs, inode);
	if (set & UBTRFS_ATTR_SIZE) {
		TRY(file_truncate(&fs->core.writeback, inode, attr->size));
		inode_touch(inode);
	}
	if (set & UBTRFS_ATTR_MODE)
		inode_item_set_mode(inode->item,
				    (inode_mode(inode) & S_IFMT) | (attr->mode & 07777));
	if (set & UBTRFS_ATTR_UID)
		inode_item_set_uid(inode->item, attr->uid);
	if (set & UBTRFS_ATTR_GID)
		inode_item_set_gid(inode->item, attr->gid);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
	attr_times_apply(inode, attr, set);
	return 0;
}

UBTRFS_API int ubtrfs_setattr(struct ubtrfs *fs, struct ubtrfs_node node,
			      const struct ubtrfs_attr *attr, unsigned set)
{
	return FS_CHANGE(fs, setattr(fs, node, attr, set));
}

static int setxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name, const void *value,
		    size_t len)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(door_enter(&fs->core, DIR_ITEM_SIZE + strlen(name) + len, 1));
	TRY(node_inode_write(fs, node, &inode));
	if (prop_is(name))
		TRY(prop_check(inode, name, value, len));
	inode_begin_change(fs, inode);
	TRY(xattr_set(inode, name, strlen(name), value, len));
	if (prop_is(name))
		prop_apply(inode, value, len);
	return 0;
}

UBTRFS_API int ubtrfs_setxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
			       const void *value, size_t len)
{
	return FS_CHANGE(fs, setxattr(fs, node, name, value, len));
}

static int no_attribute(const struct inode *inode, const char *name)
{
	return THROW_SYS(ENODATA, "inode %llu: attribute %s", (unsigned long long)inode->ino, name);
}

static int removexattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name)
{
	SCOPED(inode) struct inode *inode = NULL;
	int err;

	TRY(door_enter_remove(&fs->core, 1));
	TRY(node_inode_write(fs, node, &inode));
	err = xattr_remove(inode, name, strlen(name));
	if (err == -ERR_KEY_NOT_FOUND)
		return no_attribute(inode, name);
	TRY(err);
	if (prop_is(name))
		prop_apply(inode, NULL, 0);
	inode_begin_change(fs, inode);
	return 0;
}

UBTRFS_API int ubtrfs_removexattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name)
{
	return FS_CHANGE(fs, removexattr(fs, node, name));
}

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

UBTRFS_API int ubtrfs_getxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
			       void *value, size_t capacity, size_t *ret_len)
{
	return FS_READ(fs, getxattr(fs, node, name, value, capacity, ret_len));
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
	TRY(fs_sync_inode(fs, inode));
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
