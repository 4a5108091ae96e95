/*
 * Renaming: moving a name, over another one, in exchange for another one, leaving a whiteout.
 *
 * Everything that can be refused is refused before anything changes, in the order in which Linux asks
 * (a name that is there, what lies inside itself, types, subvolumes). Then names are detached and
 * attached one by one: the first that fails has changed nothing, behind it a failure aborts the
 * transaction (law L6): half of a rename never stays.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/op_attr.h"
#include "ops/op_names.h"

#define FLAGS_KNOWN (UBTRFS_RENAME_NOREPLACE | UBTRFS_RENAME_EXCHANGE | UBTRFS_RENAME_WHITEOUT)
/* Two names come, in directories and references, and a whiteout or an orphan. */
#define RENAME_BYTES                                                 \
	(2 * (2 * (DIR_ITEM_SIZE + INODE_NAME_MAX) + ROOT_REF_SIZE + \
	      2 * (INODE_EXTREF_SIZE + INODE_NAME_MAX)) +            \
	 2 * INODE_ITEM_SIZE)
/* Two directories, two inodes, a whiteout, the right edge of the subvolume, the root tree. */
#define RENAME_INODES 8u
/* No path is deeper than its bytes; directories inside each other are damage. */
#define DEPTH_MAX (1u << 20)

struct rename {
	struct name_ref from, to; /* to: when has_target */
	struct inode *dir, *new_dir;
	const char *new_name;
	size_t new_name_len;
	unsigned flags;
	bool has_target;
};

static void rename_fini(struct rename *rename)
{
	name_ref_fini(&rename->from);
	name_ref_fini(&rename->to);
	if (rename->dir)
		inode_put(rename->dir);
	if (rename->new_dir)
		inode_put(rename->new_dir);
}
DEFINE_SCOPED(rename, rename_fini)

static int flags_check(unsigned flags)
{
	if (flags & ~FLAGS_KNOWN)
		return THROW(ERR_INVALID, "renaming: unknown flags 0x%x", flags);
	if (flags & UBTRFS_RENAME_EXCHANGE &&
	    flags & (UBTRFS_RENAME_NOREPLACE | UBTRFS_RENAME_WHITEOUT))
		return THROW(ERR_INVALID, "renaming: an exchange replaces nothing and leaves "
					  "nothing behind");
	return 0;
}

static int names_find(struct ubtrfs *fs, struct rename *rename, const char *name, size_t name_len)
{
	struct dir_entry entry;
	int err;

	TRY(name_find(fs, rename->dir, name, name_len, &rename->from));
	err = dir_find(rename->new_dir, rename->new_name, rename->new_name_len, &entry);
	if (err == -ERR_KEY_NOT_FOUND && !(rename->flags & UBTRFS_RENAME_EXCHANGE))
		return 0;
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	TRY(name_find(fs, rename->new_dir, rename->new_name, rename->new_name_len, &rename->to));
	rename->has_target = true;
	if (rename->flags & UBTRFS_RENAME_NOREPLACE)
		return THROW(ERR_EXISTS, "\"%.*s\" is in directory %llu already",
			     (int)rename->new_name_len, rename->new_name,
			     (unsigned long long)rename->new_dir->ino);
	return 0;
}

static struct ubtrfs_node node_of(const struct inode *inode)
{
	return (struct ubtrfs_node){ inode->root->objectid, inode->ino };
}

static bool nodes_equal(struct ubtrfs_node a, struct ubtrfs_node b)
{
	return a.subvolid == b.subvolid && a.ino == b.ino;
}

/* Whether a directory is another one, or lies above it. */
static int is_above(struct ubtrfs *fs, const struct inode *dir, const struct inode *below,
		    bool *ret_above)
{
	struct ubtrfs_node node = node_of(below), parent;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		*ret_above = nodes_equal(node, node_of(dir));
		if (*ret_above)
			return 0;
		TRY(node_parent(fs, node, &parent));
		if (nodes_equal(node, parent))
			return 0;
		node = parent;
	}
	return THROW(ERR_CORRUPT, "directory %llu of subvolume %llu lies inside itself",
		     (unsigned long long)below->ino, (unsigned long long)below->root->objectid);
}

static bool is_dir(const struct name_ref *ref)
{
	return S_ISDIR(inode_mode(ref->inode));
}

static int loops_check(struct ubtrfs *fs, const struct rename *rename)
{
	bool above = false;

	if (rename->dir == rename->new_dir)
		return 0;
	if (is_dir(&rename->from))
		TRY(is_above(fs, rename->from.inode, rename->new_dir, &above));
	if (above)
		return THROW(ERR_INVALID, "\"%s\" cannot be moved into itself",
			     rename->from.entry.name);
	if (rename->has_target && is_dir(&rename->to))
		TRY(is_above(fs, rename->to.inode, rename->dir, &above));
	if (!above)
		return 0;
	if (rename->flags & UBTRFS_RENAME_EXCHANGE)
		return THROW(ERR_INVALID, "\"%s\" cannot be exchanged for what lies in it",
			     rename->to.entry.name);
	return THROW(ERR_DIR_NOT_EMPTY, "\"%s\" holds what is to replace it",
		     rename->to.entry.name);
}

/* What moves to another directory has to change its parent, in a subvolume that may be changed. */
static int moved_check(const struct name_ref *ref, const struct inode *new_dir)
{
	if (ref->kind == NAME_STALE)
		return THROW(ERR_DIR_NOT_EMPTY,
			     "\"%s\" stands for a subvolume that is not part of this snapshot",
			     ref->entry.name);
	if (ref->kind == NAME_INODE && ref->dir->root != new_dir->root)
		return THROW_SYS(EXDEV, "\"%s\" cannot leave its subvolume", ref->entry.name);
	if (ref->kind == NAME_SUBVOLUME && ref->dir != new_dir &&
	    root_item_flags(ref->inode->root->item) & BTRFS_ROOT_SUBVOL_RDONLY)
		return THROW(ERR_READ_ONLY,
			     "subvolume %llu is read-only: it does not go to another directory",
			     (unsigned long long)ref->inode->root->objectid);
	return 0;
}

static int target_check(const struct rename *rename)
{
	const struct name_ref *to = &rename->to;

	if (is_dir(&rename->from) && !is_dir(to))
		return THROW(ERR_NOT_DIR, "\"%s\" is not a directory", to->entry.name);
	if (!is_dir(&rename->from) && is_dir(to))
		return THROW(ERR_IS_DIR, "\"%s\" is a directory", to->entry.name);
	if (to->kind == NAME_SUBVOLUME)
		return THROW(ERR_DIR_NOT_EMPTY, "\"%s\" is a subvolume: nothing is moved over it",
			     to->entry.name);
	return name_check_detach(to);
}

static int rename_check(const struct rename *rename)
{
	TRY(name_check_remove(rename->dir, rename->from.inode));
	if (rename->has_target)
		TRY(name_check_remove(rename->new_dir, rename->to.inode));
	TRY(moved_check(&rename->from, rename->new_dir));
	if (rename->flags & UBTRFS_RENAME_EXCHANGE) {
		TRY(moved_check(&rename->to, rename->dir));
		TRY(name_check_attach(rename->dir, rename->from.entry.name,
				      rename->from.entry.name_len, true, &rename->to));
	} else if (rename->has_target) {
		TRY(target_check(rename));
	}
	if (rename->flags & UBTRFS_RENAME_WHITEOUT)
		TRY(dir_check_add(rename->dir, rename->from.entry.name,
				  rename->from.entry.name_len, true));
	return name_check_attach(rename->new_dir, rename->new_name, rename->new_name_len,
				 rename->has_target, &rename->from);
}

/* Behind the first change. */
static int half_done(struct ubtrfs *fs, int err)
{
	return err < 0 ? txn_abort(fs->core.txn, err, "renaming") : 0;
}

static void stamp(struct ubtrfs *fs, const struct name_ref *ref)
{
	if (ref->kind == NAME_INODE)
		inode_set_time(ref->inode, INODE_ITEM_CTIME_AT, inode_now(&fs->core.inodes));
}

static int exchange(struct ubtrfs *fs, struct rename *rename)
{
	TRY(name_detach(fs, &rename->from));
	TRY(half_done(fs, name_detach(fs, &rename->to)));
	TRY(name_attach(fs, rename->new_dir, rename->new_name, rename->new_name_len,
			&rename->from));
	TRY(name_attach(fs, rename->dir, rename->from.entry.name, rename->from.entry.name_len,
			&rename->to));
	stamp(fs, &rename->from);
	stamp(fs, &rename->to);
	return 0;
}

/* A new inode for the old name; nothing names it yet. */
static int whiteout_new(struct ubtrfs *fs, const struct rename *rename, struct name_ref *ret_ref)
{
	const struct inode *dir = rename->dir;
	struct ubtrfs_new what = { .attr = { .mode = S_IFCHR,
					     .uid = inode_item_uid(dir->item),
					     .gid = inode_item_gid(dir->item) },
				   .inherit = true };

	TRY(inode_new_in(fs, rename->dir, &what, &ret_ref->inode));
	ret_ref->kind = NAME_INODE;
	ret_ref->entry.location = KEY(ret_ref->inode->ino, BTRFS_INODE_ITEM_KEY, 0);
	ret_ref->entry.type = BTRFS_FT_CHRDEV;
	return 0;
}

static int move(struct ubtrfs *fs, struct rename *rename, struct name_left *left)
{
	bool changed = rename->has_target;

	if (rename->has_target)
		TRY(name_detach(fs, &rename->to));
	TRY(changed ? half_done(fs, name_detach(fs, &rename->from)) :
		      name_detach(fs, &rename->from));
	TRY(name_attach(fs, rename->new_dir, rename->new_name, rename->new_name_len,
			&rename->from));
	stamp(fs, &rename->from);
	if (rename->has_target && rename->to.kind == NAME_INODE)
		return half_done(fs, inode_lose_name(fs, rename->to.inode, left));
	return 0;
}

static int move_with_whiteout(struct ubtrfs *fs, struct rename *rename, struct name_left *left)
{
	SCOPED(name_ref) struct name_ref whiteout = { .kind = NAME_INODE };
	int err;

	TRY(whiteout_new(fs, rename, &whiteout));
	err = move(fs, rename, left);
	if (err == 0)
		err = name_attach(fs, rename->dir, rename->from.entry.name,
				  rename->from.entry.name_len, &whiteout);
	if (err < 0)
		/* Nothing names it, and nothing of it is in the tree. */
		inode_drop_dirty(whiteout.inode);
	return err;
}

static int rename_locked(struct ubtrfs *fs, struct rename *rename, struct name_left *left)
{
	TRY(loops_check(fs, rename));
	if (rename->has_target && rename->from.kind != NAME_STALE &&
	    rename->from.inode == rename->to.inode)
		return 0;
	TRY(rename_check(rename));
	if (rename->flags & UBTRFS_RENAME_EXCHANGE)
		return exchange(fs, rename);
	if (rename->flags & UBTRFS_RENAME_WHITEOUT)
		return move_with_whiteout(fs, rename, left);
	return move(fs, rename, left);
}

/* Of a name: the directory it is in, and its bytes. */
struct place {
	struct ubtrfs_node dir;
	const char *name;
	size_t name_len;
};

static int rename_places(struct ubtrfs *fs, const struct place *from, const struct place *to,
			 unsigned flags, struct name_left *left)
{
	SCOPED(rename)
	struct rename rename = { .flags = flags,
				 .new_name = to->name,
				 .new_name_len = to->name_len };
	uint32_t inherited = 0;

	TRY(flags_check(flags));
	TRY(node_dir_write(fs, from->dir, &rename.dir));
	TRY(node_dir_write(fs, to->dir, &rename.new_dir));
	if (flags & UBTRFS_RENAME_WHITEOUT)
		TRY(acl_bytes(rename.dir, ACL_DEFAULT, &inherited));
	TRY(door_enter(&fs->core, RENAME_BYTES + inherited, RENAME_INODES));
	TRY(names_find(fs, &rename, from->name, from->name_len));
	return rename_locked(fs, &rename, left);
}

UBTRFS_API int ubtrfs_rename(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			     size_t name_len, struct ubtrfs_node new_dir, const char *new_name,
			     size_t new_name_len, unsigned flags)
{
	const struct place from = { dir, name, name_len }, to = { new_dir, new_name, new_name_len };
	struct name_left left = { .any = false };

	TRY(FS_CHANGE(fs, rename_places(fs, &from, &to, flags, &left)));
	return left_finish(fs, &left);
}
