/*
 * The table of inodes: one object in RAM for each inode in use, found by (subvolume, number); the
 * dirty list.
 *
 * An inode lives while somebody holds a reference: callers, and the dirty list for the time that
 * something of it is delayed. The next free inode number of a subvolume is found once in its tree
 * and counted here afterwards.
 *
 * Lock: table->lock (RANK_INODE_TABLE) over the index and the counts; no tree is read under it. Two
 * readers may load one inode at the same time: the second to come back throws its own away.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "format/node_layout.h"
#include "inode/inode.h"

#define PLACEHOLDER_MODE 0040755u

struct next_ino {
	struct hash_node hash; /* by tree id */
	uint64_t ino;
};

static int overlay_compare(const struct rb_node *a, const struct rb_node *b)
{
	return key_compare(&rb_entry(a, struct delayed_item, node)->key,
			   &rb_entry(b, struct delayed_item, node)->key);
}

int inode_table_init(struct inode_table *table, struct root_table *roots,
		     const struct geometry *geometry, uint64_t incompat)
{
	memset(table, 0, sizeof(*table));
	table->scratch = mem_alloc(geometry->nodesize);
	table->edit = mem_alloc(geometry->nodesize);
	if (!table->scratch || !table->edit) {
		mem_free(table->scratch);
		mem_free(table->edit);
		memset(table, 0, sizeof(*table));
		return MEM_FAIL("the table of inodes");
	}
	mutex_init(&table->lock, RANK_INODE_TABLE, "inode table");
	table->roots = roots;
	table->geometry = *geometry;
	table->no_holes = incompat & BTRFS_FEATURE_INCOMPAT_NO_HOLES;
	table->extref = incompat & BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF;
	hash_init(&table->inodes);
	hash_init(&table->next_inos);
	list_init(&table->dirty);
	list_init(&table->held);
	return 0;
}

void inode_table_fini(struct inode_table *table)
{
	struct hash_node *pos;
	struct inode *inode;

	while ((inode = inode_oldest_dirty(table)))
		inode_drop_dirty(inode);
	for (pos = hash_first(&table->inodes); pos; pos = hash_next(&table->inodes, pos)) {
		inode = hash_entry(pos, struct inode, hash);
		log_error("inode %llu of subvolume %llu is still held %u times",
			  (unsigned long long)inode->ino, (unsigned long long)inode->root->objectid,
			  inode->count);
	}
	ASSERT(table->inodes.nr == 0);
	while ((pos = hash_first(&table->next_inos))) {
		hash_remove(&table->next_inos, pos);
		mem_free(hash_entry(pos, struct next_ino, hash));
	}
	hash_fini(&table->inodes);
	hash_fini(&table->next_inos);
	mutex_fini(&table->lock);
	mem_free(table->scratch);
	mem_free(table->edit);
}

struct inode_time inode_now(const struct inode_table *table)
{
	struct clock_time wall;

	if (table->fixed_now)
		return table->now;
	wall = clock_wall();
	return (struct inode_time){ wall.sec, wall.nsec };
}

static struct inode *find_locked(struct inode_table *table, const struct root *root, uint64_t ino)
{
	struct hash_node *pos = hash_find(&table->inodes, hash_mix2(root->objectid, ino));

	for (; pos; pos = hash_find_next(pos)) {
		struct inode *inode = hash_entry(pos, struct inode, hash);

		if (inode->root == root && inode->ino == ino)
			return inode;
	}
	return NULL;
}

struct inode *inode_find(struct inode_table *table, const struct root *root, uint64_t ino)
{
	struct inode *inode;

	mutex_lock(&table->lock);
	inode = find_locked(table, root, ino);
	if (inode)
		inode->count++;
	mutex_unlock(&table->lock);
	return inode;
}

/* In no index, without a reference. */
static struct inode *inode_alloc(struct inode_table *table, struct root *root, uint64_t ino)
{
	struct inode *inode = mem_zalloc(sizeof(*inode));

	if (!inode)
		return NULL;
	inode->table = table;
	inode->root = root;
	inode->ino = ino;
	inode->compress_prop = -1;
	inode->has_acl[ACL_ACCESS] = inode->has_acl[ACL_DEFAULT] = -1;
	rbtree_init(&inode->overlay, overlay_compare);
	return inode;
}

/* Puts it into the index with one reference, or yields the one that is there, with one more. */
static struct inode *inode_publish(struct inode *inode)
{
	struct inode_table *table = inode->table;
	struct inode *there;

	mutex_lock(&table->lock);
	there = find_locked(table, inode->root, inode->ino);
	if (!there) {
		hash_insert(&table->inodes, &inode->hash,
			    hash_mix2(inode->root->objectid, inode->ino));
		there = inode;
	}
	there->count++;
	mutex_unlock(&table->lock);
	return there;
}

struct inode *inode_ref(struct inode *inode)
{
	mutex_lock(&inode->table->lock);
	ASSERT(inode->count > 0);
	inode->count++;
	mutex_unlock(&inode->table->lock);
	return inode;
}

void inode_put(struct inode *inode)
{
	struct inode_table *table = inode->table;
	bool last;

	mutex_lock(&table->lock);
	ASSERT(inode->count > 0);
	last = --inode->count == 0;
	if (last)
		hash_remove(&table->inodes, &inode->hash);
	mutex_unlock(&table->lock);
	if (!last)
		return;
	ASSERT(!inode->overlay.nr && !link_is_linked(&inode->dirty_link));
	ASSERT(!inode->dirty.nr && !inode->writing.nr && !inode->nr_in_flight);
	mem_free(inode);
}

static int item_len_check(const struct root *root, uint64_t ino, uint32_t len)
{
	CORRUPT_IF(len != INODE_ITEM_SIZE,
		   "tree %llu: the inode item of %llu has %u bytes instead of %u",
		   (unsigned long long)root->objectid, (unsigned long long)ino, len,
		   INODE_ITEM_SIZE);
	return 0;
}

static int no_inode(const struct root *root, uint64_t ino)
{
	return THROW(ERR_NOT_FOUND, "subvolume %llu has no inode %llu",
		     (unsigned long long)root->objectid, (unsigned long long)ino);
}

/*
 * What stands where a snapshot has the name of a subvolume that it does not hold: an empty
 * directory with the owner and times of the snapshot's top, whose item has been read.
 */
static void inode_make_placeholder(struct inode *inode)
{
	inode_item_set_mode(inode->item, PLACEHOLDER_MODE);
	inode_item_set_nlink(inode->item, 1);
	inode_item_set_size(inode->item, 0);
	inode_item_set_nbytes(inode->item, 0);
	inode_item_set_flags(inode->item, 0);
	inode->in_tree = inode->item_in_tree = false;
}

static int inode_load(struct inode *inode)
{
	bool placeholder = inode->ino == BTRFS_EMPTY_SUBVOL_DIR_OBJECTID;
	uint64_t ino = placeholder ? BTRFS_FIRST_FREE_OBJECTID : inode->ino;
	struct root *root = inode->root;
	uint32_t len;
	int err = tree_lookup(&root->tree, &KEY(ino, BTRFS_INODE_ITEM_KEY, 0), inode->item,
			      INODE_ITEM_SIZE, &len);

	if (err == -ERR_KEY_NOT_FOUND)
		return no_inode(root, inode->ino);
	TRY(err);
	TRY(item_len_check(root, ino, len));
	inode->in_tree = true;
	inode->item_in_tree = true;
	inode->extent_end = UINT64_MAX;
	if (placeholder)
		inode_make_placeholder(inode);
	return 0;
}

int inode_get(struct inode_table *table, struct root *root, uint64_t ino, struct inode **ret_inode)
{
	struct inode *inode = inode_find(table, root, ino);
	struct inode *made;
	int err;

	if (!inode) {
		made = inode_alloc(table, root, ino);
		if (!made)
			return MEM_FAIL("an inode");
		err = inode_load(made);
		if (err < 0) {
			mem_free(made);
			return err;
		}
		inode = inode_publish(made);
		if (inode != made)
			mem_free(made);
	}
	*ret_inode = inode;
	return 0;
}

/* Behind the inode item come its references, then its attributes. */
static bool surely_no_xattrs(const struct cursor *cursor, uint64_t ino)
{
	uint32_t nr = node_nritems(cursor->leaf->data);

	for (uint32_t slot = cursor->slot + 1; slot < nr; slot++) {
		struct key key = leaf_key(cursor->leaf->data, slot);

		if (key.objectid != ino || key.type > BTRFS_XATTR_ITEM_KEY)
			return true;
		if (key.type == BTRFS_XATTR_ITEM_KEY)
			return false;
	}
	return !cursor->has_bound || cursor->bound.objectid != ino ||
	       cursor->bound.type > BTRFS_XATTR_ITEM_KEY;
}

int inode_item_peek(struct cursor *cursor, uint64_t ino, uint8_t ret_item[INODE_ITEM_SIZE],
		    bool *ret_no_xattrs)
{
	const struct root *root = root_of_tree(cursor->tree);
	bool exact;
	int err = cursor_seek(cursor, &KEY(ino, BTRFS_INODE_ITEM_KEY, 0), &exact);

	if (err == -ERR_KEY_NOT_FOUND || (err == 0 && !exact))
		return no_inode(root, ino);
	TRY(err);
	TRY(item_len_check(root, ino, cursor_len(cursor)));
	memcpy(ret_item, cursor_data(cursor), INODE_ITEM_SIZE);
	*ret_no_xattrs = surely_no_xattrs(cursor, ino);
	return 0;
}

static int next_ino_load(struct inode_table *table, struct root *root, struct next_ino **ret_next)
{
	struct key last = KEY(BTRFS_LAST_FREE_OBJECTID, 0, 0);
	struct next_ino *next;
	struct cursor cursor;
	uint64_t highest = BTRFS_FIRST_FREE_OBJECTID;
	int err;

	cursor_init(&cursor, &root->tree);
	err = cursor_seek_le(&cursor, &last);
	if (err == 0)
		highest = MAX(highest, cursor_key(&cursor).objectid);
	cursor_release(&cursor);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	next = mem_zalloc(sizeof(*next));
	if (!next)
		return MEM_FAIL("a subvolume's next inode number");
	next->ino = highest + 1;
	hash_insert(&table->next_inos, &next->hash, root->objectid);
	*ret_next = next;
	return 0;
}

static int next_ino_get(struct inode_table *table, struct root *root, struct next_ino **ret_next)
{
	struct hash_node *found = hash_find(&table->next_inos, root->objectid);

	if (!found)
		return next_ino_load(table, root, ret_next);
	*ret_next = hash_entry(found, struct next_ino, hash);
	return 0;
}

int inode_numbers_load(struct inode_table *table, struct root *root)
{
	struct next_ino *next;

	return next_ino_get(table, root, &next);
}

static int inode_next_number(struct inode_table *table, struct root *root, uint64_t *ret_ino)
{
	struct next_ino *next;

	TRY(next_ino_get(table, root, &next));
	if (next->ino >= BTRFS_LAST_FREE_OBJECTID)
		return THROW(ERR_LIMIT, "subvolume %llu has no inode numbers left",
			     (unsigned long long)root->objectid);
	*ret_ino = next->ino++;
	return 0;
}

int inode_new(struct inode_table *table, struct root *root, uint64_t ino, uint64_t generation,
	      struct inode **ret_inode)
{
	struct inode *inode;

	if (!ino)
		TRY(inode_next_number(table, root, &ino));
	inode = inode_alloc(table, root, ino);
	if (!inode)
		return MEM_FAIL("an inode");
	ASSERT(inode_publish(inode) == inode);
	inode_item_set_generation(inode->item, generation);
	inode_item_set_transid(inode->item, generation);
	inode->next_index = 2;
	inode->compress_prop = 0;
	inode->has_acl[ACL_ACCESS] = inode->has_acl[ACL_DEFAULT] = 0;
	inode_mark_dirty(inode);
	*ret_inode = inode;
	return 0;
}

static void inode_list_dirty(struct inode *inode)
{
	if (link_is_linked(&inode->dirty_link))
		return;
	inode_ref(inode);
	list_push_back(&inode->table->dirty, &inode->dirty_link);
	inode->table->nr_dirty++;
	if (inode->item_in_tree)
		inode_note_scattered(inode);
}

void inode_note_scattered(struct inode *inode)
{
	inode->nr_scattered++;
	inode->table->nr_scattered++;
}

void inode_mark_dirty(struct inode *inode)
{
	inode->item_dirty = true;
	inode_list_dirty(inode);
}

struct inode *inode_oldest_dirty(struct inode_table *table)
{
	struct link *first = list_first(&table->dirty);

	return first ? list_entry(first, struct inode, dirty_link) : NULL;
}

void inode_drop_dirty(struct inode *inode)
{
	struct rb_node *node;

	while ((node = rbtree_first(&inode->overlay))) {
		struct delayed_item *item = rb_entry(node, struct delayed_item, node);

		inode->table->delayed_bytes -= sizeof(*item) + item->capacity;
		rbtree_remove(&inode->overlay, node);
		mem_free(item);
	}
	inode->table->nr_scattered -= inode->nr_scattered;
	inode->nr_scattered = 0;
	inode->item_dirty = false;
	if (link_is_linked(&inode->dirty_link)) {
		link_remove(&inode->dirty_link);
		inode->table->nr_dirty--;
		inode_put(inode);
	}
}
