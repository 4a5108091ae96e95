/*
 * Items of one inode as its overlay and its tree tell them together, for any number of readers.
 *
 * An item of the overlay stands for the tree's of the same key, and a removal in the overlay for its
 * absence. Nothing is copied: a view borrows the content from the overlay, which nobody changes while
 * there are readers, or from a leaf that it holds read-locked. Every step of a search goes beyond one
 * removal of the overlay, so there are no more steps than removals.
 * Locks: the lock of ops/, shared; RANK_NODE of the leaf that a view holds.
 */
#include "inode/inode.h"

static int overlay_key_compare(const void *key, const struct rb_node *node)
{
	return key_compare(key, &rb_entry(node, struct delayed_item, node)->key);
}

static void view_set_item(struct delayed_view *view, const struct delayed_item *item)
{
	view->key = item->key;
	view->data = item->data;
	view->len = item->len;
}

static void view_set_leaf(struct delayed_view *view)
{
	view->key = cursor_key(&view->cursor);
	view->data = cursor_data(&view->cursor);
	view->len = cursor_len(&view->cursor);
}

int delayed_view(struct inode *inode, uint8_t type, uint64_t offset, struct delayed_view *ret_view)
{
	struct key key = KEY(inode->ino, type, offset);
	struct rb_node *node = rbtree_find(&inode->overlay, &key, overlay_key_compare);
	struct delayed_item *item = node ? rb_entry(node, struct delayed_item, node) : NULL;
	bool exact;
	int err;

	cursor_init(&ret_view->cursor, &inode->root->tree);
	if (item) {
		view_set_item(ret_view, item);
		return item->state == DELAYED_REMOVE ? -ERR_KEY_NOT_FOUND : 0;
	}
	if (!inode->in_tree)
		return -ERR_KEY_NOT_FOUND;
	err = cursor_seek(&ret_view->cursor, &key, &exact);
	if (err == 0 && !exact) {
		cursor_release(&ret_view->cursor);
		err = -ERR_KEY_NOT_FOUND;
	}
	TRY(err);
	view_set_leaf(ret_view);
	return 0;
}

void delayed_view_release(struct delayed_view *view)
{
	if (view->cursor.tree)
		cursor_release(&view->cursor);
}

static bool is_of(const struct key *key, const struct key *wanted)
{
	return key->objectid == wanted->objectid && key->type == wanted->type;
}

/* The neighbour in the overlay, a removal too; NULL: none of this type. */
static struct delayed_item *overlay_seek(const struct inode *inode, const struct key *key,
					 bool forward)
{
	struct rb_node *node = forward ? rbtree_find_ge(&inode->overlay, key, overlay_key_compare) :
					 rbtree_find_le(&inode->overlay, key, overlay_key_compare);
	struct delayed_item *item = node ? rb_entry(node, struct delayed_item, node) : NULL;

	return item && is_of(&item->key, key) ? item : NULL;
}

/* The neighbour in the tree: the cursor stands on it when *ret_found. */
static int tree_seek(const struct inode *inode, const struct key *key, bool forward,
		     struct cursor *cursor, bool *ret_found)
{
	struct key found;
	bool exact;
	int err;

	*ret_found = false;
	if (!inode->in_tree)
		return 0;
	err = forward ? cursor_seek(cursor, key, &exact) : cursor_seek_le(cursor, key);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	found = cursor_key(cursor);
	*ret_found = is_of(&found, key);
	return 0;
}

/* Beyond a key; false when there is nothing beyond it. */
static bool key_step(struct key *key, uint64_t from, bool forward)
{
	if (from == (forward ? UINT64_MAX : 0))
		return false;
	key->offset = forward ? from + 1 : from - 1;
	return true;
}

/* Whether the overlay's neighbour comes first, or stands for the tree's. */
static bool item_wins(const struct delayed_item *item, const struct key *in_tree, bool forward)
{
	int order = key_compare(&item->key, in_tree);

	return forward ? order <= 0 : order >= 0;
}

static int delayed_seek(struct inode *inode, struct key key, bool forward,
			struct delayed_view *view)
{
	do {
		struct delayed_item *item = overlay_seek(inode, &key, forward);
		struct key in_tree;
		bool found;

		TRY(tree_seek(inode, &key, forward, &view->cursor, &found));
		if (!item && !found)
			return -ERR_KEY_NOT_FOUND;
		if (found)
			in_tree = cursor_key(&view->cursor);
		if (!item || (found && !item_wins(item, &in_tree, forward))) {
			view_set_leaf(view);
			return 0;
		}
		if (item->state != DELAYED_REMOVE) {
			view_set_item(view, item);
			return 0;
		}
		if (!key_step(&key, item->key.offset, forward))
			return -ERR_KEY_NOT_FOUND;
	} while (true);
}

static void view_ready(struct inode *inode, struct delayed_view *view)
{
	if (!view->cursor.tree)
		cursor_init(&view->cursor, &inode->root->tree);
}

int delayed_next(struct inode *inode, uint8_t type, uint64_t offset, struct delayed_view *view)
{
	view_ready(inode, view);
	return delayed_seek(inode, KEY(inode->ino, type, offset), true, view);
}

int delayed_last(struct inode *inode, uint8_t type, uint64_t offset, struct delayed_view *view)
{
	view_ready(inode, view);
	return delayed_seek(inode, KEY(inode->ino, type, offset), false, view);
}
