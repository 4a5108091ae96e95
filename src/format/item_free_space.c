/*
 * Validators of free space: FREE_SPACE_INFO, FREE_SPACE_EXTENT, FREE_SPACE_BITMAP, and the header
 * (an item without a type) of the version 1 cache.
 */
#include "format/item_validate.h"

/* Keys of the free-space tree are ranges: (start, type, length). */
static int validate_range(const struct item_view *item)
{
	uint64_t end;

	REFUSE_IF(item, !is_aligned(item->key.objectid, item->geometry->sectorsize),
		  "the start is not aligned");
	REFUSE_IF(item,
		  item->key.offset == 0 ||
			  !is_aligned(item->key.offset, item->geometry->sectorsize),
		  "the length is 0 or not aligned");
	REFUSE_IF(item, !add_fits(item->key.objectid, item->key.offset, &end),
		  "the range ends beyond 2^64");
	return 0;
}

int item_validate_free_space_info(const struct item_view *item)
{
	const uint8_t *p = item->data;

	TRY(validate_range(item));
	REFUSE_SIZE(item, FREE_SPACE_INFO_SIZE);
	REFUSE_IF(item, free_space_info_flags(p) & ~(uint32_t)BTRFS_FREE_SPACE_USING_BITMAPS,
		  "unknown flags 0x%x", free_space_info_flags(p));
	REFUSE_IF(item,
		  free_space_info_extent_count(p) > item->key.offset / item->geometry->sectorsize,
		  "%u free extents in %" PRIu64 " bytes", free_space_info_extent_count(p),
		  item->key.offset);
	return 0;
}

int item_validate_free_space_extent(const struct item_view *item)
{
	TRY(validate_range(item));
	REFUSE_SIZE(item, 0);
	return 0;
}

int item_validate_free_space_bitmap(const struct item_view *item)
{
	uint64_t nr_bits;

	TRY(validate_range(item));
	nr_bits = item->key.offset / item->geometry->sectorsize;
	REFUSE_IF(item, nr_bits > BTRFS_FREE_SPACE_BITMAP_BITS, "a bitmap of %" PRIu64 " bits",
		  nr_bits);
	REFUSE_SIZE(item, div_up(nr_bits, 8));
	return 0;
}

int item_validate_untyped(const struct item_view *item)
{
	if (item->key.objectid == BTRFS_FREE_SPACE_OBJECTID)
		REFUSE_SIZE(item, FREE_SPACE_HEADER_SIZE);
	return 0;
}
