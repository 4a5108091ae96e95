/*
 * Delayed items: the overlay of one inode, and the flush that writes it.
 *
 * The overlay is ordered by key, which is the order of the tree; so a flush walks it once and hands
 * runs of new items to the tree as one sorted batch. The inode item itself is kept apart
 * (inode->item) and joins the batch as its first member. States of a delayed item: none -> INSERT
 * (put, nothing in the tree) or REPLACE (put over the tree's) or REMOVE; INSERT -> gone (remove);
 * REPLACE -> REMOVE; REMOVE -> REPLACE (put). Flushing empties the overlay.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "inode/inode.h"

/* As many items as one call of the tree gets; bounds the array of a flush. */
#define FLUSH_BATCH 1024u

static int overlay_key_compare(const void *key, const struct rb_node *node)
{
	return key_compare(key, &rb_entry(node, struct delayed_item, node)->key);
}

static struct delayed_item *overlay_find(const struct inode *inode, const struct key *key)
{
	struct rb_node *node = rbtree_find(&inode->overlay, key, overlay_key_compare);

	return node ? rb_entry(node, struct delayed_item, node) : NULL;
}

int delayed_get(struct inode *inode, uint8_t type, uint64_t offset, const uint8_t **ret_data,
		uint32_t *ret_len)
{
	struct inode_table *table = inode->table;
	struct key key = KEY(inode->ino, type, offset);
	struct delayed_item *item = overlay_find(inode, &key);
	uint32_t len;

	if (item) {
		if (item->state == DELAYED_REMOVE)
			return -ERR_KEY_NOT_FOUND;
		*ret_data = item->data;
		*ret_len = item->len;
		return 0;
	}
	if (!inode->in_tree)
		return -ERR_KEY_NOT_FOUND;
	TRY(tree_lookup(&inode->root->tree, &key, table->scratch, table->geometry.nodesize, &len));
	*ret_data = table->scratch;
	*ret_len = len;
	return 0;
}

static void overlay_drop(struct inode *inode, struct delayed_item *item)
{
	inode->table->delayed_bytes -= sizeof(*item) + item->capacity;
	rbtree_remove(&inode->overlay, &item->node);
	mem_free(item);
}

static struct delayed_item *delayed_alloc(const struct key *key, uint32_t capacity)
{
	struct delayed_item *item = mem_alloc(sizeof(*item) + capacity);

	if (!item)
		return NULL;
	item->key = *key;
	item->len = 0;
	item->capacity = capacity;
	return item;
}

static void overlay_add(struct inode *inode, struct delayed_item *item)
{
	struct rb_node *clash = rbtree_insert(&inode->overlay, &item->node);

	ASSERT(!clash);
	inode->table->delayed_bytes += sizeof(*item) + item->capacity;
}

/*
 * Names and attributes lie by hash; new indices and extents follow each other, and so does all
 * that a new inode gets.
 */
static bool is_scattered(const struct inode *inode, uint8_t type, enum delayed_state state)
{
	if (!inode->in_tree)
		return false;
	return state != DELAYED_INSERT ||
	       (type != BTRFS_DIR_INDEX_KEY && type != BTRFS_EXTENT_DATA_KEY);
}

int delayed_put(struct inode *inode, uint8_t type, uint64_t offset, const void *data, uint32_t len,
		bool exists)
{
	struct key key = KEY(inode->ino, type, offset);
	struct delayed_item *old = overlay_find(inode, &key);
	struct delayed_item *item = old;
	enum delayed_state state = exists ? DELAYED_REPLACE : DELAYED_INSERT;

	ASSERT(len <= geometry_max_item(&inode->table->geometry));
	if (old)
		state = old->state == DELAYED_INSERT ? DELAYED_INSERT : DELAYED_REPLACE;
	if (!old || old->capacity < len) {
		/*
		 * Items that grow (directory collisions, references) would be copied at each
		 * step: grow by doubling.
		 */
		uint32_t capacity = old ? MAX(2 * old->capacity, len) : len;

		item = delayed_alloc(&key, capacity);
		if (!item)
			return MEM_FAIL("a delayed item");
		if (old)
			overlay_drop(inode, old);
		else if (is_scattered(inode, type, state))
			inode_note_scattered(inode);
		overlay_add(inode, item);
	}
	item->state = state;
	item->len = len;
	memcpy(item->data, data, len);
	inode_mark_dirty(inode);
	return 0;
}

int delayed_remove(struct inode *inode, uint8_t type, uint64_t offset)
{
	struct key key = KEY(inode->ino, type, offset);
	struct delayed_item *item = overlay_find(inode, &key);

	if (item && item->state == DELAYED_INSERT) {
		overlay_drop(inode, item);
	} else if (item) {
		item->state = DELAYED_REMOVE;
		item->len = 0;
	} else {
		item = delayed_alloc(&key, 0);
		if (!item)
			return MEM_FAIL("a delayed removal");
		item->state = DELAYED_REMOVE;
		overlay_add(inode, item);
		inode_note_scattered(inode);
	}
	inode_mark_dirty(inode);
	return 0;
}

/* What a flush has gathered: new items whose keys follow each other. */
struct flush {
	struct txn *txn;
	struct tree *tree;
	struct tree_item items[FLUSH_BATCH];
	size_t nr;
};

/* What was looked up before it was delayed is otherwise now: the tree contradicts itself. */
static int flush_told(const struct flush *flush, int err, const struct key *key)
{
	if (err != -ERR_KEY_EXISTS && err != -ERR_KEY_NOT_FOUND)
		return err;
	return THROW(ERR_CORRUPT, "tree %llu: the item (%llu %u %llu) is %s",
		     (unsigned long long)flush->tree->objectid, (unsigned long long)key->objectid,
		     key->type, (unsigned long long)key->offset,
		     err == -ERR_KEY_EXISTS ? "there although it is new" : "gone");
}

static int flush_batch(struct flush *flush)
{
	size_t done;
	int err = 0;

	if (flush->nr)
		err = tree_insert_many(flush->txn, flush->tree, flush->items, flush->nr, &done);
	if (err < 0)
		return flush_told(flush, err, &flush->items[MIN(done, flush->nr - 1)].key);
	flush->nr = 0;
	return 0;
}

static int flush_insert(struct flush *flush, const struct key *key, const void *data, uint32_t len)
{
	if (flush->nr == FLUSH_BATCH)
		TRY(flush_batch(flush));
	flush->items[flush->nr++] =
		(struct tree_item){ .key = *key, .data = data, .len_bytes = len };
	return 0;
}

static int flush_item(struct flush *flush, const struct delayed_item *item)
{
	int err;

	if (item->state == DELAYED_INSERT)
		return flush_insert(flush, &item->key, item->data, item->len);
	if (item->state == DELAYED_REPLACE)
		err = tree_replace(flush->txn, flush->tree, &item->key, item->data, item->len);
	else
		err = tree_remove(flush->txn, flush->tree, &item->key);
	return flush_told(flush, err, &item->key);
}

static int flush_inode_item(struct flush *flush, struct inode *inode)
{
	struct key key = KEY(inode->ino, BTRFS_INODE_ITEM_KEY, 0);

	if (!inode->item_dirty)
		return 0;
	inode_item_set_transid(inode->item, flush->txn->generation);
	if (inode->item_in_tree)
		return tree_replace(flush->txn, flush->tree, &key, inode->item, INODE_ITEM_SIZE);
	return flush_insert(flush, &key, inode->item, INODE_ITEM_SIZE);
}

int inode_flush(struct txn *txn, struct inode *inode)
{
	ASSERT(!inode_has_dirty_data(inode));
	return inode_flush_noted(txn, inode);
}

/* Whoever finds an inode without links in the tree finds its orphan too. */
static int flush_orphan(struct txn *txn, struct inode *inode)
{
	int err;

	if (!inode->has_orphan || inode->orphan_in_tree)
		return 0;
	err = orphan_add(txn, &inode->root->tree, inode->ino);
	CORRUPT_IF(err == -ERR_KEY_EXISTS, "inode %llu of subvolume %llu has a name and an orphan",
		   (unsigned long long)inode->ino, (unsigned long long)inode->root->objectid);
	TRY(err);
	inode->orphan_in_tree = true;
	return 0;
}

static int flush_all(struct flush *flush, struct inode *inode)
{
	struct rb_node *node;

	TRY(flush_inode_item(flush, inode));
	for (node = rbtree_first(&inode->overlay); node; node = rb_next(node))
		TRY(flush_item(flush, rb_entry(node, struct delayed_item, node)));
	TRY(flush_batch(flush));
	return flush_orphan(flush->txn, inode);
}

int inode_flush_noted(struct txn *txn, struct inode *inode)
{
	SCOPED_MEM struct flush *flush = NULL;
	bool busy;
	int err;

	ASSERT(!inode->open_len);
	if (!link_is_linked(&inode->dirty_link))
		return 0;
	flush = mem_alloc(sizeof(*flush));
	if (!flush)
		return MEM_FAIL("writing delayed items");
	flush->txn = txn;
	flush->tree = &inode->root->tree;
	flush->nr = 0;
	err = flush_all(flush, inode);
	/* Some of it may be in the tree and some not: law L6. */
	if (err < 0)
		return txn_abort(txn, err, "writing delayed items");
	inode->in_tree = true;
	inode->item_in_tree = true;
	/* Those who still work on it hold references; it comes back behind what is dirty now. */
	busy = inode_has_dirty_data(inode);
	inode_drop_dirty(inode);
	if (busy)
		inode_mark_dirty(inode);
	return 0;
}

int inode_remove_items(struct txn *txn, struct inode *inode)
{
	struct key first = KEY(inode->ino, 0, 0);
	struct key last = KEY(inode->ino, UINT8_MAX, UINT64_MAX);
	uint64_t nr;
	int err = 0;

	ASSERT(!inode_has_dirty_data(inode) && !inode->open_len);
	if (inode->in_tree)
		err = tree_remove_range(txn, &inode->root->tree, &first, &last, &nr);
	if (err < 0)
		return txn_abort(txn, err, "removing the items of an inode");
	inode->in_tree = false;
	inode->item_in_tree = false;
	inode_drop_dirty(inode);
	return 0;
}
