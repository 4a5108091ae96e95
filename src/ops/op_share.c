/*
 * Two ranges: sharing extents between them, comparing them first, or copying what cannot be shared.
 *
 * As in op_range.c a call is a job that remembers how far it came, and goes through the door step by
 * step. The rules are those of FICLONERANGE, FIDEDUPERANGE and copy_file_range.
 */
#include <errno.h>

#include "base/assert.h"
#include "file/range.h"
#include "ops/ops.h"

/* What is compared before it is shared, at a time. */
#define DEDUPE_PIECE_BYTES (1 * MIB)
#define COPY_PIECE_BYTES (1 * MIB)
/* So much is copied by one call at most, sharing left aside. */
#define COPY_CALL_BYTES (32 * MIB)

struct share_job {
	struct ubtrfs_node src, dst;
	uint64_t src_offset, dst_offset; /* what is done is left out of all three */
	uint64_t len;
	bool to_end; /* len is still to be looked up */
	bool differs;
	uint64_t done;
	uint64_t copied; /* of these, not shared */
};

struct share_files {
	struct inode *src, *dst;
};

static void share_files_fini(struct share_files *files)
{
	if (files->src)
		inode_put(files->src);
	if (files->dst)
		inode_put(files->dst);
}
DEFINE_SCOPED(share_files, share_files_fini)

static int share_open(struct ubtrfs *fs, const struct share_job *job, struct share_files *files)
{
	if (!fs->core.writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", fs->core.name);
	TRY(node_file(fs, job->src, false, &files->src));
	TRY(node_file(fs, job->dst, true, &files->dst));
	return inode_check_not_append(files->dst);
}

static void share_advance(struct share_job *job, uint64_t len)
{
	job->src_offset += len;
	job->dst_offset += len;
	job->len -= len;
	job->done += len;
}

/* ---- rules ---- */

static bool ranges_fit(const struct share_job *job)
{
	uint64_t end;

	return add_fits(job->src_offset, job->len, &end) && end <= INT64_MAX &&
	       add_fits(job->dst_offset, job->len, &end) && end <= INT64_MAX;
}

static bool ranges_overlap(const struct share_files *files, const struct share_job *job,
			   uint64_t len)
{
	return files->src == files->dst && job->dst_offset < job->src_offset + len &&
	       job->src_offset < job->dst_offset + len;
}

static int overlap_check(const struct share_files *files, const struct share_job *job, uint64_t len)
{
	if (!ranges_fit(job))
		return THROW_SYS(EFBIG, "inode %llu: a range behind byte %llu",
				 (unsigned long long)job->dst.ino, (unsigned long long)INT64_MAX);
	if (ranges_overlap(files, job, len))
		return THROW(ERR_INVALID, "inode %llu: the ranges at %llu and %llu overlap",
			     (unsigned long long)job->src.ino, (unsigned long long)job->src_offset,
			     (unsigned long long)job->dst_offset);
	return 0;
}

static bool csums_match(const struct share_files *files)
{
	return (inode_item_flags(files->src->item) & BTRFS_INODE_NODATASUM) ==
	       (inode_item_flags(files->dst->item) & BTRFS_INODE_NODATASUM);
}

/* Offsets are whole sectors; the length too, but where both files end. */
static int share_check_aligned(const struct ubtrfs *fs, const struct share_files *files,
			       const struct share_job *job)
{
	uint32_t sectorsize = fs->core.geometry.sectorsize;
	uint64_t src_end = job->src_offset + job->len, dst_end = job->dst_offset + job->len;

	if (!is_aligned(job->src_offset | job->dst_offset, sectorsize) ||
	    (!is_aligned(job->len, sectorsize) &&
	     (src_end != inode_size(files->src) || dst_end < inode_size(files->dst))))
		return THROW(ERR_INVALID,
			     "inode %llu: %llu bytes at %llu, for %llu, are no whole sectors",
			     (unsigned long long)job->src.ino, (unsigned long long)job->len,
			     (unsigned long long)job->src_offset,
			     (unsigned long long)job->dst_offset);
	return 0;
}

static int share_check(const struct ubtrfs *fs, const struct share_files *files,
		       struct share_job *job)
{
	uint64_t size = inode_size(files->src);

	if (job->to_end && job->src_offset <= size) {
		job->len = size - job->src_offset;
		job->to_end = false;
	}
	if (job->to_end || !ranges_fit(job) || job->src_offset + job->len > size)
		return THROW(ERR_INVALID, "inode %llu ends before the range at %llu",
			     (unsigned long long)job->src.ino, (unsigned long long)job->src_offset);
	TRY(share_check_aligned(fs, files, job));
	TRY(overlap_check(files, job, round_up(job->len, fs->core.geometry.sectorsize)));
	if (!csums_match(files))
		return THROW(ERR_INVALID, "only one of inode %llu and inode %llu has checksums",
			     (unsigned long long)job->src.ino, (unsigned long long)job->dst.ino);
	return 0;
}

/* ---- sharing ---- */

/* Items of a step, and sectors for what is inline. */
static int share_enter(struct ubtrfs *fs, const struct share_files *files)
{
	uint64_t item_bytes = (RANGE_STEP_EXTENTS + 2) * (2 * FILE_EXTENT_SIZE + 128);
	uint64_t sectorsize = fs->core.geometry.sectorsize, last;

	TRY(file_quiesce(&fs->core.writeback, files->src));
	TRY(file_quiesce(&fs->core.writeback, files->dst));
	TRY(file_extent_end(files->src, &last));
	TRY(file_extent_end(files->dst, &last));
	if (files->src->has_inline || files->dst->has_inline)
		return door_enter_data(&fs->core, 4 * sectorsize, item_bytes, 2);
	return door_enter(&fs->core, item_bytes, 2);
}

/* Extents are shared, not what is to become some: mostly there is nothing left to wait for then. */
static void share_drain(struct ubtrfs *fs, const struct share_job *job)
{
	fs_drain_node(fs, job->src);
	fs_drain_node(fs, job->dst);
}

/* Up to limit bytes of the job, all of it in steps. */
static int share_steps(struct ubtrfs *fs, const struct share_files *files, struct share_job *job,
		       uint64_t limit)
{
	while (limit) {
		struct clone_range range = { .src = files->src,
					     .dst = files->dst,
					     .src_offset = job->src_offset,
					     .dst_offset = job->dst_offset,
					     .len = limit };
		uint64_t len;

		TRY(share_enter(fs, files));
		inode_begin_change(fs, files->dst);
		TRY(file_clone_step(&fs->core.writeback, &range, &len));
		share_advance(job, len);
		limit -= len;
	}
	return 0;
}

static int clone_job(struct ubtrfs *fs, struct share_job *job)
{
	SCOPED(share_files) struct share_files files = { 0 };

	TRY(share_open(fs, job, &files));
	TRY(share_check(fs, &files, job));
	if (!job->len && !job->done)
		return 0;
	TRY(share_steps(fs, &files, job, job->len));
	inode_begin_change(fs, files.dst);
	inode_touch(files.dst);
	return 0;
}

UBTRFS_API int ubtrfs_clone_range(struct ubtrfs *fs, struct ubtrfs_node src, uint64_t src_offset,
				  struct ubtrfs_node dst, uint64_t dst_offset, uint64_t len)
{
	struct share_job job = { .src = src,
				 .dst = dst,
				 .src_offset = src_offset,
				 .dst_offset = dst_offset,
				 .len = len,
				 .to_end = !len };

	share_drain(fs, &job);
	return FS_CHANGE(fs, clone_job(fs, &job));
}

/* ---- sharing what is the same ---- */

static int ranges_compare(struct ubtrfs *fs, const struct share_files *files,
			  const struct share_job *job, size_t len, bool *ret_same)
{
	SCOPED_MEM uint8_t *a = mem_alloc(len);
	SCOPED_MEM uint8_t *b = mem_alloc(len);
	size_t a_len, b_len;

	if (!a || !b)
		return MEM_FAIL("comparing two files");
	TRY(file_read(&fs->core.writeback, files->src, job->src_offset, a, len, &a_len));
	TRY(file_read(&fs->core.writeback, files->dst, job->dst_offset, b, len, &b_len));
	*ret_same = a_len == len && b_len == len && memcmp(a, b, len) == 0;
	return 0;
}

static int dedupe_check(const struct ubtrfs *fs, const struct share_files *files,
			struct share_job *job)
{
	TRY(share_check(fs, files, job));
	if (job->dst_offset + job->len > inode_size(files->dst))
		return THROW(ERR_INVALID, "inode %llu ends before the range at %llu",
			     (unsigned long long)job->dst.ino, (unsigned long long)job->dst_offset);
	return 0;
}

/* Between comparing and sharing a piece nobody changes anything. */
static int dedupe_piece(struct ubtrfs *fs, const struct share_files *files, struct share_job *job)
{
	uint64_t len = MIN(job->len, DEDUPE_PIECE_BYTES);
	bool same;

	TRY(share_enter(fs, files));
	TRY(ranges_compare(fs, files, job, len, &same));
	job->differs = !same;
	return same ? share_steps(fs, files, job, len) : 0;
}

static int dedupe_job(struct ubtrfs *fs, struct share_job *job)
{
	SCOPED(share_files) struct share_files files = { 0 };

	TRY(share_open(fs, job, &files));
	TRY(dedupe_check(fs, &files, job));
	while (job->len && !job->differs)
		TRY(dedupe_piece(fs, &files, job));
	return 0;
}

UBTRFS_API int ubtrfs_dedupe_range(struct ubtrfs *fs, struct ubtrfs_node src, uint64_t src_offset,
				   struct ubtrfs_node dst, uint64_t dst_offset, uint64_t len,
				   bool *ret_same)
{
	struct share_job job = { .src = src,
				 .dst = dst,
				 .src_offset = src_offset,
				 .dst_offset = dst_offset,
				 .len = len };
	int err;

	share_drain(fs, &job);
	err = FS_CHANGE(fs, dedupe_job(fs, &job));
	if (err == 0)
		*ret_same = !job.differs;
	return err;
}

/* ---- copying ---- */

static int copy_bytes(struct ubtrfs *fs, const struct share_files *files, struct share_job *job,
		      uint64_t len)
{
	SCOPED_MEM uint8_t *data = mem_alloc(MIN(len, COPY_PIECE_BYTES));

	if (!data && len)
		return MEM_FAIL("copying between files");
	while (len) {
		/* Through the door at once: what is asked for again is no more than one piece. */
		uint64_t room = COPY_PIECE_BYTES - job->dst_offset % COPY_PIECE_BYTES;
		size_t piece = (size_t)MIN(len, room), got;

		TRY(file_read(&fs->core.writeback, files->src, job->src_offset, data, piece, &got));
		ASSERT(got == piece);
		TRY(inode_write(fs, files->dst, job->dst_offset, data, piece));
		share_advance(job, piece);
		job->copied += piece;
		len -= piece;
	}
	return 0;
}

/* What can be shared from here on, after bytes that are copied up to a sector; 0: nothing. */
static uint64_t copy_shareable(const struct ubtrfs *fs, const struct share_files *files,
			       const struct share_job *job, uint64_t *ret_head)
{
	uint32_t sectorsize = fs->core.geometry.sectorsize;
	uint64_t head = round_up(job->dst_offset, sectorsize) - job->dst_offset, len;

	if (!csums_match(files) || !is_aligned(job->src_offset ^ job->dst_offset, sectorsize) ||
	    head >= job->len)
		return 0;
	*ret_head = head;
	len = job->len - head;
	if (job->src_offset + job->len == inode_size(files->src) &&
	    job->dst_offset + job->len >= inode_size(files->dst))
		return len;
	return round_down(len, sectorsize);
}

static int copy_parts(struct ubtrfs *fs, const struct share_files *files, struct share_job *job)
{
	uint64_t head = 0, shared = copy_shareable(fs, files, job, &head), room;

	if (shared) {
		TRY(copy_bytes(fs, files, job, head));
		TRY(share_steps(fs, files, job, shared));
	}
	/* Less than a sector is left, or all; it comes here again after room was made for some. */
	room = COPY_CALL_BYTES - MIN(job->copied, COPY_CALL_BYTES);
	return copy_bytes(fs, files, job, MIN(job->len, room));
}

static int copy_job(struct ubtrfs *fs, struct share_job *job)
{
	SCOPED(share_files) struct share_files files = { 0 };
	uint64_t size;
	int err;

	TRY(share_open(fs, job, &files));
	size = inode_size(files.src);
	job->len = job->src_offset < size ? MIN(job->len, size - job->src_offset) : 0;
	TRY(overlap_check(&files, job, job->len));
	err = copy_parts(fs, &files, job);
	if (job->done) {
		inode_begin_change(fs, files.dst);
		inode_touch(files.dst);
	}
	return err;
}

UBTRFS_API int ubtrfs_copy_range(struct ubtrfs *fs, struct ubtrfs_node src, uint64_t src_offset,
				 struct ubtrfs_node dst, uint64_t dst_offset, uint64_t len,
				 uint64_t *ret_len)
{
	struct share_job job = { .src = src,
				 .dst = dst,
				 .src_offset = src_offset,
				 .dst_offset = dst_offset,
				 .len = MIN(len, (uint64_t)INT64_MAX) };
	int err;

	share_drain(fs, &job);
	err = FS_CHANGE(fs, copy_job(fs, &job));
	/* What was copied before something failed is told, and the failure when it is met again. */
	if (err && job.done == 0)
		return err;
	*ret_len = job.done;
	return 0;
}
