/*
 * A tree in memory: items in any order, sorted and packed into nodes from left to right, level by
 * level.
 *
 * Invariants after mkfs_tree_pack: keys strictly ascending; nodes hold all items in order, leaves
 * first, each level behind the one below it, the root last; an empty tree is one empty leaf. Every
 * node but the last of its level is as full as it can be. Addresses are given later
 * (mkfs_build.c). Not here: what the items say (mkfs_trees.c).
 */
#include <stdlib.h>

#include "base/assert.h"
#include "format/node_layout.h"
#include "mkfs/mkfs_priv.h"

void mkfs_tree_fini(struct mkfs_tree *tree)
{
	mem_free(tree->items);
	mem_free(tree->bytes);
	mem_free(tree->nodes);
	*tree = (struct mkfs_tree){ 0 };
}

void mkfs_tree_clear(struct mkfs_tree *tree)
{
	tree->nr_items = 0;
	tree->nr_bytes = 0;
}

/* Makes room for `more` elements of element_bytes in *array. */
static int array_grow(void *array_pointer, size_t *max, size_t nr, size_t more,
		      size_t element_bytes)
{
	void **array = array_pointer;
	size_t wanted = MAX(nr + more, *max * 2);
	void *grown;

	if (nr + more <= *max)
		return 0;
	grown = mem_resize(*array, wanted * element_bytes);
	if (!grown)
		return MEM_FAIL("the trees of an empty filesystem");
	*array = grown;
	*max = wanted;
	return 0;
}

int mkfs_tree_add(struct mkfs_tree *tree, struct key key, uint32_t len, uint8_t **ret_data)
{
	TRY(array_grow(&tree->items, &tree->max_items, tree->nr_items, 1, sizeof(*tree->items)));
	/* One byte more, so that an item without data has an address too. */
	TRY(array_grow(&tree->bytes, &tree->max_bytes, tree->nr_bytes, len + 1, 1));
	tree->items[tree->nr_items++] =
		(struct mkfs_item){ .key = key, .at = (uint32_t)tree->nr_bytes, .len = len };
	*ret_data = tree->bytes + tree->nr_bytes;
	memset(*ret_data, 0, len);
	tree->nr_bytes += len;
	return 0;
}

static int item_compare(const void *a, const void *b)
{
	return key_compare(&((const struct mkfs_item *)a)->key,
			   &((const struct mkfs_item *)b)->key);
}

static int tree_add_node(struct mkfs_tree *tree, struct mkfs_node node)
{
	TRY(array_grow(&tree->nodes, &tree->max_nodes, tree->nr_nodes, 1, sizeof(*tree->nodes)));
	tree->nodes[tree->nr_nodes++] = node;
	return 0;
}

static int pack_leaves(struct mkfs_tree *tree, const struct geometry *g)
{
	struct mkfs_node leaf = { .first_key = tree->nr_items ? tree->items[0].key : KEY_MIN };
	uint32_t used = 0;

	for (size_t i = 0; i < tree->nr_items; i++) {
		uint32_t need = ITEM_SIZE + tree->items[i].len;

		ASSERT(need <= geometry_leaf_bytes(g));
		if (used + need > geometry_leaf_bytes(g)) {
			TRY(tree_add_node(tree, leaf));
			leaf = (struct mkfs_node){ .first_key = tree->items[i].key,
						   .first = (uint32_t)i };
			used = 0;
		}
		used += need;
		leaf.nr++;
	}
	return tree_add_node(tree, leaf);
}

/* The level above the nodes first .. first + nr. */
static int pack_level(struct mkfs_tree *tree, const struct geometry *g, uint32_t first, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i += geometry_node_ptrs(g)) {
		const struct mkfs_node *child = &tree->nodes[first + i];
		struct mkfs_node node = {
			.first_key = child->first_key,
			.first = first + i,
			.nr = MIN(nr - i, geometry_node_ptrs(g)),
			.level = (uint8_t)(child->level + 1),
		};

		ASSERT(node.level < BTRFS_MAX_LEVEL);
		TRY(tree_add_node(tree, node));
	}
	return 0;
}

int mkfs_tree_pack(struct mkfs_tree *tree, const struct geometry *g)
{
	uint32_t first = 0, nr;

	if (tree->nr_items)
		qsort(tree->items, tree->nr_items, sizeof(*tree->items), item_compare);
	for (size_t i = 1; i < tree->nr_items; i++)
		ASSERT(key_compare(&tree->items[i - 1].key, &tree->items[i].key) < 0);
	tree->nr_nodes = 0;
	TRY(pack_leaves(tree, g));
	while ((nr = (uint32_t)tree->nr_nodes - first) > 1) {
		TRY(pack_level(tree, g, first, nr));
		first += nr;
	}
	return 0;
}

const struct mkfs_node *mkfs_tree_root(const struct mkfs_tree *tree)
{
	return tree->nr_nodes ? &tree->nodes[tree->nr_nodes - 1] : NULL;
}

void mkfs_node_format(const struct mkfs_plan *plan, const struct mkfs_tree *tree,
		      const struct mkfs_node *node, uint8_t *buffer)
{
	const struct geometry *g = &plan->geometry;

	memset(buffer, 0, g->nodesize);
	memcpy(header_fsid_mut(buffer), plan->fsid, BTRFS_FSID_SIZE);
	memcpy(header_chunk_tree_uuid_mut(buffer), plan->chunk_tree_uuid, BTRFS_UUID_SIZE);
	header_set_flags(buffer, BTRFS_HEADER_FLAG_WRITTEN | (uint64_t)BTRFS_MIXED_BACKREF_REV
								     << BTRFS_BACKREF_REV_SHIFT);
	node_set_addr(buffer, node->addr);
	node_set_generation(buffer, MKFS_GENERATION);
	node_set_owner(buffer, tree->owner);
	node_set_level(buffer, node->level);
	if (node->level)
		node_set_nritems(buffer, node->nr);
	for (uint32_t i = 0; i < node->nr; i++) {
		const struct mkfs_item *item = &tree->items[node->first + i];
		const struct mkfs_node *child = &tree->nodes[node->first + i];

		if (node->level)
			node_set_ptr(buffer, i, &child->first_key, child->addr, MKFS_GENERATION);
		else if (item->len)
			memcpy(leaf_insert_raw(g, buffer, i, &item->key, item->len),
			       tree->bytes + item->at, item->len);
		else
			leaf_insert_raw(g, buffer, i, &item->key, 0);
	}
	node_csum_update(g, buffer);
}
