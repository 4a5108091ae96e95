/*
 * dump-tree: the trees of a filesystem in words, read node by node from the devices.
 *
 * Nothing but the chunk map is trusted: a node is printed when its checksum holds, also when the
 * validator would refuse it, and a damaged one is told in its place while the rest is printed.
 * Levels fall and first keys match along every pointer, and the number of nodes is bounded by the
 * size of the filesystem, so no input makes this endless.
 *
 * Trees are printed level by level, as btrfs-progs does. Takes the lock of the filesystem
 * (RANK_OPS) for the whole dump, shared when the filesystem is open for reading.
 */
#include <inttypes.h>
#include <uuid/uuid.h>

#include <ubtrfs/inspect.h>

#include "base/cleanup.h"
#include "format/print_key.h"
#include "format/print_node.h"
#include "format/superblock.h"
#include "ops/ops.h"

struct dump {
	struct core *core;
	const struct ubtrfs_dump_tree *what;
	FILE *out;
	struct strbuf text;
	uint64_t nodes_left;
	struct err_report first_error; /* the dump goes on; this is its result */
};

/* The node that something points to. */
struct node_pointer {
	uint64_t addr, generation;
	uint8_t level;
	const struct key *first_key; /* NULL: not known */
};

typedef int (*node_visit)(struct dump *dump, const uint8_t *node, void *ctx);

/*
 * ---- reading
 * -------------------------------------------------------------------------------------------------
 */

/* The first copy whose checksum and address are right. */
static int node_load(struct dump *dump, uint64_t addr, uint8_t *ret_node)
{
	const struct geometry *g = &dump->core->geometry;
	unsigned nr_mirrors = volume_nr_mirrors(dump->core->volume, addr);

	if (!is_aligned(addr, g->sectorsize))
		return THROW(ERR_INVALID,
			     "tree block %" PRIu64 " is not aligned to the sector size %u", addr,
			     g->sectorsize);
	if (!nr_mirrors)
		return THROW(ERR_NO_MAPPING, "no chunk maps tree block %" PRIu64, addr);
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++)
		if (volume_read(dump->core->volume, addr, ret_node, g->nodesize, mirror) == 0 &&
		    node_csum_ok(g, ret_node) && node_addr(ret_node) == addr)
			return 0;
	return THROW(ERR_NODE_CSUM,
		     "tree block %" PRIu64 " cannot be read, or its checksum is wrong", addr);
}

/* Slots that lie within the node, whatever the header says. */
static uint32_t safe_nritems(const struct dump *dump, const uint8_t *node)
{
	const struct geometry *g = &dump->core->geometry;
	uint32_t max = node_level(node) ? geometry_node_ptrs(g) :
					  geometry_leaf_bytes(g) / ITEM_SIZE;

	return MIN(node_nritems(node), max);
}

static int pointer_check(const struct dump *dump, const struct node_pointer *to,
			 const uint8_t *node)
{
	struct key first;

	CORRUPT_IF(node_level(node) != to->level,
		   "tree block %" PRIu64 " has level %u, %u was expected", to->addr,
		   node_level(node), to->level);
	CORRUPT_IF(node_generation(node) != to->generation,
		   "tree block %" PRIu64 " has generation %" PRIu64 ", %" PRIu64 " was expected",
		   to->addr, node_generation(node), to->generation);
	if (!to->first_key)
		return 0;
	CORRUPT_IF(!safe_nritems(dump, node), "tree block %" PRIu64 " is empty", to->addr);
	first = node_slot_key(node, 0);
	CORRUPT_IF(!key_equal(&first, to->first_key),
		   "tree block %" PRIu64 " does not begin with the key of its parent", to->addr);
	return 0;
}

static int pointer_load(struct dump *dump, const struct node_pointer *to, uint8_t *ret_node)
{
	CORRUPT_IF(!dump->nodes_left,
		   "the trees have more blocks than the filesystem has room for");
	dump->nodes_left--;
	CORRUPT_IF(to->level >= TREE_MAX_LEVEL, "tree block %" PRIu64 " has level %u", to->addr,
		   to->level);
	TRY(node_load(dump, to->addr, ret_node));
	return pointer_check(dump, to, ret_node);
}

/* What cannot be shown is told in its place, and once more as the result. */
static void tell_damage(struct dump *dump, int err)
{
	fprintf(dump->out, "ERROR: %s\n", err_text(err));
	if (!dump->first_error.err)
		err_capture(err, &dump->first_error);
}

/*
 * ---- walking
 * -------------------------------------------------------------------------------------------------
 */

/* Visits the nodes of one level below (or at) a pointer, left to right. */
static int walk_level(struct dump *dump, const struct node_pointer *from, uint8_t level,
		      node_visit visit, void *ctx)
{
	SCOPED_MEM uint8_t *node = mem_alloc(dump->core->geometry.nodesize);
	uint32_t nr;
	int err;

	if (!node)
		return MEM_FAIL("a tree block");
	err = pointer_load(dump, from, node);
	if (err < 0) {
		/* Told once, by the pass over its own level. */
		if (from->level == level)
			tell_damage(dump, err);
		return 0;
	}
	if (from->level == level)
		return visit(dump, node, ctx);
	nr = safe_nritems(dump, node);
	for (uint32_t slot = 0; slot < nr; slot++) {
		struct key key = node_key(node, slot);
		struct node_pointer child = { .addr = node_child_addr(node, slot),
					      .generation = node_child_generation(node, slot),
					      .level = (uint8_t)(from->level - 1),
					      .first_key = &key };

		TRY(walk_level(dump, &child, level, visit, ctx));
	}
	return 0;
}

static int walk_tree(struct dump *dump, const struct node_pointer *root, node_visit visit,
		     void *ctx)
{
	for (int level = root->level; level >= 0; level--)
		TRY(walk_level(dump, root, (uint8_t)level, visit, ctx));
	return 0;
}

static int visit_print(struct dump *dump, const uint8_t *node, void *ctx)
{
	(void)ctx;
	strbuf_clear(&dump->text);
	print_node(&dump->text, &dump->core->geometry, node);
	TRY(strbuf_status(&dump->text));
	fputs(strbuf_text(&dump->text), dump->out);
	return 0;
}

static int print_tree(struct dump *dump, const struct node_pointer *root)
{
	return walk_tree(dump, root, visit_print, NULL);
}

/* btrfs-progs finds these without the root tree, and then prints a bare title and no totals. */
static bool asked_barely(const struct ubtrfs_dump_tree *what)
{
	return what->tree_id == BTRFS_ROOT_TREE_OBJECTID ||
	       what->tree_id == BTRFS_CHUNK_TREE_OBJECTID ||
	       what->tree_id == BTRFS_BLOCK_GROUP_TREE_OBJECTID ||
	       what->tree_id == BTRFS_TREE_LOG_OBJECTID;
}

/*
 * ---- one tree of the root tree
 * -------------------------------------------------------------------------------
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
		{ BTRFS_ORPHAN_OBJECTID, "orphan" },
		{ BTRFS_TREE_LOG_OBJECTID, "log" },
		{ BTRFS_TREE_LOG_FIXUP_OBJECTID, "log fixup" },
		{ BTRFS_TREE_RELOC_OBJECTID, "reloc" },
		{ BTRFS_DATA_RELOC_TREE_OBJECTID, "data reloc" },
	};

	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (titles[i].objectid == objectid)
			return titles[i].title;
	return "file";
}

static bool tree_wanted(const struct ubtrfs_dump_tree *what, uint64_t objectid)
{
	if (what->tree_id)
		return objectid == what->tree_id;
	if (what->extents_only)
		return objectid == BTRFS_EXTENT_TREE_OBJECTID ||
		       objectid == BTRFS_DEV_TREE_OBJECTID;
	if (what->devices_only)
		return objectid == BTRFS_DEV_TREE_OBJECTID;
	if (what->uuid_only)
		return objectid == BTRFS_UUID_TREE_OBJECTID;
	return true;
}

static int dump_root_item(struct dump *dump, const struct key *key, const uint8_t *item)
{
	struct node_pointer root = { .addr = root_item_bytenr(item),
				     .generation = root_item_generation(item),
				     .level = root_item_level(item) };

	if (asked_barely(dump->what)) {
		fprintf(dump->out, "%s tree\n", tree_title(key->objectid));
		return print_tree(dump, &root);
	}
	strbuf_clear(&dump->text);
	print_key(&dump->text, key);
	TRY(strbuf_status(&dump->text));
	fprintf(dump->out, "%s tree %s", tree_title(key->objectid), strbuf_text(&dump->text));
	if (dump->what->roots_only) {
		fprintf(dump->out, " %" PRIu64 " level %u\n", root.addr, root.level);
		return 0;
	}
	/* btrfs-progs ends this line with a blank, but not with -e. */
	fputs(dump->what->extents_only ? "\n" : " \n", dump->out);
	return print_tree(dump, &root);
}

/* ctx: how many trees were wanted and found. */
static int visit_root_items(struct dump *dump, const uint8_t *node, void *ctx)
{
	unsigned *nr_found = ctx;
	uint32_t nr = safe_nritems(dump, node);

	for (uint32_t slot = 0; slot < nr; slot++) {
		struct key key = leaf_key(node, slot);
		uint64_t begin = leaf_item_offset(node, slot);

		if (key.type != BTRFS_ROOT_ITEM_KEY || !tree_wanted(dump->what, key.objectid))
			continue;
		/* Old kernels wrote shorter items; all fields used here are in them. */
		if (leaf_item_len(node, slot) < ROOT_ITEM_LEGACY_SIZE ||
		    begin + ROOT_ITEM_LEGACY_SIZE > geometry_leaf_bytes(&dump->core->geometry))
			continue;
		(*nr_found)++;
		TRY(dump_root_item(dump, &key, leaf_item_data(node, slot)));
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

static int dump_super_tree(struct dump *dump, const char *title, const struct node_pointer *root)
{
	if (dump->what->roots_only) {
		fprintf(dump->out, "%s tree: %" PRIu64 " level %u\n", title, root->addr,
			root->level);
		return 0;
	}
	fprintf(dump->out, "%s tree\n", title);
	return print_tree(dump, root);
}

static int dump_super_trees(struct dump *dump, unsigned *ret_nr)
{
	const struct ubtrfs_dump_tree *what = dump->what;
	struct node_pointer root = root_tree_pointer(dump->core),
			    chunk = chunk_tree_pointer(dump->core);
	struct node_pointer log = log_tree_pointer(dump->core);
	bool all = !what->tree_id && !what->extents_only && !what->uuid_only;
	unsigned nr = 0;

	if (all || what->tree_id == BTRFS_ROOT_TREE_OBJECTID) {
		nr++;
		TRY(dump_super_tree(dump, "root", &root));
	}
	if (all || what->tree_id == BTRFS_CHUNK_TREE_OBJECTID) {
		nr++;
		TRY(dump_super_tree(dump, "chunk", &chunk));
	}
	if (log.addr &&
	    ((all && !what->devices_only) || what->tree_id == BTRFS_TREE_LOG_OBJECTID)) {
		nr++;
		TRY(dump_super_tree(dump, "log root", &log));
	}
	*ret_nr = nr;
	return 0;
}

/*
 * ---- backup roots and totals
 * ---------------------------------------------------------------------------------
 */

static void dump_backups(struct dump *dump)
{
	for (unsigned i = 0; i < BTRFS_NUM_BACKUP_ROOTS; i++) {
		const uint8_t *b = super_root_backup(dump->core->super, i);

		fprintf(dump->out,
			"btrfs root backup slot %u\n"
			"\ttree root gen %" PRIu64 " block %" PRIu64 "\n"
			"\t\textent root gen %" PRIu64 " block %" PRIu64 "\n"
			"\t\tchunk root gen %" PRIu64 " block %" PRIu64 "\n"
			"\t\tdevice root gen %" PRIu64 " block %" PRIu64 "\n"
			"\t\tcsum root gen %" PRIu64 " block %" PRIu64 "\n"
			"\t\tfs root gen %" PRIu64 " block %" PRIu64 "\n"
			"\t\t%" PRIu64 " used %" PRIu64 " total %" PRIu64 " devices\n",
			i, root_backup_tree_root_gen(b), root_backup_tree_root(b),
			root_backup_extent_root_gen(b), root_backup_extent_root(b),
			root_backup_chunk_root_gen(b), root_backup_chunk_root(b),
			root_backup_dev_root_gen(b), root_backup_dev_root(b),
			root_backup_csum_root_gen(b), root_backup_csum_root(b),
			root_backup_fs_root_gen(b), root_backup_fs_root(b),
			root_backup_bytes_used(b), root_backup_total_bytes(b),
			root_backup_num_devices(b));
	}
}

static void dump_totals(struct dump *dump)
{
	char uuid[UUID_STR_LEN];

	if (dump->what->extents_only || dump->what->devices_only || dump->what->uuid_only ||
	    asked_barely(dump->what))
		return;
	if (dump->what->backups)
		dump_backups(dump);
	uuid_unparse_lower(super_fsid(dump->core->super), uuid);
	fprintf(dump->out, "total bytes %" PRIu64 "\nbytes used %" PRIu64 "\nuuid %s\n",
		super_total_bytes(dump->core->super), super_bytes_used(dump->core->super), uuid);
}

/*
 * ---- the whole
 * -----------------------------------------------------------------------------------------------
 */

/* A block is shown whatever tree it is of; what is below it, with follow. */
static int dump_block(struct dump *dump)
{
	SCOPED_MEM uint8_t *node = mem_alloc(dump->core->geometry.nodesize);
	struct node_pointer root = { .addr = dump->what->block };

	if (!node)
		return MEM_FAIL("a tree block");
	TRY(node_load(dump, root.addr, node));
	if (!dump->what->follow)
		return visit_print(dump, node, NULL);
	root.generation = node_generation(node);
	root.level = node_level(node);
	return print_tree(dump, &root);
}

static int dump_trees(struct dump *dump)
{
	struct node_pointer root = root_tree_pointer(dump->core);
	unsigned nr_super, nr_items = 0;

	TRY(dump_super_trees(dump, &nr_super));
	/* Root items are in leaves. */
	TRY(walk_level(dump, &root, 0, visit_root_items, &nr_items));
	if (dump->what->tree_id && !nr_super && !nr_items)
		return THROW(ERR_NOT_FOUND, "%s has no tree %" PRIu64, dump->core->name,
			     dump->what->tree_id);
	dump_totals(dump);
	return 0;
}

static int dump_run(struct dump *dump)
{
	/* The devices are read: they must have what was done so far. */
	if (dump->core->writable)
		TRY(core_commit(dump->core));
	if (!dump->what->no_header)
		fputs("ubtrfs v" UBTRFS_VERSION "\n", dump->out);
	TRY(dump->what->block ? dump_block(dump) : dump_trees(dump));
	return err_rethrow(&dump->first_error);
}

UBTRFS_API int ubtrfs_dump_tree(struct ubtrfs *fs, const struct ubtrfs_dump_tree *what, FILE *out)
{
	struct dump dump = { .core = &fs->core, .what = what, .out = out };
	int err;

	/* Every level is a pass over what is above it. */
	dump.nodes_left = (uint64_t)TREE_MAX_LEVEL *
			  (super_total_bytes(fs->core.super) / fs->core.geometry.nodesize + 1);
	strbuf_init(&dump.text);
	if (fs->core.writable)
		fs_lock(fs);
	else
		fs_lock_shared(fs);
	err = fs_unlock(fs, dump_run(&dump));
	strbuf_fini(&dump.text);
	return err;
}
