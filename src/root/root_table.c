/*
 * root_table: the index of loaded trees, loading them, and the commit's step that writes root
 * items.
 *
 * Owns every struct root. Invariants: a root in the index has a tree; core[] holds the same
 * pointers as the index for ids below ROOT_CORE_IDS, each from when it can be used without the lock; a root stays until root_drop or the end of the
 * table, so that pointers may be kept. Lock: table->lock, RANK_ROOT_TABLE; a tree is read from the
 * root tree under it, so that it is loaded once.
 */
#include <inttypes.h>

#include "root/root_priv.h"

static struct root *root_entry(const struct rb_node *node)
{
	return rb_entry(node, struct root, node);
}

static int root_compare(const struct rb_node *a, const struct rb_node *b)
{
	uint64_t left = root_entry(a)->objectid, right = root_entry(b)->objectid;

	return left < right ? -1 : left > right;
}

static int root_compare_id(const void *key, const struct rb_node *node)
{
	uint64_t left = *(const uint64_t *)key, right = root_entry(node)->objectid;

	return left < right ? -1 : left > right;
}

/* The chunk tree is needed to read any other, the device tree is changed together with it. */
static enum tree_class root_class_of(uint64_t objectid)
{
	if (root_id_is_subvolume(objectid))
		return TREE_SHARED;
	if (objectid == BTRFS_CHUNK_TREE_OBJECTID || objectid == BTRFS_DEV_TREE_OBJECTID)
		return TREE_MAP;
	return TREE_PRIVATE;
}

struct root *root_peek_locked(struct root_table *table, uint64_t objectid)
{
	struct rb_node *node = rbtree_find(&table->roots, &objectid, root_compare_id);

	return node ? root_entry(node) : NULL;
}

int root_add_locked(struct root_table *table, uint64_t objectid, struct root **ret_root)
{
	enum tree_class class = root_class_of(objectid);
	struct root *root = mem_zalloc(sizeof(*root));

	if (!root)
		return MEM_FAIL("a tree");
	root->objectid = objectid;
	root->has_item = objectid != BTRFS_ROOT_TREE_OBJECTID &&
			 objectid != BTRFS_CHUNK_TREE_OBJECTID;
	tree_init(&root->tree, objectid, class, table->config.cache,
		  class == TREE_SHARED ? table->config.shared_policy : table->config.private_policy,
		  table->config.policy_ctx);
	ASSERT(!rbtree_insert(&table->roots, &root->node));
	*ret_root = root;
	return 0;
}

void root_publish_locked(struct root_table *table, struct root *root)
{
	if (root->objectid < ROOT_CORE_IDS)
		atomic_store(&table->core[root->objectid], root);
}

void root_forget_locked(struct root_table *table, struct root *root)
{
	rbtree_remove(&table->roots, &root->node);
	if (root->objectid < ROOT_CORE_IDS)
		atomic_store(&table->core[root->objectid], NULL);
	tree_fini(&root->tree);
	mem_free(root);
}

struct tree *root_tree_of(struct root_table *table)
{
	return &atomic_load(&table->core[BTRFS_ROOT_TREE_OBJECTID])->tree;
}

int root_table_new(const struct root_table_config *config, struct root_table **ret_table)
{
	static const uint64_t ids[] = { BTRFS_ROOT_TREE_OBJECTID, BTRFS_CHUNK_TREE_OBJECTID };
	struct root_table *table = mem_zalloc(sizeof(*table));
	struct root *root;
	int err = 0;

	if (!table)
		return MEM_FAIL("the table of trees");
	table->config = *config;
	mutex_init(&table->lock, RANK_ROOT_TABLE, "root table");
	rbtree_init(&table->roots, root_compare);
	for (size_t i = 0; err == 0 && i < ARRAY_LEN(ids); i++) {
		err = root_add_locked(table, ids[i], &root);
		if (err == 0)
			root_publish_locked(table, root);
	}
	if (err < 0) {
		root_table_free(table);
		return err;
	}
	*ret_table = table;
	return 0;
}

void root_table_free(struct root_table *table)
{
	struct rb_node *node;

	if (!table)
		return;
	while ((node = rbtree_first(&table->roots)))
		root_forget_locked(table, root_entry(node));
	mutex_fini(&table->lock);
	mem_free(table);
}

int root_table_load(struct root_table *table, const uint8_t *super)
{
	struct root *chunk = atomic_load(&table->core[BTRFS_CHUNK_TREE_OBJECTID]);

	CORRUPT_IF(!super_root(super) || !super_chunk_root(super),
		   "the superblock names no root tree or no chunk tree");
	CORRUPT_IF(super_root_level(super) >= TREE_MAX_LEVEL ||
			   super_chunk_root_level(super) >= TREE_MAX_LEVEL,
		   "the superblock names root level %u and chunk root level %u",
		   super_root_level(super), super_chunk_root_level(super));
	tree_set_root(root_tree_of(table), super_root(super), super_generation(super),
		      super_root_level(super));
	tree_set_root(&chunk->tree, super_chunk_root(super), super_chunk_root_generation(super),
		      super_chunk_root_level(super));
	table->uuid_tree_current = super_uuid_tree_generation(super) == super_generation(super);
	return 0;
}

static int root_load_locked(struct root_table *table, uint64_t objectid, struct root **ret_root)
{
	uint8_t item[ROOT_ITEM_SIZE];
	struct root *root;
	uint64_t offset;

	TRY(root_item_read(root_tree_of(table), objectid, item, &offset));
	CORRUPT_IF(!root_item_bytenr(item) || root_item_level(item) >= TREE_MAX_LEVEL,
		   "the item of tree %llu says that its root is at %llu, level %u",
		   (unsigned long long)objectid, (unsigned long long)root_item_bytenr(item),
		   root_item_level(item));
	TRY(root_add_locked(table, objectid, &root));
	memcpy(root->item, item, sizeof(root->item));
	root->item_offset = offset;
	atomic_store(&root->used_bytes, root_item_bytes_used(item));
	tree_set_root(&root->tree, root_item_bytenr(item), root_item_generation(item),
		      root_item_level(item));
	root_publish_locked(table, root);
	*ret_root = root;
	return 0;
}

int root_get(struct root_table *table, uint64_t objectid, struct root **ret_root)
{
	struct root *root = NULL;
	int err = 0;

	if (objectid < ROOT_CORE_IDS)
		root = atomic_load(&table->core[objectid]);
	if (!root) {
		mutex_lock(&table->lock);
		root = root_peek_locked(table, objectid);
		if (!root)
			err = root_load_locked(table, objectid, &root);
		mutex_unlock(&table->lock);
		TRY(err);
	}
	*ret_root = root;
	return 0;
}

struct root *root_peek(struct root_table *table, uint64_t objectid)
{
	struct root *root;

	if (objectid < ROOT_CORE_IDS)
		return atomic_load(&table->core[objectid]);
	mutex_lock(&table->lock);
	root = root_peek_locked(table, objectid);
	mutex_unlock(&table->lock);
	return root;
}

/* Writing an item changes the root tree only, which has no item: one round is enough. */
static int root_save_locked(struct txn *txn, struct root_table *table, bool *ret_changed)
{
	bool changed = false;

	for (struct rb_node *node = rbtree_first(&table->roots); node; node = rb_next(node)) {
		struct root *root = root_entry(node);

		atomic_store(&root->tree.dirty, false);
		/* The marks only hint; what counts is whether the item would differ. */
		if (!root->has_item || (!root_item_follow_tree(root) && !root->item_dirty))
			continue;
		TRY(root_item_write(txn, root_tree_of(table), root));
		root->item_dirty = false;
		changed = true;
	}
	*ret_changed = changed;
	return 0;
}

int root_table_save(struct txn *txn, struct root_table *table, bool *ret_changed)
{
	int err;

	mutex_lock(&table->lock);
	err = root_save_locked(txn, table, ret_changed);
	mutex_unlock(&table->lock);
	return err;
}

void root_table_fill_super(struct root_table *table, uint8_t *super)
{
	const struct tree *root_tree = root_tree_of(table);
	const struct tree *chunk_tree = &atomic_load(&table->core[BTRFS_CHUNK_TREE_OBJECTID])->tree;

	super_set_root(super, root_tree->root_addr);
	super_set_root_level(super, root_tree->root_level);
	super_set_generation(super, root_tree->root_generation);
	super_set_chunk_root(super, chunk_tree->root_addr);
	super_set_chunk_root_level(super, chunk_tree->root_level);
	super_set_chunk_root_generation(super, chunk_tree->root_generation);
	/* Linux scans all subvolumes when this lags behind; ours keeps the tree exact, if it was
	 * so before. The version 1 cache generation stays behind on purpose: that is how Linux
	 * knows that such a cache is stale. */
	if (table->uuid_tree_current)
		super_set_uuid_tree_generation(super, root_tree->root_generation);
}
