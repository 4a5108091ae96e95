/*
 * extent_item: EXTENT_ITEM and METADATA_ITEM: find, build, change.
 *
 * An extent has exactly one of them: data under (address, EXTENT_ITEM, length); a tree block under
 * (address, METADATA_ITEM, level), or in old filesystems under (address, EXTENT_ITEM, node size)
 * with a tree_block_info. Both forms may stand in one tree. refs is the sum over all references,
 * inline and keyed. Locks: none of its own.
 */
#include "extent/extent_priv.h"

int extent_tree(struct extents *extents, struct tree **ret_tree)
{
	struct root *root;

	TRY(root_get(extents->store->roots, BTRFS_EXTENT_TREE_OBJECTID, &root));
	*ret_tree = &root->tree;
	return 0;
}

int extent_item_read(struct tree *tree, uint64_t addr, struct extent_image *image)
{
	struct key first = KEY(addr, BTRFS_EXTENT_ITEM_KEY, 0);
	SCOPED(cursor) struct cursor cursor;
	struct key key = KEY_MIN;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek(&cursor, &first, &exact);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0)
		key = cursor_key(&cursor);
	if (err < 0 || key.objectid != addr ||
	    (key.type != BTRFS_EXTENT_ITEM_KEY && key.type != BTRFS_METADATA_ITEM_KEY))
		return THROW(ERR_EXTENT_MISSING, "extent %" PRIu64 " has no item", addr);
	image->key = key;
	image->len = cursor_len(&cursor);
	CORRUPT_IF(image->len < EXTENT_ITEM_SIZE, "the item of extent %" PRIu64 " has %u bytes",
		   addr, image->len);
	memcpy(image->data, cursor_data(&cursor), image->len);
	CORRUPT_IF(image->len < inline_ref_first(image),
		   "the item of extent %" PRIu64 " has %u bytes", addr, image->len);
	return 0;
}

/*
 * The first key of a tree block of this transaction, for a tree_block_info; an empty leaf has
 * none.
 */
static int block_first_key(struct tree *tree, const struct ref_record *record, struct key *ret_key)
{
	struct node_expect expect = { .generation = record->generation, .level = record->level };
	SCOPED(node) struct node *node = NULL;

	TRY(node_get(tree->cache, record->addr, &expect, &node));
	rwlock_read(&node->lock);
	*ret_key = node_nritems(node->data) ? node_slot_key(node->data, 0) : KEY_MIN;
	rwlock_unread(&node->lock);
	return 0;
}

int extent_item_build(struct extents *extents, struct tree *tree, const struct ref_record *record,
		      struct extent_image *image)
{
	uint64_t kind = record->metadata ? BTRFS_EXTENT_FLAG_TREE_BLOCK : BTRFS_EXTENT_FLAG_DATA;
	bool has_info = record->metadata && !extents->skinny;
	struct key first;

	image->key = KEY(record->addr, BTRFS_EXTENT_ITEM_KEY, record->len_bytes);
	if (record->metadata && extents->skinny)
		image->key = KEY(record->addr, BTRFS_METADATA_ITEM_KEY, record->level);
	extent_item_set_refs(image->data, 0);
	extent_item_set_generation(image->data, record->generation);
	extent_item_set_flags(image->data, kind | record->set_flags);
	image->len = EXTENT_ITEM_SIZE;
	if (has_info) {
		TRY(block_first_key(tree, record, &first));
		key_store(tree_block_info_key_mut(image->data + EXTENT_ITEM_SIZE), &first);
		tree_block_info_set_level(image->data + EXTENT_ITEM_SIZE, record->level);
		image->len += TREE_BLOCK_INFO_SIZE;
	}
	return 0;
}

static int ref_negative(const struct extent_image *image, const struct ref_change *change,
			uint64_t there)
{
	return THROW(ERR_REF_NEGATIVE,
		     "extent %" PRIu64 ": %" PRIu64 " references (type %u, from %" PRIu64
		     "), %" PRId64 " to be dropped",
		     image->key.objectid, there, change->key.type, change->key.root,
		     -change->delta);
}

/*
 * Changes an inline reference, or makes one if it may; *ret_done false: it is or must become a
 * keyed one.
 */
static int apply_inline(const struct geometry *geometry, struct extent_image *image,
			const struct ref_change *change, bool *ret_done)
{
	uint64_t sum, refs = extent_item_refs(image->data);
	uint32_t at, count, size = inline_ref_size_bytes((uint8_t)change->key.type);
	struct ref_key key;

	*ret_done = true;
	TRY(inline_ref_sum(image, &sum));
	CORRUPT_IF(sum > refs,
		   "extent %" PRIu64 " counts %" PRIu64 " references and has %" PRIu64 " inline",
		   image->key.objectid, refs, sum);
	if (inline_ref_find(image, &change->key, &at)) {
		inline_ref_load(image->data + at, &key, &count);
		if ((int64_t)count + change->delta < 0)
			return ref_negative(image, change, count);
		inline_ref_set_count(image, at, (uint32_t)(count + change->delta));
		return 0;
	}
	/*
	 * Like Linux: nothing new goes inline beside keyed references, where it might stand
	 * already.
	 */
	if (change->delta < 0 || sum != refs || image->len + size >= inline_ref_limit(geometry)) {
		*ret_done = false;
		return 0;
	}
	inline_ref_insert(image, at, &change->key, (uint32_t)change->delta);
	return 0;
}

int extent_item_apply(struct txn *txn, struct tree *tree, struct extent_image *image,
		      const struct ref_change *change)
{
	bool is_tree_ref = change->key.type == REF_TREE || change->key.type == REF_TREE_SHARED;
	uint64_t refs = extent_item_refs(image->data);
	bool done;

	if (change->delta < 0 && refs < (uint64_t)-change->delta)
		return ref_negative(image, change, refs);
	CORRUPT_IF(is_tree_ref && change->delta != 1 && change->delta != -1,
		   "tree block %" PRIu64 ": %" PRId64 " references of %" PRIu64 " at once",
		   image->key.objectid, change->delta, change->key.root);
	TRY(apply_inline(node_cache_geometry(tree->cache), image, change, &done));
	if (!done)
		TRY(keyed_ref_change(txn, tree, image->key.objectid, &change->key, change->delta));
	extent_item_set_refs(image->data, refs + (uint64_t)change->delta);
	return 0;
}

int extent_item_add_flags(struct txn *txn, struct tree *tree, const struct key *key, uint64_t flags)
{
	SCOPED(cursor) struct cursor cursor;
	uint8_t *item;

	cursor_init(&cursor, tree);
	TRY(cursor_seek_write(txn, &cursor, key));
	CORRUPT_IF(cursor_len(&cursor) < EXTENT_ITEM_SIZE,
		   "the item of extent %" PRIu64 " has %u bytes", key->objectid,
		   cursor_len(&cursor));
	item = cursor_data_mut(&cursor);
	extent_item_set_flags(item, extent_item_flags(item) | flags);
	return 0;
}
