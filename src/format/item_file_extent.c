/*
 * Validators of the contents of files: EXTENT_DATA, EXTENT_CSUM.
 */
#include "format/item_validate.h"

/* Where the extent in the slot before ends in the file; that item has passed already. */
static uint64_t previous_end(const struct item_view *item)
{
	const uint8_t *p = leaf_item_data(item->node, item->slot - 1);

	if (file_extent_type(p) == BTRFS_FILE_EXTENT_INLINE)
		return round_up(item->prev.offset + file_extent_ram_bytes(p),
				item->geometry->sectorsize);
	return item->prev.offset + file_extent_num_bytes(p);
}

static int validate_inline(const struct item_view *item)
{
	const uint8_t *p = item->data;

	REFUSE_IF(item, item->key.offset != 0, "an inline extent not at the file's beginning");
	/* Of compressed bytes the length is known only by decompressing. */
	if (file_extent_compression(p) != BTRFS_COMPRESS_NONE)
		return 0;
	REFUSE_IF(item, item->len - FILE_EXTENT_INLINE_AT != file_extent_ram_bytes(p),
		  "%u bytes inline, but ram_bytes %" PRIu64, item->len - FILE_EXTENT_INLINE_AT,
		  file_extent_ram_bytes(p));
	return 0;
}

static int validate_regular(const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint32_t align = item->geometry->sectorsize;
	uint64_t end;

	REFUSE_SIZE(item, FILE_EXTENT_SIZE);
	REFUSE_IF(item, !is_aligned(file_extent_ram_bytes(p), align),
		  "ram_bytes %" PRIu64 " is not aligned", file_extent_ram_bytes(p));
	REFUSE_IF(item, !is_aligned(file_extent_disk_bytenr(p), align),
		  "disk_bytenr %" PRIu64 " is not aligned", file_extent_disk_bytenr(p));
	REFUSE_IF(item, !is_aligned(file_extent_disk_num_bytes(p), align),
		  "disk_num_bytes %" PRIu64 " is not aligned", file_extent_disk_num_bytes(p));
	REFUSE_IF(item, !is_aligned(file_extent_offset(p), align),
		  "offset %" PRIu64 " is not aligned", file_extent_offset(p));
	REFUSE_IF(item, !is_aligned(file_extent_num_bytes(p), align),
		  "num_bytes %" PRIu64 " is not aligned", file_extent_num_bytes(p));
	REFUSE_IF(item, !add_fits(item->key.offset, file_extent_num_bytes(p), &end),
		  "the extent of %" PRIu64 " bytes ends beyond 2^64", file_extent_num_bytes(p));
	return 0;
}

int item_validate_file_extent(const struct item_view *item)
{
	const uint8_t *p = item->data;

	REFUSE_IF(item, !is_aligned(item->key.offset, item->geometry->sectorsize),
		  "the file offset is not aligned");
	REFUSE_IF(item, !item_has_inode_before(item), "the item before is of inode %" PRIu64,
		  item->prev.objectid);
	REFUSE_IF(item, item->len < FILE_EXTENT_INLINE_AT, "item size is %u, expected at least %u",
		  item->len, FILE_EXTENT_INLINE_AT);
	REFUSE_IF(item, file_extent_type(p) >= BTRFS_NR_FILE_EXTENT_TYPES, "unknown extent type %u",
		  file_extent_type(p));
	REFUSE_IF(item, file_extent_compression(p) >= BTRFS_NR_COMPRESS_TYPES,
		  "unknown compression %u", file_extent_compression(p));
	REFUSE_IF(item, file_extent_encryption(p) != 0, "unknown encryption %u",
		  file_extent_encryption(p));
	if (file_extent_type(p) == BTRFS_FILE_EXTENT_INLINE)
		TRY(validate_inline(item));
	else
		TRY(validate_regular(item));
	if (item->slot && item->prev.objectid == item->key.objectid &&
	    item->prev.type == BTRFS_EXTENT_DATA_KEY)
		REFUSE_IF(item, previous_end(item) > item->key.offset,
			  "the extent before ends at %" PRIu64, previous_end(item));
	return 0;
}

int item_validate_csum(const struct item_view *item)
{
	const struct geometry *g = item->geometry;

	REFUSE_IF(item, item->key.objectid != BTRFS_EXTENT_CSUM_OBJECTID,
		  "the objectid is not EXTENT_CSUM");
	REFUSE_IF(item, !is_aligned(item->key.offset, g->sectorsize), "the address is not aligned");
	REFUSE_IF(item, item->len == 0 || item->len % g->csum_size,
		  "item size %u is no multiple of %u", item->len, g->csum_size);
	if (item->slot && item->prev.type == BTRFS_EXTENT_CSUM_KEY) {
		uint64_t nr = leaf_item_len(item->node, item->slot - 1) / g->csum_size;
		uint64_t end = item->prev.offset + nr * g->sectorsize;

		REFUSE_IF(item, end > item->key.offset, "the checksums before end at %" PRIu64,
			  end);
	}
	return 0;
}
