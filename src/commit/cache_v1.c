/*
 * Version 1 of the space cache: what we do not write we must not leave behind as if it were true.
 *
 * Each block group may have a file in the root tree that lists its free space, as of some commit;
 * Linux believes the file when its sum is right, and the superblock's cache_generation does not tell
 * of one group alone. So the first commit of ours removes all of them, with the items that name
 * them: readers without a cache look at the extent tree.
 * Bound: the items are removed one by one, each once. Locks: serialised by ops/ (RANK_OPS).
 */
#include "commit/commit.h"

/* What stands for "there is no version 1 cache" in the superblock. */
#define NO_CACHE UINT64_MAX

/* The next item of a range; ERR_KEY_NOT_FOUND. data: as much of it as fits. */
static int item_next(struct tree *tree, const struct key *first, const struct key *last, void *data,
		     uint32_t len, struct key *ret_key)
{
	SCOPED(cursor) struct cursor cursor;
	struct key key;
	bool exact;

	cursor_init(&cursor, tree);
	TRY(cursor_seek(&cursor, first, &exact));
	key = cursor_key(&cursor);
	if (key_compare(&key, last) > 0)
		return -ERR_KEY_NOT_FOUND;
	CORRUPT_IF(cursor_len(&cursor) < len, "a file of the space cache has an item of %u bytes",
		   cursor_len(&cursor));
	memcpy(data, cursor_data(&cursor), len);
	*ret_key = key;
	return 0;
}

static int extents_drop(struct core *core, struct tree *tree, uint64_t ino)
{
	struct key first = KEY(ino, BTRFS_EXTENT_DATA_KEY, 0);
	struct key last = KEY(ino, BTRFS_EXTENT_DATA_KEY, UINT64_MAX), key;
	uint8_t item[FILE_EXTENT_SIZE];
	int err;

	while ((err = item_next(tree, &first, &last, item, sizeof(item), &key)) == 0) {
		if (file_extent_disk_bytenr(item))
			TRY(extent_ref_data(
				core->txn, &core->extents, file_extent_disk_bytenr(item),
				file_extent_disk_num_bytes(item), BTRFS_ROOT_TREE_OBJECTID, ino,
				key.offset - file_extent_offset(item), -1));
		TRY(tree_remove(core->txn, tree, &key));
	}
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int file_drop(struct core *core, struct tree *tree, uint64_t ino)
{
	uint64_t nr;

	TRY(extents_drop(core, tree, ino));
	return tree_remove_range(core->txn, tree, &KEY(ino, 0, 0), &KEY(ino, UINT8_MAX, UINT64_MAX),
				 &nr);
}

int cache_v1_drop(struct core *core)
{
	struct key first = KEY(BTRFS_FREE_SPACE_OBJECTID, 0, 0);
	struct key last = KEY(BTRFS_FREE_SPACE_OBJECTID, 0, UINT64_MAX), key, location;
	uint8_t header[FREE_SPACE_HEADER_SIZE];
	struct root *root;
	int err;

	if (super_compat_ro_flags(core->super) & BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE ||
	    super_cache_generation(core->super) == NO_CACHE)
		return 0;
	TRY(root_get(core->roots, BTRFS_ROOT_TREE_OBJECTID, &root));
	while ((err = item_next(&root->tree, &first, &last, header, sizeof(header), &key)) == 0) {
		location = key_load(free_space_header_location(header));
		TRY(file_drop(core, &root->tree, location.objectid));
		TRY(tree_remove(core->txn, &root->tree, &key));
	}
	if (err != -ERR_KEY_NOT_FOUND)
		return err;
	super_set_cache_generation(core->super, NO_CACHE);
	return 0;
}
