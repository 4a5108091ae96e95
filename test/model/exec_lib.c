/*
 * Operations by the library in this process; see exec.h. Nodes are looked up by name for each
 * operation, so that lookup is tested too; an open file is a node that is held.
 */
#include "model/exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ops/fs_fixture.h"

#include <ubtrfs/admin.h>
#include <ubtrfs/attr.h>

struct exec_lib {
	struct exec base;
	struct fs_fixture *fx;
};

static struct ubtrfs *lib_fs(struct exec *exec)
{
	return ((struct exec_lib *)exec)->fx->fs;
}

static int lib_node(struct exec *exec, const char *path, struct ubtrfs_node *ret)
{
	return ubtrfs_resolve(lib_fs(exec), ((struct exec_lib *)exec)->fx->top, path + 1, false,
			      ret);
}

/* The directory that holds the last component, and that component. */
static int lib_parent(struct exec *exec, const char *path, struct ubtrfs_node *ret_dir,
		      const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[8192];

	*ret_name = slash + 1;
	if ((size_t)(slash - path) >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	if (slash == path) {
		*ret_dir = ((struct exec_lib *)exec)->fx->top;
		return 0;
	}
	return lib_node(exec, dir, ret_dir);
}

static int lib_make(struct exec *exec, const char *path, uint32_t mode, uint64_t rdev)
{
	struct ubtrfs_new what = { .attr = { .mode = mode, .rdev = rdev } };
	struct ubtrfs_node dir, node;
	const char *name;
	int err = lib_parent(exec, path, &dir, &name);

	what.inherit = true;
	return err ? err : ubtrfs_create(lib_fs(exec), dir, name, strlen(name), &what, &node);
}

static int lib_symlink(struct exec *exec, const char *target, const char *path)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFLNK | 0777 },
				   .inherit = true,
				   .symlink_target = target,
				   .symlink_len = strlen(target) };
	struct ubtrfs_node dir, node;
	const char *name;
	int err = lib_parent(exec, path, &dir, &name);

	return err ? err : ubtrfs_create(lib_fs(exec), dir, name, strlen(name), &what, &node);
}

static int lib_link(struct exec *exec, const char *from, const char *to)
{
	struct ubtrfs_node node, dir;
	const char *name;
	int err = lib_node(exec, from, &node);

	err = err ? err : lib_parent(exec, to, &dir, &name);
	return err ? err : ubtrfs_link(lib_fs(exec), node, dir, name, strlen(name));
}

static int lib_unlink(struct exec *exec, const char *path)
{
	struct ubtrfs_node dir;
	const char *name;
	int err = lib_parent(exec, path, &dir, &name);

	return err ? err : ubtrfs_unlink(lib_fs(exec), dir, name, strlen(name));
}

static int lib_rmdir(struct exec *exec, const char *path)
{
	struct ubtrfs_node dir;
	const char *name;
	int err = lib_parent(exec, path, &dir, &name);

	return err ? err : ubtrfs_rmdir(lib_fs(exec), dir, name, strlen(name));
}

static void attr_convert(const struct ubtrfs_attr *attr, struct exec_stat *ret)
{
	*ret = (struct exec_stat){ .mode = attr->mode,
				   .uid = attr->uid,
				   .gid = attr->gid,
				   .nlink = attr->nlink,
				   .ino = attr->node.ino,
				   .rdev = attr->rdev,
				   .size = attr->size,
				   .atime_sec = attr->atime.sec,
				   .mtime_sec = attr->mtime.sec,
				   .mtime_nsec = attr->mtime.nsec };
}

static int lib_stat_node(struct exec *exec, struct ubtrfs_node node, struct exec_stat *ret)
{
	struct ubtrfs_attr attr;
	int err = ubtrfs_getattr(lib_fs(exec), node, &attr);

	if (err == 0)
		attr_convert(&attr, ret);
	return err;
}

static int lib_stat(struct exec *exec, const char *path, struct exec_stat *ret)
{
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : lib_stat_node(exec, node, ret);
}

static int lib_fstat(struct exec *exec, const struct exec_file *file, struct exec_stat *ret)
{
	return lib_stat_node(exec, file->node, ret);
}

static int lib_readlink(struct exec *exec, const char *path, char *target, size_t capacity,
			size_t *ret_len)
{
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_readlink(lib_fs(exec), node, target, capacity, ret_len);
}

static int lib_setattr(struct exec *exec, const char *path, const struct ubtrfs_attr *attr,
		       unsigned set)
{
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_setattr(lib_fs(exec), node, attr, set);
}

static int lib_chmod(struct exec *exec, const char *path, uint32_t mode)
{
	return lib_setattr(exec, path, &(struct ubtrfs_attr){ .mode = mode }, UBTRFS_ATTR_MODE);
}

static int lib_chown(struct exec *exec, const char *path, uint32_t uid, uint32_t gid)
{
	return lib_setattr(exec, path, &(struct ubtrfs_attr){ .uid = uid, .gid = gid },
			   UBTRFS_ATTR_UID | UBTRFS_ATTR_GID);
}

static int lib_utimes(struct exec *exec, const char *path, int64_t atime_sec, int64_t mtime_sec,
		      uint32_t mtime_nsec)
{
	struct ubtrfs_attr attr = { .atime = { atime_sec, 0 }, .mtime = { mtime_sec, mtime_nsec } };

	return lib_setattr(exec, path, &attr, UBTRFS_ATTR_ATIME | UBTRFS_ATTR_MTIME);
}

static int lib_setxattr(struct exec *exec, const char *path, const char *name, const void *value,
			size_t len)
{
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_setxattr(lib_fs(exec), node, name, value, len);
}

static int lib_removexattr(struct exec *exec, const char *path, const char *name)
{
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_removexattr(lib_fs(exec), node, name);
}

static int lib_getxattr(struct exec *exec, const char *path, const char *name, void *value,
			size_t capacity, size_t *ret_len)
{
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_getxattr(lib_fs(exec), node, name, value, capacity, ret_len);
}

struct lib_visit {
	exec_name_fn visit;
	void *ctx;
};

static int lib_visit_xattr(void *ctx, const char *name, size_t name_len, const void *value,
			   size_t len)
{
	const struct lib_visit *visit = ctx;

	(void)value;
	(void)len;
	return visit->visit(visit->ctx, name, name_len, 0);
}

static int lib_listxattr(struct exec *exec, const char *path, exec_name_fn visit, void *ctx)
{
	struct lib_visit both = { visit, ctx };
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_listxattr(lib_fs(exec), node, lib_visit_xattr, &both);
}

static int lib_visit_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	const struct lib_visit *visit = ctx;

	return visit->visit(visit->ctx, entry->name, entry->name_len, entry->node.ino);
}

static int lib_readdir(struct exec *exec, const char *path, exec_name_fn visit, void *ctx)
{
	struct lib_visit both = { visit, ctx };
	struct ubtrfs_node node;
	int err = lib_node(exec, path, &node);

	return err ? err : ubtrfs_readdir(lib_fs(exec), node, 0, lib_visit_entry, &both);
}

static int lib_rename(struct exec *exec, const char *from, const char *to, unsigned flags)
{
	struct ubtrfs_node dir, new_dir;
	const char *name, *new_name;
	int err = lib_parent(exec, from, &dir, &name);

	err = err ? err : lib_parent(exec, to, &new_dir, &new_name);
	return err ? err :
		     ubtrfs_rename(lib_fs(exec), dir, name, strlen(name), new_dir, new_name,
				   strlen(new_name), flags);
}

static int lib_open(struct exec *exec, const char *path, struct exec_file *ret)
{
	int err = lib_node(exec, path, &ret->node);

	return err ? err : ubtrfs_hold(lib_fs(exec), ret->node);
}

static void lib_close(struct exec *exec, struct exec_file *file)
{
	ubtrfs_release(lib_fs(exec), file->node, 1);
}

static int lib_tmpfile(struct exec *exec, const char *dir, uint32_t mode, struct exec_file *ret)
{
	struct ubtrfs_new what = { .attr = { .mode = mode | S_IFREG }, .inherit = true };
	struct ubtrfs_node node;
	int err = lib_node(exec, dir, &node);

	return err ? err : ubtrfs_tmpfile(lib_fs(exec), node, &what, &ret->node);
}

static int lib_link_file(struct exec *exec, const struct exec_file *file, const char *path)
{
	struct ubtrfs_node dir;
	const char *name;
	int err = lib_parent(exec, path, &dir, &name);

	return err ? err : ubtrfs_link(lib_fs(exec), file->node, dir, name, strlen(name));
}

static int lib_read(struct exec *exec, const struct exec_file *file, uint64_t offset, void *data,
		    size_t len, size_t *ret_len)
{
	return ubtrfs_read(lib_fs(exec), file->node, offset, data, len, ret_len);
}

static int lib_write(struct exec *exec, const struct exec_file *file, uint64_t offset,
		     const void *data, size_t len)
{
	return ubtrfs_write(lib_fs(exec), file->node, offset, data, len);
}

static int lib_truncate(struct exec *exec, const struct exec_file *file, uint64_t size)
{
	return ubtrfs_setattr(lib_fs(exec), file->node, &(struct ubtrfs_attr){ .size = size },
			      UBTRFS_ATTR_SIZE);
}

static int lib_fallocate(struct exec *exec, const struct exec_file *file, unsigned mode,
			 uint64_t offset, uint64_t len)
{
	return ubtrfs_fallocate(lib_fs(exec), file->node, mode, offset, len);
}

static int lib_clone(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		     const struct exec_file *to, uint64_t to_offset, uint64_t len)
{
	return ubtrfs_clone_range(lib_fs(exec), from->node, from_offset, to->node, to_offset, len);
}

static int lib_copy(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		    const struct exec_file *to, uint64_t to_offset, uint64_t len, uint64_t *ret_len)
{
	*ret_len = 0;
	while (len) {
		uint64_t nr = 0;
		int err = ubtrfs_copy_range(lib_fs(exec), from->node, from_offset, to->node,
					    to_offset, len, &nr);

		if (err)
			return err;
		if (nr == 0)
			break;
		from_offset += nr;
		to_offset += nr;
		len -= nr;
		*ret_len += nr;
	}
	return 0;
}

static int lib_dedupe(struct exec *exec, const struct exec_file *from, uint64_t from_offset,
		      const struct exec_file *to, uint64_t to_offset, uint64_t len, bool *ret_same)
{
	return ubtrfs_dedupe_range(lib_fs(exec), from->node, from_offset, to->node, to_offset, len,
				   ret_same);
}

static int lib_seek(struct exec *exec, const struct exec_file *file, bool hole, uint64_t offset,
		    uint64_t *ret_offset)
{
	uint64_t end;

	if (hole)
		return ubtrfs_seek_hole(lib_fs(exec), file->node, offset, ret_offset);
	return ubtrfs_seek_data(lib_fs(exec), file->node, offset, ret_offset, &end);
}

static int lib_set_flags(struct exec *exec, const struct exec_file *file, uint32_t flags,
			 uint32_t mask)
{
	return ubtrfs_fsflags_set(lib_fs(exec), file->node, flags, mask);
}

static int lib_fsync(struct exec *exec, const struct exec_file *file, bool data_only)
{
	return ubtrfs_fsync(lib_fs(exec), file->node, data_only);
}

static int lib_sync(struct exec *exec)
{
	return ubtrfs_commit(lib_fs(exec));
}

static int lib_refresh(struct exec *exec)
{
	fixture_reopen(((struct exec_lib *)exec)->fx, true);
	return 0;
}

static const struct exec_ops lib_ops = {
	.make = lib_make,
	.symlink = lib_symlink,
	.link = lib_link,
	.unlink = lib_unlink,
	.rmdir = lib_rmdir,
	.stat = lib_stat,
	.readlink = lib_readlink,
	.chmod = lib_chmod,
	.chown = lib_chown,
	.utimes = lib_utimes,
	.setxattr = lib_setxattr,
	.removexattr = lib_removexattr,
	.getxattr = lib_getxattr,
	.listxattr = lib_listxattr,
	.readdir = lib_readdir,
	.open = lib_open,
	.close = lib_close,
	.fstat = lib_fstat,
	.read = lib_read,
	.write = lib_write,
	.truncate = lib_truncate,
	.seek = lib_seek,
	.fsync = lib_fsync,
	.sync = lib_sync,
	.refresh = lib_refresh,
	.rename = lib_rename,
	.tmpfile = lib_tmpfile,
	.link_file = lib_link_file,
	.fallocate = lib_fallocate,
	.clone = lib_clone,
	.copy = lib_copy,
	.dedupe = lib_dedupe,
	.set_flags = lib_set_flags,
};

struct exec *exec_lib_new(struct fs_fixture *fx)
{
	struct exec_lib *lib = calloc(1, sizeof(*lib));

	if (!lib)
		return NULL;
	lib->base.ops = &lib_ops;
	lib->base.no_caller = true;
	lib->base.align = fx->mkfs.sectorsize ? fx->mkfs.sectorsize : 4096;
	lib->fx = fx;
	lib->base.can = EXEC_RENAME | EXEC_RENAME_FLAGS | EXEC_HOLD | EXEC_TMPFILE |
			EXEC_FALLOCATE | EXEC_CLONE | EXEC_COPY | EXEC_DEDUPE | EXEC_FLAGS |
			EXEC_ACL | EXEC_SEEK_HOLE | EXEC_REFRESH | EXEC_MKNOD | EXEC_INHERIT;
	return &lib->base;
}

void exec_lib_free(struct exec *exec)
{
	free(exec);
}
