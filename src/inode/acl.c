/*
 * POSIX ACLs: the value of the attributes system.posix_acl_access and system.posix_acl_default, which
 * is the same on disk and in Linux's interface: a version, then entries of tag, permissions, id.
 *
 * Rules are Linux's. An access ACL and the mode are kept in step: an ACL that says no more than the
 * mode is not kept. A new inode gets its ACLs from the default ACL of its directory. What is written
 * is canonical: entries that name nobody have the id ACL_NO_ID. Whether an inode has an ACL is looked
 * up once (inode->has_acl).
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "inode/inode.h"

#define ACL_VERSION 2u
#define ACL_HEAD_BYTES 4u
#define ACL_ENTRY_BYTES 8u
#define ACL_NO_ID UINT32_MAX

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

#define for_each_acl_entry(entry, acl, len)                                  \
	for (uint8_t *entry = (acl) + ACL_HEAD_BYTES; entry < (acl) + (len); \
	     entry += ACL_ENTRY_BYTES)

static uint16_t entry_tag(const uint8_t *entry)
{
	return load16(entry);
}

static uint16_t entry_perm(const uint8_t *entry)
{
	return load16(entry + 2);
}

static void entry_set_perm(uint8_t *entry, uint32_t perm)
{
	store16(entry + 2, (uint16_t)perm);
}

static const char *acl_xattr_name(enum acl_kind kind)
{
	return kind == ACL_ACCESS ? "system.posix_acl_access" : "system.posix_acl_default";
}

bool acl_xattr_is(const char *name, size_t name_len, enum acl_kind *ret_kind)
{
	for (enum acl_kind kind = ACL_ACCESS; kind <= ACL_DEFAULT; kind++) {
		const char *acl_name = acl_xattr_name(kind);

		if (name_len == strlen(acl_name) && !memcmp(name, acl_name, name_len)) {
			*ret_kind = kind;
			return true;
		}
	}
	return false;
}

/* Which tags may follow what came so far: owner, users, group, groups, mask, others. */
static bool tag_may_follow(unsigned seen, unsigned tag)
{
	switch (tag) {
	case ACL_USER_OBJ:
		return !seen;
	case ACL_USER:
		return seen && seen < ACL_GROUP_OBJ;
	case ACL_GROUP_OBJ:
		return seen && seen < ACL_GROUP_OBJ;
	case ACL_GROUP:
		return seen & ACL_GROUP_OBJ && seen < ACL_MASK;
	case ACL_MASK:
		return seen & ACL_GROUP_OBJ && seen < ACL_MASK;
	case ACL_OTHER:
		return seen & ACL_GROUP_OBJ && seen < ACL_OTHER;
	default:
		return false;
	}
}

static int acl_bad(const char *what)
{
	return THROW(ERR_INVALID, "an ACL %s", what);
}

static int entry_check(const uint8_t *entry, unsigned seen)
{
	unsigned tag = entry_tag(entry);

	if (!tag_may_follow(seen, tag))
		return acl_bad("whose entries are not owner, users, group, groups, mask, others");
	if (entry_perm(entry) & ~7u)
		return acl_bad("with permissions that are none");
	if (tag & (ACL_USER | ACL_GROUP) && load32(entry + 4) == ACL_NO_ID)
		return acl_bad("with an entry for nobody");
	return 0;
}

/* Validates in place and makes it canonical. */
static int acl_canonize(uint8_t *acl, size_t len)
{
	unsigned seen = 0;

	if (len < ACL_HEAD_BYTES || (len - ACL_HEAD_BYTES) % ACL_ENTRY_BYTES)
		return acl_bad("of an impossible length");
	if (load32(acl) != ACL_VERSION)
		return THROW(ERR_UNSUPPORTED, "an ACL of version %u instead of %u", load32(acl),
			     ACL_VERSION);
	for_each_acl_entry(entry, acl, len)
	{
		TRY(entry_check(entry, seen));
		seen |= entry_tag(entry);
		if (!(entry_tag(entry) & (ACL_USER | ACL_GROUP)))
			store32(entry + 4, ACL_NO_ID);
	}
	if (!seen)
		return 0;
	if (!(seen & ACL_OTHER) || (seen & (ACL_USER | ACL_GROUP) && !(seen & ACL_MASK)))
		return acl_bad("without others, or with names and without a mask");
	return 0;
}

/* The mode becomes what the ACL says; true when it says no more than that. */
static bool acl_to_mode(uint8_t *acl, size_t len, uint32_t *mode)
{
	uint32_t perms = 0;
	bool plain = true;

	for_each_acl_entry(entry, acl, len)
	{
		uint32_t perm = entry_perm(entry);

		switch (entry_tag(entry)) {
		case ACL_USER_OBJ:
			perms |= perm << 6;
			break;
		case ACL_GROUP_OBJ:
			perms |= perm << 3;
			break;
		case ACL_OTHER:
			perms |= perm;
			break;
		case ACL_MASK:
			perms = (perms & ~(uint32_t)S_IRWXG) | perm << 3;
			plain = false;
			break;
		default:
			plain = false;
		}
	}
	*mode = (*mode & ~0777u) | perms;
	return plain;
}

/* The entry that the group's permissions in the mode stand for. */
static uint8_t *acl_group_class(uint8_t *acl, size_t len)
{
	uint8_t *group = NULL;

	for_each_acl_entry(entry, acl, len) if (entry_tag(entry) == ACL_MASK ||
						(entry_tag(entry) == ACL_GROUP_OBJ && !group))
		group = entry;
	return group;
}

/* The ACL becomes what the mode says. */
static void acl_from_mode(uint8_t *acl, size_t len, uint32_t mode)
{
	uint8_t *group = acl_group_class(acl, len);

	for_each_acl_entry(entry, acl, len)
	{
		if (entry_tag(entry) == ACL_USER_OBJ)
			entry_set_perm(entry, mode >> 6 & 7);
		else if (entry_tag(entry) == ACL_OTHER)
			entry_set_perm(entry, mode & 7);
		else if (entry == group)
			entry_set_perm(entry, mode >> 3 & 7);
	}
}

/* Both become what both allow. */
static void entry_and_mode(uint8_t *entry, uint32_t *mode, unsigned shift)
{
	uint32_t both = entry_perm(entry) & (*mode >> shift) & 7;

	entry_set_perm(entry, both);
	*mode = (*mode & ~(7u << shift)) | both << shift;
}

/* A default ACL becomes the access ACL of what is made with this mode; true when the mode says it all. */
static bool acl_for_new(uint8_t *acl, size_t len, uint32_t *mode)
{
	uint8_t *group = acl_group_class(acl, len);
	bool plain = true;

	for_each_acl_entry(entry, acl, len)
	{
		if (entry_tag(entry) == ACL_USER_OBJ)
			entry_and_mode(entry, mode, 6);
		else if (entry_tag(entry) == ACL_OTHER)
			entry_and_mode(entry, mode, 0);
		else if (entry == group)
			entry_and_mode(entry, mode, 3);
		plain = plain && entry_tag(entry) & (ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER);
	}
	return plain;
}

/* ---- of an inode ---- */

void acl_note(struct inode *inode, const char *name, size_t name_len, bool is_there)
{
	enum acl_kind kind;

	if (acl_xattr_is(name, name_len, &kind))
		inode->has_acl[kind] = is_there;
}

/* What is on disk is checked as what a caller gives: *ret_acl is owned; NULL and 0 when there is none. */
static int acl_load(struct inode *inode, enum acl_kind kind, uint8_t **ret_acl, uint32_t *ret_len)
{
	const char *name = acl_xattr_name(kind);
	SCOPED_MEM uint8_t *acl = NULL;
	uint32_t len = 0;
	int err;

	*ret_acl = NULL;
	*ret_len = 0;
	if (inode->has_acl[kind] == 0)
		return 0;
	acl = mem_alloc(inode->table->geometry.nodesize);
	if (!acl)
		return MEM_FAIL("an ACL");
	err = xattr_get(inode, name, strlen(name), acl, &len);
	if (err == -ERR_KEY_NOT_FOUND) {
		inode->has_acl[kind] = 0;
		return 0;
	}
	TRY(err);
	CORRUPT_IF(acl_canonize(acl, len) < 0, "inode %llu: %s is no ACL",
		   (unsigned long long)inode->ino, name);
	inode->has_acl[kind] = 1;
	if (len == ACL_HEAD_BYTES)
		return 0;
	*ret_acl = acl;
	acl = NULL;
	*ret_len = len;
	return 0;
}

static int acl_store(struct inode *inode, enum acl_kind kind, const uint8_t *acl, size_t len)
{
	const char *name = acl_xattr_name(kind);

	return xattr_set(inode, name, strlen(name), acl, len);
}

/* None there: nothing to do. */
static int acl_remove(struct inode *inode, enum acl_kind kind)
{
	const char *name = acl_xattr_name(kind);
	int err = xattr_remove(inode, name, strlen(name));

	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

int acl_set(struct inode *inode, enum acl_kind kind, const void *value, size_t len)
{
	uint32_t mode = inode_mode(inode);
	SCOPED_MEM uint8_t *acl = NULL;

	if (S_ISLNK(mode))
		return THROW(ERR_UNSUPPORTED, "inode %llu: a symbolic link has no ACL",
			     (unsigned long long)inode->ino);
	if (!len)
		return acl_remove(inode, kind);
	if (kind == ACL_DEFAULT && !S_ISDIR(mode))
		return len <= ACL_HEAD_BYTES ?
			       0 :
			       THROW_SYS(EACCES, "inode %llu: only a directory has a default ACL",
					 (unsigned long long)inode->ino);
	acl = mem_dup(value, len);
	if (!acl)
		return MEM_FAIL("an ACL");
	TRY(acl_canonize(acl, len));
	if (len == ACL_HEAD_BYTES)
		return acl_remove(inode, kind);
	if (kind == ACL_DEFAULT)
		return acl_store(inode, kind, acl, len);
	if (acl_to_mode(acl, len, &mode))
		TRY(acl_remove(inode, kind));
	else
		TRY(acl_store(inode, kind, acl, len));
	inode_item_set_mode(inode->item, mode);
	inode_set_time(inode, INODE_ITEM_CTIME_AT, inode_now(inode->table));
	return 0;
}

int acl_bytes(struct inode *inode, enum acl_kind kind, uint32_t *ret_bytes)
{
	SCOPED_MEM uint8_t *acl = NULL;
	uint32_t len;

	TRY(acl_load(inode, kind, &acl, &len));
	*ret_bytes = len ? DIR_ITEM_SIZE + (uint32_t)strlen(acl_xattr_name(kind)) + len : 0;
	return 0;
}

int acl_set_mode(struct inode *inode, uint32_t mode)
{
	SCOPED_MEM uint8_t *acl = NULL;
	uint32_t len;

	if (!S_ISLNK(mode))
		TRY(acl_load(inode, ACL_ACCESS, &acl, &len));
	if (acl) {
		acl_from_mode(acl, len, mode);
		TRY(acl_store(inode, ACL_ACCESS, acl, len));
	}
	inode_item_set_mode(inode->item, mode);
	inode_mark_dirty(inode);
	return 0;
}

int acl_inherit(struct inode *dir, struct inode *inode, uint32_t umask)
{
	uint32_t mode = inode_mode(inode);
	SCOPED_MEM uint8_t *acl = NULL;
	uint32_t len;

	if (S_ISLNK(mode))
		return 0;
	TRY(acl_load(dir, ACL_DEFAULT, &acl, &len));
	if (!acl) {
		inode_item_set_mode(inode->item, mode & ~(umask & 0777u));
		return 0;
	}
	if (S_ISDIR(mode))
		TRY(acl_store(inode, ACL_DEFAULT, acl, len));
	if (!acl_for_new(acl, len, &mode))
		TRY(acl_store(inode, ACL_ACCESS, acl, len));
	inode_item_set_mode(inode->item, mode);
	return 0;
}
