/*
 * dump-tree: which trees of a filesystem are shown, and in which order: those of the superblock, then
 * those that have root items, in the order of their keys, as btrfs-progs does.
 *
 * Takes the lock of the filesystem (RANK_OPS) for the whole dump, shared when the filesystem is open
 * for reading. Reading and walking: dump_walk.c;
 * what is written: dump_emit.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "format/node_layout.h"
#include "format/superblock.h"
#include "ops/background.h"
#include "ops/dump.h"

/*
 * ---- trees with root items
 * -----------------------------------------------------------------------------------
 */

static const char *tree_title(uint64_t objectid)
{
	static const struct {
		uint64_t objectid;
		const char *title;
	} titles[] = {
		{ BTRFS_ROOT_TREE_OBJECTID, "root" },
		{ BTRFS_EXTENT_TREE_OBJECTID, "extent" },
		{ BTRFS_CHUNK_TREE_OBJECTID, "chunk" },
		{ BTRFS_DEV_TREE_OBJECTID, "device" },
		{ BTRFS_FS_TREE_OBJECTID, "fs" },
		{ BTRFS_ROOT_TREE_DIR_OBJECTID, "directory" },
		{ BTRFS_CSUM_TREE_OBJECTID, "checksum" },
		{ BTRFS_QUOTA_TREE_OBJECTID, "quota" },
		{ BTRFS_UUID_TREE_OBJECTID, "uuid" },
		{ BTRFS_FREE_SPACE_TREE_OBJECTID, "free space" },
		{ BTRFS_BLOCK_GROUP_TREE_OBJECTID, "block group" },
		{ BTRFS_RAID_STRIPE_TREE_OBJECTID, "raid stripe" },
		{ BTRFS_ORPHAN_OBJECTID, "orphan" },
		{ BTRFS_TREE_LOG_OBJECTID, "log" },
		{ BTRFS_TREE_LOG_FIXUP_OBJECTID, "log fixup" },
		{ BTRFS_TREE_RELOC_OBJECTID, "reloc" },
		{ BTRFS_DATA_RELOC_TREE_OBJECTID, "data reloc" },
		{ BTRFS_EXTENT_CSUM_OBJECTID, "extent checksum" },
		{ BTRFS_MULTIPLE_OBJECTIDS, "multiple" },
	};

	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (titles[i].objectid == objectid)
			return titles[i].title;
	return "file";
}

/* -e, -d and -u together mean what btrfs-progs makes of them. */
static bool tree_wanted(const struct ubtrfs_dump_tree *what, uint64_t objectid)
{
	if (what->tree_id && objectid != what->tree_id)
		return false;
	switch (objectid) {
	case BTRFS_EXTENT_TREE_OBJECTID:
		return !what->devices_only && !what->uuid_only;
	case BTRFS_DEV_TREE_OBJECTID:
		return !what->uuid_only;
	case BTRFS_UUID_TREE_OBJECTID:
		return !what->extents_only && !what->devices_only;
	default:
		return !what->extents_only && !what->devices_only && !what->uuid_only;
	}
}

static int show_tree(struct dump *dump, const char *title, const struct key *key,
		     const struct node_pointer *root)
{
	TRY(dump_tree_begin(dump, title, key, root));
	if (dump_shows_nodes(dump, key))
		TRY(dump_walk_tree(dump, root));
	return dump_tree_end(dump, key);
}

static int show_root_item(struct dump *dump, const struct key *key, const uint8_t *item)
{
	struct node_pointer root = { .addr = root_item_bytenr(item),
				     .generation = root_item_generation(item),
				     .level = root_item_level(item) };

	return show_tree(dump, tree_title(key->objectid), key, &root);
}

/* ctx: how many trees were wanted and found. */
static int visit_root_items(struct dump *dump, const uint8_t *node, void *ctx)
{
	unsigned *nr_found = ctx;
	uint64_t leaf_bytes = geometry_leaf_bytes(&dump->core->geometry);
	uint32_t nr = dump_nr_slots(dump, node);

	for (uint32_t slot = 0; slot < nr; slot++) {
		struct key key = leaf_key(node, slot);
		uint64_t begin = leaf_item_offset(node, slot);
		uint64_t nodes_left = dump->nodes_left;

		if (key.type != BTRFS_ROOT_ITEM_KEY || !tree_wanted(dump->what, key.objectid))
			continue;
		/* Old kernels wrote shorter items; all fields used here are in them. */
		if (leaf_item_len(node, slot) < ROOT_ITEM_LEGACY_SIZE ||
		    begin + ROOT_ITEM_LEGACY_SIZE > leaf_bytes)
			continue;
		(*nr_found)++;
		TRY(show_root_item(dump, &key, leaf_item_data(node, slot)));
		dump->nodes_left = nodes_left;
	}
	return 0;
}

/*
 * ---- trees of the superblock
 * ---------------------------------------------------------------------------------
 */

static struct node_pointer root_tree_pointer(const struct core *core)
{
	return (struct node_pointer){ .addr = super_root(core->super),
				      .generation = super_generation(core->super),
				      .level = super_root_level(core->super) };
}

static struct node_pointer chunk_tree_pointer(const struct core *core)
{
	return (struct node_pointer){ .addr = super_chunk_root(core->super),
				      .generation = super_chunk_root_generation(core->super),
				      .level = super_chunk_root_level(core->super) };
}

/* A log is written in the transaction behind the committed one. */
static struct node_pointer log_tree_pointer(const struct core *core)
{
	return (struct node_pointer){ .addr = super_log_root(core->super),
				      .generation = super_generation(core->super) + 1,
				      .level = super_log_root_level(core->super) };
}

static int show_super_trees(struct dump *dump, unsigned *ret_nr)
{
	const struct ubtrfs_dump_tree *what = dump->what;
	struct node_pointer root = root_tree_pointer(dump->core);
	struct node_pointer chunk = chunk_tree_pointer(dump->core);
	struct node_pointer log = log_tree_pointer(dump->core);
	bool all = !what->tree_id && !what->extents_only && !what->uuid_only;
	unsigned nr = 0;

	if (all || what->tree_id == BTRFS_ROOT_TREE_OBJECTID) {
		nr++;
		TRY(show_tree(dump, "root", NULL, &root));
	}
	if (all || what->tree_id == BTRFS_CHUNK_TREE_OBJECTID) {
		nr++;
		TRY(show_tree(dump, "chunk", NULL, &chunk));
	}
	if (log.addr && (all || what->tree_id == BTRFS_TREE_LOG_OBJECTID)) {
		nr++;
		TRY(show_tree(dump, "log root", NULL, &log));
	}
	*ret_nr = nr;
	return 0;
}

/*
 * ---- the whole
 * -----------------------------------------------------------------------------------------------
 */

static int show_trees(struct dump *dump)
{
	const struct ubtrfs_dump_tree *what = dump->what;
	struct node_pointer root = root_tree_pointer(dump->core);
	struct node_pointer log = log_tree_pointer(dump->core);
	unsigned nr_super = 0, nr_items = 0;

	TRY(show_super_trees(dump, &nr_super));
	/* Root items are in leaves. Logs of subvolumes have theirs in the tree of logs. */
	TRY(dump_walk_level(dump, &root, 0, !nr_super, visit_root_items, &nr_items));
	if (log.addr && !dump_asked_barely(what))
		TRY(dump_walk_level(dump, &log, 0, false, visit_root_items, &nr_items));
	TRY(dump_totals(dump));
	/* Together with -e, -d or -u it may well be there, but not among what they show. */
	if (what->tree_id && !nr_super && !nr_items && !dump->first_error.err &&
	    tree_wanted(what, what->tree_id))
		return THROW(ERR_NOT_FOUND, "%s has no tree %" PRIu64, dump->core->name,
			     what->tree_id);
	return 0;
}

/* A block is shown whatever tree it is of; what is below it, with follow. */
static int show_block(struct dump *dump, uint64_t addr, uint8_t *node)
{
	struct node_pointer root = { .addr = addr };
	int err = dump_block_load(dump, addr, node);

	if (err < 0) {
		dump_damage(dump, addr, err);
		return 0;
	}
	if (!dump->what->follow)
		return dump_node(dump, node);
	root.generation = node_generation(node);
	root.level = node_level(node);
	return dump_walk_tree(dump, &root);
}

static int address_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* In the order of their addresses, each once. */
static int show_blocks(struct dump *dump)
{
	unsigned nr = dump->what->nr_blocks;
	SCOPED_MEM uint8_t *node = mem_alloc(dump->core->geometry.nodesize);
	SCOPED_MEM uint64_t *blocks = mem_array(nr, sizeof(*blocks));

	if (!node || !blocks)
		return MEM_FAIL("tree blocks");
	memcpy(blocks, dump->what->blocks, nr * sizeof(*blocks));
	qsort(blocks, nr, sizeof(*blocks), address_order);
	for (unsigned i = 0; i < nr; i++)
		if (i == 0 || blocks[i] != blocks[i - 1])
			TRY(show_block(dump, blocks[i], node));
	return 0;
}

static int dump_run(struct dump *dump)
{
	int err;

	/* The devices are read: they must have what was done so far. */
	if (dump->core->writable)
		TRY(core_commit(dump->core));
	TRY(dump_begin(dump));
	err = dump->what->nr_blocks ? show_blocks(dump) : show_trees(dump);
	/* JSON is closed also behind what failed. */
	if (err < 0 && !dump->first_error.err)
		err_capture(err, &dump->first_error);
	TRY(dump_end(dump));
	return err_rethrow(&dump->first_error);
}

UBTRFS_API int ubtrfs_dump_tree(struct ubtrfs *fs, const struct ubtrfs_dump_tree *what, FILE *out)
{
	struct dump dump = { .core = &fs->core, .what = what, .out = out };
	int err;

	strbuf_init(&dump.text);
	json_init(&dump.json, &dump.text);
	/* The commit that comes first is the dump's own. */
	if (fs->background)
		background_pause(fs);
	if (fs->core.writable)
		fs_lock(fs);
	else
		fs_lock_shared(fs);
	err = fs_unlock(fs, dump_run(&dump));
	if (fs->background)
		background_resume(fs);
	strbuf_fini(&dump.text);
	return err;
}
