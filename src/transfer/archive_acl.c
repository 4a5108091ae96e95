/*
 * POSIX ACLs: from libarchive's entries to the bytes of the xattr, which are the same on disk and
 * at the system call.
 *
 *   u32 version = 2, then per entry: u16 tag, u16 permissions, u32 id; little endian; sorted by
 * tag, then id
 *
 * An access ACL with more than owner, group and others has a mask, and the group bits of the mode
 * are that mask; libarchive puts the owning group's permissions there instead, so the mode is
 * mended here. Keeps no state.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "transfer/unpack.h"

#define ACL_VERSION 2
#define ACL_HEADER_BYTES 4
#define ACL_ENTRY_BYTES 8
#define ACL_ENTRIES_MAX ((ACL_BYTES_MAX - ACL_HEADER_BYTES) / ACL_ENTRY_BYTES)
#define ACL_NO_ID UINT32_MAX

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

struct acl_entry {
	unsigned tag;
	unsigned perm;
	uint32_t id;
};

struct acl {
	struct acl_entry entries[ACL_ENTRIES_MAX];
	size_t nr;
	unsigned tags;	      /* all that occur */
	unsigned group_class; /* permissions of group, named users and groups, together */
};

static unsigned acl_tag_of(int archive_tag)
{
	switch (archive_tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return ACL_USER_OBJ;
	case ARCHIVE_ENTRY_ACL_USER:
		return ACL_USER;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return ACL_GROUP_OBJ;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return ACL_GROUP;
	case ARCHIVE_ENTRY_ACL_MASK:
		return ACL_MASK;
	case ARCHIVE_ENTRY_ACL_OTHER:
		return ACL_OTHER;
	default:
		return 0;
	}
}

static void acl_add(struct acl *acl, unsigned tag, unsigned perm, uint32_t id)
{
	acl->entries[acl->nr++] = (struct acl_entry){ .tag = tag, .perm = perm, .id = id };
	acl->tags |= tag;
	if (tag & (ACL_USER | ACL_GROUP | ACL_GROUP_OBJ))
		acl->group_class |= perm;
}

static int acl_collect(struct import *import, const char *path, struct archive_entry *entry,
		       int type, struct acl *acl)
{
	int got_type, permset, archive_tag, id;
	const char *name;

	archive_entry_acl_reset(entry, type);
	while (archive_entry_acl_next(entry, type, &got_type, &permset, &archive_tag, &id, &name) ==
	       ARCHIVE_OK) {
		unsigned tag = acl_tag_of(archive_tag);
		bool is_named = tag == ACL_USER || tag == ACL_GROUP;

		/* One place is kept for a mask. */
		if (acl->nr + 1 >= ACL_ENTRIES_MAX)
			return THROW(ERR_LIMIT, "%s: an ACL of more than %d entries", path,
				     (int)ACL_ENTRIES_MAX);
		if (is_named && id < 0) {
			TRY(import_warn(
				import,
				"%s: the ACL names \"%s\" without a number; that entry is left out",
				path, name ? name : ""));
			continue;
		}
		if (tag)
			acl_add(acl, tag, permset & 7, is_named ? (uint32_t)id : ACL_NO_ID);
	}
	return 0;
}

static int acl_compare(const void *a, const void *b)
{
	const struct acl_entry *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static size_t acl_encode(const struct acl *acl, uint8_t *value)
{
	uint8_t *pos = value + ACL_HEADER_BYTES;

	store32(value, ACL_VERSION);
	for (size_t i = 0; i < acl->nr; i++, pos += ACL_ENTRY_BYTES) {
		store16(pos, acl->entries[i].tag);
		store16(pos + 2, acl->entries[i].perm);
		store32(pos + 4, acl->entries[i].id);
	}
	return pos - value;
}

/* The value as it stood in the source, when the archive has it: *ret_len 0 when not. */
static int acl_raw(struct archive_entry *entry, const char *name, uint8_t *value, size_t *ret_len)
{
	const char *found;
	const void *raw;
	size_t len;

	*ret_len = 0;
	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &found, &raw, &len) == ARCHIVE_OK) {
		if (strcmp(found, name))
			continue;
		if (len > ACL_BYTES_MAX || len < ACL_HEADER_BYTES ||
		    (len - ACL_HEADER_BYTES) % ACL_ENTRY_BYTES)
			return THROW(ERR_ARCHIVE, "xattr %s of %zu bytes is no ACL", name, len);
		memcpy(value, raw, len);
		*ret_len = len;
	}
	return 0;
}

static void acl_decode(const uint8_t *value, size_t len, struct acl *acl)
{
	for (const uint8_t *pos = value + ACL_HEADER_BYTES; pos < value + len;
	     pos += ACL_ENTRY_BYTES)
		acl_add(acl, load16(pos), load16(pos + 2), load32(pos + 4));
}

static unsigned acl_perm(const struct acl *acl, unsigned tag)
{
	for (size_t i = 0; i < acl->nr; i++) {
		if (acl->entries[i].tag == tag)
			return acl->entries[i].perm;
	}
	return 0;
}

static void acl_mend_mode(const struct acl *acl, uint32_t *mode)
{
	unsigned group = acl->tags & ACL_MASK ? ACL_MASK : ACL_GROUP_OBJ;

	*mode = (*mode & ~0777u) | acl_perm(acl, ACL_USER_OBJ) << 6 | acl_perm(acl, group) << 3 |
		acl_perm(acl, ACL_OTHER);
}

/* From the archive's own form of an ACL, which may know names only. */
static int acl_convert(struct import *import, const char *path, struct archive_entry *entry,
		       int type, struct acl *acl)
{
	const unsigned base = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER;

	TRY(acl_collect(import, path, entry, type, acl));
	if (!acl->nr || (type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS && !(acl->tags & ~base))) {
		acl->nr = 0;
		return 0;
	}
	if ((acl->tags & base) != base) {
		acl->nr = 0;
		return import_warn(import, "%s: an ACL without owner, group and others is left out",
				   path);
	}
	if (acl->tags & (ACL_USER | ACL_GROUP) && !(acl->tags & ACL_MASK))
		acl_add(acl, ACL_MASK, acl->group_class, ACL_NO_ID);
	qsort(acl->entries, acl->nr, sizeof(acl->entries[0]), acl_compare);
	return 0;
}

int archive_acl_value(struct import *import, const char *path, struct archive_entry *entry,
		      int type, uint32_t *mode, uint8_t *value, size_t *ret_len)
{
	bool is_access = type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	struct acl acl = { .nr = 0 };

	TRY(acl_raw(entry, is_access ? "system.posix_acl_access" : "system.posix_acl_default",
		    value, ret_len));
	if (*ret_len) {
		acl_decode(value, *ret_len, &acl);
	} else {
		TRY(acl_convert(import, path, entry, type, &acl));
		if (acl.nr)
			*ret_len = acl_encode(&acl, value);
	}
	if (is_access && acl.nr)
		acl_mend_mode(&acl, mode);
	return 0;
}
