/*
 * Extents of a file on their way into its overlay: joining neighbours, inline contents, holes.
 *
 * A plain extent that was just noted stays open (inode->open_*) while the next piece continues it
 * on disk and in the file; its item and its reference are made when it is closed. Invariant:
 * extent_end is the end of the last extent of the file, open one included.
 */
#include "base/assert.h"
#include "file/file.h"

static void extent_fill(uint8_t *item, uint64_t generation, const struct extent_note *note)
{
	memset(item, 0, FILE_EXTENT_SIZE);
	file_extent_set_generation(item, generation);
	file_extent_set_ram_bytes(item, note->ram_bytes);
	file_extent_set_compression(item, (uint8_t)note->compress);
	file_extent_set_type(item, BTRFS_FILE_EXTENT_REG);
	file_extent_set_disk_bytenr(item, note->addr);
	file_extent_set_disk_num_bytes(item, note->disk_bytes);
	file_extent_set_num_bytes(item, note->num_bytes);
}

static int extent_put(struct writeback *writeback, struct inode *inode,
		      const struct extent_note *note)
{
	struct txn *txn = writeback->config.txn;
	uint8_t item[FILE_EXTENT_SIZE];
	int err;

	extent_fill(item, txn->generation, note);
	err = delayed_put(inode, BTRFS_EXTENT_DATA_KEY, note->offset, item, FILE_EXTENT_SIZE,
			  false);
	if (err == 0 && note->addr)
		err = extent_add_data(txn, writeback->config.extents, note->addr, note->disk_bytes,
				      inode->root->objectid, inode->ino, note->offset);
	return err < 0 ? txn_abort(txn, err, "noting an extent of a file") : 0;
}

int extent_close(struct writeback *writeback, struct inode *inode)
{
	struct extent_note note = { .offset = inode->open_offset,
				    .num_bytes = inode->open_len,
				    .addr = inode->open_addr,
				    .disk_bytes = inode->open_len,
				    .ram_bytes = inode->open_len };

	if (!inode->open_len)
		return 0;
	inode->open_len = 0;
	return extent_put(writeback, inode, &note);
}

/* The gap [start, end) behind the last extent. */
static int gap_note(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end)
{
	if (inode->table->no_holes)
		return 0;
	TRY(extent_close(writeback, inode));
	TRY(extent_put(writeback, inode,
		       &(struct extent_note){ .offset = start,
					      .num_bytes = end - start,
					      .ram_bytes = end - start }));
	inode->extent_end = end;
	return 0;
}

int extent_fill_hole(struct writeback *writeback, struct inode *inode, uint64_t end)
{
	uint64_t start;

	TRY(file_extent_end(inode, &start));
	return inode->has_inline || start >= end ? 0 : gap_note(writeback, inode, start, end);
}

/* Makes room for [start, end): what the file has there goes; a gap before it becomes a hole. */
static int extent_prepare(struct writeback *writeback, struct inode *inode, uint64_t start,
			  uint64_t end)
{
	uint64_t last;

	TRY(file_extent_end(inode, &last));
	if (start < last) {
		/* Runs behind this one may be in flight: only what is noted already is dropped. */
		TRY(file_drop_noted(writeback, inode, start, end));
		TRY(file_extent_end(inode, &last));
	}
	/* Also behind what is inline: that sector is dirty, and will be an extent soon. */
	if (start > last)
		TRY(gap_note(writeback, inode, last, start));
	inode->extent_end = MAX(MAX(last, inode->extent_end), end);
	return 0;
}

/* An extent lies in one block group, also where the next one begins right behind it. */
static bool extent_continues(const struct writeback *writeback, const struct inode *inode,
			     const struct extent_note *note)
{
	return inode->open_len && !note->compress &&
	       inode->open_offset + inode->open_len == note->offset &&
	       inode->open_addr + inode->open_len == note->addr &&
	       inode->open_len + note->num_bytes <= EXTENT_MAX_BYTES &&
	       space_group_of(writeback->space, inode->open_addr) ==
		       space_group_of(writeback->space, note->addr);
}

int extent_note(struct writeback *writeback, struct inode *inode, const struct extent_note *note)
{
	ASSERT(is_aligned(note->offset, writeback->geometry.sectorsize) && note->num_bytes);
	TRY(extent_prepare(writeback, inode, note->offset, note->offset + note->num_bytes));
	inode_add_nbytes(inode, (int64_t)note->num_bytes);
	if (extent_continues(writeback, inode, note)) {
		inode->open_len += note->num_bytes;
		return 0;
	}
	TRY(extent_close(writeback, inode));
	writeback->compress_used |= 1u << note->compress;
	if (note->compress)
		return extent_put(writeback, inode, note);
	inode->open_offset = note->offset;
	inode->open_addr = note->addr;
	inode->open_len = note->num_bytes;
	return 0;
}

int extent_note_inline(struct writeback *writeback, struct inode *inode, const void *data,
		       uint32_t len, uint32_t ram_bytes, int compress)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint8_t *item = inode->table->edit;
	uint64_t last;

	ASSERT(FILE_EXTENT_INLINE_AT + len <= geometry_max_item(&writeback->geometry));
	TRY(file_extent_end(inode, &last));
	/* What is behind the end of the file, preallocated, stays. */
	if (last)
		TRY(file_drop_noted(writeback, inode, 0, sectorsize));
	memset(item, 0, FILE_EXTENT_INLINE_AT);
	file_extent_set_generation(item, writeback->config.txn->generation);
	file_extent_set_ram_bytes(item, ram_bytes);
	writeback->compress_used |= 1u << compress;
	file_extent_set_compression(item, (uint8_t)compress);
	file_extent_set_type(item, BTRFS_FILE_EXTENT_INLINE);
	memcpy(item + FILE_EXTENT_INLINE_AT, data, len);
	TRY(delayed_put(inode, BTRFS_EXTENT_DATA_KEY, 0, item, FILE_EXTENT_INLINE_AT + len, false));
	inode->has_inline = true;
	inode->extent_end = last > sectorsize ? UINT64_MAX : round_up(ram_bytes, sectorsize);
	inode_add_nbytes(inode, ram_bytes);
	return 0;
}
