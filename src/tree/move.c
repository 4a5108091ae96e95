/*
 * Whole trees: moving nodes to new addresses, giving up all nodes.
 *
 * Moving: the wanted nodes are listed first, by key and level, from the pointers alone (leaves are
 * not read); then each is looked up again and copied under its path. A node that moved by itself in
 * between is skipped: its address is another.
 */
#include "tree/tree_priv.h"

struct move_spot {
	struct key key;
	uint64_t addr;
	uint8_t level;
};

struct move_list {
	bool (*wants)(void *ctx, uint64_t addr);
	void *ctx;
	struct move_spot *spots;
	size_t nr, nr_room;
};

static int list_add(struct move_list *list, const struct key *key, uint64_t addr, uint8_t level)
{
	if (!list->wants(list->ctx, addr))
		return 0;
	if (list->nr == list->nr_room) {
		size_t nr_room = MAX(2 * list->nr_room, (size_t)64);
		struct move_spot *spots = mem_resize(list->spots, nr_room * sizeof(*spots));

		if (!spots)
			return MEM_FAIL("the list of tree blocks to move");
		list->spots = spots;
		list->nr_room = nr_room;
	}
	list->spots[list->nr++] = (struct move_spot){ *key, addr, level };
	return 0;
}

/* Notes the wanted children of an internal node, then goes down to those that are internal too. */
static int list_children(struct tree *tree, const struct node *node, struct move_list *list)
{
	uint8_t level = node_level(node->data);

	for (unsigned slot = 0; level > 0 && slot < node_nritems(node->data); slot++) {
		struct node_expect expect;
		struct node *child;
		struct key key;
		uint64_t addr = node_child_addr(node->data, slot);
		int ret;

		expect = tree_child_expect(tree, node, slot, &key);
		TRY(list_add(list, &key, addr, (uint8_t)(level - 1)));
		if (level == 1)
			continue;
		TRY(node_get(tree->cache, addr, &expect, &child));
		rwlock_read(&child->lock);
		ret = list_children(tree, child, list);
		rwlock_unread(&child->lock);
		node_put(child);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int list_tree(struct tree *tree, struct move_list *list)
{
	struct node_expect expect;
	struct key first = KEY_MIN;
	struct node *root;
	int ret;

	rwlock_read(&tree->root_lock);
	ASSERT(tree->root_addr);
	expect = tree_root_expect(tree);
	ret = node_get(tree->cache, tree->root_addr, &expect, &root);
	if (ret >= 0)
		rwlock_read(&root->lock);
	rwlock_unread(&tree->root_lock);
	if (ret < 0)
		return ret;
	ret = list_add(list, &first, root->addr, node_level(root->data));
	if (ret >= 0)
		ret = list_children(tree, root, list);
	rwlock_unread(&root->lock);
	node_put(root);
	return ret;
}

/*
 * Copies the node at a spot, unless it has moved already. The search copies what is not of this
 * generation.
 */
static int move_spot(struct txn *txn, struct tree *tree, const struct move_spot *spot)
{
	SCOPED(cursor) struct cursor cursor;
	uint8_t level = spot->level;
	bool exact, is_root;

	cursor_begin(&cursor, txn, tree);
	TRY(search_path(&cursor, &spot->key, INTENT_COPY, 0, level, &exact));
	if (level > cursor.root_level || cursor.path[level]->addr != spot->addr)
		return 0;
	is_root = level == cursor.root_level;
	if (level == 0)
		cursor.leaf = NULL;
	return node_copy(txn, tree, is_root ? NULL : cursor.path[level + 1],
			 is_root ? 0 : cursor.path_slot[level + 1], &cursor.path[level]);
}

int tree_move_nodes(struct txn *txn, struct tree *tree, bool (*wants)(void *ctx, uint64_t addr),
		    void *ctx, uint64_t *ret_nr)
{
	struct move_list list = { .wants = wants, .ctx = ctx };
	int ret = txn_check(txn);

	if (ret >= 0)
		ret = list_tree(tree, &list);
	for (size_t i = 0; ret >= 0 && i < list.nr; i++)
		ret = move_spot(txn, tree, &list.spots[i]);
	mem_free(list.spots);
	if (ret < 0)
		return ret;
	*ret_nr = list.nr;
	return 0;
}

/* A leaf need not be read to be given up. */
static int destroy_leaf(struct txn *txn, struct tree *tree, uint64_t addr,
			const struct node_expect *expect)
{
	struct node *leaf;

	TRY(node_get_cached(tree->cache, addr, expect, &leaf));
	if (!leaf)
		return tree->policy->free_node(tree->policy_ctx, txn, tree, addr, 0, tree->objectid,
					       expect->generation, true);
	rwlock_write(&leaf->lock);
	return node_give_up(txn, tree, leaf, false);
}

/* Children first; takes over the write-locked node. */
static int destroy_node(struct txn *txn, struct tree *tree, struct node *node)
{
	uint8_t level = node_level(node->data);
	int ret = 0;

	for (unsigned slot = 0; ret >= 0 && level > 0 && slot < node_nritems(node->data); slot++) {
		uint64_t addr = node_child_addr(node->data, slot);
		struct node_expect expect;
		struct node *child;
		struct key key;

		expect = tree_child_expect(tree, node, slot, &key);
		if (level == 1) {
			ret = destroy_leaf(txn, tree, addr, &expect);
			continue;
		}
		ret = node_get(tree->cache, addr, &expect, &child);
		if (ret < 0)
			break;
		rwlock_write(&child->lock);
		ret = destroy_node(txn, tree, child);
	}
	if (ret < 0) {
		node_unlock_put(node);
		return ret;
	}
	return node_give_up(txn, tree, node, false);
}

int tree_destroy(struct txn *txn, struct tree *tree)
{
	struct node_expect expect;
	struct node *root;
	int ret;

	TRY(txn_check(txn));
	rwlock_write(&tree->root_lock);
	ASSERT(tree->root_addr);
	expect = tree_root_expect(tree);
	ret = node_get(tree->cache, tree->root_addr, &expect, &root);
	if (ret >= 0) {
		rwlock_write(&root->lock);
		ret = destroy_node(txn, tree, root);
	}
	if (ret >= 0) {
		tree->root_addr = 0;
		tree->root_generation = 0;
		tree->root_level = 0;
		atomic_store(&tree->dirty, true);
	}
	rwlock_unwrite(&tree->root_lock);
	return ret;
}
