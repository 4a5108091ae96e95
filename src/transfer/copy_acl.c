/*
 * Default ACLs: what a directory hands down to what is made in it, when modes are not kept, as Linux
 * does it: the default ACL, masked by the mode that the file would have without the umask, is its
 * access ACL; a directory has the default ACL again. Keeps no state, takes no lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "transfer/copy_priv.h"

/* The attribute's value: a version, then entries of tag, permissions, id. */
#define ACL_HEAD_BYTES 4u
#define ACL_ENTRY_BYTES 8u
#define ACL_USER_OBJ 0x01u
#define ACL_USER 0x02u
#define ACL_GROUP_OBJ 0x04u
#define ACL_GROUP 0x08u
#define ACL_MASK 0x10u
#define ACL_OTHER 0x20u

#define XATTR_ACCESS "system.posix_acl_access"
#define XATTR_DEFAULT "system.posix_acl_default"

static int acl_fail(const struct copy_walk *walk, int ret)
{
	return import_fail(walk->import, ret, "%s: an inherited ACL", walk->dest->path);
}

/* The default ACL of the directory that names are put into now; it stays the same for many. */
static int acl_read(struct copy_walk *walk, struct ubtrfs_node dir)
{
	struct copy_acl *acl = &walk->acl;
	int ret;

	if (acl->dir.ino == dir.ino && acl->dir.subvolid == dir.subvolid)
		return 0;
	acl->dir = dir;
	ret = ubtrfs_getxattr(walk->copy->fs, dir, XATTR_DEFAULT, acl->value, sizeof(acl->value),
			      &acl->len);
	if (ret == -ENODATA) {
		acl->len = 0;
		return 0;
	}
	if (ret < 0)
		return acl_fail(walk, ret);
	if (acl->len < ACL_HEAD_BYTES || (acl->len - ACL_HEAD_BYTES) % ACL_ENTRY_BYTES)
		return THROW(ERR_CORRUPT, "%s: a default ACL of %zu bytes", walk->dest->path,
			     acl->len);
	return 0;
}

/* Both the entry and the bits of the mode at shift become what both allow. */
static void entry_mask(uint8_t *entry, uint32_t *mode, unsigned shift)
{
	uint32_t both = load16(entry + 2) & (*mode >> shift) & 7;

	store16(entry + 2, (uint16_t)both);
	*mode = (*mode & ~(7u << shift)) | both << shift;
}

/* *ret_plain: the mode says it all. */
static void acl_mask(uint8_t *acl, size_t len, uint32_t *mode, bool *ret_plain)
{
	uint8_t *group = NULL, *mask = NULL;

	*ret_plain = true;
	for (uint8_t *entry = acl + ACL_HEAD_BYTES; entry < acl + len; entry += ACL_ENTRY_BYTES) {
		switch (load16(entry)) {
		case ACL_USER_OBJ:
			entry_mask(entry, mode, 6);
			break;
		case ACL_GROUP_OBJ:
			group = entry;
			break;
		case ACL_OTHER:
			entry_mask(entry, mode, 0);
			break;
		case ACL_MASK:
			mask = entry;
			*ret_plain = false;
			break;
		default:
			*ret_plain = false;
		}
	}
	if (mask || group)
		entry_mask(mask ? mask : group, mode, 3);
}

int copy_acl_mode(struct copy_walk *walk, struct ubtrfs_node dir, uint32_t source_mode,
		  uint32_t *mode)
{
	uint8_t acl[COPY_ACL_BYTES_MAX];
	bool plain;

	if (walk->copy->rules.keep & COPY_KEEP_MODE || S_ISLNK(*mode))
		return 0;
	TRY(acl_read(walk, dir));
	if (!walk->acl.len)
		return 0;
	/* The umask does not count, but cp asks for a directory that others may not write to. */
	if (S_ISDIR(*mode))
		source_mode &= ~(walk->copy->rules.umask & (S_IWGRP | S_IWOTH));
	*mode = (*mode & ~0777u) | (source_mode & 0777);
	memcpy(acl, walk->acl.value, walk->acl.len);
	acl_mask(acl, walk->acl.len, mode, &plain);
	return 0;
}

int copy_acl_hand_down(struct copy_walk *walk, struct ubtrfs_node dir, uint32_t mode,
		       struct ubtrfs_node node)
{
	uint8_t acl[COPY_ACL_BYTES_MAX];
	size_t len = walk->acl.len;
	bool plain;
	int ret = 0;

	if (walk->copy->rules.keep & COPY_KEEP_MODE || S_ISLNK(mode))
		return 0;
	TRY(acl_read(walk, dir));
	if (!len)
		return 0;
	memcpy(acl, walk->acl.value, len);
	acl_mask(acl, len, &mode, &plain);
	if (!plain)
		ret = ubtrfs_setxattr(walk->copy->fs, node, XATTR_ACCESS, acl, len);
	if (ret >= 0 && S_ISDIR(mode))
		ret = ubtrfs_setxattr(walk->copy->fs, node, XATTR_DEFAULT, walk->acl.value, len);
	return ret < 0 ? acl_fail(walk, ret) : 0;
}
