/*
 * Parents of entries: from a path of the archive to a directory of the filesystem, with dest as the
 * root of all of it.
 *
 * A walk keeps the directories it came through, so that ".." in a symlink goes back and never above
 * dest. The last parent is remembered, because archives name entries directory by directory. At
 * most UNPACK_SYMLINKS_MAX symlinks are followed and UNPACK_DEPTH_MAX directories nested. Takes no
 * lock.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "transfer/unpack.h"

struct path_walk {
	struct unpack *unpack;
	bool make;
	struct ubtrfs_node *nodes; /* from dest down */
	size_t nr_nodes;
	char *todo; /* what is left of the path */
	size_t pos; /* in it */
	unsigned nr_symlinks;
};

int unpack_lookup(struct unpack *unpack, struct ubtrfs_node dir, const char *name,
		  struct ubtrfs_attr *ret_attr)
{
	struct import *import = unpack->import;
	struct ubtrfs_node node;
	int ret = ubtrfs_lookup(import->fs, dir, name, strlen(name), &node);

	if (ret == -ENOENT)
		return 1;
	if (ret >= 0)
		ret = ubtrfs_getattr(import->fs, node, ret_attr);
	if (ret < 0)
		return import_fail(import, ret, "looking up %s", name);
	ret_attr->node = node;
	return 0;
}

void unpack_forget_paths(struct unpack *unpack)
{
	mem_free(unpack->parent_path);
	unpack->parent_path = NULL;
}

/* A parent that no entry has named: what tar makes of it. */
static int walk_make_dir(struct path_walk *walk, const char *name, struct ubtrfs_node *ret_node)
{
	struct unpack *unpack = walk->unpack;
	const struct import_meta meta = { .mode = S_IFDIR | 0755,
					  .atime = unpack->now,
					  .mtime = unpack->now,
					  .ctime = unpack->now,
					  .otime = unpack->now };
	struct ubtrfs_new what = { .set = ATTR_TIMES };
	int ret;

	import_attr_fill(unpack->import, &meta, false, &what.attr);
	ret = ubtrfs_create(unpack->import->fs, walk->nodes[walk->nr_nodes - 1], name, strlen(name),
			    &what, ret_node);
	if (ret < 0)
		return import_fail(unpack->import, ret, "making directory %s", name);
	unpack->import->stats.dirs++;
	return dir_times_set(&unpack->dir_times, *ret_node, &what.attr);
}

static int walk_symlink(struct path_walk *walk, struct ubtrfs_node node)
{
	struct import *import = walk->unpack->import;
	char target[PATH_MAX + 1];
	size_t len;
	char *todo;
	int ret;

	if (++walk->nr_symlinks > UNPACK_SYMLINKS_MAX)
		return THROW_SYS(ELOOP, "more than %d symlinks", UNPACK_SYMLINKS_MAX);
	ret = ubtrfs_readlink(import->fs, node, target, sizeof(target) - 1, &len);
	if (ret < 0)
		return import_fail(import, ret, "reading a symlink");
	target[len] = '\0';
	todo = mem_printf("%s/%s", target, walk->todo + walk->pos);
	if (!todo)
		return MEM_FAIL("a path");
	mem_free(walk->todo);
	walk->todo = todo;
	walk->pos = 0;
	if (target[0] == '/')
		walk->nr_nodes = 1;
	return 0;
}

/* 1: missing and not to be made. */
static int walk_step(struct path_walk *walk, const char *name)
{
	struct unpack *unpack = walk->unpack;
	struct ubtrfs_node dir = walk->nodes[walk->nr_nodes - 1];
	struct ubtrfs_attr attr;
	int ret = unpack_lookup(unpack, dir, name, &attr);

	if (ret < 0 || (ret == 1 && !walk->make))
		return ret;
	if (walk->make && unpack->import->options.layers)
		TRY(layer_names_add(&unpack->layer_names, dir, name));
	if (ret == 1)
		TRY(walk_make_dir(walk, name, &attr.node));
	else if (S_ISLNK(attr.mode))
		return walk_symlink(walk, attr.node);
	else if (!S_ISDIR(attr.mode))
		return THROW(ERR_NOT_DIR, "%s is not a directory", name);
	if (walk->nr_nodes == UNPACK_DEPTH_MAX)
		return THROW(ERR_LIMIT, "directories are nested deeper than %d", UNPACK_DEPTH_MAX);
	walk->nodes[walk->nr_nodes++] = attr.node;
	return 0;
}

static int walk_all(struct path_walk *walk)
{
	char name[NAME_LEN_MAX + 1];
	size_t len;
	int ret = 0;

	while (ret == 0 && walk->todo[walk->pos]) {
		len = strcspn(walk->todo + walk->pos, "/");
		if (len > NAME_LEN_MAX)
			return THROW(ERR_NAME_TOO_LONG, "a name of %zu bytes", len);
		memcpy(name, walk->todo + walk->pos, len);
		name[len] = '\0';
		walk->pos += len + (walk->todo[walk->pos + len] == '/');
		if (!strcmp(name, "..")) {
			if (walk->nr_nodes > 1)
				walk->nr_nodes--;
		} else if (len && strcmp(name, ".")) {
			ret = walk_step(walk, name);
		}
	}
	return ret;
}

/* Takes over todo. */
static int walk_path(struct unpack *unpack, char *todo, bool make, struct ubtrfs_node *ret_node)
{
	struct path_walk walk = { .unpack = unpack, .make = make, .todo = todo };
	int ret;

	walk.nodes = mem_array(UNPACK_DEPTH_MAX, sizeof(*walk.nodes));
	ret = walk.nodes ? 0 : MEM_FAIL("a path");
	if (ret == 0) {
		walk.nodes[0] = unpack->dest;
		walk.nr_nodes = 1;
		ret = walk_all(&walk);
	}
	if (ret == 0)
		*ret_node = walk.nodes[walk.nr_nodes - 1];
	mem_free(walk.todo);
	mem_free(walk.nodes);
	return ret;
}

int unpack_parent(struct unpack *unpack, const char *path, bool make, struct ubtrfs_node *ret_dir,
		  const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	struct ubtrfs_node node;
	char *parent, *copy;
	int ret;

	*ret_name = slash ? slash + 1 : path;
	if (unpack->parent_path && strlen(unpack->parent_path) == len &&
	    !memcmp(unpack->parent_path, path, len)) {
		*ret_dir = unpack->parent_node;
		return 0;
	}
	parent = mem_dup(path, len + 1);
	if (!parent)
		return MEM_FAIL("a path");
	parent[len] = '\0';
	copy = mem_strdup(parent);
	ret = copy ? walk_path(unpack, copy, make, &node) : MEM_FAIL("a path");
	if (ret != 0 || !make) {
		/* Only walks that note what they pass are remembered. */
		mem_free(parent);
	} else {
		unpack_forget_paths(unpack);
		unpack->parent_path = parent;
		unpack->parent_node = node;
	}
	if (ret == 0)
		*ret_dir = node;
	return ret;
}
