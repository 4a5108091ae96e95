/*
 * The extents of files, and whether somebody shares them.
 *
 * Items are copied out of the tree in batches (PIECES_BATCH), then each is asked about. Takes the
 * lock of the filesystem for one file at a time.
 */
#include <ubtrfs/admin.h>

#include "base/assert.h"
#include "ops/op_paths.h"

#define PIECES_BATCH 256u

struct ubtrfs_pieces {
	struct ubtrfs *fs;
	struct backref_walk *walk;
};

struct piece_item {
	struct ubtrfs_piece piece;
	uint64_t disk_addr, disk_len_bytes;
};

UBTRFS_API int ubtrfs_pieces_new(struct ubtrfs *fs, struct ubtrfs_pieces **ret_pieces)
{
	struct ubtrfs_pieces *pieces = mem_zalloc(sizeof(*pieces));
	int err;

	fs_lock(fs);
	err = pieces ? fs_settle(fs) : MEM_FAIL("the extents of files");
	if (err == 0)
		err = backref_walk_new(&fs->core.extents, &pieces->walk);
	if (err == 0) {
		pieces->fs = fs;
		*ret_pieces = pieces;
	} else {
		mem_free(pieces);
	}
	return fs_unlock(fs, err);
}

UBTRFS_API void ubtrfs_pieces_free(struct ubtrfs_pieces *pieces)
{
	if (!pieces)
		return;
	backref_walk_free(pieces->walk);
	mem_free(pieces);
}

static bool piece_load(const struct key *key, const uint8_t *item, uint32_t len,
		       struct piece_item *ret)
{
	bool encoded;

	if (len < FILE_EXTENT_SIZE || file_extent_type(item) == BTRFS_FILE_EXTENT_INLINE ||
	    !file_extent_disk_bytenr(item))
		return false;
	encoded = file_extent_compression(item) != BTRFS_COMPRESS_NONE;
	*ret = (struct piece_item){
		.piece = { .offset = key->offset,
			   .len_bytes = file_extent_num_bytes(item),
			   .logical = file_extent_disk_bytenr(item) +
				      (encoded ? 0 : file_extent_offset(item)),
			   .prealloc = file_extent_type(item) == BTRFS_FILE_EXTENT_PREALLOC,
			   .encoded = encoded },
		.disk_addr = file_extent_disk_bytenr(item),
		.disk_len_bytes = file_extent_disk_num_bytes(item),
	};
	return true;
}

/* The next pieces at or after *from, which moves behind them; *ret_nr 0 at the end. */
static int next_pieces(struct root *root, uint64_t ino, struct key *from,
		       struct piece_item items[PIECES_BATCH], unsigned *ret_nr)
{
	SCOPED(cursor) struct cursor cursor;
	unsigned nr = 0;
	bool exact;
	int err;

	cursor_init(&cursor, &root->tree);
	for (err = cursor_seek(&cursor, from, &exact); err == 0 && nr < PIECES_BATCH;
	     err = cursor_next(&cursor)) {
		struct key key = cursor_key(&cursor);

		if (key.objectid != ino || key.type != BTRFS_EXTENT_DATA_KEY)
			break;
		nr += piece_load(&key, cursor_data(&cursor), cursor_len(&cursor), &items[nr]);
		*from = key_next(key);
	}
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_nr = nr;
	return 0;
}

static int visit_pieces(struct ubtrfs_pieces *pieces, struct ubtrfs_node node,
			int (*visit)(void *ctx, const struct ubtrfs_piece *piece), void *ctx)
{
	struct key from = KEY(node.ino, BTRFS_EXTENT_DATA_KEY, 0);
	struct piece_item items[PIECES_BATCH];
	struct root *root;
	unsigned nr;

	TRY(fs_settle(pieces->fs));
	TRY(subvolume_id_check(node.subvolid));
	TRY(root_get(pieces->fs->core.roots, node.subvolid, &root));
	do {
		TRY(next_pieces(root, node.ino, &from, items, &nr));
		for (unsigned i = 0; i < nr; i++) {
			int ret;

			TRY(owner_walk_shared(pieces->walk, items[i].disk_addr,
					      items[i].disk_len_bytes, node.subvolid, node.ino,
					      &items[i].piece.shared));
			ret = visit(ctx, &items[i].piece);
			if (ret)
				return ret;
		}
	} while (nr == PIECES_BATCH);
	return 0;
}

UBTRFS_API int ubtrfs_pieces_each(struct ubtrfs_pieces *pieces, struct ubtrfs_node node,
				  int (*visit)(void *ctx, const struct ubtrfs_piece *piece),
				  void *ctx)
{
	return FS_READ(pieces->fs, visit_pieces(pieces, node, visit, ctx));
}
