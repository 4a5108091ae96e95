/*
 * backref_walk: from a tree block up to the trees that hold it.
 *
 * A block is held by what its references name: a tree (then its parent is found by searching that
 * tree for the block's first key), or, shared, a parent block. Each step goes one level up, so a
 * walk has at most TREE_MAX_LEVEL steps, and what was found for a block is kept (MEMO_MAX_BYTES), so
 * each block is looked at once. Damage on the way is an error; but a deleted subvolume is torn down
 * from its beginning, and what cannot be found in it any more is none of its blocks.
 *
 * Locks: none of its own; see extent.h.
 */
#include <stdlib.h>

#include "extent/extent_priv.h"

#define MEMO_MAX_BYTES (64 * MIB)
/* Trees that hold one block. */
#define BLOCK_ROOTS_MAX ((size_t)1 << 20)

int backref_walk_new(struct extents *extents, struct backref_walk **ret_walk)
{
	struct backref_walk *walk = mem_zalloc(sizeof(*walk));

	if (!walk)
		return MEM_FAIL("a walk back");
	walk->extents = extents;
	hash_init(&walk->blocks);
	hash_init(&walk->shares);
	*ret_walk = walk;
	return 0;
}

static void memo_clear(struct backref_walk *walk)
{
	struct hash_node *node;

	while ((node = hash_first(&walk->blocks))) {
		hash_remove(&walk->blocks, node);
		mem_free(hash_entry(node, struct walked_block, hash));
	}
	while ((node = hash_first(&walk->shares))) {
		hash_remove(&walk->shares, node);
		mem_free(hash_entry(node, struct walked_share, hash));
	}
	walk->memo_bytes = 0;
}

void backref_walk_free(struct backref_walk *walk)
{
	if (!walk)
		return;
	memo_clear(walk);
	hash_fini(&walk->blocks);
	hash_fini(&walk->shares);
	mem_free(walk);
}

void backref_walk_trim(struct backref_walk *walk)
{
	if (walk->memo_bytes > MEMO_MAX_BYTES)
		memo_clear(walk);
}

/* ---- one step ---- */

bool root_is_dead(const struct root *root)
{
	return root->has_item && !root_item_refs(root->item);
}

int walk_root(struct backref_walk *walk, uint64_t objectid, struct root **ret_root)
{
	struct root *root = NULL;
	int err;

	if (objectid != BTRFS_TREE_RELOC_OBJECTID) {
		err = root_get(walk->extents->store->roots, objectid, &root);
		if (err == -ERR_NOT_FOUND)
			root = NULL;
		else
			TRY(err);
	}
	*ret_root = root;
	return 0;
}

int walk_node_get(struct backref_walk *walk, uint64_t addr, uint8_t level, const struct root *root,
		  struct node **ret_node)
{
	enum tree_class class = root ? root->tree.class : TREE_SHARED;
	struct node_expect expect = { .any_generation = true,
				      .level = level,
				      .owner = class == TREE_SHARED ? NODE_OWNER_SUBVOLUME :
								      root->objectid,
				      .lock_order = NODE_LOCK_ORDER(class, level) };
	struct tree *tree;

	TRY(extent_tree(walk->extents, &tree));
	return node_get(tree->cache, addr, &expect, ret_node);
}

/* Only an empty tree has a block without a first key, and that is its root. */
static int first_key(struct backref_walk *walk, const struct root *root, uint64_t addr,
		     uint8_t level, struct key *ret_key)
{
	SCOPED(node) struct node *node = NULL;

	TRY(walk_node_get(walk, addr, level, root, &node));
	rwlock_read(&node->lock);
	*ret_key = node_nritems(node->data) ? node_slot_key(node->data, 0) : KEY_MIN;
	rwlock_unread(&node->lock);
	return 0;
}

static bool error_is_damage(int err)
{
	return err_to_errno(err) == EUCLEAN || err_to_errno(err) == EIO;
}

int walk_parent(struct backref_walk *walk, struct root *root, uint64_t addr, uint8_t level,
		uint64_t *ret_parent, bool *ret_there)
{
	struct tree_trail trail;
	struct key key;
	int err;

	*ret_parent = 0;
	*ret_there = root->tree.root_addr == addr;
	if (*ret_there)
		return 0;
	TRY(first_key(walk, root, addr, level, &key));
	err = tree_locate(&root->tree, &key, level, &trail);
	if (err < 0 && root_is_dead(root) && error_is_damage(err))
		return 0;
	TRY(err);
	if (trail.root_level <= level || trail.addrs[level] != addr)
		return 0;
	*ret_there = true;
	*ret_parent = trail.addrs[level + 1];
	return 0;
}

/* A parent that a shared reference names must point back. */
static int check_parent(struct backref_walk *walk, uint64_t parent, uint64_t addr, uint8_t level)
{
	SCOPED(node) struct node *node = NULL;
	bool found = false;

	TRY(walk_node_get(walk, parent, (uint8_t)(level + 1), NULL, &node));
	rwlock_read(&node->lock);
	for (unsigned slot = 0; slot < node_nritems(node->data) && !found; slot++)
		found = node_child_addr(node->data, slot) == addr;
	rwlock_unread(&node->lock);
	CORRUPT_IF(!found,
		   "tree block %" PRIu64 " has a reference of %" PRIu64
		   ", which does not point to it",
		   addr, parent);
	return 0;
}

/* ---- all the way up ---- */

struct root_set {
	uint64_t *roots; /* owned */
	size_t nr, capacity;
};

static int root_set_add(struct root_set *set, const uint64_t *roots, size_t nr)
{
	size_t capacity = MAX(set->capacity, 8u);
	uint64_t *grown;

	if (set->nr + nr > BLOCK_ROOTS_MAX)
		return THROW(ERR_LIMIT, "a tree block is held by more than %zu trees",
			     BLOCK_ROOTS_MAX);
	while (capacity < set->nr + nr)
		capacity *= 2;
	if (capacity > set->capacity) {
		grown = mem_resize(set->roots, capacity * sizeof(*grown));
		if (!grown)
			return MEM_FAIL("the trees of a tree block");
		set->roots = grown;
		set->capacity = capacity;
	}
	memcpy(set->roots + set->nr, roots, nr * sizeof(*roots));
	set->nr += nr;
	return 0;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void root_set_sort(struct root_set *set)
{
	size_t nr = 0;

	if (!set->nr)
		return;
	qsort(set->roots, set->nr, sizeof(*set->roots), compare_u64);
	for (size_t i = 0; i < set->nr; i++)
		if (!i || set->roots[i] != set->roots[nr - 1])
			set->roots[nr++] = set->roots[i];
	set->nr = nr;
}

static int block_walk(struct backref_walk *walk, uint64_t addr, uint8_t level,
		      const struct walked_block **ret_block);

static int add_roots_of(struct backref_walk *walk, uint64_t addr, uint8_t level,
			struct root_set *set)
{
	const struct walked_block *block;

	TRY(block_walk(walk, addr, level, &block));
	return root_set_add(set, block->roots, block->nr_roots);
}

/* What one reference of a block leads to. */
static int add_ref(struct backref_walk *walk, uint64_t addr, uint8_t level,
		   const struct ref_key *key, struct root_set *set)
{
	struct root *root;
	uint64_t parent;
	bool there;

	CORRUPT_IF(key->type != REF_TREE && key->type != REF_TREE_SHARED,
		   "tree block %" PRIu64 " has a reference of type %u", addr, key->type);
	if (key->type == REF_TREE_SHARED) {
		/* The root of a tree of an unfinished balance names itself. */
		if (key->root == addr)
			return 0;
		TRY(check_parent(walk, key->root, addr, level));
		return add_roots_of(walk, key->root, (uint8_t)(level + 1), set);
	}
	TRY(walk_root(walk, key->root, &root));
	if (!root)
		return 0;
	TRY(walk_parent(walk, root, addr, level, &parent, &there));
	if (!there)
		return 0;
	if (!parent)
		return root_set_add(set, &root->objectid, 1);
	return add_roots_of(walk, parent, (uint8_t)(level + 1), set);
}

static int block_note(struct backref_walk *walk, uint64_t addr, uint8_t level,
		      const struct root_set *set, const struct walked_block **ret_block)
{
	size_t len_bytes = sizeof(struct walked_block) + set->nr * sizeof(uint64_t);
	struct walked_block *block = mem_alloc(len_bytes);

	if (!block)
		return MEM_FAIL("the trees of a tree block");
	block->addr = addr;
	block->level = level;
	block->nr_roots = set->nr;
	if (set->nr)
		memcpy(block->roots, set->roots, set->nr * sizeof(uint64_t));
	hash_insert(&walk->blocks, &block->hash, hash_mix(addr));
	walk->memo_bytes += len_bytes;
	*ret_block = block;
	return 0;
}

static const struct walked_block *block_find(const struct backref_walk *walk, uint64_t addr)
{
	struct hash_node *node;

	for (node = hash_find(&walk->blocks, hash_mix(addr)); node; node = hash_find_next(node)) {
		const struct walked_block *block = hash_entry(node, struct walked_block, hash);

		if (block->addr == addr)
			return block;
	}
	return NULL;
}

static int block_refs(struct backref_walk *walk, uint64_t addr, uint8_t level, struct root_set *set)
{
	SCOPED(ref_list) struct ref_list list = { 0 };

	TRY(extent_ref_list(walk->extents, addr, &list));
	for (size_t i = 0; i < list.nr; i++)
		TRY(add_ref(walk, addr, level, &list.refs[i].key, set));
	root_set_sort(set);
	return 0;
}

static int block_walk(struct backref_walk *walk, uint64_t addr, uint8_t level,
		      const struct walked_block **ret_block)
{
	const struct walked_block *block = block_find(walk, addr);
	struct root_set set = { 0 };
	int err;

	CORRUPT_IF(level >= TREE_MAX_LEVEL || (block && block->level != level),
		   "tree block %" PRIu64 " is pointed to at level %u", addr, level);
	if (block) {
		*ret_block = block;
		return 0;
	}
	err = block_refs(walk, addr, level, &set);
	if (err == 0)
		err = block_note(walk, addr, level, &set, ret_block);
	mem_free(set.roots);
	return err;
}

int backref_walk_block(struct backref_walk *walk, uint64_t addr, uint8_t level,
		       const uint64_t **ret_roots, size_t *ret_nr)
{
	const struct walked_block *block;

	backref_walk_trim(walk);
	TRY(block_walk(walk, addr, level, &block));
	*ret_roots = block->roots;
	*ret_nr = block->nr_roots;
	return 0;
}
