/*
 * A tree as far as it can be read: from a key to the leaf that speaks for it, and items in order.
 *
 * Going down, each child is expected to have the generation, the level and the first key that its
 * pointer names; where no copy is that block, the patch in its place is followed, and where that
 * has nothing the span is lost. A way down ends: the level falls at each pointer, and a piece of a
 * patch is followed at most once per level. An iteration ends: each span ends at a greater key
 * than the one before. No locks.
 */
#include "rescue/rescue_priv.h"

struct key key_before(struct key key)
{
	if (key.offset--)
		return key;
	if (key.type--)
		return key;
	if (key.objectid--)
		return key;
	return KEY_MIN;
}

int tree_view_init(struct tree_view *tree, struct rescue_view *view, uint64_t id,
		   const struct tree_step *root)
{
	memset(tree, 0, sizeof(*tree));
	tree->of = view;
	tree->id = id;
	tree->root = *root;
	tree->root.lo = KEY_MIN;
	tree->root.hi = KEY_MAX;
	tree->root.has_first = false;
	tree->owners[0] = id;
	tree->owner_gens[0] = UINT64_MAX;
	tree->nr_owners = 1;
	hash_init(&tree->patches);
	return 0;
}

void tree_view_fini(struct tree_view *tree)
{
	struct hash_node *node = hash_first(&tree->patches), *next;

	for (; node; node = next) {
		next = hash_next(&tree->patches, node);
		hash_remove(&tree->patches, node);
		patch_free(tree, hash_entry(node, struct patch, hash));
	}
	hash_fini(&tree->patches);
}

/* ---- the way down ---- */

static struct key key_later(struct key a, struct key b)
{
	return key_compare(&a, &b) > 0 ? a : b;
}

struct key key_earlier(struct key a, struct key b)
{
	return key_compare(&a, &b) < 0 ? a : b;
}

/* The child of a block that speaks for key. */
static struct tree_step step_down(const uint8_t *block, const struct tree_step *at,
				  const struct key *key)
{
	unsigned slot = node_child_slot(block, key);
	struct tree_step child = {
		.addr = node_child_addr(block, slot),
		.generation = node_child_generation(block, slot),
		.level = (uint8_t)(node_level(block) - 1),
		.has_first = true,
		.first = node_key(block, slot),
		.certain = at->certain,
		.lo = at->lo,
		.hi = at->hi,
	};

	if (slot)
		child.lo = key_later(at->lo, child.first);
	if (slot + 1 < node_nritems(block))
		child.hi = key_earlier(at->hi, key_before(node_key(block, slot + 1)));
	return child;
}

static struct tree_step step_piece(const struct piece *piece, const struct tree_step *at)
{
	return (struct tree_step){ .addr = piece->addr,
				   .generation = piece->generation,
				   .level = piece->level,
				   .has_first = true,
				   .first = piece->first,
				   .lo = key_later(at->lo, piece->lo),
				   .hi = key_earlier(at->hi, piece->hi),
				   .certain = at->certain && piece->certain,
				   .is_piece = true };
}

/* The block of this step; ERR_KEY_NOT_FOUND when it is gone. */
static int step_read(struct tree_view *tree, const struct tree_step *at, const uint8_t **ret_block)
{
	struct block_expect expect = { .generation = at->generation,
				       .level = at->level,
				       .has_first = at->has_first,
				       .first = at->first };
	int err;

	if (!at->addr)
		return -ERR_KEY_NOT_FOUND;
	if (tree->nr_patches && patch_find(tree, at))
		return -ERR_KEY_NOT_FOUND;
	err = block_read(tree->of->rescue, at->addr, &expect, ret_block);
	if (err < 0 && !err_is_fatal(err)) {
		if (tree->of->rescue->blocks_lost++ < BLOCK_WARNINGS_MAX)
			rescue_warn(tree->of->rescue, "tree %llu: %s", (unsigned long long)tree->id,
				    err_text(err));
		return -ERR_KEY_NOT_FOUND;
	}
	return err;
}

static void span_lost(const struct tree_step *at, struct leaf_span *ret_span)
{
	*ret_span = (struct leaf_span){ .lo = at->lo, .hi = at->hi, .is_lost = true };
}

/* Goes on with what stands in for a block that is gone; false: nothing does, the span is lost. */
static int step_patched(struct tree_view *tree, struct tree_step *at, const struct key *key,
			struct leaf_span *ret_span, bool *ret_found)
{
	struct patch *patch = NULL;
	struct piece *piece;
	struct key lo, hi;

	*ret_found = false;
	if (!at->is_piece)
		TRY(patch_get(tree, at, &patch));
	if (!patch) {
		span_lost(at, ret_span);
		return 0;
	}
	piece = patch_piece(patch, key, &lo, &hi);
	if (!piece) {
		at->lo = key_later(at->lo, lo);
		at->hi = key_earlier(at->hi, hi);
		span_lost(at, ret_span);
		return 0;
	}
	*at = step_piece(piece, at);
	*ret_found = true;
	return 0;
}

/* Copies the leaf that speaks for key into leaf (nodesize bytes), unless the span is lost. */
static int tree_leaf_at(struct tree_view *tree, const struct key *key, uint8_t *leaf,
			struct leaf_span *ret_span)
{
	struct tree_step at = tree->root;
	const uint8_t *block;

	for (;;) {
		int err = step_read(tree, &at, &block);
		bool found;

		if (err == -ERR_KEY_NOT_FOUND) {
			TRY(step_patched(tree, &at, key, ret_span, &found));
			if (!found)
				return 0;
			continue;
		}
		TRY(err);
		if (node_level(block) == 0)
			break;
		at = step_down(block, &at, key);
	}
	memcpy(leaf, block, tree->of->rescue->geometry.nodesize);
	*ret_span = (struct leaf_span){ .lo = at.lo, .hi = at.hi, .certain = at.certain };
	return 0;
}

/* ---- items in order ---- */

int tree_cursor_init(struct tree_cursor *cursor, struct tree_view *tree)
{
	memset(cursor, 0, sizeof(*cursor));
	cursor->tree = tree;
	cursor->leaf = mem_alloc(tree->of->rescue->geometry.nodesize);
	return cursor->leaf ? 0 : MEM_FAIL("a leaf");
}

void tree_cursor_fini(struct tree_cursor *cursor)
{
	mem_free(cursor->leaf);
}

static bool cursor_in_span(struct tree_cursor *cursor)
{
	struct key key;

	if (cursor->slot >= node_nritems(cursor->leaf))
		return false;
	key = leaf_key(cursor->leaf, cursor->slot);
	return key_compare(&key, &cursor->span.hi) <= 0 && key_compare(&key, &cursor->end) <= 0;
}

/* Goes on from pos, over as many spans as have nothing. */
static int cursor_settle(struct tree_cursor *cursor)
{
	while (key_compare(&cursor->pos, &cursor->end) <= 0) {
		TRY(tree_leaf_at(cursor->tree, &cursor->pos, cursor->leaf, &cursor->span));
		if (cursor->span.is_lost) {
			cursor->state |= UBTRFS_RESCUE_GAP;
		} else {
			if (!cursor->span.certain)
				cursor->state |= UBTRFS_RESCUE_OLDER;
			(void)node_search(cursor->leaf, &cursor->pos, &cursor->slot);
			if (cursor_in_span(cursor))
				return 0;
		}
		if (key_compare(&cursor->span.hi, &cursor->end) >= 0)
			break;
		cursor->pos = key_next(cursor->span.hi);
	}
	return -ERR_KEY_NOT_FOUND;
}

int tree_cursor_seek(struct tree_cursor *cursor, const struct key *from, const struct key *to)
{
	cursor->pos = *from;
	cursor->end = *to;
	return cursor_settle(cursor);
}

int tree_cursor_next(struct tree_cursor *cursor)
{
	cursor->slot++;
	if (cursor_in_span(cursor))
		return 0;
	if (key_compare(&cursor->span.hi, &cursor->end) >= 0)
		return -ERR_KEY_NOT_FOUND;
	cursor->pos = key_next(cursor->span.hi);
	return cursor_settle(cursor);
}

struct key tree_cursor_key(const struct tree_cursor *cursor)
{
	return leaf_key(cursor->leaf, cursor->slot);
}

const uint8_t *tree_cursor_data(const struct tree_cursor *cursor)
{
	return leaf_item_data(cursor->leaf, cursor->slot);
}

uint32_t tree_cursor_len(const struct tree_cursor *cursor)
{
	return leaf_item_len(cursor->leaf, cursor->slot);
}

struct item_view tree_cursor_item(const struct tree_cursor *cursor)
{
	return (struct item_view){ .geometry = &cursor->tree->of->rescue->geometry,
				   .node = cursor->leaf,
				   .addr = node_addr(cursor->leaf),
				   .owner = node_owner(cursor->leaf),
				   .slot = cursor->slot,
				   .len = tree_cursor_len(cursor),
				   .data = tree_cursor_data(cursor),
				   .key = tree_cursor_key(cursor) };
}
