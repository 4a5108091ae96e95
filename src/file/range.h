/*
 * Ranges of a file as extents: preallocating, punching, sharing, and writing in place. Part of the
 * contract of file/.
 *
 * Each step does a bounded piece of work on a file that it settles first; who calls it has been through the door for that piece, and calls again from *ret_pos on. A step either happens
 * as a whole or aborts the transaction. Offsets are multiples of the sector size where it says so.
 * Locks: the lock of ops/, alone; file_seek_hole may share it when the inode is settled.
 */
#ifndef UBTRFS_FILE_RANGE_H
#define UBTRFS_FILE_RANGE_H

#include "file/file.h"

/* Extents that one step takes out, makes or shares, at most. */
#define RANGE_STEP_EXTENTS 64u
/* Of one preallocated extent (Linux). */
#define PREALLOC_MAX_BYTES (256 * MIB)

/* ---- file_drop.c ---- */
/* Nothing of the inode is dirty or on its way: its extents tell all, and its bytes are with the
 * devices. */
int file_quiesce(struct writeback *writeback, struct inode *inode) must_check;
/*
 * Takes out what the file has in [start, end), whole sectors: about max_extents items. Nothing is
 * left below *ret_pos, which is end when it is done. Leaves a gap. What is dirty is given up; end
 * UINT64_MAX: all of it at once.
 */
int file_drop_some(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end,
		   unsigned max_extents, uint64_t *ret_pos) must_check;
/* The part [start, end) of an extent as an item of its own, in place of one that exists or in a gap;
 * references are the caller's. It is as old as the extent says; generation 0: new. */
int extent_put_part(struct writeback *writeback, struct inode *inode,
		    const struct file_extent *extent, uint64_t start, uint64_t end,
		    bool exists) must_check;

/* ---- punch.c ---- */
/* The bytes read as zero; what was no data before stays none. Within one sector, whose data is
 * rewritten; behind the end of the file nothing happens. */
int file_zero_part(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t len) must_check;
/* A step of making [start, end), whole sectors, a hole. The size stays. */
int file_punch_step(struct writeback *writeback, struct inode *inode, uint64_t start, uint64_t end,
		    uint64_t *ret_pos) must_check;
/* Without NO_HOLES: an item for the gap [start, end), one with the holes beside it; else nothing.
 * The inode is quiet; it is not settled here, for that would fill a gap at the end of the file. */
int file_note_hole(struct writeback *writeback, struct inode *inode, uint64_t start,
		   uint64_t end) must_check;
/* Without NO_HOLES: items for all gaps in [start, end). */
int file_fill_gaps(struct writeback *writeback, struct inode *inode, uint64_t start,
		   uint64_t end) must_check;
/* Contents that are inline become an extent, for extents behind them; the size stays. */
int file_uninline_here(struct writeback *writeback, struct inode *inode) must_check;

/* ---- fallocate.c ---- */
/* What is preallocated: what has no extent, or data too, which is given up. */
enum allocate_what { ALLOCATE_HOLES, ALLOCATE_ALL };
/* How many bytes of [start, end) file_allocate_step will need. */
int file_count_unallocated(struct writeback *writeback, struct inode *inode, uint64_t start,
			   uint64_t end, enum allocate_what what, uint64_t *ret_bytes) must_check;
/*
 * A step of preallocating [start, end), whole sectors. The door has promised the bytes, of which
 * *ret_bytes are allocated now. The size stays.
 */
int file_allocate_step(struct writeback *writeback, struct inode *inode, uint64_t start,
		       uint64_t end, enum allocate_what what, uint64_t *ret_pos,
		       uint64_t *ret_bytes) must_check;

/* ---- clone.c ---- */
/* Where from, where to, how far; offsets are whole sectors, len too but at the end of src. */
struct clone_range {
	struct inode *src, *dst;
	uint64_t src_offset, dst_offset;
	uint64_t len;
};
/*
 * A step of letting dst share what src has: *ret_len bytes are done, to be left out of the range
 * the next time. The size of dst grows as far as is done.
 */
int file_clone_step(struct writeback *writeback, const struct clone_range *range,
		    uint64_t *ret_len) must_check;

/* ---- nocow.c ---- */
/* Where bytes of a file may be written over what is there. */
struct nocow_place {
	uint64_t len;	  /* the answer holds for so many bytes from the offset on; > 0 */
	uint64_t addr;	  /* 0: they need a new extent */
	bool is_prealloc; /* nocow_written must be told */
};
/* Whether it can be otherwise than that every write needs a new extent. Cheap. */
bool nocow_possible(const struct inode *inode);
/*
 * Looks at [offset, offset + len), whole sectors: preallocated, or data of a NODATACOW file; nobody
 * else refers to the extent, no checksums stand there, and its block group may be written. What is
 * written in place must follow what is on its way there already (batch_overlaps).
 * The inode may have runs in flight; its items are looked up where they are.
 */
int nocow_lookup(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		 struct nocow_place *ret_place) must_check;
/* The preallocated bytes have been handed to the devices: they are data from now on. Checksums are
 * the caller's. */
int nocow_written(struct writeback *writeback, struct inode *inode, uint64_t offset,
		  uint64_t len) must_check;
/* Some of the range, whole sectors, can be written in place. */
int nocow_any(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
	      bool *ret_any) must_check;
/* All of the range can be written in place, so that it needs no new space. */
int nocow_covers(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		 bool *ret_covers) must_check;

/* ---- file_read.c ---- */
/* The first byte at or after offset, which is in the file, that no data covers; at the latest the
 * end of the file. */
int file_seek_hole(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t *ret_offset) must_check;

#endif
