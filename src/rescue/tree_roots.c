/*
 * Where a tree begins, in one state of the filesystem; which subvolumes there are.
 *
 * A root is taken from its ROOT_ITEM when that is certain; else from the backup roots of the
 * superblock when they are of this state; else it is the newer of what an older ROOT_ITEM says and
 * of what the index of tree blocks has. Owns the trees of a view. No locks.
 */
#include "rescue/rescue_priv.h"

bool tree_id_is_files(uint64_t id)
{
	return id == BTRFS_FS_TREE_OBJECTID || (id >= BTRFS_FIRST_FREE_OBJECTID && id <= INT64_MAX);
}

int view_new(struct rescue *rescue, const struct tree_step *root, uint64_t generation,
	     struct rescue_view **ret_view)
{
	struct rescue_view *view = mem_zalloc(sizeof(*view));

	if (!view)
		return MEM_FAIL("a state of the filesystem");
	view->rescue = rescue;
	view->generation = generation;
	view->root = *root;
	hash_init(&view->trees);
	*ret_view = view;
	return 0;
}

void rescue_view_free(struct rescue_view *view)
{
	struct hash_node *node, *next;

	if (!view)
		return;
	for (node = hash_first(&view->trees); node; node = next) {
		struct tree_view *tree = hash_entry(node, struct tree_view, hash);

		next = hash_next(&view->trees, node);
		hash_remove(&view->trees, node);
		tree_view_fini(tree);
		mem_free(tree);
	}
	hash_fini(&view->trees);
	mem_free(view);
}

/* The newest ROOT_ITEM of a tree, padded to its full length. ERR_NOT_FOUND. */
static int view_root_item(struct rescue_view *view, uint64_t id, struct key *ret_key,
			  uint8_t ret_item[ROOT_ITEM_SIZE], unsigned *ret_state)
{
	struct key from = KEY(id, BTRFS_ROOT_ITEM_KEY, 0);
	struct key to = KEY(id, BTRFS_ROOT_ITEM_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *roots;
	bool found = false;
	int err;

	TRY(view_tree(view, BTRFS_ROOT_TREE_OBJECTID, &roots));
	TRY(tree_cursor_init(&cursor, roots));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		/* Old ones end early; what is behind counts as zero. */
		memset(ret_item, 0, ROOT_ITEM_SIZE);
		memcpy(ret_item, tree_cursor_data(&cursor),
		       MIN(tree_cursor_len(&cursor), (uint32_t)ROOT_ITEM_SIZE));
		*ret_key = tree_cursor_key(&cursor);
		found = true;
	}
	if (err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_state = cursor.state;
	return found ? 0 : -ERR_NOT_FOUND;
}

/* ---- roots of trees ---- */

static bool root_from_backup(const struct rescue_view *view, uint64_t id,
			     struct tree_step *ret_root)
{
	const uint8_t *super = view->rescue->super;

	for (unsigned i = 0; view->rescue->has_super && i < BTRFS_NUM_BACKUP_ROOTS; i++) {
		const uint8_t *backup = super_root_backup(super, i);
		struct tree_step root = { .certain = true };

		if (root_backup_tree_root_gen(backup) != view->generation ||
		    root_backup_tree_root(backup) != view->root.addr)
			continue;
		if (id == BTRFS_FS_TREE_OBJECTID) {
			root.addr = root_backup_fs_root(backup);
			root.generation = root_backup_fs_root_gen(backup);
			root.level = root_backup_fs_root_level(backup);
		} else if (id == BTRFS_EXTENT_TREE_OBJECTID) {
			root.addr = root_backup_extent_root(backup);
			root.generation = root_backup_extent_root_gen(backup);
			root.level = root_backup_extent_root_level(backup);
		} else if (id == BTRFS_CSUM_TREE_OBJECTID) {
			root.addr = root_backup_csum_root(backup);
			root.generation = root_backup_csum_root_gen(backup);
			root.level = root_backup_csum_root_level(backup);
		}
		if (root.addr && root.generation && root.level < BTRFS_MAX_LEVEL) {
			*ret_root = root;
			return true;
		}
	}
	return false;
}

static void root_from_record(const struct block_record *record, struct tree_step *ret_root)
{
	*ret_root = (struct tree_step){ .addr = record->addr,
					.generation = record->generation,
					.level = record->level };
}

/* What the index has, when it is newer than what an older item says. */
static int root_from_index(struct rescue_view *view, uint64_t id, bool have_item,
			   struct tree_step *root)
{
	struct block_refs none = { 0 };
	struct block_record record;
	enum block_life life;

	TRY(block_index_build(view->rescue));
	if (!block_index_root(&view->rescue->index, id, view->generation, &record))
		return have_item ? 0 : -ERR_NOT_FOUND;
	if (have_item && record.generation < root->generation)
		return 0;
	if (have_item && !record.addr && record.generation == root->generation)
		return 0;
	root_from_record(&record, root);
	if (!record.addr || !view->is_current)
		return 0;
	TRY(block_life_below(view, &record, &none, 0, id, &life));
	root->certain = life == BLOCK_LIVE;
	return 0;
}

static int root_find(struct rescue_view *view, uint64_t id, struct tree_step *ret_root)
{
	const struct ubtrfs_rescue_options *options = &view->rescue->options;
	uint8_t item[ROOT_ITEM_SIZE];
	unsigned state = 0;
	bool have_item;
	struct key key;
	int err;

	if (options->fs_root && id == options->fs_root_id) {
		*ret_root = (struct tree_step){ .addr = options->fs_root, .certain = true };
		return 0;
	}
	err = view_root_item(view, id, &key, item, &state);
	if (err < 0 && err != -ERR_NOT_FOUND)
		return err;
	have_item = err == 0;
	if (have_item)
		*ret_root = (struct tree_step){ .addr = root_item_bytenr(item),
						.generation = root_item_generation(item),
						.level = root_item_level(item),
						.certain = state == 0 };
	if (state == 0)
		return err;
	if (root_from_backup(view, id, ret_root))
		return 0;
	return root_from_index(view, id, have_item, ret_root);
}

/* A root that the user names: its own header says the rest. */
static int root_of_header(struct rescue *rescue, struct tree_step *root)
{
	struct block_expect anything = { .level = -1 };
	const uint8_t *block;

	if (root->generation || !root->addr)
		return 0;
	TRY(block_read(rescue, root->addr, &anything, &block));
	root->generation = node_generation(block);
	root->level = node_level(block);
	return 0;
}

int view_tree(struct rescue_view *view, uint64_t id, struct tree_view **ret_tree)
{
	struct hash_node *node = hash_find(&view->trees, id);
	struct tree_step root = view->root;
	struct tree_view *tree;

	if (node) {
		*ret_tree = hash_entry(node, struct tree_view, hash);
		return 0;
	}
	if (id != BTRFS_ROOT_TREE_OBJECTID) {
		memset(&root, 0, sizeof(root));
		TRY(root_find(view, id, &root));
		TRY(root_of_header(view->rescue, &root));
	}
	tree = mem_zalloc(sizeof(*tree));
	if (!tree)
		return MEM_FAIL("a tree");
	TRY(tree_view_init(tree, view, id, &root));
	hash_insert(&view->trees, &tree->hash, id);
	*ret_tree = tree;
	return 0;
}

/* ---- from which subvolumes a snapshot has blocks ---- */

static int item_by_uuid(struct rescue_view *view, const uint8_t uuid[16], uint64_t *ret_id,
			uint8_t ret_item[ROOT_ITEM_SIZE])
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

		if (key.type != BTRFS_ROOT_ITEM_KEY || tree_cursor_len(&cursor) < ROOT_ITEM_SIZE ||
		    memcmp(root_item_uuid(tree_cursor_data(&cursor)), uuid, 16) != 0)
			continue;
		*ret_id = key.objectid;
		memcpy(ret_item, tree_cursor_data(&cursor), ROOT_ITEM_SIZE);
		return 0;
	}
	return err == -ERR_KEY_NOT_FOUND ? -ERR_NOT_FOUND : err;
}

int tree_lineage(struct tree_view *tree)
{
	static const uint8_t no_uuid[16];
	uint8_t item[ROOT_ITEM_SIZE];
	unsigned state;
	struct key key;
	uint64_t id;
	int err;

	if (tree->lineage_known || !tree_id_is_files(tree->id))
		return 0;
	tree->lineage_known = true;
	err = view_root_item(tree->of, tree->id, &key, item, &state);
	while (err == 0 && tree->nr_owners < LINEAGE_MAX &&
	       memcmp(root_item_parent_uuid(item), no_uuid, 16) != 0) {
		uint64_t made = root_item_otransid(item);
		uint8_t parent[16];

		memcpy(parent, root_item_parent_uuid(item), 16);
		err = item_by_uuid(tree->of, parent, &id, item);
		if (err == 0) {
			tree->owners[tree->nr_owners] = id;
			tree->owner_gens[tree->nr_owners++] = made;
		}
	}
	return err == -ERR_NOT_FOUND ? 0 : err;
}

/* ---- subvolumes ---- */

static int subvolume_fill(struct rescue_view *view, uint64_t id,
			  struct ubtrfs_rescue_subvolume *ret_subvol)
{
	uint8_t item[ROOT_ITEM_SIZE];
	struct tree_view *tree;
	unsigned state = 0;
	struct key key;
	int err;

	memset(ret_subvol, 0, sizeof(*ret_subvol));
	ret_subvol->subvolid = id;
	err = view_root_item(view, id, &key, item, &state);
	if (err < 0 && err != -ERR_NOT_FOUND)
		return err;
	if (err == 0) {
		ret_subvol->is_snapshot = key.offset != 0;
		ret_subvol->offset = key.offset;
		ret_subvol->is_deleted = root_item_refs(item) == 0;
		ret_subvol->time.sec = (int64_t)timespec_sec(root_item_ctime(item));
		ret_subvol->time.nsec = timespec_nsec(root_item_ctime(item));
	}
	TRY(view_tree(view, id, &tree));
	ret_subvol->bytenr = tree->root.addr;
	ret_subvol->generation = tree->root.generation;
	ret_subvol->level = tree->root.level;
	ret_subvol->state = tree->root.certain ? 0 : UBTRFS_RESCUE_OLDER;
	return 0;
}

int rescue_subvolume(struct rescue_view *view, uint64_t subvolid,
		     struct ubtrfs_rescue_subvolume *ret_subvol)
{
	if (!tree_id_is_files(subvolid))
		return -ERR_NOT_FOUND;
	return subvolume_fill(view, subvolid, ret_subvol);
}

/* The next tree of files that a root item names; ERR_NOT_FOUND at the end. */
static int next_by_item(struct rescue_view *view, uint64_t from_id, uint64_t *ret_id,
			unsigned *state)
{
	struct key from = KEY(from_id, BTRFS_ROOT_ITEM_KEY, 0);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *roots;
	int err;

	TRY(view_tree(view, BTRFS_ROOT_TREE_OBJECTID, &roots));
	TRY(tree_cursor_init(&cursor, roots));
	for (err = tree_cursor_seek(&cursor, &from, &KEY_MAX); err == 0;
	     err = tree_cursor_next(&cursor)) {
		struct key key = tree_cursor_key(&cursor);
		uint32_t refs = 0;

		if (key.type == BTRFS_ROOT_ITEM_KEY &&
		    tree_cursor_len(&cursor) >= ROOT_ITEM_LEGACY_SIZE)
			refs = root_item_refs(tree_cursor_data(&cursor));
		if (!refs || !tree_id_is_files(key.objectid))
			continue;
		*ret_id = key.objectid;
		*state |= cursor.state;
		return 0;
	}
	*state |= cursor.state;
	return err == -ERR_KEY_NOT_FOUND ? -ERR_NOT_FOUND : err;
}

/* The next one that has blocks in the index; UINT64_MAX at the end. */
static uint64_t next_by_blocks(const struct block_index *index, uint64_t from_id)
{
	size_t from, to;

	while (index->built && from_id <= INT64_MAX) {
		block_index_owner(index, from_id, &from, &to);
		if (to >= index->nr && from == to)
			break;
		if (from < to && tree_id_is_files(from_id))
			return from_id;
		from_id = from < to ? from_id + 1 : index->records[to].owner;
	}
	return UINT64_MAX;
}

int rescue_subvolumes(struct rescue_view *view,
		      int (*visit)(void *ctx, const struct ubtrfs_rescue_subvolume *subvol),
		      void *ctx)
{
	struct ubtrfs_rescue_subvolume subvol;
	uint64_t id = BTRFS_FS_TREE_OBJECTID;
	unsigned state = 0;

	for (;;) {
		uint64_t by_item = UINT64_MAX, by_blocks = UINT64_MAX;
		int err = next_by_item(view, id, &by_item, &state);

		if (err < 0 && err != -ERR_NOT_FOUND)
			return err;
		/* Blocks of deleted subvolumes stay; only a damaged tree of roots makes them
		 * anything to ask for. */
		if (state)
			by_blocks = next_by_blocks(&view->rescue->index, id);
		id = MIN(by_item, by_blocks);
		if (id == UINT64_MAX)
			return 0;
		err = subvolume_fill(view, id, &subvol);
		if (err == 0)
			err = visit(ctx, &subvol);
		if (err != 0 && err != -ERR_NOT_FOUND)
			return err;
		id++;
	}
}
