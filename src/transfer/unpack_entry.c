/*
 * One entry of an archive: what it replaces, creating it, its attributes.
 *
 * A path is normalized before anything is looked at, so nothing outside dest can be named. Takes no
 * lock.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "transfer/import_spec.h"
#include "transfer/unpack.h"

#define ENTRY_XATTRS_MAX 1024
#define XATTR_NAME_MAX_BYTES 255
/* They forbid what may follow: more names, more in a directory. They come with the times, when all is there. */
#define FLAGS_AT_THE_END ((uint64_t)(BTRFS_INODE_IMMUTABLE | BTRFS_INODE_APPEND))

/* An entry in the form the API takes. */
struct item {
	char *path; /* normalized */
	struct import_meta meta;
	struct ubtrfs_attr attr;
	uint32_t inode_flags;
	bool has_mtime;
	uint8_t access[ACL_BYTES_MAX], inherited[ACL_BYTES_MAX];
	size_t access_len, inherited_len;
};

static struct ubtrfs_time time_make(time_t sec, long nsec)
{
	return (struct ubtrfs_time){ .sec = sec, .nsec = nsec };
}

static void item_times(const struct unpack *unpack, struct item *item)
{
	struct archive_entry *entry = unpack->entry;
	struct import_meta *meta = &item->meta;

	item->has_mtime = archive_entry_mtime_is_set(entry);
	meta->mtime = item->has_mtime ? time_make(archive_entry_mtime(entry),
						  archive_entry_mtime_nsec(entry)) :
					unpack->now;
	meta->atime =
		archive_entry_atime_is_set(entry) ?
			time_make(archive_entry_atime(entry), archive_entry_atime_nsec(entry)) :
			meta->mtime;
	meta->ctime =
		archive_entry_ctime_is_set(entry) ?
			time_make(archive_entry_ctime(entry), archive_entry_ctime_nsec(entry)) :
			meta->mtime;
	meta->otime = archive_entry_birthtime_is_set(entry) ?
			      time_make(archive_entry_birthtime(entry),
					archive_entry_birthtime_nsec(entry)) :
			      meta->mtime;
}

static int item_owner(struct unpack *unpack, struct item *item)
{
	int64_t uid = archive_entry_uid(unpack->entry);
	int64_t gid = archive_entry_gid(unpack->entry);
	const char *user = archive_entry_uname(unpack->entry);

	if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return THROW(ERR_ARCHIVE, "it belongs to %lld:%lld", (long long)uid,
			     (long long)gid);
	item->meta.uid = uid;
	item->meta.gid = gid;
	if (!unpack->is_mtree || uid || !user || !*user || !strcmp(user, "root") ||
	    unpack->told_owner)
		return 0;
	unpack->told_owner = true;
	return import_warn(
		unpack->import,
		"%s: %s belongs to \"%s\" without a number, which becomes 0; so with others",
		unpack->label, item->path, user);
}

static int item_acls(struct unpack *unpack, struct item *item)
{
	struct archive_entry *entry = unpack->entry;

	if (archive_entry_acl_types(entry) & ARCHIVE_ENTRY_ACL_TYPE_NFS4)
		return import_warn(unpack->import,
				   "%s: %s: btrfs cannot hold an NFSv4 ACL; it is left out",
				   unpack->label, item->path);
	TRY(archive_acl_value(unpack->import, item->path, entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS,
			      &item->meta.mode, item->access, &item->access_len));
	return archive_acl_value(unpack->import, item->path, entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT,
				 &item->meta.mode, item->inherited, &item->inherited_len);
}

static int item_fill(struct unpack *unpack, struct item *item)
{
	struct archive_entry *entry = unpack->entry;
	bool lost;

	item->meta.mode = archive_entry_mode(entry);
	/* Linux knows no other, whatever an archive says. */
	if (S_ISLNK(item->meta.mode))
		item->meta.mode = S_IFLNK | 0777;
	item->meta.rdev = archive_entry_rdev(entry);
	item_times(unpack, item);
	TRY(item_owner(unpack, item));
	TRY(item_acls(unpack, item));
	item->inode_flags = archive_flags_of(entry, &lost);
	if (lost && !unpack->told_flags) {
		unpack->told_flags = true;
		TRY(import_warn(unpack->import,
				"%s: %s: btrfs has not all of the flags %s; so with others",
				unpack->label, item->path, archive_entry_fflags_text(entry)));
	}
	import_attr_fill(unpack->import, &item->meta, !*item->path, &item->attr);
	item->attr.flags = item->inode_flags;
	return 0;
}

static int item_set_xattr(struct unpack *unpack, const struct item *item, struct ubtrfs_node node,
			  const char *name, const void *value, size_t len)
{
	const struct import_xattr xattr = { .name = name, .value = value, .len = len };

	if (!import_xattr_is_known(name) || strlen(name) > XATTR_NAME_MAX_BYTES)
		return import_warn(unpack->import,
				   "%s: %s: btrfs cannot hold xattr %s; it is left out",
				   unpack->label, item->path, name);
	return import_set_xattrs(unpack->import, node, item->path, &xattr, 1);
}

/* ACLs were taken out already (item_acls). *ret_any: something was set. */
static int item_set_xattrs(struct unpack *unpack, const struct item *item, struct ubtrfs_node node,
			   bool *ret_any)
{
	struct archive_entry *entry = unpack->entry;
	const void *value;
	const char *name;
	size_t len;

	*ret_any = item->access_len || item->inherited_len;
	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK) {
		if (!strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")))
			continue;
		TRY(item_set_xattr(unpack, item, node, name, value, len));
		*ret_any = true;
	}
	if (item->access_len)
		TRY(item_set_xattr(unpack, item, node, "system.posix_acl_access", item->access,
				   item->access_len));
	if (item->inherited_len && S_ISDIR(item->meta.mode))
		TRY(item_set_xattr(unpack, item, node, "system.posix_acl_default", item->inherited,
				   item->inherited_len));
	return 0;
}

static int item_check_dir(struct unpack *unpack, struct ubtrfs_node dir)
{
	struct ubtrfs_attr attr;
	int ret;

	if (unpack->checked_dir.ino == dir.ino && unpack->checked_dir.subvolid == dir.subvolid)
		return 0;
	ret = ubtrfs_getattr(unpack->import->fs, dir, &attr);
	if (ret < 0)
		return import_fail(unpack->import, ret, "it cannot be made");
	TRY(import_check_flags(unpack->import, &attr, true, "its directory"));
	unpack->checked_dir = dir;
	return 0;
}

/* The entry is a directory that exists: its attributes become the entry's. */
static int item_merge_dir(struct unpack *unpack, const struct item *item, struct ubtrfs_node node)
{
	unsigned set = UBTRFS_ATTR_MODE | UBTRFS_ATTR_UID | UBTRFS_ATTR_GID |
		       (item->inode_flags ? UBTRFS_ATTR_FLAGS : 0);
	struct ubtrfs_attr attr = item->attr;
	bool any;
	int ret;

	TRY(item_check_dir(unpack, node));
	attr.flags &= ~FLAGS_AT_THE_END;
	ret = ubtrfs_setattr(unpack->import->fs, node, &attr, set);
	if (ret < 0)
		return import_fail(unpack->import, ret, "it cannot be made");
	TRY(item_set_xattrs(unpack, item, node, &any));
	return dir_times_set(&unpack->dir_times, node, &item->attr);
}

static int item_check_type(const struct item *item)
{
	switch (item->meta.mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return THROW(ERR_ARCHIVE, "it is of an unknown type");
	}
}

static const char *entry_symlink(struct archive_entry *entry)
{
	const char *target = archive_entry_symlink(entry);

	return target ? target : archive_entry_symlink_utf8(entry);
}

static int item_create(struct unpack *unpack, const struct item *item, struct ubtrfs_node dir,
		       const char *name, struct ubtrfs_node *ret_node)
{
	struct ubtrfs_new what = {
		.attr = item->attr, .set = ATTR_TIMES | (item->inode_flags ? UBTRFS_ATTR_FLAGS : 0)
	};
	int ret;

	what.attr.flags &= ~FLAGS_AT_THE_END;
	if (S_ISLNK(item->meta.mode)) {
		what.symlink_target = entry_symlink(unpack->entry);
		if (!what.symlink_target || !*what.symlink_target)
			return THROW(ERR_ARCHIVE, "it is a symlink without target");
		what.symlink_len = strlen(what.symlink_target);
	}
	import_stats_count(&unpack->import->stats, item->meta.mode);
	ret = ubtrfs_create(unpack->import->fs, dir, name, strlen(name), &what, ret_node);
	return ret < 0 ? import_fail(unpack->import, ret, "it cannot be made") : 0;
}

/* What takes time stamps with it comes first, the times last. */
static int item_finish(struct unpack *unpack, const struct item *item, struct ubtrfs_node node)
{
	bool any;
	int ret;

	TRY(item_set_xattrs(unpack, item, node, &any));
	if (S_ISDIR(item->meta.mode))
		return dir_times_set(&unpack->dir_times, node, &item->attr);
	if (S_ISREG(item->meta.mode))
		TRY(unpack_data(unpack, item->path, node));
	if (item->attr.flags & FLAGS_AT_THE_END)
		return dir_times_set(&unpack->dir_times, node, &item->attr);
	if (!S_ISREG(item->meta.mode) && !any)
		return 0;
	ret = ubtrfs_setattr(unpack->import->fs, node, &item->attr, ATTR_TIMES);
	return ret < 0 ? import_fail(unpack->import, ret, "it cannot be made") : 0;
}

static int item_unpack(struct unpack *unpack, const struct item *item, struct ubtrfs_node dir,
		       const char *name)
{
	struct ubtrfs_attr old;
	struct ubtrfs_node node;
	int ret = unpack_lookup(unpack, dir, name, &old);

	TRY(ret);
	if (ret == 0 && S_ISDIR(old.mode) && S_ISDIR(item->meta.mode))
		return item_merge_dir(unpack, item, old.node);
	if (ret == 0)
		TRY(unpack_remove(unpack, dir, name));
	TRY(item_check_dir(unpack, dir));
	TRY(item_create(unpack, item, dir, name, &node));
	return item_finish(unpack, item, node);
}

/* What a hard link's target names. */
static int link_target(struct unpack *unpack, const char *target, struct ubtrfs_attr *ret_attr)
{
	struct ubtrfs_attr attr;
	struct ubtrfs_node dir;
	const char *name;
	char *path;
	int ret;

	TRY(spec_normalize(target, "the hard link's target", &path));
	ret = *path ? unpack_parent(unpack, path, false, &dir, &name) : 1;
	if (ret == 0)
		ret = unpack_lookup(unpack, dir, name, &attr);
	mem_free(path);
	TRY(ret);
	if (ret == 1)
		return THROW(ERR_NOT_FOUND, "it is a hard link to %s, which is not there", target);
	*ret_attr = attr;
	return 0;
}

/*
 * Some archives put the contents behind the last name of an inode. Of a symlink they repeat the
 * target, which is there.
 */
static int link_data(struct unpack *unpack, const struct item *item,
		     const struct ubtrfs_attr *target)
{
	struct ubtrfs_attr empty = { .size = 0 };
	struct ubtrfs_node node = target->node;
	int ret;

	if (!S_ISREG(target->mode))
		return 0;
	if (!archive_entry_size_is_set(unpack->entry) || archive_entry_size(unpack->entry) <= 0)
		return 0;
	ret = ubtrfs_setattr(unpack->import->fs, node, &empty, UBTRFS_ATTR_SIZE);
	if (ret < 0)
		return import_fail(unpack->import, ret, "it cannot be made");
	return unpack_data(unpack, item->path, node);
}

static int item_link(struct unpack *unpack, const struct item *item, struct ubtrfs_node dir,
		     const char *name, const char *target)
{
	struct import *import = unpack->import;
	struct ubtrfs_attr linked, old;
	struct ubtrfs_node node;
	int found;
	int ret = 0;

	TRY(link_target(unpack, target, &linked));
	TRY(import_check_flags(import, &linked, false, target));
	node = linked.node;
	found = unpack_lookup(unpack, dir, name, &old);
	TRY(found);
	if (found == 1 || old.node.ino != node.ino || old.node.subvolid != node.subvolid) {
		if (found == 0)
			TRY(unpack_remove(unpack, dir, name));
		TRY(item_check_dir(unpack, dir));
		ret = ubtrfs_link(import->fs, node, dir, name, strlen(name));
		if (ret < 0)
			return import_fail(import, ret, "it cannot be made");
		import->stats.hardlinks++;
	}
	TRY(link_data(unpack, item, &linked));
	if (item->has_mtime)
		ret = ubtrfs_setattr(import->fs, node, &item->attr, ATTR_TIMES);
	return ret < 0 ? import_fail(import, ret, "it cannot be made") : 0;
}

static const char *entry_hardlink(struct archive_entry *entry)
{
	const char *target = archive_entry_hardlink(entry);

	return target ? target : archive_entry_hardlink_utf8(entry);
}

static int unpack_top(struct unpack *unpack, const struct item *item)
{
	if (!S_ISDIR(item->meta.mode))
		return THROW(ERR_ARCHIVE, "only a directory may have this name");
	return item_merge_dir(unpack, item, unpack->dest);
}

static int unpack_item(struct unpack *unpack, struct item *item)
{
	const char *hardlink = entry_hardlink(unpack->entry);
	bool layers = unpack->import->options.layers;
	struct ubtrfs_node dir;
	const char *name;
	int ret;

	if (layers && *item->path &&
	    whiteout_is(strrchr(item->path, '/') ? strrchr(item->path, '/') + 1 : item->path)) {
		ret = unpack_parent(unpack, item->path, false, &dir, &name);
		TRY(ret);
		/* No such directory below: nothing to hide. */
		return ret == 1 ? 0 : whiteout_apply(unpack, dir, name);
	}
	TRY(item_fill(unpack, item));
	if (!*item->path)
		return unpack_top(unpack, item);
	TRY(unpack_parent(unpack, item->path, true, &dir, &name));
	if (strlen(name) > NAME_LEN_MAX)
		return THROW(ERR_NAME_TOO_LONG, "a name of %zu bytes", strlen(name));
	if (hardlink) {
		TRY(item_link(unpack, item, dir, name, hardlink));
	} else {
		TRY(item_check_type(item));
		TRY(item_unpack(unpack, item, dir, name));
	}
	return layers ? layer_names_add(&unpack->layer_names, dir, name) : 0;
}

int unpack_entry(struct unpack *unpack)
{
	const char *raw = archive_entry_pathname(unpack->entry);
	struct item *item;
	int ret;

	if (!raw)
		raw = archive_entry_pathname_utf8(unpack->entry);
	if (!raw || !*raw)
		return THROW(ERR_ARCHIVE, "%s: an entry has no name that can be used",
			     unpack->label);
	item = mem_zalloc(sizeof(*item));
	if (!item)
		return MEM_FAIL("an entry");
	ret = spec_normalize(raw, "the path", &item->path);
	if (ret >= 0)
		ret = unpack_item(unpack, item);
	/* One prefix for all that may go wrong below with the entry. */
	if (ret < 0)
		err_prefix(ret, "%s: entry %s", unpack->label, raw);
	mem_free(item->path);
	mem_free(item);
	return ret;
}
