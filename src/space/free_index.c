/*
 * free_index: an AVL tree of free extents by address, each node with the longest extent of its
 * subtree.
 *
 * Invariants: extents are disjoint and do not touch (neighbours are joined); heights of two
 * siblings differ by at most one; max_len is right in every node. The depth is below 1.44 * 64, so
 * that recursion is bounded. An extent changed in place never passes its neighbours, so only the
 * sums on its path need a refresh (tree_refresh). Locks nothing: the owner does.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "space/free_index.h"

struct free_extent {
	struct free_extent *left, *right;
	uint64_t addr;
	uint64_t len_bytes;
	uint64_t max_len; /* the longest in this subtree */
	int height;
};

/* ---- the tree ---- */

static int tree_height(const struct free_extent *root)
{
	return root ? root->height : 0;
}

static uint64_t tree_max(const struct free_extent *root)
{
	return root ? root->max_len : 0;
}

static uint64_t extent_end(const struct free_extent *extent)
{
	return extent->addr + extent->len_bytes;
}

static void tree_update(struct free_extent *root)
{
	root->height = 1 + MAX(tree_height(root->left), tree_height(root->right));
	root->max_len = MAX(root->len_bytes, MAX(tree_max(root->left), tree_max(root->right)));
}

static struct free_extent *tree_rotate_right(struct free_extent *root)
{
	struct free_extent *up = root->left;

	root->left = up->right;
	up->right = root;
	tree_update(root);
	tree_update(up);
	return up;
}

static struct free_extent *tree_rotate_left(struct free_extent *root)
{
	struct free_extent *up = root->right;

	root->right = up->left;
	up->left = root;
	tree_update(root);
	tree_update(up);
	return up;
}

/* Restores balance and sums of a root whose subtrees are right; returns the new root. */
static struct free_extent *tree_balance(struct free_extent *root)
{
	int lean = tree_height(root->left) - tree_height(root->right);

	if (lean > 1) {
		if (tree_height(root->left->left) < tree_height(root->left->right))
			root->left = tree_rotate_left(root->left);
		return tree_rotate_right(root);
	}
	if (lean < -1) {
		if (tree_height(root->right->right) < tree_height(root->right->left))
			root->right = tree_rotate_right(root->right);
		return tree_rotate_left(root);
	}
	tree_update(root);
	return root;
}

static struct free_extent *tree_insert(struct free_extent *root, struct free_extent *extent)
{
	if (!root)
		return extent;
	ASSERT(extent->addr != root->addr);
	if (extent->addr < root->addr)
		root->left = tree_insert(root->left, extent);
	else
		root->right = tree_insert(root->right, extent);
	return tree_balance(root);
}

static struct free_extent *tree_remove_first(struct free_extent *root,
					     struct free_extent **ret_first)
{
	if (!root->left) {
		*ret_first = root;
		return root->right;
	}
	root->left = tree_remove_first(root->left, ret_first);
	return tree_balance(root);
}

/* Unlinks extent, which is in the tree, and returns the new root. */
static struct free_extent *tree_remove(struct free_extent *root, const struct free_extent *extent)
{
	struct free_extent *next;

	ASSERT(root);
	if (extent->addr < root->addr) {
		root->left = tree_remove(root->left, extent);
		return tree_balance(root);
	}
	if (extent->addr > root->addr) {
		root->right = tree_remove(root->right, extent);
		return tree_balance(root);
	}
	if (!root->left || !root->right)
		return root->left ? root->left : root->right;
	root->right = tree_remove_first(root->right, &next);
	next->left = root->left;
	next->right = root->right;
	return tree_balance(next);
}

/* Recomputes the sums from extent, which was changed in place, up to the root. */
static void tree_refresh(struct free_extent *root, const struct free_extent *extent)
{
	if (extent->addr < root->addr)
		tree_refresh(root->left, extent);
	else if (extent->addr > root->addr)
		tree_refresh(root->right, extent);
	tree_update(root);
}

/* The last extent that starts at or before addr. */
static struct free_extent *tree_find_le(struct free_extent *root, uint64_t addr)
{
	struct free_extent *found = NULL;

	while (root) {
		if (root->addr <= addr) {
			found = root;
			root = root->right;
		} else {
			root = root->left;
		}
	}
	return found;
}

/* The first extent that starts at or behind addr. */
static struct free_extent *tree_find_ge(struct free_extent *root, uint64_t addr)
{
	struct free_extent *found = NULL;

	while (root) {
		if (root->addr >= addr) {
			found = root;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return found;
}

static void tree_free(struct free_extent *root)
{
	if (!root)
		return;
	tree_free(root->left);
	tree_free(root->right);
	mem_free(root);
}

/* ---- the index ---- */

void free_index_init(struct free_index *index)
{
	index->root = NULL;
	index->free_bytes = 0;
	index->nr_extents = 0;
}

void free_index_fini(struct free_index *index)
{
	tree_free(index->root);
	free_index_init(index);
}

static int index_insert(struct free_index *index, uint64_t addr, uint64_t len)
{
	struct free_extent *extent = mem_zalloc(sizeof(*extent));

	if (!extent)
		return MEM_FAIL("a free extent");
	extent->addr = addr;
	extent->len_bytes = len;
	tree_update(extent);
	index->root = tree_insert(index->root, extent);
	index->nr_extents++;
	return 0;
}

static void index_remove(struct free_index *index, struct free_extent *extent)
{
	ASSERT(index->nr_extents > 0);
	index->root = tree_remove(index->root, extent);
	index->nr_extents--;
	mem_free(extent);
}

int free_index_add(struct free_index *index, uint64_t addr, uint64_t len)
{
	struct free_extent *prev = tree_find_le(index->root, addr);
	struct free_extent *next = tree_find_ge(index->root, addr);
	uint64_t end;

	CORRUPT_IF(len == 0 || !add_fits(addr, len, &end), "free space at %llu has the length %llu",
		   (unsigned long long)addr, (unsigned long long)len);
	CORRUPT_IF((prev && extent_end(prev) > addr) || (next && next->addr < end),
		   "space at %llu, length %llu, is free already", (unsigned long long)addr,
		   (unsigned long long)len);
	if (next && next->addr != end)
		next = NULL;
	if (prev && extent_end(prev) == addr) {
		if (next) {
			len += next->len_bytes;
			index->free_bytes -= next->len_bytes;
			index_remove(index, next);
		}
		prev->len_bytes += len;
		tree_refresh(index->root, prev);
	} else if (next) {
		next->addr = addr;
		next->len_bytes += len;
		tree_refresh(index->root, next);
	} else {
		TRY(index_insert(index, addr, len));
	}
	index->free_bytes += len;
	return 0;
}

int free_index_take(struct free_index *index, uint64_t addr, uint64_t len)
{
	struct free_extent *extent = tree_find_le(index->root, addr);
	uint64_t old_len, end;

	CORRUPT_IF(len == 0 || !add_fits(addr, len, &end) || !extent || extent_end(extent) < end,
		   "space at %llu, length %llu, is not free", (unsigned long long)addr,
		   (unsigned long long)len);
	if (extent->addr == addr && extent->len_bytes == len) {
		index_remove(index, extent);
		index->free_bytes -= len;
		return 0;
	}
	old_len = extent->len_bytes;
	if (extent->addr == addr) {
		extent->addr = end;
		extent->len_bytes = old_len - len;
		tree_refresh(index->root, extent);
	} else {
		uint64_t old_end = extent_end(extent);

		extent->len_bytes = addr - extent->addr;
		if (end < old_end) {
			int ret = index_insert(index, end, old_end - end);

			if (ret < 0) {
				extent->len_bytes = old_len;
				return ret;
			}
		}
		tree_refresh(index->root, extent);
	}
	index->free_bytes -= len;
	return 0;
}

int free_index_cut(struct free_index *index, uint64_t addr, uint64_t len)
{
	uint64_t end = addr + len;
	uint64_t at, at_len;

	ASSERT(end >= addr);
	while (free_index_next(index, addr, &at, &at_len) && at < end) {
		uint64_t from = MAX(at, addr);
		uint64_t to = MIN(at + at_len, end);

		TRY(free_index_take(index, from, to - from));
	}
	return 0;
}

/* ---- searching ---- */

static bool tree_find(const struct free_extent *root, uint64_t from, uint64_t len, uint64_t align,
		      uint64_t *ret_addr)
{
	uint64_t addr;

	if (!root || root->max_len < len)
		return false;
	if (from < root->addr && tree_find(root->left, from, len, align, ret_addr))
		return true;
	addr = round_up(MAX(root->addr, from), align);
	if (addr < extent_end(root) && extent_end(root) - addr >= len && addr >= root->addr) {
		*ret_addr = addr;
		return true;
	}
	return tree_find(root->right, from, len, align, ret_addr);
}

bool free_index_find(const struct free_index *index, uint64_t from, uint64_t len, uint64_t align,
		     uint64_t *ret_addr)
{
	ASSERT(len > 0 && is_pow2(align));
	return tree_find(index->root, from, len, align, ret_addr);
}

static bool tree_find_last(const struct free_extent *root, uint64_t len, uint64_t align,
			   uint64_t *ret_addr)
{
	uint64_t addr;

	if (!root || root->max_len < len)
		return false;
	if (tree_find_last(root->right, len, align, ret_addr))
		return true;
	if (root->len_bytes >= len) {
		addr = round_down(extent_end(root) - len, align);
		if (addr >= root->addr) {
			*ret_addr = addr;
			return true;
		}
	}
	return tree_find_last(root->left, len, align, ret_addr);
}

bool free_index_find_last(const struct free_index *index, uint64_t len, uint64_t align,
			  uint64_t *ret_addr)
{
	ASSERT(len > 0 && is_pow2(align));
	return tree_find_last(index->root, len, align, ret_addr);
}

bool free_index_longest(const struct free_index *index, uint64_t *ret_addr, uint64_t *ret_len)
{
	const struct free_extent *extent = index->root;
	uint64_t longest = tree_max(extent);

	if (!extent)
		return false;
	for (;;) {
		if (tree_max(extent->left) == longest) {
			extent = extent->left;
		} else if (extent->len_bytes == longest) {
			break;
		} else {
			extent = extent->right;
			ASSERT(extent);
		}
	}
	*ret_addr = extent->addr;
	*ret_len = longest;
	return true;
}

bool free_index_next(const struct free_index *index, uint64_t from, uint64_t *ret_addr,
		     uint64_t *ret_len)
{
	const struct free_extent *extent = tree_find_le(index->root, from);

	if (!extent || extent_end(extent) <= from)
		extent = tree_find_ge(index->root, from);
	if (!extent)
		return false;
	*ret_addr = extent->addr;
	*ret_len = extent->len_bytes;
	return true;
}

bool free_index_prev(const struct free_index *index, uint64_t before, uint64_t *ret_addr,
		     uint64_t *ret_len)
{
	const struct free_extent *extent = before ? tree_find_le(index->root, before - 1) : NULL;

	if (!extent)
		return false;
	*ret_addr = extent->addr;
	*ret_len = extent->len_bytes;
	return true;
}

bool free_index_overlaps(const struct free_index *index, uint64_t addr, uint64_t len)
{
	uint64_t at, at_len;

	return free_index_next(index, addr, &at, &at_len) && at < addr + len;
}

static int tree_each(const struct free_extent *root,
		     int (*visit)(void *ctx, uint64_t addr, uint64_t len), void *ctx)
{
	int ret;

	if (!root)
		return 0;
	ret = tree_each(root->left, visit, ctx);
	if (ret)
		return ret;
	ret = visit(ctx, root->addr, root->len_bytes);
	if (ret)
		return ret;
	return tree_each(root->right, visit, ctx);
}

int free_index_each(const struct free_index *index,
		    int (*visit)(void *ctx, uint64_t addr, uint64_t len), void *ctx)
{
	return tree_each(index->root, visit, ctx);
}

/* ---- the invariant ---- */

/* What a walk in order has seen so far. */
struct index_count {
	uint64_t last_end;
	uint64_t bytes;
	size_t nr;
};

static bool tree_invariant(const struct free_extent *root, struct index_count *count)
{
	int lean;
	uint64_t max_len;

	if (!root)
		return true;
	if (!tree_invariant(root->left, count))
		return false;
	if (root->len_bytes == 0 || extent_end(root) < root->addr)
		return false;
	/* Touching extents should have been joined. */
	if (count->nr > 0 && root->addr <= count->last_end)
		return false;
	count->last_end = extent_end(root);
	count->bytes += root->len_bytes;
	count->nr++;
	if (!tree_invariant(root->right, count))
		return false;
	lean = tree_height(root->left) - tree_height(root->right);
	max_len = MAX(root->len_bytes, MAX(tree_max(root->left), tree_max(root->right)));
	return lean >= -1 && lean <= 1 && root->max_len == max_len &&
	       root->height == 1 + MAX(tree_height(root->left), tree_height(root->right));
}

bool free_index_invariant(const struct free_index *index)
{
	struct index_count count = { 0 };

	return tree_invariant(index->root, &count) && count.bytes == index->free_bytes &&
	       count.nr == index->nr_extents;
}
