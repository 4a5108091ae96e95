/*
 * What the extent tree says of a tree block: is it in use, and who refers to it.
 *
 * A block below A belongs to the tree that A belongs to when both have a reference of one tree, or
 * the block has one that names A as its parent. Where the extent tree itself is gone or only an
 * older state of it is left, the answer is "unknown". No locks.
 */
#include "rescue/rescue_priv.h"

bool tree_has_witness(uint64_t tree_id)
{
	return tree_id != BTRFS_ROOT_TREE_OBJECTID && tree_id != BTRFS_EXTENT_TREE_OBJECTID &&
	       tree_id != BTRFS_CHUNK_TREE_OBJECTID;
}

static void refs_add(struct block_refs *refs, uint8_t type, uint64_t value)
{
	if (type == BTRFS_TREE_BLOCK_REF_KEY && refs->nr_roots < BLOCK_REFS_MAX)
		refs->roots[refs->nr_roots++] = value;
	if (type == BTRFS_SHARED_BLOCK_REF_KEY && refs->nr_parents < BLOCK_REFS_MAX)
		refs->parents[refs->nr_parents++] = value;
}

static void refs_parse_inline(struct block_refs *refs, const struct item_view *item)
{
	uint32_t at = EXTENT_ITEM_SIZE;

	if (item->len < EXTENT_ITEM_SIZE ||
	    !(extent_item_flags(item->data) & BTRFS_EXTENT_FLAG_TREE_BLOCK))
		return;
	refs->exists = true;
	refs->generation = extent_item_generation(item->data);
	if (item->key.type == BTRFS_EXTENT_ITEM_KEY)
		at += TREE_BLOCK_INFO_SIZE;
	while (at + INLINE_REF_SIZE <= item->len) {
		const uint8_t *ref = item->data + at;
		uint32_t size = inline_ref_size_bytes(inline_ref_type(ref));

		if (!size)
			return;
		refs_add(refs, inline_ref_type(ref), inline_ref_offset(ref));
		at += size;
	}
}

int block_refs_find(struct rescue_view *view, uint64_t addr, struct block_refs *ret_refs)
{
	struct key from = KEY(addr, BTRFS_EXTENT_ITEM_KEY, 0);
	struct key to = KEY(addr, BTRFS_SHARED_BLOCK_REF_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *extents;
	int err = view_tree(view, BTRFS_EXTENT_TREE_OBJECTID, &extents);

	memset(ret_refs, 0, sizeof(*ret_refs));
	if (err < 0)
		return err_is_fatal(err) ? err : 0;
	TRY(tree_cursor_init(&cursor, extents));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		struct item_view item = tree_cursor_item(&cursor);

		if (item.key.type == BTRFS_EXTENT_ITEM_KEY ||
		    item.key.type == BTRFS_METADATA_ITEM_KEY)
			refs_parse_inline(ret_refs, &item);
		else
			refs_add(ret_refs, item.key.type, item.key.offset);
	}
	if (err != -ERR_KEY_NOT_FOUND)
		return err;
	ret_refs->known = cursor.state == 0;
	return 0;
}

static bool has(const uint64_t *values, unsigned nr, uint64_t value)
{
	for (unsigned i = 0; i < nr; i++) {
		if (values[i] == value)
			return true;
	}
	return false;
}

static bool refs_below(const struct block_refs *refs, const struct block_refs *lost,
		       uint64_t lost_addr, uint64_t tree_id)
{
	if (lost_addr && has(refs->parents, refs->nr_parents, lost_addr))
		return true;
	if (!lost->exists)
		return has(refs->roots, refs->nr_roots, tree_id);
	for (unsigned i = 0; i < refs->nr_roots; i++) {
		if (has(lost->roots, lost->nr_roots, refs->roots[i]))
			return true;
	}
	return false;
}

int block_life_below(struct rescue_view *view, const struct block_record *record,
		     const struct block_refs *lost_refs, uint64_t lost_addr, uint64_t tree_id,
		     enum block_life *ret_life)
{
	struct block_refs refs;

	*ret_life = BLOCK_UNKNOWN;
	if (!tree_has_witness(tree_id))
		return 0;
	TRY(block_refs_find(view, record->addr, &refs));
	if (!refs.known)
		return 0;
	if (!refs.exists || refs.generation != record->generation)
		*ret_life = BLOCK_DEAD;
	else
		*ret_life = refs_below(&refs, lost_refs, lost_addr, tree_id) ? BLOCK_LIVE :
									       BLOCK_DEAD;
	return 0;
}
