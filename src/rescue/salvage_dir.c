/*
 * Directories as far as they are left: names from their index, and where parts of that are gone from
 * the items by hash too (the same name may come twice then).
 *
 * Entries are gathered in batches, and the tree is not held while they are told, so that who is told
 * may ask for anything. Owns nothing; no locks.
 */
#include "codec/name_hash.h"
#include "rescue/rescue_priv.h"

#define BATCH_BYTES ((size_t)16 << 10)
#define BATCH_HEAD 13u

struct batch {
	uint8_t *bytes; /* items as on disk, each behind a head: offset of its key, length, certain */
	size_t len;
};

/* A name that no file can have would lead out of the directory. */
static bool name_is_legal(const char *name, size_t len)
{
	if (!len || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

static bool entry_parse(const uint8_t *entry, uint64_t subvolid, struct ubtrfs_dirent *ret_entry)
{
	struct key to = key_load(dir_item_location(entry));

	*ret_entry = (struct ubtrfs_dirent){ .type = dir_item_type(entry),
					     .name = (const char *)entry + DIR_ITEM_SIZE,
					     .name_len = dir_item_name_len(entry) };
	if (to.type == BTRFS_ROOT_ITEM_KEY) {
		ret_entry->is_subvolume = true;
		ret_entry->node = (struct ubtrfs_node){ to.objectid, UBTRFS_ROOT_INO };
	} else {
		ret_entry->node = (struct ubtrfs_node){ subvolid, to.objectid };
	}
	return to.type == BTRFS_ROOT_ITEM_KEY || to.type == BTRFS_INODE_ITEM_KEY;
}

static bool batch_add(struct batch *batch, const struct tree_cursor *cursor)
{
	const uint8_t *item = tree_cursor_data(cursor);
	uint32_t len = tree_cursor_len(cursor);
	uint8_t head[BATCH_HEAD];

	if (batch->len && batch->len + sizeof(head) + len > BATCH_BYTES)
		return false;
	store64(head, tree_cursor_key(cursor).offset);
	store32(head + 8, len);
	head[12] = cursor->span.certain;
	memcpy(batch->bytes + batch->len, head, sizeof(head));
	memcpy(batch->bytes + batch->len + sizeof(head), item, len);
	batch->len += sizeof(head) + len;
	return true;
}

/* Fills the batch from the key on; *ret_next is where to go on, *ret_more whether. */
static int batch_fill(struct tree_view *tree, const struct key *from, const struct key *to,
		      struct batch *batch, struct key *ret_next, bool *ret_more, unsigned *state)
{
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	int err;

	batch->len = 0;
	*ret_more = false;
	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, from, to); err == 0; err = tree_cursor_next(&cursor)) {
		if (!batch_add(batch, &cursor)) {
			*ret_next = tree_cursor_key(&cursor);
			*ret_more = true;
			break;
		}
	}
	*state |= cursor.state;
	return err < 0 && err != -ERR_KEY_NOT_FOUND ? err : 0;
}

/* Drops names (node.ino 0): in a snapshot the name of a subvolume below its origin is an empty
 * directory, as Linux shows it. */
static int entry_check_subvolume(struct tree_view *tree, struct ubtrfs_dirent *entry, bool certain)
{
	struct key key = KEY(tree->id, BTRFS_ROOT_REF_KEY, entry->node.subvolid);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *roots;
	int err;

	TRY(view_tree(tree->of, BTRFS_ROOT_TREE_OBJECTID, &roots));
	TRY(tree_cursor_init(&cursor, roots));
	err = tree_cursor_seek(&cursor, &key, &key);
	if (err == -ERR_KEY_NOT_FOUND && !cursor.state) {
		entry->is_subvolume = false;
		entry->node.subvolid = tree->id;
		entry->node.ino = certain ? BTRFS_EMPTY_SUBVOL_DIR_OBJECTID : 0;
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

/* A name of an older state is dropped (inode 0) when its inode certainly does not have it any more. */
static int entry_check_older(struct tree_view *tree, uint64_t dir, struct ubtrfs_dirent *entry)
{
	bool has_it, certain;

	TRY(salvage_has_name(tree, entry->node.ino, dir, entry->name, entry->name_len, &has_it,
			     &certain));
	if (!has_it && certain)
		entry->node.ino = 0;
	return 0;
}

static int entry_tell(struct tree_view *tree, uint64_t dir, struct ubtrfs_dirent *entry,
		      bool certain, int (*visit)(void *ctx, const struct ubtrfs_dirent *entry),
		      void *ctx)
{
	if (!name_is_legal(entry->name, entry->name_len))
		return 0;
	if (entry->is_subvolume)
		TRY(entry_check_subvolume(tree, entry, certain));
	else if (!certain)
		TRY(entry_check_older(tree, dir, entry));
	return entry->node.ino ? visit(ctx, entry) : 0;
}

static int batch_tell(const struct batch *batch, struct tree_view *tree, uint64_t dir,
		      int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx)
{
	size_t at = 0;

	while (at < batch->len) {
		uint64_t cookie = load64(batch->bytes + at);
		uint32_t len = load32(batch->bytes + at + 8);
		bool certain = batch->bytes[at + 12];

		at += BATCH_HEAD;
		for (uint32_t pos = 0; pos < len;) {
			const uint8_t *entry = batch->bytes + at + pos;
			struct ubtrfs_dirent told;
			int ret = 0;

			pos += DIR_ITEM_SIZE + dir_item_name_len(entry) + dir_item_data_len(entry);
			if (!entry_parse(entry, tree->id, &told))
				continue;
			told.cookie = cookie;
			ret = entry_tell(tree, dir, &told, certain, visit, ctx);
			if (ret)
				return ret;
		}
		at += len;
	}
	return 0;
}

static int entries_tell(struct tree_view *tree, uint64_t ino, uint8_t type, struct batch *batch,
			int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx,
			unsigned *state)
{
	struct key from = KEY(ino, type, 0), to = KEY(ino, type, UINT64_MAX);
	bool more = true;

	while (more) {
		struct key next = from;
		int ret;

		TRY(batch_fill(tree, &from, &to, batch, &next, &more, state));
		ret = batch_tell(batch, tree, ino, visit, ctx);
		if (ret)
			return ret;
		from = next;
	}
	return 0;
}

int salvage_readdir(struct rescue_view *view, struct ubtrfs_node dir,
		    int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx,
		    unsigned *ret_state)
{
	SCOPED_MEM uint8_t *bytes =
		mem_alloc(BATCH_BYTES + view->rescue->geometry.nodesize + BATCH_HEAD);
	struct batch batch = { .bytes = bytes };
	struct tree_view *tree;
	unsigned state = 0, by_hash = 0;
	int ret;

	if (!bytes)
		return MEM_FAIL("a directory");
	TRY(view_tree(view, dir.subvolid, &tree));
	ret = entries_tell(tree, dir.ino, BTRFS_DIR_INDEX_KEY, &batch, visit, ctx, &state);
	if (ret == 0 && state) {
		ret = entries_tell(tree, dir.ino, BTRFS_DIR_ITEM_KEY, &batch, visit, ctx, &by_hash);
		/* Each name stands in both: it is enough that one of them is whole. */
		if (!by_hash)
			state = 0;
	}
	*ret_state = state;
	return ret;
}

int salvage_lookup(struct rescue_view *view, struct ubtrfs_node dir, const char *name,
		   size_t name_len, struct ubtrfs_dirent *ret_entry)
{
	struct key key = KEY(dir.ino, BTRFS_DIR_ITEM_KEY, name_hash(name, name_len));
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *tree;
	int err;

	TRY(view_tree(view, dir.subvolid, &tree));
	TRY(tree_cursor_init(&cursor, tree));
	err = name_is_legal(name, name_len) ? tree_cursor_seek(&cursor, &key, &key) :
					      -ERR_KEY_NOT_FOUND;
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	for (uint32_t at = 0; err == 0 && at < tree_cursor_len(&cursor);) {
		const uint8_t *entry = tree_cursor_data(&cursor) + at;

		at += DIR_ITEM_SIZE + dir_item_name_len(entry) + dir_item_data_len(entry);
		if (!entry_parse(entry, tree->id, ret_entry) || ret_entry->name_len != name_len ||
		    memcmp(ret_entry->name, name, name_len) != 0)
			continue;
		ret_entry->name = name;
		return 0;
	}
	return THROW(ERR_NOT_FOUND, "no \"%.*s\" in directory %llu", (int)name_len, name,
		     (unsigned long long)dir.ino);
}

int salvage_first_dir(struct rescue_view *view, uint64_t subvolid, struct ubtrfs_node *ret_dir)
{
	struct key from = KEY(UBTRFS_ROOT_INO, 0, 0);
	struct key to = KEY(BTRFS_LAST_FREE_OBJECTID, UINT8_MAX, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	struct tree_view *tree;
	int err;

	TRY(view_tree(view, subvolid, &tree));
	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		uint8_t type = tree_cursor_key(&cursor).type;

		if (type != BTRFS_DIR_ITEM_KEY && type != BTRFS_DIR_INDEX_KEY)
			continue;
		*ret_dir = (struct ubtrfs_node){ subvolid, tree_cursor_key(&cursor).objectid };
		return 0;
	}
	if (err != -ERR_KEY_NOT_FOUND)
		return err;
	return THROW(ERR_NOT_FOUND, "no directory is left in subvolume %llu",
		     (unsigned long long)subvolid);
}
