/*
 * extent_refs: questions about references, and the changes of data references that files ask for.
 *
 * The answer is always disk plus queue. Who holds a handle may ask at any time (references are not
 * run while handles are inside); others wait for the runner. Locks: RANK_REF_RUN for those others,
 * RANK_REF_DROP for drops of data.
 */
#include "extent/extent_priv.h"

void extents_init(struct extents *extents, struct store *store, bool skinny)
{
	extents->store = store;
	extents->skinny = skinny;
	mutex_init(&extents->run_lock, RANK_REF_RUN, "reference run");
	mutex_init(&extents->drop_lock, RANK_REF_DROP, "reference drop");
}

void extents_fini(struct extents *extents)
{
	mutex_fini(&extents->drop_lock);
	mutex_fini(&extents->run_lock);
}

/* Only the fixed part: small enough to be copied under node locks. */
static int extent_item_head(struct tree *tree, uint64_t addr, uint8_t head[EXTENT_ITEM_SIZE],
			    struct key *ret_key)
{
	struct key first = KEY(addr, BTRFS_EXTENT_ITEM_KEY, 0), key;
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek(&cursor, &first, &exact);
	if (err < 0)
		return err;
	key = cursor_key(&cursor);
	if (key.objectid != addr ||
	    (key.type != BTRFS_EXTENT_ITEM_KEY && key.type != BTRFS_METADATA_ITEM_KEY))
		return -ERR_KEY_NOT_FOUND;
	CORRUPT_IF(cursor_len(&cursor) < EXTENT_ITEM_SIZE,
		   "the item of extent %" PRIu64 " has %u bytes", addr, cursor_len(&cursor));
	memcpy(head, cursor_data(&cursor), EXTENT_ITEM_SIZE);
	*ret_key = key;
	return 0;
}

int extent_refs_inside(struct extents *extents, uint64_t addr, bool metadata, int64_t *ret_refs,
		       uint64_t *ret_flags, struct key *ret_key)
{
	uint64_t kind = metadata ? BTRFS_EXTENT_FLAG_TREE_BLOCK : BTRFS_EXTENT_FLAG_DATA;
	int64_t pending = ref_queue_pending(space_ref_queue(extents->store->space), addr);
	uint8_t head[EXTENT_ITEM_SIZE] = { 0 };
	struct key key = KEY_MIN;
	struct tree *tree;
	int err;

	TRY(extent_tree(extents, &tree));
	err = extent_item_head(tree, addr, head, &key);
	if (err == -ERR_KEY_NOT_FOUND && pending > 0)
		extent_item_set_flags(head, kind);
	else if (err == -ERR_KEY_NOT_FOUND)
		return THROW(ERR_EXTENT_MISSING, "extent %" PRIu64 " has no item", addr);
	else
		TRY(err);
	CORRUPT_IF(!(extent_item_flags(head) & kind), "extent %" PRIu64 " is %s tree block", addr,
		   metadata ? "no" : "a");
	*ret_refs = (int64_t)extent_item_refs(head) + pending;
	*ret_flags = extent_item_flags(head);
	*ret_key = key;
	return 0;
}

int extent_refs(struct extents *extents, uint64_t addr, bool metadata, uint8_t level,
		int64_t *ret_refs, uint64_t *ret_flags)
{
	uint64_t flags;
	struct key key;
	int64_t refs;
	int err;

	mutex_lock(&extents->run_lock);
	err = extent_refs_inside(extents, addr, metadata, &refs, &flags, &key);
	mutex_unlock(&extents->run_lock);
	TRY(err);
	CORRUPT_IF(metadata && key.type == BTRFS_METADATA_ITEM_KEY && key.offset != level,
		   "tree block %" PRIu64 " has level %u, its item says %" PRIu64, addr, level,
		   key.offset);
	*ret_refs = refs;
	*ret_flags = flags;
	return 0;
}

int extent_is_shared(struct extents *extents, uint64_t addr, const struct ref_key *mine,
		     bool *ret_shared)
{
	SCOPED(ref_list) struct ref_list list = { 0 };
	uint64_t flags;
	int64_t refs;

	/* Mostly there is one, which is the asker's, whatever its key. */
	TRY(extent_refs(extents, addr, false, 0, &refs, &flags));
	if (refs == 1) {
		*ret_shared = false;
		return 0;
	}
	TRY(extent_ref_list(extents, addr, &list));
	*ret_shared = list.nr != 1 || ref_key_compare(&list.refs[0].key, mine) != 0;
	return 0;
}

bool extent_was_shared(struct extents *extents, uint64_t addr, uint64_t len_bytes,
		       const struct ref_key *mine)
{
	struct space *space = extents->store->space;
	bool was_shared;

	/* No runner has what is in neither. */
	mutex_lock(&extents->run_lock);
	was_shared = ref_queue_others_drop(space_ref_queue(space), addr, mine) ||
		     space_was_left(space, addr, len_bytes);
	mutex_unlock(&extents->run_lock);
	return was_shared;
}

/* ---- listing ---- */

int extent_each_ref(struct extents *extents, uint64_t addr,
		    int (*visit)(void *ctx, const struct ref_key *key, uint32_t count), void *ctx)
{
	SCOPED(ref_list) struct ref_list list = { 0 };

	TRY(extent_ref_list(extents, addr, &list));
	for (size_t i = 0; i < list.nr; i++) {
		int ret = visit(ctx, &list.refs[i].key, (uint32_t)list.refs[i].delta);

		if (ret)
			return ret;
	}
	return 0;
}

/* ---- data references ---- */

static int data_ref_push(struct extents *extents, struct ref_request *request, uint64_t root,
			 uint64_t inode, uint64_t offset)
{
	request->key = (struct ref_key){
		.type = REF_DATA, .root = root, .inode = inode, .offset = offset
	};
	return ref_queue_push(space_ref_queue(extents->store->space), request);
}

int extent_add_data(struct txn *txn, struct extents *extents, uint64_t addr, uint64_t len_bytes,
		    uint64_t root, uint64_t inode, uint64_t offset)
{
	struct ref_request request = {
		.addr = addr,
		.len_bytes = len_bytes,
		.born = true,
		.generation = txn->generation,
		.delta = 1,
	};

	return data_ref_push(extents, &request, root, inode, offset);
}

/* An extent that is about to vanish from the queue without ever having had an item leaves its
 * checksums behind: they go first, since its space may be given out again at once. */
static int drop_csums_of_unborn(struct txn *txn, struct extents *extents,
				const struct ref_request *request)
{
	int64_t pending = ref_queue_pending(space_ref_queue(extents->store->space), request->addr);
	uint8_t head[EXTENT_ITEM_SIZE];
	struct tree *tree, *csum_tree;
	struct root *root;
	struct key key;
	int err;

	if (pending + request->delta != 0)
		return 0;
	TRY(extent_tree(extents, &tree));
	err = extent_item_head(tree, request->addr, head, &key);
	if (err != -ERR_KEY_NOT_FOUND)
		return err;
	TRY(root_get(extents->store->roots, BTRFS_CSUM_TREE_OBJECTID, &root));
	csum_tree = &root->tree;
	return csum_remove(txn, csum_tree, request->addr, request->len_bytes);
}

int extent_ref_data(struct txn *txn, struct extents *extents, uint64_t addr, uint64_t len_bytes,
		    uint64_t root, uint64_t inode, uint64_t offset, int delta)
{
	struct ref_request request = { .addr = addr, .len_bytes = len_bytes, .delta = delta };
	int err = 0;

	ASSERT(delta != 0);
	request.written = delta < 0 && extents->pins_data;
	if (delta > 0)
		return data_ref_push(extents, &request, root, inode, offset);
	/*
	 * Two droppers must not both see the other's reference and leave the checksums to
	 * nobody.
	 */
	mutex_lock(&extents->drop_lock);
	err = drop_csums_of_unborn(txn, extents, &request);
	if (err == 0)
		err = data_ref_push(extents, &request, root, inode, offset);
	mutex_unlock(&extents->drop_lock);
	return err;
}
