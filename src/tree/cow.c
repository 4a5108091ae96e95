/*
 * Copy-on-write of one node: new address, same contents, the pointer to it follows, the old node is
 * given up.
 *
 * Law L2: only a node born in this generation and never handed to a device is changed in place. The
 * level, owner and generation of a node that is given up are taken from it before it leaves the
 * cache and travel with the request. A node leaves the index before its address is given back,
 * since the address may come again at once.
 * Locks: the node's parent (or root_lock) and the node are write-locked by the caller.
 */
#include "tree/tree_priv.h"

int node_new(struct txn *txn, struct tree *tree, uint8_t level, uint64_t hint,
	     struct node **ret_node)
{
	const struct tree_policy *policy = tree->policy;
	struct err_report report;
	uint64_t addr;
	int ret;

	ASSERT(level < TREE_MAX_LEVEL);
	TRY(policy->alloc_node(tree->policy_ctx, txn, tree, level, hint, &addr));
	ret = node_create(tree->cache, addr, level, tree->objectid, txn->generation,
			  NODE_LOCK_ORDER(tree->class, level), ret_node);
	if (ret >= 0)
		return 0;
	err_capture(ret, &report);
	ret = policy->free_node(tree->policy_ctx, txn, tree, addr, level, tree->objectid,
				txn->generation, false);
	return ret < 0 ? ret : err_rethrow(&report);
}

int node_give_up(struct txn *txn, struct tree *tree, struct node *node, bool shared)
{
	uint64_t addr = node->addr;
	uint64_t owner = node_owner(node->data);
	uint64_t generation = node_generation(node->data);
	uint8_t level = node_level(node->data);
	bool written = node_is_written(node);

	if (!written)
		node_cancel(node);
	else if (!shared)
		node_forget(node);
	node_unlock_put(node);
	return tree->policy->free_node(tree->policy_ctx, txn, tree, addr, level, owner, generation,
				       written);
}

/* The bytes in use; those of the header that name the place are the copy's own. */
static void node_copy_body(const struct geometry *geometry, const struct node *from,
			   struct node *to)
{
	uint32_t nr = node_nritems(from->data);
	uint32_t start;

	node_set_nritems(to->data, nr);
	if (node_level(from->data)) {
		memcpy(to->data + HEADER_SIZE, from->data + HEADER_SIZE, (size_t)nr * KEY_PTR_SIZE);
		return;
	}
	start = HEADER_SIZE + leaf_data_start(geometry, from->data);
	memcpy(to->data + HEADER_SIZE, from->data + HEADER_SIZE, (size_t)nr * ITEM_SIZE);
	memcpy(to->data + start, from->data + start, geometry->nodesize - start);
}

/*
 * Moves references where the policy wants to know; a node never written has no reference that
 * anybody could share.
 */
static int node_copy_refs(struct txn *txn, struct tree *tree, struct node *old, struct node *copy,
			  bool *ret_shared)
{
	*ret_shared = false;
	if (!tree->policy->cow_refs || !node_is_written(old))
		return 0;
	return tree->policy->cow_refs(tree->policy_ctx, txn, tree, old, copy, ret_shared);
}

int node_copy(struct txn *txn, struct tree *tree, struct node *parent, unsigned slot,
	      struct node **node)
{
	struct node *old = *node, *copy;
	struct err_report report;
	bool shared;
	int ret;

	TRY(node_new(txn, tree, node_level(old->data), old->addr, &copy));
	node_copy_body(tree_geometry(tree), old, copy);
	ret = node_copy_refs(txn, tree, old, copy, &shared);
	if (ret < 0) {
		err_capture(ret, &report);
		ret = node_give_up(txn, tree, copy, false);
		return ret < 0 ? ret : err_rethrow(&report);
	}
	if (parent) {
		uint8_t *ptr = node_ptr_mut(parent->data, slot);

		ASSERT(node_is_changeable(parent, txn->generation));
		ASSERT(key_ptr_blockptr(ptr) == old->addr);
		key_ptr_set_blockptr(ptr, copy->addr);
		key_ptr_set_generation(ptr, txn->generation);
	} else {
		ASSERT(tree->root_addr == old->addr);
		tree_root_change(tree, copy, txn->generation);
	}
	*node = copy;
	return node_give_up(txn, tree, old, shared);
}

int node_make_changeable(struct txn *txn, struct tree *tree, struct node *parent, unsigned slot,
			 struct node **node)
{
	if (node_is_changeable(*node, txn->generation))
		return 0;
	return node_copy(txn, tree, parent, slot, node);
}

int path_make_changeable(struct cursor *cursor, uint8_t level)
{
	bool is_root = level == cursor->root_level;
	struct node *parent = is_root ? NULL : cursor->path[level + 1];

	ASSERT(is_root ? cursor->root_locked : parent != NULL);
	return node_make_changeable(cursor->txn, cursor->tree, parent,
				    is_root ? 0 : cursor->path_slot[level + 1],
				    &cursor->path[level]);
}
