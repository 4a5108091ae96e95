/*
 * 03 device: one device. Read, write, flush, discard, resize through a stackable vtable.
 *
 * A device is a flat array of bytes with physical addresses; `struct phys` keeps them apart from
 * logical ones. Devices stack: fault and record devices wrap another and own it. All calls may come
 * from several threads at once; ordering is the caller's (write, then flush). Errors name the
 * device, the offset and the length.
 */
#ifndef UBTRFS_DEVICE_DEVICE_H
#define UBTRFS_DEVICE_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

/* A byte address on one device. */
struct phys {
	uint64_t at;
};

#define PHYS(byte) ((struct phys){ (byte) })

struct device;

struct device_ops {
	const char *kind;
	/* All of len or an error; never short. */
	int (*read)(struct device *device, struct phys at, void *data, size_t len);
	int (*writev)(struct device *device, struct phys at, const struct iovec *parts,
		      int nr_parts, size_t len);
	int (*flush)(struct device *device);
	/*
	 * Tells that the range holds nothing any more; it reads as anything afterwards.
	 * ERR_UNSUPPORTED where there is no such call.
	 */
	int (*discard)(struct device *device, struct phys at, uint64_t len);
	/* Changes the size (regular files and memory); ERR_UNSUPPORTED otherwise. */
	int (*resize)(struct device *device, uint64_t size_bytes);
	/* Shares blocks of another file instead of writing them; NULL: cannot. */
	int (*clone)(struct device *device, struct phys at, int from_fd, uint64_t from,
		     uint64_t len);
	void (*free)(struct device *device);
};

struct device {
	const struct device_ops *ops;
	char *name; /* for messages; owned */
	uint64_t size_bytes;
	bool resizable;
	bool read_only;
	bool one_writer; /* the host writes one after the other there: more at once would only wait */
};

int device_read(struct device *device, struct phys at, void *data, size_t len) must_check;
int device_write(struct device *device, struct phys at, const void *data, size_t len) must_check;
/* Parts in order, back to back; any number of parts. */
int device_writev(struct device *device, struct phys at, const struct iovec *parts,
		  int nr_parts) must_check;
int device_flush(struct device *device) must_check;
int device_discard(struct device *device, struct phys at, uint64_t len) must_check;
int device_resize(struct device *device, uint64_t size_bytes) must_check;
/* Makes the range share the blocks of [from, from + len) of an open file (FICLONERANGE): regular
 * files on one host filesystem that can. ERR_UNSUPPORTED otherwise. Whole blocks of the host
 * only. */
int device_clone(struct device *device, struct phys at, int from_fd, uint64_t from,
		 uint64_t len) must_check;
/* Flushes nothing. NULL is allowed. */
void device_free(struct device *device);

/* Flags of device_file_open. */
#define DEVICE_WRITE \
	1u /* open for writing and take an exclusive lock (flock; O_EXCL for block devices) */
#define DEVICE_CREATE 2u   /* create a regular file that does not exist */
#define DEVICE_TRUNCATE 4u /* a regular file starts as empty (all holes) */

/*
 * A regular file or a block device. Without DEVICE_WRITE no lock is taken. ERR_DEVICE_BUSY:
 * somebody else writes it.
 */
int device_file_open(const char *path, unsigned flags, struct device **ret_device) must_check;

/* ---- who else uses it (device_holder.c); for messages, may be outdated at once ---- */
#define DEVICE_WHO_MAX 64
/* The process that has the file locked for writing: "process 4711 (ubtrfs)". */
bool device_find_writer(const char *path, char ret_who[DEVICE_WHO_MAX],
			unsigned *ret_pid) must_check;
/*
 * What a loop device, or a partition of one, is over. whole: of all of it. False for other devices.
 */
bool device_find_backing(dev_t dev, char ret_path[PATH_MAX], bool *ret_whole) must_check;
struct device_mount {
	bool writable;
	char where[320]; /* "mounted at /mnt through /dev/loop3" */
};
/* Where the kernel has a block device mounted, or as a btrfs a file, also as a loop device over it. */
bool device_find_mount(const char *path, struct device_mount *ret_mount) must_check;

/* ---- what may belong to it (device_scan.c) ---- */
/* ret_bytes: len bytes at `at` of the candidate; path and bytes are lent for the call. */
typedef int (*device_visit_fn)(void *ctx, const char *path, const uint8_t *bytes);
/*
 * Calls visit for each regular file in the folder of `beside`, itself included, or for each block
 * device of the host when it is one; for those that have so many bytes there.
 */
int device_scan(const char *beside, uint64_t at, size_t len, device_visit_fn visit,
		void *ctx) must_check;

/* Sparse memory, for tests: pages appear when written. */
int device_mem_new(const char *name, uint64_t size_bytes, struct device **ret_device) must_check;
/* Passes fault points FAULT_DEVICE_READ/WRITE/FLUSH before each call. Owns lower, once made. */
int device_fault_new(struct device *lower, struct device **ret_device) must_check;
/*
 * Takes as long as a device of that speed (0: no limit) with flushes of that length. Owns lower, once
 * made.
 */
int device_delay_new(struct device *lower, uint64_t bytes_per_s, uint64_t flush_ns,
		     struct device **ret_device) must_check;

/*
 * The bytes [start, start + len_bytes) of another device. Owns lower, once made. ERR_DEVICE_RANGE
 * when they are not all there.
 */
int device_slice_new(struct device *lower, uint64_t start, uint64_t len_bytes,
		     struct device **ret_device) must_check;

/* Records what succeeded, in order (for L8 and crash states). Owns lower, once made. An entry
 * before a flush was complete when that flush began. Entries stay valid until the record is
 * freed. */
struct device_record_entry {
	enum { RECORD_WRITE, RECORD_FLUSH, RECORD_DISCARD, RECORD_RESIZE } kind;
	struct phys at;
	uint64_t len; /* of data for a write, of the range or the size otherwise */
	uint8_t *data;
};
int device_record_new(struct device *lower, struct device **ret_device) must_check;
size_t device_record_nr(const struct device *record);
const struct device_record_entry *device_record_at(const struct device *record, size_t index);
/* Applies the first nr entries to target. */
int device_record_replay(const struct device *record, size_t nr, struct device *target) must_check;

#endif
