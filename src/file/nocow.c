/*
 * Writing in place: over what is preallocated, and over data of files without copy-on-write.
 *
 * It is allowed only where nobody but this file has the bytes, as disk and queue tell, nobody else
 * had them at the last durable commit, and no checksum tells what they were. An extent that is
 * older than the last snapshot of its subvolume may be shared through a tree block above its item,
 * and is copied (as Linux does).
 * A preallocated extent that is written into becomes up to three items of the same extent; what was
 * written joins its neighbours, so that writing all of it leaves one item again. One reference is
 * counted for each item.
 */
#include "base/assert.h"
#include "file/range.h"

bool nocow_possible(const struct inode *inode)
{
	return inode_item_flags(inode->item) & (BTRFS_INODE_NODATACOW | BTRFS_INODE_PREALLOC);
}

/* What the item itself says. */
static bool item_allows(const struct inode *inode, const struct file_extent *extent)
{
	if (extent->is_inline || extent->is_hole || extent->compress)
		return false;
	if (extent->generation <= root_item_last_snapshot(inode->root->item))
		return false;
	return extent->is_prealloc || inode_item_flags(inode->item) & BTRFS_INODE_NODATACOW;
}

static bool group_allows(struct writeback *writeback, uint64_t addr)
{
	struct block_group *group = space_group_of(writeback->space, addr);

	return group && !group->read_only && !group->removed;
}

/* The extent that may still grow has no item yet: it gets one where it is asked about. */
static int items_tell(struct writeback *writeback, struct inode *inode, uint64_t offset,
		      uint64_t len)
{
	bool overlaps = inode->open_len && inode->open_offset < offset + len &&
			offset < inode->open_offset + inode->open_len;

	return overlaps ? extent_close(writeback, inode) : 0;
}

static int place_allows(struct writeback *writeback, struct inode *inode,
			const struct file_extent *extent, uint64_t addr, uint64_t len,
			bool *ret_allows)
{
	struct ref_key mine = { .type = REF_DATA,
				.root = inode->root->objectid,
				.inode = inode->ino,
				.offset = extent->start - extent->offset };
	struct root *csums;
	bool refused;

	*ret_allows = false;
	if (!group_allows(writeback, addr))
		return 0;
	TRY(extent_is_shared(writeback->config.extents, extent->addr, &mine, &refused));
	refused |= extent_was_shared(writeback->config.extents, extent->addr, extent->disk_bytes,
				     &mine);
	if (refused)
		return 0;
	TRY(root_get(inode->table->roots, BTRFS_CSUM_TREE_OBJECTID, &csums));
	TRY(csum_any(&csums->tree, addr, len, &refused));
	refused |= csum_batch_overlaps(writeback, addr, len);
	*ret_allows = !refused;
	return 0;
}

int nocow_lookup(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		 struct nocow_place *ret_place)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	struct nocow_place place = { .len = len };
	bool allows;
	int err;

	ASSERT(len && is_aligned(offset | len, writeback->geometry.sectorsize));
	TRY(items_tell(writeback, inode, offset, len));
	err = file_extent_find(inode, offset, &extent);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err == 0 && extent.start > offset)
		place.len = MIN(len, extent.start - offset);
	else if (err == 0)
		place.len = MIN(len, extent.end - offset);
	if (err == 0 && extent.start <= offset && item_allows(inode, &extent)) {
		uint64_t addr = extent.addr + extent.offset + (offset - extent.start);

		TRY(place_allows(writeback, inode, &extent, addr, place.len, &allows));
		place.addr = allows ? addr : 0;
		place.is_prealloc = extent.is_prealloc;
	}
	*ret_place = place;
	return 0;
}

int nocow_covers(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		 bool *ret_covers)
{
	uint64_t pos = offset, end = offset + len;

	*ret_covers = false;
	if (!nocow_possible(inode))
		return 0;
	/* What is on its way there may make data of what is preallocated now. */
	TRY(file_quiesce(writeback, inode));
	while (pos < end) {
		struct nocow_place place;

		TRY(nocow_lookup(writeback, inode, pos, end - pos, &place));
		if (!place.addr)
			return 0;
		pos += place.len;
	}
	*ret_covers = true;
	return 0;
}

int nocow_any(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
	      bool *ret_any)
{
	uint64_t pos = offset, end = offset + len;

	*ret_any = false;
	while (!*ret_any && pos < end && nocow_possible(inode)) {
		struct nocow_place place;

		TRY(nocow_lookup(writeback, inode, pos, end - pos, &place));
		*ret_any = place.addr;
		pos += place.len;
	}
	return 0;
}

/* ---- preallocated becomes data ---- */

/* Another item of the same extent, of data, that lies as it would lie if it were one with ours. */
static bool item_joins(const struct file_extent *ours, const struct file_extent *other)
{
	return !other->is_inline && !other->is_hole && !other->is_prealloc && !other->compress &&
	       other->addr == ours->addr && other->disk_bytes == ours->disk_bytes &&
	       other->start - other->offset == ours->start - ours->offset;
}

/* Takes the item of data that ends (before) or begins at a place and joins ours; *ret_bound becomes
 * its other end. */
static int neighbour_take(struct inode *inode, const struct file_extent *ours, uint64_t pos,
			  bool before, uint64_t *ret_bound)
{
	SCOPED(file_extent) struct file_extent other = { 0 };
	int err = file_extent_find(inode, before ? pos - 1 : pos, &other);

	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	if ((before ? other.end : other.start) != pos || !item_joins(ours, &other))
		return 0;
	TRY(delayed_remove(inode, BTRFS_EXTENT_DATA_KEY, other.start));
	*ret_bound = before ? other.start : other.end;
	return 0;
}

/* Items before and after: [front][ours][back], ours one with its neighbours. */
static int prealloc_split(struct writeback *writeback, struct inode *inode,
			  const struct file_extent *extent, uint64_t start, uint64_t end)
{
	struct file_extent data = *extent;
	uint64_t from = start, to = end;
	int more = (extent->start < start) + (end < extent->end);

	TRY(delayed_remove(inode, BTRFS_EXTENT_DATA_KEY, extent->start));
	if (extent->start < start)
		TRY(extent_put_part(writeback, inode, extent, extent->start, start, false));
	else if (start)
		TRY(neighbour_take(inode, extent, start, true, &from));
	if (end < extent->end)
		TRY(extent_put_part(writeback, inode, extent, end, extent->end, false));
	else
		TRY(neighbour_take(inode, extent, end, false, &to));
	data.is_prealloc = false;
	data.generation = 0;
	/* As if it began with what it joins. */
	data.offset = extent->offset - (extent->start - from);
	data.start = from;
	TRY(extent_put_part(writeback, inode, &data, from, to, false));
	more -= (from < start) + (end < to);
	return more ? extent_ref_data(writeback->config.txn, writeback->config.extents,
				      extent->addr, extent->disk_bytes, inode->root->objectid,
				      inode->ino, extent->start - extent->offset, more) :
		      0;
}

int nocow_written(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err;

	TRY(file_extent_find(inode, offset, &extent));
	ASSERT(extent.is_prealloc && extent.start <= offset && offset + len <= extent.end);
	err = prealloc_split(writeback, inode, &extent, offset, offset + len);
	return err < 0 ? txn_abort(writeback->config.txn, err, "writing what was preallocated") : 0;
}
