/*
 * free_tree_bitmap: groups whose free space Linux keeps in bitmaps (many small extents).
 *
 * FREE_SPACE_BITMAP (start, length): one bit per sector of that range, least significant first, 1 =
 * free; at most 256 bytes each. The items of a group follow each other without gap; the count in
 * the info is that of runs of ones, over the borders of items. We keep the form that we find and
 * never make bitmaps. Locks: none of its own.
 */
#include "store/store_priv.h"

static bool bits_test(const uint8_t *bits, uint64_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

/* A bitmap item, copied. */
struct free_bitmap {
	struct key key;
	uint8_t bits[BTRFS_FREE_SPACE_BITMAP_SIZE];
};

static int bitmap_copy(const struct store *store, const struct block_group *group,
		       const struct cursor *cursor, struct free_bitmap *ret_bitmap)
{
	struct key key = cursor_key(cursor);
	uint64_t sectors = key.offset / store->geometry.sectorsize;

	CORRUPT_IF(!key.offset || key.offset > block_group_end(group) - key.objectid ||
			   !is_aligned(key.offset, store->geometry.sectorsize) ||
			   sectors > BTRFS_FREE_SPACE_BITMAP_BITS ||
			   cursor_len(cursor) != div_up(sectors, 8),
		   "free-space bitmap %" PRIu64 "+%" PRIu64 " of %u bytes", key.objectid,
		   key.offset, cursor_len(cursor));
	ret_bitmap->key = key;
	memcpy(ret_bitmap->bits, cursor_data(cursor), cursor_len(cursor));
	return 0;
}

/* The bitmap that holds an address. */
static int bitmap_around(struct store *store, struct tree *tree, const struct block_group *group,
			 uint64_t addr, struct free_bitmap *ret_bitmap)
{
	struct key last = KEY(addr, BTRFS_FREE_SPACE_BITMAP_KEY, UINT64_MAX);
	SCOPED(cursor) struct cursor cursor;
	struct key key = KEY_MIN;
	int err;

	cursor_init(&cursor, tree);
	err = cursor_seek_le(&cursor, &last);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0)
		key = cursor_key(&cursor);
	CORRUPT_IF(err < 0 || key.type != BTRFS_FREE_SPACE_BITMAP_KEY ||
			   key.objectid < group->start || addr - key.objectid >= key.offset,
		   "no free-space bitmap for %" PRIu64, addr);
	return bitmap_copy(store, group, &cursor, ret_bitmap);
}

/* Is the sector free? Outside the group: no. */
static int bitmap_sector_is_free(struct store *store, struct tree *tree,
				 const struct block_group *group, uint64_t addr, bool *ret_free)
{
	struct free_bitmap bitmap;

	*ret_free = false;
	if (addr < group->start || addr >= block_group_end(group))
		return 0;
	TRY(bitmap_around(store, tree, group, addr, &bitmap));
	*ret_free =
		bits_test(bitmap.bits, (addr - bitmap.key.objectid) / store->geometry.sectorsize);
	return 0;
}

/* Flips the part of a range that lies in the bitmap of its first byte; *pos moves behind it. */
static int bitmap_flip(struct txn *txn, struct store *store, struct tree *tree,
		       const struct block_group *group, uint64_t *pos, uint64_t end, bool is_free)
{
	uint32_t sector = store->geometry.sectorsize;
	SCOPED(cursor) struct cursor cursor;
	struct free_bitmap bitmap;
	uint64_t bit, stop;
	uint8_t *bits;

	cursor_init(&cursor, tree);
	TRY(bitmap_around(store, tree, group, *pos, &bitmap));
	stop = MIN(end, bitmap.key.objectid + bitmap.key.offset);
	TRY(cursor_seek_write(txn, &cursor, &bitmap.key));
	bits = cursor_data_mut(&cursor);
	for (; *pos < stop; *pos += sector) {
		bit = (*pos - bitmap.key.objectid) / sector;
		CORRUPT_IF(bits_test(bits, bit) == is_free,
			   "free-space bitmap: %" PRIu64 " is %s already", *pos,
			   is_free ? "free" : "taken");
		bits[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	return 0;
}

int free_bitmap_change(struct txn *txn, struct store *store, struct tree *tree,
		       struct block_group *group, uint64_t addr, uint64_t len, bool is_free)
{
	uint64_t pos = addr;
	bool before, after;
	int delta;

	TRY(bitmap_sector_is_free(store, tree, group, addr - store->geometry.sectorsize, &before));
	TRY(bitmap_sector_is_free(store, tree, group, addr + len, &after));
	while (pos < addr + len)
		TRY(bitmap_flip(txn, store, tree, group, &pos, addr + len, is_free));
	/*
	 * A run appears, is joined to one neighbour, or joins two into one; and the other way
	 * round.
	 */
	delta = 1 - before - after;
	group->fst_extent_count += (uint32_t)(is_free ? delta : -delta);
	group->dirty = true;
	return 0;
}

/* ---- reading all ---- */

struct free_run {
	uint64_t addr, len;
};

struct free_runs {
	struct free_run *runs;
	uint32_t nr, capacity;
};

static int runs_add(struct free_runs *runs, uint64_t addr, uint64_t len)
{
	struct free_run *last = runs->nr ? &runs->runs[runs->nr - 1] : NULL;

	if (last && last->addr + last->len == addr) {
		last->len += len;
		return 0;
	}
	if (runs->nr == runs->capacity) {
		uint32_t capacity = runs->capacity ? 2 * runs->capacity : 64;
		struct free_run *more = mem_resize(runs->runs, capacity * sizeof(*more));

		if (!more)
			return MEM_FAIL("free-space bitmaps");
		runs->runs = more;
		runs->capacity = capacity;
	}
	runs->runs[runs->nr++] = (struct free_run){ addr, len };
	return 0;
}

/* All free runs of a group, in order. The caller frees ret_runs->runs, also after a failure. */
static int runs_read(struct store *store, struct tree *tree, const struct block_group *group,
		     struct free_runs *ret_runs)
{
	uint32_t sector = store->geometry.sectorsize;
	uint64_t pos = group->start;

	while (pos < block_group_end(group)) {
		struct free_bitmap bitmap;
		uint64_t nr_bits;

		TRY(bitmap_around(store, tree, group, pos, &bitmap));
		CORRUPT_IF(bitmap.key.objectid != pos, "free-space bitmaps overlap at %" PRIu64,
			   pos);
		nr_bits = bitmap.key.offset / sector;
		for (uint64_t i = 0; i < nr_bits; i++)
			if (bits_test(bitmap.bits, i))
				TRY(runs_add(ret_runs, pos + i * sector, sector));
		pos += bitmap.key.offset;
	}
	return 0;
}

int free_bitmap_load(struct store *store, struct tree *tree, struct block_group *group)
{
	struct free_runs runs = { 0 };
	int err = runs_read(store, tree, group, &runs);

	for (uint32_t i = 0; err == 0 && i < runs.nr; i++)
		err = space_load_free(store->space, group, runs.runs[i].addr, runs.runs[i].len);
	if (err == 0 && runs.nr != group->fst_extent_count)
		err = THROW(ERR_CORRUPT,
			    "block group %" PRIu64
			    ": %u free extents in its bitmaps, its info says %u",
			    group->start, runs.nr, group->fst_extent_count);
	mem_free(runs.runs);
	return err;
}

static int runs_write(struct txn *txn, struct tree *tree, const struct free_runs *runs)
{
	for (uint32_t i = 0; i < runs->nr; i++) {
		struct key key =
			KEY(runs->runs[i].addr, BTRFS_FREE_SPACE_EXTENT_KEY, runs->runs[i].len);

		TRY(tree_insert(txn, tree, &key, NULL, 0));
	}
	return 0;
}

int free_bitmap_to_extents(struct txn *txn, struct store *store, struct tree *tree,
			   struct block_group *group)
{
	struct key first = KEY(group->start, BTRFS_FREE_SPACE_EXTENT_KEY, 0);
	struct key last = KEY(block_group_end(group) - 1, BTRFS_FREE_SPACE_BITMAP_KEY, UINT64_MAX);
	struct free_runs runs = { 0 };
	uint64_t nr;
	int err = runs_read(store, tree, group, &runs);

	if (err == 0)
		err = tree_remove_range(txn, tree, &first, &last, &nr);
	if (err == 0)
		err = runs_write(txn, tree, &runs);
	if (err == 0) {
		group->fst_bitmaps = false;
		group->fst_extent_count = runs.nr;
		group->dirty = true;
	}
	mem_free(runs.runs);
	return err;
}
