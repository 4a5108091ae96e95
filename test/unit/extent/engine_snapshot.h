/*
 * For the tests of 12 extent: snapshots as Linux makes them, from layers 00 to 12 only, and random
 * changes of the file of a subvolume.
 */
#ifndef UBTRFS_TEST_ENGINE_SNAPSHOT_H
#define UBTRFS_TEST_ENGINE_SNAPSHOT_H

#include "extent/engine_fixture.h"
#include "tree/tree_priv.h"

/* The children of a root get one more reference, by the tree that holds the copy. */
static inline void engine_push_children(struct engine *engine, const uint8_t *node, uint64_t root)
{
	for (unsigned i = 0; i < node_nritems(node); i++) {
		struct ref_request request = {
			.addr = node_child_addr(node, i),
			.len_bytes = engine->store.geometry.nodesize,
			.metadata = true,
			.level = node_level(node) - 1,
			.key = { .type = REF_TREE, .root = root },
			.delta = 1,
		};

		assert_ok(ref_queue_push(space_ref_queue(engine->space), &request));
	}
}

/* Puts a copy of the source's root in place of the empty leaf that the new tree has. */
static inline void engine_copy_root(struct engine *engine, struct tree *from, struct tree *to)
{
	struct node_expect expect = { .generation = from->root_generation,
				      .level = from->root_level };
	struct node_expect empty_expect = { .generation = to->root_generation };
	struct node *source, *copy, *empty;
	uint64_t addr, empty_addr = to->root_addr;

	assert_ok(node_get(engine->cache, from->root_addr, &expect, &source));
	assert_true(node_level(source->data) > 0);
	assert_ok(extent_private_policy.alloc_node(&engine->extents, engine->txn, to,
						   from->root_level, 0, &addr));
	assert_ok(node_create(engine->cache, addr, from->root_level, to->objectid,
			      engine->txn->generation, NODE_LOCK_ORDER(TREE_SHARED, 1), &copy));
	node_set_nritems(copy->data, node_nritems(source->data));
	memcpy(copy->data + HEADER_SIZE, source->data + HEADER_SIZE,
	       engine->store.geometry.nodesize - HEADER_SIZE);
	engine_push_children(engine, source->data, to->objectid);
	rwlock_unwrite(&copy->lock);
	node_put(copy);
	node_put(source);
	tree_set_root(to, addr, engine->txn->generation, from->root_level);
	assert_ok(node_get(engine->cache, empty_addr, &empty_expect, &empty));
	rwlock_write(&empty->lock);
	node_cancel(empty);
	rwlock_unwrite(&empty->lock);
	node_put(empty);
	assert_ok(extent_private_policy.free_node(&engine->extents, engine->txn, to, empty_addr, 0,
						  to->objectid, engine->txn->generation, false));
}

/* A name for the new subvolume in the directory of tree 5. */
static inline void engine_link_snapshot(struct engine *engine, uint64_t to)
{
	struct key location = KEY(to, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);
	uint8_t entry[DIR_ITEM_SIZE + 4] = { 0 }, inode[INODE_ITEM_SIZE];
	char name[5] = "snp0";
	uint32_t len;
	struct key key = KEY(256, BTRFS_INODE_ITEM_KEY, 0);

	name[3] = (char)('0' + to - 256);
	key_store(dir_item_location_mut(entry), &location);
	dir_item_set_transid(entry, engine->txn->generation);
	dir_item_set_name_len(entry, 4);
	dir_item_set_type(entry, BTRFS_FT_DIR);
	memcpy(entry + DIR_ITEM_SIZE, name, 4);
	assert_ok(tree_lookup(engine_tree(engine, 5), &key, inode, sizeof(inode), &len));
	inode_item_set_size(inode, inode_item_size(inode) + 8);
	assert_ok(tree_replace(engine->txn, engine_tree(engine, 5), &key, inode, sizeof(inode)));
	engine_insert(engine, 5, KEY(256, BTRFS_DIR_ITEM_KEY, name_hash(name, 4)), entry,
		      sizeof(entry));
	engine_insert(engine, 5, KEY(256, BTRFS_DIR_INDEX_KEY, to), entry, sizeof(entry));
	assert_ok(root_ref_add(engine->txn, engine->roots, 5, to, 256, to, name, 4));
}

/*
 * Like Linux: a committed source, a new root node with the same children, both marked, and a
 * commit.
 */
static inline void engine_snapshot(struct engine *engine, uint64_t from, uint64_t to)
{
	struct root *source, *root;
	uint8_t item[ROOT_ITEM_SIZE];

	engine_save_file(engine, from);
	engine_commit(engine);
	assert_ok(root_get(engine->roots, from, &source));
	root_item_set_last_snapshot(source->item, engine->txn->generation);
	source->item_dirty = true;
	memcpy(item, source->item, sizeof(item));
	item[250] = (uint8_t)to;
	assert_ok(root_create(engine->txn, engine->roots, to, item, &root));
	engine_copy_root(engine, &source->tree, &root->tree);
	engine_link_snapshot(engine, to);
	engine_commit(engine);
}

static inline void engine_change_some(struct engine *engine, struct rng *rng, uint64_t root,
				      unsigned nr)
{
	while (nr--) {
		uint64_t offset = rng_below(rng, 1500) * 65536;

		if (!engine_unwrite(engine, root, offset))
			(void)engine_write(engine, root, offset, 4096);
	}
}

#endif
