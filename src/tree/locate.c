/*
 * tree_locate: where the nodes on the way to a key lie.
 *
 * For walking back: a node whose tree is known is looked for from the root of that tree, and what
 * stands above it is its parent. Couples read locks as searches do; nothing is locked when it
 * returns, so the answer holds for committed trees, or while nobody changes the tree.
 */
#include "tree/tree_priv.h"

static int locate_once(struct tree *tree, const struct key *key, uint8_t level,
		       struct tree_miss *miss, struct tree_trail *trail)
{
	struct node_expect expect;
	struct node *node, *child;
	struct key first;
	int ret;

	rwlock_read(&tree->root_lock);
	ASSERT(tree->root_addr);
	expect = tree_root_expect(tree);
	ret = tree_fetch(tree, tree->root_addr, &expect, miss, &node);
	if (ret == 0)
		rwlock_read(&node->lock);
	trail->root_level = tree->root_level;
	rwlock_unread(&tree->root_lock);
	if (ret)
		return ret;
	trail->addrs[trail->root_level] = node->addr;
	for (uint8_t at = trail->root_level; at > level; at--) {
		ret = node_nritems(node->data) ?
			      0 :
			      THROW(ERR_CORRUPT, "tree block %llu: no pointers at level %u",
				    (unsigned long long)node->addr, at);
		if (ret == 0) {
			unsigned slot = node_child_slot(node->data, key);

			/* The last step needs no reading: the pointer says it. */
			trail->addrs[at - 1] = node_child_addr(node->data, slot);
			if (at - 1 == level)
				break;
			expect = tree_child_expect(tree, node, slot, &first);
			ret = tree_fetch(tree, trail->addrs[at - 1], &expect, miss, &child);
		}
		if (ret == 0)
			rwlock_read(&child->lock);
		rwlock_unread(&node->lock);
		node_put(node);
		if (ret)
			return ret;
		node = child;
	}
	rwlock_unread(&node->lock);
	node_put(node);
	return 0;
}

int tree_locate(struct tree *tree, const struct key *key, uint8_t level,
		struct tree_trail *ret_trail)
{
	struct tree_miss miss = { 0 };
	struct tree_trail trail;
	int ret;

	for (;;) {
		memset(&trail, 0, sizeof(trail));
		ret = locate_once(tree, key, level, &miss, &trail);
		if (ret != TREE_MISS)
			break;
		tree_miss_read(tree, &miss);
	}
	tree_miss_end(&miss);
	if (ret == 0)
		*ret_trail = trail;
	return ret;
}
