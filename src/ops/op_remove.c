/*
 * Removing names, and inodes with their last name.
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/op_names.h"

static int kind_check(const struct name_ref *ref, bool want_dir)
{
	bool is_dir = S_ISDIR(inode_mode(ref->inode));

	if (is_dir && !want_dir)
		return THROW(ERR_IS_DIR, "\"%s\" is a directory", ref->entry.name);
	if (!is_dir && want_dir)
		return THROW(ERR_NOT_DIR, "\"%s\" is not a directory", ref->entry.name);
	return 0;
}

static int remove_name(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name,
		       size_t name_len, bool want_dir, struct name_left *left)
{
	SCOPED(inode) struct inode *dir = NULL;
	SCOPED(name_ref) struct name_ref ref = { .kind = NAME_INODE };

	TRY(door_enter_remove(&fs->core, 4));
	TRY(node_dir_write(fs, dir_node, &dir));
	TRY(name_find(fs, dir, name, name_len, &ref));
	TRY(kind_check(&ref, want_dir));
	TRY(name_check_remove(dir, ref.inode));
	TRY(name_check_detach(&ref));
	TRY(name_detach(fs, &ref));
	return ref.kind == NAME_INODE ? inode_lose_name(fs, ref.inode, left) : 0;
}

static int remove_public(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			 size_t name_len, bool want_dir)
{
	struct name_left left = { .any = false };

	TRY(FS_CHANGE(fs, remove_name(fs, dir, name, name_len, want_dir, &left)));
	return left_finish(fs, &left);
}

UBTRFS_API int ubtrfs_unlink(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			     size_t name_len)
{
	return remove_public(fs, dir, name, name_len, false);
}

UBTRFS_API int ubtrfs_rmdir(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			    size_t name_len)
{
	return remove_public(fs, dir, name, name_len, true);
}
