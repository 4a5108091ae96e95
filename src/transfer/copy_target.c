/*
 * A name that a copy is about to use: what stands there, and what cp(1) makes of that.
 *
 * A symlink at the name of a regular file leads to the file that is overwritten; everything else
 * replaces the symlink itself. Keeps no state, takes no lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "transfer/copy_priv.h"

static int target_fail(const struct copy_walk *walk, int ret, const char *name)
{
	return import_fail(walk->import, ret, "%s: %s", walk->dest->path, name);
}

static bool node_is(struct ubtrfs_node a, struct ubtrfs_node b)
{
	return a.subvolid == b.subvolid && a.ino == b.ino;
}

static int refused(const struct copy_walk *walk, const char *name, const char *what)
{
	return THROW(ERR_EXISTS, "%s: %s: %s", walk->dest->path, name, what);
}

/* A regular file is copied to a name that is a symlink. */
static int target_follow(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
			 struct copy_target *target)
{
	struct ubtrfs *fs = walk->copy->fs;
	struct ubtrfs_node node;
	int ret;

	if (copy_made_has(walk->copy, target->attr.node))
		return refused(walk, name, "will not copy through a symlink that was just made");
	ret = ubtrfs_resolve(fs, dir->node, name, true, &node);
	if (ret == -ENOENT)
		return refused(walk, name, "not writing through a symlink that leads nowhere");
	if (ret == 0)
		ret = ubtrfs_getattr(fs, node, &target->attr);
	return ret < 0 ? target_fail(walk, ret, name) : 0;
}

static int target_find(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		       const struct scan_entry *entry, struct copy_target *target)
{
	struct ubtrfs *fs = walk->copy->fs;
	struct ubtrfs_node node;
	int ret;

	target->found = false;
	if (!dir->is_old && !walk->copy->rules.several_sources)
		return 0;
	ret = ubtrfs_lookup(fs, dir->node, name, strlen(name), &node);
	if (ret == -ENOENT)
		return 0;
	if (ret == 0)
		ret = ubtrfs_getattr(fs, node, &target->attr);
	if (ret < 0)
		return target_fail(walk, ret, name);
	target->found = true;
	if (S_ISREG(entry->meta.mode) && S_ISLNK(target->attr.mode) &&
	    !walk->copy->rules.remove_destination)
		return target_follow(walk, dir, name, target);
	return 0;
}

static bool is_older(const struct ubtrfs_time *a, const struct ubtrfs_time *b)
{
	return a->sec != b->sec ? a->sec < b->sec : a->nsec < b->nsec;
}

static bool stays(const struct copy_rules *rules, const struct scan_entry *entry,
		  const struct ubtrfs_attr *old)
{
	return rules->update == COPY_UPDATE_NONE ||
	       (rules->update == COPY_UPDATE_OLDER && !is_older(&old->mtime, &entry->meta.mtime));
}

/* What is there goes before the copy comes: it is not written into. */
static bool goes_first(const struct copy_rules *rules, const struct scan_entry *entry,
		       const struct ubtrfs_attr *old)
{
	return rules->remove_destination || !S_ISREG(entry->meta.mode) || !S_ISREG(old->mode) ||
	       (rules->keep & COPY_KEEP_LINKS && old->nlink > 1);
}

int copy_check_flags(const struct copy_walk *walk, uint64_t flags, bool is_add, const char *name)
{
	if (flags & BTRFS_INODE_IMMUTABLE)
		return THROW_SYS(EPERM, "%s: %s is immutable", walk->dest->path, name);
	if (flags & BTRFS_INODE_APPEND && !is_add)
		return THROW_SYS(EPERM, "%s: %s may only be appended to", walk->dest->path, name);
	return 0;
}

int copy_target_remove(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		       struct copy_target *target)
{
	int ret;

	TRY(copy_check_flags(walk, dir->flags, false, "the directory"));
	TRY(copy_check_flags(walk, target->attr.flags, false, name));
	ret = ubtrfs_unlink(walk->copy->fs, dir->node, name, strlen(name));
	if (ret < 0)
		return target_fail(walk, ret, name);
	target->found = false;
	return 0;
}

static int decide_dir(struct copy_walk *walk, const char *name, const struct scan_entry *entry,
		      const struct copy_target *target, enum copy_what *ret_what)
{
	if (!S_ISDIR(target->attr.mode))
		return THROW(ERR_NOT_DIR,
			     "%s: cannot overwrite %s, no directory, with directory %s",
			     walk->dest->path, name, entry->path);
	*ret_what = COPY_MERGE;
	return 0;
}

int copy_target_decide(struct copy_walk *walk, const struct scan_dest *dir, const char *name,
		       const struct scan_entry *entry, struct copy_target *ret_target,
		       enum copy_what *ret_what)
{
	const struct copy_rules *rules = &walk->copy->rules;
	const struct ubtrfs_attr *old = &ret_target->attr;

	*ret_what = COPY_MAKE;
	TRY(target_find(walk, dir, name, entry, ret_target));
	if (!ret_target->found)
		return 0;
	if (walk->same_fs && node_is(entry->source_node, old->node))
		return refused(walk, name, "it would be copied onto itself");
	if (S_ISDIR(entry->meta.mode))
		return decide_dir(walk, name, entry, ret_target, ret_what);
	if (stays(rules, entry, old)) {
		*ret_what = COPY_SKIP;
		return 0;
	}
	if (S_ISDIR(old->mode))
		return THROW(ERR_IS_DIR, "%s: cannot overwrite directory %s with %s, no directory",
			     walk->dest->path, name, entry->path);
	if (copy_made_has(walk->copy, old->node))
		return refused(walk, name, "will not overwrite what was just made");
	if (goes_first(rules, entry, old))
		return copy_target_remove(walk, dir, name, ret_target);
	*ret_what = COPY_OVERWRITE;
	return copy_check_flags(walk, old->flags, false, name);
}

int copy_dest_fill(struct copy_walk *walk, struct ubtrfs_node node, struct scan_dest *ret_dest)
{
	struct ubtrfs_attr attr;
	int ret = ubtrfs_getattr(walk->copy->fs, node, &attr);

	if (ret < 0)
		return import_fail(walk->import, ret, "%s", walk->dest->path);
	if (!S_ISDIR(attr.mode))
		return THROW(ERR_NOT_DIR, "%s is not a directory", walk->dest->path);
	*ret_dest = (struct scan_dest){ .node = node,
					.is_old = true,
					.mode = attr.mode,
					.gid = attr.gid,
					.flags = attr.flags };
	return 0;
}
