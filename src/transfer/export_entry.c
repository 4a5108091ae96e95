/*
 * What an entry of an archive says of a file: owner, mode, times, xattrs, ACLs, flags. Keeps no state.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "transfer/export_priv.h"
#include "transfer/unpack.h"

#define ACL_VERSION 2u
#define ACL_HEADER_BYTES 4u
#define ACL_ENTRY_BYTES 8u

static const struct {
	unsigned tag;
	int type;
} acl_tags[] = {
	{ 0x01, ARCHIVE_ENTRY_ACL_USER_OBJ },  { 0x02, ARCHIVE_ENTRY_ACL_USER },
	{ 0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ }, { 0x08, ARCHIVE_ENTRY_ACL_GROUP },
	{ 0x10, ARCHIVE_ENTRY_ACL_MASK },      { 0x20, ARCHIVE_ENTRY_ACL_OTHER },
};

static int acl_type_of(unsigned tag)
{
	for (size_t i = 0; i < ARRAY_LEN(acl_tags); i++)
		if (acl_tags[i].tag == tag)
			return acl_tags[i].type;
	return 0;
}

static bool acl_is_sane(const uint8_t *acl, size_t len)
{
	if (len < ACL_HEADER_BYTES || (len - ACL_HEADER_BYTES) % ACL_ENTRY_BYTES ||
	    load32(acl) != ACL_VERSION)
		return false;
	for (size_t at = ACL_HEADER_BYTES; at < len; at += ACL_ENTRY_BYTES)
		if (!acl_type_of(load16(acl + at)) || load16(acl + at + 2) > 7)
			return false;
	return true;
}

/* The bytes of a POSIX ACL as libarchive's entries; false when they are none. */
static bool export_add_acl(struct archive_entry *entry, int type, const uint8_t *acl, size_t len)
{
	if (!acl_is_sane(acl, len))
		return false;
	for (size_t at = ACL_HEADER_BYTES; at < len; at += ACL_ENTRY_BYTES) {
		int tag = acl_type_of(load16(acl + at));
		bool named = tag == ARCHIVE_ENTRY_ACL_USER || tag == ARCHIVE_ENTRY_ACL_GROUP;
		int id = named ? (int)load32(acl + at + 4) : -1;

		if (archive_entry_acl_add_entry(entry, type, load16(acl + at + 2), tag, id, NULL) !=
		    ARCHIVE_OK)
			return false;
	}
	return true;
}

/* libarchive writes any other name with %XX in it, which no reader takes back. */
static bool name_can_be_told(const char *name)
{
	for (; *name; name++)
		if (*name < 33 || *name > 126 || *name == '%' || *name == '=')
			return false;
	return true;
}

static void fill_xattr(struct export *export, const struct walk_entry *from,
		       const struct walk_xattr *xattr)
{
	int type = 0;

	if (strcmp(xattr->name, "system.posix_acl_access") == 0)
		type = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	else if (strcmp(xattr->name, "system.posix_acl_default") == 0)
		type = ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	if (type && export_add_acl(export->entry, type, xattr->value, xattr->len))
		return;
	if (name_can_be_told(xattr->name))
		archive_entry_xattr_add_entry(export->entry, xattr->name, xattr->value, xattr->len);
	else
		export->options->warn(
			export->options->ctx, from->path,
			"an extended attribute with a name that is not plain ASCII is "
			"left out");
}

static void fill_xattrs(struct export *export, const struct walk_entry *from)
{
	if (export->options->format != EXPORT_PAX) {
		if (from->nr_xattrs && !export->told_lost) {
			export->options->warn(export->options->ctx, from->path,
					      "this format keeps no extended attributes and ACLs");
			export->told_lost = true;
		}
		return;
	}
	for (size_t i = 0; i < from->nr_xattrs; i++)
		fill_xattr(export, from, &from->xattrs[i]);
}

void export_fill_entry(struct export *export, const struct walk_entry *from, const char *name)
{
	struct archive_entry *entry = export->entry;
	const struct ubtrfs_attr *attr = &from->attr;
	unsigned long set = archive_flags_from(attr->flags);

	archive_entry_clear(entry);
	archive_entry_copy_pathname(entry, name);
	archive_entry_set_mode(entry, (mode_t)attr->mode);
	archive_entry_set_uid(entry, attr->uid);
	archive_entry_set_gid(entry, attr->gid);
	archive_entry_set_nlink(entry, attr->nlink);
	/* Formats with inode numbers tell links by them. */
	archive_entry_set_dev(entry, (dev_t)attr->node.subvolid);
	archive_entry_set_ino64(entry, (la_int64_t)attr->node.ino);
	archive_entry_set_mtime(entry, attr->mtime.sec, attr->mtime.nsec);
	if (export->options->format == EXPORT_PAX) {
		archive_entry_set_atime(entry, attr->atime.sec, attr->atime.nsec);
		archive_entry_set_ctime(entry, attr->ctime.sec, attr->ctime.nsec);
		if (set)
			archive_entry_set_fflags(entry, set, 0);
	}
	archive_entry_set_size(entry, S_ISREG(attr->mode) ? (la_int64_t)attr->size : 0);
	if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
		archive_entry_set_rdev(entry, (dev_t)attr->rdev);
	if (S_ISLNK(attr->mode) && from->target)
		archive_entry_copy_symlink(entry, from->target);
	fill_xattrs(export, from);
}
