/*
 * For the tests of 12 extent: a whole filesystem in memory, up to the commit, from layers 00 to 12
 * only.
 *
 * engine_new makes one with the engine itself (generation 1): chunks, all core trees, one
 * subvolume. engine_commit does the steps of the commit in their order. engine_check is the oracle:
 * it walks every tree and compares what is reachable, plus the data extents that the file items
 * name, with the extent tree, the block groups, the free-space tree and the models. engine_reopen
 * forgets everything but the devices and loads again.
 */
#ifndef UBTRFS_TEST_ENGINE_FIXTURE_H
#define UBTRFS_TEST_ENGINE_FIXTURE_H

#include "base/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "codec/name_hash.h"
#include "extent/extent.h"
#include "format/node_layout.h"

#define ENGINE_DEVICE_BYTES (512 * MIB)
#define ENGINE_GROUP_BYTES (32 * MIB)
#define ENGINE_FILE 257u /* inode that owns all data */
#define ENGINE_ROUNDS_MAX 100u

/* With the sentence of the error. */
#define assert_ok(call)                                              \
	do {                                                         \
		int ok_ret = (call);                                 \
		if (ok_ret < 0)                                      \
			fail_msg("%s: %s", #call, err_text(ok_ret)); \
	} while (0)

struct engine {
	struct volume *volume;
	struct node_cache_config cache_config;
	struct node_cache *cache;
	struct space *space;
	struct txn *txn;
	struct root_table *roots;
	struct store store;
	struct extents extents;
	uint8_t super[SUPER_SIZE]; /* of the last commit */
};

struct engine_options {
	uint32_t nodesize; /* 0: 16384 */
	bool fat;	   /* no skinny metadata */
	bool group_tree;
	bool no_free_tree;
	bool dup;
};

static const uint8_t engine_fsid[16] = "fsid of a test!";
static const uint8_t engine_chunk_uuid[16] = "chunk tree uuid";
static const uint8_t engine_device_uuid[16] = "uuid of a device";

/* ---- opening and closing ---- */

static inline void engine_models_new(struct engine *engine, uint64_t committed)
{
	struct space_config space_config = {
		.volume = engine->volume,
		.sectorsize = engine->store.geometry.sectorsize,
		.nodesize = engine->store.geometry.nodesize,
	};
	struct root_table_config root_config = {
		.shared_policy = &extent_shared_policy,
		.private_policy = &extent_private_policy,
		.policy_ctx = &engine->extents,
	};

	engine->cache_config = (struct node_cache_config){
		.volume = engine->volume,
		.geometry = engine->store.geometry,
		.limit_bytes = 16 * MIB,
	};
	memcpy(engine->cache_config.fsid, engine_fsid, 16);
	memcpy(engine->cache_config.chunk_tree_uuid, engine_chunk_uuid, 16);
	assert_ok(node_cache_new(&engine->cache_config, &engine->cache));
	assert_ok(space_new(&space_config, &engine->space));
	assert_ok(txn_new(committed, &engine->txn));
	space_set_generation(engine->space, engine->txn->generation);
	root_config.cache = engine->cache;
	assert_ok(root_table_new(&root_config, &engine->roots));
	engine->store.volume = engine->volume;
	engine->store.space = engine->space;
	engine->store.roots = engine->roots;
	extents_init(&engine->extents, &engine->store,
		     engine->store.incompat & BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA);
}

static inline void engine_models_free(struct engine *engine)
{
	extents_fini(&engine->extents);
	root_table_free(engine->roots);
	txn_free(engine->txn);
	space_free_all(engine->space);
	node_cache_free(engine->cache);
}

static inline void engine_volume_new(struct engine *engine, struct device *device)
{
	assert_ok(volume_new(&engine->volume));
	assert_ok(volume_add_device(engine->volume, 1, engine_device_uuid, device,
				    ENGINE_DEVICE_BYTES));
}

static inline struct tree *engine_tree(struct engine *engine, uint64_t objectid)
{
	struct root *root;

	assert_ok(root_get(engine->roots, objectid, &root));
	return &root->tree;
}

static inline struct block_group *engine_grow(struct engine *engine, enum space_kind kind,
					      uint64_t bytes)
{
	struct block_group *group;

	assert_ok(space_grow(engine->space, kind, bytes, bytes, &group));
	return group;
}

static inline void engine_insert(struct engine *engine, uint64_t tree, struct key key,
				 const void *data, uint32_t len)
{
	assert_ok(tree_insert(engine->txn, engine_tree(engine, tree), &key, data, len));
}

/*
 * Directory 256 of the subvolume and the file of all data, whose item engine_save_file brings up
 * to date.
 */
static inline void engine_make_subvolume(struct engine *engine)
{
	uint8_t inode[INODE_ITEM_SIZE] = { 0 }, ref[INODE_REF_SIZE + 4] = { 0 };
	uint8_t item[ROOT_ITEM_SIZE] = { 0 }, entry[DIR_ITEM_SIZE + 4] = { 0 };
	struct key location = KEY(ENGINE_FILE, BTRFS_INODE_ITEM_KEY, 0);
	struct root *root;

	root_item_set_root_dirid(item, BTRFS_FIRST_FREE_OBJECTID);
	root_item_set_refs(item, 1);
	memcpy(root_item_uuid_mut(item), engine_fsid, 16);
	assert_ok(root_create(engine->txn, engine->roots, BTRFS_FS_TREE_OBJECTID, item, &root));
	inode_item_set_generation(inode, 1);
	inode_item_set_transid(inode, 1);
	inode_item_set_nlink(inode, 1);
	inode_item_set_mode(inode, 040755);
	inode_item_set_size(inode, 8);
	engine_insert(engine, BTRFS_FS_TREE_OBJECTID, KEY(256, BTRFS_INODE_ITEM_KEY, 0), inode,
		      sizeof(inode));
	inode_ref_set_name_len(ref, 2);
	memcpy(ref + INODE_REF_SIZE, "..", 2);
	engine_insert(engine, BTRFS_FS_TREE_OBJECTID, KEY(256, BTRFS_INODE_REF_KEY, 256), ref,
		      INODE_REF_SIZE + 2);
	inode_item_set_size(inode, 0);
	inode_item_set_mode(inode, 0100644);
	engine_insert(engine, BTRFS_FS_TREE_OBJECTID, location, inode, sizeof(inode));
	inode_ref_set_index(ref, 2);
	inode_ref_set_name_len(ref, 4);
	memcpy(ref + INODE_REF_SIZE, "file", 4);
	engine_insert(engine, BTRFS_FS_TREE_OBJECTID, KEY(ENGINE_FILE, BTRFS_INODE_REF_KEY, 256),
		      ref, sizeof(ref));
	key_store(dir_item_location_mut(entry), &location);
	dir_item_set_transid(entry, 1);
	dir_item_set_name_len(entry, 4);
	dir_item_set_type(entry, BTRFS_FT_REG_FILE);
	memcpy(entry + DIR_ITEM_SIZE, "file", 4);
	engine_insert(engine, BTRFS_FS_TREE_OBJECTID,
		      KEY(256, BTRFS_DIR_ITEM_KEY, name_hash("file", 4)), entry, sizeof(entry));
	engine_insert(engine, BTRFS_FS_TREE_OBJECTID, KEY(256, BTRFS_DIR_INDEX_KEY, 2), entry,
		      sizeof(entry));
}

static inline void engine_make_trees(struct engine *engine)
{
	static const uint64_t ids[] = { BTRFS_EXTENT_TREE_OBJECTID, BTRFS_DEV_TREE_OBJECTID,
					BTRFS_CSUM_TREE_OBJECTID, BTRFS_UUID_TREE_OBJECTID };
	struct root *root;

	assert_ok(tree_create_root(engine->txn, engine_tree(engine, BTRFS_ROOT_TREE_OBJECTID)));
	assert_ok(tree_create_root(engine->txn, engine_tree(engine, BTRFS_CHUNK_TREE_OBJECTID)));
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
		assert_ok(root_create(engine->txn, engine->roots, ids[i], NULL, &root));
	if (engine->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE)
		assert_ok(root_create(engine->txn, engine->roots, BTRFS_FREE_SPACE_TREE_OBJECTID,
				      NULL, &root));
	if (engine->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE)
		assert_ok(root_create(engine->txn, engine->roots, BTRFS_BLOCK_GROUP_TREE_OBJECTID,
				      NULL, &root));
	engine_make_subvolume(engine);
}

static inline void engine_make_super(struct engine *engine)
{
	uint8_t *super = engine->super;

	memcpy(super_fsid_mut(super), engine_fsid, 16);
	super_set_magic(super, BTRFS_MAGIC);
	super_set_flags(super, BTRFS_HEADER_FLAG_WRITTEN);
	super_set_sectorsize(super, engine->store.geometry.sectorsize);
	super_set_nodesize(super, engine->store.geometry.nodesize);
	super_set_leafsize(super, engine->store.geometry.nodesize);
	super_set_stripesize(super, engine->store.geometry.sectorsize);
	super_set_root_dir_objectid(super, BTRFS_ROOT_TREE_DIR_OBJECTID);
	super_set_compat_ro_flags(super, engine->store.compat_ro);
	super_set_incompat_flags(super, engine->store.incompat);
}

static inline void engine_commit(struct engine *engine);

static inline struct engine *engine_new(const struct engine_options *options)
{
	struct engine *engine = mem_zalloc(sizeof(*engine));
	struct chunk_policy policy = { .profile = { 0 } };
	struct device *device;

	assert_non_null(engine);
	engine->store.geometry = (struct geometry){
		.nodesize = options->nodesize ? options->nodesize : 16384,
		.sectorsize = 4096,
		.csum_type = CSUM_CRC32C,
		.csum_size = 4,
	};
	engine->store.incompat =
		BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF | BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF |
		BTRFS_FEATURE_INCOMPAT_BIG_METADATA | BTRFS_FEATURE_INCOMPAT_NO_HOLES |
		(options->fat ? 0 : BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA);
	if (!options->no_free_tree)
		engine->store.compat_ro = BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE |
					  BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID;
	if (options->group_tree)
		engine->store.compat_ro |= BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE;
	memcpy(engine->store.fsid, engine_fsid, 16);
	memcpy(engine->store.chunk_tree_uuid, engine_chunk_uuid, 16);
	assert_ok(device_mem_new("ram", ENGINE_DEVICE_BYTES, &device));
	engine_volume_new(engine, device);
	engine_models_new(engine, 0);
	engine_make_super(engine);
	if (options->dup)
		policy.profile[SPACE_METADATA] = policy.profile[SPACE_SYSTEM] =
			BTRFS_BLOCK_GROUP_DUP;
	space_set_policy(engine->space, &policy);
	(void)engine_grow(engine, SPACE_SYSTEM, 8 * MIB);
	(void)engine_grow(engine, SPACE_METADATA, ENGINE_GROUP_BYTES);
	(void)engine_grow(engine, SPACE_DATA, ENGINE_GROUP_BYTES);
	engine_make_trees(engine);
	engine_commit(engine);
	return engine;
}

static inline void engine_free(struct engine *engine)
{
	engine_models_free(engine);
	volume_free(engine->volume);
	mem_free(engine);
}

/* Everything from the device again. Nothing may be uncommitted. */
static inline void engine_reopen(struct engine *engine)
{
	struct volume_device *entry = volume_device_at(engine->volume, 0);
	struct device *device = entry->device;

	engine_models_free(engine);
	entry->device = NULL;
	volume_free(engine->volume);
	assert_ok(super_read(device, 0, engine->super));
	engine_volume_new(engine, device);
	engine_models_new(engine, super_generation(engine->super));
	assert_ok(store_load_sys_chunks(engine->volume, engine->super));
	assert_ok(root_table_load(engine->roots, engine->super));
	assert_ok(store_load_chunks(&engine->store));
	assert_ok(store_load_groups(&engine->store));
}

/* ---- commit ---- */

/* References, space items, root items, until nothing changes any more. */
static inline void engine_settle(struct engine *engine)
{
	for (unsigned round = 0; round < ENGINE_ROUNDS_MAX; round++) {
		bool stored, rooted;
		uint64_t nr;

		assert_ok(extent_run_refs(engine->txn, &engine->extents, &nr));
		assert_ok(store_save(engine->txn, &engine->store, &stored));
		assert_ok(root_table_save(engine->txn, engine->roots, &rooted));
		if (!nr && !stored && !rooted)
			return;
	}
	fail_msg("the commit never settles");
}

static inline void engine_commit(struct engine *engine)
{
	struct volume_device *device = volume_device_at(engine->volume, 0);
	uint64_t generation = engine->txn->generation;

	assert_ok(txn_block(engine->txn));
	txn_start_commit(engine->txn);
	engine_settle(engine);
	assert_ok(space_audit(engine->space));
	assert_ok(cache_write_dirty(engine->cache, NULL));
	root_table_fill_super(engine->roots, engine->super);
	assert_ok(store_fill_super(&engine->store, 1, engine->super));
	assert_ok(super_write(device->device, engine->super, device->total_bytes));
	assert_ok(space_unpin(engine->space, generation, UINT64_MAX));
	txn_next(engine->txn);
	space_set_generation(engine->space, engine->txn->generation);
}

/* ---- the oracle ---- */

struct engine_extent {
	uint64_t addr, len, refs;
	bool metadata;
	uint8_t level;
};

struct engine_extents {
	struct engine_extent *list;
	size_t nr, capacity;
	struct engine *engine;
	uint64_t tree; /* being walked */
};

static inline void engine_extents_add(struct engine_extents *extents, struct engine_extent extent)
{
	if (extents->nr == extents->capacity) {
		extents->capacity = extents->capacity ? 2 * extents->capacity : 1024;
		extents->list =
			mem_resize(extents->list, extents->capacity * sizeof(*extents->list));
		assert_non_null(extents->list);
	}
	extents->list[extents->nr++] = extent;
}

static inline int engine_extent_compare(const void *a, const void *b)
{
	const struct engine_extent *left = a, *right = b;

	return left->addr < right->addr ? -1 : left->addr > right->addr;
}

/* Sorts; equal extents become one with more references. */
static inline void engine_extents_merge(struct engine_extents *extents)
{
	size_t nr = 0;

	qsort(extents->list, extents->nr, sizeof(*extents->list), engine_extent_compare);
	for (size_t i = 0; i < extents->nr; i++) {
		if (nr && extents->list[nr - 1].addr == extents->list[i].addr)
			extents->list[nr - 1].refs += extents->list[i].refs;
		else
			extents->list[nr++] = extents->list[i];
	}
	extents->nr = nr;
}

/* Has the node been visited? Visits leave an entry without references. */
static inline bool engine_extents_has(const struct engine_extents *extents, uint64_t addr)
{
	for (size_t i = 0; i < extents->nr; i++)
		if (extents->list[i].addr == addr && extents->list[i].refs == 0)
			return true;
	return false;
}

/* The leaf's children: data that file items name. */
static inline void engine_leaf_data(struct engine_extents *found, const uint8_t *leaf)
{
	for (unsigned i = 0; i < node_nritems(leaf); i++) {
		const uint8_t *item = leaf_item_data(leaf, i);

		if (leaf_key(leaf, i).type == BTRFS_EXTENT_DATA_KEY &&
		    file_extent_type(item) != BTRFS_FILE_EXTENT_INLINE &&
		    file_extent_disk_bytenr(item))
			engine_extents_add(found,
					   (struct engine_extent){ file_extent_disk_bytenr(item),
								   file_extent_disk_num_bytes(item),
								   1, false, 0 });
	}
}

static inline int engine_visit_node(void *ctx, const struct node *node, uint8_t level)
{
	struct engine_extents *found = ctx;
	bool seen = found->tree >= BTRFS_FIRST_FREE_OBJECTID &&
		    engine_extents_has(found, node->addr);

	/*
	 * One reference from the parent or root; a node that several trees share counts its
	 * children once.
	 */
	if (seen)
		return 0;
	engine_extents_add(found, (struct engine_extent){ node->addr,
							  found->engine->store.geometry.nodesize, 0,
							  true, level });
	if (level == 0) {
		engine_leaf_data(found, node->data);
		return 0;
	}
	for (unsigned i = 0; i < node_nritems(node->data); i++)
		engine_extents_add(found,
				   (struct engine_extent){ node_child_addr(node->data, i),
							   found->engine->store.geometry.nodesize,
							   1, true, level - 1 });
	return 0;
}

static inline void engine_walk_tree(struct engine_extents *found, uint64_t objectid)
{
	struct tree *tree = engine_tree(found->engine, objectid);
	struct engine_extent root = { tree->root_addr, found->engine->store.geometry.nodesize, 1,
				      true, tree->root_level };

	assert_ok(tree_invariant(tree));
	found->tree = objectid;
	assert_ok(tree_walk(tree, engine_visit_node, found));
	engine_extents_add(found, root);
}

static inline int engine_walk_subvolume(void *ctx, uint64_t objectid)
{
	engine_walk_tree(ctx, objectid);
	return 0;
}

static inline void engine_reachable(struct engine *engine, struct engine_extents *found)
{
	static const uint64_t ids[] = {
		BTRFS_ROOT_TREE_OBJECTID,	BTRFS_EXTENT_TREE_OBJECTID,
		BTRFS_CHUNK_TREE_OBJECTID,	BTRFS_DEV_TREE_OBJECTID,
		BTRFS_CSUM_TREE_OBJECTID,	BTRFS_UUID_TREE_OBJECTID,
		BTRFS_FREE_SPACE_TREE_OBJECTID, BTRFS_BLOCK_GROUP_TREE_OBJECTID,
		BTRFS_DATA_RELOC_TREE_OBJECTID,
	};
	struct root *root;

	*found = (struct engine_extents){ .engine = engine };
	for (unsigned i = 0; i < ARRAY_LEN(ids); i++) {
		int err = root_get(engine->roots, ids[i], &root);

		assert_true(err == 0 || err == -ERR_NOT_FOUND);
		if (err == 0)
			engine_walk_tree(found, ids[i]);
	}
	assert_ok(root_each_subvolume(engine->roots, engine_walk_subvolume, found));
	engine_extents_merge(found);
}

static inline void engine_listed(struct engine *engine, struct engine_extents *listed)
{
	uint32_t nodesize = engine->store.geometry.nodesize;
	struct key first = KEY_MIN;
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	*listed = (struct engine_extents){ .engine = engine };
	cursor_init(&cursor, engine_tree(engine, BTRFS_EXTENT_TREE_OBJECTID));
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);
		const uint8_t *item = cursor_data(&cursor);
		bool metadata;

		if (key.type != BTRFS_EXTENT_ITEM_KEY && key.type != BTRFS_METADATA_ITEM_KEY)
			continue;
		metadata = extent_item_flags(item) & BTRFS_EXTENT_FLAG_TREE_BLOCK;
		engine_extents_add(listed, (struct engine_extent){
						   key.objectid, metadata ? nodesize : key.offset,
						   extent_item_refs(item), metadata,
						   !metadata ? 0 :
						   key.type == BTRFS_METADATA_ITEM_KEY ?
							       (uint8_t)key.offset :
							       tree_block_info_level(
								       item + EXTENT_ITEM_SIZE) });
	}
	assert_int_equal(err, -ERR_KEY_NOT_FOUND);
}

struct engine_sum {
	uint64_t refs;
	bool bad;
};

static inline int engine_sum_ref(void *ctx, const struct ref_key *key, uint32_t count)
{
	struct engine_sum *sum = ctx;

	sum->refs += count;
	sum->bad |= count == 0 || key->root == 0;
	return 0;
}

static inline void engine_check_extents(struct engine *engine, const struct engine_extents *listed)
{
	struct engine_extents found;

	engine_reachable(engine, &found);
	for (size_t i = 0; i < MIN(found.nr, listed->nr); i++) {
		const struct engine_extent *is = &listed->list[i], *must = &found.list[i];
		struct engine_sum sum = { 0 };

		if (is->addr != must->addr || is->len != must->len || is->refs != must->refs ||
		    is->metadata != must->metadata || is->level != must->level)
			fail_msg(
				"extent tree: %llu+%llu refs %llu level %u; reachable: %llu+%llu refs %llu level %u",
				(unsigned long long)is->addr, (unsigned long long)is->len,
				(unsigned long long)is->refs, is->level,
				(unsigned long long)must->addr, (unsigned long long)must->len,
				(unsigned long long)must->refs, must->level);
		assert_ok(extent_each_ref(&engine->extents, is->addr, engine_sum_ref, &sum));
		assert_int_equal(sum.refs, is->refs);
		assert_false(sum.bad);
	}
	assert_int_equal(found.nr, listed->nr);
	mem_free(found.list);
}

static inline bool engine_has_key(struct engine *engine, uint64_t tree, struct key key)
{
	uint32_t len;

	return tree_lookup(engine_tree(engine, tree), &key, NULL, 0, &len) == 0;
}

/* Used bytes and free space of one group against the extents listed. */
static inline void engine_check_group(struct engine *engine, struct block_group *group,
				      const struct engine_extents *listed)
{
	uint64_t pos = group->start, end = group->start + group->len_bytes, used = 0;
	bool has_tree = engine->store.compat_ro & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE;
	uint32_t nr_free = 0;

	for (size_t i = 0; i <= listed->nr; i++) {
		uint64_t addr = i < listed->nr ? listed->list[i].addr : end;

		if (addr < group->start || (addr >= end && i < listed->nr))
			continue;
		assert_true(addr >= pos);
		if (addr > pos) {
			nr_free++;
			if (has_tree && !group->fst_bitmaps &&
			    !engine_has_key(engine, BTRFS_FREE_SPACE_TREE_OBJECTID,
					    KEY(pos, BTRFS_FREE_SPACE_EXTENT_KEY, addr - pos)))
				fail_msg("free space %llu+%llu is not in the free-space tree",
					 (unsigned long long)pos, (unsigned long long)(addr - pos));
		}
		if (i < listed->nr) {
			pos = addr + listed->list[i].len;
			used += listed->list[i].len;
		}
	}
	assert_int_equal(used, group->used_bytes);
	assert_int_equal(0, group->reserved_bytes);
	if (has_tree)
		assert_int_equal(nr_free, group->fst_extent_count);
}

/* What the superblock and the item say of the device. */
static inline void engine_check_device(struct engine *engine)
{
	struct volume_device *device = volume_device_at(engine->volume, 0);
	struct key key = KEY(BTRFS_DEV_ITEMS_OBJECTID, BTRFS_DEV_ITEM_KEY, device->devid);
	uint8_t item[DEV_ITEM_SIZE];
	uint32_t len;

	assert_ok(tree_lookup(engine_tree(engine, BTRFS_CHUNK_TREE_OBJECTID), &key, item,
			      sizeof(item), &len));
	assert_int_equal(dev_item_bytes_used(item), device->used_bytes);
	assert_int_equal(dev_item_total_bytes(item), device->total_bytes);
	assert_int_equal(dev_item_bytes_used(super_dev_item(engine->super)), device->used_bytes);
	assert_int_equal(super_bytes_used(engine->super), space_used_total(engine->space));
}

/* After a commit: everything agrees. */
static inline void engine_check(struct engine *engine)
{
	struct engine_extents listed;
	struct block_group *group = space_group_next(engine->space, 0);

	engine_listed(engine, &listed);
	engine_check_extents(engine, &listed);
	for (; group; group = space_group_next(engine->space, group->start + group->len_bytes))
		engine_check_group(engine, group, &listed);
	engine_check_device(engine);
	assert_ok(space_audit(engine->space));
	mem_free(listed.list);
}

/* ---- files ---- */

/* Writes an extent of the file at an offset where nothing is. */
static inline uint64_t engine_write(struct engine *engine, uint64_t root, uint64_t offset,
				    uint64_t len)
{
	SCOPED_MEM uint8_t *csums = mem_zalloc(len / 4096 * 4);
	SCOPED_MEM uint8_t *data = mem_zalloc(len);
	uint8_t item[FILE_EXTENT_SIZE] = { 0 };
	struct key key = KEY(ENGINE_FILE, BTRFS_EXTENT_DATA_KEY, offset);
	uint64_t addr, got;

	assert_ok(space_alloc_data(engine->space, len, len, &addr, &got));
	assert_int_equal(got, len);
	memset(data, (int)(offset >> 12), len);
	assert_ok(volume_write(engine->volume, addr, data, len));
	csum_compute_sectors(CSUM_CRC32C, data, len / 4096, 4096, csums);
	file_extent_set_generation(item, engine->txn->generation);
	file_extent_set_ram_bytes(item, len);
	file_extent_set_type(item, BTRFS_FILE_EXTENT_REG);
	file_extent_set_disk_bytenr(item, addr);
	file_extent_set_disk_num_bytes(item, len);
	file_extent_set_num_bytes(item, len);
	assert_ok(tree_insert(engine->txn, engine_tree(engine, root), &key, item, sizeof(item)));
	assert_ok(extent_add_data(engine->txn, &engine->extents, addr, len, root, ENGINE_FILE,
				  offset));
	assert_ok(csum_insert(engine->txn, engine_tree(engine, BTRFS_CSUM_TREE_OBJECTID), addr,
			      csums, len / 4096));
	return addr;
}

/* Removes the file item at an offset; false when there is none. */
static inline bool engine_unwrite(struct engine *engine, uint64_t root, uint64_t offset)
{
	struct key key = KEY(ENGINE_FILE, BTRFS_EXTENT_DATA_KEY, offset);
	struct tree *tree = engine_tree(engine, root);
	uint8_t item[FILE_EXTENT_SIZE];
	uint32_t len;

	if (tree_lookup(tree, &key, item, sizeof(item), &len) < 0)
		return false;
	assert_ok(tree_remove(engine->txn, tree, &key));
	assert_ok(extent_ref_data(engine->txn, &engine->extents, file_extent_disk_bytenr(item),
				  file_extent_disk_num_bytes(item), root, ENGINE_FILE, offset, -1));
	return true;
}

/* A second file item for the same extent. */
static inline void engine_clone(struct engine *engine, uint64_t root, uint64_t from, uint64_t to)
{
	struct key key = KEY(ENGINE_FILE, BTRFS_EXTENT_DATA_KEY, from);
	struct tree *tree = engine_tree(engine, root);
	uint8_t item[FILE_EXTENT_SIZE];
	uint32_t len;

	assert_ok(tree_lookup(tree, &key, item, sizeof(item), &len));
	key.offset = to;
	assert_ok(tree_insert(engine->txn, tree, &key, item, sizeof(item)));
	assert_ok(extent_ref_data(engine->txn, &engine->extents, file_extent_disk_bytenr(item),
				  file_extent_disk_num_bytes(item), root, ENGINE_FILE, to, 1));
}

/* Size and bytes of the file as its items say, so that a checker finds nothing wrong. */
static inline void engine_save_file(struct engine *engine, uint64_t root)
{
	struct key first = KEY(ENGINE_FILE, BTRFS_EXTENT_DATA_KEY, 0),
		   key = KEY(ENGINE_FILE, BTRFS_INODE_ITEM_KEY, 0);
	struct tree *tree = engine_tree(engine, root);
	uint64_t size = 0, bytes = 0;
	uint8_t inode[INODE_ITEM_SIZE];
	struct cursor cursor;
	uint32_t len;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	for (err = cursor_seek(&cursor, &first, &exact); err == 0; err = cursor_next(&cursor)) {
		if (cursor_key(&cursor).objectid != ENGINE_FILE)
			break;
		bytes += file_extent_num_bytes(cursor_data(&cursor));
		size = cursor_key(&cursor).offset + file_extent_num_bytes(cursor_data(&cursor));
	}
	cursor_release(&cursor);
	assert_ok(tree_lookup(tree, &key, inode, sizeof(inode), &len));
	inode_item_set_size(inode, size);
	inode_item_set_nbytes(inode, bytes);
	assert_ok(tree_replace(engine->txn, tree, &key, inode, sizeof(inode)));
}

/* For people: the device as a file that btrfs check can judge, when the environment names one. */
static inline void engine_dump(struct engine *engine, const char *name)
{
	struct device *device = volume_device_at(engine->volume, 0)->device;
	const char *folder = getenv("UBTRFS_TEST_DUMP");
	SCOPED_MEM uint8_t *data = mem_alloc(MIB);
	char path[512];
	FILE *file;

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%s.img", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	for (uint64_t at = 0; at < ENGINE_DEVICE_BYTES; at += MIB) {
		assert_ok(device_read(device, PHYS(at), data, MIB));
		assert_int_equal(fwrite(data, 1, MIB, file), MIB);
	}
	fclose(file);
}

#endif
