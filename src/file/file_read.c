/*
 * Reading: extent by extent, verified against the checksums, decompressed; holes are zero.
 *
 * A range whose sectors are bad here on one mirror and there on another is read all the same
 * (csum_read).
 */
#include <sys/stat.h>

#include "base/assert.h"
#include "file/range.h"

#define READ_PIECE_MAX (1 * MIB)
/* Checksums of most extents of small files. */
#define CSUMS_ON_STACK_BYTES 1024u

/* Where bytes go: the first len are asked for, what is behind them may be used as scratch. */
struct read_target {
	uint8_t *data;
	size_t len, capacity;
};

/* Reads whole sectors of an extent and verifies those that have a checksum. */
static int sectors_read(struct writeback *writeback, struct inode *inode, uint64_t addr,
			uint8_t *data, uint64_t len)
{
	const struct geometry *geometry = &writeback->geometry;
	uint64_t nr = len / geometry->sectorsize;
	bool verify = !(inode_item_flags(inode->item) & BTRFS_INODE_NODATASUM) &&
		      !writeback->config.no_verify;
	uint8_t few[CSUMS_ON_STACK_BYTES], *csums = few;
	SCOPED_MEM uint8_t *many = NULL;
	struct csum_range range = {
		.volume = writeback->volume, .geometry = geometry, .addr = addr, .nr_sectors = nr
	};

	if (nr * geometry->csum_size > sizeof(few)) {
		csums = many = mem_array(nr, geometry->csum_size);
		if (!many)
			return MEM_FAIL("checksums");
	}
	if (verify) {
		TRY(csum_batch_lookup(writeback, addr, nr, csums));
		range.csums = csums;
	}
	return csum_read(&range, data, NULL);
}

/* A range that is not of whole sectors, or whose last sector does not fit into the target. */
static int read_cut(struct writeback *writeback, struct inode *inode, uint64_t at, uint8_t *data,
		    size_t len)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t from = round_down(at, sectorsize);
	uint64_t whole = round_up(at + len, sectorsize) - from;
	SCOPED_MEM uint8_t *buffer = mem_alloc(whole);

	if (!buffer)
		return MEM_FAIL("reading file data");
	TRY(sectors_read(writeback, inode, from, buffer, whole));
	memcpy(data, buffer + (at - from), len);
	return 0;
}

static int read_plain(struct writeback *writeback, struct inode *inode,
		      const struct file_extent *extent, uint64_t offset,
		      const struct read_target *to)
{
	uint32_t sectorsize = writeback->geometry.sectorsize;
	uint64_t at = extent->addr + extent->offset + (offset - extent->start);
	uint64_t whole = round_up(to->len, sectorsize);

	CORRUPT_IF(extent->offset + (extent->end - extent->start) > extent->disk_bytes,
		   "inode %llu: the extent at %llu reaches over the end of what is on disk",
		   (unsigned long long)inode->ino, (unsigned long long)extent->start);
	if (!is_aligned(at, sectorsize))
		return read_cut(writeback, inode, at, to->data, to->len);
	if (whole <= to->capacity)
		return sectors_read(writeback, inode, at, to->data, whole);
	whole = round_down(to->len, sectorsize);
	if (whole)
		TRY(sectors_read(writeback, inode, at, to->data, whole));
	return read_cut(writeback, inode, at + whole, to->data + whole, to->len - whole);
}

static int read_compressed(struct writeback *writeback, struct inode *inode,
			   const struct file_extent *extent, uint64_t offset,
			   const struct read_target *to)
{
	uint64_t within = extent->offset + (offset - extent->start);
	bool direct = within == 0 && extent->ram_bytes <= to->capacity;
	SCOPED_MEM uint8_t *packed = NULL;
	SCOPED_MEM uint8_t *plain = NULL;
	uint64_t packed_len = extent->is_inline ? extent->inline_len : extent->disk_bytes;
	int err;

	CORRUPT_IF(within + to->len > extent->ram_bytes || packed_len > RUN_MAX_BYTES,
		   "inode %llu: the compressed extent at %llu does not hold what it says",
		   (unsigned long long)inode->ino, (unsigned long long)extent->start);
	plain = direct ? NULL : mem_alloc(extent->ram_bytes);
	packed = extent->is_inline ? NULL : mem_alloc(packed_len);
	if ((!direct && !plain) || (!extent->is_inline && !packed))
		return MEM_FAIL("decompressing file data");
	if (packed)
		TRY(sectors_read(writeback, inode, extent->addr, packed, packed_len));
	err = decompress_run(extent->compress, writeback->geometry.sectorsize,
			     packed ? packed : extent->inline_data, packed_len,
			     direct ? to->data : plain, extent->ram_bytes);
	if (err < 0)
		return err_prefix(err,
				  "inode %llu, extent at %llu: ", (unsigned long long)inode->ino,
				  (unsigned long long)extent->start);
	if (!direct)
		memcpy(to->data, plain + within, to->len);
	return 0;
}

static int read_inline(struct writeback *writeback, struct inode *inode,
		       const struct file_extent *extent, uint64_t offset,
		       const struct read_target *to)
{
	/* The last sector of an inline file ends with the file. */
	uint64_t end = MIN(extent->ram_bytes, offset + to->len);
	struct read_target have = { to->data, end > offset ? end - offset : 0, to->capacity };

	if (have.len && extent->compress) {
		TRY(read_compressed(writeback, inode, extent, offset, &have));
	} else if (have.len) {
		CORRUPT_IF(extent->ram_bytes > extent->inline_len,
			   "inode %llu: inline data is shorter than it says",
			   (unsigned long long)inode->ino);
		memcpy(to->data, extent->inline_data + offset, have.len);
	}
	memset(to->data + have.len, 0, to->len - have.len);
	return 0;
}

static int read_extent(struct writeback *writeback, struct inode *inode,
		       const struct file_extent *extent, uint64_t offset,
		       const struct read_target *to)
{
	if (extent->is_hole || extent->is_prealloc) {
		memset(to->data, 0, to->len);
		return 0;
	}
	if (extent->is_inline)
		return read_inline(writeback, inode, extent, offset, to);
	return extent->compress ? read_compressed(writeback, inode, extent, offset, to) :
				  read_plain(writeback, inode, extent, offset, to);
}

/* Reads what one extent, or the hole before it, gives at offset; *ret_len > 0. */
static int read_step(struct writeback *writeback, struct inode *inode, uint64_t offset,
		     const struct read_target *to, size_t *ret_len)
{
	struct read_target part = *to;
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err = file_extent_find(inode, offset, &extent);
	uint64_t stop;

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err < 0 || extent.start > offset) {
		stop = err < 0 ? offset + to->len : MIN(offset + to->len, extent.start);
		memset(to->data, 0, stop - offset);
		*ret_len = stop - offset;
		return 0;
	}
	stop = MIN(MIN(offset + to->len, extent.end), offset + READ_PIECE_MAX);
	part.len = stop - offset;
	TRY(read_extent(writeback, inode, &extent, offset, &part));
	*ret_len = part.len;
	return 0;
}

/* The next bytes, from RAM or from the extents. */
static int read_next(struct writeback *writeback, struct inode *inode, uint64_t offset,
		     const struct read_target *to, size_t *ret_len)
{
	struct read_target part = *to;
	struct ram_piece piece;

	ram_find(inode, offset, &piece);
	if (piece.from_source) {
		TRY(file_wait_range(writeback, inode, offset, piece.end));
		ram_find(inode, offset, &piece);
	}
	part.len = (size_t)MIN(to->len, piece.end - offset);
	if (!piece.data)
		return read_step(writeback, inode, offset, &part, ret_len);
	memcpy(to->data, piece.data, part.len);
	*ret_len = part.len;
	return 0;
}

int file_read(struct writeback *writeback, struct inode *inode, uint64_t offset, void *data,
	      size_t len, size_t *ret_len)
{
	uint64_t size = inode_size(inode);
	size_t capacity = len, done = 0;

	if (S_ISDIR(inode_mode(inode)))
		return THROW(ERR_IS_DIR, "inode %llu is a directory",
			     (unsigned long long)inode->ino);
	len = offset >= size ? 0 : (size_t)MIN(len, size - offset);
	while (done < len) {
		struct read_target to = { (uint8_t *)data + done, len - done, capacity - done };
		size_t step;

		TRY(read_next(writeback, inode, offset + done, &to, &step));
		done += step;
	}
	*ret_len = len;
	return 0;
}

/* What gives the bytes at pos, or where the hole at pos ends. */
struct read_source {
	struct ram_piece ram;	   /* data NULL: not from RAM */
	struct file_extent extent; /* cut where RAM begins */
	bool is_data;
	uint64_t start, end; /* of the bytes, or of the hole */
};

static void read_source_fini(struct read_source *source)
{
	file_extent_fini(&source->extent);
}
DEFINE_SCOPED(read_source, read_source_fini)

static int source_extent(struct inode *inode, uint64_t pos, struct read_source *ret_source)
{
	struct file_extent *extent = &ret_source->extent;
	uint64_t limit = ret_source->ram.end;
	int err = file_extent_find(inode, pos, extent);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	ret_source->start = pos;
	ret_source->end = limit;
	if (err < 0 || extent->start >= limit)
		return 0;
	extent->end = MIN(extent->end, limit);
	ret_source->is_data = !extent->is_hole && !extent->is_prealloc;
	ret_source->end = extent->end;
	/* The hole before it. */
	if (extent->start > pos && ret_source->is_data) {
		ret_source->is_data = false;
		ret_source->end = extent->start;
	}
	return 0;
}

static int source_find(struct writeback *writeback, struct inode *inode, uint64_t pos,
		       struct read_source *ret_source)
{
	struct ram_piece *ram = &ret_source->ram;

	ram_find(inode, pos, ram);
	if (ram->from_source) {
		TRY(file_wait_range(writeback, inode, pos, ram->end));
		ram_find(inode, pos, ram);
	}
	if (!ram->data)
		return source_extent(inode, pos, ret_source);
	ret_source->is_data = true;
	ret_source->start = pos;
	ret_source->end = ram->end;
	return 0;
}

int file_seek_data(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t size = inode_size(inode);

	while (offset < size) {
		SCOPED(read_source) struct read_source source = { 0 };

		TRY(source_find(writeback, inode, offset, &source));
		if (source.is_data) {
			*ret_start = offset;
			*ret_end = MIN(source.end, size);
			return 0;
		}
		offset = source.end;
	}
	return -ERR_KEY_NOT_FOUND;
}

int file_seek_hole(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t *ret_offset)
{
	uint64_t size = inode_size(inode), pos = offset;

	ASSERT(offset < size);
	while (pos < size) {
		SCOPED(read_source) struct read_source source = { 0 };

		TRY(source_find(writeback, inode, pos, &source));
		if (!source.is_data)
			break;
		pos = source.end;
	}
	*ret_offset = MIN(pos, size);
	return 0;
}

/* As much as fits of one extent at pos; *ret_len 0: it should begin a buffer of its own. */
static int read_whole(struct writeback *writeback, struct inode *inode,
		      const struct read_source *source, uint64_t pos, uint64_t size,
		      const struct read_target *to, size_t *ret_len)
{
	const struct file_extent *extent = &source->extent;
	struct read_target part = *to;
	uint64_t end = MIN(source->end, size);
	bool first = to->len == 0;

	part.len = (size_t)MIN(end - pos, to->capacity);
	/* Cut, a compressed extent would have to be decompressed once more for the rest. */
	if (!first && !source->ram.data && extent->compress && extent->ram_bytes > to->capacity)
		part.len = 0;
	/* So that a later piece begins with a whole sector. */
	if (pos + part.len < end && part.len > writeback->geometry.sectorsize)
		part.len = round_down(pos + part.len, writeback->geometry.sectorsize) - pos;
	*ret_len = part.len;
	if (part.len && source->ram.data)
		memcpy(to->data, source->ram.data, part.len);
	else if (part.len)
		return read_extent(writeback, inode, extent, pos, &part);
	return 0;
}

int file_read_data(struct writeback *writeback, struct inode *inode, uint64_t offset, void *data,
		   size_t capacity, uint64_t *ret_start, size_t *ret_len)
{
	uint64_t size = inode_size(inode), pos = offset, start = 0;
	size_t done = 0, step;

	ASSERT(capacity > 0);
	while (pos < size && done < capacity) {
		SCOPED(read_source) struct read_source source = { 0 };
		struct read_target to = { (uint8_t *)data + done, done, capacity - done };

		TRY(source_find(writeback, inode, pos, &source));
		if (done && !source.is_data)
			break;
		if (!source.is_data) {
			pos = source.end;
			continue;
		}
		if (!done)
			start = pos;
		TRY(read_whole(writeback, inode, &source, pos, size, &to, &step));
		if (!step)
			break;
		done += step;
		pos += step;
	}
	if (!done)
		return -ERR_KEY_NOT_FOUND;
	*ret_start = start;
	*ret_len = done;
	return 0;
}
