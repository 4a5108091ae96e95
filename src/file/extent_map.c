/*
 * The extents of a file as its items tell them, whether they are in the tree or still delayed.
 */
#include "base/assert.h"
#include "file/file.h"

void file_extent_fini(struct file_extent *extent)
{
	mem_free(extent->inline_data);
	extent->inline_data = NULL;
}

static int extent_parse_inline(const struct inode *inode, const uint8_t *item, uint32_t len,
			       struct file_extent *ret_extent)
{
	uint32_t sectorsize = inode->table->geometry.sectorsize;

	ret_extent->is_inline = true;
	ret_extent->inline_len = len - FILE_EXTENT_INLINE_AT;
	CORRUPT_IF(ret_extent->start || !ret_extent->ram_bytes ||
			   ret_extent->ram_bytes > RUN_MAX_BYTES,
		   "inode %llu: inline data of %llu bytes at %llu", (unsigned long long)inode->ino,
		   (unsigned long long)ret_extent->ram_bytes,
		   (unsigned long long)ret_extent->start);
	ret_extent->end = round_up(ret_extent->ram_bytes, sectorsize);
	ret_extent->inline_data = mem_dup(item + FILE_EXTENT_INLINE_AT, ret_extent->inline_len);
	if (!ret_extent->inline_data && ret_extent->inline_len)
		return MEM_FAIL("inline data");
	return 0;
}

static int extent_parse_regular(const struct inode *inode, const uint8_t *item,
				struct file_extent *ret_extent)
{
	uint64_t num_bytes = file_extent_num_bytes(item);
	uint64_t held;

	ret_extent->addr = file_extent_disk_bytenr(item);
	ret_extent->disk_bytes = file_extent_disk_num_bytes(item);
	ret_extent->offset = file_extent_offset(item);
	ret_extent->is_hole = !ret_extent->addr;
	ret_extent->is_prealloc = file_extent_type(item) == BTRFS_FILE_EXTENT_PREALLOC;
	CORRUPT_IF(
		!num_bytes || !add_fits(ret_extent->start, num_bytes, &ret_extent->end),
		"inode %llu: the extent at %llu is empty or reaches over the end of the address range",
		(unsigned long long)inode->ino, (unsigned long long)ret_extent->start);
	CORRUPT_IF(ret_extent->compress && ret_extent->ram_bytes > RUN_MAX_BYTES,
		   "inode %llu: the compressed extent at %llu holds %llu bytes: more than %u",
		   (unsigned long long)inode->ino, (unsigned long long)ret_extent->start,
		   (unsigned long long)ret_extent->ram_bytes, RUN_MAX_BYTES);
	held = ret_extent->compress ? ret_extent->ram_bytes : ret_extent->disk_bytes;
	CORRUPT_IF(!ret_extent->is_hole &&
			   (ret_extent->offset > held || num_bytes > held - ret_extent->offset),
		   "inode %llu: the extent at %llu reaches over the end of what is on disk",
		   (unsigned long long)inode->ino, (unsigned long long)ret_extent->start);
	return 0;
}

static int extent_parse(const struct inode *inode, const struct delayed_view *view,
			struct file_extent *ret_extent)
{
	const uint8_t *item = view->data;
	uint32_t len = view->len;
	uint8_t type;

	memset(ret_extent, 0, sizeof(*ret_extent));
	CORRUPT_IF(len < FILE_EXTENT_INLINE_AT, "inode %llu: an extent item of %u bytes",
		   (unsigned long long)inode->ino, len);
	type = file_extent_type(item);
	ret_extent->start = view->key.offset;
	ret_extent->compress = file_extent_compression(item);
	ret_extent->ram_bytes = file_extent_ram_bytes(item);
	ret_extent->generation = file_extent_generation(item);
	if (ret_extent->compress && !compress_type_known((uint64_t)ret_extent->compress))
		return THROW(ERR_UNSUPPORTED, "inode %llu: compression %d",
			     (unsigned long long)inode->ino, ret_extent->compress);
	if (type == BTRFS_FILE_EXTENT_INLINE)
		return extent_parse_inline(inode, item, len, ret_extent);
	CORRUPT_IF(len < FILE_EXTENT_SIZE, "inode %llu: an extent item of %u bytes",
		   (unsigned long long)inode->ino, len);
	return extent_parse_regular(inode, item, ret_extent);
}

static int item_find(struct inode *inode, uint64_t pos, struct file_extent *ret_extent)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	int err = delayed_last(inode, BTRFS_EXTENT_DATA_KEY, pos, &view);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0) {
		TRY(extent_parse(inode, &view, ret_extent));
		if (ret_extent->end > pos)
			return 0;
		file_extent_fini(ret_extent);
	}
	/* Mostly in the same leaf. */
	TRY(delayed_next(inode, BTRFS_EXTENT_DATA_KEY, pos, &view));
	return extent_parse(inode, &view, ret_extent);
}

int file_extent_find(struct inode *inode, uint64_t pos, struct file_extent *ret_extent)
{
	uint64_t open_end = inode->open_offset + inode->open_len;
	struct file_extent found = { 0 };
	int err = item_find(inode, pos, &found);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	/* The one that may still grow has no item yet. */
	if (inode->open_len && pos < open_end && (err < 0 || inode->open_offset < found.start)) {
		file_extent_fini(&found);
		*ret_extent = (struct file_extent){ .start = inode->open_offset,
						    .end = open_end,
						    .addr = inode->open_addr,
						    .disk_bytes = inode->open_len,
						    .ram_bytes = inode->open_len };
		return 0;
	}
	if (err == 0)
		*ret_extent = found;
	return err;
}

/* Inline contents are in the first item; behind them Linux leaves what is preallocated. */
static int first_is_inline(struct inode *inode, struct delayed_view *view, bool *ret_inline)
{
	TRY(delayed_next(inode, BTRFS_EXTENT_DATA_KEY, 0, view));
	CORRUPT_IF(view->len < FILE_EXTENT_INLINE_AT, "inode %llu: an extent item of %u bytes",
		   (unsigned long long)inode->ino, view->len);
	*ret_inline = file_extent_type(view->data) == BTRFS_FILE_EXTENT_INLINE;
	return 0;
}

int file_extent_end(struct inode *inode, uint64_t *ret_end)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	struct file_extent extent = { 0 };
	int err;

	if (inode->extent_end == UINT64_MAX) {
		inode->has_inline = false;
		err = delayed_last(inode, BTRFS_EXTENT_DATA_KEY, UINT64_MAX, &view);
		if (err < 0 && err != -ERR_KEY_NOT_FOUND)
			return err;
		if (err == 0) {
			TRY(extent_parse(inode, &view, &extent));
			inode->has_inline = extent.is_inline;
		}
		if (extent.start)
			TRY(first_is_inline(inode, &view, &inode->has_inline));
		inode->extent_end = extent.end;
		if (inode->open_len)
			inode->extent_end = MAX(extent.end, inode->open_offset + inode->open_len);
		file_extent_fini(&extent);
	}
	*ret_end = inode->extent_end;
	return 0;
}
