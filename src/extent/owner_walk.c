/*
 * owner_walk: from a data extent to the places in files that use it.
 *
 * A keyed reference names a tree, an inode and an offset: the leaves are found by scanning the
 * extent items there, as far as an extent can reach. A shared one names the leaf. What the leaf
 * holds, all trees of the leaf hold (backref_walk): snapshots appear here. Lists are bounded
 * (OWNERS_MAX, LEAVES_MAX).
 *
 * Locks: none of its own; see extent.h.
 */
#include <stdlib.h>

#include "extent/extent_priv.h"

#define OWNERS_MAX ((size_t)1 << 22)
#define LEAVES_MAX ((size_t)1 << 20)

/* A leaf that holds an item for the extent; root NULL: found through a shared reference. */
struct data_leaf {
	uint64_t addr;
	const struct root *root;
};

struct leaf_list {
	struct data_leaf *leaves; /* owned */
	size_t nr, capacity;
};

struct owner_list {
	struct extent_owner *owners; /* owned */
	size_t nr, capacity;
};

/* Room for one more in an array of this many; *array moves. */
static int array_grow(void **array, size_t nr, size_t *capacity, size_t len_bytes, size_t nr_max)
{
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *grown;

	if (nr < *capacity)
		return 0;
	if (nr >= nr_max)
		return THROW(ERR_LIMIT, "an extent is used in more than %zu places", nr_max);
	grown = mem_resize(*array, wanted * len_bytes);
	if (!grown)
		return MEM_FAIL("the places that use an extent");
	*array = grown;
	*capacity = wanted;
	return 0;
}

static int leaf_list_add(struct leaf_list *list, uint64_t addr, const struct root *root)
{
	/* A scan meets a leaf item by item. */
	if (list->nr && list->leaves[list->nr - 1].addr == addr)
		return 0;
	TRY(array_grow((void **)&list->leaves, list->nr, &list->capacity, sizeof(*list->leaves),
		       LEAVES_MAX));
	list->leaves[list->nr++] = (struct data_leaf){ addr, root };
	return 0;
}

static int compare_leaves(const void *a, const void *b)
{
	uint64_t left = ((const struct data_leaf *)a)->addr;
	uint64_t right = ((const struct data_leaf *)b)->addr;

	return left < right ? -1 : left > right;
}

/* ---- leaves ---- */

static bool item_uses(const uint8_t *item, uint32_t len, uint64_t addr)
{
	return len >= FILE_EXTENT_SIZE && file_extent_type(item) != BTRFS_FILE_EXTENT_INLINE &&
	       file_extent_disk_bytenr(item) == addr;
}

/*
 * Where in a file a reference can have its items: its offset is that of the item less that into
 * the extent, so it may be negative.
 */
static void ref_range(const struct ref_key *ref, uint64_t len_bytes, uint64_t *ret_first,
		      uint64_t *ret_end)
{
	uint64_t reach = MAX(len_bytes, (uint64_t)BTRFS_MAX_COMPRESSED);

	*ret_first = ref->offset > INT64_MAX ? 0 : ref->offset;
	*ret_end = ref->offset + reach;
}

static int scan_items(struct root *root, const struct ref_key *ref, uint64_t addr,
		      uint64_t len_bytes, struct leaf_list *leaves)
{
	SCOPED(cursor) struct cursor cursor;
	uint64_t first, end;
	struct key from;
	bool exact;
	int err;

	ref_range(ref, len_bytes, &first, &end);
	from = KEY(ref->inode, BTRFS_EXTENT_DATA_KEY, first);
	if (root_is_dead(root)) {
		struct key gone = key_load(root_item_drop_progress(root->item));

		if (key_compare(&from, &gone) < 0)
			from = gone;
	}
	cursor_init(&cursor, &root->tree);
	for (err = cursor_seek(&cursor, &from, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (key.objectid != ref->inode || key.type != BTRFS_EXTENT_DATA_KEY ||
		    key.offset >= end)
			break;
		if (item_uses(cursor_data(&cursor), cursor_len(&cursor), addr))
			TRY(leaf_list_add(leaves, cursor.leaf->addr, root));
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int add_leaves(struct backref_walk *walk, const struct ref_key *ref, uint64_t addr,
		      uint64_t len_bytes, struct leaf_list *leaves)
{
	struct root *root;

	CORRUPT_IF(ref->type != REF_DATA && ref->type != REF_DATA_SHARED,
		   "data extent %" PRIu64 " has a reference of type %u", addr, ref->type);
	if (ref->type == REF_DATA_SHARED)
		return leaf_list_add(leaves, ref->root, NULL);
	TRY(walk_root(walk, ref->root, &root));
	return root ? scan_items(root, ref, addr, len_bytes, leaves) : 0;
}

static int find_leaves(struct backref_walk *walk, const struct ref_list *refs, uint64_t len_bytes,
		       struct leaf_list *leaves)
{
	size_t nr = 0;

	for (size_t i = 0; i < refs->nr; i++)
		TRY(add_leaves(walk, &refs->refs[i].key, refs->addr, len_bytes, leaves));
	if (leaves->nr)
		qsort(leaves->leaves, leaves->nr, sizeof(*leaves->leaves), compare_leaves);
	for (size_t i = 0; i < leaves->nr; i++)
		if (!i || leaves->leaves[i].addr != leaves->leaves[nr - 1].addr)
			leaves->leaves[nr++] = leaves->leaves[i];
	leaves->nr = nr;
	return 0;
}

/* ---- owners ---- */

/* Its items for the extent, root not set. */
static int leaf_owners(struct backref_walk *walk, const struct data_leaf *leaf, uint64_t addr,
		       struct owner_list *owners)
{
	SCOPED(node) struct node *node = NULL;
	int err = 0;

	TRY(walk_node_get(walk, leaf->addr, 0, leaf->root, &node));
	rwlock_read(&node->lock);
	for (unsigned slot = 0; err == 0 && slot < node_nritems(node->data); slot++) {
		struct key key = leaf_key(node->data, slot);
		const uint8_t *item = leaf_item_data(node->data, slot);

		if (key.type != BTRFS_EXTENT_DATA_KEY ||
		    !item_uses(item, leaf_item_len(node->data, slot), addr))
			continue;
		err = array_grow((void **)&owners->owners, owners->nr, &owners->capacity,
				 sizeof(*owners->owners), OWNERS_MAX);
		if (err == 0)
			owners->owners[owners->nr++] =
				(struct extent_owner){ .inode = key.objectid,
						       .offset = key.offset,
						       .extent_offset = file_extent_offset(item),
						       .len_bytes = file_extent_num_bytes(item),
						       .encoded =
							       file_extent_compression(item) ||
							       file_extent_encryption(item) ||
							       file_extent_other_encoding(item) };
	}
	rwlock_unread(&node->lock);
	return err;
}

/* What a leaf holds, once for each of its trees. */
static int add_owners(struct backref_walk *walk, const struct data_leaf *leaf, uint64_t addr,
		      struct owner_list *owners)
{
	struct owner_list items = { 0 };
	const uint64_t *roots = NULL;
	size_t nr_roots = 0;
	int err = leaf_owners(walk, leaf, addr, &items);

	if (err == 0)
		err = backref_walk_block(walk, leaf->addr, 0, &roots, &nr_roots);
	for (size_t i = 0; err == 0 && i < nr_roots * items.nr; i++) {
		err = array_grow((void **)&owners->owners, owners->nr, &owners->capacity,
				 sizeof(*owners->owners), OWNERS_MAX);
		if (err < 0)
			break;
		owners->owners[owners->nr] = items.owners[i % items.nr];
		owners->owners[owners->nr++].root = roots[i / items.nr];
	}
	mem_free(items.owners);
	return err;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_owners(const void *a, const void *b)
{
	const struct extent_owner *left = a, *right = b;
	int order = compare_u64(left->root, right->root);

	if (order == 0)
		order = compare_u64(left->inode, right->inode);
	return order ? order : compare_u64(left->offset, right->offset);
}

static int find_owners(struct backref_walk *walk, uint64_t addr, uint64_t len_bytes,
		       struct leaf_list *leaves, struct owner_list *owners)
{
	SCOPED(ref_list) struct ref_list refs = { 0 };

	TRY(extent_ref_list(walk->extents, addr, &refs));
	TRY(find_leaves(walk, &refs, len_bytes, leaves));
	for (size_t i = 0; i < leaves->nr; i++)
		TRY(add_owners(walk, &leaves->leaves[i], addr, owners));
	if (owners->nr)
		qsort(owners->owners, owners->nr, sizeof(*owners->owners), compare_owners);
	return 0;
}

int owner_walk_each(struct backref_walk *walk, uint64_t addr, uint64_t len_bytes,
		    int (*visit)(void *ctx, const struct extent_owner *owner), void *ctx)
{
	struct owner_list owners = { 0 };
	struct leaf_list leaves = { 0 };
	int ret = find_owners(walk, addr, len_bytes, &leaves, &owners);

	for (size_t i = 0; ret == 0 && i < owners.nr; i++)
		ret = visit(ctx, &owners.owners[i]);
	mem_free(leaves.leaves);
	mem_free(owners.owners);
	return ret;
}

/* ---- shared or not ---- */

static struct walked_share *share_find(const struct backref_walk *walk, uint64_t root,
				       uint64_t addr)
{
	struct hash_node *node = hash_find(&walk->shares, hash_mix2(root, addr));

	for (; node; node = hash_find_next(node)) {
		struct walked_share *share = hash_entry(node, struct walked_share, hash);

		if (share->root == root && share->addr == addr)
			return share;
	}
	return NULL;
}

static int share_note(struct backref_walk *walk, uint64_t root, uint64_t addr, bool shared)
{
	struct walked_share *share = mem_alloc(sizeof(*share));

	if (!share)
		return MEM_FAIL("what is known of a tree block");
	share->root = root;
	share->addr = addr;
	share->shared = shared;
	hash_insert(&walk->shares, &share->hash, hash_mix2(root, addr));
	walk->memo_bytes += sizeof(*share);
	return 0;
}

/*
 * The block above, if a block of the tree has one holder only; *ret_parent 0 at the root. More
 * holders, or another tree: shared.
 */
static int sole_parent(struct backref_walk *walk, struct root *root, uint64_t addr, uint8_t level,
		       uint64_t *ret_parent, bool *ret_shared)
{
	SCOPED(ref_list) struct ref_list refs = { 0 };
	bool there;

	TRY(extent_ref_list(walk->extents, addr, &refs));
	*ret_shared = refs.nr != 1 || (refs.refs[0].key.type == REF_TREE &&
				       refs.refs[0].key.root != root->objectid);
	*ret_parent = 0;
	if (*ret_shared)
		return 0;
	if (refs.refs[0].key.type == REF_TREE_SHARED) {
		*ret_parent = refs.refs[0].key.root;
		return 0;
	}
	TRY(walk_parent(walk, root, addr, level, ret_parent, &there));
	CORRUPT_IF(!there, "tree block %" PRIu64 " is not where tree %" PRIu64 " should have it",
		   addr, root->objectid);
	return 0;
}

/* Up from a leaf, until two hold a block or the root is reached; every block on the way learns. */
static int leaf_shared(struct backref_walk *walk, struct root *root, uint64_t leaf,
		       bool *ret_shared)
{
	uint64_t passed[TREE_MAX_LEVEL], addr = leaf, parent;
	const struct walked_share *known = NULL;
	bool shared = false;
	unsigned nr = 0;

	while (addr && !shared) {
		known = share_find(walk, root->objectid, addr);
		if (known) {
			shared = known->shared;
			break;
		}
		CORRUPT_IF(nr == TREE_MAX_LEVEL,
			   "tree block %" PRIu64 " lies below too many others", leaf);
		TRY(sole_parent(walk, root, addr, (uint8_t)nr, &parent, &shared));
		passed[nr++] = addr;
		addr = parent;
	}
	while (nr--)
		TRY(share_note(walk, root->objectid, passed[nr], shared));
	*ret_shared = shared;
	return 0;
}

static int any_leaf_shared(struct backref_walk *walk, struct root *root,
			   const struct ref_list *refs, uint64_t len_bytes, bool *ret_shared)
{
	struct leaf_list leaves = { 0 };
	bool shared = false;
	int err = find_leaves(walk, refs, len_bytes, &leaves);

	for (size_t i = 0; err == 0 && !shared && i < leaves.nr; i++)
		err = leaf_shared(walk, root, leaves.leaves[i].addr, &shared);
	mem_free(leaves.leaves);
	if (err == 0)
		*ret_shared = shared;
	return err;
}

int owner_walk_shared(struct backref_walk *walk, uint64_t addr, uint64_t len_bytes, uint64_t root,
		      uint64_t inode, bool *ret_shared)
{
	SCOPED(ref_list) struct ref_list refs = { 0 };
	const struct ref_key *only;
	struct root *tree;

	backref_walk_trim(walk);
	TRY(extent_ref_list(walk->extents, addr, &refs));
	only = refs.nr == 1 ? &refs.refs[0].key : NULL;
	if (!only || (only->type == REF_DATA && (only->root != root || only->inode != inode))) {
		*ret_shared = true;
		return 0;
	}
	TRY(root_get(walk->extents->store->roots, root, &tree));
	return any_leaf_shared(walk, tree, &refs, len_bytes, ret_shared);
}
