/*
 * 15 file: contents. Dirty ranges, the ordered writeback, extents of a file, reading, dropping.
 *
 * What is written gathers in RAM as dirty ranges of its inode (whole sectors, within one piece of
 * RUN_MAX_BYTES). One straight line leads from there to the disk, in the order of submission (law of
 * determinism): a range, or a piece of a source, becomes a run; a worker reads its source,
 * compresses and checksums it: pure work, in any order; then it is reaped, in the order of
 * submission: allocates, notes the file extent in the inode's overlay, the checksums for the csum
 * tree, and hands the bytes to a write batch, which a worker writes to the devices. How far workers
 * run ahead is bounded in bytes and in runs by constants.
 * States of bytes: DIRTY (in inode->dirty) -> IN FLIGHT (in the window, in inode->writing) -> ON THE WAY
 * (reaped, part of a batch, still in inode->writing) -> gone from RAM, when the batch was written.
 * Reading looks at dirty, then at writing, then at the extents. Runs of one inode never overlap: what is
 * written again above a run waits as a dirty range until that run is gone. So an extent that is
 * replaced has nothing on the way to it any more, and its space may be given away at once. (What is taken
 * out of a file with a background does not wait for that: its space is pinned, see file_drop.c.)
 * Two ways to drive it. Inline: full ranges are submitted by who writes, and the oldest beyond
 * INLINE_DIRTY_BYTES; the same calls give the same image, whatever the number of workers. With a background
 * (config.background): nobody submits but writeback_step, which never waits, and writeback_drain.
 * Locks: the lock of ops/, which those who read (file_read, file_read_data, file_seek_data,
 * file_extent_find) may share; all others are alone. Workers touch only the run or batch they were given,
 * and writeback->done_lock (RANK_WRITEBACK).
 */
#ifndef UBTRFS_FILE_FILE_H
#define UBTRFS_FILE_FILE_H

#include "base/workq.h"
#include "codec/compress.h"
#include "inode/inode.h"

#define RUN_MAX_BYTES 131072u	     /* of one run; a compressed extent holds no more (Linux) */
#define EXTENT_MAX_BYTES (128 * MIB) /* of one file extent (Linux) */
#define WINDOW_MAX_BYTES (24 * MIB)  /* submitted and not yet reaped */
#define WINDOW_MAX_RUNS 1024u
#define BATCH_MAX_BYTES MIB /* of one device write */
#define BATCH_MAX_PARTS 256
#define BATCHES_MAX 12u		     /* on their way to the devices */
#define INLINE_DIRTY_BYTES (8 * MIB) /* dirty without a background */

/* Where a run's bytes come from when they are not copied by the caller. Called on a worker. */
struct file_source {
	int (*read)(void *ctx, uint64_t offset, void *data, size_t len);
	void (*release)(void *ctx);
	int (*reflink_fd)(void *ctx); /* NULL, or as in struct ubtrfs_source */
	void *ctx;
	const char *name;
};

/* A source shared by the runs of one file_write_from; released with the last. */
struct shared_source;

/*
 * What one worker compresses with: small enough to stay in its core's cache from run to run.
 * Made when first needed.
 */
struct run_scratch {
	struct compress_workspace *workspaces[COMPRESS_TYPES];
	uint8_t *data;	 /* RUN_MAX_BYTES: a source is read into it */
	uint8_t *packed; /* RUN_MAX_BYTES: compressed into it */
};

/* Bytes of a file that nobody has handed to a worker yet. Behind the end of the file they are zero. */
struct dirty_range {
	struct rb_node node; /* of inode->dirty, by offset */
	uint64_t offset;
	uint32_t len, capacity; /* whole sectors */
	bool overwrites;	/* it lies where the file had extents already */
	uint8_t *data;
};

struct file_run {
	struct job job;
	struct link link;    /* in_flight */
	struct rb_node node; /* of inode->writing, by offset */
	unsigned count; /* who needs its bytes: the window or the reaper, each part of a batch */
	struct writeback *writeback;
	struct inode *inode;	      /* a reference; NULL: given up before it was reaped */
	struct shared_source *source; /* NULL: data is filled already */
	uint64_t offset;
	uint32_t len;
	uint32_t ram_bytes; /* as accounted */
	bool whole_file;    /* the run is all of the file: may become inline */
	bool reaped;
	int compress;	  /* COMPRESS_* to try */
	bool by_property; /* it asked for that, or the caller insists: tried again and again */
	bool csum;
	_Atomic bool finished; /* by its worker */
	uint8_t *data; /* capacity round_up(len, sectorsize), zero behind len; NULL: still in the source, or only packed */
	/* results */
	uint8_t *packed; /* compressed bytes, or NULL */
	uint32_t packed_len;
	uint8_t *csums; /* of the sectors that go to disk */
};

struct write_batch;

/* Checksums of neighbouring sectors on their way to the csum tree. */
struct csum_batch {
	uint64_t addr;
	uint32_t nr, capacity; /* in checksums */
	uint8_t *csums;
};

struct writeback_config {
	struct inode_table *inodes;
	struct extents *extents;
	struct txn *txn;
	struct workq *workq;
	int compress; /* COMPRESS_* for new data */
	int compress_level;
	uint32_t max_inline;
	bool no_verify;	     /* what is read is not compared with its checksums */
	bool compress_force; /* also what did not compress at its start */
	bool background;     /* nobody submits but writeback_step and writeback_drain */
};

/* Buffers of RUN_MAX_BYTES that wait for the next use: fresh ones cost a fault for each page. */
#define BUFFERS_KEPT_MAX 192u

struct writeback {
	struct writeback_config config;
	struct geometry geometry;
	struct space *space;
	struct volume *volume;
	struct list dirty_inodes; /* those with dirty ranges, oldest first */
	unsigned nr_dirty;	  /* ranges */
	unsigned nr_overwrites;	  /* ranges that lie where extents are */
	unsigned nr_small;	  /* ranges and runs in flight that may become inline */
	uint64_t dirty_bytes;	  /* in ranges */
	size_t dirty_ram_bytes;	  /* what they take */
	uint8_t *buffers[BUFFERS_KEPT_MAX];
	unsigned nr_buffers;
	size_t writing_ram_bytes; /* what runs take, until their bytes are on the devices */
	struct list in_flight;	  /* runs, oldest first */
	size_t in_flight_bytes;
	unsigned nr_in_flight;
	struct run_scratch *scratches; /* one for each worker */
	unsigned nr_scratches;
	struct csum_batch csums;
	struct write_batch *batch; /* being filled */
	struct list batches;	   /* on their way, oldest first */
	struct job_lane writers;   /* no more at once than the devices take */
	unsigned nr_batches;
	uint64_t nr_batches_ever;
	bool stepping;	    /* inside writeback_step: nothing waits */
	uint8_t *sector[2]; /* what a write keeps of its first and last sector */
	struct mutex done_lock;
	struct cond done;
	/* under done_lock */
	struct list unwritten;		  /* batches, in the order of submission */
	struct err_report write_failure;  /* the first */
	unsigned nr_barriers;		  /* who waits for batches */
	uint64_t nr_started, nr_finished; /* jobs, ever */
	uint64_t wake_at;		/* of nr_finished: then there is enough to do for a step */
	unsigned compress_used;		/* bits 1 << COMPRESS_*: the superblock names them */
	uint64_t disk_bytes, ram_bytes; /* written so far, for statistics */
};

int writeback_init(struct writeback *writeback, const struct writeback_config *config) must_check;
/* Waits for the workers and drops what was not reaped. */
void writeback_fini(struct writeback *writeback);

/* unsaved.c */
/*
 * Of what is written and not stored, the sectors where no extent is: what the file will take more.
 */
int file_unsaved_bytes(struct inode *inode, uint64_t *ret_bytes) must_check;

/* writeback.c */
/* RAM that contents take which are not on the devices yet. */
static inline size_t writeback_ram_bytes(const struct writeback *writeback)
{
	return writeback->dirty_ram_bytes + writeback->writing_ram_bytes;
}
/* Takes the run over (also on failure). May reap older ones. Nothing of its range is in writing. */
int run_submit(struct writeback *writeback, struct file_run *run) must_check;
/* Everything of this inode is in its overlay afterwards, so that it may be flushed. */
int file_settle(struct writeback *writeback, struct inode *inode) must_check;
/* No run of the inode with bytes in [start, end) is in RAM afterwards. */
int file_wait_range(struct writeback *writeback, struct inode *inode, uint64_t start,
		    uint64_t end) must_check;
/* The same as file_settle for every inode; all bytes are with the devices, all checksums in the tree. */
int writeback_drain(struct writeback *writeback) must_check;
/* The same, but the bytes may be on their way still: batch_barrier_wait is for those. Waits for workers
 * only, or where a file was written again while its bytes were on their way. */
int writeback_note(struct writeback *writeback) must_check;
/* Space for data as space_alloc_data gives it, out of a new chunk if need be. */
int data_alloc(struct writeback *writeback, uint64_t len, uint64_t min_len, uint64_t *ret_addr,
	       uint64_t *ret_len) must_check;

/* writeback_step.c: for who drives it from a thread of its own. */
/*
 * Goes on without waiting for a worker or a device: reaps what is done, submits dirty ranges of the
 * inodes that have waited longest, up to budget_bytes. *ret_more: something is dirty or on its way still.
 * The lock of ops/ is held alone.
 */
int writeback_step(struct writeback *writeback, size_t budget_bytes, bool *ret_more) must_check;
/* The same for one inode; *ret_more: some of it is in RAM still. */
int writeback_step_inode(struct writeback *writeback, struct inode *inode,
			 bool *ret_more) must_check;
/*
 * Without the lock of ops/: until enough of what the last step left on its way is done for the next one,
 * or nothing is on its way. From any thread.
 */
void writeback_wait(struct writeback *writeback);
/* Whether so many bytes more may be in flight. */
bool window_has_room(const struct writeback *writeback, uint32_t len);

/* reap.c */
/* Reaps the oldest run in flight; waits for its worker. */
int reap_oldest(struct writeback *writeback) must_check;
/* The oldest run leaves the window: its job is to be waited for. */
struct file_run *window_pop(struct writeback *writeback);
/* A reference goes whose bytes are on the devices, or nowhere: with the last one they leave RAM. */
void run_written(struct file_run *run);
/* The file does not want a run any more, in flight or on its way. */
void run_give_up(struct file_run *run);
/* May become inline: counts as that much metadata. */
static inline bool run_is_small(const struct file_run *run)
{
	return run->offset == 0 && run->len <= run->writeback->geometry.sectorsize;
}

/* writeback_step.c again: a run or a batch was given to the workers; one of them is done with it. */
void writeback_started(struct writeback *writeback);
void writeback_finished(struct writeback *writeback, _Atomic bool *finished);

/* dirty.c: dirty ranges */
/* Gives back memory for contents; whole pieces are kept for the next one. */
void buffer_put(struct writeback *writeback, uint8_t *data, uint32_t capacity);
/* Gives back what is kept. */
void buffers_trim(struct writeback *writeback);
/* Bytes within one piece of RUN_MAX_BYTES become dirty. Nothing changes on failure. */
int dirty_write(struct writeback *writeback, struct inode *inode, uint64_t offset,
		const uint8_t *data, uint32_t len) must_check;
/* The whole sectors of [start, end) are dirty no more: their bytes are given up. */
int dirty_cut(struct writeback *writeback, struct inode *inode, uint64_t start,
	      uint64_t end) must_check;
/* The range that covers pos, or the next one behind it; NULL. */
struct dirty_range *dirty_find(const struct inode *inode, uint64_t pos);
/* Makes a run out of a range and submits it. */
int dirty_submit(struct writeback *writeback, struct inode *inode,
		 struct dirty_range *range) must_check;
/* Gives up what is dirty of all inodes. */
void dirty_drop_all(struct writeback *writeback);

/* writing.c: runs by where they are in their file */
/* The run that covers pos, or the next one behind it; NULL. */
struct file_run *writing_find(const struct inode *inode, uint64_t pos);
void writing_add(struct file_run *run);
void writing_remove(struct file_run *run);
bool writing_overlaps(const struct inode *inode, uint64_t start, uint64_t end);
/* What RAM has of a file at pos. */
struct ram_piece {
	const uint8_t *data; /* NULL: nothing up to end; the extents tell */
	uint64_t end;
	bool from_source; /* data NULL: the bytes are on their way from a source to the devices */
};
void ram_find(const struct inode *inode, uint64_t pos, struct ram_piece *ret_piece);

/* run.c */
/* data: capacity bytes, taken over on success; NULL: they come from a source, or not at all yet. */
int run_new(struct writeback *writeback, struct inode *inode, uint64_t offset, uint32_t len,
	    uint8_t *data, uint32_t capacity, struct file_run **ret_run) must_check;
struct file_run *run_ref(struct file_run *run);
/* The last one frees it: it is in no list and not in inode->writing. */
void run_put(struct file_run *run);
void scratch_fini(struct run_scratch *scratch);
/* Drops the compressed form: the run is stored plain after all. */
int run_unpack(struct file_run *run) must_check;
int shared_source_new(const struct file_source *source,
		      struct shared_source **ret_source) must_check;
struct shared_source *shared_source_ref(struct shared_source *source);
void shared_source_put(struct shared_source *source);
/* A descriptor for sharing blocks, closed by the caller; -1 when the source is to be copied. */
int shared_source_reflink(struct shared_source *source, int *ret_fd) must_check;

/* write_batch.c. Hands bytes of a run over, which stays until they were written. */
int batch_write(struct writeback *writeback, uint64_t addr, uint8_t *data, uint32_t len,
		struct file_run *run) must_check;
/* The one that is being filled goes on its way. */
int batch_submit(struct writeback *writeback) must_check;
/* Takes those back that are written; the oldest is waited for, if there is one. */
int batch_reap_done(struct writeback *writeback) must_check;
int batch_wait_oldest(struct writeback *writeback) must_check;
int batch_drain(struct writeback *writeback) must_check;
/* All that was submitted so far; to be waited for without the lock of ops/, from any thread: it is on
 * the devices then, unless one failed. */
uint64_t batch_barrier(const struct writeback *writeback);
int batch_barrier_wait(struct writeback *writeback, uint64_t barrier) must_check;
void batch_drop_all(struct writeback *writeback);

/* csum_batch.c */
int csum_batch_add(struct writeback *writeback, uint64_t addr, const uint8_t *csums,
		   uint32_t nr) must_check;
int csum_batch_flush(struct writeback *writeback) must_check;
/* Whether checksums of this range wait to be put into the tree. */
bool csum_batch_overlaps(const struct writeback *writeback, uint64_t addr, uint64_t len);
/* csum_lookup, those included that wait. From readers, too. */
int csum_batch_lookup(struct writeback *writeback, uint64_t addr, uint64_t nr,
		      uint8_t *ret_csums) must_check;

/* file_extent.c: extents of a file in its overlay */
struct extent_note {
	uint64_t offset;    /* in the file */
	uint64_t num_bytes; /* of the file; a multiple of the sector size */
	uint64_t addr, disk_bytes;
	uint64_t ram_bytes;
	int compress;
};
int extent_note(struct writeback *writeback, struct inode *inode,
		const struct extent_note *note) must_check;
int extent_note_inline(struct writeback *writeback, struct inode *inode, const void *data,
		       uint32_t len, uint32_t ram_bytes, int compress) must_check;
/* Puts the extent that may still grow into the overlay. */
int extent_close(struct writeback *writeback, struct inode *inode) must_check;
/* Without NO_HOLES: hole items up to end. */
int extent_fill_hole(struct writeback *writeback, struct inode *inode, uint64_t end) must_check;

/* file_write.c */
int file_write(struct writeback *writeback, struct inode *inode, uint64_t offset, const void *data,
	       size_t len) must_check;
/* A source, or the next part of one: whole sectors, but at the end of the file. */
int file_write_from(struct writeback *writeback, struct inode *inode, uint64_t offset, uint64_t len,
		    struct shared_source *source) must_check;
/* ERR_LIMIT when a file cannot reach so far. */
int file_check_range(const struct inode *inode, uint64_t offset, uint64_t len) must_check;
/* Submits what is dirty of an inode, in order. */
int file_submit_dirty(struct writeback *writeback, struct inode *inode) must_check;

/*
 * file_drop.c, truncate.c. Takes whole sectors out of a file: what is dirty or in flight of them is given
 * up, what is on the way to the devices is waited for. The inode need not be settled nor flushed.
 */
int file_drop_range(struct writeback *writeback, struct inode *inode, uint64_t start,
		    uint64_t end) must_check;
/* The same for extents that are noted: nothing that was written later is touched. */
int file_drop_noted(struct writeback *writeback, struct inode *inode, uint64_t start,
		    uint64_t end) must_check;
int file_truncate(struct writeback *writeback, struct inode *inode, uint64_t size) must_check;
/* Before a file grows: what Linux may leave without an item among what is preallocated behind its end
 * becomes a hole (punch.c). */
int file_close_gaps(struct writeback *writeback, struct inode *inode) must_check;
/*
 * Before a file becomes smaller: takes about max_extents from its end, which makes it smaller but not
 * as small as size; *ret_done: no more than so many are left to file_truncate.
 */
int file_shrink_some(struct writeback *writeback, struct inode *inode, uint64_t size,
		     unsigned max_extents, bool *ret_done) must_check;
/* Before a file of inline contents grows behind its first sector: that becomes dirty. */
int file_uninline(struct writeback *writeback, struct inode *inode) must_check;

/* extent_map.c: one extent of a file as its item tells */
struct file_extent {
	uint64_t start, end; /* in the file */
	bool is_inline, is_hole, is_prealloc;
	int compress;
	uint64_t generation;	   /* of the item */
	uint64_t addr, disk_bytes; /* on disk */
	uint64_t ram_bytes;
	uint64_t offset;      /* into the uncompressed extent */
	uint32_t inline_len;  /* bytes of inline data at inline_data */
	uint8_t *inline_data; /* owned; freed by file_extent_fini */
};
void file_extent_fini(struct file_extent *extent);
DEFINE_SCOPED(file_extent, file_extent_fini)
/*
 * The extent that covers pos, or the next one behind it, delayed or not; ERR_KEY_NOT_FOUND. The inode
 * is settled.
 */
int file_extent_find(struct inode *inode, uint64_t pos, struct file_extent *ret_extent) must_check;
/* End of the last extent item; 0 when none. Notes it in the inode. */
int file_extent_end(struct inode *inode, uint64_t *ret_end) must_check;

/*
 * file_read.c. Verified, decompressed. Bytes from a source that are still on their way (inode->nr_sources)
 * are waited for: then the caller is alone.
 */
int file_read(struct writeback *writeback, struct inode *inode, uint64_t offset, void *data,
	      size_t len, size_t *ret_len) must_check;
/*
 * The next data at or after offset, and what follows without a hole, as far as it fits into capacity
 * bytes: *ret_start in the file, *ret_len > 0; the rest of the buffer is scratch. ERR_KEY_NOT_FOUND
 * when there is none before the end of the file.
 */
int file_read_data(struct writeback *writeback, struct inode *inode, uint64_t offset, void *data,
		   size_t capacity, uint64_t *ret_start, size_t *ret_len) must_check;
int file_seek_data(struct writeback *writeback, struct inode *inode, uint64_t offset,
		   uint64_t *ret_start, uint64_t *ret_end) must_check;

#endif
