/*
 * Along a path: through directories, links and subvolumes, and upwards.
 */
#include <limits.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "ops/op_attr.h"
#include "ops/op_names.h"

#define SYMLINKS_MAX 40u

int node_parent(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_node *ret_parent)
{
	SCOPED(inode) struct inode *dir = NULL;
	char name[INODE_NAME_MAX + 1];
	uint64_t parent, dirid;
	int err;

	if (node.ino == UBTRFS_ROOT_INO) {
		err = root_ref_find_parent(fs->core.roots, node.subvolid, &parent, &dirid, name);
		if (err == -ERR_NOT_FOUND)
			*ret_parent = node;
		else if (err == 0)
			*ret_parent = (struct ubtrfs_node){ parent, dirid };
		return err == -ERR_NOT_FOUND ? 0 : err;
	}
	TRY(node_dir(fs, node, &dir));
	if (node.ino == BTRFS_EMPTY_SUBVOL_DIR_OBJECTID)
		return THROW(ERR_UNSUPPORTED,
			     "the empty directories in place of subvolumes share an inode: what is "
			     "above one is not known");
	TRY(dir_parent(dir, &parent));
	*ret_parent = (struct ubtrfs_node){ node.subvolid, parent };
	return 0;
}

static int readlink_into(struct ubtrfs *fs, struct inode *inode, char *target, size_t capacity,
			 size_t *ret_len)
{
	if (!S_ISLNK(inode_mode(inode)))
		return THROW(ERR_INVALID, "inode %llu is not a symbolic link",
			     (unsigned long long)inode->ino);
	TRY(fs_ready_to_read(fs, inode));
	return file_read(&fs->core.writeback, inode, 0, target, capacity, ret_len);
}

/* A walk along a path: what is left of it is in rest (with the targets of links put before it). */
struct walk {
	struct ubtrfs_node at;
	char *rest; /* owned */
	unsigned nr_links;
};

static int walk_link(struct ubtrfs *fs, struct walk *walk, struct inode *link, const char *behind)
{
	char target[PATH_MAX + 1];
	size_t len;
	char *rest;

	if (++walk->nr_links > SYMLINKS_MAX)
		return THROW_SYS(ELOOP, "more than %u symbolic links in a path", SYMLINKS_MAX);
	TRY(readlink_into(fs, link, target, PATH_MAX, &len));
	target[len] = '\0';
	rest = mem_printf("%s/%s", target, behind);
	if (!rest)
		return MEM_FAIL("a path");
	if (target[0] == '/')
		walk->at = (struct ubtrfs_node){ BTRFS_FS_TREE_OBJECTID, UBTRFS_ROOT_INO };
	mem_free(walk->rest);
	walk->rest = rest;
	return 0;
}

static int walk_step(struct ubtrfs *fs, struct walk *walk, const char *name, size_t len,
		     const char *behind, bool follow, bool *ret_link)
{
	SCOPED(inode) struct inode *inode = NULL;
	struct ubtrfs_node next;

	*ret_link = false;
	if (len == 1 && name[0] == '.')
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return node_parent(fs, walk->at, &walk->at);
	TRY(node_lookup(fs, walk->at, name, len, &next));
	TRY(node_inode(fs, next, &inode));
	if (S_ISLNK(inode_mode(inode)) && (follow || behind[strspn(behind, "/")])) {
		*ret_link = true;
		return walk_link(fs, walk, inode, behind);
	}
	walk->at = next;
	return 0;
}

static int walk_parts(struct ubtrfs *fs, struct walk *walk, bool follow)
{
	const char *pos = walk->rest;

	while (*(pos += strspn(pos, "/"))) {
		size_t len = strcspn(pos, "/");
		bool was_link;

		TRY(walk_step(fs, walk, pos, len, pos + len, follow, &was_link));
		pos = was_link ? walk->rest : pos + len;
	}
	return 0;
}

static int walk_path(struct ubtrfs *fs, struct ubtrfs_node from, const char *path, bool follow,
		     struct ubtrfs_node *ret_node)
{
	struct walk walk = { .at = from, .rest = mem_strdup(path) };
	int err = walk.rest ? walk_parts(fs, &walk, follow) : MEM_FAIL("a path");

	mem_free(walk.rest);
	if (err == 0)
		*ret_node = walk.at;
	else if (err != -ERR_WANTS_ALONE)
		err = err_prefix(err, "%s: ", path);
	return err;
}

UBTRFS_API int ubtrfs_resolve(struct ubtrfs *fs, struct ubtrfs_node from, const char *path,
			      bool follow, struct ubtrfs_node *ret_node)
{
	return FS_READ(fs, walk_path(fs, from, path, follow, ret_node));
}

/* Where the last name of a path begins, and its length; 0: it ends in none. */
static const char *last_name(const char *path, size_t *ret_len)
{
	const char *end = path + strlen(path);
	const char *name;

	while (end > path && end[-1] == '/')
		end--;
	name = end;
	while (name > path && name[-1] != '/')
		name--;
	*ret_len = (size_t)(end - name);
	if ((*ret_len == 1 && name[0] == '.') || (*ret_len == 2 && !memcmp(name, "..", 2)))
		*ret_len = 0;
	return name;
}

static int resolve_dir(struct ubtrfs *fs, struct ubtrfs_node from, const char *path,
		       struct ubtrfs_node *ret_dir)
{
	SCOPED(inode) struct inode *dir = NULL;
	struct ubtrfs_node node;
	int err;

	TRY(walk_path(fs, from, path, true, &node));
	err = node_dir(fs, node, &dir);
	if (err < 0)
		return err_prefix(err, "%s: ", path);
	*ret_dir = node;
	return 0;
}

UBTRFS_API int ubtrfs_resolve_parent(struct ubtrfs *fs, struct ubtrfs_node from, const char *path,
				     struct ubtrfs_node *ret_dir, const char **ret_name,
				     size_t *ret_name_len)
{
	SCOPED_MEM char *above = NULL;
	size_t name_len;
	const char *name = last_name(path, &name_len);

	if (!name_len)
		return fs_errno(THROW(ERR_INVALID, "\"%s\" ends in no name", path));
	above = mem_strdup(path);
	if (!above)
		return fs_errno(MEM_FAIL("a path"));
	above[name - path] = '\0';
	TRY(FS_READ(fs, resolve_dir(fs, from, above, ret_dir)));
	*ret_name = name;
	*ret_name_len = name_len;
	return 0;
}

static int readlink_node(struct ubtrfs *fs, struct ubtrfs_node node, char *target, size_t capacity,
			 size_t *ret_len)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	return readlink_into(fs, inode, target, capacity, ret_len);
}

UBTRFS_API int ubtrfs_readlink(struct ubtrfs *fs, struct ubtrfs_node node, char *target,
			       size_t capacity, size_t *ret_len)
{
	TRY(FS_READ(fs, readlink_node(fs, node, target, capacity, ret_len)));
	atime_note_read(fs, node);
	return 0;
}
