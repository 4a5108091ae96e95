/*
 * Sharing: extents of one file become extents of another, or of another place of the same.
 *
 * What is shared keeps its bytes, its checksums and its compression; one more reference is queued
 * for each item. Contents that are inline are copied: they have no extent to share.
 */
#include "base/assert.h"
#include "file/range.h"

/* Extents of dst that one piece replaces, at most. */
#define CLONE_DROP_EXTENTS 4u

/* What stands at src_pos: len bytes of an extent, or of a hole (addr 0). */
struct clone_piece {
	uint64_t src_pos, dst_pos, len;
	const struct file_extent *extent; /* NULL: a hole */
};

static void clone_grow(const struct clone_range *range, uint64_t done)
{
	uint64_t end = range->dst_offset + MIN(done, range->len);

	if (end > inode_size(range->dst))
		inode_set_size(range->dst, end);
}

/* A sector of what is inline goes as bytes. */
static int clone_inline(struct writeback *writeback, const struct clone_range *range, uint64_t done,
			uint64_t *ret_len)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	SCOPED_MEM uint8_t *data = mem_zalloc(sectorsize);
	size_t len = (size_t)MIN(range->len - done, sectorsize), got;

	if (!data)
		return MEM_FAIL("inline data");
	TRY(file_read(writeback, range->src, range->src_offset + done, data, len, &got));
	TRY(file_write(writeback, range->dst, range->dst_offset + done, data, len));
	*ret_len = len;
	return 0;
}

/* The extent seen from its new place in dst. */
static int piece_share(struct writeback *writeback, const struct clone_range *range,
		       const struct clone_piece *piece)
{
	struct inode *dst = range->dst;
	struct file_extent extent = *piece->extent;

	extent.offset += piece->src_pos - extent.start;
	extent.start = piece->dst_pos;
	extent.end = piece->dst_pos + piece->len;
	extent.inline_data = NULL;
	extent.generation = 0;
	TRY(extent_put_part(writeback, dst, &extent, extent.start, extent.end, false));
	inode_add_nbytes(dst, (int64_t)piece->len);
	dst->extent_end = UINT64_MAX;
	return extent_ref_data(writeback->config.txn, writeback->config.extents, extent.addr,
			       extent.disk_bytes, dst->root->objectid, dst->ino,
			       extent.start - extent.offset, 1);
}

/* Puts a piece in the place of what dst has there: as much as a bounded part of dst makes room
 * for. */
static int piece_put(struct writeback *writeback, const struct clone_range *range,
		     struct clone_piece *piece)
{
	uint64_t pos;
	int err;

	TRY(file_drop_some(writeback, range->dst, piece->dst_pos, piece->dst_pos + piece->len,
			   CLONE_DROP_EXTENTS, &pos));
	piece->len = pos - piece->dst_pos;
	if (!piece->extent)
		return file_note_hole(writeback, range->dst, piece->dst_pos, pos);
	err = piece_share(writeback, range, piece);
	return err < 0 ? txn_abort(writeback->config.txn, err, "sharing an extent") : 0;
}

/* The next piece, of whole sectors; *ret_inline: it is inline, and nothing is done. */
static int clone_piece(struct writeback *writeback, const struct clone_range *range, uint64_t done,
		       uint64_t *ret_len, bool *ret_inline)
{
	uint64_t end = round_up(range->len, writeback->geometry.sectorsize);
	struct clone_piece piece = { .src_pos = range->src_offset + done,
				     .dst_pos = range->dst_offset + done,
				     .len = end - done };
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err = file_extent_find(range->src, piece.src_pos, &extent);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_inline = err == 0 && extent.is_inline && extent.start <= piece.src_pos;
	if (*ret_inline)
		return 0;
	if (err == 0 && extent.start > piece.src_pos)
		piece.len = MIN(piece.len, extent.start - piece.src_pos);
	else if (err == 0)
		piece.len = MIN(piece.len, extent.end - piece.src_pos);
	if (err == 0 && extent.start <= piece.src_pos && !extent.is_hole)
		piece.extent = &extent;
	TRY(piece_put(writeback, range, &piece));
	*ret_len = piece.len;
	return 0;
}

/* Before extents can stand behind them: what is inline in dst becomes one; what is not there
 * becomes a hole. */
static int clone_prepare(struct writeback *writeback, const struct clone_range *range)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t end = round_up(inode_size(range->dst), sectorsize);

	TRY(file_quiesce(writeback, range->src));
	TRY(file_quiesce(writeback, range->dst));
	if (range->dst_offset)
		TRY(file_uninline_here(writeback, range->dst));
	return end < range->dst_offset ?
		       file_fill_gaps(writeback, range->dst, end, range->dst_offset) :
		       0;
}

int file_clone_step(struct writeback *writeback, const struct clone_range *range, uint64_t *ret_len)
{
	uint64_t done = 0;

	ASSERT(is_aligned(range->src_offset | range->dst_offset, writeback->geometry.sectorsize));
	TRY(clone_prepare(writeback, range));
	for (unsigned nr = 0; done < range->len && nr < RANGE_STEP_EXTENTS; nr++) {
		bool is_inline;
		uint64_t len;

		TRY(clone_piece(writeback, range, done, &len, &is_inline));
		if (is_inline) {
			TRY(clone_inline(writeback, range, done, &len));
			done += len;
			break;
		}
		done += len;
		clone_grow(range, done);
	}
	*ret_len = MIN(done, range->len);
	return 0;
}
