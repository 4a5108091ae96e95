/*
 * Searches: from the root to the leaf of a key.
 *
 * search_leaf couples read locks and takes the leaf in the mode asked for; a writer that finds its
 * leaf changeable and with room needs no more, since then every ancestor was copied in this
 * transaction too. search_path couples write locks, copies what may not be changed, and keeps what
 * the intent may have to change. Nobody waits for a device under a node's write lock: a node not in
 * RAM is noted as a miss, everything is released, the node is read and pinned, and the search
 * starts anew; only after TREE_MISSES_MAX of them it reads under the lock.
 */
#include "tree/tree_priv.h"

int tree_fetch(struct tree *tree, uint64_t addr, const struct node_expect *expect,
	       struct tree_miss *miss, struct node **ret_node)
{
	struct node *node;

	if (miss->nr >= TREE_MISSES_MAX)
		return node_get(tree->cache, addr, expect, ret_node);
	TRY(node_get_cached(tree->cache, addr, expect, &node));
	if (!node) {
		miss->addr = addr;
		miss->expect = *expect;
		/*
		 * Without the parent's lock the first key may change; it is compared when the
		 * search comes back.
		 */
		miss->expect.first_key = NULL;
		return TREE_MISS;
	}
	*ret_node = node;
	return 0;
}

void tree_miss_end(struct tree_miss *miss)
{
	if (miss->pinned)
		node_put(miss->pinned);
	miss->pinned = NULL;
}

void tree_miss_read(struct tree *tree, struct tree_miss *miss)
{
	tree_miss_end(miss);
	miss->nr++;
	/* It may have been freed meanwhile, so an error here means nothing yet. */
	if (node_get(tree->cache, miss->addr, &miss->expect, &miss->pinned) < 0)
		miss->nr = TREE_MISSES_MAX;
}

/* Nodes of a shared tree may carry the owner of another subvolume. */
static uint64_t expected_owner(const struct tree *tree)
{
	return tree->class == TREE_SHARED ? NODE_OWNER_SUBVOLUME : tree->objectid;
}

struct node_expect tree_root_expect(const struct tree *tree)
{
	return (struct node_expect){
		.generation = tree->root_generation,
		.level = tree->root_level,
		.owner = expected_owner(tree),
		.lock_order = NODE_LOCK_ORDER(tree->class, tree->root_level),
	};
}

struct node_expect tree_child_expect(const struct tree *tree, const struct node *node,
				     unsigned slot, struct key *key)
{
	uint8_t level = node_level(node->data);

	ASSERT_SLOW(level > 0);
	*key = node_key(node->data, slot);
	return (struct node_expect){
		.generation = node_child_generation(node->data, slot),
		.level = (uint8_t)(level - 1),
		.owner = expected_owner(tree),
		.first_key = key,
		.lock_order = NODE_LOCK_ORDER(tree->class, level - 1),
	};
}

/* Sets slot, bound from the internal node at level; the slot of the child for key. */
static unsigned search_child(struct cursor *cursor, const struct node *node, const struct key *key)
{
	unsigned slot = node_child_slot(node->data, key);

	if (slot + 1 < node_nritems(node->data)) {
		cursor->has_bound = true;
		cursor->bound = node_key(node->data, slot + 1);
	}
	return slot;
}

/* The child of an internal node for key; sets the bound. */
static int fetch_child(struct cursor *cursor, const struct node *node, const struct key *key,
		       struct tree_miss *miss, struct node **ret_child)
{
	struct node_expect expect;
	struct key first;
	unsigned slot;

	CORRUPT_IF(node_nritems(node->data) == 0, "tree block %llu: no pointers at level %u",
		   (unsigned long long)node->addr, node_level(node->data));
	slot = search_child(cursor, node, key);
	cursor->path_slot[node_level(node->data)] = slot;
	expect = tree_child_expect(cursor->tree, node, slot, &first);
	return tree_fetch(cursor->tree, node_child_addr(node->data, slot), &expect, miss,
			  ret_child);
}

static void lock_node(struct node *node, bool writing)
{
	if (writing)
		rwlock_write(&node->lock);
	else
		rwlock_read(&node->lock);
}

/* Locks the root node and forgets which node it is. */
static int enter_root(struct cursor *cursor, bool writing, struct tree_miss *miss,
		      struct node **ret_node)
{
	struct tree *tree = cursor->tree;
	struct node_expect expect;
	struct node *node;
	int ret;

	rwlock_read(&tree->root_lock);
	ASSERT(tree->root_addr);
	expect = tree_root_expect(tree);
	ret = tree_fetch(tree, tree->root_addr, &expect, miss, &node);
	if (ret == 0) {
		cursor->root_level = tree->root_level;
		lock_node(node, writing && tree->root_level == 0);
		*ret_node = node;
	}
	rwlock_unread(&tree->root_lock);
	return ret;
}

static int search_leaf_once(struct cursor *cursor, const struct key *key, bool writing,
			    struct tree_miss *miss, bool *ret_exact)
{
	struct node *node, *child;
	int ret;

	cursor->has_bound = false;
	ret = enter_root(cursor, writing, miss, &node);
	if (ret)
		return ret;
	for (unsigned level = cursor->root_level; level > 0; level--) {
		ret = fetch_child(cursor, node, key, miss, &child);
		if (ret == 0)
			lock_node(child, writing && level == 1);
		rwlock_unread(&node->lock);
		node_put(node);
		if (ret)
			return ret;
		node = child;
	}
	cursor->leaf = node;
	cursor->writing = writing;
	*ret_exact = node_search(node->data, key, &cursor->slot);
	return 0;
}

int search_leaf(struct cursor *cursor, const struct key *key, bool writing, bool *ret_exact)
{
	struct tree_miss miss = { 0 };
	int ret;

	ASSERT(!cursor->leaf && !cursor->root_locked);
	for (;;) {
		ret = search_leaf_once(cursor, key, writing, &miss, ret_exact);
		if (ret != TREE_MISS)
			break;
		tree_miss_read(cursor->tree, &miss);
	}
	tree_miss_end(&miss);
	return ret;
}

/*
 * Can nothing that the intent does at or below this level change the node above? slot: the
 * child's, or the item's.
 */
static bool is_safe(const struct cursor *cursor, uint8_t level, const struct key *key, bool exact,
		    enum tree_intent intent, uint32_t need)
{
	const struct geometry *geometry = tree_geometry(cursor->tree);
	const uint8_t *data = cursor->path[level]->data;
	unsigned slot = cursor->path_slot[level];
	bool has_room = level ? node_nritems(data) < geometry_node_ptrs(geometry) :
				leaf_free_bytes(geometry, data) >= need;
	struct key first;

	switch (intent) {
	case INTENT_COPY:
		return true;
	case INTENT_EDIT:
		/* In a leaf the item is the one at the slot or the one before it. */
		return has_room && (level || exact ? slot > 0 : slot > 1);
	case INTENT_INSERT:
		if (!has_room || node_nritems(data) == 0)
			return false;
		first = node_slot_key(data, 0);
		return key_compare(key, &first) >= 0;
	case INTENT_REMOVE:
		return slot > 0;
	}
	return false;
}

/* Locks the root node for writing, root_lock with it, and makes it changeable. */
static int enter_root_path(struct cursor *cursor, struct tree_miss *miss)
{
	struct tree *tree = cursor->tree;
	struct node_expect expect;
	struct node *node;
	int ret;

	rwlock_write(&tree->root_lock);
	cursor->root_locked = true;
	ASSERT(tree->root_addr);
	expect = tree_root_expect(tree);
	ret = tree_fetch(tree, tree->root_addr, &expect, miss, &node);
	if (ret)
		return ret;
	cursor->root_level = tree->root_level;
	path_hold(cursor, cursor->root_level, node);
	return path_make_changeable(cursor, cursor->root_level);
}

static int search_path_once(struct cursor *cursor, const struct key *key, enum tree_intent intent,
			    uint32_t need, uint8_t stop_level, struct tree_miss *miss,
			    bool *ret_exact)
{
	struct node *child;
	bool exact = false;
	int ret;

	cursor->has_bound = false;
	ret = enter_root_path(cursor, miss);
	if (ret)
		return ret;
	for (uint8_t level = cursor->root_level;; level--) {
		struct node *node = cursor->path[level];

		if (level == 0)
			exact = node_search(node->data, key, &cursor->path_slot[0]);
		else
			cursor->path_slot[level] = node_child_slot(node->data, key);
		/* Who comes to copy the last node needs its parent too. */
		if ((intent != INTENT_COPY || level > stop_level) &&
		    is_safe(cursor, level, key, exact, intent, need))
			path_release_above(cursor, level);
		if (level <= stop_level)
			break;
		ret = fetch_child(cursor, node, key, miss, &child);
		if (ret)
			return ret;
		path_hold(cursor, (uint8_t)(level - 1), child);
		TRY(path_make_changeable(cursor, (uint8_t)(level - 1)));
	}
	*ret_exact = exact;
	return 0;
}

int search_path(struct cursor *cursor, const struct key *key, enum tree_intent intent,
		uint32_t need, uint8_t stop_level, bool *ret_exact)
{
	struct tree_miss miss = { 0 };
	int ret;

	ASSERT(cursor->txn && !cursor->leaf && !cursor->root_locked);
	for (;;) {
		ret = search_path_once(cursor, key, intent, need, stop_level, &miss, ret_exact);
		if (ret == 0)
			break;
		cursor_release(cursor);
		if (ret != TREE_MISS)
			break;
		tree_miss_read(cursor->tree, &miss);
	}
	tree_miss_end(&miss);
	if (ret == 0 && cursor->path[0]) {
		cursor->leaf = cursor->path[0];
		cursor->slot = cursor->path_slot[0];
	}
	return ret;
}
