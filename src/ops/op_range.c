/*
 * Ranges of one file: preallocating, punching, zeroing; looking for holes.
 *
 * A call is a job that remembers how far it came: each step of it goes through the door and is
 * bounded, so that a huge range never asks for more of a transaction than there is. All space for
 * contents is asked for before the first step.
 */
#include <errno.h>

#include "base/assert.h"
#include "file/range.h"
#include "ops/ops.h"

/* What is written anew beside the range: sectors at both ends, what is inline, and the same again
 * until what was there before is free. */
#define EDGE_SECTORS UINT64_C(8)

struct falloc_job {
	struct ubtrfs_node node;
	unsigned mode;
	uint64_t offset, end;
	/* Whole sectors inside the range (first > last: within one sector), and all that it touches. */
	uint64_t inner_start, inner_end, outer_start, outer_end;
	uint64_t pos;	 /* nothing is left to be done below, in the phase */
	bool begun;	 /* parts of sectors are zero, and the file is ready for extents */
	bool inner_done; /* ZERO_RANGE: no data is left inside */
};

/* Items that a step may add: an extent and its reference each, and what is cut on both sides. */
static uint64_t step_item_bytes(void)
{
	return (RANGE_STEP_EXTENTS + 2) * (2 * FILE_EXTENT_SIZE + 128);
}

static int falloc_check(const struct falloc_job *job, uint64_t len)
{
	switch (job->mode) {
	case 0:
	case UBTRFS_FALLOC_KEEP_SIZE:
	case UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_KEEP_SIZE:
	case UBTRFS_FALLOC_ZERO_RANGE:
	case UBTRFS_FALLOC_ZERO_RANGE | UBTRFS_FALLOC_KEEP_SIZE:
		break;
	default:
		return THROW(ERR_UNSUPPORTED, "fallocate with mode 0x%x", job->mode);
	}
	if (!len)
		return THROW(ERR_INVALID, "fallocate of no bytes");
	if (job->end < job->offset || job->end > INT64_MAX)
		return THROW_SYS(EFBIG, "fallocate behind byte %llu",
				 (unsigned long long)INT64_MAX);
	return 0;
}

static int falloc_init(struct ubtrfs *fs, struct falloc_job *job, uint64_t len)
{
	uint32_t sectorsize = fs->core.geometry.sectorsize;

	job->end = job->offset + len;
	TRY(falloc_check(job, len));
	job->inner_start = round_up(job->offset, sectorsize);
	job->inner_end = round_down(job->end, sectorsize);
	job->outer_start = round_down(job->offset, sectorsize);
	job->outer_end = round_up(job->end, sectorsize);
	job->pos = job->inner_start;
	return 0;
}

static bool has_edges(const struct falloc_job *job)
{
	return job->inner_start != job->offset || job->inner_end != job->end;
}

/* Parts of sectors at both ends become zero: they are data that is written anew. */
static int zero_edges(struct ubtrfs *fs, struct inode *inode, const struct falloc_job *job)
{
	struct writeback *writeback = &fs->core.writeback;

	if (job->inner_start > job->inner_end)
		return file_zero_part(writeback, inode, job->offset, job->end - job->offset);
	TRY(file_zero_part(writeback, inode, job->offset, job->inner_start - job->offset));
	return file_zero_part(writeback, inode, job->inner_end, job->end - job->inner_end);
}

static void falloc_touch(struct ubtrfs *fs, struct inode *inode)
{
	inode_begin_change(fs, inode);
	inode_touch(inode);
}

static int punch_begin(struct ubtrfs *fs, struct inode *inode, struct falloc_job *job)
{
	if (!job->begun && has_edges(job)) {
		TRY(door_enter_data(&fs->core, EDGE_SECTORS * fs->core.geometry.sectorsize,
				    step_item_bytes(), 1));
		inode_begin_change(fs, inode);
		TRY(zero_edges(fs, inode, job));
	}
	job->begun = true;
	return 0;
}

/* One hole already, or behind all that there is: nothing changes, and no time moves (Linux). */
static int punch_is_idle(struct inode *inode, const struct falloc_job *job, bool *ret_idle)
{
	SCOPED(file_extent) struct file_extent extent = { 0 };
	const struct dirty_range *dirty = dirty_find(inode, job->outer_start);
	int err;

	*ret_idle = false;
	if (inode->nr_in_flight || (dirty && dirty->offset < job->outer_end))
		return 0;
	err = file_extent_find(inode, job->outer_start, &extent);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_idle = err < 0 || extent.start >= job->outer_end ||
		    (extent.is_hole && extent.end >= job->outer_end);
	return 0;
}

static int punch(struct ubtrfs *fs, struct inode *inode, struct falloc_job *job)
{
	bool idle = false;

	if (!job->begun)
		TRY(punch_is_idle(inode, job, &idle));
	if (idle)
		return 0;
	TRY(punch_begin(fs, inode, job));
	while (job->pos < job->inner_end) {
		TRY(door_enter_remove(&fs->core, 2));
		inode_begin_change(fs, inode);
		TRY(file_punch_step(&fs->core.writeback, inode, job->pos, job->inner_end,
				    &job->pos));
	}
	falloc_touch(fs, inode);
	return 0;
}

/* ---- allocating ---- */

/* Space for so many bytes of contents, and items for one step. */
static int allocate_enter(struct ubtrfs *fs, uint64_t bytes)
{
	/* So that sums with it cannot overflow. */
	if (bytes > INT64_MAX / 8)
		return THROW(ERR_NO_SPACE, "%s: no space left for %llu bytes of data",
			     fs->core.name, (unsigned long long)bytes);
	return bytes ? door_enter_data(&fs->core, bytes, step_item_bytes(), 1) :
		       door_enter(&fs->core, step_item_bytes(), 1);
}

static int allocate_steps(struct ubtrfs *fs, struct inode *inode, struct falloc_job *job,
			  uint64_t end, enum allocate_what what)
{
	struct writeback *writeback = &fs->core.writeback;
	uint64_t left, made;

	TRY(file_count_unallocated(writeback, inode, job->pos, end, what, &left));
	while (job->pos < end && left) {
		TRY(allocate_enter(fs, left));
		inode_begin_change(fs, inode);
		TRY(file_allocate_step(writeback, inode, job->pos, end, what, &job->pos, &made));
		left -= made;
	}
	job->pos = end;
	return 0;
}

/* An inline file goes on behind its end, or gets an extent there; holes get items. */
static int allocate_prepare(struct ubtrfs *fs, struct inode *inode, const struct falloc_job *job)
{
	struct writeback *writeback = &fs->core.writeback;
	uint64_t size = inode_size(inode);
	uint64_t stop = round_up(size, fs->core.geometry.sectorsize);
	bool grows = !(job->mode & UBTRFS_FALLOC_KEEP_SIZE) && job->end > size;

	if (job->outer_end > stop || grows)
		TRY(file_uninline_here(writeback, inode));
	if (job->outer_start > stop)
		TRY(file_fill_gaps(writeback, inode, stop, job->outer_start));
	return 0;
}

/* One door for all: what passes it does not meet the end of space later. */
static int allocate_begin(struct ubtrfs *fs, struct inode *inode, struct falloc_job *job,
			  enum allocate_what what)
{
	uint64_t bytes, last;

	if (job->begun)
		return 0;
	TRY(file_count_unallocated(&fs->core.writeback, inode, job->outer_start, job->outer_end,
				   what, &bytes));
	TRY(file_extent_end(inode, &last));
	if (inode->has_inline || (what == ALLOCATE_ALL && has_edges(job)))
		bytes += EDGE_SECTORS * fs->core.geometry.sectorsize;
	TRY(allocate_enter(fs, bytes));
	inode_begin_change(fs, inode);
	TRY(allocate_prepare(fs, inode, job));
	if (what == ALLOCATE_ALL)
		TRY(zero_edges(fs, inode, job));
	job->begun = true;
	return 0;
}

static int allocate(struct ubtrfs *fs, struct inode *inode, struct falloc_job *job)
{
	bool zero = job->mode & UBTRFS_FALLOC_ZERO_RANGE;

	TRY(allocate_begin(fs, inode, job, zero ? ALLOCATE_ALL : ALLOCATE_HOLES));
	if (zero && !job->inner_done && job->inner_start < job->inner_end)
		TRY(allocate_steps(fs, inode, job, job->inner_end, ALLOCATE_ALL));
	if (!job->inner_done)
		job->pos = job->outer_start;
	job->inner_done = true;
	TRY(allocate_steps(fs, inode, job, job->outer_end, ALLOCATE_HOLES));
	if (!(job->mode & UBTRFS_FALLOC_KEEP_SIZE) && job->end > inode_size(inode))
		inode_set_size(inode, job->end);
	falloc_touch(fs, inode);
	return 0;
}

static int falloc(struct ubtrfs *fs, struct falloc_job *job)
{
	SCOPED(inode) struct inode *inode = NULL;

	if (!fs->core.writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", fs->core.name);
	TRY(node_file(fs, job->node, true, &inode));
	if (job->mode & ~UBTRFS_FALLOC_KEEP_SIZE)
		TRY(inode_check_not_append(inode));
	return job->mode & UBTRFS_FALLOC_PUNCH_HOLE ? punch(fs, inode, job) :
						      allocate(fs, inode, job);
}

UBTRFS_API int ubtrfs_fallocate(struct ubtrfs *fs, struct ubtrfs_node node, unsigned mode,
				uint64_t offset, uint64_t len)
{
	struct falloc_job job = { .node = node, .mode = mode, .offset = offset };
	int err = falloc_init(fs, &job, len);

	if (err < 0)
		return fs_errno(err);
	fs_drain_node(fs, node);
	return FS_CHANGE(fs, falloc(fs, &job));
}

static int seek_hole(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_offset)
{
	SCOPED(inode) struct inode *inode = NULL;

	TRY(node_file(fs, node, false, &inode));
	TRY(fs_ready_to_read(fs, inode));
	if (offset >= inode_size(inode))
		return THROW_SYS(ENXIO, "inode %llu: byte %llu is not in the file",
				 (unsigned long long)node.ino, (unsigned long long)offset);
	return file_seek_hole(&fs->core.writeback, inode, offset, ret_offset);
}

UBTRFS_API int ubtrfs_seek_hole(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
				uint64_t *ret_offset)
{
	return FS_READ(fs, seek_hole(fs, node, offset, ret_offset));
}
