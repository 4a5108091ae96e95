/*
 * dump-tree: reading nodes and walking trees.
 *
 * Nothing but the chunk map is trusted: a node is shown when its checksum and address hold, also when
 * the validator would refuse it. Levels fall along every pointer, and the number of nodes of a walk is
 * bounded by the size of the filesystem, so no input makes this endless. Runs under the filesystem's
 * lock (RANK_OPS).
 */
#include <inttypes.h>

#include "base/cleanup.h"
#include "format/node_layout.h"
#include "ops/dump.h"

uint32_t dump_nr_slots(const struct dump *dump, const uint8_t *node)
{
	const struct geometry *g = &dump->core->geometry;
	uint32_t max = node_level(node) ? geometry_node_ptrs(g) :
					  geometry_leaf_bytes(g) / ITEM_SIZE;

	return MIN(node_nritems(node), max);
}

/* Generation and first key: a node that does not have them is shown all the same. */
static int pointer_agrees(const struct dump *dump, const struct node_pointer *to,
			  const uint8_t *node)
{
	struct key first;

	CORRUPT_IF(to->generation && node_generation(node) != to->generation,
		   "tree block %" PRIu64 " has generation %" PRIu64 ", %" PRIu64 " was expected",
		   to->addr, node_generation(node), to->generation);
	if (!to->first_key)
		return 0;
	CORRUPT_IF(!dump_nr_slots(dump, node), "tree block %" PRIu64 " is empty", to->addr);
	first = node_slot_key(node, 0);
	CORRUPT_IF(!key_equal(&first, to->first_key),
		   "tree block %" PRIu64 " does not begin with the key of its parent", to->addr);
	return 0;
}

static int mirror_load(struct dump *dump, const struct node_pointer *to, unsigned mirror,
		       uint8_t *ret_node)
{
	const struct geometry *g = &dump->core->geometry;

	if (volume_read(dump->core->volume, to->addr, ret_node, g->nodesize, mirror) < 0 ||
	    !node_csum_ok(g, ret_node) || node_addr(ret_node) != to->addr)
		return THROW(ERR_NODE_CSUM,
			     "tree block %" PRIu64 " cannot be read, or its checksum is wrong",
			     to->addr);
	CORRUPT_IF(node_level(ret_node) != to->level,
		   "tree block %" PRIu64 " has level %u, %u was expected", to->addr,
		   node_level(ret_node), to->level);
	return 0;
}

static int mirrors_count(struct dump *dump, uint64_t addr, unsigned *ret_nr)
{
	const struct geometry *g = &dump->core->geometry;

	if (!is_aligned(addr, g->sectorsize))
		return THROW(ERR_INVALID,
			     "tree block %" PRIu64 " is not aligned to the sector size %u", addr,
			     g->sectorsize);
	*ret_nr = volume_nr_mirrors(dump->core->volume, addr);
	if (!*ret_nr)
		return THROW(ERR_NO_MAPPING, "no chunk maps tree block %" PRIu64, addr);
	return 0;
}

/*
 * Reads the node of a pointer into nodesize bytes: the copy that agrees with the pointer, or else
 * one with a right checksum and address. *ret_mismatch is then what does not agree (0: everything
 * does).
 * Fails when there is no such copy, or its level would lead the walk astray.
 */
static int dump_node_load(struct dump *dump, const struct node_pointer *to, uint8_t *ret_node,
			  int *ret_mismatch)
{
	unsigned nr_mirrors = 0, readable = 0;
	int err = 0, mismatch = 0;

	CORRUPT_IF(!dump->nodes_left,
		   "tree block %" PRIu64
		   ": the tree has more blocks than the filesystem has room for",
		   to->addr);
	dump->nodes_left--;
	TRY(mirrors_count(dump, to->addr, &nr_mirrors));
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		err = mirror_load(dump, to, mirror, ret_node);
		if (err < 0)
			continue;
		mismatch = pointer_agrees(dump, to, ret_node);
		if (mismatch == 0) {
			*ret_mismatch = 0;
			return 0;
		}
		if (!readable)
			readable = mirror;
	}
	if (!readable)
		return err;
	TRY(mirror_load(dump, to, readable, ret_node));
	*ret_mismatch = pointer_agrees(dump, to, ret_node);
	return 0;
}

int dump_block_load(struct dump *dump, uint64_t addr, uint8_t *ret_node)
{
	const struct geometry *g = &dump->core->geometry;
	unsigned nr_mirrors = 0;

	TRY(mirrors_count(dump, addr, &nr_mirrors));
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++)
		if (volume_read(dump->core->volume, addr, ret_node, g->nodesize, mirror) == 0 &&
		    node_csum_ok(g, ret_node) && node_addr(ret_node) == addr)
			return 0;
	return THROW(ERR_NODE_CSUM,
		     "tree block %" PRIu64 " cannot be read, or its checksum is wrong", addr);
}

static struct node_pointer child_pointer(const uint8_t *node, uint32_t slot, const struct key *key)
{
	return (struct node_pointer){ .addr = node_child_addr(node, slot),
				      .generation = node_child_generation(node, slot),
				      .level = (uint8_t)(node_level(node) - 1),
				      .first_key = key };
}

/* The nodes of one level, or all of them, each before its children (ALL_LEVELS). */
#define ALL_LEVELS UINT8_MAX

struct walk {
	uint8_t level;
	bool tell_all;
	node_visit visit;
	void *ctx;
};

static int walk_from(struct dump *dump, const struct node_pointer *from, const struct walk *walk)
{
	SCOPED_MEM uint8_t *node = mem_alloc(dump->core->geometry.nodesize);
	bool is_wanted = walk->level == ALL_LEVELS || walk->level == from->level;
	int mismatch = 0, err;
	uint32_t nr;

	if (!node)
		return MEM_FAIL("a tree block");
	err = dump_node_load(dump, from, node, &mismatch);
	if ((err < 0 || mismatch < 0) && (is_wanted || walk->tell_all))
		dump_damage(dump, from->addr, err < 0 ? err : mismatch);
	if (err < 0)
		return 0;
	if (is_wanted)
		TRY(walk->visit(dump, node, walk->ctx));
	if (from->level == 0 || from->level == walk->level)
		return 0;
	nr = dump_nr_slots(dump, node);
	for (uint32_t slot = 0; slot < nr; slot++) {
		struct key key = node_key(node, slot);
		struct node_pointer child = child_pointer(node, slot, &key);

		TRY(walk_from(dump, &child, walk));
	}
	return 0;
}

/* Every level is a pass over what is above it. */
static int walk_begin(struct dump *dump, const struct node_pointer *root)
{
	CORRUPT_IF(root->level >= TREE_MAX_LEVEL, "tree block %" PRIu64 " has level %u", root->addr,
		   root->level);
	dump->nodes_left =
		(uint64_t)TREE_MAX_LEVEL *
		(super_total_bytes(dump->core->super) / dump->core->geometry.nodesize + 1);
	return 0;
}

int dump_walk_level(struct dump *dump, const struct node_pointer *root, uint8_t level,
		    bool tell_all, node_visit visit, void *ctx)
{
	struct walk walk = { level, tell_all, visit, ctx };
	int err = walk_begin(dump, root);

	if (err == 0)
		return walk_from(dump, root, &walk);
	dump_damage(dump, root->addr, err);
	return 0;
}

static int visit_node(struct dump *dump, const uint8_t *node, void *ctx)
{
	(void)ctx;
	return dump_node(dump, node);
}

int dump_walk_tree(struct dump *dump, const struct node_pointer *root)
{
	struct walk walk = { ALL_LEVELS, true, visit_node, NULL };
	int err = walk_begin(dump, root);

	if (err < 0) {
		dump_damage(dump, root->addr, err);
		return 0;
	}
	/* btrfs-progs shows leaves only with -e. */
	if (dump->what->extents_only && !dump->what->nr_blocks) {
		walk.level = 0;
		return walk_from(dump, root, &walk);
	}
	if (dump->what->depth_first)
		return walk_from(dump, root, &walk);
	walk.tell_all = false;
	for (int level = root->level; level >= 0; level--) {
		walk.level = (uint8_t)level;
		TRY(walk_from(dump, root, &walk));
	}
	return 0;
}
