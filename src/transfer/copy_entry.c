/*
 * One entry of a copy: made new, or written over what is there. Attributes follow the rules: what
 * is kept comes from the source, the rest is as if the caller had made the file.
 *
 * What stamps times comes first, the times that are kept last. Keeps no state, takes no lock.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "transfer/copy_priv.h"
#include "transfer/source_file.h"

#define KEPT_TIMES (UBTRFS_ATTR_ATIME | UBTRFS_ATTR_MTIME)

static int entry_fail(const struct copy_walk *walk, int ret, const struct scan_entry *entry)
{
	return import_fail(walk->import, ret, "%s/%s", walk->import->root_path, entry->path);
}

/* ---- attributes ---- */

/* What cp would ask the system for. */
static uint32_t mode_asked(const struct copy_rules *rules, uint32_t mode)
{
	if (!rules->default_mode)
		return mode;
	return (mode & (S_IFMT | S_ISVTX)) | (S_ISDIR(mode) ? 0777 : 0666);
}

/* The permissions of a new file whose mode is not kept. */
static uint32_t mode_new(const struct copy_rules *rules, uint32_t mode)
{
	uint32_t allowed = 07777;

	if (S_ISLNK(mode))
		return mode;
	if (S_ISREG(mode))
		allowed = 0777;
	else if (S_ISDIR(mode))
		allowed = 01777;
	mode = mode_asked(rules, mode);
	return (mode & S_IFMT) | (mode & allowed & ~rules->umask);
}

/* Attributes of what is new in a directory. */
static void copy_attr_new(const struct copy_rules *rules, const struct scan_dest *dir,
			  const struct import_meta *meta, struct ubtrfs_attr *ret_attr)
{
	bool dir_group = dir->mode & S_ISGID;

	memset(ret_attr, 0, sizeof(*ret_attr));
	ret_attr->mode = rules->keep & COPY_KEEP_MODE ? meta->mode : mode_new(rules, meta->mode);
	ret_attr->uid = rules->uid;
	ret_attr->gid = dir_group ? dir->gid : rules->gid;
	if (rules->keep & COPY_KEEP_OWNER) {
		ret_attr->uid = meta->uid;
		ret_attr->gid = meta->gid;
	}
	if (dir_group && S_ISDIR(meta->mode) && !(rules->keep & COPY_KEEP_MODE))
		ret_attr->mode |= S_ISGID;
	ret_attr->rdev = meta->rdev;
	ret_attr->atime = meta->atime;
	ret_attr->mtime = meta->mtime;
}

static bool xattr_is_kept(const struct copy_rules *rules, const char *name)
{
	if (import_xattr_is_acl(name))
		return rules->keep & COPY_KEEP_MODE;
	return rules->keep &
	       (strcmp(name, "security.selinux") ? COPY_KEEP_XATTRS : COPY_KEEP_CONTEXT);
}

static bool entry_has_xattr(const struct scan_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->nr_xattrs; i++)
		if (!strcmp(entry->xattrs[i].name, name))
			return true;
	return false;
}

/* Permissions that are kept are all there are: an ACL of the old file would change them. */
static int old_acls_drop(struct copy_walk *walk, const struct scan_entry *entry,
			 struct ubtrfs_node node)
{
	static const char *const names[] = { "system.posix_acl_access",
					     "system.posix_acl_default" };

	if (!(walk->copy->rules.keep & COPY_KEEP_MODE))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int ret;

		if (entry_has_xattr(entry, names[i]))
			continue;
		ret = ubtrfs_removexattr(walk->copy->fs, node, names[i]);
		if (ret < 0 && ret != -ENODATA)
			return entry_fail(walk, ret, entry);
	}
	return 0;
}

static int xattrs_set(struct copy_walk *walk, const struct scan_entry *entry,
		      struct ubtrfs_node node)
{
	for (size_t i = 0; i < entry->nr_xattrs; i++)
		if (xattr_is_kept(&walk->copy->rules, entry->xattrs[i].name))
			TRY(import_set_xattrs(walk->import, node, entry->path, &entry->xattrs[i],
					      1));
	return 0;
}

static int times_set(struct copy_walk *walk, const struct scan_entry *entry,
		     struct ubtrfs_node node)
{
	const struct ubtrfs_attr attr = { .atime = entry->meta.atime, .mtime = entry->meta.mtime };
	int ret = 0;

	if (walk->copy->rules.keep & COPY_KEEP_TIMES)
		ret = ubtrfs_setattr(walk->copy->fs, node, &attr, KEPT_TIMES);
	return ret < 0 ? entry_fail(walk, ret, entry) : 0;
}

/* What is there takes on what is kept of the source; more: what is to be set beside that. */
static int old_attrs_set(struct copy_walk *walk, const struct scan_entry *entry,
			 struct ubtrfs_attr *attr, unsigned more)
{
	unsigned keep = walk->copy->rules.keep, set = more;
	int ret = 0;

	if (keep & COPY_KEEP_MODE) {
		attr->mode = entry->meta.mode;
		set |= UBTRFS_ATTR_MODE;
	}
	if (keep & COPY_KEEP_OWNER) {
		attr->uid = entry->meta.uid;
		attr->gid = entry->meta.gid;
		set |= UBTRFS_ATTR_UID | UBTRFS_ATTR_GID;
	}
	if (set)
		ret = ubtrfs_setattr(walk->copy->fs, attr->node, attr, set);
	if (ret < 0)
		return entry_fail(walk, ret, entry);
	TRY(old_acls_drop(walk, entry, attr->node));
	return xattrs_set(walk, entry, attr->node);
}

/* ---- links ---- */

static bool is_linked(const struct copy_walk *walk, const struct scan_entry *entry)
{
	const struct copy_rules *rules = &walk->copy->rules;

	return rules->keep & COPY_KEEP_LINKS && !entry->dir && walk->stream_fd < 0 &&
	       (entry->nlink > 1 || rules->follow != COPY_FOLLOW_NEVER);
}

/* 1: it is another name of something that was copied already, and done. */
static int try_link(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		    const struct scan_entry *entry, struct copy_target *target)
{
	struct copy_in *copy = walk->copy;
	struct ubtrfs_node node;
	int ret;

	if (!is_linked(walk, entry) ||
	    !hardlinks_find(&copy->links, entry->dev, entry->ino, dir->node.subvolid, &node))
		return 0;
	if (target->found && target->attr.node.ino == node.ino &&
	    target->attr.node.subvolid == node.subvolid)
		return 1;
	if (target->found)
		TRY(copy_target_remove(walk, dir, name, target));
	ret = ubtrfs_link(copy->fs, node, dir->node, name, strlen(name));
	if (ret == -EMLINK) {
		TRY(import_warn(walk->import,
				"%s/%s: its inode takes no more links, so it becomes a copy",
				walk->import->root_path, entry->path));
		return 0;
	}
	if (ret < 0)
		return entry_fail(walk, ret, entry);
	walk->import->stats.hardlinks++;
	return 1;
}

static int note_link(struct copy_walk *walk, const struct scan_entry *entry,
		     struct ubtrfs_node node)
{
	if (!is_linked(walk, entry))
		return 0;
	return hardlinks_set(&walk->copy->links, entry->dev, entry->ino, node);
}

/* ---- making ---- */

static int contents_write(struct copy_walk *walk, struct scan_entry *entry,
			  const struct ubtrfs_attr *attr, struct ubtrfs_node node)
{
	if (walk->source->fs == walk->copy->fs)
		return copy_same_write(walk, entry, node, attr);
	if (walk->copy->rules.reflink == COPY_REFLINK_ALWAYS)
		return THROW_SYS(EXDEV, "failed to clone %s/%s", walk->import->root_path,
				 entry->path);
	return walk->stream_fd >= 0 ? copy_stream_write(walk, node) :
				      source_file_write(walk->import, entry, node, attr);
}

static void dir_is_new(struct scan_dir *dir, struct ubtrfs_node node,
		       const struct ubtrfs_attr *attr)
{
	dir->node = node;
	dir->dest = (struct scan_dest){ .node = node, .mode = attr->mode, .gid = attr->gid };
}

static int entry_make(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		      struct scan_entry *entry)
{
	struct copy_in *copy = walk->copy;
	struct ubtrfs_new what = { .symlink_target = entry->target,
				   .symlink_len = entry->target_len };
	struct ubtrfs_node node;
	int ret;

	TRY(copy_check_flags(walk, dir->flags, true, "the directory"));
	copy_attr_new(&copy->rules, dir, &entry->meta, &what.attr);
	TRY(copy_acl_mode(walk, dir->node, mode_asked(&copy->rules, entry->meta.mode),
			  &what.attr.mode));
	if (copy->rules.keep & COPY_KEEP_TIMES)
		what.set = KEPT_TIMES;
	ret = ubtrfs_create(copy->fs, dir->node, name, strlen(name), &what, &node);
	if (ret < 0)
		return entry_fail(walk, ret, entry);
	import_stats_count(&walk->import->stats, entry->meta.mode);
	TRY(note_link(walk, entry, node));
	TRY(copy_acl_hand_down(walk, dir->node, what.attr.mode, node));
	TRY(xattrs_set(walk, entry, node));
	if (entry->dir) {
		dir_is_new(entry->dir, node, &what.attr);
		return times_set(walk, entry, node);
	}
	TRY(copy_made_add(copy, node));
	if (S_ISREG(entry->meta.mode))
		TRY(contents_write(walk, entry, &what.attr, node));
	return times_set(walk, entry, node);
}

/* What a file may do by itself goes when it is written or given away. */
static int privileges_drop(struct copy_walk *walk, const struct scan_entry *entry,
			   const struct ubtrfs_attr *old, struct ubtrfs_attr *attr, unsigned *set)
{
	const struct copy_rules *rules = &walk->copy->rules;
	int ret = ubtrfs_removexattr(walk->copy->fs, old->node, "security.capability");

	if (ret < 0 && ret != -ENODATA)
		return entry_fail(walk, ret, entry);
	/* Root may write without that, as everywhere. */
	if (!rules->uid && !(rules->keep & COPY_KEEP_OWNER))
		return 0;
	if (!(old->mode & (S_ISUID | S_ISGID)))
		return 0;
	attr->mode &= ~(uint32_t)S_ISUID;
	if (old->mode & S_IXGRP)
		attr->mode &= ~(uint32_t)S_ISGID;
	*set |= UBTRFS_ATTR_MODE;
	return 0;
}

static int entry_overwrite(struct copy_walk *walk, struct scan_entry *entry,
			   const struct ubtrfs_attr *old)
{
	struct ubtrfs_attr attr = *old;
	unsigned set = UBTRFS_ATTR_SIZE;

	attr.size = 0;
	TRY(privileges_drop(walk, entry, old, &attr, &set));
	TRY(old_attrs_set(walk, entry, &attr, set));
	walk->import->stats.files++;
	TRY(note_link(walk, entry, old->node));
	TRY(copy_made_add(walk->copy, old->node));
	TRY(contents_write(walk, entry, &attr, old->node));
	return times_set(walk, entry, old->node);
}

/* A directory that is there takes on what is kept, and the entries to come. */
static int entry_merge(struct copy_walk *walk, struct scan_entry *entry,
		       const struct ubtrfs_attr *old)
{
	struct ubtrfs_attr attr = *old;

	if (walk->copy->rules.keep &
	    (COPY_KEEP_MODE | COPY_KEEP_OWNER | COPY_KEEP_XATTRS | COPY_KEEP_CONTEXT))
		TRY(copy_check_flags(walk, old->flags, true, entry->path));
	TRY(old_attrs_set(walk, entry, &attr, 0));
	entry->dir->node = old->node;
	entry->dir->dest = (struct scan_dest){ .node = old->node,
					       .is_old = true,
					       .mode = attr.mode,
					       .gid = attr.gid,
					       .flags = attr.flags };
	walk->import->stats.dirs++;
	return times_set(walk, entry, old->node);
}

/* -u: what stays is a copy too, as far as other names of its source go. */
static int entry_skip(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		      const struct scan_entry *entry, struct copy_target *target)
{
	int ret;

	if (walk->copy->rules.update != COPY_UPDATE_OLDER || S_ISDIR(target->attr.mode))
		return 0;
	ret = try_link(walk, dir, name, entry, target);
	if (ret)
		return MIN(ret, 0);
	return note_link(walk, entry, target->attr.node);
}

static int check_kind(const struct copy_walk *walk, const struct scan_entry *entry)
{
	/* It would hold what it is becoming. */
	if (S_ISREG(entry->meta.mode) && !walk->source->fs && walk->stream_fd < 0 &&
	    copy_devices_have(&walk->copy->devices, entry->dev, entry->ino))
		return THROW(ERR_INVALID, "%s/%s is the image that is copied into",
			     walk->import->root_path, entry->path);
	if (entry->dir && !walk->copy->rules.recursive)
		return THROW(ERR_IS_DIR, "%s is a directory: it is copied with -r or -a only",
			     walk->source->path);
	return 0;
}

/* "DIR/a" of what was said as DIR. */
static void tell(const struct copy_walk *walk, const struct scan_entry *entry)
{
	const struct copy_rules *rules = &walk->copy->rules;
	size_t top_len = walk->import->top_name ? strlen(walk->import->top_name) : 0;
	const char *rest = entry->path + MIN(top_len, strlen(entry->path));
	char source[ERR_TEXT_MAX], dest[ERR_TEXT_MAX];

	rest += *rest == '/';
	snprintf(source, sizeof(source), "%s%s%s", walk->source->path, *rest ? "/" : "", rest);
	snprintf(dest, sizeof(dest), "%s%s%s", walk->dest->path, *rest ? "/" : "", rest);
	rules->tell(rules->ctx, source, dest);
}

int copy_entry(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
	       struct scan_entry *entry)
{
	struct copy_target target;
	enum copy_what what;
	int ret;

	TRY(import_step(walk->import));
	TRY(check_kind(walk, entry));
	TRY(copy_target_decide(walk, dir, name, entry, &target, &what));
	if (what == COPY_SKIP)
		return entry_skip(walk, dir, name, entry, &target);
	if (walk->copy->rules.tell)
		tell(walk, entry);
	if (what == COPY_MERGE)
		return entry_merge(walk, entry, &target.attr);
	ret = try_link(walk, dir, name, entry, &target);
	if (ret)
		return MIN(ret, 0);
	return what == COPY_OVERWRITE ? entry_overwrite(walk, entry, &target.attr) :
					entry_make(walk, dir, name, entry);
}

int copy_top(struct copy_walk *walk, struct scan_entry *entry)
{
	struct ubtrfs_attr old;
	int ret;

	TRY(import_step(walk->import));
	TRY(check_kind(walk, entry));
	ret = ubtrfs_getattr(walk->copy->fs, walk->dest->dir, &old);
	if (ret < 0)
		return entry_fail(walk, ret, entry);
	if (!entry->dir || !S_ISDIR(old.mode))
		return THROW(ERR_NOT_DIR, "%s is not a directory",
			     entry->dir ? walk->dest->path : walk->source->path);
	if (walk->copy->rules.tell)
		tell(walk, entry);
	return entry_merge(walk, entry, &old);
}

int copy_dir_finish(struct copy_walk *walk, const struct scan_dir *dir)
{
	const struct ubtrfs_attr attr = { .atime = dir->meta.atime, .mtime = dir->meta.mtime };
	int ret = 0;

	if (walk->copy->rules.keep & COPY_KEEP_TIMES)
		ret = ubtrfs_setattr(walk->copy->fs, dir->node, &attr, KEPT_TIMES);
	return ret < 0 ?
		       import_fail(walk->import, ret, "%s/%s", walk->import->root_path, dir->path) :
		       0;
}
