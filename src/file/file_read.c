/*
 * Reading: extent by extent, verified against the checksums, decompressed; holes are zero.
 *
 * A range whose sectors are bad here on one mirror and there on another is read all the same
 * (csum_read).
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "file/file.h"

#define READ_PIECE_MAX (1 * MIB)

int file_sync_inode(struct writeback *writeback, struct inode *inode)
{
	if (!link_is_linked(&inode->dirty_link))
		return 0;
	TRY(file_settle(writeback, inode));
	/* What was reaped may still be on its way to the devices. */
	TRY(batch_drain(writeback));
	TRY(csum_batch_flush(writeback));
	return inode_flush(writeback->config.txn, inode);
}

/* Reads whole sectors of an extent and verifies those that have a checksum. */
static int sectors_read(struct writeback *writeback, struct inode *inode, uint64_t addr,
			uint8_t *data, uint64_t len)
{
	const struct geometry *geometry = &writeback->geometry;
	uint64_t nr = len / geometry->sectorsize;
	bool verify = !(inode_item_flags(inode->item) & BTRFS_INODE_NODATASUM);
	SCOPED_MEM uint8_t *csums = mem_array(nr, geometry->csum_size);
	struct csum_range range = { .volume = writeback->volume,
				    .geometry = geometry,
				    .addr = addr,
				    .nr_sectors = nr,
				    .csums = verify ? csums : NULL };
	struct root *root;

	if (!csums)
		return MEM_FAIL("checksums");
	if (verify) {
		TRY(root_get(inode->table->roots, BTRFS_CSUM_TREE_OBJECTID, &root));
		TRY(csum_lookup(&root->tree, addr, nr, csums, NULL));
	}
	return csum_read(&range, data, NULL);
}

static int read_plain(struct writeback *writeback, struct inode *inode,
		      const struct file_extent *extent, uint64_t offset, uint8_t *data, size_t len)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t at = extent->addr + extent->offset + (offset - extent->start);
	uint64_t from = round_down(at, sectorsize);
	uint64_t whole = round_up(at + len, sectorsize) - from;
	SCOPED_MEM uint8_t *buffer = NULL;

	CORRUPT_IF(extent->offset + (extent->end - extent->start) > extent->disk_bytes,
		   "inode %llu: the extent at %llu reaches over the end of what is on disk",
		   (unsigned long long)inode->ino, (unsigned long long)extent->start);
	if (from == at && whole == len)
		return sectors_read(writeback, inode, from, data, len);
	buffer = mem_alloc(whole);
	if (!buffer)
		return MEM_FAIL("reading file data");
	TRY(sectors_read(writeback, inode, from, buffer, whole));
	memcpy(data, buffer + (at - from), len);
	return 0;
}

static int read_compressed(struct writeback *writeback, struct inode *inode,
			   const struct file_extent *extent, uint64_t offset, uint8_t *data,
			   size_t len)
{
	uint64_t within = extent->offset + (offset - extent->start);
	SCOPED_MEM uint8_t *packed = NULL;
	SCOPED_MEM uint8_t *plain = NULL;
	uint64_t packed_len = extent->is_inline ? extent->inline_len : extent->disk_bytes;
	int err;

	CORRUPT_IF(within + len > extent->ram_bytes || packed_len > RUN_MAX_BYTES,
		   "inode %llu: the compressed extent at %llu does not hold what it says",
		   (unsigned long long)inode->ino, (unsigned long long)extent->start);
	plain = mem_alloc(extent->ram_bytes);
	packed = mem_alloc(packed_len);
	if (!plain || !packed)
		return MEM_FAIL("decompressing file data");
	if (extent->is_inline)
		memcpy(packed, extent->inline_data, packed_len);
	else
		TRY(sectors_read(writeback, inode, extent->addr, packed, packed_len));
	err = decompress_run(extent->compress, writeback->geometry.sectorsize, packed, packed_len,
			     plain, extent->ram_bytes);
	if (err < 0)
		return err_prefix(err,
				  "inode %llu, extent at %llu: ", (unsigned long long)inode->ino,
				  (unsigned long long)extent->start);
	memcpy(data, plain + within, len);
	return 0;
}

static int read_extent(struct writeback *writeback, struct inode *inode,
		       const struct file_extent *extent, uint64_t offset, uint8_t *data, size_t len)
{
	if (extent->is_hole || extent->is_prealloc) {
		memset(data, 0, len);
		return 0;
	}
	if (extent->is_inline) {
		/* The last sector of an inline file ends with the file. */
		uint64_t have = MIN(extent->ram_bytes, offset + len);

		have = have > offset ? have - offset : 0;
		memset(data + have, 0, len - have);
		if (!have)
			return 0;
		if (extent->compress)
			return read_compressed(writeback, inode, extent, offset, data, have);
		CORRUPT_IF(extent->ram_bytes > extent->inline_len,
			   "inode %llu: inline data is shorter than it says",
			   (unsigned long long)inode->ino);
		memcpy(data, extent->inline_data + offset, have);
		return 0;
	}
	return extent->compress ? read_compressed(writeback, inode, extent, offset, data, len) :
				  read_plain(writeback, inode, extent, offset, data, len);
}

/* Reads what one extent, or the hole before it, gives at offset; *ret_len > 0. */
static int read_step(struct writeback *writeback, struct inode *inode, uint64_t offset,
		     uint8_t *data, size_t len, size_t *ret_len)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err = file_extent_find(inode, offset, &extent);
	uint64_t stop;

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err < 0 || extent.start > offset) {
		stop = err < 0 ? offset + len : MIN(offset + len, extent.start);
		memset(data, 0, stop - offset);
		*ret_len = stop - offset;
		return 0;
	}
	stop = MIN(MIN(offset + len, extent.end), offset + READ_PIECE_MAX);
	TRY(read_extent(writeback, inode, &extent, offset, data, stop - offset));
	*ret_len = stop - offset;
	return 0;
}

int file_read(struct writeback *writeback, struct inode *inode, uint64_t offset, void *data,
	      size_t len, size_t *ret_len)
{
	uint64_t size = inode_size(inode);
	uint8_t *bytes = data;
	size_t done = 0;

	if (S_ISDIR(inode_mode(inode)))
		return THROW(ERR_IS_DIR, "inode %llu is a directory",
			     (unsigned long long)inode->ino);
	TRY(file_sync_inode(writeback, inode));
	len = offset >= size ? 0 : (size_t)MIN(len, size - offset);
	while (done < len) {
		size_t step;

		TRY(read_step(writeback, inode, offset + done, bytes + done, len - done, &step));
		done += step;
	}
	*ret_len = len;
	return 0;
}

int file_seek_data(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t size = inode_size(inode);

	TRY(file_sync_inode(writeback, inode));
	while (offset < size) {
		SCOPED(file_extent) struct file_extent extent = { 0 };

		TRY(file_extent_find(inode, offset, &extent));
		if (!extent.is_hole && !extent.is_prealloc && extent.start < size) {
			*ret_start = MAX(offset, extent.start);
			*ret_end = MIN(extent.end, size);
			return 0;
		}
		offset = extent.end;
	}
	return -ERR_KEY_NOT_FOUND;
}
