/*
 * Walking back against walking forward: every tree block of every subvolume, and every file extent,
 * found from the roots down, must be found from its address up, and nothing else; with snapshots of
 * snapshots, clones, and changes that no commit has written yet.
 */
#include <stdlib.h>

#include "extent/engine_snapshot.h"
#include "extent/extent_priv.h"

struct held_block {
	uint64_t addr, root;
	uint8_t level;
};

/* What the trees hold, found by going down. */
struct forward {
	uint64_t root;
	struct held_block *blocks;
	size_t nr_blocks, blocks_capacity;
	struct forward_use {
		uint64_t addr, len_bytes;
		struct extent_owner owner;
	} * uses;
	size_t nr_uses, uses_capacity;
};

static void *grown(void *array, size_t nr, size_t *capacity, size_t len)
{
	if (nr < *capacity)
		return array;
	*capacity = *capacity ? *capacity * 2 : 64;
	array = mem_resize(array, *capacity * len);
	assert_non_null(array);
	return array;
}

static void forward_leaf(struct forward *forward, const uint8_t *leaf)
{
	for (unsigned slot = 0; slot < node_nritems(leaf); slot++) {
		const uint8_t *item = leaf_item_data(leaf, slot);
		struct key key = leaf_key(leaf, slot);

		if (key.type != BTRFS_EXTENT_DATA_KEY || !file_extent_disk_bytenr(item))
			continue;
		forward->uses = grown(forward->uses, forward->nr_uses, &forward->uses_capacity,
				      sizeof(*forward->uses));
		forward->uses[forward->nr_uses++] = (struct forward_use){
			.addr = file_extent_disk_bytenr(item),
			.len_bytes = file_extent_disk_num_bytes(item),
			.owner = { .root = forward->root,
				   .inode = key.objectid,
				   .offset = key.offset,
				   .extent_offset = file_extent_offset(item),
				   .len_bytes = file_extent_num_bytes(item) },
		};
	}
}

static int forward_node(void *ctx, const struct node *node, uint8_t level)
{
	struct forward *forward = ctx;

	forward->blocks = grown(forward->blocks, forward->nr_blocks, &forward->blocks_capacity,
				sizeof(*forward->blocks));
	forward->blocks[forward->nr_blocks++] =
		(struct held_block){ node->addr, forward->root, level };
	if (level == 0)
		forward_leaf(forward, node->data);
	return 0;
}

static int compare_blocks(const void *a, const void *b)
{
	const struct held_block *left = a, *right = b;

	if (left->addr != right->addr)
		return left->addr < right->addr ? -1 : 1;
	return left->root < right->root ? -1 : left->root > right->root;
}

static int compare_uses(const void *a, const void *b)
{
	const struct forward_use *left = a, *right = b;

	if (left->addr != right->addr)
		return left->addr < right->addr ? -1 : 1;
	if (left->owner.root != right->owner.root)
		return left->owner.root < right->owner.root ? -1 : 1;
	return left->owner.offset < right->owner.offset ? -1 :
							  left->owner.offset > right->owner.offset;
}

static void forward_walk(struct engine *engine, uint64_t last_root, struct forward *forward)
{
	*forward = (struct forward){ 0 };
	for (uint64_t root = 255; root <= last_root; root++) {
		forward->root = root == 255 ? 5 : root;
		assert_ok(tree_walk(engine_tree(engine, forward->root), forward_node, forward));
	}
	qsort(forward->blocks, forward->nr_blocks, sizeof(*forward->blocks), compare_blocks);
	qsort(forward->uses, forward->nr_uses, sizeof(*forward->uses), compare_uses);
}

static void compare_held(struct backref_walk *walk, const struct forward *forward)
{
	for (size_t i = 0; i < forward->nr_blocks;) {
		const struct held_block *block = &forward->blocks[i];
		const uint64_t *roots;
		size_t nr;

		assert_ok(backref_walk_block(walk, block->addr, block->level, &roots, &nr));
		for (size_t j = 0; j < nr; j++, i++) {
			assert_true(i < forward->nr_blocks);
			assert_int_equal(forward->blocks[i].addr, block->addr);
			assert_int_equal(forward->blocks[i].root, roots[j]);
		}
		/* All of them, not only some. */
		assert_true(nr > 0);
		assert_true(i == forward->nr_blocks || forward->blocks[i].addr != block->addr);
	}
}

struct use_matcher {
	const struct forward *forward;
	size_t at;
	uint64_t addr;
};

static int match_use(void *ctx, const struct extent_owner *owner)
{
	struct use_matcher *matcher = ctx;
	const struct forward_use *use = &matcher->forward->uses[matcher->at++];

	assert_true(matcher->at <= matcher->forward->nr_uses);
	assert_int_equal(use->addr, matcher->addr);
	assert_int_equal(use->owner.root, owner->root);
	assert_int_equal(use->owner.inode, owner->inode);
	assert_int_equal(use->owner.offset, owner->offset);
	assert_int_equal(use->owner.extent_offset, owner->extent_offset);
	assert_int_equal(use->owner.len_bytes, owner->len_bytes);
	assert_false(owner->encoded);
	return 0;
}

static bool naive_shared(const struct forward *forward, size_t first, size_t end,
			 const struct extent_owner *mine)
{
	for (size_t i = first; i < end; i++) {
		const struct extent_owner *other = &forward->uses[i].owner;

		if (other->root != mine->root || other->inode != mine->inode ||
		    other->offset - other->extent_offset != mine->offset - mine->extent_offset)
			return true;
	}
	return false;
}

static void compare_users(struct engine *engine, struct backref_walk *walk,
			  const struct forward *forward, unsigned *nr_shared)
{
	for (size_t i = 0; i < forward->nr_uses;) {
		struct use_matcher matcher = { forward, i, forward->uses[i].addr };
		struct extent_place place;

		assert_ok(extent_at(&engine->extents, matcher.addr + 4095, &place));
		assert_int_equal(place.addr, matcher.addr);
		assert_int_equal(place.len_bytes, forward->uses[i].len_bytes);
		assert_false(place.metadata);
		assert_ok(owner_walk_each(walk, place.addr, place.len_bytes, match_use, &matcher));
		assert_true(matcher.at > i);
		assert_true(matcher.at == forward->nr_uses ||
			    forward->uses[matcher.at].addr != matcher.addr);
		for (size_t j = i; j < matcher.at; j++) {
			const struct extent_owner *owner = &forward->uses[j].owner;
			bool shared;

			assert_ok(owner_walk_shared(walk, place.addr, place.len_bytes, owner->root,
						    owner->inode, &shared));
			assert_int_equal(shared, naive_shared(forward, i, matcher.at, owner));
			*nr_shared += shared;
		}
		i = matcher.at;
	}
}

/* committed: the extent tree has items for all. */
static void compare_all(struct engine *engine, uint64_t last_root, bool committed)
{
	struct backref_walk *walk;
	struct forward forward;
	unsigned nr_shared = 0;

	forward_walk(engine, last_root, &forward);
	assert_ok(backref_walk_new(&engine->extents, &walk));
	compare_held(walk, &forward);
	if (committed)
		compare_users(engine, walk, &forward, &nr_shared);
	backref_walk_free(walk);
	if (last_root > 255 && committed)
		assert_true(nr_shared > 0);
	mem_free(forward.blocks);
	mem_free(forward.uses);
}

static void clone_some(struct engine *engine, struct rng *rng, uint64_t root, unsigned nr)
{
	struct key key = KEY(ENGINE_FILE, BTRFS_EXTENT_DATA_KEY, 0);
	uint8_t item[FILE_EXTENT_SIZE];
	uint32_t len;

	while (nr--) {
		uint64_t to = 1600ull * 65536 + rng_below(rng, 400) * 4096;

		key.offset = rng_below(rng, 1500) * 65536;
		if (tree_lookup(engine_tree(engine, root), &key, item, sizeof(item), &len) < 0)
			continue;
		(void)engine_unwrite(engine, root, to);
		engine_clone(engine, root, key.offset, to);
	}
}

/* Leaves enough for a tree of three levels: blocks below blocks that snapshots share. */
static void make_deep(struct engine *engine)
{
	static const uint8_t text[3000];

	for (uint64_t i = 0; i < 300; i++)
		engine_insert(engine, 5, KEY(1000 + i, BTRFS_STRING_ITEM_KEY, 0), text,
			      sizeof(text));
	assert_true(engine_tree(engine, 5)->root_level >= 2);
}

static void walk_rounds(const struct engine_options *options, uint64_t seed)
{
	struct engine *engine = engine_new(options);
	uint64_t last = 255;
	struct rng rng;

	rng_init(&rng, seed);
	engine_change_some(engine, &rng, 5, 1500);
	make_deep(engine);
	engine_commit(engine);
	compare_all(engine, last, true);
	for (unsigned round = 0; round < 8; round++) {
		if (round % 2 == 0) {
			uint64_t from = round % 4 || last == 255 ? 5 : last;

			engine_snapshot(engine, from, last + 1);
			last++;
			/* Before a change takes the shared blocks apart. */
			compare_all(engine, last, true);
		}
		for (uint64_t root = 255; root <= last; root++) {
			uint64_t id = root == 255 ? 5 : root;

			engine_change_some(engine, &rng, id, (unsigned)rng_below(&rng, 8));
			clone_some(engine, &rng, id, (unsigned)rng_below(&rng, 8));
		}
		/* What is only queued counts as well. */
		compare_all(engine, last, false);
		engine_commit(engine);
		compare_all(engine, last, true);
		if (round == 5)
			engine_reopen(engine);
	}
	engine_free(engine);
}

static void test_backref_walk__equals_walking_forward(void **state)
{
	(void)state;
	walk_rounds(&(struct engine_options){ .nodesize = 4096 }, 31);
	walk_rounds(&(struct engine_options){ .nodesize = 4096, .fat = true }, 32);
}

/* One extent in more places than references fit into its item. */
static void test_backref_walk__keyed_references(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });

	(void)state;
	(void)engine_write(engine, 5, 0, 4096);
	for (unsigned i = 1; i < 300; i++)
		engine_clone(engine, 5, 0, i * 4096ull);
	engine_commit(engine);
	compare_all(engine, 255, true);
	engine_snapshot(engine, 5, 256);
	for (unsigned i = 0; i < 100; i++)
		assert_true(engine_unwrite(engine, i % 2 ? 5 : 256, i * 4096ull));
	engine_commit(engine);
	compare_all(engine, 256, true);
	engine_free(engine);
}

/* What is left of an extent after its beginning was written over: the reference stays as it was. */
static void test_backref_walk__the_rest_of_an_extent(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ .nodesize = 4096 });
	struct key key = KEY(ENGINE_FILE, BTRFS_EXTENT_DATA_KEY, 65536);
	struct tree *tree = engine_tree(engine, 5);
	uint8_t item[FILE_EXTENT_SIZE];
	uint32_t len;

	(void)state;
	(void)engine_write(engine, 5, 65536, 131072);
	assert_ok(tree_lookup(tree, &key, item, sizeof(item), &len));
	assert_ok(tree_remove(engine->txn, tree, &key));
	key.offset += 126976;
	file_extent_set_offset(item, 126976);
	file_extent_set_num_bytes(item, 4096);
	assert_ok(tree_insert(engine->txn, tree, &key, item, sizeof(item)));
	engine_commit(engine);
	compare_all(engine, 255, true);
	engine_free(engine);
}

static void test_backref_walk__addresses_without_an_extent(void **state)
{
	struct engine *engine = engine_new(&(struct engine_options){ 0 });
	uint64_t addr = engine_write(engine, 5, 0, 8192);
	const struct tree *tree = engine_tree(engine, 5);
	struct extent_place place;

	(void)state;
	engine_commit(engine);
	assert_int_equal(extent_at(&engine->extents, addr + 8192, &place), -ERR_NOT_FOUND);
	assert_int_equal(extent_at(&engine->extents, 0, &place), -ERR_NOT_FOUND);
	assert_int_equal(extent_at(&engine->extents, UINT64_MAX, &place), -ERR_NOT_FOUND);
	assert_ok(extent_at(&engine->extents, addr + 8191, &place));
	assert_int_equal(place.addr, addr);
	assert_ok(extent_at(&engine->extents, tree->root_addr + 1, &place));
	assert_true(place.metadata);
	assert_int_equal(place.addr, tree->root_addr);
	assert_int_equal(place.len_bytes, 16384);
	engine_free(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backref_walk__equals_walking_forward),
		cmocka_unit_test(test_backref_walk__keyed_references),
		cmocka_unit_test(test_backref_walk__the_rest_of_an_extent),
		cmocka_unit_test(test_backref_walk__addresses_without_an_extent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
