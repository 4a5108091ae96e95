/*
 * Visiting a tree while it is being changed.
 *
 * A stack of directories, each with a piece of its entries and the cookie behind that piece: nothing
 * of the library is held between two calls of it.
 */
#include "cli/image_tree.h"

#include <errno.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/entry_list.h"

#define PIECE_ENTRIES 256u

struct piece_entry {
	struct ubtrfs_node node;
	uint8_t type;
	bool is_subvolume;
	char name[256];
};

struct level {
	struct ubtrfs_node above; /* in which the directory has its name */
	struct ubtrfs_node node;
	bool is_subvolume;
	char name[256];
	size_t path_len; /* of the directory's path */
	uint64_t cookie;
	bool is_last; /* nothing behind this piece */
	size_t nr, next, capacity;
	struct piece_entry *entries; /* owned; grows with what is there */
};

struct walk {
	struct ubtrfs *fs;
	const struct tree_visitor *visitor;
	struct level *levels;
	size_t nr, capacity;
	struct strbuf path;
};

static struct level *level_top(struct walk *walk)
{
	return &walk->levels[walk->nr - 1];
}

/* ---- a piece ---- */

static int piece_grow(struct level *level)
{
	size_t capacity = level->capacity ? 4 * level->capacity : 4;
	struct piece_entry *entries;

	if (level->nr < level->capacity)
		return 0;
	entries = mem_resize(level->entries, capacity * sizeof(*entries));
	if (!entries)
		return MEM_FAIL("a directory");
	level->entries = entries;
	level->capacity = capacity;
	return 0;
}

static int piece_add(void *ctx, const struct ubtrfs_dirent *dirent)
{
	struct level *level = ctx;
	struct piece_entry *entry;

	if (level->nr == PIECE_ENTRIES)
		return 1;
	if (!entry_name_is_sane(dirent->name, dirent->name_len))
		return THROW(ERR_CORRUPT, "a directory entry of inode %llu has an impossible name",
			     (unsigned long long)dirent->node.ino);
	TRY(piece_grow(level));
	entry = &level->entries[level->nr++];
	entry->node = dirent->node;
	entry->type = dirent->type;
	entry->is_subvolume = dirent->is_subvolume;
	memcpy(entry->name, dirent->name, dirent->name_len);
	entry->name[dirent->name_len] = '\0';
	level->cookie = dirent->cookie;
	return 0;
}

static int piece_read(struct walk *walk, struct level *level)
{
	int ret;

	level->nr = 0;
	level->next = 0;
	ret = ubtrfs_readdir(walk->fs, level->node, level->cookie, piece_add, level);
	if (ret < 0)
		return err_prefix(err_adopt(ret), "cannot read '%s'", strbuf_text(&walk->path));
	level->is_last = ret == 0;
	return 0;
}

/* ---- levels ---- */

static int level_push(struct walk *walk, const struct tree_entry *entry)
{
	struct level *levels, *level;
	size_t capacity = walk->capacity ? 2 * walk->capacity : 16;

	if (walk->nr == IMAGE_TREE_DEPTH_MAX)
		return THROW(ERR_LIMIT, "'%.200s...' is deeper than %u directories", entry->path,
			     IMAGE_TREE_DEPTH_MAX);
	if (walk->nr == walk->capacity) {
		levels = mem_resize(walk->levels, capacity * sizeof(*levels));
		if (!levels)
			return MEM_FAIL("directories");
		walk->levels = levels;
		walk->capacity = capacity;
	}
	level = &walk->levels[walk->nr];
	memset(level, 0, sizeof(*level));
	level->above = entry->dir;
	level->node = entry->node;
	level->is_subvolume = entry->is_subvolume;
	memcpy(level->name, entry->name, strlen(entry->name) + 1);
	level->path_len = walk->path.len;
	walk->nr++;
	return piece_read(walk, level);
}

static int level_pop(struct walk *walk)
{
	struct level *level = level_top(walk);
	const struct tree_entry entry = { .dir = level->above,
					  .node = level->node,
					  .name = level->name,
					  .type = BTRFS_FT_DIR,
					  .is_subvolume = level->is_subvolume,
					  .path = strbuf_text(&walk->path) };
	int ret = walk->visitor->after ? walk->visitor->after(walk->visitor->ctx, &entry) : 0;

	mem_free(level->entries);
	walk->nr--;
	return ret;
}

/* ---- the walk ---- */

static int entry_follow(struct walk *walk, struct tree_entry *entry)
{
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;
	int ret = err_adopt(ubtrfs_resolve(walk->fs, entry->dir, entry->name, true, &node));

	/* It leads nowhere, to what can have no name, or in a circle. */
	if (err_to_errno(ret) == ENOENT || err_to_errno(ret) == ENOTDIR ||
	    err_to_errno(ret) == ENAMETOOLONG || err_to_errno(ret) == ELOOP)
		return 0;
	TRY(ret);
	TRY(err_adopt(ubtrfs_getattr(walk->fs, node, &attr)));
	entry->node = node;
	entry->type = S_ISDIR(attr.mode) ? BTRFS_FT_DIR : BTRFS_FT_REG_FILE;
	return 0;
}

static bool is_entered(const struct walk *walk, struct ubtrfs_node node)
{
	for (size_t i = 0; i < walk->nr; i++)
		if (walk->levels[i].node.subvolid == node.subvolid &&
		    walk->levels[i].node.ino == node.ino)
			return true;
	return false;
}

static int meet(struct walk *walk, const struct tree_entry *entry)
{
	bool enter = entry->type == BTRFS_FT_DIR &&
		     (!walk->visitor->follow || !is_entered(walk, entry->node));

	if (walk->visitor->before)
		TRY(walk->visitor->before(walk->visitor->ctx, entry, &enter));
	return enter ? level_push(walk, entry) : 0;
}

static void path_cut(struct walk *walk, size_t len)
{
	walk->path.len = len;
	walk->path.text[len] = '\0';
}

static int meet_next(struct walk *walk)
{
	struct level *level = level_top(walk);
	/* Behind a push the levels may lie elsewhere. */
	struct piece_entry next = level->entries[level->next++];
	struct tree_entry entry = { .dir = level->node,
				    .node = next.node,
				    .name = next.name,
				    .type = next.type,
				    .is_subvolume = next.is_subvolume };

	path_cut(walk, level->path_len);
	if (level->path_len && walk->path.text[level->path_len - 1] != '/')
		strbuf_add(&walk->path, "/");
	strbuf_add(&walk->path, next.name);
	TRY(strbuf_status(&walk->path));
	entry.path = strbuf_text(&walk->path);
	if (walk->visitor->follow && entry.type == BTRFS_FT_SYMLINK)
		TRY(entry_follow(walk, &entry));
	return meet(walk, &entry);
}

static int walk_run(struct walk *walk, const struct tree_entry *top)
{
	struct level *level;

	strbuf_add(&walk->path, top->path);
	TRY(strbuf_status(&walk->path));
	TRY(meet(walk, top));
	while (walk->nr) {
		level = level_top(walk);
		if (level->next < level->nr) {
			TRY(meet_next(walk));
			continue;
		}
		path_cut(walk, level->path_len);
		if (level->is_last)
			TRY(level_pop(walk));
		else
			TRY(piece_read(walk, level));
	}
	return 0;
}

int image_tree_visit(struct ubtrfs *fs, const struct tree_entry *top,
		     const struct tree_visitor *visitor)
{
	struct walk walk = { .fs = fs, .visitor = visitor };
	int ret;

	strbuf_init(&walk.path);
	ret = walk_run(&walk, top);
	while (walk.nr)
		mem_free(walk.levels[--walk.nr].entries);
	mem_free(walk.levels);
	strbuf_fini(&walk.path);
	return ret;
}
