/*
 * Flags of inodes as chattr sets them: FS_*_FL, and what they are on disk. Keeps no state.
 */
#include <linux/fs.h>
#include <sys/stat.h>

#include <ubtrfs/attr.h>

#include "base/assert.h"
#include "codec/compress.h"
#include "ops/op_attr.h"

/* Those that are one bit here and one bit there. */
static const struct {
	uint32_t fs;
	uint64_t inode;
} same_flags[] = {
	{ FS_SYNC_FL, BTRFS_INODE_SYNC },	 { FS_IMMUTABLE_FL, BTRFS_INODE_IMMUTABLE },
	{ FS_APPEND_FL, BTRFS_INODE_APPEND },	 { FS_NODUMP_FL, BTRFS_INODE_NODUMP },
	{ FS_NOATIME_FL, BTRFS_INODE_NOATIME },	 { FS_DIRSYNC_FL, BTRFS_INODE_DIRSYNC },
	{ FS_NOCOW_FL, BTRFS_INODE_NODATACOW },	 { FS_NOCOMP_FL, BTRFS_INODE_NOCOMPRESS },
	{ FS_VERITY_FL, BTRFS_INODE_RO_VERITY },
};

#define COMPRESSION_FLAGS (FS_COMPR_FL | FS_NOCOMP_FL)
#define SETTABLE_FLAGS                                                                \
	(FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | \
	 FS_DIRSYNC_FL | FS_NOCOW_FL | COMPRESSION_FLAGS)
/* What is neither a file nor a directory has these only. */
#define OTHERS_FLAGS (FS_NODUMP_FL | FS_NOATIME_FL)

static uint32_t fsflags_of(const struct inode *inode)
{
	uint64_t flags = inode_item_flags(inode->item);
	uint32_t result = 0;

	for (size_t i = 0; i < ARRAY_LEN(same_flags); i++)
		if (flags & same_flags[i].inode)
			result |= same_flags[i].fs;
	if (flags & BTRFS_INODE_COMPRESS && !(flags & BTRFS_INODE_NOCOMPRESS))
		result |= FS_COMPR_FL;
	return result;
}

static int fsflags_get(struct ubtrfs *fs, struct ubtrfs_node node, uint32_t *ret_flags)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	*ret_flags = fsflags_of(inode);
	return 0;
}

UBTRFS_API int ubtrfs_fsflags_get(struct ubtrfs *fs, struct ubtrfs_node node, uint32_t *ret_flags)
{
	return FS_READ(fs, fsflags_get(fs, node, ret_flags));
}

static uint32_t mask_of_type(const struct inode *inode)
{
	if (S_ISDIR(inode_mode(inode)))
		return UINT32_MAX;
	return S_ISREG(inode_mode(inode)) ? ~(uint32_t)FS_DIRSYNC_FL : OTHERS_FLAGS;
}

static int excludes(const struct inode *inode, const char *what)
{
	return THROW(ERR_INVALID, "inode %llu: %s", (unsigned long long)inode->ino, what);
}

static int fsflags_check(const struct inode *inode, uint32_t old, uint32_t flags)
{
	if (flags & ~(uint32_t)SETTABLE_FLAGS)
		return THROW(ERR_UNSUPPORTED, "inode %llu: btrfs has no flags 0x%x",
			     (unsigned long long)inode->ino, flags & ~(uint32_t)SETTABLE_FLAGS);
	if ((flags & COMPRESSION_FLAGS) == COMPRESSION_FLAGS)
		return excludes(inode, "compressed and not compressed exclude each other");
	if (flags & FS_COMPR_FL && flags & FS_NOCOW_FL)
		return excludes(inode, "what is written in place is not compressed");
	if (old & FS_NOCOW_FL && flags & COMPRESSION_FLAGS)
		return excludes(inode, "it is written in place: it has no flags of compression");
	if (flags & FS_NOCOW_FL && old & COMPRESSION_FLAGS)
		return excludes(inode, "it has a flag of compression: it is not written in place");
	return 0;
}

/* Whether contents are written in place and checksummed can change while there are none. */
static uint64_t apply_nocow(const struct inode *inode, uint64_t flags, bool nocow)
{
	uint64_t bits = BTRFS_INODE_NODATACOW;

	if (S_ISREG(inode_mode(inode))) {
		if (inode_size(inode))
			return flags;
		bits |= BTRFS_INODE_NODATASUM;
	}
	return nocow ? flags | bits : flags & ~bits;
}

static uint64_t flags_on_disk(const struct inode *inode, uint32_t fsflags)
{
	uint64_t flags = inode_item_flags(inode->item) &
			 ~(uint64_t)(BTRFS_INODE_COMPRESS | BTRFS_INODE_NOCOMPRESS);

	for (size_t i = 0; i < ARRAY_LEN(same_flags); i++) {
		if (same_flags[i].fs & (FS_NOCOW_FL | FS_VERITY_FL))
			continue;
		if (fsflags & same_flags[i].fs)
			flags |= same_flags[i].inode;
		else
			flags &= ~same_flags[i].inode;
	}
	if (fsflags & FS_COMPR_FL)
		flags |= BTRFS_INODE_COMPRESS;
	return apply_nocow(inode, flags, fsflags & FS_NOCOW_FL);
}

/* The property says with what: as the filesystem is opened, or zlib (Linux). */
static int property_follows(struct ubtrfs *fs, struct inode *inode, uint32_t fsflags)
{
	int type = fs->core.writeback.config.compress;
	int err;

	if (fsflags & FS_COMPR_FL) {
		const char *name = compress_name(type ? (enum compress_type)type : COMPRESS_ZLIB);

		TRY(xattr_set(inode, PROP_COMPRESSION, strlen(PROP_COMPRESSION), name,
			      strlen(name)));
		prop_apply(inode, name, strlen(name));
		return 0;
	}
	err = xattr_remove(inode, PROP_COMPRESSION, strlen(PROP_COMPRESSION));
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0)
		prop_apply(inode, NULL, 0);
	return 0;
}

static int fsflags_set(struct ubtrfs *fs, struct ubtrfs_node node, uint32_t flags, uint32_t mask)
{
	SCOPED(inode) struct inode *inode = NULL;
	uint32_t old;

	TRY(node_inode_flags(fs, node, &inode));
	old = fsflags_of(inode);
	flags = (old & ~mask) | (flags & mask);
	/* It seals a file for ever; whoever hands back what he was told changes nothing. */
	if (old & FS_VERITY_FL)
		flags &= ~(uint32_t)FS_VERITY_FL;
	flags &= mask_of_type(inode);
	TRY(fsflags_check(inode, old, flags));
	TRY(door_enter(&fs->core, INODE_ITEM_SIZE + PROP_ITEM_BYTES, 1));
	/* What lies in memory is contents too. */
	if (S_ISREG(inode_mode(inode)))
		TRY(file_settle(&fs->core.writeback, inode));
	inode_begin_change(fs, inode);
	if (S_ISREG(inode_mode(inode)) || S_ISDIR(inode_mode(inode)))
		TRY(property_follows(fs, inode, flags));
	inode_item_set_flags(inode->item, flags_on_disk(inode, flags));
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
	return 0;
}

UBTRFS_API int ubtrfs_fsflags_set(struct ubtrfs *fs, struct ubtrfs_node node, uint32_t flags,
				  uint32_t mask)
{
	return FS_CHANGE(fs, fsflags_set(fs, node, flags, mask));
}
