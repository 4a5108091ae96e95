/*
 * What every operation begins with: from a node to its inode, from a name to a node, along a path;
 * attributes.
 */
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/assert.h"
#include "ops/ops.h"

#define SYMLINKS_MAX 40u

int subvolume_id_check(uint64_t subvolid)
{
	if (subvolid != BTRFS_FS_TREE_OBJECTID &&
	    (subvolid < BTRFS_FIRST_FREE_OBJECTID || subvolid > BTRFS_LAST_FREE_OBJECTID))
		return THROW(ERR_NOT_FOUND, "tree %llu is no subvolume",
			     (unsigned long long)subvolid);
	return 0;
}

int node_inode(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	struct root *root;

	TRY(subvolume_id_check(node.subvolid));
	TRY(root_get(fs->core.roots, node.subvolid, &root));
	/* Half of it may be gone: deleting goes on at the next mount. */
	if (node.subvolid != BTRFS_FS_TREE_OBJECTID && !root_item_refs(root->item))
		return THROW(ERR_NOT_FOUND, "subvolume %llu was deleted",
			     (unsigned long long)node.subvolid);
	return inode_get(&fs->core.inodes, root, node.ino, ret_inode);
}

int node_dir(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	if (!S_ISDIR(inode_mode(inode)))
		return THROW(ERR_NOT_DIR, "inode %llu of subvolume %llu is not a directory",
			     (unsigned long long)node.ino, (unsigned long long)node.subvolid);
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

static int inode_check_writable(const struct inode *inode)
{
	if (root_item_flags(inode->root->item) & BTRFS_ROOT_SUBVOL_RDONLY)
		return THROW(ERR_READ_ONLY, "subvolume %llu is read-only",
			     (unsigned long long)inode->root->objectid);
	if (inode->ino == BTRFS_EMPTY_SUBVOL_DIR_OBJECTID)
		return THROW(ERR_READ_ONLY,
			     "in place of a subvolume that is not part of snapshot %llu there is "
			     "an empty directory, which cannot be changed",
			     (unsigned long long)inode->root->objectid);
	return 0;
}

int node_inode_write(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_inode(fs, node, &inode));
	TRY(inode_check_writable(inode));
	*ret_inode = inode;
	inode = NULL;
	return 0;
}

int inode_check_unsealed(const struct inode *inode)
{
	if (inode_item_flags(inode->item) & BTRFS_INODE_RO_VERITY)
		return THROW_SYS(EPERM,
				 "inode %llu is sealed by fs-verity: its contents cannot change",
				 (unsigned long long)inode->ino);
	return 0;
}

int node_dir_write(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode)
{
	SCOPED(inode) struct inode *dir = NULL;

	TRY(node_dir(fs, node, &dir));
	TRY(inode_check_writable(dir));
	*ret_inode = dir;
	dir = NULL;
	return 0;
}

void inode_begin_change(struct ubtrfs *fs, struct inode *inode)
{
	inode_item_set_transid(inode->item, fs->core.txn->generation);
}

int entry_node(struct ubtrfs *fs, const struct inode *dir, const struct dir_entry *entry,
	       struct ubtrfs_node *ret_node)
{
	bool leads;

	switch (entry->location.type) {
	case BTRFS_INODE_ITEM_KEY:
		*ret_node = (struct ubtrfs_node){ dir->root->objectid, entry->location.objectid };
		return 0;
	case BTRFS_ROOT_ITEM_KEY:
		TRY(root_ref_leads(fs->core.roots, dir->root->objectid, entry->location.objectid,
				   dir->ino, entry->name, entry->name_len, &leads));
		*ret_node = (struct ubtrfs_node){ dir->root->objectid,
						  BTRFS_EMPTY_SUBVOL_DIR_OBJECTID };
		if (leads)
			*ret_node =
				(struct ubtrfs_node){ entry->location.objectid, UBTRFS_ROOT_INO };
		return 0;
	default:
		return THROW(ERR_CORRUPT,
			     "directory %llu: the entry \"%s\" points to a key of type %u",
			     (unsigned long long)dir->ino, entry->name, entry->location.type);
	}
}

int dir_find_named(struct inode *dir, const char *name, size_t name_len,
		   struct dir_entry *ret_entry)
{
	int err = dir_find(dir, name, name_len, ret_entry);

	if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_NOT_FOUND, "no \"%.*s\" in directory %llu", (int)name_len, name,
			     (unsigned long long)dir->ino);
	return err;
}

UBTRFS_API struct ubtrfs_node ubtrfs_top(struct ubtrfs *fs)
{
	(void)fs;
	return (struct ubtrfs_node){ BTRFS_FS_TREE_OBJECTID, UBTRFS_ROOT_INO };
}

UBTRFS_API struct ubtrfs_node ubtrfs_default_top(struct ubtrfs *fs)
{
	uint64_t subvolid = BTRFS_FS_TREE_OBJECTID;

	/* A filesystem without a default has the top one. */
	if (FS_READ(fs, subvolume_get_default(&fs->core.inodes, &subvolid)) < 0)
		subvolid = BTRFS_FS_TREE_OBJECTID;
	return (struct ubtrfs_node){ subvolid, UBTRFS_ROOT_INO };
}

static int lookup(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name, size_t name_len,
		  struct ubtrfs_node *ret_node)
{
	SCOPED(inode) struct inode *dir = NULL;
	struct dir_entry entry;

	TRY(node_dir(fs, dir_node, &dir));
	TRY(dir_find_named(dir, name, name_len, &entry));
	return entry_node(fs, dir, &entry, ret_node);
}

UBTRFS_API int ubtrfs_lookup(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			     size_t name_len, struct ubtrfs_node *ret_node)
{
	return FS_READ(fs, lookup(fs, dir, name, name_len, ret_node));
}

/*
 * The directory above: inside a subvolume by the reference of the inode, at its top by the
 * reference of the tree.
 */
static int lookup_parent(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_node *ret_parent)
{
	SCOPED(inode) struct inode *dir = NULL;
	char name[INODE_NAME_MAX + 1];
	uint64_t parent, dirid;
	bool exact;
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
	TRY(fs_sync_inode(fs, dir));
	SCOPED(cursor) struct cursor cursor;

	cursor_init(&cursor, &dir->root->tree);
	TRY(cursor_seek(&cursor, &KEY(node.ino, BTRFS_INODE_REF_KEY, 0), &exact));
	CORRUPT_IF(cursor_key(&cursor).objectid != node.ino ||
			   cursor_key(&cursor).type != BTRFS_INODE_REF_KEY,
		   "directory %llu has no reference to its parent", (unsigned long long)node.ino);
	*ret_parent = (struct ubtrfs_node){ node.subvolid, cursor_key(&cursor).offset };
	return 0;
}

static int readlink_into(struct ubtrfs *fs, struct inode *inode, char *target, size_t capacity,
			 size_t *ret_len)
{
	if (!S_ISLNK(inode_mode(inode)))
		return THROW(ERR_INVALID, "inode %llu is not a symbolic link",
			     (unsigned long long)inode->ino);
	TRY(fs_sync_inode(fs, inode));
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
		return lookup_parent(fs, walk->at, &walk->at);
	TRY(lookup(fs, walk->at, name, len, &next));
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
	return FS_READ(fs, readlink_node(fs, node, target, capacity, ret_len));
}
