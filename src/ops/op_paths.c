/*
 * Paths of inodes and subvolumes, from their references upwards.
 *
 * A path is put together from its end, in a buffer of PATH_BYTES_MAX; each step needs a byte at
 * least, so directories that contain each other (damage) end in an error.
 */
#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#include "base/assert.h"
#include "ops/op_paths.h"

#define PATH_BYTES_MAX ((size_t)1 << 16)

int fs_settle(struct ubtrfs *fs)
{
	if (!fs->core.writable)
		return 0;
	if (!fs->alone)
		return -ERR_WANTS_ALONE;
	return core_flush_all(&fs->core);
}

/* A path that grows to the front: [at, PATH_BYTES_MAX). */
struct back_path {
	char *buffer; /* owned */
	size_t at;
};

static int back_path_init(struct back_path *path)
{
	path->buffer = mem_alloc(PATH_BYTES_MAX);
	if (!path->buffer)
		return MEM_FAIL("a path");
	path->at = PATH_BYTES_MAX - 1;
	path->buffer[path->at] = '\0';
	return 0;
}

static void back_path_fini(struct back_path *path)
{
	mem_free(path->buffer);
}
DEFINE_SCOPED(back_path, back_path_fini)

static const char *back_path_text(const struct back_path *path)
{
	return path->buffer + path->at;
}

static int back_path_prepend(struct back_path *path, const char *name, size_t len)
{
	bool has_more = path->at < PATH_BYTES_MAX - 1;

	if (!len || len + has_more > path->at)
		return THROW(ERR_LIMIT,
			     "a path has more than %zu bytes: a directory lies inside itself",
			     PATH_BYTES_MAX);
	if (has_more)
		path->buffer[--path->at] = '/';
	path->at -= len;
	memcpy(path->buffer + path->at, name, len);
	return 0;
}

/* ---- inside a subvolume ---- */

struct first_name {
	uint64_t parent;
	size_t len;
	char name[INODE_NAME_MAX];
};

static int take_first(void *ctx, uint64_t parent, const char *name, size_t name_len)
{
	struct first_name *first = ctx;

	if (name_len > sizeof(first->name))
		return THROW(ERR_CORRUPT, "a reference has a name of %zu bytes", name_len);
	first->parent = parent;
	first->len = name_len;
	memcpy(first->name, name, name_len);
	return 1;
}

/* Puts the path of a directory of a subvolume before what is there. */
static int prepend_dir(struct core *core, struct root *root, uint64_t ino, struct back_path *path)
{
	struct first_name first;

	while (ino != UBTRFS_ROOT_INO) {
		int ret = inode_each_name(&core->inodes, root, ino, take_first, &first);

		TRY(ret);
		CORRUPT_IF(!ret, "inode %llu of subvolume %llu has no name",
			   (unsigned long long)ino, (unsigned long long)root->objectid);
		TRY(back_path_prepend(path, first.name, first.len));
		ino = first.parent;
	}
	return 0;
}

struct paths {
	struct core *core;
	struct root *root;
	struct back_path path;
	int (*visit)(void *ctx, const char *path);
	void *ctx;
	bool any;
};

static int visit_name(void *ctx, uint64_t parent, const char *name, size_t name_len)
{
	struct paths *paths = ctx;

	paths->any = true;
	paths->path.at = PATH_BYTES_MAX - 1;
	TRY(back_path_prepend(&paths->path, name, name_len));
	TRY(prepend_dir(paths->core, paths->root, parent, &paths->path));
	return paths->visit(paths->ctx, back_path_text(&paths->path));
}

static int inode_paths(struct ubtrfs *fs, struct paths *paths, struct ubtrfs_node node)
{
	SCOPED(back_path) struct back_path path = { 0 };
	int ret;

	TRY(fs_settle(fs));
	TRY(subvolume_id_check(node.subvolid));
	TRY(root_get(paths->core->roots, node.subvolid, &paths->root));
	if (node.ino == UBTRFS_ROOT_INO)
		return paths->visit(paths->ctx, "");
	TRY(back_path_init(&path));
	paths->path = path;
	ret = inode_each_name(&paths->core->inodes, paths->root, node.ino, visit_name, paths);
	if (ret == 0 && !paths->any)
		return THROW(ERR_NOT_FOUND, "subvolume %llu has no name for inode %llu",
			     (unsigned long long)node.subvolid, (unsigned long long)node.ino);
	return ret;
}

UBTRFS_API int ubtrfs_inode_paths(struct ubtrfs *fs, struct ubtrfs_node node,
				  int (*visit)(void *ctx, const char *path), void *ctx)
{
	struct paths paths = { .core = &fs->core, .visit = visit, .ctx = ctx };

	return FS_READ(fs, inode_paths(fs, &paths, node));
}

static int no_name(struct ubtrfs_node node)
{
	return THROW(ERR_NOT_FOUND, "inode %llu of subvolume %llu has no name",
		     (unsigned long long)node.ino, (unsigned long long)node.subvolid);
}

/* One step up; nothing is flushed for it. */
static int prepend_name(struct ubtrfs *fs, struct ubtrfs_node *node, struct back_path *path)
{
	SCOPED(inode) struct inode *inode = NULL;
	struct inode_name name;
	int err;

	TRY(node_inode(fs, *node, &inode));
	if (!inode_item_nlink(inode->item))
		return no_name(*node);
	err = inode_first_name(inode, &name);
	if (err == -ERR_KEY_NOT_FOUND)
		return no_name(*node);
	TRY(err);
	TRY(back_path_prepend(path, name.text, name.len));
	node->ino = name.parent;
	return 0;
}

static int ino_path(struct ubtrfs *fs, struct ubtrfs_node node, char *ret_text, size_t capacity,
		    size_t *ret_len)
{
	SCOPED(back_path) struct back_path path = { 0 };

	TRY(back_path_init(&path));
	while (node.ino != UBTRFS_ROOT_INO)
		TRY(prepend_name(fs, &node, &path));
	*ret_len = strlen(back_path_text(&path));
	if (*ret_len >= capacity)
		return THROW(ERR_NAME_TOO_LONG, "a path of %zu bytes", *ret_len);
	memcpy(ret_text, back_path_text(&path), *ret_len + 1);
	return 0;
}

UBTRFS_API int ubtrfs_ino_path(struct ubtrfs *fs, struct ubtrfs_node node, char *path,
			       size_t capacity, size_t *ret_len)
{
	return FS_READ(fs, ino_path(fs, node, path, capacity, ret_len));
}

/* ---- subvolumes ---- */

/* The path of a subvolume from another; owned (mem_free). As ubtrfs_subvolume_path. */
static int subvolume_path(struct core *core, uint64_t subvolid, uint64_t from, char **ret_path)
{
	SCOPED(back_path) struct back_path path = { 0 };
	uint64_t id = subvolid, parent, dirid;
	char name[INODE_NAME_MAX + 1];
	struct root *root;

	from = from ? from : BTRFS_FS_TREE_OBJECTID;
	TRY(subvolume_id_check(subvolid));
	TRY(root_get(core->roots, subvolid, &root));
	TRY(back_path_init(&path));
	while (id != from) {
		if (id == BTRFS_FS_TREE_OBJECTID)
			return THROW_SYS(EXDEV, "subvolume %llu does not lie below subvolume %llu",
					 (unsigned long long)subvolid, (unsigned long long)from);
		TRY(root_ref_find_parent(core->roots, id, &parent, &dirid, name));
		TRY(back_path_prepend(&path, name, strlen(name)));
		TRY(root_get(core->roots, parent, &root));
		TRY(prepend_dir(core, root, dirid, &path));
		id = parent;
	}
	*ret_path = mem_strdup(back_path_text(&path));
	return *ret_path ? 0 : MEM_FAIL("a path");
}

static int copy_path(struct ubtrfs *fs, uint64_t subvolid, uint64_t from, char *ret_text,
		     size_t capacity, size_t *ret_len)
{
	SCOPED_MEM char *path = NULL;

	TRY(fs_settle(fs));
	TRY(subvolume_path(&fs->core, subvolid, from, &path));
	*ret_len = strlen(path);
	if (*ret_len >= capacity)
		return THROW_SYS(ERANGE, "a path of %zu bytes", *ret_len);
	memcpy(ret_text, path, *ret_len + 1);
	return 0;
}

UBTRFS_API int ubtrfs_subvolume_path(struct ubtrfs *fs, uint64_t subvolid, uint64_t from,
				     char *path, size_t capacity, size_t *ret_len)
{
	return FS_READ(fs, copy_path(fs, subvolid, from, path, capacity, ret_len));
}
