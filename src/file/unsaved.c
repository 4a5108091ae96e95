/*
 * What a file will take beyond what it takes: sectors that are written and not stored, where it has
 * no extent yet. With it st_blocks is the same before writing back and behind it.
 *
 * Nothing is kept: dirty ranges and runs are walked beside the extents, when somebody asks. Each
 * step goes beyond a range, a run or an extent. For any number of readers. Locks: the lock of ops/,
 * shared.
 */
#include "base/assert.h"
#include "file/file.h"

/* What the extents say of [.., end): one of them, or none. */
struct known {
	uint64_t end;
	bool is_stored;
};

static int known_at(struct inode *inode, uint64_t pos, struct known *ret_known)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	int err;

	*ret_known = (struct known){ .end = UINT64_MAX };
	/* Mostly a file that is written from front to end. */
	if (inode->extent_end <= pos)
		return 0;
	err = file_extent_find(inode, pos, &extent);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	ret_known->is_stored = extent.start <= pos && !extent.is_hole;
	ret_known->end = extent.start <= pos ? extent.end : extent.start;
	return 0;
}

static int add_unstored(struct inode *inode, uint64_t start, uint64_t end, struct known *known,
			uint64_t *bytes)
{
	while (start < end) {
		uint64_t stop;

		if (known->end <= start)
			TRY(known_at(inode, start, known));
		stop = MIN(end, known->end);
		*bytes += known->is_stored ? 0 : stop - start;
		start = stop;
	}
	return 0;
}

/* The first run with bytes at or behind pos whose extent is not noted. */
static bool run_next(const struct inode *inode, uint64_t pos, uint64_t *ret_start,
		     uint64_t *ret_end)
{
	struct file_run *run = writing_find(inode, pos);
	struct rb_node *node = run ? &run->node : NULL;

	while (node && rb_entry(node, struct file_run, node)->reaped)
		node = rb_next(node);
	if (!node)
		return false;
	run = rb_entry(node, struct file_run, node);
	*ret_start = run->offset;
	*ret_end = run->offset + round_up(run->len, run->writeback->geometry.sectorsize);
	return true;
}

/* The first bytes at or behind pos that are not stored. */
static bool unstored_next(const struct inode *inode, uint64_t pos, uint64_t *ret_start,
			  uint64_t *ret_end)
{
	const struct dirty_range *range = dirty_find(inode, pos);
	bool found = run_next(inode, pos, ret_start, ret_end);

	if (range && (!found || range->offset < *ret_start)) {
		found = true;
		*ret_start = range->offset;
		*ret_end = range->offset + range->len;
	}
	*ret_start = MAX(*ret_start, pos);
	return found;
}

int file_unsaved_bytes(struct inode *inode, uint64_t *ret_bytes)
{
	struct known known = { .end = 0 };
	uint64_t bytes = 0, pos = 0, start = 0, end;

	for (; unstored_next(inode, pos, &start, &end); pos = end)
		TRY(add_unstored(inode, start, end, &known, &bytes));
	*ret_bytes = bytes;
	return 0;
}
