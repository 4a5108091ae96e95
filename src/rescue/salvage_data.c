/*
 * Contents of files: extent by extent, each sector from the first copy that fits its checksum.
 *
 * A sector without checksum is taken as it is and told as unverified; one that fits on no copy is
 * told as lost (and given out if the options say so). A part of a compressed extent needs all of
 * it. Extents that may have gone with a tree block are told at the end, unless the inode's count of
 * bytes says that none is missing. Nothing is read for holes, so that any length takes no time.
 * Owns nothing; no locks.
 */
#include <inttypes.h>
#include <stdio.h>

#include "codec/compress.h"
#include "rescue/rescue_priv.h"

#define PIECE_BYTES ((uint64_t)1 << 20)
/* No extent of Linux is longer; a longer one is damage, and would take for ever. */
#define EXTENT_BYTES_MAX ((uint64_t)1 << 30)
#define GAPS_MAX 64u

enum sector_kind { SECTOR_GOOD, SECTOR_UNVERIFIED, SECTOR_BAD, SECTOR_UNREADABLE };

struct gap {
	uint64_t start, end;
};

struct reading {
	struct rescue_view *view;
	const struct geometry *g;
	const struct ubtrfs_rescue_sink *sink;
	uint64_t size; /* what the inode says; UINT64_MAX without one, or with one of an older state */
	uint64_t end;	   /* behind the last extent */
	uint64_t data_end; /* behind the last one that holds data */
	uint64_t sum_bytes;
	bool no_csums; /* this file has none, and that is right */
	unsigned state;
	unsigned nr_gaps;
	struct gap gaps[GAPS_MAX];
	uint8_t *data, *csums, *have, *kinds; /* for a piece; owned */
};

struct extent {
	uint64_t start, len_bytes; /* in the file */
	uint64_t addr, disk_bytes, ram_bytes, offset;
	uint8_t compression;
	const uint8_t *inline_data;
	uint32_t inline_len;
};

static int tell_lost(struct reading *reading, uint64_t start, uint64_t len_bytes, const char *why)
{
	reading->state |= UBTRFS_RESCUE_BAD_DATA;
	return reading->sink->lost(reading->sink->ctx, start, len_bytes, why);
}

/* ---- sectors ---- */

static bool sector_fits(const struct reading *reading, size_t index, const uint8_t *data)
{
	uint8_t csum[CSUM_SIZE_MAX];

	csum_compute(reading->g->csum_type, data, reading->g->sectorsize, csum);
	return memcmp(csum, reading->csums + index * reading->g->csum_size,
		      reading->g->csum_size) == 0;
}

/* What a sector is that was read: any copy of it. */
static enum sector_kind sector_judge(const struct reading *reading, size_t index,
				     const uint8_t *data)
{
	if (reading->no_csums)
		return SECTOR_GOOD;
	if (reading->view->rescue->options.how.no_verify || reading->have[index] == CSUM_NONE)
		return SECTOR_UNVERIFIED;
	if (sector_fits(reading, index, data))
		return SECTOR_GOOD;
	/* A checksum of an older state may be that of other data. */
	return reading->have[index] == CSUM_OLDER ? SECTOR_UNVERIFIED : SECTOR_BAD;
}

/* Each copy in turn; the last one that can be read stays when none fits. */
static enum sector_kind sector_retry(struct reading *reading, uint64_t addr, size_t index)
{
	struct volume *volume = reading->view->rescue->volume;
	uint8_t *data = reading->data + index * reading->g->sectorsize;
	unsigned nr_mirrors = volume_nr_mirrors(volume, addr);
	enum sector_kind best = SECTOR_UNREADABLE;

	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		enum sector_kind kind;

		if (volume_read(volume, addr, data, reading->g->sectorsize, mirror) < 0)
			continue;
		kind = sector_judge(reading, index, data);
		if (kind == SECTOR_GOOD)
			return kind;
		best = MIN(best, kind);
	}
	/* What the last copy gave may be half of nothing. */
	if (best != SECTOR_UNREADABLE &&
	    volume_read(volume, addr, data, reading->g->sectorsize, 0) < 0)
		return SECTOR_UNREADABLE;
	return best;
}

/* Reads whole sectors of a mapped range of at most PIECE_BYTES into data and kinds. */
static int sectors_read(struct reading *reading, uint64_t addr, uint64_t len_bytes)
{
	struct volume *volume = reading->view->rescue->volume;
	uint32_t sectorsize = reading->g->sectorsize;
	size_t nr = len_bytes / sectorsize;
	int err = volume_read(volume, addr, reading->data, len_bytes, 0);

	if (!reading->no_csums)
		TRY(csums_find(reading->view, addr, nr, reading->csums, reading->have));
	for (size_t i = 0; i < nr; i++) {
		enum sector_kind kind = SECTOR_BAD;

		if (err == 0)
			kind = sector_judge(reading, i, reading->data + i * sectorsize);
		if (kind >= SECTOR_BAD)
			kind = sector_retry(reading, addr + i * sectorsize, i);
		if (kind == SECTOR_UNVERIFIED)
			reading->state |= UBTRFS_RESCUE_UNVERIFIED;
		reading->kinds[i] = (uint8_t)kind;
	}
	return 0;
}

static const char *kind_text(enum sector_kind kind)
{
	return kind == SECTOR_BAD ? "wrong checksum" : "cannot be read";
}

/* ---- plain extents ---- */

/* Gives out what was read: the bytes of the file from start on lie at data + skip. */
static int piece_tell(struct reading *reading, uint64_t start, uint64_t len_bytes, uint64_t skip)
{
	uint32_t sectorsize = reading->g->sectorsize;
	bool keep = reading->view->rescue->options.ignore_csum;
	uint64_t done = 0;

	while (done < len_bytes) {
		enum sector_kind kind = reading->kinds[(skip + done) / sectorsize];
		uint64_t run = done;

		while (run < len_bytes && reading->kinds[(skip + run) / sectorsize] == kind)
			run += sectorsize - (skip + run) % sectorsize;
		run = MIN(run, len_bytes) - done;
		if (kind < SECTOR_BAD || (kind == SECTOR_BAD && keep)) {
			int ret = reading->sink->data(reading->sink->ctx, start + done,
						      reading->data + skip + done, run);

			if (ret)
				return ret;
		}
		if (kind >= SECTOR_BAD) {
			int ret = tell_lost(reading, start + done, run, kind_text(kind));

			if (ret)
				return ret;
		}
		done += run;
	}
	return 0;
}

/* How far it is mapped from here; 0 and the length of the hole in *ret_hole when it is not. */
static uint64_t mapped_bytes(struct reading *reading, uint64_t addr, uint64_t len_bytes,
			     uint64_t *ret_hole)
{
	struct volume *volume = reading->view->rescue->volume;
	const struct chunk *chunk = chunk_map_find(volume, addr);

	if (chunk)
		return MIN(len_bytes, chunk->logical + chunk->len_bytes - addr);
	chunk = chunk_map_next(volume, addr);
	*ret_hole = chunk ? MIN(len_bytes, chunk->logical - addr) : len_bytes;
	return 0;
}

static int plain_read(struct reading *reading, const struct extent *extent, uint64_t len_bytes)
{
	uint32_t sectorsize = reading->g->sectorsize;
	uint64_t addr = extent->addr + extent->offset, done = 0;

	while (done < len_bytes) {
		uint64_t at = round_down(addr + done, sectorsize);
		uint64_t skip = addr + done - at;
		uint64_t whole = MIN(round_up(skip + len_bytes - done, sectorsize), PIECE_BYTES);
		uint64_t hole = 0;
		uint64_t mapped = round_down(mapped_bytes(reading, at, whole, &hole), sectorsize);
		uint64_t step =
			MIN((mapped ? mapped : MAX(hole, sectorsize)) - skip, len_bytes - done);
		int ret;

		if (mapped) {
			TRY(sectors_read(reading, at, mapped));
			ret = piece_tell(reading, extent->start + done, step, skip);
		} else {
			step = MIN(MAX(hole, sectorsize) - skip, len_bytes - done);
			ret = tell_lost(reading, extent->start + done, step, "no chunk maps it");
		}
		if (ret)
			return ret;
		done += step;
	}
	return 0;
}

/* ---- compressed extents ---- */

/* All sectors of a compressed extent into data; *ret_why is set when one is lost, *ret_useless when
 * it is not to be given out either. */
static int packed_read(struct reading *reading, const struct extent *extent, const char **ret_why,
		       bool *ret_useless)
{
	size_t nr = extent->disk_bytes / reading->g->sectorsize;
	uint64_t hole;

	if (mapped_bytes(reading, extent->addr, extent->disk_bytes, &hole) < extent->disk_bytes) {
		*ret_why = "no chunk maps it";
		*ret_useless = true;
		return 0;
	}
	TRY(sectors_read(reading, extent->addr, extent->disk_bytes));
	for (size_t i = 0; i < nr; i++) {
		if (reading->kinds[i] < SECTOR_BAD)
			continue;
		*ret_why = kind_text(reading->kinds[i]);
		*ret_useless |= reading->kinds[i] == SECTOR_UNREADABLE ||
				!reading->view->rescue->options.ignore_csum;
	}
	return 0;
}

static int packed_tell(struct reading *reading, const struct extent *extent, uint64_t len_bytes,
		       const uint8_t *packed, size_t packed_len)
{
	SCOPED_MEM uint8_t *plain = mem_alloc(extent->ram_bytes);
	int err;

	if (!plain)
		return MEM_FAIL("decompressing file data");
	err = decompress_run((enum compress_type)extent->compression, reading->g->sectorsize,
			     packed, packed_len, plain, extent->ram_bytes);
	if (err < 0 && err_is_fatal(err))
		return err;
	if (err < 0)
		return tell_lost(reading, extent->start, len_bytes, "cannot be decompressed");
	return reading->sink->data(reading->sink->ctx, extent->start, plain + extent->offset,
				   len_bytes);
}

static int compressed_read(struct reading *reading, const struct extent *extent, uint64_t len_bytes)
{
	const char *why = NULL;
	bool useless = false;
	int ret = 0;

	if (extent->ram_bytes > PIECE_BYTES || extent->disk_bytes > PIECE_BYTES ||
	    !is_aligned(extent->disk_bytes, reading->g->sectorsize))
		return tell_lost(reading, extent->start, len_bytes,
				 "the compressed extent has no sense");
	TRY(packed_read(reading, extent, &why, &useless));
	if (!useless)
		ret = packed_tell(reading, extent, len_bytes, reading->data, extent->disk_bytes);
	return ret || !why ? ret : tell_lost(reading, extent->start, len_bytes, why);
}

/* ---- extents ---- */

static int inline_read(struct reading *reading, const struct extent *extent, uint64_t len_bytes)
{
	if (extent->ram_bytes > PIECE_BYTES)
		return tell_lost(reading, extent->start, len_bytes, "the inline data has no sense");
	if (extent->compression)
		return packed_tell(reading, extent, len_bytes, extent->inline_data,
				   extent->inline_len);
	if (len_bytes > extent->inline_len)
		return tell_lost(reading, extent->start, len_bytes,
				 "the inline data is shorter than it says");
	return reading->sink->data(reading->sink->ctx, extent->start, extent->inline_data,
				   len_bytes);
}

static struct extent extent_of(const struct tree_cursor *cursor)
{
	const uint8_t *item = tree_cursor_data(cursor);
	struct extent extent = { .start = tree_cursor_key(cursor).offset,
				 .ram_bytes = file_extent_ram_bytes(item),
				 .compression = file_extent_compression(item) };

	/* Types, lengths and alignments have passed the validator. */
	if (file_extent_type(item) == BTRFS_FILE_EXTENT_INLINE) {
		extent.len_bytes = extent.ram_bytes;
		extent.inline_data = item + FILE_EXTENT_INLINE_AT;
		extent.inline_len = tree_cursor_len(cursor) - FILE_EXTENT_INLINE_AT;
		return extent;
	}
	extent.len_bytes = file_extent_num_bytes(item);
	extent.addr = file_extent_disk_bytenr(item);
	extent.disk_bytes = file_extent_disk_num_bytes(item);
	extent.offset = file_extent_offset(item);
	return extent;
}

static int extent_read(struct reading *reading, const struct extent *extent, bool is_prealloc)
{
	uint64_t held = extent->compression ? extent->ram_bytes : extent->disk_bytes;
	uint64_t len_bytes = extent->len_bytes;

	if (extent->inline_data || extent->addr)
		reading->sum_bytes += len_bytes;
	if (extent->start >= reading->size)
		return 0;
	len_bytes = MIN(len_bytes, reading->size - extent->start);
	if (extent->inline_data)
		return inline_read(reading, extent, len_bytes);
	if (!extent->addr || is_prealloc)
		return 0;
	if (extent->offset > held || extent->len_bytes > held - extent->offset ||
	    extent->disk_bytes > EXTENT_BYTES_MAX || extent->ram_bytes > EXTENT_BYTES_MAX)
		return tell_lost(reading, extent->start, len_bytes, "the extent has no sense");
	if (extent->compression)
		return compressed_read(reading, extent, len_bytes);
	return plain_read(reading, extent, len_bytes);
}

static void gap_add(struct reading *reading, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	if (reading->nr_gaps == GAPS_MAX)
		reading->gaps[GAPS_MAX - 1].end = end;
	else
		reading->gaps[reading->nr_gaps++] = (struct gap){ start, end };
}

static int extents_read(struct reading *reading, struct tree_view *tree, uint64_t ino)
{
	struct key from = KEY(ino, BTRFS_EXTENT_DATA_KEY, 0);
	struct key to = KEY(ino, BTRFS_EXTENT_DATA_KEY, UINT64_MAX);
	SCOPED(tree_cursor) struct tree_cursor cursor = { 0 };
	int err, ret;

	TRY(tree_cursor_init(&cursor, tree));
	for (err = tree_cursor_seek(&cursor, &from, &to); err == 0;
	     err = tree_cursor_next(&cursor)) {
		struct extent extent = extent_of(&cursor);
		bool is_prealloc = !extent.inline_data &&
				   file_extent_type(tree_cursor_data(&cursor)) ==
					   BTRFS_FILE_EXTENT_PREALLOC;

		if (cursor.state & UBTRFS_RESCUE_GAP)
			gap_add(reading, reading->end, MIN(extent.start, reading->size));
		reading->state |= cursor.state;
		cursor.state = 0;
		ret = extent_read(reading, &extent, is_prealloc);
		if (ret)
			return ret;
		reading->end = MAX(reading->end, extent.start + extent.len_bytes);
		if (!is_prealloc && (extent.inline_data || extent.addr))
			reading->data_end = reading->end;
	}
	if (cursor.state & UBTRFS_RESCUE_GAP)
		gap_add(reading, reading->end,
			reading->size == UINT64_MAX ? reading->end : reading->size);
	reading->state |= cursor.state;
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int buffers_init(struct reading *reading)
{
	size_t nr = PIECE_BYTES / reading->g->sectorsize;

	reading->data = mem_alloc(PIECE_BYTES);
	reading->csums = mem_array(nr, reading->g->csum_size);
	reading->have = mem_array(nr, 1);
	reading->kinds = mem_array(nr, 1);
	if (!reading->data || !reading->csums || !reading->have || !reading->kinds)
		return MEM_FAIL("reading file data");
	return 0;
}

static void buffers_fini(struct reading *reading)
{
	mem_free(reading->data);
	mem_free(reading->csums);
	mem_free(reading->have);
	mem_free(reading->kinds);
}

static int gaps_tell(struct reading *reading)
{
	for (unsigned i = 0; i < reading->nr_gaps; i++) {
		int ret = tell_lost(reading, reading->gaps[i].start,
				    reading->gaps[i].end - reading->gaps[i].start,
				    "its extents are gone with a tree block, or it is a hole");

		if (ret)
			return ret;
	}
	return 0;
}

/* An inode of an older state may know nothing of the last extents; it knows best where in its last
 * sector a file ends. */
static uint64_t length_of(const struct reading *reading, bool has_inode, uint64_t inode_size)
{
	uint32_t sectorsize = reading->g->sectorsize;

	if (reading->size != UINT64_MAX)
		return reading->size;
	if (!has_inode)
		return reading->end;
	if (inode_size >= reading->data_end ||
	    div_up(inode_size, sectorsize) == div_up(reading->data_end, sectorsize))
		return inode_size;
	return reading->data_end;
}

/* All bytes that the inode counts are there: between them are holes. */
static bool nothing_is_missing(const struct reading *reading, const uint8_t *item)
{
	return reading->size != UINT64_MAX &&
	       !(reading->state & ~(UBTRFS_RESCUE_GAP | UBTRFS_RESCUE_UNVERIFIED)) &&
	       reading->sum_bytes == inode_item_nbytes(item);
}

static int read_steps(struct reading *reading, struct tree_view *tree, uint64_t ino,
		      uint64_t *ret_len)
{
	uint8_t item[INODE_ITEM_SIZE] = { 0 };
	unsigned state;
	int err = salvage_inode_item(tree, ino, item, &state);
	bool has_inode = err == 0;

	if (err < 0 && err != -ERR_NOT_FOUND)
		return err;
	reading->size = has_inode && !state ? inode_item_size(item) : UINT64_MAX;
	reading->state |= state | (has_inode ? 0 : UBTRFS_RESCUE_NO_INODE);
	reading->no_csums = has_inode && (inode_item_flags(item) & BTRFS_INODE_NODATASUM);
	/* Of a state that is gone nobody else vouches that its data is still there. */
	if (reading->no_csums && !reading->view->is_current)
		reading->state |= UBTRFS_RESCUE_UNVERIFIED;
	TRY(buffers_init(reading));
	err = extents_read(reading, tree, ino);
	if (err)
		return err;
	*ret_len = length_of(reading, has_inode, inode_item_size(item));
	if ((reading->state & UBTRFS_RESCUE_GAP) && nothing_is_missing(reading, item)) {
		reading->state &= ~UBTRFS_RESCUE_GAP;
		return 0;
	}
	return gaps_tell(reading);
}

int salvage_read(struct rescue_view *view, struct ubtrfs_node node,
		 const struct ubtrfs_rescue_sink *sink, uint64_t *ret_len, unsigned *ret_state)
{
	struct reading reading = { .view = view, .g = &view->rescue->geometry, .sink = sink };
	struct tree_view *tree;
	uint64_t len_bytes;
	int err;

	TRY(view_tree(view, node.subvolid, &tree));
	err = read_steps(&reading, tree, node.ino, &len_bytes);
	buffers_fini(&reading);
	if (err)
		return err;
	*ret_len = len_bytes;
	*ret_state = reading.state;
	return 0;
}
