/*
 * cow_policy: what the tree asks of the layers around it when it copies nodes (tree_policy.h).
 *
 * Private trees: a new node gets an address and a queued, born reference; a node given up gets a queued drop. Nothing is
 * read. Shared trees (subvolumes): before a committed node is replaced, the references of its children move, because an
 * old node that stays with another tree keeps pointing at them:
 *
 *   node is            we own it, plain backrefs     else (others own it, or FULL_BACKREF)
 *   shared (refs > 1)  children: + parent old        children: + our tree
 *                      node: FULL_BACKREF
 *   ours alone         nothing                       FULL_BACKREF: children: + our tree, - parent old
 *
 * A node younger than the last snapshot of its tree cannot be shared, unless a balance moved it, and nothing is looked
 * up for it.
 * Locks: called under node locks of the tree; searches the extent tree (private class) under those of shared trees.
 */
#include "extent/extent_priv.h"

static void count_bytes(struct tree *tree, uint32_t nodesize, bool add)
{
	struct root *root = root_of_tree(tree);

	if (add)
		atomic_fetch_add(&root->used_bytes, nodesize);
	else if (atomic_load(&root->used_bytes) >= nodesize)
		atomic_fetch_sub(&root->used_bytes, nodesize);
}

static int policy_alloc_node(void *ctx, struct txn *txn, struct tree *tree, uint8_t level,
			     uint64_t hint, uint64_t *ret_addr)
{
	struct extents *extents = ctx;
	struct space *space = extents->store->space;
	bool is_chunk_tree = tree->objectid == BTRFS_CHUNK_TREE_OBJECTID;
	struct ref_request request = {
		.len_bytes = extents->store->geometry.nodesize,
		.metadata = true,
		.level = level,
		.born = true,
		.generation = txn->generation,
		.key = { .type = REF_TREE, .root = tree->objectid },
		.delta = 1,
	};
	struct err_report report;
	int err;

	TRY(space_alloc_node(space, is_chunk_tree ? SPACE_SYSTEM : SPACE_METADATA, hint,
			     &request.addr));
	err = ref_queue_push(space_ref_queue(space), &request);
	if (err < 0) {
		err_capture(err, &report);
		err = space_give_back(space, request.addr, request.len_bytes);
		return err < 0 ? err : err_rethrow(&report);
	}
	count_bytes(tree, (uint32_t)request.len_bytes, true);
	*ret_addr = request.addr;
	return 0;
}

static int policy_free_node(void *ctx, struct txn *txn, struct tree *tree, uint64_t addr,
			    uint8_t level, uint64_t owner, uint64_t generation, bool written)
{
	struct extents *extents = ctx;
	struct ref_request request = {
		.addr = addr,
		.len_bytes = extents->store->geometry.nodesize,
		.metadata = true,
		.level = level,
		.written = written,
		.key = { .type = REF_TREE, .root = tree->objectid },
		.delta = -1,
	};

	/* The reference is this tree's, whoever made the node. */
	(void)txn;
	(void)owner;
	(void)generation;
	TRY(ref_queue_push(space_ref_queue(extents->store->space), &request));
	count_bytes(tree, (uint32_t)request.len_bytes, false);
	return 0;
}

/* ---- children of a shared node ---- */

/* Who will hold, or no longer hold, the children: a tree, or a parent block. */
struct holder {
	struct extents *extents;
	uint64_t root; /* tree, or parent when is_parent */
	bool is_parent;
	int delta;
};

static int child_block_push(const struct holder *holder, uint64_t addr, uint8_t level)
{
	struct ref_request request = {
		.addr = addr,
		.len_bytes = holder->extents->store->geometry.nodesize,
		.metadata = true,
		.level = level,
		.key = { .type = holder->is_parent ? REF_TREE_SHARED : REF_TREE,
			 .root = holder->root },
		.delta = holder->delta,
	};

	return ref_queue_push(space_ref_queue(holder->extents->store->space), &request);
}

static int child_data_push(const struct holder *holder, const struct key *key, const uint8_t *item)
{
	struct ref_request request = {
		.addr = file_extent_disk_bytenr(item),
		.len_bytes = file_extent_disk_num_bytes(item),
		.key = { .type = REF_DATA_SHARED, .root = holder->root },
		.delta = holder->delta,
	};

	if (!holder->is_parent) {
		request.key.type = REF_DATA;
		request.key.inode = key->objectid;
		request.key.offset = key->offset - file_extent_offset(item);
	}
	return ref_queue_push(space_ref_queue(holder->extents->store->space), &request);
}

static int leaf_children_push(const struct holder *holder, const uint8_t *leaf)
{
	for (unsigned i = 0; i < node_nritems(leaf); i++) {
		struct key key = leaf_key(leaf, i);
		const uint8_t *item = leaf_item_data(leaf, i);

		if (key.type != BTRFS_EXTENT_DATA_KEY ||
		    leaf_item_len(leaf, i) < FILE_EXTENT_SIZE ||
		    file_extent_type(item) == BTRFS_FILE_EXTENT_INLINE ||
		    !file_extent_disk_bytenr(item))
			continue;
		TRY(child_data_push(holder, &key, item));
	}
	return 0;
}

/* Queues a change for everything that a node points at. */
static int children_push(const struct holder *holder, const uint8_t *node)
{
	if (node_level(node) == 0)
		return leaf_children_push(holder, node);
	for (unsigned i = 0; i < node_nritems(node); i++)
		TRY(child_block_push(holder, node_child_addr(node, i), node_level(node) - 1));
	return 0;
}

static int cow_refs_shared(struct extents *extents, struct txn *txn, struct tree *tree,
			   const struct node *old, uint64_t flags, const struct key *item_key)
{
	bool owned = node_owner(old->data) == tree->objectid &&
		     !(flags & BTRFS_BLOCK_FLAG_FULL_BACKREF);
	struct holder holder = { extents, tree->objectid, false, 1 };
	struct tree *items;

	if (!owned)
		return children_push(&holder, old->data);
	/* Our plain references to the children go over to the copy; what stays behind refers to them by its address. */
	holder.root = old->addr;
	holder.is_parent = true;
	TRY(children_push(&holder, old->data));
	TRY(extent_tree(extents, &items));
	return extent_item_add_flags(txn, items, item_key, BTRFS_BLOCK_FLAG_FULL_BACKREF);
}

static int cow_refs_alone(struct extents *extents, struct tree *tree, const struct node *old,
			  uint64_t flags)
{
	struct holder gain = { extents, tree->objectid, false, 1 };
	struct holder lose = { extents, old->addr, true, -1 };

	if (!(flags & BTRFS_BLOCK_FLAG_FULL_BACKREF))
		return 0;
	TRY(children_push(&gain, old->data));
	return children_push(&lose, old->data);
}

/* What a balance has moved is young, and shared as it was before: it carries a flag. */
static bool may_be_shared(struct tree *tree, const struct node *node)
{
	return node_generation(node->data) <= root_item_last_snapshot(root_of_tree(tree)->item) ||
	       node_has_flag(node->data, BTRFS_HEADER_FLAG_RELOC);
}

static int policy_cow_refs(void *ctx, struct txn *txn, struct tree *tree, struct node *old,
			   struct node *copy, bool *ret_shared)
{
	struct extents *extents = ctx;
	uint64_t generation = node_generation(old->data), flags;
	struct key item_key;
	int64_t refs;

	(void)copy;
	*ret_shared = false;
	if (generation == txn->generation || !may_be_shared(tree, old))
		return 0;
	TRY(extent_refs_inside(extents, old->addr, true, &refs, &flags, &item_key));
	CORRUPT_IF(refs < 1 || item_key.type == 0,
		   "tree block %" PRIu64 " is in use and has %" PRId64 " references", old->addr,
		   refs);
	if (refs == 1)
		return cow_refs_alone(extents, tree, old, flags);
	*ret_shared = true;
	return cow_refs_shared(extents, txn, tree, old, flags, &item_key);
}

const struct tree_policy extent_private_policy = {
	.alloc_node = policy_alloc_node,
	.free_node = policy_free_node,
};

const struct tree_policy extent_shared_policy = {
	.alloc_node = policy_alloc_node,
	.free_node = policy_free_node,
	.cow_refs = policy_cow_refs,
};
