/*
 * 15 file: contents. Dirty runs, the ordered writeback, extents of a file, reading, dropping.
 *
 * One straight line for data, in the order of submission (law of determinism): a run (up to 128 KiB
 * of one file) is submitted by the caller; a worker reads its source, compresses and checksums it:
 * pure work, in any order; then the caller reaps runs in the order of submission: allocates, notes
 * the file extent in the inode's overlay, the checksums for the csum tree, and hands the bytes to a
 * write batch, which a worker writes to the devices. How far workers run ahead is bounded in bytes
 * and in runs by constants, so every decision is made by one thread in one order, whatever the
 * number of workers.
 * States of a run: filling (dirty_run of its inode) -> submitted (in_flight) -> reaped (in a write batch, or inline, and gone).
 * Locks: the lock of ops/, which those who read (file_read, file_read_data, file_seek_data,
 * file_extent_find) may share when the inode is synced; all others are alone. Workers touch only the
 * run or batch they were given.
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
#define BATCHES_MAX 12u	     /* on their way to the devices */
#define FILLING_MAX_RUNS 64u /* dirty runs that writers have begun and not filled */

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

struct file_run {
	struct job job;
	struct link link; /* filling, then in_flight */
	struct writeback *writeback;
	struct inode *inode;	      /* a reference */
	struct shared_source *source; /* NULL: data is filled already */
	uint64_t offset;
	uint32_t len;
	bool whole_file;  /* the run is all of the file: may become inline */
	int compress;	  /* COMPRESS_* to try */
	bool by_property; /* it asked for that: tried again and again */
	bool csum;
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
	bool no_verify; /* what is read is not compared with its checksums */
};

struct writeback {
	struct writeback_config config;
	struct geometry geometry;
	struct space *space;
	struct volume *volume;
	struct list filling; /* the dirty runs of inodes, oldest first */
	unsigned nr_filling;
	struct list in_flight; /* runs, oldest first */
	size_t in_flight_bytes;
	unsigned nr_in_flight;
	struct run_scratch *scratches; /* one for each worker */
	unsigned nr_scratches;
	struct csum_batch csums;
	struct write_batch *batch; /* being filled */
	struct list batches;	   /* on their way, oldest first */
	unsigned nr_batches;
	unsigned compress_used;		/* bits 1 << COMPRESS_*: the superblock names them */
	uint64_t disk_bytes, ram_bytes; /* written so far, for statistics */
};

int writeback_init(struct writeback *writeback, const struct writeback_config *config) must_check;
/* Waits for the workers and drops what was not reaped. */
void writeback_fini(struct writeback *writeback);

/* writeback.c. Takes the run over (also on failure). May reap older ones. */
int run_submit(struct writeback *writeback, struct file_run *run) must_check;
/* Everything of this inode is in its overlay afterwards, so that it may be flushed. */
int file_settle(struct writeback *writeback, struct inode *inode) must_check;
/* The same for every inode; all bytes are with the devices, all checksums in the tree. */
int writeback_drain(struct writeback *writeback) must_check;
/* Space for data as space_alloc_data gives it, out of a new chunk if need be. */
int data_alloc(struct writeback *writeback, uint64_t len, uint64_t min_len, uint64_t *ret_addr,
	       uint64_t *ret_len) must_check;

/* run.c */
int run_new(struct writeback *writeback, struct inode *inode, uint64_t offset, uint32_t capacity,
	    struct file_run **ret_run) must_check;
void run_free(struct file_run *run);
int run_work(struct job *job, unsigned worker) must_check;
void scratch_fini(struct run_scratch *scratch);
/* Drops the compressed form: the run is stored plain after all. */
int run_unpack(struct file_run *run) must_check;
int shared_source_new(const struct file_source *source,
		      struct shared_source **ret_source) must_check;
struct shared_source *shared_source_ref(struct shared_source *source);
void shared_source_put(struct shared_source *source);
/* A descriptor for sharing blocks, closed by the caller; -1 when the source is to be copied. */
int shared_source_reflink(struct shared_source *source, int *ret_fd) must_check;
int shared_source_read(struct shared_source *source, uint64_t offset, void *data,
		       size_t len) must_check;

/* write_batch.c. Hands bytes over (buffer is freed by the batch when it was written). */
int batch_write(struct writeback *writeback, uint64_t addr, uint8_t *data, uint32_t len,
		uint8_t *buffer) must_check;
int batch_drain(struct writeback *writeback) must_check;
void batch_drop_all(struct writeback *writeback);

/* csum_batch.c */
int csum_batch_add(struct writeback *writeback, uint64_t addr, const uint8_t *csums,
		   uint32_t nr) must_check;
int csum_batch_flush(struct writeback *writeback) must_check;

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
/* Submits what a writer has gathered. */
int file_submit_dirty(struct writeback *writeback, struct inode *inode) must_check;
/* The same for the inode that has waited longest; there is one. */
int file_submit_oldest(struct writeback *writeback) must_check;
/* Gives up what writers have gathered. */
void file_drop_dirty(struct writeback *writeback);

/* file_drop.c, truncate.c. The inode is settled and flushed by them. */
int file_drop_range(struct writeback *writeback, struct inode *inode, uint64_t start,
		    uint64_t end) must_check;
/* The same for what is in the overlay and the tree already; runs in flight come later. */
int file_drop_noted(struct writeback *writeback, struct inode *inode, uint64_t start,
		    uint64_t end) must_check;
int file_truncate(struct writeback *writeback, struct inode *inode, uint64_t size) must_check;
/* Before a file of inline contents grows to size with more than one run: contents become a run.
 * The runs of the inode that are in flight see the new size. */
int file_uninline(struct writeback *writeback, struct inode *inode, uint64_t size) must_check;

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

/* file_read.c. Verified, decompressed. */
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
/* Settles and flushes: the tree tells all of this inode. A no-op when nothing is delayed. */
int file_sync_inode(struct writeback *writeback, struct inode *inode) must_check;

#endif
