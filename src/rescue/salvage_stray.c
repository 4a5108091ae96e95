/*
 * What no directory leads to: names whose entries went with a tree block, found by the references
 * that inodes keep to their directories; and inodes that have no name left at all.
 *
 * A reference whose entry is certainly not in the directory's index belongs to something deleted and
 * is passed over. Paths are made upwards, at most PATH_DEPTH_MAX directories. Owns nothing; no
 * locks.
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "rescue/rescue_priv.h"

#define PATH_DEPTH_MAX 2000u

struct stray_walk {
	struct tree_view *tree;
	int (*visit)(void *ctx, const struct ubtrfs_rescue_stray *stray);
	void *ctx;
	struct tree_cursor dirs; /* for looking into directories */
	struct ubtrfs_node node; /* that is being looked at */
	bool has_ref, is_something;
	struct strbuf path;
};

struct name_ref {
	uint64_t parent, index;
	const char *name;
	size_t len;
};

/* The reference at *at of an item, which goes on behind it; false at its end. */
static bool ref_next(const struct key *key, const uint8_t *item, uint32_t len, uint32_t *at,
		     struct name_ref *ret_ref)
{
	const uint8_t *ref = item + *at;

	if (*at >= len)
		return false;
	if (key->type == BTRFS_INODE_REF_KEY) {
		*ret_ref = (struct name_ref){ key->offset, inode_ref_index(ref),
					      (const char *)ref + INODE_REF_SIZE,
					      inode_ref_name_len(ref) };
		*at += INODE_REF_SIZE + inode_ref_name_len(ref);
	} else {
		*ret_ref = (struct name_ref){ inode_extref_parent_objectid(ref),
					      inode_extref_index(ref),
					      (const char *)ref + INODE_EXTREF_SIZE,
					      inode_extref_name_len(ref) };
		*at += INODE_EXTREF_SIZE + inode_extref_name_len(ref);
	}
	return true;
}

static bool name_fits(const struct name_ref *ref)
{
	return ref->len && !memchr(ref->name, '/', ref->len) && !memchr(ref->name, 0, ref->len) &&
	       !(ref->name[0] == '.' && (ref->len == 1 || (ref->len == 2 && ref->name[1] == '.')));
}

int salvage_has_name(struct tree_view *tree, uint64_t ino, uint64_t dir, const char *name,
		     size_t len, bool *ret_has, bool *ret_certain)
{
	struct key from = KEY(ino, BTRFS_INODE_REF_KEY, 0);
	struct key to = KEY(ino, BTRFS_INODE_EXTREF_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct name_ref ref;
	int err;

	*ret_has = false;
	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0 && !*ret_has;
	     err = tree_cursor_next(&cursor)) {
		struct key key = tree_cursor_key(&cursor);
		uint32_t at = 0;

		while (ref_next(&key, tree_cursor_data(&cursor), tree_cursor_len(&cursor), &at,
				&ref))
			*ret_has |= ref.parent == dir && ref.len == len &&
				    memcmp(ref.name, name, len) == 0;
	}
	*ret_certain = cursor.state == 0;
	return err < 0 && err != -ERR_KEY_NOT_FOUND ? err : 0;
}

/* ---- paths ---- */

static int path_prepend(struct strbuf *path, const char *name, size_t len)
{
	SCOPED_MEM char *rest = strbuf_detach(path);

	strbuf_add_bytes(path, name, len);
	if (rest && rest[0]) {
		strbuf_add(path, "/");
		strbuf_add(path, rest);
	}
	return strbuf_status(path);
}

/* The first name of an inode; ERR_NOT_FOUND. Prepends it. */
static int path_step(struct tree_view *tree, uint64_t ino, struct strbuf *path,
		     uint64_t *ret_parent)
{
	struct key from = KEY(ino, BTRFS_INODE_REF_KEY, 0);
	struct key to = KEY(ino, BTRFS_INODE_EXTREF_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct name_ref ref;
	int err;

	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		struct key key = tree_cursor_key(&cursor);
		uint32_t at = 0;

		if (!ref_next(&key, tree_cursor_data(&cursor), tree_cursor_len(&cursor), &at,
			      &ref) ||
		    !name_fits(&ref))
			continue;
		*ret_parent = ref.parent;
		return path_prepend(path, ref.name, ref.len);
	}
	return err == -ERR_KEY_NOT_FOUND ? -ERR_NOT_FOUND : err;
}

/* Puts the path of a directory before what is in path. */
static int path_of_dir(struct tree_view *tree, uint64_t ino, struct strbuf *path)
{
	char text[64];

	for (unsigned depth = 0; ino != UBTRFS_ROOT_INO; depth++) {
		uint64_t parent = 0;
		int err = depth < PATH_DEPTH_MAX ? path_step(tree, ino, path, &parent) :
						   -ERR_NOT_FOUND;

		if (err == -ERR_NOT_FOUND) {
			snprintf(text, sizeof(text), UBTRFS_RESCUE_LOST_FOUND "/%llu",
				 (unsigned long long)ino);
			return path_prepend(path, text, strlen(text));
		}
		TRY(err);
		ino = parent;
	}
	return 0;
}

/* ---- the walk ---- */

static int stray_tell(struct stray_walk *walk, bool has_name)
{
	struct ubtrfs_rescue_stray stray = { .node = walk->node,
					     .path = strbuf_text(&walk->path),
					     .has_name = has_name,
					     .is_subvolume = walk->node.subvolid !=
							     walk->tree->id };

	return walk->visit(walk->ctx, &stray);
}

static int ref_look(struct stray_walk *walk, const struct name_ref *ref)
{
	struct key index = KEY(ref->parent, BTRFS_DIR_INDEX_KEY, ref->index);
	int err;

	walk->dirs.state = 0;
	err = tree_cursor_seek(&walk->dirs, &index, &index);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0 || !walk->dirs.state || !name_fits(ref))
		return 0;
	strbuf_clear(&walk->path);
	strbuf_add_bytes(&walk->path, ref->name, ref->len);
	TRY(path_of_dir(walk->tree, ref->parent, &walk->path));
	return stray_tell(walk, true);
}

/* An inode is left behind: one without any reference may be nameless because they are gone. */
static int inode_end(struct stray_walk *walk)
{
	struct key from = KEY(walk->node.ino, BTRFS_INODE_REF_KEY, 0);
	struct key to = KEY(walk->node.ino, BTRFS_INODE_EXTREF_KEY, UINT64_MAX);
	int err;

	if (walk->has_ref || !walk->is_something || walk->node.ino <= UBTRFS_ROOT_INO)
		return 0;
	walk->dirs.state = 0;
	err = tree_cursor_seek(&walk->dirs, &from, &to);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0 || !walk->dirs.state)
		return 0;
	strbuf_clear(&walk->path);
	strbuf_addf(&walk->path, UBTRFS_RESCUE_LOST_FOUND "/%llu",
		    (unsigned long long)walk->node.ino);
	TRY(strbuf_status(&walk->path));
	return stray_tell(walk, false);
}

static int item_look(struct stray_walk *walk, const struct tree_cursor *cursor)
{
	struct key key = tree_cursor_key(cursor);
	struct name_ref ref;
	uint32_t at = 0;
	int ret = 0;

	if (key.objectid != walk->node.ino) {
		ret = inode_end(walk);
		walk->node.ino = key.objectid;
		walk->has_ref = false;
		walk->is_something = false;
	}
	if (key.type == BTRFS_INODE_REF_KEY || key.type == BTRFS_INODE_EXTREF_KEY) {
		walk->has_ref = true;
		while (ret == 0 &&
		       ref_next(&key, tree_cursor_data(cursor), tree_cursor_len(cursor), &at, &ref))
			ret = ref_look(walk, &ref);
	} else if (key.type != BTRFS_ORPHAN_ITEM_KEY && key.type != BTRFS_XATTR_ITEM_KEY) {
		walk->is_something = true;
	}
	return ret;
}

/* Subvolumes below this one, by the references in the tree of roots. */
static int subvolumes_look(struct stray_walk *walk)
{
	uint64_t id = walk->tree->id;
	struct key from = KEY(id, BTRFS_ROOT_REF_KEY, 0),
		   to = KEY(id, BTRFS_ROOT_REF_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *roots;
	int err;

	TRY(view_tree(walk->tree->of, BTRFS_ROOT_TREE_OBJECTID, &roots));
	TRY(tree_cursor_init(&cursor, roots));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;) {
		const uint8_t *item = tree_cursor_data(&cursor);
		struct name_ref ref = { root_ref_dirid(item), root_ref_sequence(item),
					(const char *)item + ROOT_REF_SIZE,
					root_ref_name_len(item) };

		walk->node =
			(struct ubtrfs_node){ tree_cursor_key(&cursor).offset, UBTRFS_ROOT_INO };
		err = ref_look(walk, &ref);
		if (err == 0)
			err = tree_cursor_next(&cursor);
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int inodes_look(struct stray_walk *walk)
{
	struct key from = KEY(UBTRFS_ROOT_INO, 0, 0);
	struct key to = KEY(BTRFS_LAST_FREE_OBJECTID, UINT8_MAX, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	int err;

	TRY(tree_cursor_init(&cursor, walk->tree));
	walk->node = (struct ubtrfs_node){ walk->tree->id, 0 };
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;) {
		err = item_look(walk, &cursor);
		if (err == 0)
			err = tree_cursor_next(&cursor);
	}
	return err == -ERR_KEY_NOT_FOUND ? inode_end(walk) : err;
}

int salvage_strays(struct rescue_view *view, uint64_t subvolid,
		   int (*visit)(void *ctx, const struct ubtrfs_rescue_stray *stray), void *ctx)
{
	struct stray_walk walk = { .visit = visit, .ctx = ctx };
	int err;

	TRY(view_tree(view, subvolid, &walk.tree));
	TRY(tree_cursor_init(&walk.dirs, walk.tree));
	strbuf_init(&walk.path);
	err = subvolumes_look(&walk);
	if (err == 0)
		err = inodes_look(&walk);
	strbuf_fini(&walk.path);
	tree_cursor_fini(&walk.dirs);
	return err;
}

bool salvage_may_have_strays(struct rescue_view *view, uint64_t subvolid)
{
	struct tree_view *tree;

	return view_tree(view, subvolid, &tree) == 0 && tree->nr_patches > 0;
}
