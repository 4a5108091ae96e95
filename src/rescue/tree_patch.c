/*
 * What stands in for a tree block that is gone: pieces of other blocks, apart, each for a range of
 * keys.
 *
 * Three rounds, each taking only keys that none before has taken, from the level below the lost
 * block down to leaves, newest first:
 *   1. blocks that the extent tree names as children of what is lost: they are certain
 *   2. internal nodes that no newer block below contradicts (a block that is written anew has its
 *      parents written anew in the same generation)
 *   3. leaves, newest first; where it is known that a leaf is missing (the lost block was one) also
 *      leaves that the extent tree has given up: an older state of what was there
 * Whatever is between pieces is lost. Invariant: pieces do not overlap. No locks.
 */
#include <stdlib.h>

#include "rescue/rescue_priv.h"

struct candidate {
	const struct block_record *record;
	struct key last; /* of an internal node: of the leaf at its right end */
	enum block_life life;
};

struct patching {
	struct tree_view *tree;
	struct rescue *rescue;
	const struct tree_step *at;
	struct patch *patch;
	struct block_refs lost_refs;
	uint64_t generation_max; /* of the owner whose blocks are gathered */
	struct candidate *candidates;
	size_t nr, capacity;
};

/* ---- patches of a tree ---- */

static uint64_t step_hash(const struct tree_step *at)
{
	return hash_mix2(at->addr + at->generation, at->lo.objectid * 31 + at->lo.offset);
}

struct patch *patch_find(const struct tree_view *tree, const struct tree_step *at)
{
	struct hash_node *node = hash_find(&tree->patches, step_hash(at));

	for (; node; node = hash_find_next(node)) {
		struct patch *patch = hash_entry(node, struct patch, hash);

		if (patch->addr == at->addr && key_equal(&patch->lo, &at->lo) &&
		    key_equal(&patch->hi, &at->hi))
			return patch;
	}
	return NULL;
}

static int piece_compare(const struct rb_node *a, const struct rb_node *b)
{
	return key_compare(&rb_entry(a, struct piece, node)->lo,
			   &rb_entry(b, struct piece, node)->lo);
}

static int piece_key_compare(const void *key, const struct rb_node *node)
{
	return key_compare(key, &rb_entry(node, struct piece, node)->lo);
}

static struct piece *piece_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct piece, node) : NULL;
}

struct piece *patch_piece(const struct patch *patch, const struct key *key, struct key *ret_lo,
			  struct key *ret_hi)
{
	struct piece *before = piece_of(rbtree_find_le(&patch->pieces, key, piece_key_compare));
	struct piece *after;

	if (before && key_compare(key, &before->hi) <= 0)
		return before;
	after = piece_of(before ? rb_next(&before->node) : rbtree_first(&patch->pieces));
	*ret_lo = before ? key_next(before->hi) : patch->lo;
	*ret_hi = after ? key_before(after->lo) : patch->hi;
	return NULL;
}

void patch_free(struct tree_view *tree, struct patch *patch)
{
	struct rb_node *node;

	while ((node = rbtree_first(&patch->pieces))) {
		rbtree_remove(&patch->pieces, node);
		mem_free(piece_of(node));
		tree->of->rescue->nr_pieces--;
	}
	tree->of->rescue->nr_pieces--;
	mem_free(patch);
}

/* ---- claiming keys ---- */

static int piece_add(struct patching *job, const struct candidate *candidate, struct key lo,
		     struct key hi)
{
	struct piece *piece;

	if (job->rescue->nr_pieces >= PATCH_PIECES_MAX)
		return 0;
	piece = mem_zalloc(sizeof(*piece));
	if (!piece)
		return MEM_FAIL("a piece of a tree");
	piece->lo = lo;
	piece->hi = hi;
	piece->first = key_load(candidate->record->first);
	piece->addr = candidate->record->addr;
	piece->generation = candidate->record->generation;
	piece->level = candidate->record->level;
	piece->certain = candidate->life == BLOCK_LIVE;
	rbtree_insert(&job->patch->pieces, &piece->node);
	job->rescue->nr_pieces++;
	return 0;
}

/* The keys of a candidate that nobody has claimed become pieces. */
static int candidate_claim(struct patching *job, const struct candidate *candidate)
{
	struct key pos = key_load(candidate->record->first), end = candidate->last;

	if (key_compare(&pos, &job->at->lo) < 0)
		pos = job->at->lo;
	if (key_compare(&end, &job->at->hi) > 0)
		end = job->at->hi;
	while (key_compare(&pos, &end) <= 0) {
		struct key lo, hi;
		struct piece *taken = patch_piece(job->patch, &pos, &lo, &hi);

		if (taken) {
			hi = taken->hi;
		} else {
			if (key_compare(&hi, &end) > 0)
				hi = end;
			TRY(piece_add(job, candidate, pos, hi));
		}
		if (key_compare(&hi, &end) >= 0)
			break;
		pos = key_next(hi);
	}
	return 0;
}

/* ---- candidates ---- */

static int candidate_push(void *ctx, const struct block_record *record)
{
	struct patching *job = ctx;

	if (record->generation > job->generation_max || record->addr == job->at->addr)
		return 0;
	if (job->nr == job->capacity) {
		size_t capacity = job->capacity ? job->capacity * 2 : 64;
		void *grown = mem_resize(job->candidates, capacity * sizeof(*job->candidates));

		if (!grown)
			return MEM_FAIL("candidates for a tree block");
		job->candidates = grown;
		job->capacity = capacity;
	}
	job->candidates[job->nr++] =
		(struct candidate){ .record = record, .last = key_load(record->last) };
	return 0;
}

/* Follows the right edge of an internal node, as far as it can be read. */
static int candidate_last(struct patching *job, struct candidate *candidate)
{
	uint64_t addr = candidate->record->addr;
	struct block_expect expect = { .generation = candidate->record->generation,
				       .level = candidate->record->level };
	const uint8_t *block;

	for (int level = candidate->record->level; level >= 0; level--) {
		unsigned last;
		int err = block_read(job->rescue, addr, &expect, &block);

		if (err < 0)
			return err_is_fatal(err) ? err : 0;
		if (!node_nritems(block))
			return 0;
		last = node_nritems(block) - 1;
		candidate->last = node_slot_key(block, last);
		if (level) {
			expect = (struct block_expect){ .generation =
								node_child_generation(block, last),
							.level = level - 1,
							.has_first = true,
							.first = node_key(block, last) };
			addr = node_child_addr(block, last);
		}
	}
	return 0;
}

static int candidate_compare(const void *one, const void *other)
{
	const struct candidate *a = one, *b = other;

	if (a->life != b->life)
		return a->life > b->life ? -1 : 1;
	if (a->record->generation != b->record->generation)
		return a->record->generation > b->record->generation ? -1 : 1;
	return (a->record->addr > b->record->addr) - (a->record->addr < b->record->addr);
}

/* Nothing newer than this can be part of what is lost. */
static uint64_t state_generation(const struct patching *job)
{
	return job->at->generation ? job->at->generation : job->tree->of->generation;
}

/* All blocks of a level that overlap the lost one, the best first. */
static int candidates_gather(struct patching *job, unsigned level)
{
	struct tree_view *tree = job->tree;
	uint64_t bound = state_generation(job);

	job->nr = 0;
	for (unsigned i = 0; i < tree->nr_owners; i++) {
		job->generation_max = MIN(bound, tree->owner_gens[i]);
		TRY(block_index_overlaps(&job->rescue->index, tree->owners[i], level, &job->at->lo,
					 &job->at->hi, candidate_push, job));
	}
	for (size_t i = 0; i < job->nr; i++) {
		TRY(block_life_below(tree->of, job->candidates[i].record, &job->lost_refs,
				     job->at->addr, tree->id, &job->candidates[i].life));
		if (level)
			TRY(candidate_last(job, &job->candidates[i]));
	}
	if (job->nr)
		qsort(job->candidates, job->nr, sizeof(*job->candidates), candidate_compare);
	return 0;
}

struct generations {
	uint64_t above, up_to;
};

static int newer_seen(void *ctx, const struct block_record *record)
{
	const struct generations *range = ctx;
	bool is_newer = record->generation > range->above && record->generation <= range->up_to;

	/* A negative result ends the search. */
	return is_newer ? -ERR_EXISTS : 0;
}

/* A block below that is newer, and not newer than the state: then this one was replaced. */
static bool candidate_is_stale(struct patching *job, const struct candidate *candidate)
{
	const struct block_record *record = candidate->record;
	struct key first = key_load(record->first);
	struct generations newer = { .above = record->generation, .up_to = state_generation(job) };

	for (int level = record->level - 1; level >= 0; level--) {
		if (block_index_overlaps(&job->rescue->index, record->owner, (unsigned)level,
					 &first, &candidate->last, newer_seen, &newer) < 0)
			return true;
	}
	return false;
}

/* ---- the rounds ---- */

static int round_certain(struct patching *job)
{
	for (size_t i = 0; i < job->nr && job->candidates[i].life == BLOCK_LIVE; i++)
		TRY(candidate_claim(job, &job->candidates[i]));
	return 0;
}

static int round_older(struct patching *job, unsigned level)
{
	for (size_t i = 0; i < job->nr; i++) {
		struct candidate *candidate = &job->candidates[i];

		if (candidate->life == BLOCK_LIVE)
			continue;
		/* Below a lost parent nobody knows whether there was a leaf at all: what the
		 * extent tree has given up is more likely deleted than lost. */
		if (candidate->life == BLOCK_DEAD && job->at->level > 0)
			continue;
		if (level && candidate_is_stale(job, candidate))
			continue;
		TRY(candidate_claim(job, candidate));
	}
	return 0;
}

static int patch_fill(struct patching *job)
{
	int below = job->at->level ? job->at->level - 1 : 0;

	if (job->at->addr && tree_has_witness(job->tree->id))
		TRY(block_refs_find(job->tree->of, job->at->addr, &job->lost_refs));
	for (int level = below; level >= 0; level--) {
		TRY(candidates_gather(job, (unsigned)level));
		TRY(round_certain(job));
	}
	for (int level = below; level >= 0; level--) {
		TRY(candidates_gather(job, (unsigned)level));
		TRY(round_older(job, (unsigned)level));
	}
	return 0;
}

int patch_get(struct tree_view *tree, const struct tree_step *at, struct patch **ret_patch)
{
	struct patching job = { .tree = tree, .rescue = tree->of->rescue, .at = at };
	struct patch *patch = patch_find(tree, at);
	int err;

	*ret_patch = patch;
	if (patch || job.rescue->nr_pieces >= PATCH_PIECES_MAX)
		return 0;
	TRY(block_index_build(job.rescue));
	TRY(tree_lineage(tree));
	patch = mem_zalloc(sizeof(*patch));
	if (!patch)
		return MEM_FAIL("a patch of a tree");
	patch->addr = at->addr;
	patch->lo = at->lo;
	patch->hi = at->hi;
	rbtree_init(&patch->pieces, piece_compare);
	/* Before it is filled: a tree that asks for itself meanwhile finds it empty. */
	hash_insert(&tree->patches, &patch->hash, step_hash(at));
	tree->nr_patches++;
	/* Also one without pieces takes room. */
	job.rescue->nr_pieces++;
	job.patch = patch;
	err = patch_fill(&job);
	mem_free(job.candidates);
	TRY(err);
	*ret_patch = patch;
	return 0;
}
