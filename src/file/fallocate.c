/*
 * Preallocating: extents that are there and read as zeroes.
 */
#include "base/assert.h"
#include "file/range.h"

/* A part of a file that stays as it is, or that gets an extent. */
struct stretch {
	uint64_t start, end;
	enum allocate_what what;
	bool stays;
};

static bool extent_stays(const struct file_extent *extent, enum allocate_what what)
{
	return extent->is_prealloc || (what == ALLOCATE_HOLES && !extent->is_hole);
}

/* The stretch that begins at start, up to end at most; one extent is one stretch. */
static int stretch_find(struct inode *inode, uint64_t start, uint64_t end, enum allocate_what what,
			struct stretch *ret_stretch)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err = file_extent_find(inode, start, &extent);

	*ret_stretch = (struct stretch){ start, end, what, false };
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	ret_stretch->stays = extent.start <= start && extent_stays(&extent, what);
	ret_stretch->end = MIN(end, extent.start > start ? extent.start : extent.end);
	return 0;
}

int file_count_unallocated(struct writeback *writeback, struct inode *inode, uint64_t start,
			   uint64_t end, enum allocate_what what, uint64_t *ret_bytes)
{
	struct stretch stretch;
	uint64_t bytes = 0;

	TRY(file_quiesce(writeback, inode));
	for (uint64_t pos = start; pos < end; pos = stretch.end) {
		TRY(stretch_find(inode, pos, end, what, &stretch));
		bytes += stretch.stays ? 0 : stretch.end - pos;
	}
	*ret_bytes = bytes;
	return 0;
}

/* An extent at start, as long as space has it in one piece. */
static int prealloc_put(struct writeback *writeback, struct inode *inode, uint64_t start,
			const struct file_extent *extent)
{
	struct txn *txn = writeback->config.txn;

	/* Items of holes, or what is given up. */
	TRY(file_drop_range(writeback, inode, start, extent->end));
	TRY(extent_put_part(writeback, inode, extent, extent->start, extent->end, false));
	inode_add_nbytes(inode, (int64_t)extent->disk_bytes);
	return extent_add_data(txn, writeback->config.extents, extent->addr, extent->disk_bytes,
			       inode->root->objectid, inode->ino, extent->start);
}

static int prealloc_make(struct writeback *writeback, struct inode *inode, uint64_t start,
			 uint64_t len, uint64_t *ret_len)
{
	struct file_extent extent = { .start = start, .is_prealloc = true };
	int err;

	TRY(data_alloc(writeback, MIN(len, PREALLOC_MAX_BYTES), writeback->geometry.sectorsize,
		       &extent.addr, &extent.disk_bytes));
	extent.ram_bytes = extent.disk_bytes;
	extent.end = start + extent.disk_bytes;
	err = prealloc_put(writeback, inode, start, &extent);
	inode->extent_end = UINT64_MAX;
	if (err < 0)
		return txn_abort(writeback->config.txn, err, "preallocating");
	*ret_len = extent.disk_bytes;
	return 0;
}

int file_allocate_step(struct writeback *writeback, struct inode *inode, uint64_t start,
		       uint64_t end, enum allocate_what what, uint64_t *ret_pos,
		       uint64_t *ret_bytes)
{
	uint64_t pos = start, made = 0;

	TRY(file_quiesce(writeback, inode));
	for (unsigned nr = 0; pos < end && nr < RANGE_STEP_EXTENTS;) {
		struct stretch stretch;
		uint64_t len;

		TRY(stretch_find(inode, pos, end, what, &stretch));
		len = stretch.end - pos;
		if (!stretch.stays) {
			TRY(prealloc_make(writeback, inode, pos, len, &len));
			made += len;
			nr++;
		}
		pos += len;
	}
	inode_item_set_flags(inode->item, inode_item_flags(inode->item) | BTRFS_INODE_PREALLOC);
	inode_mark_dirty(inode);
	*ret_pos = pos;
	*ret_bytes = made;
	return 0;
}
