/*
 * The tree object: which node is its root. Owns root_lock and what it guards; nodes belong to the
 * cache, addresses to the policy.
 */
#include "tree/tree_priv.h"

void tree_init(struct tree *tree, uint64_t objectid, enum tree_class class,
	       struct node_cache *cache, const struct tree_policy *policy, void *policy_ctx)
{
	ASSERT(cache);
	tree->objectid = objectid;
	tree->class = class;
	tree->cache = cache;
	tree->policy = policy;
	tree->policy_ctx = policy_ctx;
	rwlock_init(&tree->root_lock, RANK_NODE, "tree root");
	rwlock_set_order(&tree->root_lock, NODE_LOCK_ORDER_ROOT(class));
	tree->root_addr = 0;
	tree->root_generation = 0;
	tree->root_level = 0;
	atomic_init(&tree->dirty, false);
}

void tree_fini(struct tree *tree)
{
	rwlock_fini(&tree->root_lock);
}

void tree_set_root(struct tree *tree, uint64_t addr, uint64_t generation, uint8_t level)
{
	rwlock_write(&tree->root_lock);
	tree->root_addr = addr;
	tree->root_generation = generation;
	tree->root_level = level;
	rwlock_unwrite(&tree->root_lock);
}

void tree_root_change(struct tree *tree, const struct node *node, uint64_t generation)
{
	tree->root_addr = node->addr;
	tree->root_generation = generation;
	tree->root_level = node_level(node->data);
	atomic_store(&tree->dirty, true);
}

int tree_create_root(struct txn *txn, struct tree *tree)
{
	struct node *node;
	int ret;

	TRY(txn_check(txn));
	rwlock_write(&tree->root_lock);
	ASSERT(tree->root_addr == 0);
	ret = node_new(txn, tree, 0, 0, &node);
	if (ret >= 0) {
		tree_root_change(tree, node, txn->generation);
		node_unlock_put(node);
	}
	rwlock_unwrite(&tree->root_lock);
	return ret;
}
