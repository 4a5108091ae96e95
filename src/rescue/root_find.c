/*
 * Roots of the tree of roots: of superblock copies, of their backup roots, of the index of blocks.
 *
 * Invariant: candidates are apart (address and generation) and newest first, the likeliest first. How much of a
 * candidate can be read is counted by walking its trees of files; a block that was met under the
 * same pointer before is not walked again, and a walk ends at WALK_BLOCKS_MAX. No locks.
 */
#include <stdlib.h>

#include "rescue/rescue_priv.h"

#define WALK_BLOCKS_MAX 1000000u
#define CANDIDATES_MAX 4096u

static int candidate_compare(const void *one, const void *other)
{
	const struct root_candidate *a = one, *b = other;

	bool a_named = a->from & ~UBTRFS_RESCUE_FROM_SCAN;
	bool b_named = b->from & ~UBTRFS_RESCUE_FROM_SCAN;

	if (a->generation != b->generation)
		return a->generation > b->generation ? -1 : 1;
	/* A block may be written several times before its commit: the last one counts. */
	if (a_named != b_named)
		return a_named ? -1 : 1;
	return (a->addr < b->addr) - (a->addr > b->addr);
}

static int candidate_add(struct rescue *rescue, const struct root_candidate *candidate)
{
	void *grown;

	if (!candidate->addr || !candidate->generation || candidate->level >= BTRFS_MAX_LEVEL)
		return 0;
	for (size_t i = 0; i < rescue->nr_candidates; i++) {
		struct root_candidate *have = &rescue->candidates[i];

		if (have->addr == candidate->addr && have->generation == candidate->generation) {
			have->from |= candidate->from;
			qsort(rescue->candidates, rescue->nr_candidates, sizeof(*candidate),
			      candidate_compare);
			return 0;
		}
	}
	if (rescue->nr_candidates >= CANDIDATES_MAX)
		return 0;
	if (rescue->nr_candidates == rescue->max_candidates) {
		size_t max = rescue->max_candidates ? rescue->max_candidates * 2 : 16;

		grown = mem_resize(rescue->candidates, max * sizeof(*candidate));
		if (!grown)
			return MEM_FAIL("roots");
		rescue->candidates = grown;
		rescue->max_candidates = max;
	}
	rescue->candidates[rescue->nr_candidates++] = *candidate;
	qsort(rescue->candidates, rescue->nr_candidates, sizeof(*candidate), candidate_compare);
	return 0;
}

static int candidates_from_super(struct rescue *rescue, const uint8_t *super)
{
	struct root_candidate candidate = { .addr = super_root(super),
					    .generation = super_generation(super),
					    .level = super_root_level(super),
					    .from = UBTRFS_RESCUE_FROM_SUPER };

	TRY(candidate_add(rescue, &candidate));
	for (unsigned i = 0; i < BTRFS_NUM_BACKUP_ROOTS; i++) {
		const uint8_t *backup = super_root_backup(super, i);

		candidate =
			(struct root_candidate){ .addr = root_backup_tree_root(backup),
						 .generation = root_backup_tree_root_gen(backup),
						 .level = root_backup_tree_root_level(backup),
						 .from = UBTRFS_RESCUE_FROM_BACKUP };
		TRY(candidate_add(rescue, &candidate));
	}
	return 0;
}

int candidates_from_supers(struct rescue *rescue, struct device *device)
{
	uint8_t super[SUPER_SIZE];

	for (unsigned copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
		if (super_mirror_offset((int)copy) + SUPER_SIZE > device->size_bytes)
			break;
		if (super_read(device, copy, super) < 0 ||
		    memcmp(super_fsid(super), super_fsid(rescue->super), 16) != 0)
			continue;
		TRY(candidates_from_super(rescue, super));
	}
	return 0;
}

/* The highest block of each generation, when it is alone on its level. */
int candidates_scan(struct rescue *rescue)
{
	const struct block_index *index = &rescue->index;
	uint64_t generation = UINT64_MAX;
	struct block_record root;

	if (rescue->candidates_scanned)
		return 0;
	TRY(block_index_build(rescue));
	for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
		struct root_candidate candidate;

		if (!block_index_root(index, BTRFS_ROOT_TREE_OBJECTID, generation, &root))
			break;
		candidate = (struct root_candidate){ .addr = root.addr,
						     .generation = root.generation,
						     .level = root.level,
						     .from = UBTRFS_RESCUE_FROM_SCAN };
		TRY(candidate_add(rescue, &candidate));
		if (!root.generation)
			break;
		generation = root.generation - 1;
	}
	rescue->candidates_scanned = true;
	return 0;
}

static int candidate_is_readable(struct rescue *rescue, const struct root_candidate *candidate,
				 bool *ret_readable)
{
	struct block_expect expect = { .generation = candidate->generation,
				       .level = candidate->level };
	const uint8_t *block;
	int err = block_read(rescue, candidate->addr, &expect, &block);

	*ret_readable = err == 0 && node_owner(block) == BTRFS_ROOT_TREE_OBJECTID;
	return err < 0 && err_is_fatal(err) ? err : 0;
}

const struct root_candidate *candidate_best(struct rescue *rescue, uint64_t generation)
{
	for (size_t i = 0; i < rescue->nr_candidates; i++) {
		bool readable = false;

		if (rescue->candidates[i].generation > generation)
			continue;
		if (candidate_is_readable(rescue, &rescue->candidates[i], &readable) == 0 &&
		    readable)
			return &rescue->candidates[i];
	}
	return NULL;
}

/* ---- how much of a candidate is left ---- */

struct met_block {
	struct hash_node hash;
	uint64_t addr, generation, readable, total;
};

struct counting {
	struct rescue *rescue;
	struct hash_table met;
	uint8_t *blocks[BTRFS_MAX_LEVEL]; /* one for each level of the way down; owned */
	uint64_t nr_walked;
};

static struct met_block *met_find(const struct counting *counting, uint64_t addr,
				  uint64_t generation)
{
	struct hash_node *node = hash_find(&counting->met, hash_mix2(addr, generation));

	for (; node; node = hash_find_next(node)) {
		struct met_block *met = hash_entry(node, struct met_block, hash);

		if (met->addr == addr && met->generation == generation)
			return met;
	}
	return NULL;
}

/* Counts the blocks that a pointer leads to. Its depth is that of a tree: at most 8. */
static int count_below(struct counting *counting, uint64_t addr, uint64_t generation, int level,
		       uint64_t *readable, uint64_t *total)
{
	struct block_expect expect = { .generation = generation, .level = level };
	struct met_block *met = met_find(counting, addr, generation);
	const uint8_t *block;
	int err;

	if (!met && counting->nr_walked >= WALK_BLOCKS_MAX) {
		*total += 1;
		return 0;
	}
	if (!met) {
		met = mem_zalloc(sizeof(*met));
		if (!met)
			return MEM_FAIL("counting blocks");
		met->addr = addr;
		met->generation = generation;
		met->total = 1;
		hash_insert(&counting->met, &met->hash, hash_mix2(addr, generation));
		counting->nr_walked++;
		err = block_read(counting->rescue, addr, &expect, &block);
		if (err < 0 && err_is_fatal(err))
			return err;
		met->readable = err == 0;
		if (err == 0 && level > 0) {
			uint8_t *copy = counting->blocks[level];

			memcpy(copy, block, counting->rescue->geometry.nodesize);
			for (unsigned i = 0; i < node_nritems(copy); i++)
				TRY(count_below(counting, node_child_addr(copy, i),
						node_child_generation(copy, i), level - 1,
						&met->readable, &met->total));
		}
	}
	*readable += met->readable;
	*total += met->total;
	return 0;
}

static int count_subvolume(struct counting *counting, const uint8_t *item,
			   struct ubtrfs_rescue_root *root)
{
	return count_below(counting, root_item_bytenr(item), root_item_generation(item),
			   root_item_level(item), &root->blocks_readable, &root->blocks_total);
}

/* The trees of files that the root items of a candidate lead to. */
static int count_trees(struct counting *counting, struct rescue_view *view,
		       struct ubtrfs_rescue_root *root)
{
	struct key from = KEY(BTRFS_FS_TREE_OBJECTID, BTRFS_ROOT_ITEM_KEY, 0);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *roots;
	int err;

	TRY(view_tree(view, BTRFS_ROOT_TREE_OBJECTID, &roots));
	TRY(tree_cursor_init(&cursor, roots));
	for (err = tree_cursor_seek(&cursor, &from, &KEY_MAX); err == 0;
	     err = tree_cursor_next(&cursor)) {
		struct key key = tree_cursor_key(&cursor);
		const uint8_t *item = tree_cursor_data(&cursor);

		if (key.type != BTRFS_ROOT_ITEM_KEY || !tree_id_is_files(key.objectid) ||
		    cursor.state & UBTRFS_RESCUE_OLDER)
			continue;
		TRY(count_subvolume(counting, item, root));
		if (key.objectid == BTRFS_FS_TREE_OBJECTID &&
		    tree_cursor_len(&cursor) == ROOT_ITEM_SIZE) {
			root->time.sec = (int64_t)timespec_sec(root_item_ctime(item));
			root->time.nsec = timespec_nsec(root_item_ctime(item));
		}
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int candidate_tell(struct counting *counting, struct rescue_view *current,
			  const struct root_candidate *candidate,
			  struct ubtrfs_rescue_root *ret_root)
{
	struct tree_step step = { .addr = candidate->addr,
				  .generation = candidate->generation,
				  .level = candidate->level,
				  .certain = true };
	struct rescue_view *view;
	int err;

	*ret_root =
		(struct ubtrfs_rescue_root){ .bytenr = candidate->addr,
					     .generation = candidate->generation,
					     .level = candidate->level,
					     .from = candidate->from,
					     .is_current = candidate->addr == current->root.addr };
	TRY(candidate_is_readable(counting->rescue, candidate, &ret_root->is_readable));
	if (!ret_root->is_readable)
		return 0;
	TRY(view_new(counting->rescue, &step, candidate->generation, &view));
	err = count_trees(counting, view, ret_root);
	rescue_view_free(view);
	return err;
}

static void counting_fini(struct counting *counting)
{
	struct hash_node *node = hash_first(&counting->met), *next;

	for (; node; node = next) {
		next = hash_next(&counting->met, node);
		hash_remove(&counting->met, node);
		mem_free(hash_entry(node, struct met_block, hash));
	}
	hash_fini(&counting->met);
	for (unsigned i = 0; i < BTRFS_MAX_LEVEL; i++)
		mem_free(counting->blocks[i]);
}

static int candidates_tell(struct counting *counting, struct rescue_view *view,
			   int (*visit)(void *ctx, const struct ubtrfs_rescue_root *root),
			   void *ctx)
{
	for (unsigned i = 0; i < BTRFS_MAX_LEVEL; i++) {
		counting->blocks[i] = mem_alloc(view->rescue->geometry.nodesize);
		if (!counting->blocks[i])
			return MEM_FAIL("counting blocks");
	}
	for (size_t i = 0; i < view->rescue->nr_candidates; i++) {
		struct ubtrfs_rescue_root root;
		int err;

		TRY(candidate_tell(counting, view, &view->rescue->candidates[i], &root));
		err = visit(ctx, &root);
		if (err)
			return err;
	}
	return 0;
}

int rescue_roots(struct rescue_view *view, bool scan,
		 int (*visit)(void *ctx, const struct ubtrfs_rescue_root *root), void *ctx)
{
	struct counting counting = { .rescue = view->rescue };
	int err;

	if (scan)
		TRY(candidates_scan(view->rescue));
	hash_init(&counting.met);
	err = candidates_tell(&counting, view, visit, ctx);
	counting_fini(&counting);
	return err;
}

/* ---- older states ---- */

int rescue_generations(struct rescue_view *view, uint64_t subvolid,
		       int (*visit)(void *ctx, uint64_t generation), void *ctx)
{
	struct block_record record;
	uint64_t generation = view->generation;

	TRY(block_index_build(view->rescue));
	while (block_index_root(&view->rescue->index, subvolid, generation, &record)) {
		int err = record.generation < view->generation ? visit(ctx, record.generation) : 0;

		if (err)
			return err;
		if (!record.generation)
			break;
		generation = record.generation - 1;
	}
	return 0;
}

int rescue_view_at(struct rescue *rescue, uint64_t generation, struct rescue_view **ret_view)
{
	const struct root_candidate *candidate;
	struct tree_step root = { 0 };
	struct block_record record;

	TRY(candidates_scan(rescue));
	candidate = candidate_best(rescue, generation);
	if (candidate)
		root = (struct tree_step){ .addr = candidate->addr,
					   .generation = candidate->generation,
					   .level = candidate->level,
					   .certain = candidate->generation == generation };
	else if (block_index_root(&rescue->index, BTRFS_ROOT_TREE_OBJECTID, generation, &record))
		root = (struct tree_step){ .addr = record.addr,
					   .generation = record.generation,
					   .level = record.level };
	else
		return THROW(ERR_NOT_FOUND, "nothing is left of generation %llu",
			     (unsigned long long)generation);
	return view_new(rescue, &root, generation, ret_view);
}

uint64_t rescue_view_generation(const struct rescue_view *view)
{
	return view->generation;
}
