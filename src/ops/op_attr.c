/*
 * Attributes of inodes: reading and setting.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/assert.h"
#include "ops/op_attr.h"

#define XATTR_CAPABILITY "security.capability"

/* Extents that one step of making a file smaller takes away. */
#define SHRINK_STEP_EXTENTS 1024u

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
	uint64_t unsaved = 0;

	TRY(node_inode(fs, node, &inode));
	/* With a background nobody waits: what it will take is added, as Linux does. */
	if (inode_has_dirty_data(inode) && !fs->core.background) {
		if (!fs->alone)
			return -ERR_WANTS_ALONE;
		TRY(file_settle(&fs->core.writeback, inode));
	}
	TRY(file_unsaved_bytes(inode, &unsaved));
	attr_from_item(fs, inode->item, node, ret_attr);
	ret_attr->allocated_bytes += unsaved;
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
 * A size may need sectors: what is inline, or the last one, is written anew; to cut off whole ones
 * needs none. An ACL that follows the mode is written anew.
 */
static int setattr_enter(struct ubtrfs *fs, struct inode *inode, const struct ubtrfs_attr *attr,
			 unsigned set)
{
	uint32_t acl = 0;

	if (set & UBTRFS_ATTR_SIZE && attr->size && attr->size <= inode_size(inode))
		return is_aligned(attr->size, fs->core.geometry.sectorsize) ?
			       door_enter_remove(&fs->core, 4) :
			       door_enter_shrink(&fs->core, 3, 4);
	if (set & UBTRFS_ATTR_SIZE && attr->size)
		return door_enter_data(&fs->core, 3 * (uint64_t)fs->core.geometry.sectorsize,
				       2 * INODE_ITEM_SIZE + 4 * FILE_EXTENT_SIZE, 3);
	if (set & UBTRFS_ATTR_SIZE)
		return door_enter_remove(&fs->core, 4);
	if (set & UBTRFS_ATTR_MODE && !S_ISLNK(inode_mode(inode)))
		TRY(acl_bytes(inode, ACL_ACCESS, &acl));
	return door_enter(&fs->core, INODE_ITEM_SIZE + acl, 1);
}

#define APPEND_KEEPS                                                               \
	(UBTRFS_ATTR_MODE | UBTRFS_ATTR_UID | UBTRFS_ATTR_GID | UBTRFS_ATTR_SIZE | \
	 UBTRFS_ATTR_ATIME | UBTRFS_ATTR_MTIME)

#define OPENED_SETS                                                                               \
	(UBTRFS_ATTR_OPENED | UBTRFS_ATTR_ATIME_NOW | UBTRFS_ATTR_MTIME_NOW | UBTRFS_ATTR_ATIME | \
	 UBTRFS_ATTR_MTIME | UBTRFS_ATTR_CTIME)

/* All that can be refused is refused before anything changes. */
static int setattr_check(const struct inode *inode, const struct ubtrfs_attr *attr, unsigned set)
{
	if (set & APPEND_KEEPS && !(set & UBTRFS_ATTR_OPENED))
		TRY(inode_check_not_append(inode));
	if (set & UBTRFS_ATTR_OPENED && set & ~(unsigned)OPENED_SETS)
		return THROW(ERR_INVALID, "an open file leaves times and nothing else");
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

static int setid_kill(struct inode *inode)
{
	uint32_t mode = inode_mode(inode) & ~(uint32_t)S_ISUID;
	int err;

	if (S_ISDIR(mode))
		return 0;
	if (mode & S_IXGRP)
		mode &= ~(uint32_t)S_ISGID;
	inode_item_set_mode(inode->item, mode);
	err = xattr_remove(inode, XATTR_CAPABILITY, strlen(XATTR_CAPABILITY));
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

/* Owner and permissions. */
static int owner_apply(struct inode *inode, const struct ubtrfs_attr *attr, unsigned set)
{
	if (set & UBTRFS_ATTR_MODE)
		TRY(acl_set_mode(inode, (inode_mode(inode) & S_IFMT) | (attr->mode & 07777)));
	if (set & UBTRFS_ATTR_KILL_SETID)
		TRY(setid_kill(inode));
	if (set & UBTRFS_ATTR_UID)
		inode_item_set_uid(inode->item, attr->uid);
	if (set & UBTRFS_ATTR_GID)
		inode_item_set_gid(inode->item, attr->gid);
	return 0;
}

static void times_now(struct ubtrfs *fs, struct inode *inode, unsigned set)
{
	struct inode_time now = inode_now(&fs->core.inodes);

	inode_set_time(inode, INODE_ITEM_CTIME_AT, now);
	if (set & UBTRFS_ATTR_ATIME_NOW)
		inode_set_time(inode, INODE_ITEM_ATIME_AT, now);
	if (set & UBTRFS_ATTR_MTIME_NOW)
		inode_set_time(inode, INODE_ITEM_MTIME_AT, now);
}

static int setattr(struct ubtrfs *fs, struct ubtrfs_node node, const struct ubtrfs_attr *attr,
		   unsigned set)
{
	SCOPED(inode) struct inode *inode = NULL;

	if (set & ~UBTRFS_ATTR_FLAGS && !(set & UBTRFS_ATTR_OPENED))
		TRY(node_inode_write(fs, node, &inode));
	else
		TRY(node_inode_flags(fs, node, &inode));
	TRY(setattr_check(inode, attr, set));
	TRY(setattr_enter(fs, inode, attr, set));
	inode_begin_change(fs, inode);
	if (set & UBTRFS_ATTR_FLAGS)
		TRY(attr_flags_apply(inode, attr->flags));
	if (set & UBTRFS_ATTR_SIZE) {
		TRY(file_truncate(&fs->core.writeback, inode, attr->size));
		inode_touch(inode);
	}
	TRY(owner_apply(inode, attr, set));
	times_now(fs, inode, set);
	attr_times_apply(inode, attr, set);
	return 0;
}

/*
 * What is too big for one transaction becomes smaller in steps, each of which is a file of a size in
 * between: that is what a death of the process leaves (Linux).
 */
static int shrink_step(struct ubtrfs *fs, struct ubtrfs_node node, const struct ubtrfs_attr *attr,
		       unsigned set, bool *ret_done)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(door_enter_remove(&fs->core, 4));
	TRY(node_inode_write(fs, node, &inode));
	TRY(setattr_check(inode, attr, set));
	inode_begin_change(fs, inode);
	return file_shrink_some(&fs->core.writeback, inode, attr->size, SHRINK_STEP_EXTENTS,
				ret_done);
}

UBTRFS_API int ubtrfs_setattr(struct ubtrfs *fs, struct ubtrfs_node node,
			      const struct ubtrfs_attr *attr, unsigned set)
{
	bool done = !(set & UBTRFS_ATTR_SIZE);

	while (!done)
		TRY(FS_CHANGE(fs, shrink_step(fs, node, attr, set, &done)));
	return FS_CHANGE(fs, setattr(fs, node, attr, set));
}
